"""Files that SystemDS 3.4.0 wrote (data/recipe.dml): we read them, and write the same bytes."""

import re
from pathlib import Path

import numpy as np
import pytest
from io_testing import read, read_dense, same_bits, sparse, write

from pydml.values import List, Sparse, to_dense

DATA = Path(__file__).parent / "data"

A = np.array(
    [
        [1, 0, -2.5, 0.1, 123456.789],
        [9999999, 10000000, 12345678.9, 0.001, 0.00099999],
        [1e-7, -1e10, 1e100, 4e-300, 0],
        [5e-324, 1e23, 0.3333333333333333, 0, -0.75],
    ]
)


@pytest.mark.parametrize("name", ["a.csv", "a_header.csv", "a_sparse.csv", "a.text", "a.mtx", "a.bin"])
def test_reads_the_matrix(name):
    assert same_bits(read_dense(DATA / name), A)


def test_reads_libsvm():
    # the .mtd counts the label among the features, so that SystemDS too reads a column of zeros before it
    expected = np.insert(A, 4, 0, axis=1)
    assert same_bits(read_dense(DATA / "a.libsvm", sep=" "), expected)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.csv", {"format": "csv"}),
        ("a_header.csv", {"format": "csv", "header": True, "sep": ";"}),
        ("a_sparse.csv", {"format": "csv", "sparse": True, "sep": "||"}),
        ("a.text", {}),
        ("a.mtx", {"format": "mm"}),
        ("a.libsvm", {"format": "libsvm", "sep": " "}),
        ("a.bin", {"format": "binary"}),
    ],
)
@pytest.mark.parametrize("make", [np.array, sparse])
def test_writes_the_same_bytes(tmp_path, name, options, make):
    write(make(A), tmp_path / name, **options)
    ours, theirs = (tmp_path / name).read_bytes(), (DATA / name).read_bytes()
    if name == "a.bin":  # the sync marker is random
        ours, theirs = ours[:110] + ours[126:], theirs[:110] + theirs[126:]
    assert ours == theirs
    if name != "a.mtx":
        ours, theirs = (normal((f / f"{name}.mtd").read_text()) for f in (tmp_path, DATA))
        if name == "a.libsvm":  # ours counts the features, and tells the separators
            ours = re.sub('    "(sep|indSep)": .*\n', "", ours).replace('"cols": 4', '"cols": 5')
        assert ours == theirs


def normal(text):
    return re.sub('"(author|created)": "[^"]*"', r'"\1": ""', text)


def test_reads_binary_of_several_blocks():
    i = np.arange(1, 38)
    expected = np.zeros((1150, 1003))
    expected[i * 31 - 1, i * 89 % 1003] = 1 / i
    value = read(DATA / "s.bin")
    assert isinstance(value, Sparse) and same_bits(value.to_dense(), expected)
    i = np.arange(1, 31)
    expected = np.zeros((30, 11))
    expected[i - 1, i * 7 % 11] = i
    assert same_bits(read_dense(DATA / "d.bin"), expected)
    assert same_bits(read_dense(DATA / "e.bin"), np.zeros((3, 2)))


def test_writes_binary_of_several_blocks(tmp_path):
    for name, options in (("s.bin", {}), ("d.bin", {"rows_in_block": 8}), ("e.bin", {})):
        value = read(DATA / name)
        for made in (to_dense(value), sparse(to_dense(value))):
            write(made, tmp_path / name, format="binary", **options)
            assert normal((tmp_path / f"{name}.mtd").read_text()) == normal((DATA / f"{name}.mtd").read_text())
            assert same_bits(read_dense(tmp_path / name), to_dense(value))


@pytest.mark.parametrize(
    ("name", "value"), [("int", 3), ("boolean", True), ("string", "two\nlines"), ("double", -1e-5)]
)
def test_scalars(tmp_path, name, value):
    found = read(DATA / name)
    assert type(found) is type(value) and found == value
    write(value, tmp_path / name)
    assert (tmp_path / name).read_bytes() == (DATA / name).read_bytes()
    assert normal((tmp_path / f"{name}.mtd").read_text()) == normal((DATA / f"{name}.mtd").read_text())


def test_list(tmp_path):
    value = read(DATA / "list")
    assert value.names == ("w", "k", "inner")
    assert same_bits(value.items[0], A)
    assert value.items[1] == "7.5"  # SystemDS writes that this one is a string
    assert isinstance(value.items[2], List) and value.items[2].items == (1, "q") and value.items[2].names is None
    write(value, tmp_path / "list")
    ours, theirs = (
        {str(p.relative_to(f)): normal(p.read_text()) for p in [f / "list.mtd", *f.glob("list/**/*")] if p.is_file()}
        for f in (tmp_path, DATA)
    )
    assert ours == theirs and len(ours) == 10

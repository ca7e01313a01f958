"""csv files.  What is read and refused was compared with SystemDS 3.4.0 cell by cell."""

import math

import numpy as np
import pytest
from io_testing import error, read, read_dense, same_bits, sparse, write

from pydml.values import Sparse


def put(tmp_path, text):
    path = tmp_path / "t.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        (" 1 ,2\n 3, 4 \n", {}, [[1, 2], [3, 4]]),
        ("1,2\r\n3,4\r\n", {}, [[1, 2], [3, 4]]),
        ("1,2\r3,4\r", {}, [[1, 2], [3, 4]]),
        ("1,2\n3,4", {}, [[1, 2], [3, 4]]),
        ("1,2\n3,4\n\n  \n", {}, [[1, 2], [3, 4]]),
        (b"\xef\xbb\xbf1,2\n3,4\n", {}, [[1, 2], [3, 4]]),
        ("1,\n,4\n", {}, [[1, 0], [0, 4]]),
        ("1, \n,4\n", {"default": 9}, [[1, 9], [9, 4]]),
        ("1,2,\n3,4,\n", {}, [[1, 2, 0], [3, 4, 0]]),
        ("1,NA\n,4\n", {"naStrings": "NA"}, [[1, math.nan], [0, 4]]),
        ("1,NA\n-99,4\n", {"naStrings": ("NA", "-99")}, [[1, math.nan], [math.nan, 4]]),
        ("1d,2f\n0x1p3,+4\n", {}, [[1, 2], [8, 4]]),
        ("NaN,Infinity\n-Infinity,1.E2\n", {}, [[math.nan, math.inf], [-math.inf, 100]]),
        ("nan,inf\n-Inf,.5\n", {}, [[math.nan, math.inf], [-math.inf, 0.5]]),
        ('"1","2"\n3,"4"\n', {}, [[1, 2], [3, 4]]),
        ("a,b\n3,4\n", {"header": True}, [[3, 4]]),
        ('"a,x",b\n3,4\n', {"header": True}, [[3, 4]]),
        ("a,b\n", {"header": True}, np.zeros((0, 2))),
        ("1||2\n3||4\n", {"sep": "||"}, [[1, 2], [3, 4]]),
        ("1\t2\n3\t4\n", {"sep": "\t"}, [[1, 2], [3, 4]]),
        ("1 2\n3 4\n", {"sep": " "}, [[1, 2], [3, 4]]),
        ("1.2.3\n", {"sep": "."}, [[1, 2, 3]]),
        ("5\n", {}, [[5]]),
        ("1,2\n3,4\n", {"rows": 3, "cols": 2}, [[1, 2], [3, 4], [0, 0]]),
        ("1,2\n3,4\n", {"rows": "2"}, [[1, 2], [3, 4]]),
    ],
)
def test_reads(tmp_path, text, options, expected):
    assert same_bits(read_dense(put(tmp_path, text), format="csv", **options), np.array(expected, float))


@pytest.mark.parametrize(
    ("text", "options", "message", "help"),
    [
        ("1,abc\n", {}, 't.csv: line 1, column 2: "abc" is not a number', "header=TRUE skips the first line"),
        ("1,2\n3,NA\n", {}, 't.csv: line 2, column 2: "NA" is not a number', 'naStrings="NA" reads it as NaN'),
        ("1;2\n", {"header": False}, 'line 1, column 1: "1;2" is not a number', ""),
        ("h\n1;2\n", {"header": True}, 'line 2, column 1: "1;2" is not a number', "name the separator by sep="),
        ("1,2\n3,1_000\n", {}, 'line 2, column 2: "1_000" is not a number', ""),
        ("1,2\n3,\xe4\n", {}, 'line 2, column 2: "ä" is not a number', ""),
        ("1,2\n3,\x00\n", {}, 'line 2, column 2: "\\x00" is not a number', ""),
        ("1,2\n3,4,5\n", {}, "t.csv: line 2 has 3 cells, the lines before have 2", ""),
        ("1,2\n3\n", {}, "t.csv: line 2 has 1 cells, the lines before have 2", "name the separator by sep="),
        ("1,2\n\n3,4\n", {}, "t.csv: line 2 is empty", ""),
        ("1\n\n3\n", {}, "t.csv: line 2 is empty", ""),
        ("1  2\n3 4\n", {"sep": " "}, "line 2 has 2 cells, the lines before have 3", ""),
        ("1,\n", {"fill": False}, "t.csv: line 1, column 2: the cell is empty", "fill=TRUE reads it as default="),
        ("", {}, "t.csv is empty", ""),
        ("\n\n", {}, "t.csv holds no rows", ""),
    ],
)
def test_malformed(tmp_path, text, options, message, help):
    found = error(read, put(tmp_path, text), format="csv", **options)
    assert found.id == "data-format"
    assert message in found.message
    assert help in found.diagnostic.help


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rows": 1}, "t.csv has 2 rows, the read statement says 1"),
        ({"cols": 3}, "t.csv has 2 columns, the read statement says 3"),
        ({"rows": 4, "cols": 1}, "t.csv has 2 columns, the read statement says 1"),
    ],
)
def test_other_size_than_declared(tmp_path, options, message):
    found = error(read, put(tmp_path, "1,2\n3,4\n"), format="csv", **options)
    assert found.id == "metadata"
    assert message in found.message


def test_separators_without_meaning(tmp_path):
    path = put(tmp_path, "1,2\n")
    for sep in ("", "\n", "a\rb"):
        assert error(read, path, format="csv", sep=sep).id == "value"
        assert error(write, np.ones((1, 2)), tmp_path / "u.csv", format="csv", sep=sep).id == "value"
    assert not (tmp_path / "u.csv").exists()


A = np.array([[1.5, 0, 3], [0, -0.0, 0.0001], [1e10, -7, 12345678]])


@pytest.mark.parametrize("make", [np.array, sparse])
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "1.5,0,3.0\n0,0,1.0E-4\n1.0E10,-7.0,1.2345678E7\n"),
        ({"header": True, "sep": ";"}, "C1;C2;C3\n1.5;0;3.0\n0;0;1.0E-4\n1.0E10;-7.0;1.2345678E7\n"),
        ({"sparse": True}, "1.5,,3.0\n,,1.0E-4\n1.0E10,-7.0,1.2345678E7\n"),
        ({"sep": " ä "}, "1.5 ä 0 ä 3.0\n0 ä 0 ä 1.0E-4\n1.0E10 ä -7.0 ä 1.2345678E7\n"),
    ],
)
def test_writes_as_systemds(tmp_path, make, options, expected):
    path = tmp_path / "t.csv"
    write(make(A), path, format="csv", **options)
    assert path.read_text(encoding="utf-8") == expected
    assert same_bits(read_dense(path), A)


def test_special_numbers(tmp_path):
    path = tmp_path / "t.csv"
    write(np.array([[math.nan, math.inf, -math.inf, 1e-7, 5e-324]]), path, format="csv")
    assert path.read_text() == "NaN,Infinity,-Infinity,1.0E-7,4.9E-324\n"


def test_sparse_write_of_a_column_stays_readable(tmp_path):
    column = np.array([[1.0], [0.0], [2.0]])
    write(column, tmp_path / "t.csv", format="csv", sparse=True)
    assert same_bits(read_dense(tmp_path / "t.csv"), column)


def test_views_and_single_precision(tmp_path):
    big = np.arange(60.0).reshape(6, 10) / 4
    view = big[::2, ::-3].T
    write(view, tmp_path / "v.csv", format="csv")
    assert same_bits(read_dense(tmp_path / "v.csv"), view)
    single = read(tmp_path / "v.csv", dtype=np.float32)
    assert single.dtype == np.float32
    write(single, tmp_path / "w.csv", format="csv")
    assert (tmp_path / "w.csv").read_bytes() == (tmp_path / "v.csv").read_bytes()


def test_mostly_zero_comes_sparse(tmp_path):
    array = np.zeros((100, 50))
    array[3, 4], array[99, 49] = 2.5, -1
    write(array, tmp_path / "t.csv", format="csv")
    value = read(tmp_path / "t.csv")
    assert isinstance(value, Sparse)
    assert same_bits(value.to_dense(), array)


def test_folder_has_a_header_in_its_first_file_only(tmp_path):
    folder = tmp_path / "d"
    folder.mkdir()
    (folder / "part-1").write_text("a,b\n1,2\n")
    (folder / "part-10").write_text("3,4\n5,6")
    (folder / "part-2").write_text("7,8\n")
    (folder / "part-3").write_text("")
    (folder / "_SUCCESS").write_text("x")
    (folder / ".part-1.crc").write_text("x")
    expected = np.array([[1, 2], [3, 4], [5, 6], [7, 8]], float)
    assert same_bits(read_dense(folder, format="csv", header=True), expected)
    assert same_bits(read_dense(f"{folder}/", format="csv", header=True), expected)
    assert same_bits(read_dense(f"file:{folder}", format="csv", header=True), expected)
    (folder / "part-4").write_text("1,2,3\n")
    assert (
        "part-4: line 1 has 3 cells, the lines before have 2" in error(read, folder, format="csv", header=True).message
    )
    (folder / "sub").mkdir()
    assert "it contains the folder sub" in error(read, folder, format="csv", header=True).message


def test_any_matrix_comes_back(tmp_path):
    hypothesis = pytest.importorskip("hypothesis")
    from hypothesis import strategies as st

    cells = st.one_of(st.floats(), st.just(0.0), st.integers(-(2**60), 2**60).map(float))
    shapes = st.tuples(st.integers(1, 7), st.integers(1, 7))
    seps = st.sampled_from([",", ";", "\t", " ", "||", "ab", ", "])

    @hypothesis.settings(deadline=None, max_examples=60)
    @hypothesis.given(
        shapes.flatmap(
            lambda s: st.lists(cells, min_size=s[0] * s[1], max_size=s[0] * s[1]).map(
                lambda c: np.array(c, float).reshape(s)
            )
        ),
        seps,
        st.booleans(),
        st.booleans(),
    )
    def check(array, sep, header, sparse_zeros):
        write(array, tmp_path / "h.csv", format="csv", sep=sep, header=header, sparse=sparse_zeros)
        assert same_bits(read_dense(tmp_path / "h.csv"), array)

    check()

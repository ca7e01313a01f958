"""Scalars and lists in files."""

import numpy as np
import pytest
from io_testing import error, read, same_bits, sparse, write

from pydml.values import List, Sparse

A = np.array([[1.0, 2.0], [0.0, 4.5]])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"),
        (2.5, "2.5"),
        (1e10, "1.0E10"),
        (-0.0, "-0.0"),
        (True, "true"),
        (False, "false"),
        ("a\nb ", "a\nb "),
        ("", ""),
    ],
)
@pytest.mark.parametrize("options", [{}, {"format": "csv"}])
def test_scalars(tmp_path, value, text, options):
    write(value, tmp_path / "s", **options)
    assert (tmp_path / "s").read_text() == text
    again = read(tmp_path / "s")
    assert type(again) is type(value) and repr(again) == repr(value)


@pytest.mark.parametrize(
    ("text", "value_type", "expected"),
    [
        ("3", "int", 3),
        (" -3 \n", "int", -3),
        ("3", "double", 3.0),
        ("1e3\n", "double", 1000.0),
        ("TRUE", "boolean", True),
        ("false\n", "boolean", False),
        ("a\r\nb\n\n", "string", "a\nb\n"),
        (" ü ", "string", " ü "),
    ],
)
def test_reads_scalars(tmp_path, text, value_type, expected):
    (tmp_path / "s").write_text(text, encoding="utf-8", newline="")
    value = read(tmp_path / "s", data_type="scalar", value_type=value_type)
    assert type(value) is type(expected) and value == expected


@pytest.mark.parametrize(
    ("text", "arguments", "id", "message"),
    [
        ("3.0", {"value_type": "int"}, "data-format", 'expected an int, found "3.0"'),
        ("9223372036854775808", {"value_type": "int"}, "data-format", 'expected an int, found "9223372036854775808"'),
        ("", {"value_type": "int"}, "data-format", 'expected an int, found ""'),
        ("abc", {}, "data-format", 'expected a number, found "abc"'),
        ("T", {"value_type": "boolean"}, "data-format", 'expected true or false, found "T"'),
        ("3", {"rows": 1}, "metadata", "a scalar is read with value_type only, not with rows"),
    ],
)
def test_bad_scalars(tmp_path, text, arguments, id, message):
    (tmp_path / "s").write_text(text)
    found = error(read, tmp_path / "s", data_type="scalar", **arguments)
    assert found.id == id
    assert message in found.message


def test_text_in_another_encoding(tmp_path):
    (tmp_path / "s").write_bytes(b"\xff")
    assert "is not UTF-8 text" in error(read, tmp_path / "s", data_type="scalar", value_type="string").message


@pytest.mark.parametrize("format", ["text", "csv", "mm"])
def test_lists(tmp_path, format):
    inner = List([1, "q", List([])])
    value = List([A, inner, 3.5, sparse(np.eye(100))], ["a", "b", None, "d"])
    write(value, tmp_path / "l", format=format)
    files = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if not p.name.endswith(".mtd")}
    assert files == {"l", "l/0_a", "l/1_b", "l/1_b/0_null", "l/1_b/1_null", "l/1_b/2_null", "l/2_null", "l/3_d"}
    again = read(tmp_path / "l")
    assert again.names == ("a", "b", None, "d")
    assert same_bits(again.items[0], A)
    assert again.items[2] == 3.5
    assert isinstance(again.items[3], Sparse) and same_bits(again.items[3].to_dense(), np.eye(100))
    assert again.items[1].names is None
    assert again.items[1].items[:2] == (1, "q") and len(again.items[1].items[2]) == 0


def test_more_than_ten_elements_keep_their_order(tmp_path):
    write(List(range(12)), tmp_path / "l")
    assert read(tmp_path / "l").items == tuple(range(12))


def test_damaged_lists(tmp_path):
    write(List([1, 2, 3]), tmp_path / "l")
    (tmp_path / "l" / "1_null").rename(tmp_path / "l" / "3_null")
    assert "the file of element 1 of the list is missing" in error(read, tmp_path / "l").message
    (tmp_path / "l" / "3_null").rename(tmp_path / "l" / "2_x")
    assert "the files 2_null and 2_x are both element 2" in error(read, tmp_path / "l").message
    write(List([1, 2, 3]), tmp_path / "l")
    write(4, tmp_path / "l" / "3_null")
    found = error(read, tmp_path / "l")
    assert (found.id, found.message) == ("metadata", f"{tmp_path}/l has 4 elements, {tmp_path}/l.mtd says 3")
    write(3, tmp_path / "s")
    (tmp_path / "s.mtd").unlink()
    assert "should be the folder of a list" in error(read, tmp_path / "s", data_type="list").message


def test_names_that_files_cannot_have(tmp_path):
    assert error(write, List([1], ["a/b"]), tmp_path / "l").id == "file"
    assert list(tmp_path.iterdir()) == []


def test_values_that_cannot_be_written(tmp_path):
    for rows, cols in ((0, 2), (2, 0)):
        for format in ("text", "csv", "mm"):
            found = error(write, np.zeros((rows, cols)), tmp_path / "x", format=format)
            assert found.id == "value"
    assert error(write, None, tmp_path / "x").id == "argument-type"
    assert list(tmp_path.iterdir()) == []

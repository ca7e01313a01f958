"""Columns, schemas and frames as values: texts and hashes of Java, conversions, detection, parts and joins."""

import math

import numpy as np
import pytest
from frame_testing import cells, frame
from hypothesis import given, settings
from hypothesis import strategies as st

from pydml.diagnostics import DMLError
from pydml.values.columns import CellError, Column, column_type, common_type, float_text, hash_order, string_hashes
from pydml.values.frame import Frame, read_schema
from pydml.values.schema import detect, number_type


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", 0), ("a", 97), ("hello", 99162322), ("polygenelubricants", -(2**31)), ("\u00e4\u20ac", 0xE4 * 31 + 0x20AC)],
)
def test_hashes_are_those_of_java(text, expected):
    assert string_hashes([text, "other"]).tolist() == [expected, 106069776]


def test_hashes_of_characters_beyond_16_bits_count_two_units():
    assert string_hashes(["\U0001f600"]).tolist() == [0xD83D * 31 + 0xDE00]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(max_size=8), unique=True, max_size=40))
def test_the_order_of_a_java_map(texts):
    """Buckets in turn; within one, in the order of entry."""
    order = hash_order(texts)
    assert sorted(order) == list(range(len(texts)))
    capacity = 16
    while len(texts) > 0.75 * capacity:
        capacity *= 2
    hashes = [int(h) & 0xFFFFFFFF for h in string_hashes(texts)]
    buckets = [(hashes[i] ^ (hashes[i] >> 16)) % capacity for i in order]
    assert buckets == sorted(buckets)
    assert all(a < b for a, b, x, y in zip(order, order[1:], buckets, buckets[1:], strict=False) if x == y)


@pytest.mark.parametrize(
    ("type", "values", "texts"),
    [
        ("FP64", [1.5, -0.0, 1e7, 1e-4, math.inf, math.nan], ["1.5", "-0.0", "1.0E7", "1.0E-4", "Infinity", "NaN"]),
        (
            "FP32",
            [0.1, 1234567, 9999999, 1e7, 0.001, 0.0001],
            ["0.1", "1234567.0", "9999999.0", "1.0E7", "0.001", "1.0E-4"],
        ),
        ("BOOLEAN", [True, False], ["true", "false"]),
        ("INT32", [-5, 0], ["-5", "0"]),
        ("HASH32", [0xDEADBEEF, 1], ["deadbeef", "1"]),
        ("UINT8", [255, 0], ["255", "0"]),
    ],
)
def test_texts_of_cells(type, values, texts):
    column = Column.of_texts([None] * len(values), type)
    column = Column(type, np.array(values, column.data.dtype))
    assert column.texts() == texts
    if type not in ("FP64", "FP32"):
        assert Column.of_texts(texts, type).texts() == texts


def test_float_text_has_the_shortest_digits():
    values = np.random.default_rng(1).standard_normal(500).astype(np.float32)
    assert all(np.float32(float_text(v)) == v for v in values)
    assert Column("FP32", values).texts() == [float_text(v) for v in values]


@pytest.mark.parametrize(
    ("text", "type", "expected"),
    [
        ("7", "INT32", "7"),
        (" 7 ", "INT64", "7"),
        ("7.0", "INT32", "7"),
        ("7.5", "INT32", None),
        ("2147483648", "INT32", None),
        ("1e3", "FP64", "1000.0"),
        ("1_000", "FP64", None),
        ("T", "BOOLEAN", "true"),
        ("0", "BOOLEAN", "false"),
        ("yes", "BOOLEAN", None),
        ("256", "UINT8", None),
        ("xyz", "HASH32", None),
        ("123456789", "HASH32", None),
        ("ab", "CHARACTER", None),
    ],
)
def test_strict_parsing(text, type, expected):
    if expected is None:
        with pytest.raises(CellError):
            Column.of_texts([text], type, strict=True)
    else:
        assert Column.of_texts([text], type, strict=True).texts() == [expected]


TYPES = ["BOOLEAN", "INT32", "INT64", "FP32", "FP64", "STRING"]


@pytest.mark.parametrize("start", TYPES)
@pytest.mark.parametrize("end", TYPES)
def test_zeros_and_ones_go_through_all_types(start, end):
    column = Column.of_texts(["1", None, "0"], start, nullable=True)
    there_and_back = column.as_type(end).as_type(start)
    assert there_and_back.missing().tolist() == [False, True, False]
    if start != "STRING":
        assert there_and_back.texts() == column.texts()


def test_conversions_that_lose_something_are_errors():
    for text, start, end in [("1.5", "FP64", "INT32"), ("2", "INT32", "BOOLEAN"), ("5000000000", "INT64", "INT32")]:
        with pytest.raises(CellError):
            Column.of_texts([text], start).as_type(end)
    with pytest.raises(CellError):
        Column("FP64", np.array([2.0**63])).as_type("INT64")


@pytest.mark.parametrize(
    ("values", "type"),
    [
        ([0, 1, 1], "BOOLEAN"),
        ([2, -3], "INT32"),
        ([2.0**31], "INT64"),
        ([0.1, 2], "FP32"),
        ([0.123456789], "FP64"),
        ([math.nan, 1], "FP32"),
    ],
)
def test_the_narrowest_type_of_numbers(values, type):
    assert number_type(np.array(values, np.float64)) == type


@pytest.mark.parametrize(
    ("texts", "type"),
    [
        (["1", "0", "true"], "BOOLEAN"),
        (["T", "5"], "INT32"),
        (["T", "5", "T"], "STRING"),
        (["5", "T"], "STRING"),
        (["12345678", "-0.5"], "FP32"),
        (["12345678", "-0.5", "12345678"], "FP64"),
        (["1", "2.5", None], "FP32\xb7n"),
        ([None, ""], "UNKNOWN\xb7n"),
        (["99999999999", "1"], "INT64"),
        (["deadbeef", "0123abcd"], "HASH32"),
        (["a", "b"], "CHARACTER"),
        (["a", "bc"], "STRING"),
    ],
)
def test_detected_types(texts, type):
    assert detect(texts) == type


def test_schemas():
    assert read_schema("STRING,int64, fp32,", "read") == ["STRING", "INT64", "FP32"]
    assert read_schema(("double", "boolean"), "read") == ["FP64", "BOOLEAN"]
    assert column_type("int", "test") == "INT64"
    with pytest.raises(DMLError, match="there is no column type integers"):
        read_schema("integers", "read")
    assert common_type("INT64", "FP32") == "FP32" and common_type("BOOLEAN", "STRING") == "STRING"


def test_parts_share_nothing_with_what_is_replaced():
    value = frame(["a", "b", "c"], ["1", "2", "3"], names=["u", "v"], types=["STRING", "INT32"])
    part = value.right_index(0, 2, 1, 2)
    assert (part.column_names, cells(part)) == (("v",), [["1", "2"]])
    new = value.left_index(1, 2, 0, 2, frame(["x"], ["9"]))
    assert cells(new) == [["a", "x", "c"], ["1", "9", "3"]] and new.schema == ("STRING", "INT32")
    assert cells(value) == [["a", "b", "c"], ["1", "2", "3"]]
    with pytest.raises(DMLError, match='row 2 of column v holds "x"'):
        value.left_index(1, 2, 1, 2, frame(["x"]))


def test_joins():
    a = frame(["1", None], ["x", "y"], names=["n", "s"], types=["INT32", "STRING"])
    b = frame(["2.5"], ["z"], types=["FP64", "STRING"])
    below = a.concat([b], 0)
    assert below.schema == ("FP64", "STRING") and below.column_names == ("n", "s")
    assert cells(below) == [["1.0", None, "2.5"], ["x", "y", "z"]]
    beside = a.concat([a], 1)
    assert beside.names is None and beside.shape == (2, 4)


def test_sorting_is_stable_and_puts_missing_cells_last():
    value = frame(["b", None, "a", "b"], ["1", "2", "3", "0"])
    assert cells(value.order(1, False, False)) == [["a", "b", "b", None], ["3", "1", "0", "2"]]
    assert value.order(np.array([[1.0, 2.0]]), True, True).ravel().tolist() == [1, 4, 3, 2]
    numbers = frame(["1", "NaN", "3"], types=["FP64"])
    assert cells(numbers.order(1, True, False)) == [["3.0", "1.0", "NaN"]]


def test_numbers_of_text():
    value = Frame([Column.of_texts(["1", "", None, "TRUE", "NaN", "1e-3"])])
    np.testing.assert_array_equal(value.to_matrix(np.float64).ravel(), [1, np.nan, np.nan, 1, np.nan, 1e-3])
    with pytest.raises(DMLError, match='row 2 of column C1 holds "x"'):
        frame(["1", "x"]).to_matrix(np.float64)

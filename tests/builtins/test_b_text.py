"""Texts of values.  The expected doubles and formats were printed by SystemDS 3.4.0 on Java 17."""

import math
import random

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from pydml.diagnostics import DMLError
from pydml.values import List, Sparse
from pydml.values.text import (
    _java_digits,
    double_text,
    format_string,
    matrix_text,
    parse_double,
    scalar_text,
    value_text,
)

DOUBLES = {
    0.0: "0.0",
    1.0: "1.0",
    -2.5: "-2.5",
    0.001: "0.001",
    9.99e-4: "9.99E-4",
    1e-5: "1.0E-5",
    9999999.0: "9999999.0",
    1e7: "1.0E7",
    12345678.9: "1.23456789E7",
    1e22: "1.0E22",
    1e23: "9.999999999999999E22",
    8.41e21: "8.409999999999999E21",
    2.0**53: "9.007199254740992E15",
    2.0**60: "1.15292150460684698E18",
    2.0**-44: "5.6843418860808015E-14",
    5e-324: "4.9E-324",
    1.7976931348623157e308: "1.7976931348623157E308",
    2.2250738585072014e-308: "2.2250738585072014E-308",
    math.inf: "Infinity",
    -math.inf: "-Infinity",
}


@pytest.mark.parametrize("x", DOUBLES)
def test_doubles(x):
    assert double_text(x) == DOUBLES[x]
    if x > 0:
        assert double_text(-x) == "-" + DOUBLES[x]


def test_negative_zero_and_nan():
    assert double_text(-0.0) == "-0.0"
    assert double_text(math.nan) == "NaN"


def test_shortest_digits_and_javas_digits_agree_where_the_fast_path_is_taken():
    rng = random.Random(5)
    for _ in range(2000):
        x = rng.uniform(1, 10) * 10.0 ** rng.randrange(-300, 15)
        if abs(x) >= 2**53 or math.frexp(x)[0] == 0.5:
            continue
        digits, point = _java_digits(x)
        assert float(f"0.{digits}e{point}") == x
        assert double_text(x).replace(".", "").split("E")[0].strip("0") == digits.strip("0")


def test_scalars():
    assert [scalar_text(v) for v in (7, -3, True, False, "a b", 2.0)] == ["7", "-3", "TRUE", "FALSE", "a b", "2.0"]


@pytest.mark.parametrize(
    "text, value",
    [
        ("1", 1.0),
        (" -1.5e3\n", -1500.0),
        ("1.", 1.0),
        (".5", 0.5),
        ("2d", 2.0),
        ("1e2f", 100.0),
        ("+Infinity", math.inf),
        ("0x1.8p1", 3.0),
    ],
)
def test_parse(text, value):
    assert parse_double(text) == value


@pytest.mark.parametrize("text", ["", "Inf", "inf", "nan", "1_000", "0x10", "1,5", "1e", "e5", ".", "1 2", "TRUE", "١"])
def test_parse_rejects(text):
    assert parse_double(text) is None


def test_parse_nan():
    assert math.isnan(parse_double("NaN"))


def test_matrix_rounds_half_to_even_from_the_exact_value():
    X = np.array([[0.125, 0.375, -0.0001, 2.5]])
    assert matrix_text(X, decimal=2) == "0.12 0.38 -0.00 2.50\n"
    assert matrix_text(np.array([[0.5, 1.5, -0.4, 2.5]]), decimal=0) == "0 2 -0 2\n"
    assert matrix_text(np.array([[0.0025]])) == "0.003\n"


def test_matrix_specials_and_large_numbers():
    X = np.array([[math.nan, math.inf, -math.inf, 1e10]])
    assert matrix_text(X) == "NaN Infinity -Infinity 10000000000.000\n"
    assert matrix_text(np.array([[0.1 + 0.2]]), decimal=20) == "0.30000000000000004000\n"
    assert matrix_text(np.array([[1e22]])) == "1" + "0" * 22 + ".000\n"


def test_matrix_limits_and_separators():
    X = np.arange(6.0).reshape(2, 3)
    assert matrix_text(X, rows=1, cols=2, sep="%", linesep=";", decimal=1) == "0.0%1.0;"
    assert matrix_text(X, rows=-1, cols=1, decimal=0) == "0\n3\n"
    assert matrix_text(X[:0]) == ""
    assert matrix_text(X[:, :0]) == "\n\n"
    assert matrix_text(np.zeros((200, 200))).count("\n") == 100


def test_sparse_text_of_both_storages():
    X = np.array([[0, 1.0, 0], [2, 3, 0]])
    for value in (X, Sparse(csr_matrix(X))):
        assert matrix_text(value, sparse=True, sep=",") == "1,2,1.000\n2,1,2.000\n2,2,3.000\n"
        assert matrix_text(value, sparse=True, rows=1) == "1 2 1.000\n"
        assert matrix_text(value) == "0.000 1.000 0.000\n2.000 3.000 0.000\n"


def test_lists():
    X = np.array([[1.0, 2.0]])
    assert value_text(List([1, X, "x", True])) == "List containing:\n[1, \nMatrix:\n1.000 2.000\n, x, TRUE]"
    assert value_text(List([List([1, 2]), 3], ["a", "b"])) == "List containing:\n[List containing:\n[1, 2], 3]"
    assert value_text(List([])) == "List containing:]"


FORMATS = [
    (
        "%.1f|%.2f|%f|%e|%g",
        (0.15, 2.675, 1e10, 12345.6789, 12345.6789),
        "0.2|2.68|10000000000.000000|1.234568e+04|12345.7",
    ),
    ("%.3g|%.3e|%10.2f|%-10.2f|%010.2f", (12345.6789,) * 5, "1.23e+04|1.235e+04|  12345.68|12345.68  |0012345.68"),
    (
        "%d|%5d|%-5d|%05d|%,d|%+d|%x|%o",
        (-7, -7, -7, -7, 1234567, 1234567, -7, 1234567),
        "-7|   -7|-7   |-0007|1,234,567|+1234567|fffffffffffffff9|4553207",
    ),
    ("%s|%10s|%-10s|%.2s|%S|%b|%B|%s", ("hey",) * 5 + (True,) * 3, "hey|       hey|hey       |he|HEY|true|TRUE|true"),
    ("%g|%g|%g|%g", (1e10, 0.0, 0.0001, 0.00001), "1.00000e+10|0.00000|0.000100000|1.00000e-05"),
    ("%f|%5f|%e|%+.2f|%s", (math.nan, math.inf, -math.inf, math.inf, math.nan), "NaN|Infinity|-Infinity|+Infinity|NaN"),
    ("%s|%s|%s", (3, 2.5, 1e7), "3|2.5|1.0E7"),
    ("%2$s %1$s%%%n", ("hey", True), "true hey%\n"),
    ("%,.2f|% d|%(d|%(.2f", (12345678.9, 1234567, -7, -12345.6789), "12,345,678.90| 1234567|(7)|(12345.68)"),
    ("%b|%b", ("hey", 3), "true|true"),
    ("%.0f|%.0f|%.0f|%e", (0.5, 1.5, 2.5, 0.0), "1|2|3|0.000000e+00"),
    (
        "%.1g|%.0e|%,010d|%#x|%-8.1f|",
        (12345.6789, 12345.6789, 13, 13, 12345.6789),
        "1e+04|1e+04|0000000013|0xd|12345.7 |",
    ),
    ("%a|%a|%h|%h|%h", (1.0, 0.1, "abc", 3, 2.5), "0x1.0p0|0x1.999999999999ap-4|17862|3|40040000"),
    ("%.3f|%.3f|%.10f|%f", (0.0005, 0.0015, 0.1, 1e22), "0.001|0.002|0.1000000000|10000000000000000000000.000000"),
    ("%d %d", (1, 2, 3), "1 2"),
]


@pytest.mark.parametrize("format, args, expected", FORMATS)
def test_formats(format, args, expected):
    assert format_string(format, args) == expected


@pytest.mark.parametrize(
    "format, args, message",
    [
        ("%d", (2.5,), "%d needs an int, got the double 2.5"),
        ("%f", (2,), "%f needs a double, got the int 2"),
        ("%d", (True,), "%d needs an int, got the boolean TRUE"),
        ("%d %d", (1,), "no argument for %d"),
        ("%q", (1,), "%q is not a format"),
        ("100 %", (1,), "is not a format"),
        ("%s", (np.zeros((1, 1)),), "needs a scalar, got matrix 1 x 1"),
        ("%3$s", (1,), "no argument for %3\\$s"),
    ],
)
def test_formats_that_do_not_fit(format, args, message):
    with pytest.raises(DMLError, match=message) as error:
        format_string(format, args)
    assert error.value.id == "argument-type"

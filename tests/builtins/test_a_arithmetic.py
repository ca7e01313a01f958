"""Scalar arithmetic: the values are those SystemDS 3.4.0 prints, unless a comment says otherwise."""

import math

import pytest

from pydml.diagnostics import DMLError
from pydml.values import arithmetic as ar

NAN, INF = math.nan, math.inf
MAX, MIN = 2**63 - 1, -(2**63)


def same(a, b):
    return type(a) is type(b) and ((a == b and math.copysign(1, a) == math.copysign(1, b)) or (a != a and b != b))


@pytest.mark.parametrize(
    "function, args, expected",
    [
        (ar.int_add, (MAX, 1), MIN),
        (ar.int_sub, (MIN, 1), MAX),
        (ar.int_mul, (-7, 6), -42),
        (ar.int_mul, (94906267, 94906267), 9007199515875289),  # exact; SystemDS rounds to ...288
        (ar.int_mod, (-7, 2), -1),
        (ar.int_mod, (7, -2), 1),
        (ar.int_mod, (7, 0), 0),
        (ar.int_idiv, (-7, 2), -3),
        (ar.int_idiv, (7, -2), -3),
        (ar.int_neg, (MIN,), MIN),
        (ar.divide, (6, 3), 2.0),
        (ar.divide, (7, 0), INF),
        (ar.divide, (-7.0, 0.0), -INF),
        (ar.divide, (7.0, -0.0), -INF),
        (ar.divide, (0, 0), NAN),
        (ar.divide, (NAN, 0), NAN),
        (ar.power, (2, 3), 8.0),
        (ar.power, (0, 0), 1.0),
        (ar.power, (-8.0, 1 / 3), NAN),
        (ar.power, (0.0, -1), INF),
        (ar.power, (-0.0, -1.0), -INF),
        (ar.power, (-0.0, -2.0), INF),
        (ar.power, (-2, 1e20), INF),
        (ar.power, (-10.0, 401), -INF),
        (ar.power, (10, 400), INF),
        (ar.power, (1.0, NAN), NAN),
        (ar.power, (NAN, 0.0), 1.0),
        (ar.power, (-1.0, INF), NAN),
        (ar.power, (1e200, 2), INF),
        (ar.mod, (-7.5, 2), -1.5),
        (ar.mod, (7.0, 0.0), NAN),
        (ar.mod, (7.0, INF), NAN),
        (ar.mod, (1.0, 0.1), 0.0),
        (ar.mod, (5.3, 0.1), 0.09999999999999964),
        (ar.idiv, (-7.5, 2), -3.0),
        (ar.idiv, (7.0, 0.0), INF),
        (ar.idiv, (-7.0, INF), 0.0),
        (ar.idiv, (1e20, 3), 9.223372036854776e18),
        (ar.idiv, (-1e20, 3), -9.223372036854776e18),
        (ar.idiv, (INF, INF), NAN),
        (ar.round, (-1.5,), -1.0),
        (ar.round, (2.5,), 3.0),
        (ar.round, (-0.2,), 0.0),
        (ar.round, (0.49999999999999994,), 0.0),
        (ar.round, (4503599627370497.0,), 4503599627370497.0),
        (ar.round, (NAN,), NAN),
        (ar.round, (-INF,), -INF),
        (ar.to_int, (2.9999999999999996,), 2),
        (ar.to_int, (0.9999999999999999,), 1),
        (ar.to_int, (-0.9999999999999999,), -1),
        (ar.to_int, (-5.7,), -5),
        (ar.to_int, (NAN,), 0),
        (ar.to_int, (INF,), MAX),
        (ar.to_int, (-1e300,), MIN),
        (ar.cast_int, ("5.7",), 5),
        (ar.cast_int, ("1e3",), 1000),
        (ar.cast_int, (True,), 1),
        (ar.cast_double, ("Infinity",), INF),
        (ar.cast_double, (" 7 ",), 7.0),
        (ar.cast_double, (True,), 1.0),
    ],
)
def test_numbers(function, args, expected):
    assert same(function(*args), expected)


@pytest.mark.parametrize(
    "x, expected",
    [(0, False), (NAN, True), (0.5, True), (True, True), (False, False)],
)
def test_truth(x, expected):
    assert ar.truth(x) is expected
    assert ar.cast_boolean(x) is expected


def test_cast_boolean_of_texts():
    assert [ar.cast_boolean(t) for t in ("TRUE", "true", "T", "1", "")] == [True, True, False, False, False]


@pytest.mark.parametrize(
    "op, a, b, expected",
    [
        ("<", "10", "9", True),
        ("==", "1", 1, True),
        ("==", "TRUE", True, True),
        ("==", 7.0, "7.0", True),
        ("==", True, 1, True),
        ("<", "a", "B", False),
        ("!=", NAN, NAN, True),
        (">=", NAN, 1, False),
        ("<", "\U0001f600", "\uffee", True),  # by UTF-16 code units, not by code points
    ],
)
def test_compare(op, a, b, expected):
    assert ar.compare(op, a, b) is expected


def test_concat_renders_as_java():
    assert ar.concat(ar.concat(ar.concat("m ", 7.0), True), 1e10) == "m 7.0TRUE1.0E10"


@pytest.mark.parametrize(
    "call, id",
    [
        (lambda: ar.int_mul(MAX, 2), "overflow"),
        (lambda: ar.int_idiv(7, 0), "overflow"),
        (lambda: ar.int_idiv(MIN, -1), "overflow"),
        (lambda: ar.truth("TRUE"), "type"),
        (lambda: ar.cast_double("abc"), "value"),
        (lambda: ar.cast_int("0x10"), "value"),
        (lambda: ar.to_int("3"), "type"),
        (lambda: ar.concat("a", [1]), "type"),
    ],
)
def test_mistakes(call, id):
    with pytest.raises(DMLError) as error:
        call()
    assert error.value.id == id

"""Functions of each cell: absolute value to hyperbolic tangent, minimum and maximum, choice, tests for NaN, bits.

All take a scalar or a matrix; those of two operands combine them as the operators do (see `operators`).  On scalars the result is a
double unless the declaration says otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from pydml.builtins.broadcasting import arithmetic_type, cellwise_matrix_type, logical_type, result_dtype, zero_one
from pydml.builtins.operators import BINARY
from pydml.builtins.registry import Builtin, builtin
from pydml.diagnostics import fail
from pydml.types import (
    ANY,
    BOOLEAN,
    DOUBLE,
    DOUBLE_SCALAR,
    INT,
    INT_SCALAR,
    MATRIX,
    SCALAR,
    UNKNOWN,
    UNKNOWN_SCALAR,
    Type,
    matrix_type,
)
from pydml.values import arithmetic, type_of
from pydml.values.typing import NULL

ndarray = np.ndarray
inf, nan = math.inf, math.nan


# ---- functions of one operand


def _double_type(x: Type) -> Type:
    """A matrix of the same size, or a double."""
    if x.data == MATRIX:
        return matrix_type(x.rows, x.cols)
    return DOUBLE_SCALAR if x.data == SCALAR else ANY


def _function(
    name: str,
    cells: Callable[[np.ndarray], np.ndarray],
    scalar: Callable[[float], Any],
    doc: str,
    *,
    rule: Callable[[Type], Type] = _double_type,
    aliases: tuple[str, ...] = (),
) -> Builtin:
    """Declare a function of each cell.  cells: of an array; scalar: of a number or a boolean."""

    def meaning(x: Any) -> Any:
        return cells(x) if type(x) is ndarray else scalar(x)

    meaning.__doc__ = doc
    signature = f"{name}(x: matrix|number|boolean) -> any"
    declared = builtin(signature, infer=rule, self_checking=True, aliases=aliases)(meaning)
    declared.scalar = scalar
    declared.fails(f'{name}("a")', "argument-type", "x must be a matrix or a number or a boolean, got a string")
    return declared


def _extended(function: Callable[[float], float], overflow: Callable[[float], float] = abs) -> Callable[[float], float]:
    """A function of `math` that gives NaN outside of its domain, and overflow(x) * Inf where the result is too large."""

    def scalar(x: float) -> float:
        try:
            return function(x)
        except ValueError:
            return nan
        except OverflowError:
            return math.copysign(inf, overflow(x))

    return scalar


def _abs_type(x: Type) -> Type:
    return x.without_const() if x.data == SCALAR and x.value in (INT, UNKNOWN) else _double_type(x)


def _log_of(x: float) -> float:
    return math.log(x) if x > 0 else -inf if x == 0 else nan


def _round_cells(X: np.ndarray) -> np.ndarray:
    result = np.floor(X)
    result += (X - result) >= 0.5  # floor(X + 0.5) would round 0.49999999999999994 up
    return result


def _sign_of(x: float) -> float:
    return float((x > 0) - (x < 0)) if x == x else nan


abs_ = _function(
    "abs",
    np.abs,
    lambda x: abs(x) if type(x) is int else abs(float(x)),
    """Absolute value; of an int it is an int.""",
    rule=_abs_type,
)
abs_.case("abs(-3)", "3")
abs_.case("abs(-3.5)", "3.5")
abs_.case('abs(matrix("-1 2 NaN", 1, 3))', "1 2 NaN")

sign = _function("sign", np.sign, _sign_of, """-1, 0 or 1 as the number is negative, 0 or positive; NaN stays NaN.""")
sign.case("sign(-3)", "-1.0")
sign.case('sign(matrix("-2 0 5", 1, 3))', "-1 0 1")

sqrt = _function(
    "sqrt", np.sqrt, lambda x: math.sqrt(x) if x >= 0 else nan, """Square root; NaN for negative numbers."""
)
sqrt.case("sqrt(4)", "2.0")
sqrt.case('sqrt(matrix("4 -1", 1, 2))', "2 NaN")

exp = _function("exp", np.exp, _extended(math.exp), """The exponential function e^x.""")
exp.case("exp(0)", "1.0")
exp.case("exp(1000)", "Infinity")
exp.case("exp(matrix(0, 1, 2))", "1 1")

sin = _function("sin", np.sin, _extended(math.sin), """Sine of an angle in radians.""")
sin.case("sin(0)", "0.0")
sin.case("sin(matrix(0, 1, 2))", "0 0")

cos = _function("cos", np.cos, _extended(math.cos), """Cosine of an angle in radians.""")
cos.case("cos(0)", "1.0")
cos.case("cos(matrix(0, 1, 2))", "1 1")

tan = _function("tan", np.tan, _extended(math.tan), """Tangent of an angle in radians.""")
tan.case("tan(0)", "0.0")
tan.case("tan(1 / 0)", "NaN")

asin = _function(
    "asin", np.arcsin, _extended(math.asin), """Arc sine in radians, -pi/2 to pi/2; NaN outside of [-1, 1]."""
)
asin.case("asin(0)", "0.0")
asin.case("asin(2)", "NaN")

acos = _function("acos", np.arccos, _extended(math.acos), """Arc cosine in radians, 0 to pi; NaN outside of [-1, 1].""")
acos.case("acos(1)", "0.0")
acos.case("acos(matrix(1, 1, 2))", "0 0")

atan = _function("atan", np.arctan, math.atan, """Arc tangent in radians, -pi/2 to pi/2.""")
atan.case("atan(0)", "0.0")
atan.case("atan(matrix(0, 1, 2))", "0 0")

sinh = _function("sinh", np.sinh, _extended(math.sinh, float), """Hyperbolic sine.""")
sinh.case("sinh(0)", "0.0")
sinh.case("sinh(-1000)", "-Infinity")

cosh = _function("cosh", np.cosh, _extended(math.cosh), """Hyperbolic cosine.""")
cosh.case("cosh(0)", "1.0")
cosh.case("cosh(-1000)", "Infinity")

tanh = _function("tanh", np.tanh, math.tanh, """Hyperbolic tangent.""")
tanh.case("tanh(0)", "0.0")
tanh.case("tanh(matrix(0, 1, 2))", "0 0")

round_ = _function(
    "round",
    _round_cells,
    arithmetic.round,
    """The nearest integer, halves upward: floor(x + 0.5), so that -1.5 gives -1.

    NaN and infinities stay as they are.  SystemDS turns NaN into 0 here and limits the result to 64-bit ints.
    """,
)
round_.case("round(-1.5)", "-1.0")
round_.case("round(7)", "7.0")
round_.case('round(matrix("0.5 1.5 2.5 -0.5 -2.5", 1, 5))', "1 2 3 0 -2")

floor = _function(
    "floor",
    np.floor,
    lambda x: float(math.floor(x)) if x - x == 0 and x else float(x),
    """The largest integer that is not above x.""",
)
floor.case("floor(-0.5)", "-1.0")
floor.case('floor(matrix("1.5 -1.5", 1, 2))', "1 -2")

ceil = _function(
    "ceil",
    np.ceil,
    lambda x: math.copysign(math.ceil(x), x) if x - x == 0 else x,
    """The smallest integer that is not below x.""",
    aliases=("ceiling",),
)
ceil.case("ceil(-0.5)", "-0.0")
ceil.case("ceiling(2.1)", "3.0")
ceil.case('ceil(matrix("1.5 -1.5", 1, 2))', "2 -1")

_TEST = "Gives 1 or 0, for scalars too (as doubles), which serve as conditions."

is_nan = _function(
    "is.nan",
    zero_one(np.isnan),
    lambda x: 1.0 if x != x else 0.0,
    f"""Whether the number is NaN.  {_TEST}""",
    aliases=("isNaN", "is.na", "isNA"),
)
is_nan.case("is.nan(0.0 / 0)", "1.0")
is_nan.case("isNA(5)", "0.0")
is_nan.case('is.na(matrix("1 NaN Infinity", 1, 3))', "0 1 0")

is_infinite = _function(
    "is.infinite",
    zero_one(np.isinf),
    lambda x: 1.0 if x in (inf, -inf) else 0.0,
    f"""Whether the number is Inf or -Inf.  {_TEST}""",
    aliases=("isInf",),
)
is_infinite.case("is.infinite(-1 / 0)", "1.0")
is_infinite.case('isInf(matrix("1 NaN -Infinity", 1, 3))', "0 0 1")


# ---- functions of two operands


def _apply(function: Builtin, cells: Any, scalars: Any, left: Any, right: Any) -> Any:
    """Two scalars, or arrays of equal sizes, or a right one that is repeated; sizes are checked."""
    if type(left) is ndarray or type(right) is ndarray:
        if not (type(left) is ndarray and type(right) is ndarray and left.shape == right.shape):
            function.infer((type_of(left), type_of(right)))
        return cells(left, right)
    return scalars(left, right)


def _log_type(x: Type, base: Type = NULL) -> Type:
    if base.data == "null":
        return _double_type(x)
    if x.data == MATRIX or base.data == MATRIX:
        return cellwise_matrix_type("log", x, base)
    return ANY if UNKNOWN in (x.data, base.data) else DOUBLE_SCALAR


@builtin("log(x: matrix|number|boolean, base: matrix|number = NULL) -> any", infer=_log_type, self_checking=True)
def log(x, base=None):  # without a base as a step of a fused operation
    """Natural logarithm, or ln(x) / ln(base).  log(0) is -Infinity, of negative numbers it is NaN."""
    if base is None:
        return np.log(x) if type(x) is ndarray else _log_of(x)
    return _apply(
        log,
        lambda x, b: (
            (np.log(x) if type(x) is ndarray else _log_of(x)) / (np.log(b) if type(b) is ndarray else _log_of(b))
        ),
        lambda x, b: arithmetic.divide(_log_of(x), _log_of(b)),
        x,
        base,
    )


log.case("log(1)", "0.0")
log.case("log(8, 2)", "3.0")
log.case("log(0)", "-Infinity")
log.case("log(-1)", "NaN")
log.case('log(matrix("1 2 4", 1, 3), 2)', "0 1 2")
log.case('log(matrix("4 9", 1, 2), matrix("2 3", 1, 2))', "2 2")
log.fails("log(matrix(1, 2, 3), matrix(1, 3, 3))", "shape-mismatch", "log")


def _extremum_type(name: str) -> Callable[..., Type]:
    pair = arithmetic_type(name, ints=True)

    def rule(*operands: Type) -> Type:
        if len(operands) == 1:
            if operands[0].data == SCALAR:
                fail(
                    "argument-type", f"{name}: one argument must be a matrix", help=f"{name}(a, b) compares two numbers"
                )
            return DOUBLE_SCALAR
        result = operands[0].without_const()
        for t in operands[1:]:
            result = pair(result, t)
        return result

    return rule


def _extremum(name: str, ufunc: np.ufunc, better: Callable[[Any, Any], bool], empty: float, doc: str) -> Builtin:
    def scalars(a: Any, b: Any) -> Any:
        if type(a) is not type(b) or type(a) is bool:
            a, b = float(a), float(b)
        return a if better(a, b) or a != a else b

    pair = arithmetic_type(name, ints=True)

    def two(left: Any, right: Any) -> Any:
        if type(left) is ndarray:
            if (type(right) is ndarray and left.shape != right.shape) or type(right) is bool:
                pair(type_of(left), type_of(right))
            return ufunc(left, right)
        if type(right) is ndarray:
            pair(type_of(left), type_of(right))
            return ufunc(left, right)
        if (type(left) is bool) != (type(right) is bool):
            pair(type_of(left), type_of(right))
        return scalars(left, right)

    def meaning(*x: Any) -> Any:
        if len(x) == 2:
            return two(*x)
        if len(x) == 1:
            if type(x[0]) is not ndarray:
                declared.infer((type_of(x[0]),))
            return float(ufunc.reduce(x[0], axis=None)) if x[0].size else empty
        result = x[0]
        for value in x[1:]:
            result = two(result, value)
        return result

    meaning.__doc__ = doc
    signature = f"{name}(*x: matrix|number|boolean) -> any"
    declared = builtin(signature, infer=_extremum_type(name), self_checking=True, aliases=(f"p{name}",))(meaning)
    declared.fails(f"{name}(5)", "argument-type", "one argument must be a matrix")
    declared.fails(f"{name}(matrix(1, 2, 3), matrix(1, 3, 3))", "shape-mismatch", name)
    declared.fails(f"{name}(TRUE, 2)", "type", "a boolean cannot be combined with an int")
    return declared


min_ = _extremum(
    "min",
    np.minimum,
    lambda a, b: a < b,
    inf,
    """Smallest cell of one matrix (a double; Infinity if it has no cells), or the smaller of two or more operands cell by cell.

    NaN wins over every number.  Of ints only it is an int.  A row or a column may be repeated over a matrix on its left.
    """,
)
min_.case("min(3, 2)", "2")
min_.case("min(2.0, 7)", "2.0")
min_.case('min(matrix("3 1 2", 1, 3))', "1.0")
min_.case('min(matrix("3 1 NaN", 1, 3))', "NaN")
min_.case("min(matrix(0, 0, 3))", "Infinity")
min_.case('pmin(matrix("3 1 2", 1, 3), 2)', "2 1 2")

max_ = _extremum(
    "max",
    np.maximum,
    lambda a, b: a > b,
    -inf,
    """Largest cell of one matrix (a double; -Infinity if it has no cells), or the larger of two or more operands cell by cell.

    NaN wins over every number.  Of ints only it is an int.  A row or a column may be repeated over a matrix on its left.
    """,
)
max_.case("max(1, 2, 3)", "3")
max_.case("max(0.0 / 0, 1)", "NaN")
max_.case('max(matrix("3 1 2", 1, 3))', "3.0")
max_.case('max(matrix("3 -1 2 -4", 2, 2), 0)', "3 0 / 2 0")
max_.case('max(0, matrix("3 -1", 1, 2), matrix("2 5", 1, 2))', "3 5")


def _xor_scalars(a: Any, b: Any) -> bool:
    return arithmetic.truth(a) != arithmetic.truth(b)


_xor_cells = zero_one(np.logical_xor)


@builtin(
    "xor(a: matrix|number|boolean, b: matrix|number|boolean) -> any", infer=logical_type("xor"), self_checking=True
)
def xor(a, b):
    """TRUE where exactly one operand is true (not 0); matrices give 1 and 0."""
    return _apply(xor, _xor_cells, _xor_scalars, a, b)


xor.case("xor(TRUE, FALSE)", "TRUE")
xor.case('xor(matrix("0 1 2", 1, 3), 1)', "1 0 0")
xor.fails("xor(matrix(1, 2, 3), matrix(1, 3, 3))", "shape-mismatch", "xor")


_RELATIONS = ("==", "!=", "<", "<=", ">", ">=")


def _relation_type(X: Type, Y: Type, op: Type) -> Type:
    if isinstance(op.const, str) and op.const not in _RELATIONS:
        fail("value", f'ppred: there is no relation "{op.const}"', help=f"use one of {' '.join(_RELATIONS)}")
    if X.data == SCALAR and Y.data == SCALAR:
        fail(
            "argument-type",
            "ppred: one of the operands must be a matrix",
            help='write X > y instead of ppred(X, y, ">")',
        )
    return cellwise_matrix_type("ppred", X, Y)


@builtin("ppred(X: matrix|number, Y: matrix|number, op: string) -> matrix", infer=_relation_type, storages="any")
def ppred(X, Y, op):
    """1 where the relation holds, else 0: the old form of the operators ==, !=, <, <=, > and >=."""
    return BINARY[op].run(X, Y)


ppred.case('ppred(matrix("1 2 3", 1, 3), 2, ">=")', "0 1 1")
ppred.case('ppred(matrix("1 2 3", 1, 3), matrix("1 0 3", 1, 3), "==")', "1 0 1")
ppred.fails('ppred(matrix(1, 1, 1), 2, "=>")', "value", "there is no relation")


# ---- choice


def _choice_type(condition: Type, yes: Type, no: Type) -> Type:
    operands = (condition, yes, no)
    matrices = [t for t in operands if t.data == MATRIX]
    if matrices:
        for t in operands:
            if t.data not in (MATRIX, SCALAR, UNKNOWN):
                fail("argument-type", f"ifelse: all arguments must be matrices or scalars, got a {t.data}")
            if t.value == "string":
                fail("argument-type", "ifelse: a string cannot become a cell of a matrix")
        rows = next((t.rows for t in matrices if t.rows is not None), None)
        cols = next((t.cols for t in matrices if t.cols is not None), None)
        for t in matrices:
            if t.rows not in (rows, None) or t.cols not in (cols, None):
                fail(
                    "shape-mismatch",
                    "ifelse: matrices must have equal sizes, got " + ", ".join(t.size_text() for t in matrices),
                    help="nothing is repeated here; for rows and columns use products, such as c * A + (1 - c) * B",
                )
        return matrix_type(rows, cols)
    if UNKNOWN in (yes.data, no.data) or condition.data == UNKNOWN:
        return ANY
    values = {t.value if t.data == SCALAR else UNKNOWN for t in (yes, no)}
    if len(values) == 1:
        return Type(SCALAR, *values)
    if values <= {INT, DOUBLE, BOOLEAN}:
        return DOUBLE_SCALAR if DOUBLE in values else INT_SCALAR
    return UNKNOWN_SCALAR


@builtin("ifelse(condition: matrix|number|boolean, yes: any, no: any) -> any", infer=_choice_type)
def ifelse(condition, yes, no):
    """`yes` where the condition is true (not 0; NaN is true), else `no`.  Both are always evaluated.

    Arguments are scalars and matrices of equal sizes.  Without a matrix the result is the chosen scalar: an int if both are ints,
    a double if one is, a string or a boolean if both are.
    """
    operands = (condition, yes, no)
    if type(condition) is not ndarray:
        chosen = yes if arithmetic.truth(condition) else no
        if type(yes) is not ndarray and type(no) is not ndarray:
            if type(yes) is not type(no) and not (type(yes) is str or type(no) is str):
                return float(chosen) if float in (type(yes), type(no)) else int(chosen)
            return chosen
        matrix = yes if type(yes) is ndarray else no
        return chosen.astype(result_dtype(*operands)) if type(chosen) is ndarray else np.full_like(matrix, chosen)
    dtype = result_dtype(*[a for a in operands if type(a) is ndarray][:2])
    return np.where(condition, *(a if type(a) is ndarray else dtype.type(a) for a in (yes, no)))


ifelse.case("ifelse(3 > 2, 1, 2)", "1")
ifelse.case("ifelse(TRUE, 1, 2.5)", "1.0")
ifelse.case('ifelse(FALSE, "a", "b")', "b")
ifelse.case('ifelse(matrix("0 1 NaN", 1, 3), 5, matrix("7 8 9", 1, 3))', "7 5 5")
ifelse.case('ifelse(FALSE, matrix("1 2", 1, 2), 4)', "4 4")
ifelse.fails("ifelse(matrix(1, 2, 1), matrix(1, 2, 2), 0)", "shape-mismatch", "equal sizes")
ifelse.fails('ifelse(matrix(1, 2, 1), "a", 0)', "argument-type", "string")


# ---- bits


def _int_cells(x: Any) -> Any:
    """Cells as 64-bit ints: truncated, NaN as 0, beyond the range its ends."""
    if type(x) is not ndarray:
        return arithmetic.to_int(x)
    x = np.nan_to_num(x.astype(np.float64), nan=0.0, posinf=2.0**63, neginf=-(2.0**63))
    result = x.astype(np.int64)
    result[x >= 2.0**63] = arithmetic.INT_MAX
    return result


def _bits(name: str, ufunc: np.ufunc, doc: str, *, shift: bool = False) -> Builtin:
    def scalars(a: Any, b: Any) -> Any:
        ints = type(a) is int and type(b) is int
        a, b = arithmetic.to_int(a), arithmetic.to_int(b)
        result = int(ufunc(np.int64(a), np.int64(b & 63 if shift else b)))
        return result if ints else float(result)

    def cells(x: Any, y: Any) -> np.ndarray:
        dtype = result_dtype(x, y)
        x, y = _int_cells(x), _int_cells(y)
        return ufunc(x, y & 63 if shift else y).astype(dtype)

    def meaning(x: Any, y: Any) -> Any:
        return _apply(declared, cells, scalars, x, y)

    meaning.__doc__ = f"""{doc}

    Operands are truncated to 64-bit ints{"; a shift is taken modulo 64" if shift else ""}.  Two ints give an int.
    """
    signature = f"{name}(x: matrix|number, y: matrix|number) -> any"
    declared = builtin(signature, infer=arithmetic_type(name, ints=True), self_checking=True)(meaning)
    declared.fails(f"{name}(matrix(1, 2, 3), matrix(1, 3, 3))", "shape-mismatch", name)
    return declared


bitwAnd = _bits("bitwAnd", np.bitwise_and, "Bits that are set in both operands.")
bitwAnd.case("bitwAnd(7, 3)", "3")
bitwAnd.case("bitwAnd(7.9, 3.2)", "3.0")
bitwAnd.case('bitwAnd(matrix("1 -1 2.5 NaN", 1, 4), 3)', "1 3 2 0")

bitwOr = _bits("bitwOr", np.bitwise_or, "Bits that are set in one or both operands.")
bitwOr.case("bitwOr(7, 8)", "15")
bitwOr.case('bitwOr(matrix("1 -1", 1, 2), 2)', "3 -1")

bitwXor = _bits("bitwXor", np.bitwise_xor, "Bits that are set in exactly one operand.")
bitwXor.case("bitwXor(7, 2)", "5")
bitwXor.case('bitwXor(matrix("1 -1", 1, 2), matrix("1 1", 1, 2))', "0 -2")

bitwShiftL = _bits("bitwShiftL", np.left_shift, "x with its bits moved y places up: x * 2^y.", shift=True)
bitwShiftL.case("bitwShiftL(7, 2)", "28")
bitwShiftL.case('bitwShiftL(matrix("1 -1 2.5", 1, 3), 2)', "4 -4 8")

bitwShiftR = _bits("bitwShiftR", np.right_shift, "x with its bits moved y places down, keeping the sign.", shift=True)
bitwShiftR.case("bitwShiftR(-7, 1)", "-4")
bitwShiftR.case('bitwShiftR(matrix("7 -2.5", 1, 2), 1)', "3 -1")

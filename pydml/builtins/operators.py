"""The operators of DML: arithmetic, comparison, logic and the matrix product.

Each takes scalars and matrices.  Two matrices have equal sizes, or the right one is a row (1 x n), a column (m x 1) or 1 x 1 and
is repeated over the left one; a column with a row on its right gives all combinations.  Comparisons and logic of matrices give
0 and 1.  NaN compares as unequal to everything and counts as true.

The meaning of an operator starts with the case that loops spend their time in, dense operands of equal sizes and numbers;
everything else goes through `_combine`.  Emitted code computes scalars itself where it knows their types.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pydml.builtins.broadcasting import arithmetic_type, comparison_type, logical_type, sum_type, zero_one
from pydml.builtins.registry import Builtin, builtin
from pydml.diagnostics import fail
from pydml.signature import article
from pydml.types import ANY, BOOLEAN, FRAME, MATRIX, SCALAR, STRING, UNKNOWN, Type, matrix_type
from pydml.values import arithmetic, kind_of, type_of
from pydml.values.storage import check_dense_size

ndarray = np.ndarray
_NUMBERS = frozenset((int, float))


def _operator(
    symbol: str,
    cells: Callable[[Any, Any], np.ndarray],
    scalars: Callable[[Any, Any], Any],
    rule: Callable[[Type, Type], Type],
    doc: str,
) -> Builtin:
    """Declare a binary operator.  cells: the function of arrays (and numbers); scalars: of two scalars of allowed types."""

    def meaning(left: Any, right: Any) -> Any:
        try:
            if type(left) is ndarray:
                kind = type(right)
                if kind is float:
                    return cells(left, right)
                if kind is int:
                    return cells(left, float(right))  # NumPy takes longer to make it one
                if kind is ndarray:
                    if left.shape == right.shape:
                        return cells(left, right)
                    (m, n), (rows, cols) = left.shape, right.shape
                    if (rows == 1 and (cols == n or cols == 1 or n == 1)) or (rows == m and cols == 1):
                        return cells(left, right)
            elif type(right) is ndarray and (type(left) is float or type(left) is int):
                return cells(float(left), right)
            return _combine(declared, cells, scalars, left, right)
        except MemoryError:
            declared.explain_memory((left, right))

    meaning.__doc__ = doc
    declared = builtin(f"{symbol}(left: any, right: any) -> any", infer=rule, self_checking=True)(meaning)
    declared.for_all = True
    return declared


def _combine(operator: Builtin, cells: Any, scalars: Any, left: Any, right: Any) -> Any:
    """Check the operands by the operator's type rule, then compute: scalars, other storages, or arrays that broadcast."""
    if type(left) in _NUMBERS and type(right) in _NUMBERS:
        return scalars(left, right)
    result = operator.infer((type_of(left), type_of(right)))[0]
    if result.data == MATRIX:
        if kind_of(left) not in (None, "dense") or kind_of(right) not in (None, "dense"):
            return operator.run(left, right)
        return cells(left, right)
    if result.data == FRAME:
        return left.compare(operator.name, right)
    return scalars(left, right)


# ---- arithmetic


def _add_scalars(a: Any, b: Any) -> Any:
    if type(a) is str or type(b) is str:
        return arithmetic.concat(a, b)
    return arithmetic.int_add(a, b) if type(a) is int and type(b) is int else float(a) + float(b)


def _by_type(ints: Callable[[int, int], Any], doubles: Callable[[float, float], float]) -> Callable[[Any, Any], Any]:
    """The function of two scalars that takes `ints` for two ints; booleans count as doubles."""
    return lambda a, b: ints(a, b) if type(a) is int and type(b) is int else doubles(float(a), float(b))


add = _operator(
    "+",
    np.add,
    _add_scalars,
    sum_type("+"),
    """Sum; with a string and another scalar, their texts joined (`"x" + 3.0` is `x3.0`).  A 1 x 1 matrix counts as a scalar there.

    Two ints give an int that wraps around at 64 bits; two booleans give a double.
    """,
)
add.case("1 + 2", "3")
add.case("1 + 2.5", "3.5")
add.case("9223372036854775807 + 1", "-9223372036854775808")
add.case('1 + 2 + "a" + TRUE', "3aTRUE")
add.case("TRUE + TRUE", "2.0")
add.case('matrix("1 2 3 4", 2, 2) + matrix("10 20", 1, 2)', "11 22 / 13 24")
add.case('matrix("1 2", 2, 1) + matrix("10 20", 1, 2)', "11 21 / 12 22")
add.fails("matrix(1, 1, 2) + matrix(1, 2, 2)", "shape-mismatch", "the left operand is 1 x 2, the right one 2 x 2")
add.fails("TRUE + 1", "type", "a boolean cannot be combined with an int")
add.case('"a" + matrix(1, 1, 1) + "b"', "a1.0b")
add.fails('"a" + matrix(1, 1, 2)', "type", "joined with a scalar")
add.fails("list(1) + 1", "type", "not defined for a list")

subtract = _operator(
    "-",
    np.subtract,
    _by_type(arithmetic.int_sub, lambda a, b: a - b),
    arithmetic_type("-", ints=True),
    """Difference.  Two ints give an int that wraps around at 64 bits.""",
)
subtract.case("1 - 3", "-2")
subtract.case('5 - matrix("1 2", 1, 2)', "4 3")
subtract.fails('"5" - 1', "type", "not defined for strings")
subtract.fails("matrix(1, 2, 2) - TRUE", "type", "a boolean cannot be combined with a matrix")

multiply = _operator(
    "*",
    np.multiply,
    _by_type(arithmetic.int_mul, lambda a, b: a * b),
    arithmetic_type("*", ints=True),
    """Product, cell by cell for matrices.  Two ints give an int; one beyond 64 bits is an error.""",
)
multiply.case("6 * 7", "42")
multiply.case("(3 > 2) * (2 > 1)", "1.0")
multiply.case('matrix("1 2 3 4", 2, 2) * matrix("10 100", 2, 1)', "10 20 / 300 400")
multiply.fails("9223372036854775807 * 2", "overflow", "numerical result overflow")
multiply.fails("matrix(1, 2, 3) * matrix(1, 3, 2)", "shape-mismatch", "2 x 3, the right one 3 x 2")

divide = _operator(
    "/",
    np.true_divide,
    lambda a, b: arithmetic.divide(float(a), float(b)),
    arithmetic_type("/", ints=False),
    """Quotient, always a double: 6 / 3 is 2.0.  x / 0 is an infinity, 0 / 0 is NaN.""",
)
divide.case("6 / 3", "2.0")
divide.case("1 / 0", "Infinity")
divide.case('matrix("1 2", 1, 2) / 4', "0.25 0.5")
divide.fails("matrix(1, 2, 3) / matrix(1, 2, 2)", "shape-mismatch", "/")


def _power_cells(base: Any, exponent: Any) -> np.ndarray:
    """Powers as Java's Math.pow.  np.power takes 20 times the time of a product, hence the products for small exponents."""
    if type(exponent) is not ndarray:
        if exponent == 2:
            return base * base
        if exponent == 1:
            return np.positive(base)  # a new array: results of operators may be written in place
        if exponent == 3:
            return base * base * base
        if exponent == 4:
            square = base * base
            return np.multiply(square, square, out=square)
        exponent = float(exponent)
    elif type(base) is not ndarray:
        base = float(base)
    result = np.power(base, exponent)
    # NumPy follows C: 1 ^ NaN = 1 and (-1) ^ Inf = 1; in Java both are NaN.
    if not (np.isfinite(exponent).all() if type(exponent) is ndarray else abs(exponent) < np.inf):
        result[(np.abs(base) == 1) & ~np.isfinite(exponent)] = np.nan
    return result


power = _operator(
    "^",
    _power_cells,
    lambda a, b: arithmetic.power(float(a), float(b)),
    arithmetic_type("^", ints=False),
    """Power, always a double: 2 ^ 3 is 8.0.  A negative base with a fractional exponent gives NaN; 0 ^ 0 is 1.

    X ^ 3 and X ^ 4 of matrices are computed by products, exact up to rounding.
    """,
)
power.case("2 ^ 3", "8.0")
power.case("0 ^ 0", "1.0")
power.case('matrix("1 2 3", 1, 3) ^ 2', "1 4 9")
power.case('2 ^ matrix("1 2 3", 1, 3)', "2 4 8")
power.fails("matrix(1, 2, 2) ^ matrix(2, 3, 3)", "shape-mismatch", "^")


def _mod_cells(a: Any, b: Any) -> np.ndarray:
    q = np.true_divide(a, b)
    np.trunc(q, out=q)
    q *= b
    return np.subtract(a, q, out=q)


def _idiv_cells(a: Any, b: Any) -> np.ndarray:
    q = np.true_divide(a, b)
    np.trunc(q, out=q)
    beyond = np.abs(q) > 2.0**63
    if beyond.any():  # SystemDS truncates by way of a 64-bit int; infinite quotients stay
        beyond &= np.isfinite(q)
        np.copyto(q, np.copysign(q.dtype.type(2.0**63), q), where=beyond)
    q += 0.0  # no negative zeros
    return q


modulo = _operator(
    "%%",
    _mod_cells,
    _by_type(arithmetic.int_mod, arithmetic.mod),
    arithmetic_type("%%", ints=True),
    """Remainder with the sign of the dividend, x - trunc(x / y) * y (not R's modulo): -7 %% 2 is -1.

    x %% 0 is 0 for ints and NaN for doubles; x %% Inf is NaN.
    """,
)
modulo.case("-7 %% 2", "-1")
modulo.case("7 %% -2", "1")
modulo.case("-7.5 %% 2", "-1.5")
modulo.case("7 %% 0", "0")
modulo.case('matrix("-7 7 -7.5 7.5 0 5", 1, 6) %% 2', "-1 1 -1.5 1.5 0 1")
modulo.fails("matrix(1, 2, 2) %% matrix(2, 3, 3)", "shape-mismatch", "%%")

integer_divide = _operator(
    "%/%",
    _idiv_cells,
    _by_type(arithmetic.int_idiv, arithmetic.idiv),
    arithmetic_type("%/%", ints=True),
    """Quotient truncated toward zero: -7 %/% 2 is -3.

    By 0 it is an error for ints and an infinity (or NaN) for doubles; finite quotients beyond 2^63 give 2^63.
    """,
)
integer_divide.case("7 %/% 2 * 2", "6")
integer_divide.case("-7 %/% 2", "-3")
integer_divide.case("7.5 %/% 0", "Infinity")
integer_divide.case('matrix("1 2 3 4 5 6", 2, 3) %/% 4', "0 0 0 / 1 1 1")
integer_divide.fails("7 %/% 0", "overflow", "integer division of 7 by 0")


def _negative_type(x: Type) -> Type:
    if x.data == MATRIX:
        return matrix_type(x.rows, x.cols)
    if x.data == UNKNOWN:
        return ANY
    if x.data != SCALAR or x.value in (STRING, BOOLEAN):
        help = "use as.integer() or as.double() on the boolean" if x.is_scalar and x.value == BOOLEAN else ""
        fail("type", f"unary -: not defined for {article(str(x.without_const()))}", help=help)
    return x.without_const()


@builtin("unary -(x: any) -> any", infer=_negative_type, self_checking=True)
def negative(x):
    """The number, or each cell, with the other sign.  Of matrices it is 0 - X, so that zeros stay positive as in SystemDS."""
    cls = type(x)
    if cls is ndarray:
        return np.subtract(0.0, x)
    if cls is float:
        return -x
    if cls is int:
        return arithmetic.int_neg(x)
    negative.infer((type_of(x),))
    return negative.run(x) if kind_of(x) else -x


negative.case("-(1 + 2)", "-3")
negative.case("-2 ^ 2", "-4.0")
negative.case('-matrix("1 -2", 1, 2)', "-1 2")
negative.fails("-(1 > 2)", "type", "not defined for a boolean")
negative.fails('-("a" + "b")', "type", "string")


# ---- comparison


def _comparison(symbol: str, ufunc: np.ufunc, relation: str) -> Builtin:
    declared = _operator(
        symbol,
        zero_one(ufunc),
        lambda a, b: arithmetic.compare(symbol, a, b),
        comparison_type(symbol),
        f"""TRUE where the left operand is {relation} the right one; matrices give 1 and 0.

        With a string, the other scalar is rendered first and texts are compared by their UTF-16 code units.
        Booleans count as 1 and 0.  Two frames of equal sizes give a frame of booleans.
        """,
    )
    declared.fails(f'matrix(1, 1, 1) {symbol} "a"', "type", "a string cannot be combined with a matrix")
    declared.fails(f"list(1) {symbol} 1", "type", "not defined for a list")
    declared.fails(f"matrix(1, 2, 3) {symbol} matrix(1, 3, 3)", "shape-mismatch", symbol)
    return declared


equal = _comparison("==", np.equal, "equal to")
equal.case("1 == 1.0", "TRUE")
equal.case('"1" == 1', "TRUE")
equal.case('"TRUE" == TRUE', "TRUE")
equal.case("(0.0 / 0) == (0.0 / 0)", "FALSE")
equal.case('matrix("1 2 3 4", 2, 2) == matrix("1 4", 1, 2)', "1 0 / 0 1")

not_equal = _comparison("!=", np.not_equal, "unequal to")
not_equal.case("(0.0 / 0) != (0.0 / 0)", "TRUE")
not_equal.case('matrix("0 2 NaN", 1, 3) != 0', "0 1 1")

less = _comparison("<", np.less, "less than")
less.case('"10" < "9"', "TRUE")
less.case("1 < 2 < 3", "TRUE")
less.case('matrix("1 2 3", 1, 3) < 2', "1 0 0")

less_equal = _comparison("<=", np.less_equal, "less than or equal to")
less_equal.case("2 <= 2", "TRUE")
less_equal.case('2 <= matrix("1 2 3", 1, 3)', "0 1 1")

greater = _comparison(">", np.greater, "greater than")
greater.case("2 > 2", "FALSE")
greater.case('matrix("1 2 3 4", 2, 2) > matrix("1 3", 2, 1)', "0 1 / 0 1")

greater_equal = _comparison(">=", np.greater_equal, "greater than or equal to")
greater_equal.case("TRUE >= 1", "TRUE")
greater_equal.case('matrix("1 NaN 3", 1, 3) >= 1', "1 0 1")


# ---- logic


def _logical(symbol: str, ufunc: np.ufunc, scalars: Callable[[bool, bool], bool], doc: str) -> Builtin:
    declared = _operator(
        symbol,
        zero_one(ufunc),
        lambda a, b: scalars(arithmetic.truth(a), arithmetic.truth(b)),
        logical_type(symbol),
        doc,
    )
    declared.fails(f'"a" {symbol} TRUE', "type", "not defined for strings")
    declared.fails(f"matrix(1, 2, 3) {symbol} matrix(1, 3, 3)", "shape-mismatch", symbol)
    return declared


logical_and = _logical(
    "&",
    np.logical_and,
    lambda a, b: a and b,
    """TRUE where both operands are true (not 0); matrices give 1 and 0.  Both operands are always evaluated.""",
)
logical_and.case("TRUE & FALSE", "FALSE")
logical_and.case("!FALSE & FALSE", "FALSE")
logical_and.case('matrix("0 1 NaN 2", 1, 4) & matrix("1 1 1 0", 1, 4)', "0 1 1 0")

logical_or = _logical(
    "|",
    np.logical_or,
    lambda a, b: a or b,
    """TRUE where an operand is true (not 0); matrices give 1 and 0.  Both operands are always evaluated.""",
)
logical_or.case("TRUE | FALSE", "TRUE")
logical_or.case('matrix("0 1 NaN 0", 1, 4) | matrix("1 1 0 0", 1, 4)', "1 1 1 0")


@builtin("!(x: any) -> any", infer=logical_type("!"), self_checking=True)
def logical_not(x):
    """TRUE where the operand is 0 or FALSE; a matrix gives 1 and 0.  NaN counts as true."""
    if type(x) is ndarray:
        return (x == 0).astype(x.dtype)
    if type(x) is bool:
        return not x
    logical_not.infer((type_of(x),))
    return logical_not.run(x) if kind_of(x) else not arithmetic.truth(x)


logical_not.case("!TRUE", "FALSE")
logical_not.case("!(2 == 3)", "TRUE")
logical_not.case('!matrix("0 1 NaN", 1, 3)', "1 0 0")
logical_not.fails('!("a" + "b")', "type", "not defined for strings")


# ---- matrix product


def _product_type(left: Type, right: Type) -> Type:
    for operand in (left, right):
        if operand.data not in (MATRIX, UNKNOWN):
            fail(
                "type",
                f"%*%: both operands must be matrices, got {article(str(operand.without_const()))}",
                help="use * to multiply with a number" if operand.data == SCALAR else "",
            )
    if left.data == MATRIX and right.data == MATRIX and None not in (left.cols, right.rows) and left.cols != right.rows:
        fits = left.rows is not None and (left.rows == right.rows or left.cols == right.cols)
        fail(
            "shape-mismatch",
            f"%*%: the left operand is {left.size_text()}, the right one {right.size_text()}: "
            f"{left.cols} columns on the left must meet as many rows on the right, not {right.rows}",
            help="one of them needs t()" if fits else "",
        )
    return matrix_type(left.rows, right.cols)


@builtin("%*%(left: any, right: any) -> any", infer=_product_type, self_checking=True)
def matrix_product(left, right):
    """Matrix product.  left: (m, k), right: (k, n).  Returns (m, n).

    Transposed operands and views of rows or columns are not copied; t(X) %*% X takes half the work.
    """
    if type(left) is ndarray and type(right) is ndarray:
        # `dot` starts faster but copies views; `matmul` takes them as they are.
        if left.size < 4096:
            try:
                return left.dot(right)
            except ValueError:
                matrix_product.infer((type_of(left), type_of(right)))  # says which sizes do not fit
                raise
        if left.shape[1] == right.shape[0]:
            if left.size * right.shape[1] < LARGE_PRODUCT:
                return np.matmul(left, right)
            check_dense_size(left.shape[0], right.shape[1], left.dtype.itemsize)
            return large_product.run(left, right)
    matrix_product.infer((type_of(left), type_of(right)))
    return matrix_product.run(left, right)


matrix_product.for_all = True

LARGE_PRODUCT = 1 << 18  # multiply-adds, up to which BLAS uses one thread


@builtin(
    "large product(left: matrix, right: matrix) -> matrix",
    shape=lambda left, right: (left.rows, right.cols),
    self_checking=True,
)
def large_product(left, right):
    """The product of dense matrices of fitting sizes.  Internal: what `%*%` does with large ones, for kernels with threads."""
    return np.matmul(left, right)


matrix_product.case('matrix("1 2 3 4", 2, 2) %*% matrix("5 6", 2, 1)', "17 / 39")
matrix_product.case('matrix("1 2", 2, 1) %*% matrix("3 4", 1, 2)', "3 4 / 6 8")
matrix_product.case("matrix(0, 2, 0) %*% matrix(0, 0, 3)", "0 0 0 / 0 0 0")
matrix_product.fails("matrix(1, 2, 3) %*% matrix(1, 2, 3)", "shape-mismatch", "3 columns on the left")
matrix_product.fails("matrix(1, 2, 3) %*% 2", "type", "both operands must be matrices, got an int")

BINARY = {
    b.name: b
    for b in (
        *(add, subtract, multiply, divide, power, modulo, integer_divide),
        *(equal, not_equal, less, less_equal, greater, greater_equal, logical_and, logical_or),
    )
}
"""The elementwise operators of two operands by symbol."""

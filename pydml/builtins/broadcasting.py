"""Functions of two operands cell by cell: type rules, the check of sizes, and the way from operands to a NumPy function.

Used by the operators and by the elementwise functions.  Operands are scalars or matrices; of two matrices the right one may be
a row, a column or 1 x 1 (see `shapes.broadcast`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pydml.builtins.shapes import broadcast
from pydml.diagnostics import fail
from pydml.signature import article
from pydml.types import (
    ANY,
    BOOLEAN,
    BOOLEAN_SCALAR,
    DOUBLE,
    DOUBLE_SCALAR,
    FRAME,
    INT,
    INT_SCALAR,
    LIST,
    MATRIX,
    SCALAR,
    STRING,
    UNKNOWN,
    UNKNOWN_SCALAR,
    Type,
    matrix_type,
)

ndarray = np.ndarray


# ---- types


def cellwise_matrix_type(name: str, left: Type, right: Type, *, booleans: bool = True) -> Type:
    """The result of a function of two operands of which at least one is a matrix.

    booleans: whether a boolean scalar may meet a matrix.  An operand of unknown type may be a scalar or a matrix.
    """
    for operand, other in ((left, right), (right, left)):
        if operand.data in (FRAME, LIST):
            fail("type", f"{name}: {article(operand.data)} cannot be combined with {article(other.data)}")
        if operand.value == STRING:
            fail("type", f"{name}: a string cannot be combined with a matrix", help=_STRING_HELP)
        if operand.value == BOOLEAN and not booleans:
            _boolean_with_number(name, "a matrix")
    if left.data == MATRIX and right.data == MATRIX:
        return matrix_type(*broadcast(name, left, right))
    if right.data == SCALAR:
        return matrix_type(left.rows, left.cols)
    if left.data == SCALAR:
        return matrix_type(right.rows, right.cols)
    if left.data == MATRIX:  # the right operand is unknown: a row may make an outer combination with a column
        return matrix_type(left.rows, None if left.cols in (1, None) else left.cols)
    return matrix_type()


_STRING_HELP = "use toString(X) to join text, or as.double() to make the string a number"


def _boolean_with_number(name: str, other: str) -> None:
    fail(
        "type",
        f"{name}: a boolean cannot be combined with {other}",
        help="use as.integer() or as.double() on the boolean, or ifelse(condition, 1, 0)",
    )


def _reject_containers(name: str, *operands: Type) -> None:
    for t in operands:
        if t.data not in (SCALAR, MATRIX, UNKNOWN):
            fail(
                "type",
                f"{name} is not defined for {article(t.data)}",
                help="take an element first, for example as.scalar(l[1]) or as.matrix(l[1])" if t.data == LIST else "",
            )


def arithmetic_type(name: str, *, ints: bool, booleans: bool = True) -> Callable[[Type, Type], Type]:
    """Type rule of an arithmetic operator.

    ints: two ints give an int (else a double).  booleans: two booleans are allowed, and give a double.
    """

    def rule(left: Type, right: Type) -> Type:
        if left.data == MATRIX or right.data == MATRIX:
            return cellwise_matrix_type(name, left, right, booleans=False)
        _reject_containers(name, left, right)
        values = (left.value if left.data == SCALAR else UNKNOWN, right.value if right.data == SCALAR else UNKNOWN)
        if STRING in values:
            fail(
                "type",
                f"{name} is not defined for strings",
                help="use as.double() or as.integer() to make the string a number",
            )
        if left.data == UNKNOWN or right.data == UNKNOWN:
            return ANY
        if BOOLEAN in values:
            other = values[0] if values[1] == BOOLEAN else values[1]
            if other in (INT, DOUBLE):
                _boolean_with_number(name, article(other))
            return DOUBLE_SCALAR
        if not ints or DOUBLE in values:
            return DOUBLE_SCALAR
        return UNKNOWN_SCALAR if UNKNOWN in values else INT_SCALAR

    return rule


def sum_type(name: str) -> Callable[[Type, Type], Type]:
    """Type rule of `+`: as arithmetic; with a string and another scalar it gives a string."""
    arithmetic = arithmetic_type(name, ints=True)

    def rule(left: Type, right: Type) -> Type:
        for text, other in ((left, right), (right, left)):
            if text.data == SCALAR and text.value == STRING:
                if other.data in (SCALAR, UNKNOWN) or _may_be_cell(other):
                    return Type(SCALAR, STRING)
                fail(
                    "type",
                    f"{name}: a string can only be joined with a scalar, got {article(str(other))}",
                    help="use toString(X), or as.scalar(X) for a 1 x 1 matrix",
                )
        result = arithmetic(left, right)
        if result == DOUBLE_SCALAR and UNKNOWN in (left.value, right.value):
            return UNKNOWN_SCALAR  # the unknown one may be a string
        return result

    return rule


def _may_be_cell(type: Type) -> bool:
    return type.data == MATRIX and type.rows in (1, None) and type.cols in (1, None)


def comparison_type(name: str) -> Callable[[Type, Type], Type]:
    """Type rule of a comparison: boolean for scalars, a matrix of 0 and 1 for matrices, a frame of booleans for two frames."""

    def rule(left: Type, right: Type) -> Type:
        if left.data == MATRIX or right.data == MATRIX:
            return cellwise_matrix_type(name, left, right)
        if left.data == FRAME or right.data == FRAME:
            if left.data in (FRAME, UNKNOWN) and right.data in (FRAME, UNKNOWN):
                return Type(FRAME, UNKNOWN, left.rows, left.cols) if left.data == FRAME else Type(FRAME)
            fail("type", f"{name}: a frame can only be compared with a frame", help="take a cell by as.scalar(F[i,j])")
        _reject_containers(name, left, right)
        return ANY if left.data == UNKNOWN or right.data == UNKNOWN else BOOLEAN_SCALAR

    return rule


def logical_type(name: str) -> Callable[..., Type]:
    """Type rule of `&`, `|`, `!` and xor: boolean for scalars, a matrix of 0 and 1 for matrices."""

    def rule(*operands: Type) -> Type:
        if any(t.data == MATRIX for t in operands):
            return (
                matrix_type(operands[0].rows, operands[0].cols)
                if len(operands) == 1
                else cellwise_matrix_type(name, *operands)
            )
        _reject_containers(name, *operands)
        if any(t.value == STRING for t in operands):
            fail("type", f"{name} is not defined for strings", help="use as.logical()")
        return ANY if any(t.data == UNKNOWN for t in operands) else BOOLEAN_SCALAR

    return rule


# ---- values


def result_dtype(*operands: Any) -> Any:
    """The dtype of a cellwise result: that of the matrices."""
    dtypes = [a.dtype for a in operands if hasattr(a, "dtype")]
    return dtypes[0] if len(dtypes) == 1 or dtypes[0] == dtypes[1] else np.result_type(*dtypes)


def zero_one(function: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """A NumPy function that gives booleans, as one that gives 0 and 1 in the dtype of the matrices."""

    def cells(*operands: Any) -> np.ndarray:
        return function(*operands).astype(result_dtype(*operands))

    cells.__name__ = f"{function.__name__}_zero_one"
    return cells

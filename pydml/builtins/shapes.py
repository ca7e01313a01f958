"""Reusable shape rules: the size of a result from the types of the arguments.

Each is used before the run, with sizes that may be unknown (None), and while running.  Sizes that do not fit raise DMLError
"shape-mismatch".
"""

from __future__ import annotations

from pydml.builtins.registry import ShapeRule
from pydml.diagnostics import fail
from pydml.signature import Signature
from pydml.types import Type

Size = tuple[int | None, int | None]


def _position(signature: Signature, name: str) -> int:
    for i, p in enumerate(signature.params):
        if p.name == name:
            return i
    raise ValueError(f"{signature.name} has no parameter {name}")


def same_as(name: str) -> ShapeRule:
    """The result has the size of argument `name`."""

    def resolve(signature: Signature):
        i = _position(signature, name)
        return lambda *types: (types[i].rows, types[i].cols)

    return ShapeRule(resolve)


def transposed(name: str) -> ShapeRule:
    """The result has the size of argument `name` with rows and columns exchanged."""

    def resolve(signature: Signature):
        i = _position(signature, name)
        return lambda *types: (types[i].cols, types[i].rows)

    return ShapeRule(resolve)


def rows_of(name: str, cols: int = 1) -> ShapeRule:
    """One result row for each row of argument `name`."""

    def resolve(signature: Signature):
        i = _position(signature, name)
        return lambda *types: (types[i].rows, cols)

    return ShapeRule(resolve)


def cols_of(name: str, rows: int = 1) -> ShapeRule:
    """One result column for each column of argument `name`."""

    def resolve(signature: Signature):
        i = _position(signature, name)
        return lambda *types: (rows, types[i].cols)

    return ShapeRule(resolve)


def unknown() -> ShapeRule:
    """The size depends on the values."""
    return ShapeRule(lambda signature: lambda *types: (None, None))


def column_vector(function: str, name: str, type: Type) -> None:
    """Fail unless the argument can be a column vector."""
    if type.cols is not None and type.cols != 1:
        fail(
            "shape-mismatch",
            f"{function}: {name} must be a column vector (n x 1), got {type.size_text()}",
            help="use t() to turn a row vector" if type.rows == 1 else "",
        )


def square(function: str, name: str, type: Type) -> int | None:
    """Fail unless the argument can be square; returns its size if known."""
    if type.rows is not None and type.cols is not None and type.rows != type.cols:
        fail("shape-mismatch", f"{function}: {name} must be square, got {type.size_text()}")
    return type.rows if type.rows is not None else type.cols


def constant_size(type: Type) -> int | None:
    """The size that a scalar argument stands for, if it is known: doubles are truncated."""
    value = type.const
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value == value and abs(value) < 2**62:
        return int(value)
    return None


def broadcast(operator: str, left: Type, right: Type) -> Size:
    """Size of an elementwise operation of two matrices: equal sizes, or the right one is a row, a column or 1 x 1.

    A column on the left and a row on the right give their outer combination.  The left operand is never broadcast
    otherwise, as in SystemDS.
    """
    lr, lc, rr, rc = left.rows, left.cols, right.rows, right.cols
    if None not in (lr, lc, rr, rc):
        if (rr == lr or rr == 1) and (rc == lc or rc == 1):
            return lr, lc
        if lc == 1 and rr == 1:
            return lr, rc
        _mismatch(operator, left, right)
    # some size is unknown: only certain mistakes are reported
    if lr is not None and rr is not None and rr not in (lr, 1):
        _mismatch(operator, left, right)
    if lc is not None and rc is not None and rc not in (lc, 1) and not (lc == 1 and rr in (1, None)):
        _mismatch(operator, left, right)
    outer_possible = lc in (1, None) and rr in (1, None) and rc != 1
    return lr, (None if outer_possible else lc)


def _mismatch(operator: str, left: Type, right: Type) -> None:
    help = ""
    if right.rows in (left.rows, 1) or right.cols in (left.cols, 1):
        help = "the right operand may be a row (1 x n), a column (m x 1) or 1 x 1"
    elif left.rows in (right.rows, 1) and left.cols in (right.cols, 1):
        help = "only the right operand is broadcast: exchange the operands"
    if left.rows is not None and (left.rows, left.cols) == (right.cols, right.rows):
        help = "one of them needs t()"
    if (left.rows in (right.rows, 1)) and (left.cols in (right.cols, 1)) and (left.rows == 1 or left.cols == 1):
        help = "only the right operand is broadcast: exchange the operands"
    fail(
        "shape-mismatch",
        f"{operator}: the left operand is {left.size_text()}, the right one {right.size_text()}",
        help=help,
    )

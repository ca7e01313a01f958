"""Conversions: as.scalar, as.matrix, as.double, as.integer, as.logical, as.list."""

from __future__ import annotations

import numpy as np

from pydml.builtins.registry import builtin
from pydml.diagnostics import fail
from pydml.types import (
    ANY_MATRIX,
    BOOLEAN_SCALAR,
    DOUBLE_SCALAR,
    FRAME,
    INT_SCALAR,
    LIST,
    MATRIX,
    SCALAR,
    UNKNOWN,
    UNKNOWN_SCALAR,
    Type,
    matrix_type,
)
from pydml.values import List, is_matrix, to_dense, type_of
from pydml.values.arithmetic import cast_boolean, cast_double, cast_int


def _scalar_size(function: str, X: Type) -> None:
    if X.data in (MATRIX, FRAME) and (X.rows not in (1, None) or X.cols not in (1, None)):
        fail(
            "shape-mismatch",
            f"{function}: the {X.data} must be 1 x 1, got {X.size_text()}",
            help="select one cell first: as.scalar(X[i, j])",
        )
    if X.data == LIST and X.rows not in (1, None):
        fail(
            "shape-mismatch", f"{function}: the list must have one element, got {X.rows}", help="select it first: l[i]"
        )


def _as_scalar_type(X: Type) -> Type:
    _scalar_size("as.scalar", X)
    if X.data == MATRIX:
        return DOUBLE_SCALAR
    return X if X.data == SCALAR else UNKNOWN_SCALAR._replace(value=X.value if X.data == LIST else UNKNOWN)


@builtin(
    "as.scalar(X: matrix|frame|list|scalar) -> scalar",
    infer=_as_scalar_type,
    aliases=["castAsScalar"],
    storages="any",
    self_checking=True,
)
def as_scalar(X):
    """The value in a 1 x 1 matrix or frame, or in a list of one element.

    A matrix gives a double, a frame the type of its column, a list the element as it is (from a 1 x 1 matrix: its
    cell).  A scalar is returned unchanged, which SystemDS rejects.  Any other size is an error.
    """
    if type(X) is np.ndarray and X.size == 1:
        return X.item()
    if isinstance(X, (str, int, float)):
        return X
    _scalar_size("as.scalar", type_of(X))
    if type(X) is List:
        return as_scalar.meaning(X[0])
    return to_dense(X).item() if is_matrix(X) else X.to_scalar()


as_scalar.case("as.scalar(matrix(7, rows=1, cols=1))", "7.0")
as_scalar.case("as.scalar(list(7))", "7")
as_scalar.case('as.scalar(list("a"))', "a")
as_scalar.fails("as.scalar(matrix(7, rows=2, cols=1))", "shape-mismatch", "must be 1 x 1, got 2 x 1")
as_scalar.fails("as.scalar(list(1, 2))", "shape-mismatch", "one element, got 2")


def _as_matrix_type(X: Type) -> Type:
    if X.data == SCALAR:
        return matrix_type(1, 1)
    return matrix_type(X.rows, X.cols) if X.data in (MATRIX, FRAME) else ANY_MATRIX


@builtin(
    "as.matrix(X: matrix|frame|list|scalar) -> matrix",
    infer=_as_matrix_type,
    needs="dtype",
    storages="any",
    self_checking=True,
)
def as_matrix(dtype, X):
    """A matrix of the value.

    A scalar gives 1 x 1 (TRUE is 1, text is read as a number); a frame its cells as numbers; a list of one matrix that
    matrix; a list of n scalars n x 1.  Other lists are an error.  A matrix is returned unchanged, which SystemDS
    rejects; SystemDS makes 0 of text.
    """
    if type(X) is np.ndarray or is_matrix(X):
        return X
    if isinstance(X, str):
        X = cast_double(X)
    if isinstance(X, (int, float)):
        return np.full((1, 1), X, dtype)
    if type(X) is not List:
        return X.to_matrix(dtype)
    if len(X) == 1 and not isinstance(X[0], (str, int, float, List)):
        return as_matrix.meaning(dtype, X[0])
    cells = []
    for i, item in enumerate(X.items):
        if isinstance(item, str):
            item = cast_double(item)
        if not isinstance(item, (int, float)):
            fail("argument-type", f"as.matrix: element {i + 1} of the list is a {type_of(item)}, expected a number")
        cells.append(item)
    return np.array(cells, dtype).reshape(len(cells), 1)


as_matrix.case("as.matrix(2.5)", "2.5")
as_matrix.case("as.matrix(list(1, 2, TRUE))", "1 / 2 / 1")
as_matrix.case('as.matrix(list(matrix("1 2", rows=1, cols=2)))', "1 2")
as_matrix.fails(
    "as.matrix(list(1, matrix(0, rows=1, cols=2)))", "argument-type", "element 2 of the list is a matrix 1 x 2"
)
as_matrix.fails('as.matrix("abc")', "value", '"abc" is not a number')


@builtin("as.double(x: scalar) -> double", infer=lambda x: DOUBLE_SCALAR, self_checking=True)
def as_double(x):
    """The scalar as a double: TRUE is 1.0; text is read as a number, and other text is an error.

    As SystemDS `as.double`.
    """
    return cast_double(x)


as_double.case("as.double(3)", "3.0")
as_double.case('as.double("1e3")', "1000.0")
as_double.case("as.double(TRUE)", "1.0")
as_double.fails('as.double("1,5")', "value", '"1,5" is not a number')
as_double.fails("as.double(matrix(1, rows=1, cols=1))", "argument-type", "x must be a scalar")


@builtin("as.integer(x: scalar) -> int", infer=lambda x: INT_SCALAR, self_checking=True)
def as_integer(x):
    """The scalar as an int, truncated towards zero: -5.7 gives -5, "5.7" gives 5, NaN gives 0, TRUE gives 1.

    Infinity gives the largest int.  As SystemDS `as.integer`.
    """
    return cast_int(x)


as_integer.case("as.integer(-5.7)", "-5")
as_integer.case('as.integer("5.7")', "5")
as_integer.case("as.integer(TRUE)", "1")
as_integer.case("as.integer(1.0/0)", "9223372036854775807")
as_integer.case("as.integer(2.99999999999999)", "2")
as_integer.fails('as.integer("five")', "value", '"five" is not a number')
as_integer.fails("as.integer(matrix(1, rows=1, cols=1))", "argument-type", "x must be a scalar")


@builtin("as.logical(x: scalar) -> boolean", infer=lambda x: BOOLEAN_SCALAR, aliases=["as.boolean"], self_checking=True)
def as_logical(x):
    """The scalar as a boolean: a number other than 0 (also NaN) is TRUE; of all text only `TRUE` and `true` are.

    Same as SystemDS `as.logical`.
    """
    return cast_boolean(x)


as_logical.case("as.logical(0.5)", "TRUE")
as_logical.case("as.logical(0.0/0.0)", "TRUE")
as_logical.case('as.logical("true")', "TRUE")
as_logical.case('as.logical("True")', "FALSE")
as_logical.case('as.boolean("T")', "FALSE")
as_logical.fails("as.logical(matrix(1, rows=1, cols=1))", "argument-type", "x must be a scalar")


@builtin("as.list(X: list) -> list", storages="any")
def as_list(X):
    """The list in a list of one element: as.list(l[i]).  A list of other elements is returned unchanged."""
    return X[0] if len(X) == 1 and type(X[0]) is List else X


as_list.case("length(as.list(list(list(1, 2, 3))))", "3")
as_list.case("length(as.list(list(1, 2)))", "2")
as_list.fails("as.list(3)", "argument-type", "X must be a list")

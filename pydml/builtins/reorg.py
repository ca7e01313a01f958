"""Builtins that move cells without computing with them: t, diag, cbind, rbind, append, order, removeEmpty, replace, ...

Frames take part by methods: `concat(others, axis)`, `select(indices, axis)` with 0-based indices, `filled(axis)` (a
boolean for each row or column: has it a value), `blank(axis)` (one row or column without values), `order(by, decreasing,
index_return)` and `replace(pattern, replacement)`.  Axis 0 stands for rows.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pydml.builtins.registry import builtin
from pydml.builtins.shapes import same_as, transposed
from pydml.diagnostics import fail
from pydml.types import (
    ANY,
    ANY_MATRIX,
    FRAME,
    LIST,
    MATRIX,
    SCALAR,
    STRING,
    STRING_SCALAR,
    UNKNOWN,
    Type,
    matrix_type,
)
from pydml.values import List, Sparse, is_matrix, to_dense, type_of
from pydml.values.text import parse_double

# ---- t, rev, roll, diag


@builtin("t(X: matrix) -> matrix", shape=transposed("X"), self_checking=True)
def t(X):
    """Transpose.  X: (n, m).  Returns (m, n), a view.  Same as SystemDS `t`."""
    return X.T


t.case("t(matrix(seq(1, 6), rows=2, cols=3))", "1 4 / 2 5 / 3 6")
t.case("nrow(t(matrix(0, rows=0, cols=2)))", "2")
t.fails("t(3)", "argument-type", "X must be a matrix")


@builtin("rev(X: matrix) -> matrix", shape=same_as("X"), self_checking=True)
def rev(X):
    """The rows in reverse order; a row vector stays as it is.  X: (n, m).  Returns (n, m).  Same as SystemDS `rev`."""
    return X[::-1]


rev.case("rev(matrix(seq(1, 6), rows=3, cols=2))", "5 6 / 3 4 / 1 2")
rev.case("rev(t(seq(1, 3)))", "1 2 3")
rev.fails('rev("abc")', "argument-type", "X must be a matrix")


@builtin("roll(X: matrix, shift: number) -> matrix", shape=same_as("X"), self_checking=True)
def roll(X, shift):
    """The rows moved down by `shift` places, those at the end to the top; negative: up.

    X: (n, m).  shift: truncated to an int, modulo n.  Returns (n, m).  Same as SystemDS `roll`.
    """
    return np.roll(X, int(shift), axis=0)


roll.case("roll(seq(1, 4), 1)", "4 / 1 / 2 / 3")
roll.case("roll(seq(1, 4), -5)", "2 / 3 / 4 / 1")
roll.fails("roll(seq(1, 4), TRUE)", "argument-type", "shift must be a number")


def _diag_size(X: Type) -> tuple[int | None, int | None]:
    if X.cols == 1:
        return X.rows, X.rows
    if X.rows is not None and X.cols is not None and X.rows != X.cols:
        help = "use t() to turn a row vector" if X.rows == 1 else ""
        fail("shape-mismatch", f"diag: X must be a column vector or square, got {X.size_text()}", help=help)
    if X.cols is not None:
        return X.cols, 1
    return X.rows, 1 if X.rows == 1 else None


@builtin("diag(X: matrix) -> matrix", shape=_diag_size)
def diag(X):
    """A diagonal matrix of a column vector, or the diagonal of a square matrix.

    X: (n, 1), returns (n, n) with X on the diagonal, sparse if it is large; or (n, n), returns (n, 1).  Other sizes are
    an error.  Same as SystemDS `diag`.
    """
    rows, cols = X.shape
    if cols != 1:
        return np.diagonal(X).reshape(rows, 1)
    if rows < 64:
        return np.diagflat(X)
    from scipy.sparse import csr_matrix

    kept = np.flatnonzero(X)
    starts = np.searchsorted(kept, np.arange(rows + 1))
    return Sparse(csr_matrix((X.ravel()[kept], kept, starts), shape=(rows, rows)))


diag.case("diag(seq(1, 3))", "1 0 0 / 0 2 0 / 0 0 3")
diag.case('diag(matrix("1 2 3 4", rows=2, cols=2))', "1 / 4")
diag.case("diag(matrix(7, rows=1, cols=1))", "7")
diag.case("sum(diag(seq(1, 100)))", "5050.0")
diag.fails("diag(matrix(1, rows=1, cols=3))", "shape-mismatch", "must be a column vector or square, got 1 x 3")

# ---- cbind, rbind, append


def _concat_type(name: str, axis: int, types: tuple[Type, ...]) -> Type:
    """The type of values put together along the axis; fails where they certainly do not fit."""
    if not types:
        fail("call", f"{name}: there is nothing to put together")
    if len(types) == 2 and types[0].data == LIST:
        return types[0].longer_by(types[1])
    if any(x.data == LIST for x in types) and len(types) > 1:
        fail("type", f"{name}: a list must be the only argument", help="its matrices are put together")
    for x in types:
        if x.data == SCALAR and x.value not in (STRING, UNKNOWN):
            fail("argument-type", f"{name}: X must be a matrix, a frame or a list, got {x}", help="use as.matrix()")
    if any(x.data == SCALAR for x in types):
        for x in types:
            if x.data not in (SCALAR, UNKNOWN):
                fail("type", f"{name}: texts can be put together with texts only, got {x}")
        return STRING_SCALAR
    if types[0].data == LIST:
        return ANY_MATRIX
    known = {x.data for x in types} - {UNKNOWN}
    if len(known) > 1:
        fail("type", f"{name}: matrices and frames do not mix", help="use as.frame() or as.matrix()")
    if UNKNOWN in {x.data for x in types}:
        return ANY_MATRIX if MATRIX in known else ANY
    along, across = ("rows", "cols") if axis == 0 else ("cols", "rows")
    size = None
    for i, x in enumerate(types):
        other = getattr(x, across)
        if size is None:
            size = other
        elif other is not None and other != size:
            fail(
                "shape-mismatch",
                f"{name}: argument {i + 1} has {other} {'columns' if axis == 0 else 'rows'}, the first one {size}",
                notes=["sizes: " + ", ".join(x.size_text() for x in types[:20])],
            )
    sizes = [getattr(x, along) for x in types]
    total = None if None in sizes else sum(sizes)
    rows, cols = (total, size) if axis == 0 else (size, total)
    if types[0].data == MATRIX:
        return matrix_type(rows, cols)
    return Type(FRAME, rows=rows, cols=cols)


def _concat(name: str, axis: int, values: tuple[Any, ...]) -> Any:
    first = values[0]
    if type(first) is List and len(values) == 2:
        return _with_element(*values)
    if isinstance(first, str):
        return "\n".join(values)
    if type(first) is List:
        for i, item in enumerate(first):
            if not is_matrix(item):
                fail("type", f"{name}: element {i + 1} of the list is a {type_of(item)}, expected a matrix")
        _concat_type(name, axis, tuple(type_of(item) for item in first))
        values, first = first.items, first[0]
    if not is_matrix(first):
        return first.concat(values[1:], axis)
    if any(type(v) is Sparse for v in values):
        return _concat_sparse(values, axis)
    return first if len(values) == 1 else np.concatenate([to_dense(v) for v in values], axis=axis)


def _concat_sparse(values: tuple[Any, ...], axis: int) -> Any:
    """Sparse if few enough cells of the result are not zero."""
    from scipy import sparse

    cells = sum(v.shape[0] * v.shape[1] for v in values)
    stored = sum(v.nnz if type(v) is Sparse else np.count_nonzero(v) for v in map(_sparse_or_dense, values))
    if stored >= 0.4 * cells:
        return np.concatenate([to_dense(v) for v in values], axis=axis)
    if axis == 1 and len(values) == 2 and type(values[0]) is Sparse and type(values[1]) is not Sparse:
        column = to_dense(values[1])
        if column.shape[1] == 1 and np.count_nonzero(column) == len(column):
            return _with_full_column(values[0], column.ravel())
    parts = [v.csr if type(v) is Sparse else sparse.csr_matrix(to_dense(v)) for v in values]
    stack = sparse.vstack if axis == 0 else sparse.hstack
    return Sparse(sparse.csr_matrix(stack(parts, format="csr")))


def _with_full_column(X: Sparse, column: np.ndarray) -> Sparse:
    """X with a column at its right that has no zeros, as an intercept: each row gets a cell at its end.

    SciPy copies X twice; at 10^7 cells most of its time went into new pages of memory.
    """
    from scipy.sparse import csr_matrix

    csr, (rows, cols) = X.csr, X.shape
    size = csr.nnz + rows
    index = np.int32 if max(size, cols + 1) < 2**31 else np.int64
    starts = csr.indptr + np.arange(rows + 1, dtype=index)
    ends = starts[1:] - 1
    others = np.ones(size, bool)
    others[ends] = False

    def merged(cells: np.ndarray, own: Any, dtype: Any) -> np.ndarray:
        out = np.empty(size, dtype)
        out[ends] = own
        out[others] = cells
        return out

    data, indices = merged(csr.data[: csr.nnz], column, csr.dtype), merged(csr.indices[: csr.nnz], cols, index)
    return Sparse(csr_matrix((data, indices, starts), shape=(rows, cols + 1), copy=False))


def _sparse_or_dense(value: Any) -> Any:
    return value if type(value) is Sparse else to_dense(value)


@builtin(
    "cbind(*X: matrix|frame|list|scalar) -> any", infer=lambda *types: _concat_type("cbind", 1, types), storages="any"
)
def cbind(*values):
    """Matrices or frames side by side: (n, m1), (n, m2), ... give (n, m1 + m2 + ...).

    One list: its matrices.  A list and a value: as `append`.  Texts: joined by new lines, as in SystemDS.  All need the same
    number of rows.
    """
    return _concat("cbind", 1, values)


cbind.case("cbind(seq(1, 2), seq(3, 4), matrix(0, rows=2, cols=2))", "1 3 0 0 / 2 4 0 0")
cbind.case("cbind(list(seq(1, 2), seq(3, 4)))", "1 3 / 2 4")
cbind.case("cbind(matrix(0, rows=2, cols=0), seq(1, 2))", "1 / 2")
cbind.fails("cbind(seq(1, 2), seq(1, 3))", "shape-mismatch", "argument 2 has 3 rows, the first one 2")
cbind.fails("cbind(seq(1, 2), 5)", "argument-type", "X must be a matrix")
cbind.case("length(cbind(list(1, 2), 3))", "3")
cbind.fails("cbind(list(seq(1, 2)), seq(1, 2), 1)", "type", "a list must be the only argument")


@builtin(
    "rbind(*X: matrix|frame|list|scalar) -> any", infer=lambda *types: _concat_type("rbind", 0, types), storages="any"
)
def rbind(*values):
    """Matrices or frames on top of each other: (n1, m), (n2, m), ... give (n1 + n2 + ..., m).

    One list: its matrices.  A list and a value: as `append`.  Texts: joined by new lines, as in SystemDS.  All need the same
    number of columns.
    """
    return _concat("rbind", 0, values)


rbind.case("rbind(t(seq(1, 2)), matrix(0, rows=0, cols=2), t(seq(3, 4)))", "1 2 / 3 4")
rbind.case('rbind("a", "b")', "a\nb")
rbind.case("toString(rbind(list(1, 2), list(3, 4)))", "List containing:\n[1, 2, List containing:\n[3, 4]]")
rbind.fails("rbind(t(seq(1, 2)), t(seq(1, 3)))", "shape-mismatch", "argument 2 has 3 columns, the first one 2")
rbind.fails('rbind(t(seq(1, 2)), "a")', "type", "texts can be put together with texts only")


def _append_type(*types: Type) -> Type:
    if len(types) > 2 and types[0].data == LIST:
        fail("call", f"append: a list takes one value, got {len(types) - 1}")
    return _concat_type("append", 1, types)


@builtin("append(*X: any) -> any", infer=_append_type, storages="any", self_checking=True)
def append(*values):
    """A list with one more element at its end: append(X, value); or the same as cbind for matrices and frames.

    A list of one element stands for that element, with its name; a longer list becomes one element.  As SystemDS
    `append`, which does not add an element without a name to a list with names.
    """
    if len(values) != 2 or type(values[0]) is not List:  # a list takes any value
        append.apply_rule([type_of(v) for v in values])
    return _concat("append", 1, values)


def _with_element(X: List, value: Any) -> List:
    name = None
    if type(value) is List and len(value) == 1:
        name = value.names[0] if value.names is not None else None
        value = value[0]
    return X.appended(value, name)


append.case("length(append(list(1, 2), 3))", "3")
append.case("length(append(list(1, 2), list(3, 4)))", "3")
append.case("toString(append(list(a=1), list(b=2)))", "List containing:\n[1, 2]")
append.case("append(seq(1, 2), seq(3, 4))", "1 3 / 2 4")
append.fails("append(list(1), 2, 3)", "call", "a list takes one value, got 2")
append.fails("append(seq(1, 2), 3)", "argument-type", "got int")

# ---- order, removeEmpty, replace


def _order_type(target: Type, by: Type, decreasing: Type, index_return: Type) -> Type:
    if by.data == MATRIX and by.shape_known and 1 not in (by.rows, by.cols):
        fail("shape-mismatch", f"order: by must be a vector of column numbers, got {by.size_text()}")
    if target.data == FRAME:
        return ANY
    if isinstance(by.const, (int, float)):
        _column_to_sort(by.const, target.cols)
    if index_return.const is None:
        return matrix_type(target.rows, None)
    return matrix_type(target.rows, 1 if index_return.const else target.cols)


def _column_to_sort(by: float, cols: int | None) -> None:
    if by < 1 or (cols is not None and by >= cols + 1):
        of = "" if cols is None else f" of {cols} columns"
        fail("index", f"order: by is {by}, there is no such column in the matrix{of}")


@builtin(
    "order(target: matrix|frame, by: number|matrix = 1, decreasing: boolean = FALSE, index.return: boolean = FALSE) "
    "-> any",
    infer=_order_type,
)
def order(target, by, decreasing, index_return):
    """The rows sorted by one or several columns, or the numbers of the rows in that order.

    target: (n, m).  by: a column number, or a vector of them, the first one decides first.  Rows that are equal there
    keep their order, also for decreasing=TRUE.  NaN comes last, for decreasing=TRUE first.  index.return: return (n,
    1), the row numbers; else (n, m).  Same as SystemDS `order`, whose decreasing order fails with several NaN.
    """
    if type(target) is not np.ndarray:
        return target.order(by, decreasing, index_return)
    rows = sorting_rows(target, by, decreasing)
    return (rows + 1).astype(target.dtype).reshape(-1, 1) if index_return else target[rows]


def sorting_rows(target: np.ndarray, by: Any, decreasing: bool) -> np.ndarray:
    """0-based numbers of the rows of a dense matrix, sorted."""
    columns = by.ravel().tolist() if type(by) is np.ndarray else [by]
    for column in columns:
        _column_to_sort(column, target.shape[1])
    keys = [target[:, int(column) - 1] for column in columns]
    if decreasing:  # sort the reversed rows and reverse the result: equal rows keep their order, NaN comes first
        keys = [key[::-1] for key in keys]
    rows = np.argsort(keys[0], kind="stable") if len(keys) == 1 else np.lexsort(keys[::-1])
    return (len(rows) - 1 - rows)[::-1] if decreasing else rows


order.case('order(target=matrix("3 1 1 5 2 0", rows=3, cols=2), by=1)', "1 5 / 2 0 / 3 1")
order.case('order(target=matrix("3 1 2 1", rows=4, cols=1), index.return=TRUE)', "2 / 4 / 3 / 1")
order.case('order(target=matrix("3 1 2 3", rows=4, cols=1), decreasing=TRUE, index.return=TRUE)', "1 / 4 / 3 / 2")
order.case('order(target=matrix("2 NaN 1", rows=3, cols=1), decreasing=TRUE)', "NaN / 2 / 1")
order.case('order(target=matrix("2 1 1 5 2 0", rows=3, cols=2), by=t(seq(1, 2)))', "1 5 / 2 0 / 2 1")
order.case("order(target=t(seq(3, 1)))", "3 2 1")
order.fails("order(target=seq(1, 3), by=2)", "index", "by is 2, there is no such column in the matrix of 1 columns")
order.fails("order(target=seq(1, 3), by=0)", "index", "by is 0")


def _margin_axis(margin: object) -> int:
    if margin not in ("rows", "cols"):
        fail("value", f'removeEmpty: margin must be "rows" or "cols", got {margin!r}')
    return 0 if margin == "rows" else 1


def _remove_empty_type(target: Type, margin: Type, select: Type, empty_return: Type) -> Type:
    if margin.const is None:
        return target._replace(rows=None, cols=None)
    axis = _margin_axis(margin.const)
    size = target.rows if axis == 0 else target.cols
    if select.data == MATRIX and select.shape_known:
        if 1 not in (select.rows, select.cols):
            fail("shape-mismatch", f"removeEmpty: select must be a vector, got {select.size_text()}")
        if size is not None and select.rows * select.cols != size:
            what = "rows" if axis == 0 else "columns"
            fail(
                "shape-mismatch",
                f"removeEmpty: select has {select.rows * select.cols} entries, target has {size} {what}",
            )
    return target._replace(rows=None) if axis == 0 else target._replace(cols=None)


@builtin(
    "removeEmpty(target: matrix|frame, margin: string, select: matrix = NULL, empty.return: boolean = TRUE) -> any",
    infer=_remove_empty_type,
)
def removeEmpty(target, margin, select, empty_return):
    """The rows (or columns) that have a cell other than 0, or those that `select` marks.

    target: (n, m).  margin: "rows" or "cols".  select: a vector with an entry for each row (column); those with an
    entry other than 0 stay, zero rows too.  NaN is not 0.  empty.return: where nothing stays, return one row (column)
    of zeros; else a matrix without rows (columns).  The order is kept.  Same as SystemDS `removeEmpty`.
    """
    axis = _margin_axis(margin)
    if select is not None:
        kept = np.asarray(select).ravel() != 0
    else:
        kept = (target != 0).any(axis=1 - axis) if type(target) is np.ndarray else target.filled(axis)
    if type(target) is not np.ndarray:
        return target.select(np.flatnonzero(kept), axis) if kept.any() or not empty_return else target.blank(axis)
    if not kept.any() and empty_return:
        return np.zeros((1, target.shape[1]) if axis == 0 else (target.shape[0], 1), target.dtype)
    if kept.all():
        return target
    return np.compress(kept, target, axis=axis)


removeEmpty.case('removeEmpty(target=matrix("0 0 1 0 2 0", rows=3, cols=2), margin="rows")', "1 0 / 2 0")
removeEmpty.case('removeEmpty(target=matrix("0 0 1 0 2 0", rows=3, cols=2), margin="cols")', "0 / 1 / 2")
removeEmpty.case('removeEmpty(target=seq(1, 3), margin="rows", select=matrix("1 0 1", rows=1, cols=3))', "1 / 3")
removeEmpty.case('removeEmpty(target=matrix(0, rows=3, cols=2), margin="rows")', "0 0")
removeEmpty.case('nrow(removeEmpty(target=matrix(0, rows=3, cols=2), margin="rows", empty.return=FALSE))', "0")
removeEmpty.fails('removeEmpty(target=seq(1, 3), margin="x")', "value", 'margin must be "rows" or "cols"')
removeEmpty.fails(
    'removeEmpty(target=seq(1, 3), margin="rows", select=seq(1, 2))', "shape-mismatch", "select has 2 entries"
)


def _replace_type(target: Type, pattern: Type, replacement: Type) -> Type:
    if target.data == MATRIX:
        for name, value in (("pattern", pattern), ("replacement", replacement)):
            if value.value == STRING and isinstance(value.const, str):
                replacement_number(value.const, name)
    return target


def replacement_number(value: Any, name: str) -> Any:
    """The number that stands in a text such as "Infinity"; other values stay."""
    if not isinstance(value, str):
        return value
    number = parse_double(value)
    if number is None:
        fail("argument-type", f"replace: {name} must be a number for a matrix, got the string {value!r}")
    return number


@builtin("replace(target: matrix|frame, pattern: scalar, replacement: scalar) -> any", infer=_replace_type)
def replace(target, pattern, replacement):
    """All cells equal to `pattern` replaced.  A pattern NaN finds NaN.  target: (n, m).  Returns (n, m).

    Numbers may be given as texts, such as "Infinity".  Same as SystemDS `replace`.
    """
    if type(target) is not np.ndarray:
        return target.replace(pattern, replacement)
    pattern, replacement = replacement_number(pattern, "pattern"), replacement_number(replacement, "replacement")
    result = target.copy()
    result[np.isnan(target) if pattern != pattern else target == pattern] = replacement
    return result


replace.case('replace(target=matrix("1 2 1 3", rows=2, cols=2), pattern=1, replacement=7)', "7 2 / 7 3")
replace.case('replace(target=matrix("1 NaN", rows=1, cols=2), pattern=NaN, replacement=0)', "1 0")
replace.case("replace(target=matrix(0, rows=1, cols=2), pattern=0, replacement=1.0/0)", "Infinity Infinity")
replace.case('replace(target=seq(0, 1), pattern=0, replacement="Infinity")', "Infinity / 1")
replace.fails('replace(target=seq(1, 3), pattern=1, replacement="a")', "argument-type", "replacement must be a number")


@builtin("replace NaN(target: matrix, replacement: number) -> matrix", shape=same_as("target"), storages="any")
def replace_nan(target, replacement):
    """replace(target, pattern=NaN, replacement), as the step of a fused operation that `ir.passes.fuse_elementwise` makes of it."""
    return replace.run(target, math.nan, replacement)


# ---- triangles


def _triangle(target: np.ndarray, lower: bool, diag: bool, values: bool) -> np.ndarray:
    pattern = np.tri(*target.shape, 0 if diag == lower else -1, dtype=bool)
    if not lower:
        pattern = ~pattern
    return np.where(pattern, target, 0).astype(target.dtype) if values else pattern.astype(target.dtype)


@builtin("lower.tri(target: matrix, diag: boolean = FALSE, values: boolean = FALSE) -> matrix", shape=same_as("target"))
def lower_tri(target, diag, values):
    """The part below the diagonal: 1 there and 0 elsewhere, or with values=TRUE the cells of target there.

    target: (n, m).  diag: with the diagonal.  Returns (n, m).  Same as SystemDS `lower.tri`.
    """
    return _triangle(target, True, diag, values)


lower_tri.case("lower.tri(target=matrix(7, rows=2, cols=3))", "0 0 0 / 1 0 0")
lower_tri.case("lower.tri(target=matrix(seq(1, 6), rows=3, cols=2), diag=TRUE, values=TRUE)", "1 0 / 3 4 / 5 6")
lower_tri.fails("lower.tri(target=3)", "argument-type", "target must be a matrix")


@builtin("upper.tri(target: matrix, diag: boolean = FALSE, values: boolean = FALSE) -> matrix", shape=same_as("target"))
def upper_tri(target, diag, values):
    """The part above the diagonal: 1 there and 0 elsewhere, or with values=TRUE the cells of target there.

    target: (n, m).  diag: with the diagonal.  Returns (n, m).  Same as SystemDS `upper.tri`.
    """
    return _triangle(target, False, diag, values)


upper_tri.case("upper.tri(target=matrix(7, rows=2, cols=3))", "0 1 1 / 0 0 1")
upper_tri.case("upper.tri(target=matrix(seq(1, 6), rows=3, cols=2), diag=TRUE, values=TRUE)", "1 2 / 0 4 / 0 0")
upper_tri.fails("upper.tri(target=3)", "argument-type", "target must be a matrix")

# ---- classes


def _meet_types(A: Type, B: Type) -> tuple[Type, Type]:
    for a, b in ((A.rows, B.rows), (A.cols, B.cols)):
        if a is not None and b is not None and a != b:
            fail("shape-mismatch", f"rowClassMeet: A is {A.size_text()}, B is {B.size_text()}")
    result = matrix_type(A.rows if A.rows is not None else B.rows, A.cols if A.cols is not None else B.cols)
    return result, result


@builtin("rowClassMeet(A: matrix, B: matrix) -> C: matrix, N: matrix", infer=_meet_types, aliases=["rcm"])
def rowClassMeet(A, B):
    """The common refinement of two partitions, for each row: cells are together where A and B have them together.

    A, B: (n, m), each row gives the class of m things; 0 is no class.  Returns C, (n, m): the number of the class, from
    1 in each row; N, (n, m): how many things are in it; both 0 where A or B is 0.  As SystemDS `rowClassMeet`, whose
    numbers of classes are in no defined order; here they follow the pairs (A, B).
    """
    classes, counts = np.zeros_like(A), np.zeros_like(A)
    row, col = np.nonzero((A != 0) & (B != 0))
    pairs = np.stack([row, A[row, col], B[row, col]], axis=1)
    unique, inverse, sizes = np.unique(pairs, axis=0, return_inverse=True, return_counts=True)
    first = np.searchsorted(unique[:, 0], np.arange(A.shape[0]))
    inverse = inverse.ravel()
    classes[row, col] = inverse - first[row] + 1
    counts[row, col] = sizes[inverse]
    return classes, counts


rowClassMeet.fails("rowClassMeet(seq(1, 2), seq(1, 3))", "shape-mismatch", "A is 2 x 1, B is 3 x 1")
rowClassMeet.fails("rowClassMeet(seq(1, 2), 1)", "argument-type", "B must be a matrix")

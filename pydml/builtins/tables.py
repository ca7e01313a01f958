"""Counting and grouping: contingency tables, aggregation by groups, distinct values, outer combinations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pydml.builtins import elementwise
from pydml.builtins.operators import BINARY
from pydml.builtins.registry import Builtin, builtin
from pydml.builtins.shapes import cols_of, constant_size, rows_of
from pydml.diagnostics import fail
from pydml.signature import article
from pydml.types import ANY, BOOLEAN, BOOLEAN_SCALAR, INT_SCALAR, MATRIX, SCALAR, UNKNOWN, Type, matrix_type
from pydml.values import Sparse, arithmetic, to_dense
from pydml.values.storage import SPARSITY_TURN_POINT

ndarray = np.ndarray


# ---- table


def _table_arguments(rest: tuple[Any, ...], is_boolean: Callable[[Any], bool]) -> tuple[Any, Any, Any]:
    """(weights, rows, cols) from the arguments after A and B: [W] [, d1, d2] [, outEmptyBlocks]."""
    if len(rest) in (3, 4) and is_boolean(rest[-1]):
        rest = rest[:-1]
    if len(rest) > 3:
        fail("call", "table: too many arguments", help="table(A, B [, W] [, rows, cols])")
    weights = rest[0] if len(rest) in (1, 3) else None
    rows, cols = rest[-2:] if len(rest) >= 2 else (None, None)
    return weights, rows, cols


def _pairs_fit(A: Type, B: Type) -> bool:
    """Whether the cells of A and B may be paired: equal sizes, or a row and a column of equal length."""
    same = all(None in (a, b) or a == b for a, b in ((A.rows, B.rows), (A.cols, B.cols)))
    turned = all(None in (a, b) or a == b for a, b in ((A.rows, B.cols), (A.cols, B.rows)))
    return same or (turned and 1 in (A.rows, A.cols, B.rows, B.cols))


def _table_type(A: Type, B: Type, *rest: Type) -> Type:
    weights, rows, cols = _table_arguments(rest, lambda t: t.value == BOOLEAN)
    for name, other in (("B", B), ("W", weights)):
        if other is not None and other.data == MATRIX and not _pairs_fit(A, other):
            fail("shape-mismatch", f"table: A is {A.size_text()}, {name} is {other.size_text()}")
    for size in (rows, cols):
        if size is not None and size.data not in (SCALAR, UNKNOWN):
            fail("argument-type", f"table: the sizes of the table must be numbers, got {article(str(size))}")
    if rows is None:
        return matrix_type(None, constant_size(B) if B.data == SCALAR else None)
    return matrix_type(constant_size(rows), constant_size(cols))


def _cell_numbers(name: str, values: np.ndarray, function: str = "table") -> np.ndarray:
    """1-based numbers from cells: truncated; smaller than 1 is an error.  NaN becomes 0."""
    if values.min(initial=1) >= 1 and values.max(initial=1) <= 2.0**62:  # neither is true of NaN
        return values.astype(np.int64)
    known = ~np.isnan(values)
    too_small = known & (values < 1)
    if too_small.any():
        fail("value", f"{function}: {name} must hold numbers from 1 on, got {values[too_small][0]:g}")
    return np.where(known, np.minimum(values, 2.0**62), 0).astype(np.int64)


def _counted(rows: np.ndarray, cols: np.ndarray, weights: Any, shape: tuple[int, int], dtype: Any) -> Any:
    """The matrix with the sums of the weights at these 0-based places, sparse where most of it is zero."""
    cells = shape[0] * shape[1]
    if cells <= 4096 or shape[1] == 1 or rows.size >= SPARSITY_TURN_POINT * cells:
        counts = np.bincount(rows * shape[1] + cols, weights=weights, minlength=cells)
        return counts.reshape(shape).astype(dtype)
    from scipy.sparse import coo_matrix, csr_matrix

    values = np.ones(rows.size) if weights is None else weights
    if max(shape) < 2**31 and bool((rows[1:] > rows[:-1]).all()):
        # one cell in a row at most, in order: nothing to sort nor to add
        if rows.size == shape[0]:
            ends = np.arange(rows.size + 1, dtype=np.int32)
        else:
            ends = np.zeros(shape[0] + 1, np.int32)
            ends[rows + 1] = 1
            np.cumsum(ends, dtype=np.int32, out=ends)
        csr = csr_matrix((values, cols.astype(np.int32), ends), shape=shape)
        csr.has_sorted_indices = csr.has_canonical_format = True
    else:
        csr = coo_matrix((values, (rows, cols)), shape=shape).tocsr()
    if weights is not None:
        csr.eliminate_zeros()
    return Sparse(csr.astype(dtype, copy=False))


@builtin(
    "table(A: matrix, B: matrix|number, *rest: matrix|number|boolean) -> matrix",
    infer=_table_type,
    aliases=["ctable"],
    storages="any",
)
def table(A, B, *rest):
    """Contingency table: F[i, j] is the sum of the weights of the pairs with A = i and B = j.

    `table(A, B)`, `table(A, B, W)`, `table(A, B, rows, cols)` or `table(A, B, W, rows, cols)`.  A, B: matrices of equal size
    with numbers from 1 on, which are truncated, or a row and a column of equal length; B may be a number.  W: weights of the
    same size, or a number; 1 if not given.
    Returns max(A) x max(B), or rows x cols: then pairs beyond are left out.  Pairs with NaN are left out.

    `table(seq(1, n), y)` makes a row with a single 1 for each class number in y.  Large tables are sparse.
    """
    weights, rows, cols = _table_arguments(rest, lambda x: type(x) is bool)
    A = to_dense(A)
    i = _cell_numbers("A", A.ravel())
    if isinstance(B, (int, float)):
        j = np.full_like(i, arithmetic.to_int(B))
        if i.size and j[0] < 1:
            fail("value", f"table: B must be a number from 1 on, got {B}")
    else:
        j = _cell_numbers("B", to_dense(B).ravel())
    kept = (i > 0) & (j > 0)
    if rows is None:
        shape = (int(i.max(initial=0)), int(j.max(initial=0)))
    else:
        shape = (arithmetic.to_int(rows), arithmetic.to_int(cols))
        if min(shape) < 0:
            fail("value", f"table: the size {shape[0]} x {shape[1]} is negative")
        kept &= (i <= shape[0]) & (j <= shape[1])
    if isinstance(weights, (int, float)):
        w = np.full(i.size, float(weights))
    else:
        w = None if weights is None else to_dense(weights).ravel().astype(np.float64)
    if not kept.all():
        i, j, w = i[kept], j[kept], None if w is None else w[kept]
    return _counted(i - 1, j - 1, w, shape, A.dtype)


table.case('table(matrix("1 2 2", 3, 1), matrix("1 1 3", 3, 1))', "1 0 0 / 1 0 1")
table.case('table(matrix("1 2 5", 3, 1), matrix("1 1 1", 3, 1), 2, 1)', "1 / 1")
table.case('table(matrix("1.7 2.2 NaN", 3, 1), matrix("1 2 1", 3, 1))', "1 0 / 0 1")
table.case('table(matrix("1 2 2", 3, 1), 2)', "0 1 / 0 2")
table.case('table(matrix("1 3 2", 1, 3), seq(1, 3))', "1 0 0 / 0 0 1 / 0 1 0")
table.case('table(matrix("1 2 2", 3, 1), 1, 2.5)', "2.5 / 5")
table.case('table(matrix("1 2", 2, 1), matrix("1 1", 2, 1), matrix("0.5 7", 2, 1), 2, 2)', "0.5 0 / 7 0")
table.fails("table(matrix(0, 2, 1), matrix(1, 2, 1))", "value", "A must hold numbers from 1 on, got 0")
table.fails("table(matrix(1, 2, 1), matrix(1, 3, 1))", "shape-mismatch", "A is 2 x 1, B is 3 x 1")


def _rexpand_type(target: Type, max: Type, dir: Type, cast: Type, ignore: Type) -> Type:
    if target.cols not in (1, None):
        fail("shape-mismatch", f"rexpand: target must be a column vector, got {target.size_text()}")
    if isinstance(dir.const, str) and dir.const not in ("cols", "rows"):
        fail("value", f'rexpand: dir must be "cols" or "rows", got "{dir.const}"')
    sizes = target.rows, constant_size(max)
    return matrix_type(*(sizes[::-1] if dir.const == "rows" else sizes)) if dir.const is not None else matrix_type()


@builtin(
    'rexpand(target: matrix, max: number, dir: string = "cols", cast: boolean = TRUE, ignore: boolean = FALSE) -> matrix',
    infer=_rexpand_type,
    storages="any",
)
def rexpand(target, max, dir, cast, ignore):
    """A row with a single 1 for each number of a column: `table(seq(1, n), target, n, max)`.

    target: (n, 1), numbers from 1 on.  Returns (n, max), or its transpose (max, n) with dir="rows"; numbers beyond max and NaN give a
    row of zeros.  cast: numbers are truncated; FALSE: others than whole numbers are an error.  ignore: numbers below 1 give a row of
    zeros too, instead of the error "value".  SystemDS 3.4.0 makes this operation of calls of `table`, and has no function of the name.
    """
    numbers = to_dense(target)[:, 0]
    if not cast and (np.isfinite(numbers) & (numbers != np.trunc(numbers))).any():
        fail("value", "rexpand: target must hold whole numbers", help="cast=TRUE truncates them")
    if ignore:
        numbers = np.where(numbers < 1, np.nan, numbers)
    width = arithmetic.to_int(max)
    if width < 0:
        fail("value", f"rexpand: max must not be negative, got {width}")
    places = _cell_numbers("target", numbers, "rexpand") - 1
    kept = np.flatnonzero((places >= 0) & (places < width))
    pair, shape = (kept, places[kept]), (len(numbers), width)
    if dir == "rows":
        pair, shape = pair[::-1], shape[::-1]
    return _counted(*pair, None, shape, numbers.dtype)


rexpand.case('rexpand(target=matrix("1 3 2.9", 3, 1), max=3)', "1 0 0 / 0 0 1 / 0 1 0")
rexpand.case('rexpand(target=matrix("1 0 4", 3, 1), max=3, ignore=TRUE)', "1 0 0 / 0 0 0 / 0 0 0")
rexpand.case('rexpand(target=matrix("2 1", 2, 1), max=3, dir="rows")', "0 1 / 1 0 / 0 0")
rexpand.fails('rexpand(target=matrix("1 0", 2, 1), max=3)', "value", "must hold numbers from 1 on, got 0")
rexpand.fails("rexpand(target=matrix(1, 2, 1), max=-1)", "value", "max must not be negative")
rexpand.fails('rexpand(target=matrix("1.5", 1, 1), max=3, cast=FALSE)', "value", "whole numbers")
rexpand.fails("rexpand(target=matrix(1, 2, 2), max=3)", "shape-mismatch", "must be a column vector, got 2 x 2")
rexpand.fails('rexpand(target=matrix(1, 2, 1), max=3, dir="c")', "value", 'dir must be "cols" or "rows", got "c"')


# ---- aggregate


_FUNCTIONS = ("sum", "count", "mean", "variance", "min", "max", "centralmoment")


def _aggregate_type(target: Type, groups: Type, fn: Type, weights: Type, ngroups: Type, order: Type) -> Type:
    if isinstance(fn.const, str) and fn.const not in _FUNCTIONS:
        fail("value", f'aggregate: there is no function "{fn.const}"', help=f"use one of {', '.join(_FUNCTIONS)}")
    if fn.const == "centralmoment" and order.data == "null":
        fail("call", "aggregate: the argument order is missing", help="centralmoment needs order=2, 3 or 4")
    if order.const is not None and order.const not in (2, 3, 4):
        fail("value", f"aggregate: the order must be 2, 3 or 4, got {order.const}")
    for name, t in (("groups", groups), ("weights", weights)):
        if t.data == MATRIX and None not in (t.rows, t.cols) and min(t.rows, t.cols) > 1:
            fail("shape-mismatch", f"aggregate: {name} must be a vector, got {t.size_text()}")
    vector = target.rows == 1 or target.cols == 1
    if target.shape_known and not vector:
        if ngroups.data == "null":
            fail("call", "aggregate: the argument ngroups is missing", help="a target of several columns needs it")
        if weights.data == MATRIX:
            fail("call", "aggregate: weights need a target of one column")
        if groups.shape_known and groups.rows * groups.cols != target.rows:
            fail(
                "shape-mismatch", f"aggregate: {groups.size_text()} groups do not fit the target, {target.size_text()}"
            )
    elif target.shape_known and groups.shape_known and groups.rows * groups.cols != target.rows * target.cols:
        fail("shape-mismatch", f"aggregate: {groups.size_text()} groups do not fit the target, {target.size_text()}")
    if target.shape_known and weights.shape_known and weights.rows * weights.cols != target.rows * target.cols:
        fail("shape-mismatch", f"aggregate: {weights.size_text()} weights do not fit the target, {target.size_text()}")
    cols = 1 if vector else target.cols
    return matrix_type(constant_size(ngroups), cols)


def _group(fn: str, x: np.ndarray, group: np.ndarray, w: np.ndarray | None, count: int, order: int) -> np.ndarray:
    """One result for each of `count` groups; group: 0-based."""
    if fn in ("min", "max"):
        extremum, start = (np.minimum, np.inf) if fn == "min" else (np.maximum, -np.inf)
        result = np.full(count, start)
        extremum.at(result, group, x)
        result[np.bincount(group, minlength=count) == 0] = 0
        return result
    sizes = np.bincount(group, weights=w, minlength=count).astype(np.float64)
    if fn == "count":
        return sizes
    weighted = x if w is None else x * w
    sums = np.bincount(group, weights=weighted, minlength=count)
    if fn == "sum":
        return sums
    divisor = np.where(sizes == 0, 1, sizes)
    means = sums / divisor
    if fn == "mean":
        return means
    powers = (x - means[group]) ** (2 if fn == "variance" else order)
    moments = np.bincount(group, weights=powers if w is None else powers * w, minlength=count)
    if fn == "variance":
        return np.where(sizes > 1, moments / np.where(sizes > 1, sizes - 1, 1), 0.0)
    return moments / divisor


@builtin(
    'aggregate(target: matrix, groups: matrix, fn: string = "sum", weights: matrix = NULL, ngroups: number = NULL, '
    "order: number = NULL) -> matrix",
    infer=_aggregate_type,
    aliases=["groupedAggregate"],
)
def aggregate(target, groups, fn, weights, ngroups, order):
    """An aggregate of the target for each group.

    target: a vector, or (n, m) with `ngroups`.  groups: a vector of group numbers from 1 on, truncated.  fn: sum, count, mean,
    variance (divisor n - 1), min, max or centralmoment (`order` 2 to 4, divisor n).  weights: how often each value counts.
    Returns max(groups) x 1, or ngroups x m.  A group without members gives 0; groups beyond ngroups are left out.
    """
    g = groups.ravel()
    if g.size and not (g >= 1).all():
        fail("value", f"aggregate: groups must be numbers from 1 on, got {g[~(g >= 1)][0]:g}")
    index = g.astype(np.int64) - 1
    count = int(index.max(initial=-1)) + 1 if ngroups is None else arithmetic.to_int(ngroups)
    columns = [target.ravel()] if 1 in target.shape and target.size == index.size else list(target.T)
    if columns and columns[0].size != index.size:
        fail("shape-mismatch", f"aggregate: {g.size} groups do not fit {columns[0].size} values")
    w = None if weights is None else weights.ravel().astype(np.float64)
    inside = index < count
    if not inside.all():
        index, columns, w = index[inside], [x[inside] for x in columns], None if w is None else w[inside]
    k = 2 if order is None else arithmetic.to_int(order)
    results = [_group(fn, x.astype(np.float64, copy=False), index, w, count, k) for x in columns]
    return np.stack(results, axis=1).astype(target.dtype)


aggregate.case('aggregate(target=matrix("4 1 7 2", 4, 1), groups=matrix("1 3 1 3", 4, 1), fn="sum")', "11 / 0 / 3")
aggregate.case(
    'aggregate(target=matrix("4 1 7 2", 4, 1), groups=matrix("1 3 1 3", 4, 1), fn="variance")', "4.5 / 0 / 0.5"
)
aggregate.case(
    'aggregate(target=matrix("4 1", 2, 1), groups=matrix("1 1", 2, 1), fn="mean", weights=matrix("2 1", 2, 1))', "3"
)
aggregate.case(
    'aggregate(target=matrix("1 2 3 4", 2, 2), groups=matrix("1 1", 2, 1), fn="max", ngroups=2)', "3 4 / 0 0"
)
aggregate.case('aggregate(target=matrix("4 1 7", 3, 1), groups=matrix("1 3 2", 3, 1), fn="sum", ngroups=2)', "4 / 7")
aggregate.fails('aggregate(target=matrix(1, 2, 1), groups=matrix(0, 2, 1), fn="sum")', "value", "from 1 on, got 0")
aggregate.fails(
    'aggregate(target=matrix(1, 2, 1), groups=matrix(1, 2, 1), fn="median")', "value", "there is no function"
)
aggregate.fails('aggregate(target=matrix(1, 2, 2), groups=matrix(1, 2, 1), fn="sum")', "call", "ngroups is missing")


# ---- distinct values


_DIRECTIONS = ("rc", "r", "c")


def _direction(function: str, dir: Type) -> None:
    if isinstance(dir.const, str) and dir.const not in _DIRECTIONS:
        fail("value", f'{function}: the direction must be "rc", "r" or "c", got "{dir.const}"')


def _unique_type(data: Type, dir: Type) -> Type:
    _direction("unique", dir)
    if dir.const == "r":
        return matrix_type(data.rows, None)
    return matrix_type(None, 1 if dir.const == "rc" else data.cols if dir.const == "c" else None)


@builtin('unique(data: matrix, dir: string = "rc") -> matrix', infer=_unique_type)
def unique(data, dir):
    """Distinct values in ascending order, NaN (as one value) last.

    dir "rc": of the whole matrix, as a column.  "r": of each row; "c": of each column; shorter ones are filled up with zeros.
    SystemDS gives them in an unspecified order.
    """
    if dir == "rc":
        return np.unique(data).reshape(-1, 1)
    lines = [np.unique(line) for line in (data if dir == "r" else data.T)]
    result = np.zeros((len(lines), max((line.size for line in lines), default=0)), data.dtype)
    for i, line in enumerate(lines):
        result[i, : line.size] = line
    return result if dir == "r" else np.ascontiguousarray(result.T)


unique.case('unique(matrix("3 1 3 2", 2, 2))', "1 / 2 / 3")
unique.case('unique(matrix("3 1 3 2 2 2", 2, 3), dir="r")', "1 3 / 2 0")
unique.case('unique(matrix("3 1 3 2 2 2 1 1 3", 3, 3), dir="c")', "1 1 2 / 2 2 3 / 3 0 0")
unique.fails('unique(matrix(1, 2, 2), dir="x")', "value", "the direction must be")


def _count_type(data: Type, dir: Type) -> Type:
    _direction("countDistinct", dir)
    return {"rc": INT_SCALAR, "r": matrix_type(data.rows, 1), "c": matrix_type(1, data.cols)}.get(dir.const, ANY)


def _count_distinct(X: np.ndarray, dir: str) -> Any:
    if dir == "rc":
        return int(np.unique(X).size)
    axis = 1 if dir == "r" else 0
    ordered = np.sort(X, axis=axis)
    before, after = (ordered[:, :-1], ordered[:, 1:]) if axis else (ordered[:-1], ordered[1:])
    changes = (before != after) & ~(np.isnan(before) & np.isnan(after))
    return (changes.sum(axis=axis, keepdims=True) + (X.shape[axis] > 0)).astype(X.dtype)


@builtin('countDistinct(data: matrix, dir: string = "rc") -> any', infer=_count_type)
def countDistinct(data, dir):
    """Number of distinct values: an int for the whole matrix (dir "rc"), of each row ("r", (n, 1)) or column ("c", (1, m)).

    0 is a value like others, NaN counts as one.
    """
    return _count_distinct(data, dir)


countDistinct.case('countDistinct(matrix("0 1 1 NaN NaN 3", 2, 3))', "4")
countDistinct.case('countDistinct(matrix("0 1 1 NaN NaN 3", 2, 3), dir="r")', "2 / 2")
countDistinct.case('countDistinct(matrix("0 1 1 NaN NaN 3", 2, 3), dir="c")', "2 2 2")
countDistinct.fails('countDistinct(matrix(1, 2, 2), dir="x")', "value", "the direction must be")


@builtin(
    'countDistinctApprox(data: matrix, type: string = "KMV", dir: string = "rc") -> any',
    infer=lambda data, type, dir: _count_type(data, dir),
)
def countDistinctApprox(data, type, dir):
    """Number of distinct values, as countDistinct.

    Exact here; SystemDS estimates it by a sketch of k minimum hash values (KMV), which the `type` names.
    """
    return _count_distinct(data, dir)


countDistinctApprox.case('countDistinctApprox(matrix("0 1 1 3", 2, 2))', "3")
countDistinctApprox.case('countDistinctApprox(matrix("0 1 1 3", 2, 2), type="KMV", dir="r")', "2 / 2")
countDistinctApprox.fails('countDistinctApprox(matrix(1, 2, 2), dir="x")', "value", "the direction must be")


def _line_counts(name: str, dir: str, parameters: str, doc: str) -> Builtin:
    rule = rows_of("data") if dir == "r" else cols_of("data")

    def meaning(data: np.ndarray, *_: Any) -> np.ndarray:
        return _count_distinct(data, dir)

    meaning.__doc__ = doc
    declared = builtin(f"{name}(data: matrix{parameters}) -> matrix", shape=rule, self_checking=True)(meaning)
    declared.case(f'{name}(matrix("0 1 1 NaN NaN 3", 2, 3))', "2 / 2" if dir == "r" else "2 2 2")
    declared.case(f"{name}(matrix(7, 1, 1))", "1")
    declared.fails(f"{name}(3)", "argument-type", "data must be a matrix")
    return declared


_APPROXIMATE = "Exact here, an estimate in SystemDS."

rowCountDistinct = _line_counts("rowCountDistinct", "r", "", "Number of distinct values of each row.  Returns (n, 1).")
colCountDistinct = _line_counts(
    "colCountDistinct", "c", "", "Number of distinct values of each column.  Returns (1, m)."
)
rowCountDistinctApprox = _line_counts(
    "rowCountDistinctApprox",
    "r",
    ', type: string = "KMV"',
    f"Number of distinct values of each row, as rowCountDistinct.  {_APPROXIMATE}",
)
colCountDistinctApprox = _line_counts(
    "colCountDistinctApprox",
    "c",
    ', type: string = "KMV"',
    f"Number of distinct values of each column, as colCountDistinct.  {_APPROXIMATE}",
)


def _contains_type(target: Type, pattern: Type) -> Type:
    if (
        pattern.data == MATRIX
        and pattern.shape_known
        and (pattern.rows != 1 or target.cols not in (pattern.cols, None))
    ):
        fail(
            "shape-mismatch",
            f"contains: the pattern must be a number or a row of the target, got {pattern.size_text()}",
        )
    return BOOLEAN_SCALAR


@builtin("contains(target: matrix, pattern: number|matrix) -> boolean", infer=_contains_type)
def contains(target, pattern):
    """Whether a cell equals the number `pattern`, or a row equals the row `pattern` (1, m).  NaN equals NaN here."""
    equal = target == pattern
    unknown = np.isnan(pattern)
    if np.any(unknown):
        equal = equal | (np.isnan(target) & unknown)
    return bool(equal.all(axis=1).any() if type(pattern) is ndarray else equal.any())


contains.case('contains(target=matrix("1 2 NaN", 1, 3), pattern=2)', "TRUE")
contains.case('contains(target=matrix("1 2 NaN", 1, 3), pattern=0.0/0)', "TRUE")
contains.case('contains(target=matrix("1 2 3 4", 2, 2), pattern=matrix("3 4", 1, 2))', "TRUE")
contains.case('contains(target=matrix("1 2 3 4", 2, 2), pattern=matrix("3 2", 1, 2))', "FALSE")
contains.fails("contains(target=matrix(1, 2, 2), pattern=matrix(1, 1, 3))", "shape-mismatch", "a row of the target")


# ---- outer


_OUTER_FUNCTIONS = ("min_", "max_", "log", "xor", "bitwAnd", "bitwOr", "bitwXor", "bitwShiftL", "bitwShiftR")
_OUTER = {**BINARY, **{name.rstrip("_"): getattr(elementwise, name) for name in _OUTER_FUNCTIONS}}
_SPELLED = {  # the names by which SystemDS knows the operators are allowed too, in any case
    "plus": "+", "minus": "-", "mult": "*", "div": "/", "pow": "^", "modulus": "%%", "intdiv": "%/%", "less": "<",
    "lessequal": "<=", "greater": ">", "greaterequal": ">=", "equal": "==", "notequal": "!=", "and": "&", "&&": "&",
    "or": "|", "||": "|", **{name.lower(): name for name in _OUTER},
}  # fmt: skip


def _operator_named(op: str) -> str:
    name = _SPELLED.get(op.lower())
    if name is None:
        fail("value", f'outer: there is no operator "{op}"', help=f"use one of {' '.join(_OUTER)}")
    return name


def _outer_type(u: Type, v: Type, op: Type) -> Type:
    same = u.rows == v.rows or None in (u.rows, v.rows)
    equal = u.shape_known and (u.rows, u.cols) == (v.rows, v.cols) and 1 not in (u.rows, u.cols)
    if not equal and (u.cols not in (1, None) or (v.rows not in (1, None) and not same)):
        fail(
            "shape-mismatch",
            f"outer: u must be a column and v a row, got {u.size_text()} and {v.size_text()}",
            help="use t()" if u.rows == 1 or v.cols == 1 else "",
        )
    if isinstance(op.const, str):
        _operator_named(op.const)
    return matrix_type(u.rows, v.cols)


@builtin("outer(u: matrix, v: matrix, op: string) -> matrix", infer=_outer_type)
def outer(u, v, op):
    """Every combination of a cell of the column u with a cell of the row v.  u: (n, 1), v: (1, m).  Returns (n, m).

    v may also be (n, m): then cell i of u meets the cells of row i.  So may both: then each cell meets the one at its place.
    op: an operator (+ - * / ^ %% %/% == != < <= > >= & |), or min, max, log (v is the base), xor, bitwAnd, bitwOr, bitwXor,
    bitwShiftL, bitwShiftR.  As SystemDS `outer`, whose words for the operators (`plus`, `and`, `&&`, ...) are understood too.
    """
    if u.shape[0] == v.shape[0] != 1 == u.shape[1]:
        u = np.repeat(u, v.shape[1], axis=1)
    return _OUTER[_operator_named(op)].run(u, v)


outer.case('outer(matrix("1 2", 2, 1), matrix("3 4 1 1", 2, 2), "-")', "-2 -3 / 1 1")
outer.case('outer(matrix("1 2 3 4", 2, 2), matrix("3 4 1 1", 2, 2), "-")', "-2 -2 / 2 3")
outer.case('outer(matrix("1 2", 2, 1), matrix("3 4", 1, 2), "*")', "3 4 / 6 8")
outer.case('outer(matrix("1 2", 2, 1), matrix("1 2", 1, 2), ">=")', "1 0 / 1 1")
outer.case('outer(matrix("1 5", 2, 1), matrix("3 4", 1, 2), "min")', "1 1 / 3 4")
outer.case('outer(matrix("1 5", 2, 1), matrix("3 4", 1, 2), "Plus")', "4 5 / 8 9")
outer.case('outer(matrix("1 0", 2, 1), matrix("3 0", 1, 2), "&&")', "1 0 / 0 0")
outer.case('outer(matrix("1 8", 2, 1), matrix("2 8", 1, 2), "log")', "0 0 / 3 1")
outer.case('outer(matrix("1 6", 2, 1), matrix("3 4", 1, 2), "bitwAnd")', "1 0 / 2 4")
outer.fails('outer(matrix(1, 1, 2), matrix(1, 1, 2), "*")', "shape-mismatch", "u must be a column")
outer.fails('outer(matrix(1, 2, 1), matrix(1, 1, 2), "**")', "value", "there is no operator")

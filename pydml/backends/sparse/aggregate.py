"""Aggregates of sparse matrices, from the stored values and the number of cells that are not stored."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from pydml.backends.cpu.threads import parallel_for
from pydml.backends.sparse.form import all_finite, finish, row_numbers
from pydml.builtins.registry import kernel
from pydml.builtins.shapes import square
from pydml.diagnostics import fail
from pydml.values import Sparse, arithmetic, to_dense, type_of
from pydml.values.storage import SPARSITY_TURN_POINT, check_dense_size, memory_limit, size_text

_TILE_CELLS = 1 << 16
_NS_PER_CELL = 8.0


def _cells(X: Sparse) -> int:
    return X.shape[0] * X.shape[1]


def _total(X: Sparse) -> float:
    return float(X.csr.data.sum(dtype=np.float64))


# ---- of all cells


kernel("sum", "sparse")(_total)


@kernel("mean", "sparse")
def mean_sparse(X, weights):
    return _total(X) / _cells(X) if _cells(X) else math.nan


@kernel("var", "sparse")
def var_sparse(X):
    n, data = _cells(X), X.csr.data.astype(np.float64, copy=False)
    if n < 2:
        return math.nan if n == 0 else 0.0
    mean = _total(X) / n
    return float(((data - mean) ** 2).sum() + (n - data.size) * mean * mean) / (n - 1)


@kernel("sd", "sparse")
def sd_sparse(X):
    return math.sqrt(var_sparse(X))


@kernel("prod", "sparse")
def prod_sparse(X):
    data = X.csr.data
    if data.size == _cells(X):
        return float(data.prod(dtype=np.float64))
    return 0.0 if all_finite(data) else math.nan


@kernel("trace", "sparse")
def trace_sparse(X):
    square("trace", "X", type_of(X))
    return float(X.csr.diagonal().sum(dtype=np.float64))


# ---- of rows and columns: functions of compressed rows; columns are the rows of the transpose


def _row_sums(csr: Any) -> np.ndarray:
    return csr @ np.ones(csr.shape[1])


def _row_means(csr: Any) -> np.ndarray:
    return _row_sums(csr) / csr.shape[1]


def _row_variances(csr: Any) -> np.ndarray:
    n, means, stored = csr.shape[1], _row_means(csr), np.diff(csr.indptr)
    if n == 1:
        return np.zeros(csr.shape[0])
    squares = (csr.data - np.repeat(means, stored)) ** 2
    rows = np.repeat(np.arange(csr.shape[0]), stored)
    return (np.bincount(rows, squares, csr.shape[0]) + (n - stored) * means**2) / (n - 1)


def _reduce_rows(ufunc: np.ufunc, csr: Any) -> np.ndarray:
    """`ufunc` over the cells of each row, those that are not stored too."""
    stored = np.diff(csr.indptr)
    result = np.zeros(csr.shape[0], csr.dtype)
    filled = stored > 0
    if filled.any():
        result[filled] = ufunc.reduceat(csr.data, csr.indptr[:-1][filled])
    some = filled & (stored < csr.shape[1])
    result[some] = ufunc(result[some], 0)
    return result


def _column_extremes(ufunc: np.ufunc, X: Sparse) -> np.ndarray:
    csr = X.csr
    m, n = csr.shape
    columns = csr.indices.astype(np.intp)
    result = np.full(n, -np.inf if ufunc is np.maximum else np.inf, csr.dtype)
    ufunc.at(result, columns, csr.data)
    some = np.bincount(columns, minlength=n) < m
    result[some] = ufunc(result[some], 0)
    return result


def _of_lines(
    kind: str, function: Callable[[Any], np.ndarray], of_columns: Callable[[Sparse], np.ndarray] | None = None
) -> None:
    """Register row<kind> and col<kind>.  function: of compressed rows, one result for each.  of_columns: a faster way to columns."""

    @kernel(f"row{kind}", "sparse")
    def rows(X: Sparse) -> np.ndarray:
        if _cells(X) == 0:
            return np.zeros((X.shape[0], 1), X.dtype)
        return function(X.csr).reshape(-1, 1).astype(X.dtype, copy=False)

    @kernel(f"col{kind}", "sparse")
    def cols(X: Sparse) -> np.ndarray:
        if _cells(X) == 0:
            return np.zeros((1, X.shape[1]), X.dtype)
        if of_columns is not None:
            return of_columns(X).reshape(1, -1).astype(X.dtype, copy=False)
        # A sum can read compressed columns; the others need them sorted into rows.
        lines = X.csr.T if kind in ("Sums", "Means") else X.csr.T.tocsr()
        return function(lines).reshape(1, -1).astype(X.dtype, copy=False)


_of_lines("Sums", _row_sums)
_of_lines("Means", _row_means)
_of_lines("Vars", _row_variances)
_of_lines("Sds", lambda csr: np.sqrt(_row_variances(csr)))
for _kind, _ufunc in (("Mins", np.minimum), ("Maxs", np.maximum)):
    _of_lines(_kind, functools.partial(_reduce_rows, _ufunc), functools.partial(_column_extremes, _ufunc))
_of_lines("Prods", lambda csr: _reduce_rows(np.multiply, csr.astype(np.float64)))


def _last_index_of_largest(X: Sparse, sign: int) -> Any:
    """sign: -1 for the smallest."""
    csr, (m, n) = X.csr, X.shape
    if m * n == 0 or np.isnan(csr.data).any():
        return NotImplemented
    bounds = [*range(0, m, max(1, _TILE_CELLS * m // max(csr.nnz, 1))), m]
    index = np.zeros((m, 1), X.dtype)

    def run(start: int, stop: int) -> None:
        for tile in range(start, stop):
            a, b = bounds[tile], bounds[tile + 1]
            index[a:b, 0] = _last_indexes(csr, a, b, sign)

    parallel_for(run, len(bounds) - 1, csr.nnz * _NS_PER_CELL)
    return index


def _last_indexes(csr: Any, a: int, b: int, sign: int) -> np.ndarray:
    """Of the rows a..b of compressed rows."""
    n = csr.shape[1]
    indptr = csr.indptr[a : b + 1]
    first = indptr[0]
    indices, data = csr.indices[first : indptr[-1]], csr.data[first : indptr[-1]]
    if sign < 0:
        data = -data
    stored = np.diff(indptr)
    filled = np.flatnonzero(stored)
    largest = np.full(b - a, -np.inf)
    if filled.size:
        largest[filled] = np.maximum.reduceat(data, indptr[:-1][filled] - first)
    index = np.zeros(b - a, np.int64)
    best = np.flatnonzero(data == np.repeat(largest, stored))
    # of several in a row the last one stays
    index[np.repeat(np.arange(b - a), stored)[best]] = indices[best] + 1
    zero_wins = np.flatnonzero((stored < n) & (largest < 0))
    if zero_wins.size:
        # The last cell that is not stored: the stored ones at the end of a row form a run without gaps.
        rows = np.repeat(np.arange(b - a), stored)
        ends = indptr[1:] - first
        run = np.bincount(rows[indices - np.arange(indices.size) == n - ends[rows]], minlength=b - a)
        index[zero_wins] = n - run[zero_wins]
    return index


@kernel("rowIndexMax", "sparse")
def row_index_max_sparse(X):
    return _last_index_of_largest(X, 1)


@kernel("rowIndexMin", "sparse")
def row_index_min_sparse(X):
    return _last_index_of_largest(X, -1)


# ---- distinct values of lines; lines are compressed rows


def _distinct(lines: Any, zeros: bool) -> tuple[np.ndarray, np.ndarray]:
    """The line and the value of each distinct value, by line, ascending, NaN last.  zeros: also those that are not stored."""
    count, length = lines.shape
    line = np.repeat(np.arange(count), np.diff(lines.indptr))
    values = lines.data
    if zeros:
        short = np.flatnonzero(np.diff(lines.indptr) < length)
        line, values = np.concatenate((line, short)), np.concatenate((values, np.zeros(short.size, values.dtype)))
    order = np.lexsort((values, line))
    line, values = line[order], values[order]
    both_nan = np.isnan(values[1:]) & np.isnan(values[:-1])
    new = np.ones(line.size, bool)
    new[1:] = (line[1:] != line[:-1]) | ((values[1:] != values[:-1]) & ~both_nan)
    return line[new], values[new]


def _line_counts(X: Sparse, dir: str) -> np.ndarray:
    lines = X.csr if dir == "r" else X.csr.T.tocsr()
    line, _ = _distinct(lines, zeros=False)
    counts = np.bincount(line, minlength=lines.shape[0]) + (np.diff(lines.indptr) < lines.shape[1])
    return counts.reshape((-1, 1) if dir == "r" else (1, -1)).astype(X.dtype)


@kernel("countDistinct", "sparse")
def count_distinct_sparse(data, dir):
    return int(unique_sparse(data, dir).size) if dir == "rc" else _line_counts(data, dir)


@kernel("countDistinctApprox", "sparse")
def count_distinct_approx_sparse(data, type, dir):
    return count_distinct_sparse(data, dir)


for _dir, _line in (("r", "row"), ("c", "col")):
    for _end in ("", "Approx"):
        kernel(f"{_line}CountDistinct{_end}", "sparse")(lambda data, *_, dir=_dir: _line_counts(data, dir))


@kernel("unique", "sparse")
def unique_sparse(data, dir):
    if dir == "rc":
        values = data.csr.data
        if values.size < _cells(data):
            values = np.append(values, values.dtype.type(0))
        return np.unique(values).reshape(-1, 1)
    from scipy.sparse import coo_matrix

    lines = data.csr if dir == "r" else data.csr.T.tocsr()
    line, values = _distinct(lines, zeros=True)
    counts = np.bincount(line, minlength=lines.shape[0])
    place = np.arange(line.size) - np.repeat(np.cumsum(counts) - counts, counts)
    shape = (lines.shape[0], int(counts.max(initial=0)))
    result = coo_matrix((values, (line, place)), shape=shape)
    return finish(result if dir == "r" else result.T)


@kernel("contains", "sparse")
@kernel("contains", "sparse", "sparse")
@kernel("contains", "sparse", "dense")
def contains_sparse(target, pattern):
    if type(target) is not Sparse:
        return NotImplemented
    data = target.csr.data
    if isinstance(pattern, (int, float)):
        if pattern == 0:
            return data.size < _cells(target)
        return bool((np.isnan(data) if pattern != pattern else data == pattern).any())
    row = to_dense(pattern)[0]
    wanted = row[target.csr.indices]
    equal = (data == wanted) | (np.isnan(data) & np.isnan(wanted))
    same = np.bincount(row_numbers(target)[equal], minlength=target.shape[0])
    count = np.count_nonzero(row)
    return bool(((same == count) & (np.diff(target.csr.indptr) == count)).any())


# ---- groups of rows


@kernel("aggregate", "sparse", "dense")
@kernel("aggregate", "sparse", "sparse")
def aggregate_sparse(target, groups, fn, weights, ngroups, order):
    rows, cols = target.shape
    g = to_dense(groups).ravel()
    if cols == 1 or rows == 1 or ngroups is None or g.size != rows or not (g >= 1).all():
        return NotImplemented  # a vector, or a mistake
    count = arithmetic.to_int(ngroups)
    check_dense_size(count, cols, 8)
    group = g.astype(np.int64) - 1
    inside = group < count
    sizes = np.bincount(group[inside], minlength=count).reshape(-1, 1)
    if fn == "count":
        return np.repeat(sizes, cols, axis=1).astype(target.dtype)
    cell_group, columns = group[row_numbers(target)], target.csr.indices
    kept = cell_group < count
    key = cell_group[kept] * cols + columns[kept]
    data = target.csr.data[kept].astype(np.float64)

    def per_group(values: np.ndarray | None) -> np.ndarray:
        return np.bincount(key, values, count * cols).reshape(count, cols)

    stored = per_group(None)
    if fn in ("min", "max"):
        extremum, start = (np.minimum, np.inf) if fn == "min" else (np.maximum, -np.inf)
        result = np.where(stored < sizes, 0.0, start).ravel()
        extremum.at(result, key, data)
        return np.where(sizes > 0, result.reshape(count, cols), 0.0).astype(target.dtype)
    sums = per_group(data)
    if fn == "sum":
        return sums.astype(target.dtype)
    means = sums / np.maximum(sizes, 1)
    if fn == "mean":
        return means.astype(target.dtype)
    power = 2 if fn == "variance" else arithmetic.to_int(order)
    moments = per_group((data - means.ravel()[key]) ** power) + (sizes - stored) * (-means) ** power
    if fn == "variance":
        return np.where(sizes > 1, moments / np.maximum(sizes - 1, 1), 0.0).astype(target.dtype)
    return (moments / np.maximum(sizes, 1)).astype(target.dtype)


# ---- running sums, products and extrema


def _sum_so_far(place: np.ndarray, data: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray] | None:
    return place, np.cumsum(data, dtype=np.float64)


def _product_so_far(place: np.ndarray, data: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray] | None:
    """It ends with the first zero; None where that would hide a NaN."""
    start = _without_gap(place)
    products = np.cumprod(data[:start], dtype=np.float64)
    if not (all_finite(products) and all_finite(data)):
        return None
    return np.append(place[:start], start), np.append(products, 0.0)


def _extremum_so_far(accumulate: Callable[[np.ndarray], np.ndarray]) -> Callable[..., Any]:
    def run(place: np.ndarray, data: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
        start = _without_gap(place)
        if start == length:
            return place, accumulate(data)
        with_zero = np.insert(data, start, 0.0)
        return np.insert(place, start, start), accumulate(with_zero)

    return run


def _without_gap(place: np.ndarray) -> int:
    """How many of the first cells of a line are stored."""
    gaps = np.flatnonzero(place != np.arange(place.size))
    return int(gaps[0]) if gaps.size else place.size


def _first_rows(X: Sparse) -> np.ndarray:
    """The row of the first stored cell of each column; the number of rows where there is none."""
    csr = X.csr
    first = np.full(csr.shape[1], csr.shape[0])
    first[csr.indices[::-1]] = row_numbers(X)[::-1]  # of several the last one stays
    return first


def _running_rows(ufunc: np.ufunc, X: Sparse) -> Any:
    """The dense result, in the memory of a dense copy: row on row, each with the one before."""
    if X.dtype != np.float64:
        return NotImplemented  # sums of single precision are made in double precision
    out = X.to_dense()
    rows = iter(out)
    before = next(rows)
    with np.errstate(all="ignore"):
        for now in rows:
            ufunc(before, now, out=now)
            before = now
    return out


def _running(name: str, axis: int, accumulate: np.ufunc, function: Callable[..., Any]) -> None:
    """Register the kernel.  function: of the places and values of a line, the places from which a running value holds, and the values."""

    @kernel(name, "sparse")
    def run(X: Sparse) -> Any:
        from scipy.sparse import csr_matrix

        if axis == 0 and X.shape[0] * X.shape[1] and _first_rows(X).sum() <= (1 - SPARSITY_TURN_POINT) * _cells(X):
            result = _running_rows(accumulate, X)
            if result is not NotImplemented:
                return result
        lines = X.csr if axis == 1 else X.csr.T.tocsr()
        count, length = lines.shape
        filled = np.flatnonzero(np.diff(lines.indptr))
        cells = int((length - lines.indices[lines.indptr[filled]].astype(np.int64)).sum())
        if cells >= SPARSITY_TURN_POINT * count * length:
            return NotImplemented
        runs = []  # of each line with stored cells: where runs of equal values start and end, and the values
        counts = np.zeros(count + 1, np.int64)
        for line in filled.tolist():
            part = slice(lines.indptr[line], lines.indptr[line + 1])
            found = function(lines.indices[part].astype(np.int64), lines.data[part], length)
            if found is None:
                return NotImplemented
            starts, values = found
            starts, values = starts[starts < length], values[: np.searchsorted(starts, length)]
            ends = np.append(starts[1:], length)
            nonzero = values != 0
            runs.append((starts[nonzero], ends[nonzero], values[nonzero]))
            counts[line + 1] = (runs[-1][1] - runs[-1][0]).sum()
        size = int(counts.sum())
        bytes_ = 2 * 16 * size  # the parts, and the whole made of them
        if bytes_ > memory_limit():
            fail(
                "memory",
                f"{name}: the result would need {size_text(bytes_)}, although X is sparse",
                help="work on blocks of " + ("rows" if axis == 1 else "columns"),
            )
        data = np.zeros(size, X.dtype)
        indices = np.zeros(size, np.int64)
        at = 0
        for starts, ends, values in runs:
            lengths = ends - starts
            stop = at + int(lengths.sum())
            data[at:stop] = np.repeat(values, lengths)
            # numbers that count up within each run
            indices[at:stop] = np.arange(stop - at) + np.repeat(starts - (np.cumsum(lengths) - lengths), lengths)
            at = stop
        result = csr_matrix((data, indices, np.cumsum(counts)), shape=lines.shape)
        return finish(result if axis == 1 else result.T)


_running("cumsum", 0, np.add, _sum_so_far)
_running("rowcumsum", 1, np.add, _sum_so_far)
_running("cumprod", 0, np.multiply, _product_so_far)
_running("cummax", 0, np.maximum, _extremum_so_far(np.maximum.accumulate))
_running("cummin", 0, np.minimum, _extremum_so_far(np.minimum.accumulate))

"""Sums, means and extremes of narrow dense matrices, and variances of all, in tiles of rows and in threads.

NumPy reduces narrow matrices (many rows, few columns) five to ten times slower than wide ones, because its inner loop runs over
the few cells of a row; here the inner loops are long.  Wide ones are left to NumPy, which small tiles do not speed up: reading the
cells takes all of the time.  Extremes of large ones come in few large tiles, as two threads read faster than one.  Variances gain for
every shape, because the differences from the mean stay in the cache.

Sums of groups of rows are a product with the sparse matrix of the groups, which reads each row once.

Threads: tiles are groups of rows that follow from the shape alone.  A tile writes its own part of the result (rows) or its own
partial result (columns, all cells); partial results are combined in the order of tiles.  So results do not depend on the number of
threads.  A tile needs a temporary of its own size at most (variances), half a megabyte.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from pydml.backends.cpu.threads import parallel_for
from pydml.builtins.registry import kernel
from pydml.values import arithmetic

MIN_CELLS = 1 << 13  # below, the meaning is as fast
VARIANCE_CELLS = 1 << 17  # below, the differences of the meaning fit in the cache too
TILE_CELLS = 1 << 16
WIDE_CELLS = 1 << 20  # of a wide matrix whose extremes are shared out
WIDE_TILE_CELLS = 1 << 19  # and of a tile of it
NS_PER_CELL = 0.5
NARROW = 64  # columns up to which a matrix is narrow
EXTREME_ROWS = 1 << 12  # rows of a column that are compared at once
PROD_CELLS = 1 << 12  # multiplied before it is asked whether the product is 0
RECURRENCE_ROWS = 1 << 13  # below, the meaning takes a few milliseconds; SciPy's BLAS has to be loaded
LONG = 1024  # cells of the merged rows of a narrow matrix


def _rows_first(X: np.ndarray) -> bool:
    """Whether rows are the contiguous direction."""
    return abs(X.strides[0]) >= abs(X.strides[1])


def _step(X: np.ndarray, cells: int | None) -> int:
    """Rows of a tile of so many cells; None: as many as fit in a near cache."""
    return max(1, (cells or TILE_CELLS) // max(X.shape[1], 1))


def _tiles(X: np.ndarray, run: Callable[[int, slice], None], cells: int | None = None) -> None:
    """Call run(tile, rows) for every tile of rows."""
    n, step = len(X), _step(X, cells)

    def some(start: int, stop: int) -> None:
        for tile in range(start, stop):
            run(tile, slice(tile * step, min((tile + 1) * step, n)))

    parallel_for(some, -(-n // step), NS_PER_CELL * X.size)


def _tile_count(X: np.ndarray, cells: int | None = None) -> int:
    return -(-X.shape[0] // _step(X, cells))


# ---- of a tile: X is (n, m) with contiguous rows


def _row_sums(X: np.ndarray) -> np.ndarray:
    if X.dtype == np.float32 and X.shape[1] <= NARROW:
        return np.einsum("ij->i", X)  # a short sum needs no double precision
    return np.einsum("ij->i", X, dtype=np.float64)


def _merged(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A narrow matrix as a wide one: rows of several rows side by side, and the rows that are left over."""
    n, m = X.shape
    merge = LONG // m
    if merge < 2 or n < 2 * merge or not X.flags.c_contiguous:
        return X, X[:0]
    k = n // merge
    return X[: k * merge].reshape(k, merge * m), X[k * merge :]


def _reduce_columns(X: np.ndarray, ufunc: np.ufunc, **dtype: Any) -> np.ndarray:
    m = X.shape[1]
    wide, rest = _merged(X)
    result = ufunc.reduce(wide, axis=0, **dtype)
    if wide is not X:
        result = ufunc.reduce(result.reshape(-1, m), axis=0)
    return ufunc(result, ufunc.reduce(rest, axis=0, **dtype)) if rest.size else result


def _column_sums(X: np.ndarray) -> np.ndarray:
    return _reduce_columns(X, np.add, dtype=np.float64)


def _row_extremes(X: np.ndarray, ufunc: np.ufunc) -> np.ndarray:
    n, m = X.shape
    if m > 32:
        return ufunc.reduce(X, axis=1)
    result = X[:, 0].copy()
    for start in range(0, n, EXTREME_ROWS):
        part, block = result[start : start + EXTREME_ROWS], X[start : start + EXTREME_ROWS]
        for j in range(1, m):
            ufunc(part, block[:, j], out=part)
    return result


# ---- of a matrix


def _by_rows(
    X: np.ndarray, function: Callable[[np.ndarray], np.ndarray], dtype: Any = np.float64, cells: int | None = None
) -> np.ndarray:
    result = np.empty(X.shape[0], dtype)

    def run(tile: int, rows: slice) -> None:
        result[rows] = function(X[rows])

    _tiles(X, run, cells)
    return result


def _by_columns(
    X: np.ndarray, function: Callable[[np.ndarray], np.ndarray], ufunc: np.ufunc = np.add, cells: int | None = None
) -> np.ndarray:
    parts: list[Any] = [None] * _tile_count(X, cells)

    def run(tile: int, rows: slice) -> None:
        parts[tile] = function(X[rows])

    _tiles(X, run, cells)
    return ufunc.reduce(np.stack(parts), axis=0)


def _sums(X: np.ndarray, axis: int) -> np.ndarray:
    """Sums along an axis, in double precision."""
    if not _rows_first(X):
        X, axis = X.T, 1 - axis
    return _by_rows(X, _row_sums) if axis else _by_columns(X, _column_sums)


def _extremes(X: np.ndarray, axis: int, ufunc: np.ufunc) -> np.ndarray:
    if not _rows_first(X):
        X, axis = X.T, 1 - axis
    cells = TILE_CELLS if X.shape[1] <= NARROW else WIDE_TILE_CELLS
    if axis:
        return _by_rows(X, lambda tile: _row_extremes(tile, ufunc), X.dtype, cells)
    return _by_columns(X, lambda tile: _reduce_columns(tile, ufunc), ufunc, cells)


def _variances(X: np.ndarray, axis: int) -> np.ndarray:
    n = X.shape[axis]
    if n == 1:
        return np.zeros(X.shape[1 - axis])
    mean = (_sums(X, axis) / n).astype(X.dtype)
    if not _rows_first(X):
        X, axis = X.T, 1 - axis

    def squares(tile: np.ndarray, mean: np.ndarray) -> np.ndarray:
        d = np.subtract(tile, mean, order="C")
        return np.multiply(d, d, out=d)

    if axis == 0:
        return _by_columns(X, lambda tile: _column_sums(squares(tile, mean))) / (n - 1)
    result = np.empty(X.shape[0])

    def run(tile: int, rows: slice) -> None:
        result[rows] = _row_sums(squares(X[rows], mean[rows, None]))

    _tiles(X, run)
    return result / (n - 1)


def _variance(X: np.ndarray) -> float:
    mean = X.dtype.type(X.mean(dtype=np.float64))
    if not _rows_first(X):
        X = X.T
    parts = np.empty(_tile_count(X))

    def run(tile: int, rows: slice) -> None:
        d = X[rows] - mean
        parts[tile] = np.multiply(d, d, out=d).sum(dtype=np.float64)

    _tiles(X, run)
    return float(parts.sum()) / (X.size - 1)


# ---- kernels


def _narrow(X: np.ndarray) -> bool:
    return X.size >= MIN_CELLS and X.shape[_rows_first(X)] <= NARROW


def _narrow_or_long(X: np.ndarray) -> bool:
    return _narrow(X) or (X.size >= WIDE_CELLS and X.shape[_rows_first(X)] <= WIDE_TILE_CELLS // 16)


def _large(X: np.ndarray) -> bool:
    return X.size >= VARIANCE_CELLS


def _of_lines(kind: str, function: Callable[[np.ndarray, int], np.ndarray], pays: Callable[[np.ndarray], bool]) -> None:
    @kernel(f"row{kind}", "dense")
    def rows(X: np.ndarray) -> Any:
        return function(X, 1).reshape(-1, 1).astype(X.dtype, copy=False) if pays(X) else NotImplemented

    @kernel(f"col{kind}", "dense")
    def cols(X: np.ndarray) -> Any:
        return function(X, 0).reshape(1, -1).astype(X.dtype, copy=False) if pays(X) else NotImplemented


_of_lines("Sums", _sums, _narrow)
_of_lines("Means", lambda X, axis: _sums(X, axis) / X.shape[axis], _narrow)
_of_lines("Mins", lambda X, axis: _extremes(X, axis, np.minimum), _narrow_or_long)
_of_lines("Maxs", lambda X, axis: _extremes(X, axis, np.maximum), _narrow_or_long)
_of_lines("Vars", _variances, _large)
_of_lines("Sds", lambda X, axis: np.sqrt(_variances(X, axis)), _large)


@kernel("var", "dense")
def var_tiles(X):
    return _variance(X) if _large(X) else NotImplemented


@kernel("sd", "dense")
def sd_tiles(X):
    return math.sqrt(_variance(X)) if _large(X) else NotImplemented


@kernel("number of NaN", "dense")
def number_of_nan(X):
    if X.size < VARIANCE_CELLS:
        return NotImplemented
    if not _rows_first(X):
        X = X.T
    parts = np.zeros(_tile_count(X))

    def run(tile: int, rows: slice) -> None:
        with np.errstate(all="ignore"):
            cells = X[rows]
            if np.isnan(cells.sum()):  # without a NaN only if infinities met
                parts[tile] = np.count_nonzero(np.isnan(cells))

    _tiles(X, run)
    return float(parts.sum())


# ---- products


def _row_products(X: np.ndarray) -> np.ndarray:
    if X.shape[1] > NARROW:
        return np.multiply.reduce(X, axis=1, dtype=np.float64)
    result = X[:, 0].astype(np.float64)
    for j in range(1, X.shape[1]):
        np.multiply(result, X[:, j], out=result)
    return result


@kernel("rowProds", "dense")
def row_products(X):
    if X.size < MIN_CELLS or not _rows_first(X):
        return NotImplemented
    with np.errstate(all="ignore"):
        return _by_rows(X, _row_products).reshape(-1, 1).astype(X.dtype, copy=False)


@kernel("colProds", "dense")
def column_products(X):
    """Of a narrow matrix, column after column of a block of rows; parts of a column would overflow where the whole one does not."""
    n, m = X.shape
    if not _narrow(X) or not _rows_first(X):
        return NotImplemented
    result = np.ones((1, m))
    step = TILE_CELLS // m
    with np.errstate(all="ignore"):
        for top in range(0, n, step):
            block = X[top : top + step]
            for j in range(m):
                result[0, j] = np.multiply.reduce(block[:, j], dtype=np.float64, initial=result[0, j])
        return result.astype(X.dtype, copy=False)


@kernel("prod", "dense")
def prod_runs(X):
    """The product so far, cell after cell; once it is 0, what is left is read for infinities and NaN only, which is faster."""
    if X.size < VARIANCE_CELLS or not X.flags.c_contiguous:
        return NotImplemented
    cells, result, asked = X.reshape(-1), 1.0, False
    with np.errstate(all="ignore"):
        for start in range(0, cells.size, PROD_CELLS):
            run = cells[start : start + PROD_CELLS]
            result = float(np.multiply.reduce(run, dtype=np.float64, initial=result))
            if result != result:
                return result
            if result == 0 and not asked:
                asked = True
                if _sum_is_finite(cells[start + PROD_CELLS :]):
                    return result
    return result


def _sum_is_finite(cells: np.ndarray) -> bool:
    tiles = -(-cells.size // TILE_CELLS)
    parts = np.zeros(tiles)

    def some(start: int, stop: int) -> None:
        with np.errstate(all="ignore"):
            for k in range(start, stop):
                parts[k] = cells[k * TILE_CELLS : (k + 1) * TILE_CELLS].sum()

    parallel_for(some, tiles, cells.size * NS_PER_CELL)
    return bool(np.isfinite(parts).all())


# ---- linear recurrences


@kernel("cumsumprod", "dense")
def recurrence(X):
    """y[i] - X[i,2] y[i-1] = X[i,1]: a triangular system with two diagonals, which BLAS solves row after row as the meaning does."""
    n = len(X)
    if n < RECURRENCE_ROWS or not np.isfinite(X[:, 1]).all():  # BLAS may pass over 0 * Inf
        return NotImplemented
    from scipy.linalg.blas import dtbsv

    band = np.empty((n, 2))  # the diagonal, which is 1 and not read, and the one below it
    np.negative(X[1:, 1], out=band[:-1, 1])
    y = dtbsv(1, band.T, X[:, 0].astype(np.float64), lower=1, diag=1, overwrite_x=1)
    with np.errstate(over="ignore"):  # a recurrence may grow without end
        return y.astype(X.dtype, copy=False).reshape(n, 1)


# ---- groups of rows

GROUP_TILES = 8  # each has sums of its own


@kernel("aggregate", "dense", "dense")
def aggregate_tiles(target, groups, fn, weights, ngroups, order):
    """Sums, means and variances of a matrix of several columns, by group."""
    n, m = target.shape
    if (
        fn not in ("sum", "mean", "variance")
        or weights is not None
        or ngroups is None
        or target.size < VARIANCE_CELLS
        or min(n, m) < 2
        or groups.size != n
    ):
        return NotImplemented
    g = groups.ravel()
    count = arithmetic.to_int(ngroups)
    if not (g >= 1).all() or not (g < count + 1).all() or count * m * GROUP_TILES > target.size:
        return NotImplemented
    group = (g - 1).astype(np.int32)
    sums = _group_sums(target, group, count)
    if fn == "sum":
        return sums.astype(target.dtype, copy=False)
    sizes = np.bincount(group, minlength=count).astype(np.float64)[:, None]
    means = sums / np.where(sizes == 0, 1, sizes)
    if fn == "mean":
        return means.astype(target.dtype, copy=False)
    squares = _group_sums(target, group, count, means)
    return np.where(sizes > 1, squares / np.where(sizes > 1, sizes - 1, 1), 0.0).astype(target.dtype, copy=False)


def _group_sums(X: np.ndarray, group: np.ndarray, count: int, means: np.ndarray | None = None) -> np.ndarray:
    """The sum of the rows of each group; with means, of the squares of their differences from it."""
    from scipy.sparse import csc_matrix

    n, m = X.shape
    bounds = np.linspace(0, n, GROUP_TILES + 1).astype(np.int64)
    parts = np.empty((GROUP_TILES, count, m))

    def some(start: int, stop: int) -> None:
        for tile in range(start, stop):
            rows = slice(int(bounds[tile]), int(bounds[tile + 1]))
            own = group[rows]
            cells = np.ascontiguousarray(X[rows], np.float64)
            if means is not None:
                with np.errstate(all="ignore"):
                    cells = np.square(cells - means[own])
            ones, ends = np.ones(len(own)), np.arange(len(own) + 1, dtype=np.int32)
            parts[tile] = csc_matrix((ones, own, ends), shape=(count, len(own))) @ cells

    parallel_for(some, GROUP_TILES, X.size * NS_PER_CELL)
    return parts.sum(axis=0)

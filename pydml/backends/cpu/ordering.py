"""Order of dense matrices: running sums, largest cells of rows, medians and quantiles, sorted rows.

NumPy accumulates down the columns of a matrix cell by cell; here it adds row to row, in vectors.  Order statistics need no sorted vector, so
they are found by partition.  A stable sort of numbers is a sort by their bits, digit by digit, compiled; below `RADIX` cells
NumPy's is as fast.  Where all numbers differ, any sort is stable.

Threads: tiles follow from the shape alone and write cells of their own, so results do not depend on the number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from pydml.backends.cpu.memory import buffer
from pydml.backends.cpu.threads import parallel_for
from pydml.builtins.aggregate import rowIndexMax, rowIndexMin
from pydml.builtins.registry import kernel

MIN_CELLS = 1 << 13
# Cells of a tile of rows: smaller ones fit in a nearer cache, but each costs some microseconds of Python, and hands the interpreter over.
EXTREME_CELLS = 1 << 18
NARROW = 32  # columns up to which rows are so short that work on whole columns is faster
NARROW_CELLS = 1 << 17  # of a tile of such rows
RADIX = 1 << 17
SAMPLE = 1 << 12  # cells that show whether many are equal
NS_PER_CELL = 1.0


# ---- running sums


def _running(name: str, ufunc: np.ufunc, exact: bool) -> None:
    @kernel(name, "dense")
    def run(X: np.ndarray) -> Any:
        m = X.shape[1]
        # sums of single precision are made in double precision, which the meaning does
        if X.size < MIN_CELLS or m < 64 or not (exact or X.dtype == np.float64) or not X.flags.c_contiguous:
            return NotImplemented
        out = np.empty_like(X)
        out[0] = X[0]
        before = out[0]
        for source, now in zip(X[1:], out[1:], strict=True):
            ufunc(before, source, out=now)
            before = now
        return out


_running("cumsum", np.add, False)
_running("cumprod", np.multiply, False)
_running("cummin", np.minimum, True)
_running("cummax", np.maximum, True)


# ---- largest cells of rows


PAIRS = {np.dtype(np.float32): np.complex64, np.dtype(np.float64): np.complex128}


def _last_extreme(
    X: np.ndarray, first: Callable[..., np.ndarray], meaning: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """1-based column of the extreme cell of each row, of equal ones the last.  first: finds the first of them.

    A tile is copied from its last cell to its first, so that the first extreme there is the last one here.  NumPy copies pairs of cells
    faster, as numbers of twice the size; then the other cell of the pair may be the later one.
    """
    n, m = X.shape
    paired = m % 2 == 0
    cells = X.reshape(-1)
    items = cells.view(PAIRS[X.dtype]) if paired else cells
    width = items.size // n
    found = np.empty(n, np.intp)  # column in the turned tile; rows of a tile from its last to its first
    step = max(1, EXTREME_CELLS // m)

    def some(start: int, stop: int) -> None:
        for tile in range(start, stop):
            top, bottom = tile * step, min((tile + 1) * step, n)
            turned = items[top * width : bottom * width][::-1].copy().view(X.dtype)
            found[top:bottom] = first(turned.reshape(-1, m), axis=1)[::-1]

    parallel_for(some, -(-n // step), X.size * NS_PER_CELL)
    # found counts pairs from the end of the row, but the cells of a pair from its begin
    column = (m - 2 + (found & 1) * 2 if paired else m - 1) - found
    place = column + np.arange(0, X.size, m)
    extreme = cells.take(place)
    if paired:
        column |= cells.take(place | 1) == extreme
    out = (column + 1).astype(X.dtype).reshape(n, 1)
    unknown = np.isnan(extreme)
    if unknown.any():  # the first NaN was found, which is to be passed over
        out[unknown] = meaning(X[unknown])
    return out


def _last_extreme_narrow(X: np.ndarray, extreme: np.ufunc, meaning: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The same for few columns.  extreme: of two cells.  Of the columns that hold the extreme of a row, the one with the largest number."""
    n, m = X.shape
    out = np.empty((n, 1), X.dtype)
    numbers = np.arange(1, m + 1, dtype=np.uint8)[:, None]
    step = NARROW_CELLS // m

    def some(start: int, stop: int) -> None:
        for tile in range(start, stop):
            top, bottom = tile * step, min((tile + 1) * step, n)
            columns = buffer("columns of rows", m * step, X.dtype)[: m * (bottom - top)].reshape(m, -1)
            np.copyto(columns, X[top:bottom].T)
            same = np.equal(columns, extreme.reduce(columns, axis=0)).view(np.uint8)
            np.multiply(same, numbers, out=same)
            out[top:bottom, 0] = np.maximum.reduce(same, axis=0)

    parallel_for(some, -(-n // step), X.size * NS_PER_CELL)
    unknown = out[:, 0] == 0
    if unknown.any():  # the extreme is NaN, which equals nothing
        out[unknown] = meaning(X[unknown])
    return out


def _index_of_extreme(
    X: np.ndarray, first: Callable[..., np.ndarray], extreme: np.ufunc, meaning: Callable[[np.ndarray], np.ndarray]
) -> Any:
    if X.size < MIN_CELLS or not X.flags.c_contiguous:
        return NotImplemented
    return _last_extreme_narrow(X, extreme, meaning) if X.shape[1] <= NARROW else _last_extreme(X, first, meaning)


@kernel("rowIndexMax", "dense")
def rowIndexMax_tiles(X):
    return _index_of_extreme(X, np.argmax, np.maximum, rowIndexMax.meaning)


@kernel("rowIndexMin", "dense")
def rowIndexMin_tiles(X):
    return _index_of_extreme(X, np.argmin, np.minimum, rowIndexMin.meaning)


# ---- order statistics


def _at(x: np.ndarray, positions: list[int]) -> np.ndarray:
    """The values at 1-based positions of the sorted vector; NaN counts as the largest."""
    places = [p - 1 for p in positions]
    return np.partition(x, sorted(set(places)))[places]


def _quantile(x: np.ndarray, p: float, average: bool) -> float:
    n = x.size
    position = max(math.ceil(p * n), 1)
    if average and n % 2 == 0 and p > 0 and position < n:
        low, high = _at(x, [position, position + 1]).tolist()
        return (low + high) / 2
    return float(_at(x, [min(position, n)])[0])


@kernel("median", "dense")
def median_partition(X, weights):
    if weights is not None or X.size < MIN_CELLS:
        return NotImplemented
    return _quantile(X.ravel().astype(np.float64, copy=False), 0.5, average=True)


@kernel("quantile", "dense")
def quantile_partition(X, weights, p):
    """quantile(X, p) with a number p, which arrives as the weights."""
    if p is not None or X.size < MIN_CELLS or not isinstance(weights, (int, float)):
        return NotImplemented
    return _quantile(X.ravel().astype(np.float64, copy=False), float(weights), average=True)


@kernel("quantile", "dense", "dense")
def quantiles_partition(X, weights, p):
    if p is not None or X.size < MIN_CELLS:
        return NotImplemented
    n = X.size
    positions = [min(max(math.ceil(q * n), 1), n) for q in weights.ravel().tolist()]
    values = _at(X.ravel().astype(np.float64, copy=False), positions)
    return values.astype(X.dtype).reshape(-1, 1)


# ---- sorted rows


@kernel("order", "dense")
def order_by_bits(target, by, decreasing, index_return):
    """By one column, ascending or descending."""
    n = len(target)
    if n < MIN_CELLS or not isinstance(by, (int, float)) or not 1 <= by < target.shape[1] + 1:
        return NotImplemented
    from pydml.backends.cpu.compiled import ordering

    key = target[:, int(by) - 1].astype(np.float64)
    key += 0.0  # -0 is 0
    key[np.isnan(key)] = np.nan  # one kind of NaN, which sorts last
    rows = _distinct_order(key)
    if rows is not None:  # without equal cells, there is only one order
        return _rows(target, rows[::-1] if decreasing else rows, index_return)
    if n < RADIX:
        return NotImplemented
    if decreasing:
        key = key[::-1].copy()
    rows = np.empty(n, np.int64)
    ordering.stable_order()(
        key.view(np.int64), np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64), rows
    )
    if decreasing:
        rows = (n - 1 - rows)[::-1]
    return _rows(target, rows, index_return)


def _distinct_order(key: np.ndarray) -> np.ndarray | None:
    """The order of the numbers if all are distinct: NumPy's sort in vectors, which is not stable, gives it four times as fast."""
    some = np.sort(key[:: max(1, key.size // SAMPLE)])
    if (some[1:] == some[:-1]).any():
        return None
    rows = np.argsort(key)
    ordered = key[rows]
    if np.isnan(ordered[-2:]).all() or (ordered[1:] == ordered[:-1]).any():
        return None
    return rows


def _rows(target: np.ndarray, rows: np.ndarray, index_return: bool) -> np.ndarray:
    return (rows + 1).astype(target.dtype).reshape(-1, 1) if index_return else target.take(rows, axis=0)

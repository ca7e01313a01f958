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

from pydml.backends.cpu.threads import parallel_for
from pydml.builtins.aggregate import rowIndexMax, rowIndexMin
from pydml.builtins.registry import kernel

MIN_CELLS = 1 << 13
# Cells of a tile of rows: smaller ones fit in a nearer cache, but each costs 50 microseconds of Python, and hands the interpreter over.
EXTREME_CELLS = 1 << 19
MAX_PIECES, MIN_PIECE = 16, 64  # of a row, and cells of one
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


def _last_extreme(
    X: np.ndarray, first: Callable[..., np.ndarray], meaning: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """1-based column of the extreme cell of each row, of equal ones the last.  first: finds the first of them.

    The rows are cut in pieces, so that equal cells are looked for only among the extremes of the pieces and in the piece with the extreme
    of the row: comparing all cells takes longer than finding the extremes.
    """
    n, m = X.shape
    pieces = next((k for k in range(MAX_PIECES, 1, -1) if m % k == 0 and m // k >= MIN_PIECE), 1)
    length = m // pieces
    out = np.empty((n, 1), X.dtype)
    step = max(1, EXTREME_CELLS // m)

    def some(start: int, stop: int) -> None:
        for tile in range(start, stop):
            rows = slice(tile * step, min((tile + 1) * step, n))
            part = X[rows]
            parts = part.reshape(-1, length)
            index = first(parts, axis=1)
            ends = part.reshape(-1).take(index + np.arange(0, part.size, length)).reshape(-1, pieces)
            piece = first(ends, axis=1)
            place = piece + np.arange(0, ends.size, pieces)
            extreme = ends.take(place)[:, None]
            cells = parts.take(place, axis=0) if pieces > 1 else part
            same, same_ends = cells == extreme, ends == extreme
            out[rows, 0] = index.take(place) + piece * length + 1
            # Mostly there is one in each row; counting by row takes longer than all the rest.
            once = np.count_nonzero(same) == np.count_nonzero(same_ends) == len(part)
            if not once or np.isnan(extreme).any():
                # several are equal, or the extreme is NaN, which equals nothing
                wrong = (np.count_nonzero(same, axis=1) != 1) | (np.count_nonzero(same_ends, axis=1) != 1)
                out[np.arange(n)[rows][wrong]] = meaning(part[wrong])

    parallel_for(some, -(-n // step), X.size * NS_PER_CELL)
    return out


def _suits(X: np.ndarray) -> bool:
    return X.size >= MIN_CELLS and X.shape[1] >= 4 and X.flags.c_contiguous


@kernel("rowIndexMax", "dense")
def rowIndexMax_tiles(X):
    return _last_extreme(X, np.argmax, rowIndexMax.meaning) if _suits(X) else NotImplemented


@kernel("rowIndexMin", "dense")
def rowIndexMin_tiles(X):
    return _last_extreme(X, np.argmin, rowIndexMin.meaning) if _suits(X) else NotImplemented


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

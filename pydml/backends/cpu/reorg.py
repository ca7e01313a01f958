"""Cells of large dense matrices replaced and moved, in blocks that stay in a cache, and in threads.

Blocks follow from the shape alone and write cells of their own.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pydml.backends.cpu.threads import parallel_for
from pydml.builtins.construct import seq
from pydml.builtins.registry import kernel

MIN_CELLS = 1 << 17  # below, the meaning is as fast
RUN_CELLS = 1 << 15  # with source, result and mask in a second-level cache
SEARCHED_RUNS = 8  # at once: nothing is written, and each call hands the interpreter over
SQUARE = 64  # rows and columns of a block that is turned: its lines of cache fit in the first level
NS_PER_CELL = 1.5


@kernel("replace", "dense")
def replace_runs(target, pattern, replacement):
    """A matrix without the pattern is its own result; else each run of cells is copied, and changed while it is in the cache."""
    if target.size < MIN_CELLS or isinstance(pattern, str) or isinstance(replacement, str):
        return NotImplemented
    turned = target.flags.f_contiguous and not target.flags.c_contiguous
    if not (turned or target.flags.c_contiguous):
        return NotImplemented
    cells = target.reshape(-1, order="A")
    count = -(-cells.size // RUN_CELLS)
    concerned = np.zeros(count, bool)  # runs that may have cells to be replaced
    searched = SEARCHED_RUNS * RUN_CELLS

    def search(start: int, stop: int) -> None:
        with np.errstate(all="ignore"):
            for k in range(start, stop):
                run = cells[k * searched : (k + 1) * searched]
                # a sum is not NaN without a reason, and is the fastest way to look at all cells
                found = np.isnan(run.sum()) if pattern != pattern else (run == pattern).any()
                concerned[k * SEARCHED_RUNS : (k + 1) * SEARCHED_RUNS] = found

    parallel_for(search, -(-cells.size // searched), cells.size * NS_PER_CELL / 2)
    if not concerned.any():
        return target
    result = np.empty(target.shape, target.dtype, order="F" if turned else "C")
    out = result.reshape(-1, order="A")

    def some(start: int, stop: int) -> None:
        for k in range(start, stop):
            run, new = cells[k * RUN_CELLS : (k + 1) * RUN_CELLS], out[k * RUN_CELLS : (k + 1) * RUN_CELLS]
            np.copyto(new, run)
            if concerned[k]:
                np.putmask(new, run != run if pattern != pattern else run == pattern, replacement)

    parallel_for(some, count, cells.size * NS_PER_CELL)
    return result


def _triangle(target: np.ndarray, lower: bool, diag: bool, values: bool) -> np.ndarray:
    """Of a band of rows, the columns left and right of the diagonal are copied or filled, and a square around it is masked."""
    n, m = target.shape
    out = np.empty((n, m), target.dtype)
    left, right = (1, 0) if lower else (0, 1)

    def some(start: int, stop: int) -> None:
        for top in range(start * SQUARE, min(stop * SQUARE, n), SQUARE):
            bottom = min(top + SQUARE, n)
            first, last = min(top, m), min(bottom, m)
            band, cells = out[top:bottom], target[top:bottom] if values else np.broadcast_to(one, (bottom - top, m))
            for columns, kept in ((slice(first), left), (slice(last, m), right)):
                band[:, columns] = cells[:, columns] if kept else 0
            mask = np.tri(bottom - top, last - first, 0 if diag == lower else -1, dtype=bool)
            band[:, first:last] = np.where(mask == lower, cells[:, first:last], 0)

    one = target.dtype.type(1)
    parallel_for(some, -(-n // SQUARE), target.size * NS_PER_CELL)
    return out


@kernel("lower.tri", "dense")
def lower_tri_rows(target, diag, values):
    return _triangle(target, True, diag, values) if target.size >= MIN_CELLS else NotImplemented


@kernel("upper.tri", "dense")
def upper_tri_rows(target, diag, values):
    return _triangle(target, False, diag, values) if target.size >= MIN_CELLS else NotImplemented


@kernel("seq")
def seq_runs(dtype, start, end, step):
    return seq.meaning(dtype, start, end, step, spread=_spread)


def _spread(run_block: Callable[[int], None], blocks: int, work_ns: float) -> None:
    def run(start: int, stop: int) -> None:
        for block in range(start, stop):
            run_block(block)

    parallel_for(run, blocks, work_ns)


def contiguous(X: np.ndarray) -> np.ndarray:
    """The matrix with contiguous rows: itself where it has them, else a copy."""
    if X.flags.c_contiguous:
        return X
    if X.size < MIN_CELLS or X.ndim != 2 or not X.flags.f_contiguous:
        return np.ascontiguousarray(X)
    n, m = X.shape
    out = np.empty((n, m), X.dtype)

    def some(start: int, stop: int) -> None:
        for row in range(start * SQUARE, min(stop * SQUARE, n), SQUARE):
            for col in range(0, m, SQUARE):
                out[row : row + SQUARE, col : col + SQUARE] = X[row : row + SQUARE, col : col + SQUARE]

    parallel_for(some, -(-n // SQUARE), X.size * NS_PER_CELL)
    return out

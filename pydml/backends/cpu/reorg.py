"""Cells of large dense matrices replaced and moved, in blocks that stay in a cache, and in threads.

Blocks follow from the shape alone and write cells of their own.
"""

from __future__ import annotations

import numpy as np

from pydml.backends.cpu.threads import parallel_for
from pydml.builtins.registry import kernel

MIN_CELLS = 1 << 17  # below, the meaning is as fast
RUN_CELLS = 1 << 15  # with source, result and mask in a second-level cache
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

    def search(start: int, stop: int) -> None:
        with np.errstate(all="ignore"):
            for k in range(start, stop):
                run = cells[k * RUN_CELLS : (k + 1) * RUN_CELLS]
                # a sum is not NaN without a reason, and is the fastest way to look at all cells
                concerned[k] = np.isnan(run.sum()) if pattern != pattern else (run == pattern).any()

    parallel_for(search, count, cells.size * NS_PER_CELL / 2)
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

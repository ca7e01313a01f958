"""Cells of large dense matrices replaced and moved, in blocks that stay in a cache, and in threads.

Blocks follow from the shape alone and write cells of their own.
"""

from __future__ import annotations

import numpy as np

from pydml.backends.cpu.threads import parallel_for
from pydml.builtins.registry import kernel

MIN_CELLS = 1 << 17  # below, the meaning is as fast
RUN_CELLS = 1 << 14  # with source, result and mask in a small second-level cache
SQUARE = 64  # rows and columns of a block that is turned: its lines of cache fit in the first level
NS_PER_CELL = 1.5


@kernel("replace", "dense")
def replace_runs(target, pattern, replacement):
    """Each run of cells is copied, and changed while it is in the cache."""
    if target.size < MIN_CELLS or isinstance(pattern, str) or isinstance(replacement, str):
        return NotImplemented
    turned = target.flags.f_contiguous and not target.flags.c_contiguous
    if not (turned or target.flags.c_contiguous):
        return NotImplemented
    result = np.empty(target.shape, target.dtype, order="F" if turned else "C")
    cells, out = target.reshape(-1, order="A"), result.reshape(-1, order="A")

    def some(start: int, stop: int) -> None:
        for begin in range(start * RUN_CELLS, min(stop * RUN_CELLS, cells.size), RUN_CELLS):
            run, new = cells[begin : begin + RUN_CELLS], out[begin : begin + RUN_CELLS]
            np.copyto(new, run)
            found = run != run if pattern != pattern else run == pattern
            np.putmask(new, found, replacement)

    parallel_for(some, -(-cells.size // RUN_CELLS), cells.size * NS_PER_CELL)
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

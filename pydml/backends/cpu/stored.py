"""Kernels for matrices that are in the files of a data set: ranges and batches of rows, converted from bytes by several threads."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydml.backends.cpu.threads import parallel_for
from pydml.builtins.batches import batch_rows
from pydml.builtins.indexing import bounds
from pydml.builtins.registry import kernel
from pydml.values.storage import check_dense_size, memory_limit

SMALL = 1 << 18  # cells up to which NumPy converts a block, and no Numba is needed
NS_PER_CELL = 0.6
LARGE = 4  # a range of rows larger than this part of the memory limit stays in files


def converted(X: Any, block: np.ndarray) -> np.ndarray:
    """The numbers for rows of bytes, as `Stored.convert`."""
    if block.size <= SMALL:
        return X.convert(block)
    from pydml.backends.cpu.compiled import pixels

    check_dense_size(len(block), X.shape[1], X.dtype.itemsize)
    out = np.empty(block.shape, X.dtype)
    run = pixels.look_up(X.dtype.type)
    plane = X.manifest.height * X.manifest.width

    def tile(first: int, last: int) -> None:
        run(block, X.table, plane, first, last, out)

    parallel_for(tile, len(block), block.size * NS_PER_CELL)
    return out


@kernel("[]", "stored")
def _index(X, rl, ru, cl, cu):
    r0, r1, c0, c1 = bounds(X, rl, ru, cl, cu)
    if c1 - c0 == X.shape[1] and (r1 - r0) * X.shape[1] * X.dtype.itemsize > memory_limit() // LARGE:
        return X.part(r0, r1)
    check_dense_size(r1 - r0, X.shape[1], X.dtype.itemsize)
    rows = converted(X, X.block(r0, r1))
    # a part of the columns: a copy, as a view would keep the whole rows
    return rows if c1 - c0 == X.shape[1] else rows[:, c0:c1].copy()


@kernel("batchOf", "stored", "dense")
def _batch(X, order, beg, end):
    beg, end = int(beg), int(end)
    rows = batch_rows(X.shape[0], order, beg, end)
    following = order[end : 2 * end - beg + 1, 0]
    valid = np.isfinite(following).all() and ((following >= 1) & (following <= X.shape[0])).all()
    return converted(X, X.gather(rows, following.astype(np.int64) - 1 if valid else None))

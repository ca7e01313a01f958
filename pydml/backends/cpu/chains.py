"""t(X) %*% (w * (X %*% v) - y) for a dense X and a vector v: each block of rows is used twice while it is in the cache.

The two products read X once from memory instead of twice.  Blocks are so small that BLAS does not use threads of its own;
tiles of blocks run in ours.  Partial results of the tiles are added in their order, so that the result does not depend on
the number of threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pydml.backends.cpu.reorg import contiguous
from pydml.backends.cpu.threads import parallel_for
from pydml.builtins.registry import kernel

BLOCK_BYTES = 1 << 20  # with a thread per core, two blocks stay in a shared cache of a few MB
MIN_BYTES = 4 << 20  # below, X stays in the cache between the two products
TILES = 16
NS_PER_BYTE = 0.1


def _fits(part: Any, rows: int) -> bool:
    return part is None or not isinstance(part, np.ndarray) or part.shape == (rows, 1)


def _rows(part: Any, start: int, stop: int) -> Any:
    return part[start:stop] if isinstance(part, np.ndarray) else part


@kernel("product chain", "dense", "dense")
@kernel("product chain", "dense", "dense", "dense")
@kernel("product chain", "dense", "dense", "dense", "dense")
def product_chain(X: Any, v: Any, w: Any, y: Any, right: bool) -> Any:
    n, m = X.shape
    if (
        X.nbytes < MIN_BYTES
        or v.shape != (m, 1)
        or v.dtype != X.dtype
        or m < 2  # BLAS would use threads for products of two vectors
        or m * X.itemsize > BLOCK_BYTES // 4  # too few rows in a block
        or not X.flags.c_contiguous
        or not (_fits(w, n) and _fits(y, n))
    ):
        return NotImplemented
    step = BLOCK_BYTES // (m * X.itemsize)
    blocks = -(-n // step)
    tiles = min(TILES, blocks)
    partial = np.zeros((tiles, m), X.dtype)
    v, w, y = (part.ravel() if isinstance(part, np.ndarray) else part for part in (v, w, y))

    def some(first: int, last: int) -> None:
        # Products of a matrix and a vector into given memory: the operator @ takes two microseconds more for each.
        inners, sums = np.empty(step, X.dtype), np.empty(m, X.dtype)
        for tile in range(first, last):
            for block in range(tile * blocks // tiles, (tile + 1) * blocks // tiles):
                start, stop = block * step, min((block + 1) * step, n)
                part = X[start:stop]
                inner = np.dot(part, v, out=inners[: stop - start])
                if w is not None:
                    inner *= _rows(w, start, stop)
                if y is not None:
                    inner -= _rows(y, start, stop)
                partial[tile] += np.dot(inner, part, out=sums)

    parallel_for(some, tiles, int(NS_PER_BYTE * X.nbytes))
    return partial.sum(axis=0).reshape(m, 1)


DIAGONAL_CELLS = 1 << 16  # of a tile


@kernel("diagonal of product", "dense", "dense")
def diagonal_of_product(A: Any, B: Any) -> Any:
    """Tiles of rows of A and of columns of B, without the matrix of their products cell by cell."""
    if A.shape != B.shape[::-1] or A.dtype != B.dtype or A.size < DIAGONAL_CELLS:
        return NotImplemented
    n, m = A.shape
    left, right = contiguous(A), contiguous(B.T)
    out = np.empty((n, 1), A.dtype)
    step = max(1, DIAGONAL_CELLS // m)

    def some(start: int, stop: int) -> None:
        with np.errstate(all="ignore"):
            for top in range(start * step, min(stop * step, n), step):
                rows = slice(top, top + step)
                np.einsum("ij,ij->i", left[rows], right[rows], out=out[rows, 0])

    parallel_for(some, -(-n // step), A.nbytes * 2 * NS_PER_BYTE)
    return out

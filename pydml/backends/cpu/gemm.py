"""Large products of dense matrices, in tiles of a fixed partition on our own threads, each with BLAS on one thread.

BLAS itself splits a product by the number of threads, so that its last bits depend on it, and its threads wait in a busy loop,
which costs ten times the work itself where other programs use the cores too.  Here the tiles follow from the sizes alone.

Which partition: rows of the left matrix or columns of the right one, whichever are more; the common side, with partial
results that are added in order, where both are short or the left one is a row; blocks on and above the diagonal for t(X) %*% X.
"""

from __future__ import annotations

import numpy as np

from pydml.backends.cpu.threads import parallel_for
from pydml.builtins.registry import kernel

MULTIPLY_ADDS_PER_NS = 10  # of one core, in double precision
TILES = 16  # enough for machines with many cores
SMALLEST_TILE = 500_000  # multiply-adds: a tile should take some 50 microseconds
SHORT = 512  # results up to SHORT x SHORT may be kept once for each tile of the common side
FEWEST = 64  # rows or columns of a tile: BLAS is slow for fewer


def _tiles(length: int, work: float) -> tuple[int, int]:
    """(number, length of each) of the tiles of a side."""
    most = max(1, min(TILES, int(work // SMALLEST_TILE), length // FEWEST))
    step = -(-length // most)
    return -(-length // step), step


@kernel("large product", "dense", "dense")
def large_product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    m, k = left.shape
    n = right.shape[1]
    work = float(m) * k * n
    if work < 2 * SMALLEST_TILE:
        return np.matmul(left, right)
    if _is_transpose(left, right):
        return _gram(left, right, work)
    # A vector times a matrix reads each cell once: whole rows come twice as fast from memory as parts of all of them.
    if (m == 1 and k >= TILES * FEWEST and right.flags.c_contiguous) or (k > 4 * max(m, n) and max(m, n) <= SHORT):
        return _by_common_side(left, right, work)
    dtype = np.result_type(left, right)
    result = np.empty((m, n), dtype)
    if m >= n:
        tiles, step = _tiles(m, work)

        def some(first: int, last: int) -> None:
            for start in range(first * step, min(last * step, m), step):
                np.matmul(left[start : start + step], right, out=result[start : start + step])
    else:
        tiles, step = _tiles(n, work)

        def some(first: int, last: int) -> None:
            for start in range(first * step, min(last * step, n), step):
                result[:, start : start + step] = np.matmul(left, right[:, start : start + step])

    parallel_for(some, tiles, int(work / MULTIPLY_ADDS_PER_NS))
    return result


def _is_transpose(left: np.ndarray, right: np.ndarray) -> bool:
    """Whether the left matrix is the transpose of the right one, in the same memory."""
    return (
        left.shape == right.shape[::-1]
        and left.strides == right.strides[::-1]
        and left.__array_interface__["data"] == right.__array_interface__["data"]
    )


def _by_common_side(left: np.ndarray, right: np.ndarray, work: float) -> np.ndarray:
    k = left.shape[1]
    tiles, step = _tiles(k, work)
    partial = np.empty((tiles, left.shape[0], right.shape[1]), np.result_type(left, right))

    def some(first: int, last: int) -> None:
        for tile in range(first, last):
            rows = slice(tile * step, (tile + 1) * step)
            np.matmul(left[:, rows], right[rows], out=partial[tile])  # of one matrix, BLAS takes half the work

    parallel_for(some, tiles, int(work / MULTIPLY_ADDS_PER_NS))
    result = partial[0]
    for part in partial[1:]:
        result += part
    return result.copy() if tiles > 1 else result


def _gram(left: np.ndarray, right: np.ndarray, work: float) -> np.ndarray:
    n, k = left.shape
    if n <= SHORT:
        if k > n:
            return _by_common_side(left, right, work)
        return np.matmul(left, right)
    count, step = _tiles(n, work)
    result = np.empty((n, n), right.dtype)

    def some(first: int, last: int) -> None:
        for tile in range(first, last):
            start, stop = tile * step, min((tile + 1) * step, n)
            own = slice(start, stop)
            result[own, own] = np.matmul(left[own], right[:, own])
            if stop < n:
                part = np.matmul(left[own], right[:, stop:])
                result[own, stop:] = part
                result[stop:, own] = part.T

    parallel_for(some, count, int(work / MULTIPLY_ADDS_PER_NS / 2))
    return result

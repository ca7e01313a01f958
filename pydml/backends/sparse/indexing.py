"""Right and left indexing of sparse matrices.

A part of a sparse matrix stays sparse where it is large and mostly zero; small parts become dense, because dense
kernels are faster on them.  A left-indexed matrix is built anew in time proportional to its stored values; single cells that nobody
else can see are written in place (`values.Sparse.put`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pydml.builtins.batches import batch_rows
from pydml.builtins.indexing import bounds, checked_assignment
from pydml.builtins.registry import kernel, lookup
from pydml.values import Sparse
from pydml.values.storage import SPARSITY_TURN_POINT, check_dense_size

SMALL = 4096  # cells below which the parts of a sparse matrix are dense, as in `values.storage.compact`


def settle(data: np.ndarray, indices: np.ndarray, indptr: np.ndarray, shape: tuple[int, int]) -> Any:
    """A matrix of compressed rows with sorted columns: sparse, or dense where that is small or mostly filled."""
    rows, cols = shape
    if len(data) < SPARSITY_TURN_POINT * rows * cols and cols > 1 and rows * cols >= SMALL:
        from scipy.sparse import csr_matrix

        return Sparse(csr_matrix((data, indices, indptr), shape=shape, copy=False))
    check_dense_size(rows, cols, data.dtype.itemsize)
    out = np.zeros(shape, data.dtype)
    out[np.repeat(np.arange(rows), np.diff(indptr)), indices] = data
    return out


def part(X: Sparse, r0: int, r1: int, c0: int, c1: int) -> Any:
    """The cells of rows r0..r1 and columns c0..c1, 0-based and half open."""
    csr = X.csr
    start, end = csr.indptr[r0], csr.indptr[r1]
    indices, data = csr.indices[start:end], csr.data[start:end]
    if r1 - r0 == 1:
        if c1 - c0 != csr.shape[1]:
            low, high = np.searchsorted(indices, (c0, c1))
            indices, data = indices[low:high] - c0, data[low:high]
        return settle(data, indices, np.array([0, len(data)]), (1, c1 - c0))
    indptr = csr.indptr[r0 : r1 + 1] - start
    if c1 - c0 != csr.shape[1]:
        inside = (indices >= c0) & (indices < c1)
        counts = np.concatenate(([0], np.cumsum(inside)))
        indices, data, indptr = indices[inside] - c0, data[inside], counts[indptr]
    return settle(data, indices, indptr, (r1 - r0, c1 - c0))


@kernel("[]", "sparse")
def index_sparse(X, rl, ru, cl, cu):
    r0, r1, c0, c1 = bounds(X, rl, ru, cl, cu)
    if r1 - r0 == c1 - c0 == 1:
        return np.full((1, 1), X.cell(r0, c0), X.dtype)
    return part(X, r0, r1, c0, c1)


@kernel("batchOf", "sparse", "dense")
def batch_of_sparse(X, order, beg, end):
    rows = X.csr[batch_rows(X.shape[0], order, int(beg), int(end))]
    return settle(rows.data, rows.indices, rows.indptr, rows.shape)


@kernel("[]=", "sparse")
@kernel("[]=", "sparse", "sparse")
@kernel("[]=", "sparse", "dense")
def assign_sparse(X, rl, ru, cl, cu, value):
    if type(X) is not Sparse:  # a list or frame that gets a sparse matrix
        return lookup("[]=").meaning(X, rl, ru, cl, cu, value)
    r0, r1, c0, c1 = checked_assignment(X, rl, ru, cl, cu, value)
    csr = X.csr
    row, col, new = _nonzeros(value, csr.dtype)
    start, end = csr.indptr[r0], csr.indptr[r1]
    old_col = csr.indices[start:end]
    old_row = np.repeat(np.arange(r1 - r0), np.diff(csr.indptr[r0 : r1 + 1]))
    kept = (old_col < c0) | (old_col >= c1)
    row = np.concatenate((old_row[kept], row))
    col = np.concatenate((old_col[kept], col + c0))
    new = np.concatenate((csr.data[start:end][kept], new))
    order = np.lexsort((col, row))
    counts = np.cumsum(np.bincount(row, minlength=r1 - r0))
    change = len(new) - (end - start)
    data = np.concatenate((csr.data[:start], new[order], csr.data[end:]))
    indices = np.concatenate((csr.indices[:start], col[order], csr.indices[end:]))
    indptr = np.concatenate((csr.indptr[: r0 + 1], counts + start, csr.indptr[r1 + 1 :] + change))
    return settle(data, indices, indptr, csr.shape)


def _nonzeros(value: Any, dtype: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, columns and values of the cells other than 0 of a number or matrix."""
    if isinstance(value, (int, float)):
        place = np.zeros(1 if value != 0 else 0, np.int64)
        return place, place, np.full(len(place), value, dtype)
    if type(value) is Sparse:
        csr = value.csr
        return np.repeat(np.arange(csr.shape[0]), np.diff(csr.indptr)), csr.indices, csr.data
    row, col = np.nonzero(value)
    return row, col, value[row, col]

"""Making sparse results: what the sparse kernels share.

SciPy is imported inside functions: these modules are loaded at every start, the kernels run only where a sparse matrix exists.
Structure arrays (indices, indptr) may be shared between matrices, because values are immutable; nothing here changes them.

A cell that is not stored is 0 like any other: 0 * NaN and 0 * Inf are NaN as in dense matrices (SystemDS gives 0 or NaN there,
depending on the storage it chose).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pydml.backends.cpu.threads import parallel_for
from pydml.values.storage import SPARSITY_TURN_POINT, Sparse, check_dense_size

_LARGE = 1 << 18  # cells that are worth threads
_RUN = 1 << 16
_NS_PER_BYTE = 0.06


def with_data(X: Sparse, data: np.ndarray) -> Sparse:
    """A matrix with the structure of X and other values; zeros among them are dropped."""
    csr = X.csr
    return from_parts(data, csr.indices, csr.indptr, csr.shape)


def from_parts(data: np.ndarray, indices: np.ndarray, indptr: np.ndarray, shape: tuple[int, int]) -> Sparse:
    """A sparse matrix of compressed rows; zeros among the values are dropped."""
    from scipy.sparse import csr_matrix

    keep = data != 0
    if not keep.all():
        counts = np.concatenate(([0], np.cumsum(keep)))
        data, indices, indptr = data[keep], indices[keep], counts[indptr].astype(indptr.dtype)
    return Sparse(csr_matrix((data, indices, indptr), shape=shape, copy=False))


def finish(csr: Any) -> Any:
    """A result of SciPy as a value: sparse with sorted indices and without stored zeros, or dense where that is no larger.

    `csr` must not share its arrays with another matrix.
    """
    from scipy.sparse import csr_matrix

    csr = csr_matrix(csr)
    rows, cols = csr.shape
    most = SPARSITY_TURN_POINT * rows * cols
    if not (csr.nnz >= most and np.count_nonzero(csr.data) >= most):  # else it need not be sorted
        csr.sum_duplicates()
        csr.eliminate_zeros()
    if csr.nnz >= most or cols == 1:
        check_dense_size(rows, cols, csr.dtype.itemsize)
        return csr.toarray()
    return Sparse(csr)


def row_numbers(X: Sparse) -> np.ndarray:
    """The 0-based row of each stored value."""
    csr = X.csr
    return np.repeat(np.arange(csr.shape[0], dtype=csr.indices.dtype), np.diff(csr.indptr))


def filled(X: Sparse, zero: Any, data: np.ndarray) -> np.ndarray:
    """The dense matrix with `data` where X has stored values and `zero` elsewhere."""
    rows, cols = X.shape
    check_dense_size(rows, cols, data.dtype.itemsize)
    out = np.full((rows, cols), zero, dtype=data.dtype)
    out[row_numbers(X), X.csr.indices] = data
    return out


def all_finite(array: np.ndarray) -> bool:
    """Whether no cell is NaN or infinite.  A finite sum proves it in one pass without a temporary; large arrays are summed in threads."""
    if array.size < _LARGE or not (array.flags.c_contiguous or array.flags.f_contiguous):
        return bool(np.isfinite(array.sum())) or bool(np.isfinite(array).all())
    cells = array.reshape(-1, order="A")
    wild: list[int] = []

    def run(start: int, stop: int) -> None:
        part = cells[start * _RUN : stop * _RUN]
        with np.errstate(all="ignore"):
            if not wild and not (np.isfinite(part.sum()) or np.isfinite(part).all()):
                wild.append(start)

    parallel_for(run, -(-cells.size // _RUN), array.nbytes * _NS_PER_BYTE, grain=8)
    return not wild

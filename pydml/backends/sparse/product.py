"""Matrix products with sparse operands."""

from __future__ import annotations

import numpy as np

from pydml.backends.sparse.form import all_finite, finish
from pydml.builtins.operators import matrix_product
from pydml.builtins.registry import kernel
from pydml.values import type_of
from pydml.values.storage import SPARSITY_TURN_POINT

_DENSE_OPERAND_BYTES = 2**28


def _check(left, right) -> None:
    if left.shape[1] != right.shape[0]:
        matrix_product.infer((type_of(left), type_of(right)))


def _sparse_times_dense(left, right: np.ndarray) -> np.ndarray:
    """left @ right, of compressed rows or columns, with NaN where a cell that is not stored meets a NaN or an infinity."""
    result = left @ right
    if not all_finite(right):
        wild = ~np.isfinite(right)
        pattern = left.copy()
        pattern.data = (pattern.data != 0).astype(np.float64)
        # how many of the wild cells of a column a row meets with stored values
        met = pattern @ wild.astype(np.float64)
        result[met < wild.sum(axis=0)] = np.nan
    return result


@kernel("%*%", "sparse", "dense")
def product_sparse_dense(left, right):
    _check(left, right)
    return _sparse_times_dense(left.compressed, right)


@kernel("%*%", "dense", "sparse")
def product_dense_sparse(left, right):
    """By t(t(right) %*% t(left)): the compressed rows of `right` are the compressed columns of its transpose."""
    _check(left, right)
    return _sparse_times_dense(right.compressed.T, left.T).T


@kernel("%*%", "sparse", "sparse")
def product_sparse_sparse(left, right):
    _check(left, right)
    a, b = left.csr, right.csr
    m, n = a.shape[0], b.shape[1]
    if not (all_finite(a.data) and all_finite(b.data)):
        return _sparse_times_dense(a, right.to_dense()) if all_finite(a.data) else NotImplemented
    # Expected share of non-zeros, if they are spread evenly.  A dense result is built faster from a dense operand.
    products = float(np.diff(b.indptr)[a.indices].sum(dtype=np.float64))
    share = 1 - np.exp(-products / max(m * n, 1))
    if share > SPARSITY_TURN_POINT and b.shape[0] * n * 8 <= _DENSE_OPERAND_BYTES:
        return np.asarray(a @ b.toarray())
    return finish(a @ b)

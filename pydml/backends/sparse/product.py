"""Matrix products with sparse operands, and Einstein sums that are products, sums or transposes."""

from __future__ import annotations

import numpy as np

from pydml.backends.sparse.form import all_finite, finish, row_numbers, with_data
from pydml.builtins.operators import matrix_product
from pydml.builtins.registry import kernel, lookup
from pydml.values import type_of
from pydml.values.storage import SPARSITY_TURN_POINT

_DENSE_OPERAND_BYTES = 2**28
_CHUNK_CELLS = 1 << 18


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


@kernel("sampledProduct", "sparse", "dense", "dense")
def sampled_product_sparse(W, U, V):
    """U %*% t(V) at the stored cells of W alone."""
    rows, cols = row_numbers(W), W.csr.indices
    if not (all_finite(U) and all_finite(V)):
        return NotImplemented  # a cell that is not stored may be NaN
    data = np.empty(W.nnz, np.result_type(W.dtype, U.dtype, V.dtype))
    step = max(1, _CHUNK_CELLS // max(U.shape[1], 1))
    for start in range(0, data.size, step):
        part = slice(start, start + step)
        data[part] = np.einsum("ij,ij->i", U[rows[part]], V[cols[part]])
    return with_data(W, W.csr.data * data)


# by names of indexes in the order of their first use: what the equation means for matrices
_EINSUMS = {
    "ij->ij": ("=",),
    "ij->ji": ("t",),
    "ij->i": ("rowSums",),
    "ij->j": ("t", "rowSums"),
    "ij->": ("sum",),
    "ii->": ("trace",),
    "ii->i": ("diag",),
    "ij,jk->ik": ("%*%",),
    "ij,j->i": ("%*%",),
    "ij,ij->ij": ("*",),
    "ij,ij->": ("*", "sum"),
    "ij,ij->i": ("*", "rowSums"),
}


@kernel("einsum", "sparse")
@kernel("einsum", "sparse", "sparse")
@kernel("einsum", "sparse", "dense")
@kernel("einsum", "dense", "sparse")
def einsum_sparse(equation, *X):
    names: dict[str, str] = {}
    text = equation.replace(" ", "")
    for c in text:
        if c.isalpha():
            names.setdefault(c, "ijkl"[len(names)] if len(names) < 4 else c)
    steps = _EINSUMS.get("".join(names.get(c, c) for c in text))
    if steps is None:
        return NotImplemented
    value = lookup(steps[0]).run(*X)
    for step in steps[1:]:
        value = lookup(step).run(value)
    return value

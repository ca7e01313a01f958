"""Sparse matrices reordered, reshaped and filtered: results keep the stored values and stay sparse."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydml.backends.sparse.form import finish, from_parts, row_numbers, with_data
from pydml.builtins.registry import kernel, lookup
from pydml.builtins.reorg import replacement_number, sorting_rows
from pydml.values import Sparse, to_dense
from pydml.values.storage import check_dense_size


def _rows(X: Sparse, rows: np.ndarray) -> Any:
    """The rows with these 0-based numbers."""
    return finish(X.csr[rows])


@kernel("t", "sparse")
def t_sparse(X):
    return X.transposed() if X.shape[0] > 1 else X.to_dense().T


@kernel("rev", "sparse")
def rev_sparse(X):
    return _rows(X, np.arange(X.shape[0])[::-1])


@kernel("roll", "sparse")
def roll_sparse(X, shift):
    return _rows(X, np.roll(np.arange(X.shape[0]), int(shift)))


@kernel("diag", "sparse")
def diag_sparse(X):
    if X.shape[1] == 1:
        return lookup("diag").meaning(X.to_dense())
    return X.csr.diagonal().reshape(-1, 1)


@kernel("matrix", "sparse")
def reshape_sparse(dtype, X, rows, cols, byrow):
    from scipy.sparse import coo_matrix

    csr = X.csr
    row, col = row_numbers(X).astype(np.int64), csr.indices.astype(np.int64)
    if byrow:
        row, col = np.divmod(row * csr.shape[1] + col, int(cols))
    else:
        col, row = np.divmod(col * csr.shape[0] + row, int(rows))
    return finish(coo_matrix((csr.data, (row, col)), shape=(int(rows), int(cols))))


@kernel("order", "sparse")
@kernel("order", "sparse", "dense")
def order_sparse(X, by, decreasing, index_return):
    if type(by) is Sparse:
        return NotImplemented
    columns = by.ravel() if type(by) is np.ndarray else np.array([by])
    if not ((columns >= 1) & (columns < X.shape[1] + 1)).all():
        return NotImplemented  # the meaning reports it
    keys = X.csr[:, columns.astype(np.int64) - 1].toarray()
    rows = sorting_rows(keys, np.arange(1, len(columns) + 1), decreasing)
    return (rows + 1).astype(X.dtype).reshape(-1, 1) if index_return else _rows(X, rows)


@kernel("removeEmpty", "sparse")
@kernel("removeEmpty", "sparse", "dense")
@kernel("removeEmpty", "sparse", "sparse")
def removeEmpty_sparse(X, margin, select, empty_return):
    if type(X) is not Sparse:
        return NotImplemented
    csr = X.csr
    axis = 0 if margin == "rows" else 1
    if select is not None:
        kept = to_dense(select).ravel() != 0
    else:
        stored = csr.data != 0
        place = row_numbers(X) if axis == 0 else csr.indices
        kept = np.bincount(place[stored], minlength=csr.shape[axis]) > 0
    if not kept.any() and empty_return:
        return np.zeros((1, csr.shape[1]) if axis == 0 else (csr.shape[0], 1), csr.dtype)
    if kept.all():
        return X
    kept = np.flatnonzero(kept)
    return finish(csr[kept] if axis == 0 else csr[:, kept])


@kernel("replace", "sparse")
def replace_sparse(X, pattern, replacement):
    pattern, replacement = replacement_number(pattern, "pattern"), replacement_number(replacement, "replacement")
    if pattern == 0:
        return NotImplemented
    data = X.csr.data.copy()
    data[np.isnan(data) if pattern != pattern else data == pattern] = replacement
    return with_data(X, data)


def _triangle(name: str, lower: bool) -> Any:
    def run(X, diag, values):
        if not values:  # only the size matters
            rows, cols = X.shape
            check_dense_size(rows, cols, X.dtype.itemsize)
            return lookup(name).meaning(np.broadcast_to(np.zeros((), X.dtype), X.shape), diag, values)
        csr = X.csr
        distance = row_numbers(X) - csr.indices
        kept = (distance >= 0 if diag else distance > 0) if lower else (distance <= 0 if diag else distance < 0)
        return from_parts(np.where(kept, csr.data, 0), csr.indices, csr.indptr, csr.shape)

    return run


kernel("lower.tri", "sparse")(_triangle("lower.tri", True))
kernel("upper.tri", "sparse")(_triangle("upper.tri", False))


@kernel("quantize_compress", "sparse")
def quantize_sparse(X, scale):
    return with_data(X, np.floor(X.csr.data * scale)) if np.isfinite(scale) else NotImplemented

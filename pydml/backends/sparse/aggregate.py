"""Aggregates of sparse matrices, from the stored values and the number of cells that are not stored."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from pydml.backends.sparse.form import all_finite, row_numbers
from pydml.builtins.registry import kernel
from pydml.builtins.shapes import square
from pydml.values import Sparse, type_of


def _cells(X: Sparse) -> int:
    return X.shape[0] * X.shape[1]


def _total(X: Sparse) -> float:
    return float(X.csr.data.sum(dtype=np.float64))


# ---- of all cells


kernel("sum", "sparse")(_total)


@kernel("mean", "sparse")
def mean_sparse(X, weights):
    return _total(X) / _cells(X) if _cells(X) else math.nan


@kernel("var", "sparse")
def var_sparse(X):
    n, data = _cells(X), X.csr.data.astype(np.float64, copy=False)
    if n < 2:
        return math.nan if n == 0 else 0.0
    mean = _total(X) / n
    return float(((data - mean) ** 2).sum() + (n - data.size) * mean * mean) / (n - 1)


@kernel("sd", "sparse")
def sd_sparse(X):
    return math.sqrt(var_sparse(X))


@kernel("prod", "sparse")
def prod_sparse(X):
    data = X.csr.data
    if data.size == _cells(X):
        return float(data.prod(dtype=np.float64))
    return 0.0 if all_finite(data) else math.nan


@kernel("trace", "sparse")
def trace_sparse(X):
    square("trace", "X", type_of(X))
    return float(X.csr.diagonal().sum(dtype=np.float64))


@kernel("countDistinct", "sparse")
def count_distinct_sparse(data, dir):
    return int(unique_sparse(data, dir).size) if dir == "rc" else NotImplemented


@kernel("unique", "sparse")
def unique_sparse(data, dir):
    if dir != "rc":
        return NotImplemented
    values = data.csr.data
    if values.size < _cells(data):
        values = np.append(values, values.dtype.type(0))
    return np.unique(values).reshape(-1, 1)


# ---- of rows and columns: functions of compressed rows; columns are the rows of the transpose


def _row_sums(csr: Any) -> np.ndarray:
    return csr @ np.ones(csr.shape[1])


def _row_means(csr: Any) -> np.ndarray:
    return _row_sums(csr) / csr.shape[1]


def _row_variances(csr: Any) -> np.ndarray:
    n, means, stored = csr.shape[1], _row_means(csr), np.diff(csr.indptr)
    if n == 1:
        return np.zeros(csr.shape[0])
    squares = (csr.data - np.repeat(means, stored)) ** 2
    rows = np.repeat(np.arange(csr.shape[0]), stored)
    return (np.bincount(rows, squares, csr.shape[0]) + (n - stored) * means**2) / (n - 1)


def _reduce_rows(ufunc: np.ufunc, csr: Any) -> np.ndarray:
    """`ufunc` over the cells of each row, those that are not stored too."""
    stored = np.diff(csr.indptr)
    result = np.zeros(csr.shape[0], csr.dtype)
    filled = stored > 0
    if filled.any():
        result[filled] = ufunc.reduceat(csr.data, csr.indptr[:-1][filled])
    some = filled & (stored < csr.shape[1])
    result[some] = ufunc(result[some], 0)
    return result


def _of_lines(kind: str, function: Callable[[Any], np.ndarray]) -> None:
    """Register row<kind> and col<kind>.  function: of compressed rows, one result for each."""

    @kernel(f"row{kind}", "sparse")
    def rows(X: Sparse) -> np.ndarray:
        if _cells(X) == 0:
            return np.zeros((X.shape[0], 1), X.dtype)
        return function(X.csr).reshape(-1, 1).astype(X.dtype, copy=False)

    @kernel(f"col{kind}", "sparse")
    def cols(X: Sparse) -> np.ndarray:
        if _cells(X) == 0:
            return np.zeros((1, X.shape[1]), X.dtype)
        # A sum can read compressed columns; the others need them sorted into rows.
        lines = X.csr.T if kind in ("Sums", "Means") else X.csr.T.tocsr()
        return function(lines).reshape(1, -1).astype(X.dtype, copy=False)


_of_lines("Sums", _row_sums)
_of_lines("Means", _row_means)
_of_lines("Vars", _row_variances)
_of_lines("Sds", lambda csr: np.sqrt(_row_variances(csr)))
_of_lines("Mins", lambda csr: _reduce_rows(np.minimum, csr))
_of_lines("Maxs", lambda csr: _reduce_rows(np.maximum, csr))
_of_lines("Prods", lambda csr: _reduce_rows(np.multiply, csr.astype(np.float64)))


def _last_index_of_largest(X: Sparse, data: np.ndarray) -> Any:
    """`data`: the stored values, or their negatives for the smallest."""
    csr, (m, n) = X.csr, X.shape
    if m * n == 0 or np.isnan(data).any():
        return NotImplemented
    stored, rows = np.diff(csr.indptr), row_numbers(X)
    largest = np.full(m, -np.inf)
    filled = stored > 0
    if filled.any():
        largest[filled] = np.maximum.reduceat(data, csr.indptr[:-1][filled])
    index = np.zeros(m, dtype=np.int64)
    best = data == largest[rows]
    np.maximum.at(index, rows[best], csr.indices[best] + 1)
    # The last cell that is not stored: the stored ones at the end of a row form a run without gaps.
    run = np.bincount(rows[csr.indices - np.arange(csr.indices.size) == n - csr.indptr[1:][rows]], minlength=m)
    zero_wins = (stored < n) & (largest < 0)
    index[zero_wins] = n - run[zero_wins]
    return index.reshape(-1, 1).astype(X.dtype)


@kernel("rowIndexMax", "sparse")
def row_index_max_sparse(X):
    return _last_index_of_largest(X, X.csr.data)


@kernel("rowIndexMin", "sparse")
def row_index_min_sparse(X):
    return _last_index_of_largest(X, -X.csr.data)

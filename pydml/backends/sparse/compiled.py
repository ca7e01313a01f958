"""Compiled kernels of sparse products: what SciPy has no function for, or only one that makes a sparse result.

Matrices are compressed rows (indptr, indices, data).  Kernels work on a range of rows, release the GIL and start no threads.
"""

from __future__ import annotations

import numba
import numpy as np
from numba import types

from pydml.backends.cpu.jit import compiled

_INDEXES = {"int32": types.int32, "int64": types.int64}
_FLOATS = {"float32": types.float32, "float64": types.float64}
# Sums may be reordered, which vector instructions need; NaN and infinities keep their meaning.
_sum = {"nogil": True, "error_model": "numpy", "fastmath": {"reassoc", "nsz"}}


def _row(dtype):
    return types.Array(dtype, 1, "C", readonly=True)


def _matrix(dtype, readonly=True):
    return types.Array(dtype, 2, "C", readonly=readonly)


@numba.njit(**_sum)
def _inner(U, V, i, j):
    s = U[i, 0] * V[j, 0]
    for k in range(1, U.shape[1]):
        s += U[i, k] * V[j, k]
    return s


@compiled
def sampled(index, dtype):
    """out[p] = data[p] * sum(U[i,] * V[j,]) for the stored cells p = (i, j) of the rows begin:end."""
    integer, real = _INDEXES[index], _FLOATS[dtype]

    def run(indptr, indices, data, U, V, begin, end, out):
        for i in range(begin, end):
            for p in range(indptr[i], indptr[i + 1]):
                out[p] = data[p] * _inner(U, V, i, indices[p])

    return types.void(
        _row(integer), _row(integer), _row(real), _matrix(real), _matrix(real), types.intp, types.intp,
        types.Array(real, 1, "C"),
    ), run  # fmt: skip


@compiled
def sampled_chain_of_columns(index, dtype):
    """Add to out[i,] the products data[p] * sum(U[i,] * V[j,]) * V[j,] of the stored cells p = (i, j) of columns begin:end."""
    integer, real = _INDEXES[index], _FLOATS[dtype]

    def run(indptr, indices, data, U, V, begin, end, out):
        k = U.shape[1]
        for j in range(begin, end):
            for p in range(indptr[j], indptr[j + 1]):
                i = indices[p]
                s = data[p] * _inner(U, V, i, j)
                target = out[i]
                for c in range(k):
                    target[c] += s * V[j, c]

    return types.void(
        _row(integer), _row(integer), _row(real), _matrix(real), _matrix(real), types.intp, types.intp,
        _matrix(real, readonly=False),
    ), run  # fmt: skip


@compiled
def gram(index, dtype):
    """Add the upper triangle of t(S) %*% S, of the rows begin:end of S, to `out`.  Indices of a row ascend."""
    integer, real = _INDEXES[index], _FLOATS[dtype]

    def run(indptr, indices, data, begin, end, out):
        for i in range(begin, end):
            # without a sign, as negative indexes would be counted from the end: half the time
            first, last = np.uint64(indptr[i]), np.uint64(indptr[i + 1])
            for p in range(first, last):
                x = data[p]
                row = np.uint64(indices[p])
                for q in range(p, last):
                    out[row, np.uint64(indices[q])] += x * data[q]

    return types.void(
        _row(integer), _row(integer), _row(real), types.intp, types.intp, _matrix(types.float64, readonly=False)
    ), run  # fmt: skip

"""Elementwise operators with sparse operands.

With a scalar, only the stored values are computed where the operator maps 0 to 0 (X * 2, X > 0, X != 0, X ^ 2); otherwise the
result is dense and filled with the image of 0.  With a matrix there are kernels where the result is sparse or a copy can be saved;
the rest is left to the meaning on dense matrices.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pydml.backends.cpu.threads import parallel_for
from pydml.backends.sparse.form import all_finite, filled, finish, from_parts, row_numbers, with_data
from pydml.builtins.operators import BINARY
from pydml.builtins.registry import Builtin, kernel
from pydml.builtins.shapes import broadcast
from pydml.values import Sparse, arithmetic, type_of

_LARGE = 1 << 18  # cells that are looked at in tiles
_TILE_CELLS = 1 << 18
_NS_PER_BYTE = 0.1


def map_stored(function: Callable[[np.ndarray], np.ndarray], X: Sparse) -> Any:
    """`function`, a cellwise function of dense matrices, on a sparse one: the image of 0 is computed once."""
    data = X.csr.data
    zero = function(np.zeros((1, 1), data.dtype))[0, 0]
    values = function(data.reshape(1, -1))[0]
    return with_data(X, values) if zero == 0 else filled(X, zero, values)


def map_union(function: Callable[..., Any], *args: Any) -> Any:
    """`function`, a cellwise function of dense matrices, on sparse ones of equal size and scalars, at the cells that any stores.

    The image of zeros is computed once; where it is not 0, the result is dense.
    """
    matrices = [a for a in args if type(a) is Sparse]
    rows, cols = matrices[0].shape
    places = [row_numbers(X).astype(np.int64) * cols + X.csr.indices for X in matrices]
    union = places[0] if len(places) == 1 else np.unique(np.concatenate(places))
    cells = []
    for X, place in zip(matrices, places, strict=True):
        data = np.zeros((1, union.size), X.dtype)
        data[0, np.searchsorted(union, place)] = X.csr.data
        cells.append(data)

    def image(of: Callable[[int], np.ndarray]) -> np.ndarray:
        number = iter(range(len(matrices)))
        return function(*[of(next(number)) if type(a) is Sparse else a for a in args])

    zero = image(lambda k: np.zeros((1, 1), matrices[k].dtype))[0, 0]
    values = image(lambda k: cells[k])[0]
    row, col = np.divmod(union, cols)
    indptr = np.concatenate(([0], np.cumsum(np.bincount(row, minlength=rows))))
    pattern = from_parts(np.ones(union.size, values.dtype), col, indptr, (rows, cols))
    return with_data(pattern, values) if zero == 0 else filled(pattern, zero, values)


def _with_scalar(operator: Builtin) -> Callable[[Any, Any], Any]:
    def run(left: Any, right: Any) -> Any:
        if str in (type(left), type(right)):  # "x" + X with a single cell, or an error
            _check(operator, left, right)
            return arithmetic.concat(left, right)
        if type(left) is Sparse:
            if type(right) not in (int, float):
                _check(operator, left, right)
            return map_stored(lambda cells: operator.meaning(cells, right), left)
        if type(left) not in (int, float):
            _check(operator, left, right)
        return map_stored(lambda cells: operator.meaning(left, cells), right)

    return run


def _check(operator: Builtin, left: Any, right: Any) -> None:
    operator.infer((type_of(left), type_of(right)))


for _symbol in BINARY:
    kernel(_symbol, "sparse")(_with_scalar(BINARY[_symbol]))


@kernel("unary -", "sparse")
def negative_sparse(X):
    return with_data(X, -X.csr.data)


@kernel("!", "sparse")
def not_sparse(X):
    return filled(X, 1.0, (X.csr.data == 0).astype(X.dtype))


# ---- with a dense matrix


def _cells_at(X: Sparse, dense: np.ndarray) -> np.ndarray:
    """The cells of `dense` (a full matrix, a row, a column or 1 x 1) that meet the stored values of X."""
    rows, cols = dense.shape
    if (rows, cols) == X.shape:
        return dense[row_numbers(X), X.csr.indices]
    if rows == 1:
        return dense[0, X.csr.indices] if cols == X.shape[1] else dense[0, 0]
    return np.repeat(dense[:, 0], np.diff(X.csr.indptr))


def _finite_cells_at(X: Sparse, dense: np.ndarray) -> np.ndarray | None:
    """As `_cells_at`, or None if any cell of `dense` is NaN or infinite.

    Of a large matrix the cells are taken tile by tile, while those that were looked at are in the cache.
    """
    if dense.shape != X.shape or dense.size < _LARGE or not dense.flags.c_contiguous:
        return _cells_at(X, dense) if all_finite(dense) else None
    rows, cols = dense.shape
    starts, indices = X.csr.indptr, X.csr.indices
    out = np.empty(X.csr.nnz, dense.dtype)
    step = max(1, _TILE_CELLS // cols)
    wild: list[int] = []

    def run(start: int, stop: int) -> None:
        for tile in range(start, stop):
            part = dense[tile * step : (tile + 1) * step].reshape(-1)
            if wild or not all_finite(part):
                wild.append(tile)
                return
            ends = starts[tile * step : (tile + 1) * step + 1]
            places = np.repeat(np.arange(0, part.size, cols), np.diff(ends)) + indices[ends[0] : ends[-1]]
            out[ends[0] : ends[-1]] = part.take(places)

    parallel_for(run, -(-rows // step), dense.nbytes * _NS_PER_BYTE)
    return None if wild else out


def _fits(symbol: str, left: Any, right: Any, full: Any) -> bool:
    """Check the sizes; whether the result has the size of `full`, one of the operands."""
    return broadcast(symbol, type_of(left), type_of(right)) == full.shape


@kernel("*", "sparse", "dense")
def multiply_sparse_dense(left, right):
    cells = _finite_cells_at(left, right) if _fits("*", left, right, left) else None
    return NotImplemented if cells is None else with_data(left, left.csr.data * cells)


@kernel("*", "dense", "sparse")
def multiply_dense_sparse(left, right):
    cells = _finite_cells_at(right, left) if _fits("*", left, right, right) else None
    return NotImplemented if cells is None else with_data(right, cells * right.csr.data)


@kernel("/", "sparse", "dense")
def divide_sparse_dense(left, right):
    if not _fits("/", left, right, left) or not (right != 0).all() or np.isnan(right).any():
        return NotImplemented
    return with_data(left, left.csr.data / _cells_at(left, right))


@kernel("&", "sparse", "dense")
def and_sparse_dense(left, right):
    if not _fits("&", left, right, left):
        return NotImplemented
    return with_data(left, ((left.csr.data != 0) & (_cells_at(left, right) != 0)).astype(left.dtype))


@kernel("&", "dense", "sparse")
def and_dense_sparse(left, right):
    return (
        and_sparse_dense(right, left)
        if _fits("&", left, right, right) and left.shape == right.shape
        else NotImplemented
    )


def _scatter(ufunc: np.ufunc, out: np.ndarray, X: Sparse) -> np.ndarray:
    at = (row_numbers(X), X.csr.indices)
    out[at] = ufunc(out[at], X.csr.data)
    return out


@kernel("+", "sparse", "dense")
def add_sparse_dense(left, right):
    if left.shape != right.shape or left.dtype != right.dtype:
        return NotImplemented
    return _scatter(np.add, right.copy(), left)


@kernel("+", "dense", "sparse")
def add_dense_sparse(left, right):
    return add_sparse_dense(right, left)


@kernel("-", "sparse", "dense")
def subtract_sparse_dense(left, right):
    if left.shape != right.shape or left.dtype != right.dtype:
        return NotImplemented
    return _scatter(np.add, np.subtract(0.0, right), left)


@kernel("-", "dense", "sparse")
def subtract_dense_sparse(left, right):
    if left.shape != right.shape or left.dtype != right.dtype:
        return NotImplemented
    return _scatter(np.subtract, left.copy(), right)


# ---- of two sparse matrices of equal size


def _of_two(symbol: str, combine: Callable[[Any, Any], Any], *, finite: bool = False) -> None:
    """Register a kernel; combine: of two csr matrices.  finite: correct only if no stored value is NaN or infinite."""

    @kernel(symbol, "sparse", "sparse")
    def run(left: Any, right: Any) -> Any:
        if left.shape != right.shape:
            return _with_vector(symbol, left, right)
        if finite and not (all_finite(left.csr.data) and all_finite(right.csr.data)):
            return map_union(BINARY[symbol].meaning, left, right)
        result = combine(left.csr, right.csr)
        return finish(result.astype(np.result_type(left.dtype, right.dtype), copy=False))


def _with_vector(symbol: str, left: Any, right: Any) -> Any:
    """Two sparse matrices of different sizes: a row or a column is repeated, and is small enough to be dense."""
    _check(BINARY[symbol], left, right)
    small_left = left.shape[0] * left.shape[1] < right.shape[0] * right.shape[1]
    return BINARY[symbol].run(*((left.to_dense(), right) if small_left else (left, right.to_dense())))


def _pattern(csr: Any) -> Any:
    """1 where the matrix is not 0."""
    return from_parts((csr.data != 0).astype(csr.dtype), csr.indices, csr.indptr, csr.shape).csr


_of_two("+", lambda a, b: a + b)
_of_two("-", lambda a, b: a - b)
_of_two("*", lambda a, b: a.multiply(b), finite=True)
_of_two("!=", lambda a, b: a != b)
_of_two("<", lambda a, b: a < b)
_of_two(">", lambda a, b: a > b)
_of_two("&", lambda a, b: _pattern(a).multiply(_pattern(b)))
_of_two("|", lambda a, b: (_pattern(a) + _pattern(b)) != 0)


def _of_stored(symbol: str) -> None:
    """Register a kernel that works for any function of two cells, at the cells that are stored in one of them."""

    @kernel(symbol, "sparse", "sparse")
    def run(left: Any, right: Any) -> Any:
        if left.shape != right.shape:
            return _with_vector(symbol, left, right)
        return map_union(BINARY[symbol].meaning, left, right)


# those whose image of two zeros is not 0 are dense, but made of the stored cells
for _symbol in BINARY:
    if ("sparse", "sparse") not in BINARY[_symbol].kernels:
        _of_stored(_symbol)

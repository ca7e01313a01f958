"""Matrix products with sparse operands, and Einstein sums that are products, sums or transposes."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydml.backends.cpu.threads import parallel_for
from pydml.backends.sparse.form import all_finite, finish, row_numbers, with_data
from pydml.builtins.operators import matrix_product
from pydml.builtins.registry import kernel, lookup
from pydml.values import Sparse, type_of
from pydml.values.storage import SPARSITY_TURN_POINT

_DENSE_OPERAND_BYTES = 2**28
_TILE_CELLS = 1 << 18  # stored cells of a tile
_PARTIAL_SUMS = 8
_THREADED_WORK = 1 << 21  # products below which one call is as fast
_COMPILED_WORK = 1 << 23  # products that are worth loading Numba
_NS_PER_PRODUCT = 1.0
_DENSE_PRODUCTS = 16  # with cells of a dense matrix that take as long as one with stored cells
_NS_PER_SPARSE_PRODUCT = 30.0
_GATHERED = 1 << 16  # cells of a factor that are gathered at once
_NS_PER_GATHER = 2.0
_SELECTED_CELLS = 1 << 16  # of a tile from which columns are selected


def _check(left, right) -> None:
    if left.shape[1] != right.shape[0]:
        matrix_product.infer((type_of(left), type_of(right)))


def _tiles(indptr: np.ndarray, most: int) -> np.ndarray:
    """Bounds of tiles of lines with about as many stored cells each; they follow from the matrix alone."""
    count = min(most, -(-int(indptr[-1]) // _TILE_CELLS))
    inner = np.searchsorted(indptr, np.linspace(0, indptr[-1], count + 1))[1:-1]
    return np.unique([0, *inner.tolist(), len(indptr) - 1])


def _in_threads(left: Any, right: np.ndarray) -> np.ndarray:
    """left @ right, of compressed rows or columns.  SciPy's functions use one thread and release the GIL: each tile is a call.

    Tiles of rows write rows of the result.  Tiles of columns give partial sums, of which there are few, added in their order.
    """
    lines = len(left.indptr) - 1
    if left.nnz * right.shape[1] < _THREADED_WORK or lines < 2:
        return left @ right
    right = np.ascontiguousarray(right)
    rows = left.format == "csr"
    bounds = _tiles(left.indptr, 1 << 16 if rows else _PARTIAL_SUMS)
    kind = type(left)
    out = np.empty((left.shape[0], right.shape[1]), np.result_type(left.dtype, right.dtype)) if rows else None
    parts: list[Any] = [None] * (len(bounds) - 1)

    def run(start: int, stop: int) -> None:
        for tile in range(start, stop):
            a, b = int(bounds[tile]), int(bounds[tile + 1])
            cells = slice(int(left.indptr[a]), int(left.indptr[b]))
            shape = (b - a, left.shape[1]) if rows else (left.shape[0], b - a)
            part = kind((left.data[cells], left.indices[cells], left.indptr[a : b + 1] - left.indptr[a]), shape=shape)
            if out is not None:
                out[a:b] = part @ right
            else:
                parts[tile] = part @ right[a:b]

    parallel_for(run, len(parts), left.nnz * right.shape[1] * _NS_PER_PRODUCT)
    if out is not None:
        return out
    result = parts[0]
    for part in parts[1:]:
        result += part
    return result


def _sparse_times_dense(left, right: np.ndarray) -> np.ndarray:
    """left @ right, of compressed rows or columns, with NaN where a cell that is not stored meets a NaN or an infinity."""
    result = _in_threads(left, right)
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
    turned = right.compressed.T
    if left.size >= _SELECTED_CELLS and right.nnz <= right.shape[1]:
        columns = turned.tocsr()
        if (np.diff(columns.indptr) <= 1).all() and all_finite(left):
            return _selected(left, columns)
    return _sparse_times_dense(turned, left.T).T


def _selected(left: np.ndarray, columns: Any) -> np.ndarray:
    """Each column of the result is a multiple of one column of `left`, or zero.  columns: their rows, of one stored cell at most."""
    given = np.flatnonzero(np.diff(columns.indptr))
    places, factors = columns.indices[: len(given)], columns.data[: len(given)]
    n, m = left.shape[0], columns.shape[0]
    full, same = len(given) == m, bool((factors == 1).all())
    result = np.empty((n, m), np.result_type(left.dtype, factors.dtype))
    rows = max(1, _SELECTED_CELLS // max(left.shape[1], m, 1))

    def run(start: int, stop: int) -> None:
        for top in range(start * rows, min(stop * rows, n), rows):
            part = left[top : top + rows].take(places, axis=1)
            if not same:
                part = part * factors
            if full:
                result[top : top + rows] = part
            else:
                result[top : top + rows] = 0
                result[top : top + rows, given] = part

    parallel_for(run, -(-n // rows), n * m * _NS_PER_PRODUCT)
    return result


def _is_transpose(a: Any, b: Any) -> bool:
    """Whether a is t(b), made without a copy."""
    return (
        a.format == "csc"
        and b.format == "csr"
        and a.nnz == b.nnz > 0
        and a.shape == b.shape[::-1]
        and all(getattr(a, part).ctypes.data == getattr(b, part).ctypes.data for part in ("data", "indices", "indptr"))
    )


def _gram(S: Sparse) -> Any:
    """t(S) %*% S: a dense sum over the rows where it is not sparse itself."""
    csr = S.csr
    n = csr.shape[1]
    counts = np.diff(csr.indptr).astype(np.float64)
    products = float((counts * counts).sum())
    if products < _COMPILED_WORK or products < n * n or n * n * 8 > _DENSE_OPERAND_BYTES or not all_finite(csr.data):
        # few products, or a large result: SciPy's sparse product
        return finish(csr.T.tocsr() @ csr)
    from pydml.backends.sparse import compiled

    add = compiled.gram(csr.indices.dtype.name, csr.dtype.name)
    # each partial sum must be worth clearing and adding a matrix
    bounds = _tiles(csr.indptr, min(_PARTIAL_SUMS, max(2, int(products / (8 * n * n)))))
    parts: list[Any] = [None] * (len(bounds) - 1)

    def run(start: int, stop: int) -> None:
        for tile in range(start, stop):
            parts[tile] = np.zeros((n, n))
            add(csr.indptr, csr.indices, csr.data, int(bounds[tile]), int(bounds[tile + 1]), parts[tile])

    parallel_for(run, len(parts), products * _NS_PER_PRODUCT)
    upper = parts[0]
    for part in parts[1:]:
        upper += part
    for start in range(0, n, 128):  # the lower triangle, a band of columns at a time
        upper[start:, start : start + 128] += np.triu(upper[start : start + 128, start:], 1).T
    return upper.astype(csr.dtype, copy=False)


@kernel("sampledProduct", "sparse", "dense", "dense")
def sampledProduct_sparse(W, U, V):
    if not (all_finite(U) and all_finite(V)):
        return NotImplemented  # 0 * NaN is NaN
    return with_data(W, weighted_cells(W, W.csr.data, U, V))


def weighted_cells(W: Sparse, weights: np.ndarray, U: np.ndarray, V: np.ndarray) -> np.ndarray:
    """The stored cells of W in U %*% t(V), times their weights."""
    csr = W.csr
    rank = U.shape[1]
    if csr.nnz * rank < _COMPILED_WORK:
        out = np.empty(csr.nnz, csr.dtype)
        rows, columns = row_numbers(W), csr.indices
        step = max(256, _GATHERED // max(rank, 1))

        def gather(start: int, stop: int) -> None:
            for tile in range(start, stop):
                part = slice(tile * step, (tile + 1) * step)
                cells = np.einsum("ij,ij->i", U.take(rows[part], 0), V.take(columns[part], 0))
                np.multiply(weights[part], cells, out=out[part])

        parallel_for(gather, -(-csr.nnz // step), csr.nnz * (rank + 4) * _NS_PER_GATHER)
        return out
    from pydml.backends.sparse import compiled

    dtype = csr.dtype
    U, V = np.ascontiguousarray(U, dtype), np.ascontiguousarray(V, dtype)
    product = compiled.sampled(csr.indices.dtype.name, dtype.name)
    bounds = _tiles(csr.indptr, 1 << 16)
    out = np.empty(csr.nnz, dtype)

    def run(start: int, stop: int) -> None:
        product(csr.indptr, csr.indices, weights, U, V, int(bounds[start]), int(bounds[stop]), out)

    parallel_for(run, len(bounds) - 1, csr.nnz * rank * _NS_PER_PRODUCT)
    return out


@kernel("sampled product chain", "sparse", "dense", "dense")
def sampled_chain_sparse(W, U, V):
    """The first product is not stored.  Of compressed columns, as a transposed matrix has them, tiles give partial sums."""
    m, n = W.shape
    rank = U.shape[1]
    work = float(W.nnz) * rank
    form = W.compressed
    by_rows = form.format == "csr"
    if (
        (U.shape[0], V.shape) != (m, (n, rank))
        or work < _COMPILED_WORK
        or (not by_rows and m * _PARTIAL_SUMS > form.nnz)
        or not (all_finite(U) and all_finite(V) and all_finite(form.data))
    ):
        return NotImplemented
    from pydml.backends.sparse import compiled

    dtype = form.dtype
    U, V = np.ascontiguousarray(U, dtype), np.ascontiguousarray(V, dtype)
    bounds = _tiles(form.indptr, 1 << 16 if by_rows else _PARTIAL_SUMS)
    tiles = len(bounds) - 1
    kind = compiled.sampled if by_rows else compiled.sampled_chain_of_columns
    multiply = kind(form.indices.dtype.name, dtype.name)
    out = np.empty((m, rank), dtype) if by_rows else np.zeros((tiles, m, rank), dtype)

    def run(start: int, stop: int) -> None:
        for tile in range(start, stop):
            a, b = int(bounds[tile]), int(bounds[tile + 1])
            if not by_rows:
                multiply(form.indptr, form.indices, form.data, U, V, a, b, out[tile])
                continue
            first = form.indptr[a]
            cells = slice(int(first), int(form.indptr[b]))
            starts, indices = form.indptr[a : b + 1] - first, form.indices[cells]
            data = np.empty(len(indices), dtype)
            multiply(starts, indices, form.data[cells], U[a:b], V, 0, b - a, data)
            out[a:b] = type(form)((data, indices, starts), shape=(b - a, n)) @ V

    parallel_for(run, tiles, 2 * work * _NS_PER_PRODUCT)
    return out if by_rows else out.sum(axis=0)


@kernel("%*%", "sparse", "sparse")
def product_sparse_sparse(left, right):
    _check(left, right)
    if _is_transpose(left.compressed, right.compressed):
        return _gram(right)
    a, b = left.csr, right.csr
    m, n = a.shape[0], b.shape[1]
    if not (all_finite(a.data) and all_finite(b.data)):
        return _sparse_times_dense(a, right.to_dense()) if all_finite(a.data) else NotImplemented
    # Expected share of non-zeros, if they are spread evenly.  A dense result is built faster from a dense operand.
    products = float(np.diff(b.indptr)[a.indices].sum(dtype=np.float64))
    share = 1 - np.exp(-products / max(m * n, 1))
    few = a.nnz * float(n) < _DENSE_PRODUCTS * products
    if share > SPARSITY_TURN_POINT and few and b.shape[0] * n * 8 <= _DENSE_OPERAND_BYTES:
        return np.asarray(a @ b.toarray())
    if (
        share > SPARSITY_TURN_POINT + 0.1
    ):  # certainly dense, and so not to be sorted; cells in patterns fill less than expected
        return finish(a @ b)
    return finish(_sorted_product(a, right.compressed.tocsc(), products))


def _sorted_product(a: Any, b: Any, products: float) -> Any:
    """a @ b of compressed rows and compressed columns, in tiles of rows.

    SciPy leaves the indices of a line in any order; to turn compressed columns into rows sorts them, sooner than sorting does.
    """
    from scipy.sparse import csr_matrix

    if not a.shape[0]:
        return csr_matrix((0, b.shape[1]), dtype=a.dtype)
    most = max(1, min(_PARTIAL_SUMS, int(products / max(_TILE_CELLS, b.nnz)), a.shape[0]))
    inner = np.searchsorted(a.indptr, np.linspace(0, a.indptr[-1], most + 1))[1:-1]
    bounds = np.unique([0, *inner.tolist(), a.shape[0]])
    parts: list[Any] = [None] * (len(bounds) - 1)

    def run(start: int, stop: int) -> None:
        for tile in range(start, stop):
            parts[tile] = (a[int(bounds[tile]) : int(bounds[tile + 1])].tocsc() @ b).tocsr()

    parallel_for(run, len(parts), products * _NS_PER_SPARSE_PRODUCT)
    if len(parts) == 1:
        return parts[0]
    starts = np.cumsum([0, *(part.nnz for part in parts)])
    indptr = [parts[0].indptr[:1].astype(np.int64)]
    indptr += [part.indptr[1:] + start for part, start in zip(parts, starts, strict=False)]
    data, indices = (np.concatenate([getattr(part, name) for part in parts]) for name in ("data", "indices"))
    return csr_matrix((data, indices, np.concatenate(indptr)), shape=(a.shape[0], b.shape[1]))


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

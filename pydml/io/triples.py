"""Matrices from row, column and value triples, and triples from matrices: for the formats that list non-zero cells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from pydml.values.storage import SPARSITY_TURN_POINT, Sparse, check_dense_size, compact

# lines that are made at once: large enough to be quick, small enough to stay in the cache
CHUNK = 1 << 16


def assemble(rows: int, cols: int, i: np.ndarray, j: np.ndarray, values: np.ndarray, dtype: Any) -> np.ndarray | Sparse:
    """The rows x cols matrix with these cells (0-based), sparse where that is worth it.  Of repeated cells the last one counts."""
    cells = rows * cols
    if cols > 1 and cells >= 4096 and len(values) < SPARSITY_TURN_POINT * cells:
        from scipy.sparse import csr_matrix

        if cells < 2**63:
            places = i * cols + j
            if not bool((places[1:] > places[:-1]).all()):
                order = np.argsort(places, kind="stable")  # repeated cells keep their order
                i, j, values = i[order], j[order], values[order]
        else:
            order = np.lexsort((j, i))
            i, j, values = i[order], j[order], values[order]
        kept = np.ones(len(i), bool)
        kept[:-1] = (i[1:] != i[:-1]) | (j[1:] != j[:-1])
        kept &= values != 0
        i, j, values = i[kept], j[kept], values[kept].astype(dtype)
        starts = np.zeros(rows + 1, np.int64)
        np.cumsum(np.bincount(i, minlength=rows), out=starts[1:])
        return Sparse(csr_matrix((values, j, starts), shape=(rows, cols)))
    check_dense_size(rows, cols, np.dtype(dtype).itemsize)
    result = np.zeros((rows, cols), dtype)
    result[i, j] = values
    return result


def converted(array: np.ndarray, dtype: Any) -> np.ndarray | Sparse:
    """A matrix of cells of any type as doubles (or singles), sparse where that is worth it; never a view of `array`."""
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    value = compact(array)
    if isinstance(value, Sparse):
        return Sparse(value.csr.astype(dtype))
    return np.array(value, dtype=dtype, order="C", subok=False)


def nonzero_cells(value: Any) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """The non-zero cells by rows, as (rows, columns, values), 0-based, some thousand at a time."""
    rows, cols = value.shape
    if type(value) is Sparse:
        csr = value.csr
        if not csr.has_sorted_indices:
            csr = csr.sorted_indices()
        for start in range(0, csr.nnz, CHUNK):
            part = slice(start, start + CHUNK)
            values = csr.data[part]
            i = np.searchsorted(csr.indptr, np.arange(start, start + len(values)), side="right") - 1
            kept = values != 0
            yield i[kept], csr.indices[part][kept], values[kept]
        return
    step = max(1, CHUNK // max(cols, 1))
    for start in range(0, rows, step):
        block = value[start : start + step]
        i, j = np.nonzero(block)
        yield i + start, j, block[i, j]


def row_blocks(value: Any, cells: int) -> Iterator[np.ndarray]:
    """The rows as dense blocks of about so many cells, one row at least."""
    rows, cols = value.shape
    step = max(1, cells // max(cols, 1))
    for start in range(0, rows, step):
        if type(value) is Sparse:
            yield value.csr[start : start + step].toarray()
        else:
            yield value[start : start + step]


def count_nonzero(value: Any) -> int:
    """Cells that are not zero; NaN counts."""
    return int(np.count_nonzero(value.csr.data if type(value) is Sparse else value))

"""Storages of matrices: how the cells of a DML matrix are held at run time.

A dense matrix is a plain two-dimensional `numpy.ndarray` of float64 (float32 with `--precision single`); it may be a view
and need not be contiguous.  A sparse matrix is a `Sparse`.  Scalars are Python int, float, bool and str.  All values are
immutable to DML: nobody writes into an array that was handed to him, except where `execution` has proved that nobody
else holds it.

`kind_of(value)` names the storage; builtins have kernels per combination of kinds.  A new storage (device, blocked) is a
class with `shape`, `dtype`, `item(row, col)` and `to_dense()`, entered by `register_storage`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csc_matrix, csr_matrix

Dense = np.ndarray


class Sparse:
    """A sparse matrix.

    csr: its compressed rows, a scipy.sparse.csr_matrix with sorted, summed indices and no stored zeros.  A transposed matrix is
    made of the compressed columns at no cost (`from_columns`) and becomes compressed rows when they are asked for; a product
    takes either form (`compressed`).

    Cells that were written one by one (`put`) are kept aside until all cells are asked for: a loop that fills a matrix builds it once.
    """

    __slots__ = ("_columns", "_pending", "_rows")

    def __init__(self, csr: csr_matrix):
        self._rows: Any = csr
        self._columns: Any = None
        self._pending: dict[int, float] = {}  # by row * columns + column, 0-based

    @classmethod
    def from_columns(cls, csc: csc_matrix) -> Sparse:
        """The matrix with these compressed columns."""
        result = cls.__new__(cls)
        result._rows, result._columns, result._pending = None, csc, {}
        return result

    @property
    def csr(self) -> csr_matrix:
        if self._pending:
            self._merge()
        if self._rows is None:
            self._rows = self._columns.tocsr()
        return self._rows

    @property
    def compressed(self) -> csr_matrix | csc_matrix:
        """The compressed rows or columns, whichever are there."""
        if self._pending:
            self._merge()
        return self._columns if self._rows is None else self._rows

    def transposed(self) -> Sparse:
        """The transpose, which shares the cells."""
        if self._pending:
            self._merge()
        return Sparse.from_columns(self._rows.T) if self._rows is not None else Sparse(self._columns.T)

    def cell(self, row: int, col: int) -> float:
        """One cell, 0-based."""
        found = self._pending.get(row * self.shape[1] + col) if self._pending else None
        if found is not None:
            return found
        major, minor, form = (row, col, self._rows) if self._rows is not None else (col, row, self._columns)
        start, end = form.indptr[major], form.indptr[major + 1]
        at = start + int(np.searchsorted(form.indices[start:end], minor))
        return float(form.data[at]) if at < end and form.indices[at] == minor else 0.0

    def item(self, row: int, col: int) -> float:
        """One cell, 0-based, as of an array.  Raises IndexError."""
        rows, cols = self.shape
        if not (row < rows and col < cols):
            raise IndexError(row, col)
        return self.cell(row, col)

    def put(self, row: int, col: int, value: float) -> Dense | Sparse:
        """Write one cell, 0-based.  Only for who holds the only reference; he goes on with the result, which may have become dense."""
        self._pending[row * self.shape[1] + col] = float(self.dtype.type(value))
        count = len(self._pending)
        if count & 1023 == 0:
            form = self._columns if self._rows is None else self._rows
            rows, cols = form.shape
            if count + form.nnz >= SPARSITY_TURN_POINT * rows * cols:
                return self.to_dense()
            if count > max(1 << 16, form.nnz >> 2):
                self._merge()
        return self

    def put_block(self, r0: int, r1: int, c0: int, c1: int, value: Any) -> None:
        """Write the cells of rows r0..r1 and columns c0..c1, 0-based and half open, under the condition of `put`."""
        cols = self.shape[1]
        form = self.csr
        start, stop = form.indptr[r0], form.indptr[r1]
        row = np.repeat(np.arange(r0, r1, dtype=np.int64), np.diff(form.indptr[r0 : r1 + 1]))
        col = form.indices[start:stop]
        inside = (col >= c0) & (col < c1)
        pending = dict.fromkeys((row[inside] * cols + col[inside]).tolist(), 0.0)
        if type(value) is Sparse:
            cells = value.csr.tocoo()
            row, col, data = cells.row, cells.col, cells.data
        else:
            row, col = np.nonzero(value)
            data = value[row, col]
        places = (row.astype(np.int64) + r0) * cols + col + c0
        pending.update(zip(places.tolist(), data.astype(self.dtype).tolist(), strict=True))
        self._pending.update(pending)

    def overlay(self) -> Sparse:
        """The same matrix, to be written by `put` and `put_block` without changing this one."""
        return Sparse(self.csr)

    def written_since(self, before: Sparse) -> dict[int, float]:
        """The cells in which this matrix, once an overlay of `before`, may differ from it."""
        if self._rows is before._rows:
            return self._pending
        changed = (self.csr != before.csr).tocoo()
        row, col = changed.row.astype(np.int64), changed.col
        values = np.asarray(self.csr[row, col]).ravel()
        return dict(zip((row * self.shape[1] + col).tolist(), values.tolist(), strict=True))

    def with_written(self, parts: list[dict[int, float]]) -> Sparse:
        """This matrix with the cells of `written_since`."""
        result = self.overlay()
        for cells in parts:
            result._pending.update(cells)
        return result

    def _merge(self) -> None:
        """Make the compressed rows with the cells that were kept aside.  Two threads that do it at once do no harm."""
        from scipy.sparse import csr_matrix

        pending = self._pending.copy()
        if self._rows is None:
            self._rows = self._columns.tocsr()
        rows = self._rows
        places = (
            np.repeat(np.arange(rows.shape[0], dtype=np.int64), np.diff(rows.indptr)) * rows.shape[1] + rows.indices
        )
        new = np.fromiter(pending, np.int64, len(pending))
        order = np.argsort(new)
        new, values = new[order], np.fromiter(pending.values(), rows.dtype, len(pending))[order]
        kept = ~np.isin(places, new)
        at = np.searchsorted(places[kept], new)
        places, data = np.insert(places[kept], at, new), np.insert(rows.data[kept], at, values)
        places, data = places[data != 0], data[data != 0]
        row, col = np.divmod(places, rows.shape[1])
        indptr = np.concatenate(([0], np.cumsum(np.bincount(row, minlength=rows.shape[0]))))
        self._rows = csr_matrix((data, col, indptr), shape=rows.shape)
        self._columns = None
        self._pending = {}

    @property
    def shape(self) -> tuple[int, int]:
        return (self._columns if self._rows is None else self._rows).shape

    @property
    def dtype(self) -> Any:
        return (self._columns if self._rows is None else self._rows).dtype

    @property
    def nnz(self) -> int:
        return int(self.compressed.nnz)

    def to_dense(self) -> np.ndarray:
        rows, cols = self.shape
        check_dense_size(rows, cols, self.dtype.itemsize)
        return self.compressed.toarray(order="C")

    def __repr__(self) -> str:
        return f"Sparse({self.shape[0]} x {self.shape[1]}, nnz={self.nnz})"


_STORAGES: dict[type, str] = {np.ndarray: "dense", Sparse: "sparse"}


def register_storage(cls: type, kind: str) -> None:
    """Make `cls` a matrix storage.  It needs `shape`, `dtype`, `item(row, col)` and `to_dense()`."""
    _STORAGES[cls] = kind


def kind_of(value: object) -> str | None:
    """The storage of a matrix, such as "dense" or "sparse"; None for any other value."""
    return _STORAGES.get(type(value))


def is_matrix(value: object) -> bool:
    return type(value) in _STORAGES


def to_dense(value: Any) -> np.ndarray:
    """The matrix as an array; a dense one is returned as it is."""
    return value if type(value) is np.ndarray else value.to_dense()


# A sparse form pays below this share of non-zeros (the turn point SystemDS uses); vectors of one column stay dense.
SPARSITY_TURN_POINT = 0.4


def compact(array: np.ndarray) -> Dense | Sparse:
    """The array, or its sparse form where that is much smaller.  For results of reading and construction."""
    rows, cols = array.shape
    if cols > 1 and rows * cols >= 4096 and np.count_nonzero(array) < SPARSITY_TURN_POINT * rows * cols:
        from scipy.sparse import csr_matrix

        return Sparse(csr_matrix(array))
    return array


def check_dense_size(rows: int, cols: int, itemsize: int = 8) -> None:
    """Raise DMLError "memory" where a dense matrix would be larger than the memory limit."""
    size = rows * cols * itemsize
    if size > memory_limit():
        from pydml.diagnostics import fail

        limit = f"; the limit of --mem is {size_text(_LIMIT)}" if _GIVEN else ""
        fail(
            "memory",
            f"a dense matrix of {rows} x {cols} would need {size_text(size)}{limit}",
            help="keep it sparse, or work on blocks of rows",
        )


def memory_limit() -> int:
    """The largest size in bytes that a dense matrix may have: what `set_memory_limit` says, or the machine's memory."""
    global _LIMIT
    if _LIMIT == 0:
        try:
            import os

            _LIMIT = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        except (ValueError, OSError, AttributeError):
            _LIMIT = 1 << 62
    return _LIMIT


def set_memory_limit(size: int | None) -> None:
    """Set the limit of the process in bytes; None: the machine's memory."""
    global _LIMIT, _GIVEN
    _LIMIT, _GIVEN = size or 0, bool(size)


def size_text(size: float) -> str:
    """`1.5 GiB`, `300.0 MiB`, `7.8 KiB`."""
    power = 3 if size >= 2**30 else 2 if size >= 2**20 else 1
    return f"{size / 2 ** (10 * power):.1f} {('KiB', 'MiB', 'GiB')[power - 1]}"


_LIMIT = 0
_GIVEN = False

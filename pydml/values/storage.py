"""Storages of matrices: how the cells of a DML matrix are held at run time.

A dense matrix is a plain two-dimensional `numpy.ndarray` of float64 (float32 with `--precision single`); it may be a view
and need not be contiguous.  A sparse matrix is a `Sparse`.  Scalars are Python int, float, bool and str.  All values are
immutable to DML: nobody writes into an array that was handed to him, except where `execution` has proved that nobody
else holds it.

`kind_of(value)` names the storage; builtins have kernels per combination of kinds.  A new storage (device, blocked) is a
class with `shape`, `dtype` and `to_dense()`, entered by `register_storage`.
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
    """

    __slots__ = ("_columns", "_rows")

    def __init__(self, csr: csr_matrix):
        self._rows: Any = csr
        self._columns: Any = None

    @classmethod
    def from_columns(cls, csc: csc_matrix) -> Sparse:
        """The matrix with these compressed columns."""
        result = cls.__new__(cls)
        result._rows, result._columns = None, csc
        return result

    @property
    def csr(self) -> csr_matrix:
        if self._rows is None:
            self._rows = self._columns.tocsr()
        return self._rows

    @property
    def compressed(self) -> csr_matrix | csc_matrix:
        """The compressed rows or columns, whichever are there."""
        return self._columns if self._rows is None else self._rows

    def transposed(self) -> Sparse:
        """The transpose, which shares the cells."""
        return Sparse.from_columns(self._rows.T) if self._rows is not None else Sparse(self._columns.T)

    @property
    def shape(self) -> tuple[int, int]:
        return self.compressed.shape

    @property
    def dtype(self) -> Any:
        return self.compressed.dtype

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
    """Make `cls` a matrix storage.  It needs `shape`, `dtype` and `to_dense()`."""
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

        limit = f"the limit of --mem is {size_text(_LIMIT)}" if _GIVEN else f"the machine has {size_text(_LIMIT)}"
        fail(
            "memory",
            f"a dense matrix of {rows} x {cols} would need {size_text(size)}; {limit}",
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

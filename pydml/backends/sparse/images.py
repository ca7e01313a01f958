"""Convolution, pooling and their gradients for sparse images or gradients: some images at a time are dense.

An image without stored cells takes no work: its result is found once.  Small batches are made dense as a whole, since what
follows a convolution is mostly dense, and their results are dense too.  The results of larger ones are sparse where few cells are not zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pydml.backends.sparse.form import all_finite
from pydml.builtins.registry import kernel, lookup
from pydml.values import Sparse, to_dense, type_of
from pydml.values.storage import SPARSITY_TURN_POINT, check_dense_size

SMALL_BYTES = 256 << 20  # dense images and results up to here are made as a whole
BLOCK_BYTES = 64 << 20  # of the images and results that are dense at a time


def _filled_rows(X: Any) -> np.ndarray:
    """Which rows have a cell that is not zero."""
    return np.diff(X.csr.indptr) > 0 if type(X) is Sparse else X.any(axis=1)


def _rows(X: Any, rows: np.ndarray) -> np.ndarray:
    return X.csr[rows].toarray() if type(X) is Sparse else X[rows]


def _bytes_per_image(*matrices: Any) -> int:
    return sum(X.shape[1] * X.dtype.itemsize for X in matrices)


def _for_blocks(rows: np.ndarray, bytes_per_row: int) -> Any:
    step = max(1, BLOCK_BYTES // max(bytes_per_row, 1))
    return (rows[start : start + step] for start in range(0, len(rows), step))


def _by_images(name: str, leading: int, batch: tuple[int, ...]) -> Any:
    """A kernel with a row of the result for each image.

    leading: the argument whose empty rows give empty results, or results that are all alike.  batch: all arguments with a row
    for each image.  The shapes follow the two first arguments, or the first one, that of the images at first.
    """

    def run(*args: Any) -> Any:
        operation = lookup(name)
        shape_at = next(i for i, a in enumerate(args) if type(a) is tuple)
        images = [args[i] for i in batch]
        (N, _), dtype = images[0].shape, np.result_type(*(a.dtype for a in args[:shape_at]))
        cols = operation.apply_rule([type_of(a) for a in args])[0].cols
        per_image = _bytes_per_image(*images) + cols * dtype.itemsize
        if N * per_image <= SMALL_BYTES:
            return operation.run(*map(_dense, args))

        def some(rows: np.ndarray) -> np.ndarray:
            part = [_rows(a, rows) if i in batch else _dense(a) for i, a in enumerate(args)]
            part[shape_at] = (len(rows), *args[shape_at][1:])
            return operation.run(*part)

        filled = _filled_rows(args[leading])
        rows, empty = np.flatnonzero(filled), np.flatnonzero(~filled)
        blank = some(empty[:1]) if len(empty) else np.zeros((1, cols), dtype)
        result = _Rows((N, cols), blank, len(rows))
        for chosen in _for_blocks(rows, per_image):
            result.put(chosen, some(chosen))
        return result.value()

    return run


def _dense(a: Any) -> Any:
    return a.to_dense() if type(a) is Sparse else a


class _Rows:
    """Rows of a result in ascending order: sparse if few cells are not zero, judged by the rows so far.

    blank: what all other rows hold, (1, cols).  filled: how many rows will come.
    """

    def __init__(self, shape: tuple[int, int], blank: np.ndarray, filled: int):
        self.shape, self.dtype = shape, blank.dtype
        self.filled, self.count = filled, 0
        self.parts: list[tuple[np.ndarray, Any]] = []
        self.stored = 0
        self.dense: np.ndarray | None = None
        if blank.any() or shape[1] == 1:
            self.fill(blank)

    def fill(self, blank: np.ndarray | float) -> None:
        check_dense_size(*self.shape, self.dtype.itemsize)
        self.dense = np.empty(self.shape, self.dtype)
        self.dense[:] = blank

    def put(self, rows: np.ndarray, cells: np.ndarray) -> None:
        if self.dense is None:
            self.stored += np.count_nonzero(cells)
            self.count += len(rows)
            if self.stored / self.count * self.filled < SPARSITY_TURN_POINT * self.shape[0] * self.shape[1]:
                from scipy.sparse import csr_matrix

                self.parts.append((rows, csr_matrix(cells)))
                return
            self.fill(0)
            for earlier, part in self.parts:
                self.dense[earlier] = part.toarray()
            self.parts = []
        self.dense[rows] = cells

    def value(self) -> Any:
        if self.dense is not None:
            return self.dense
        from scipy.sparse import csr_matrix

        counts = np.zeros(self.shape[0] + 1, np.int64)
        for rows, part in self.parts:
            counts[rows + 1] = np.diff(part.indptr)
        data = np.concatenate([np.empty(0, self.dtype), *(part.data for _, part in self.parts)])
        indices = np.concatenate([np.empty(0, np.int32), *(part.indices for _, part in self.parts)])
        return Sparse(csr_matrix((data, indices, np.cumsum(counts)), shape=self.shape))


def _filter_gradient(X: Any, dout: Any, *shapes: Any) -> Any:
    """The sum over the images with cells in both; where a cell is not finite, zeros on the other side have a say too."""
    operation = lookup("conv2d_backward_filter")
    N, per_image = X.shape[0], _bytes_per_image(X, dout)
    if N * per_image <= SMALL_BYTES:
        return operation.run(to_dense(X), to_dense(dout), *shapes)
    finite = all_finite(_cells(X)) and all_finite(_cells(dout))
    combine = np.logical_and if finite else np.logical_or
    rows = np.flatnonzero(combine(_filled_rows(X), _filled_rows(dout)))
    size = operation.apply_rule([type_of(a) for a in (X, dout, *shapes)])[0]
    total = np.zeros((size.rows, size.cols), np.result_type(X.dtype, dout.dtype))
    for chosen in _for_blocks(rows, per_image):
        total += operation.run(_rows(X, chosen), _rows(dout, chosen), (len(chosen), *shapes[0][1:]), *shapes[1:])
    return total


def _cells(X: Any) -> np.ndarray:
    return X.csr.data if type(X) is Sparse else X


_BY_IMAGES = {  # the argument whose empty rows give equal results, and those with a row for each image
    "conv2d": (0, (0,)),
    "conv2d_backward_data": (1, (1,)),
    "max_pool": (0, (0,)),
    "avg_pool": (0, (0,)),
    "max_pool_backward": (1, (0, 1)),
    "avg_pool_backward": (1, (0, 1)),
}
for _name, (_leading, _batch) in _BY_IMAGES.items():
    _run = _by_images(_name, _leading, _batch)
    if _name.endswith("_pool"):
        kernel(_name, "sparse")(_run)
        continue
    for _kinds in (("sparse", "dense"), ("dense", "sparse"), ("sparse", "sparse")):
        kernel(_name, *_kinds)(_run)
for _kinds in (("sparse", "dense"), ("dense", "sparse"), ("sparse", "sparse")):
    kernel("conv2d_backward_filter", *_kinds)(_filter_gradient)

"""The IDX format, in which MNIST and its successors are distributed.

A file is two zero bytes, a byte for the type of the cells, a byte for the number of dimensions, the dimensions as big-endian 32-bit ints, and
the cells, row-major and big-endian.  Reference: LeCun, Cortes and Burges, "The MNIST database of handwritten digits".

An array of n dimensions (N, d2, ..., dn) becomes the matrix (N, d2 * ... * dn), one item per row; labels become (N, 1).  Files whose
names end in `.gz` are decompressed while reading.  SystemDS has no such format.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from pydml.diagnostics import fail
from pydml.io.paths import only_file, read_bytes
from pydml.io.registry import Format
from pydml.io.triples import converted
from pydml.values.storage import Sparse, check_dense_size

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def _header(file: str, data: bytes) -> tuple[str, list[int], int]:
    """Type of the cells, dimensions, and the position of the first cell."""
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in _TYPES or data[3] == 0:
        fail("data-format", f"{file} is not an IDX file")
    end = 4 + 4 * data[3]
    if len(data) < end:
        fail("data-format", f"{file}: the file is cut off in its header")
    return _TYPES[data[2]], list(struct.unpack(f">{data[3]}I", data[4:end])), end


def _size(dimensions: list[int]) -> tuple[int, int]:
    cols = 1
    for n in dimensions[1:]:
        cols *= n
    return dimensions[0], cols


def parse_idx(file: str, data: bytes) -> np.ndarray:
    """The array in the content of a file, with its own dimensions and type.  file: what messages call it."""
    kind, dimensions, start = _header(file, data)
    rows, cols = _size(dimensions)
    found = (len(data) - start) // np.dtype(kind).itemsize
    if found != rows * cols:
        size = " x ".join(map(str, dimensions))
        fail("data-format", f"{file}: the header announces {size} = {rows * cols} cells, the file has {found}")
    return np.frombuffer(data, kind, rows * cols, start).reshape(dimensions)


def read_idx(path: str, options: dict[str, Any], metadata: Any, dtype: Any) -> Any:
    file = only_file(path)
    data = read_bytes(file)
    array = parse_idx(file, data)
    rows, cols = _size(list(array.shape))
    metadata.check_size(rows, cols)
    check_dense_size(rows, cols, np.dtype(dtype).itemsize)
    return converted(array.reshape(rows, cols), dtype)


def labels_idx(labels: np.ndarray) -> bytes:
    """The content of a file of one dimension with these whole numbers."""
    return bytes([0, 0, 0x0C, 1]) + struct.pack(">I", len(labels)) + labels.astype(">i4").tobytes()


def write_idx(value: Any, path: str, options: dict[str, Any]) -> None:
    """Write a two-dimensional array, of bytes where all cells are whole numbers from 0 to 255, else of doubles."""
    dense = value.csr.toarray() if type(value) is Sparse else value
    small = dense.size == 0 or (dense.min() >= 0 and dense.max() <= 255 and bool((dense == np.floor(dense)).all()))
    code = 0x08 if small else 0x0E
    if max(dense.shape) >= 2**32:
        fail("value", f"a matrix of {dense.shape[0]} x {dense.shape[1]} is too large for the format idx")
    with open(path, "wb") as out:
        out.write(bytes([0, 0, code, 2]) + struct.pack(">II", *dense.shape))
        out.write(dense.astype(_TYPES[code]).tobytes())


def size_idx(path: str, options: dict[str, Any], metadata: Any) -> tuple[int | None, int | None]:
    file = only_file(path)
    return _size(_header(file, read_bytes(file, 4 + 4 * 255))[1])


FORMAT = Format(
    name="idx",
    summary="arrays of any dimensions, such as the MNIST images and labels",
    read=read_idx,
    write=write_idx,
    metadata=False,
    empty=True,
    size=size_idx,
    sniff=lambda head: len(head) >= 8 and head[:2] == b"\0\0" and head[2] in _TYPES and 1 <= head[3] <= 8,
)

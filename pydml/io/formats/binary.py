"""The binary format of SystemDS: a Hadoop SequenceFile (version 6, not compressed) of square blocks.

A file is a header and records; all numbers are big-endian:

    "SEQ" 6, class names of key and value, two zero bytes, int 0, sync marker of 16 bytes
    record:   int length, int 16, key: long block row, long block column (1-based), value: int rows, int cols, byte kind, payload
    kind 0:   nothing, all cells are zero
    kind 1:   int n, n times (int row, int column, double); without the columns where the block has one column
    kind 2:   int n, then for each row int count, count times (int column, double)
    kind 3:   rows * cols doubles
    sync:     int -1 and the marker may stand before a record, so that a reader can start in the middle

Blocks that are missing are zero.  A folder of such files is read like one file.  Frames are in `pydml.io.frame_blocks`.
"""

from __future__ import annotations

import itertools
import os
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from pydml.diagnostics import fail
from pydml.io.frame_blocks import read_binary_frame, write_binary_frame
from pydml.io.metadata import BLOCK_SIZE
from pydml.io.paths import open_bytes, part_files
from pydml.io.registry import Format, Option
from pydml.io.sequence_file import SYNC_DISTANCE, SYNC_ESCAPE, damaged, header, read_header
from pydml.io.triples import assemble
from pydml.values.storage import SPARSITY_TURN_POINT, Sparse, check_dense_size, compact

_KEY = b"org.apache.sysds.runtime.matrix.data.MatrixIndexes"
_VALUE = b"org.apache.sysds.runtime.matrix.data.MatrixBlock"
_EMPTY, _ULTRA_SPARSE, _SPARSE, _DENSE = range(4)
_CELL = np.dtype([("row", ">i4"), ("col", ">i4"), ("value", ">f8")])
_COLUMN_CELL = np.dtype([("row", ">i4"), ("value", ">f8")])
_ROW_CELL = np.dtype([("col", ">i4"), ("value", ">f8")])
_INT = struct.Struct(">i")
_BODY = struct.Struct(">iqqiib")  # of a record after its length: length of the key, key, rows, cols, kind


def read_binary(path: str, options: dict[str, Any], metadata: Any, dtype: Any) -> Any:
    rows, cols, size = metadata.rows, metadata.cols, metadata.rows_in_block
    files = part_files(path)
    # a matrix with a few dense blocks in a wide empty space is not made dense
    wide = rows * cols > 4 * sum(os.path.getsize(f) for f in files)
    dense: np.ndarray | None = None
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for file in files:
        for i, j, block_rows, block_cols, kind, payload in _records(file):
            top, left = (i - 1) * size, (j - 1) * size
            expected = min(size, rows - top), min(size, cols - left)
            if i < 1 or j < 1 or min(expected) < 1 or (block_rows, block_cols) != expected:
                fail(
                    "metadata",
                    f"{file}: the block [{i},{j}] of {block_rows} x {block_cols} does not fit in a matrix of {rows} x {cols} "
                    f"in blocks of {size} x {size}",
                    help="rows, cols and rows_in_block are given by the .mtd or the read statement",
                )
            if kind == _DENSE and not wide:
                if dense is None:
                    check_dense_size(rows, cols, np.dtype(dtype).itemsize)
                    dense = np.zeros((rows, cols), dtype)
                cells = np.frombuffer(payload, ">f8", block_rows * block_cols)
                dense[top : top + block_rows, left : left + block_cols] = cells.reshape(block_rows, block_cols)
            elif kind != _EMPTY:
                r, c, values = _cells(file, block_rows, block_cols, kind, payload)
                if len(r) and (r.min() < 0 or r.max() >= block_rows or c.min() < 0 or c.max() >= block_cols):
                    fail(
                        "data-format",
                        f"{file}: the block [{i},{j}] has cells outside of its {block_rows} x {block_cols}",
                    )
                parts.append((r + top, c + left, values))
    if parts:
        r, c, values = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    else:
        r = c = np.zeros(0, np.int64)
        values = np.zeros(0)
    if dense is None:
        return assemble(rows, cols, r, c, values, dtype)
    dense[r, c] = values
    return compact(dense)


def _records(file: str) -> Iterator[tuple[int, int, int, int, int, bytes]]:
    """(block row, block column, rows, cols, kind, payload) of each record."""
    size = os.path.getsize(file)
    if file.endswith(".gz"):
        size = 2**31  # the size of the content is not known
    with open_bytes(file) as stream:
        sync = read_header(file, stream, _KEY, _VALUE)
        while head := stream.read(4):
            length = _INT.unpack(head)[0] if len(head) == 4 else -2
            if length == -1 and stream.read(16) == sync:
                continue
            place = stream.tell()
            body = stream.read(_BODY.size)
            if not _BODY.size - 4 <= length <= size or len(body) < _BODY.size:
                damaged(file, place)
            key_length, i, j, rows, cols, kind = _BODY.unpack(body)
            payload = stream.read(length - (_BODY.size - 4))
            whole = len(payload) == length - (_BODY.size - 4)
            if key_length != 16 or rows < 0 or cols < 0 or not 0 <= kind <= 3 or not whole:
                damaged(file, place)
            if kind == _DENSE and len(payload) != 8 * rows * cols:
                damaged(file, place)
            yield i, j, rows, cols, kind, payload


def _cells(file: str, rows: int, cols: int, kind: int, payload: bytes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, columns (0-based, in the block) and values of a block."""
    if kind == _DENSE:
        block = np.frombuffer(payload, ">f8", rows * cols).reshape(rows, cols)
        r, c = np.nonzero(block)
        return r, c, block[r, c].astype(np.float64)
    long_count = kind == _SPARSE and rows * cols > 2**31 - 1
    start = 8 if long_count else 4
    count = int.from_bytes(payload[:start], "big")
    if kind == _ULTRA_SPARSE:
        dtype = _COLUMN_CELL if cols == 1 else _CELL
        if len(payload) != start + count * dtype.itemsize:
            fail("data-format", f"{file}: a block is shorter than its {count} cells")
        cells = np.frombuffer(payload, dtype, count, start)
        r = cells["row"].astype(np.int64)
        c = np.zeros(count, np.int64) if cols == 1 else cells["col"].astype(np.int64)
        return r, c, cells["value"].astype(np.float64)
    counts, position = [], start
    unpack = _INT.unpack_from
    for _ in range(rows):
        n = unpack(payload, position)[0]
        counts.append(n)
        position += 4 + 12 * n
    if sum(counts) != count or position != len(payload):
        fail("data-format", f"{file}: the rows of a block do not have the {count} cells that it announces")
    r = np.repeat(np.arange(rows), counts)
    places = start + 4 * (r + 1) + 12 * np.arange(count)
    bytes_ = np.frombuffer(payload, np.uint8)[places[:, None] + np.arange(12)]
    cells = bytes_.view(_ROW_CELL).reshape(-1)
    return r, cells["col"].astype(np.int64), cells["value"].astype(np.float64)


def write_binary(value: Any, path: str, options: dict[str, Any]) -> None:
    """Write one file.  Each block takes the smallest kind, dense from a share of 0.4 non-zeros on, as in SystemDS."""
    size = int(options["rows_in_block"])
    if size < 1 or 8 * min(size, value.shape[0]) * min(size, value.shape[1]) > 2**31 - 100:
        fail("value", f"rows_in_block must be from 1 to 16000, got {size}")
    sync = os.urandom(16)
    with open(path, "wb") as out:
        out.write(header(_KEY, _VALUE, sync))
        last_sync = out.tell()
        blocks = _sparse_blocks(value.csr, size) if type(value) is Sparse else _dense_blocks(value, size)
        for i, j, rows, cols, kind, payload in blocks:
            if out.tell() > last_sync + SYNC_DISTANCE:
                out.write(SYNC_ESCAPE + sync)
                last_sync = out.tell()
            out.write(_INT.pack(_BODY.size - 4 + len(payload)))
            out.write(_BODY.pack(16, i + 1, j + 1, rows, cols, kind))
            out.write(payload)


_Block = tuple[int, int, int, int, int, Any]


def _dense_blocks(array: np.ndarray, size: int) -> Iterator[_Block]:
    rows, cols = array.shape
    for i in range(0, rows, size):
        for j in range(0, cols, size):
            block = array[i : i + size, j : j + size]
            nnz = int(np.count_nonzero(block))
            place = i // size, j // size, *block.shape
            if nnz == 0 or _pays(nnz, *block.shape):
                r, c = np.nonzero(block)
                yield (*place, *_encode(r, c, block[r, c], *block.shape))
            else:
                yield (*place, _DENSE, block.astype(">f8").tobytes())


def _sparse_blocks(csr: Any, size: int) -> Iterator[_Block]:
    """The blocks that are not empty, or one empty block."""
    rows, cols = csr.shape
    some = False
    for top in range(0, rows, size):
        part = csr[top : top + size].tocoo()
        kept = part.data != 0
        r, c, values = part.row[kept], part.col[kept], part.data[kept]
        column_block = c // size
        order = np.lexsort((c, r, column_block))
        r, c, values, column_block = r[order], c[order], values[order], column_block[order]
        starts = np.flatnonzero(np.diff(column_block, prepend=-1)).tolist()
        for start, end in itertools.pairwise([*starts, len(r)]):
            some = True
            j = int(column_block[start])
            shape = part.shape[0], min(size, cols - j * size)
            place = top // size, j, *shape
            cells = r[start:end], c[start:end] - j * size, values[start:end]
            if _pays(end - start, *shape):
                yield (*place, *_encode(*cells, *shape))
            else:
                block = np.zeros(shape, ">f8")
                block[cells[0], cells[1]] = cells[2]
                yield (*place, _DENSE, block.tobytes())
    if not some:
        yield 0, 0, min(size, rows), min(size, cols), _EMPTY, b""


def _pays(nnz: int, rows: int, cols: int) -> bool:
    """Whether a sparse kind is the better one for a block."""
    if nnz < rows:
        return 16 * nnz < 8 * rows * cols
    return nnz < SPARSITY_TURN_POINT * rows * cols and 4 * rows + 12 * nnz < 8 * rows * cols


def _encode(r: np.ndarray, c: np.ndarray, values: np.ndarray, rows: int, cols: int) -> tuple[int, bytes]:
    """Kind and payload of a block by its cells, sorted by rows."""
    nnz = len(r)
    if nnz == 0:
        return _EMPTY, b""
    if nnz < rows:
        cells = np.empty(nnz, _COLUMN_CELL if cols == 1 else _CELL)
        cells["row"], cells["value"] = r, values
        if cols > 1:
            cells["col"] = c
        return _ULTRA_SPARSE, _INT.pack(nnz) + cells.tobytes()
    cells = np.empty(nnz, _ROW_CELL)
    cells["col"], cells["value"] = c, values
    counts = np.bincount(r, minlength=rows)
    ends = 4 * np.arange(rows) + 12 * (np.cumsum(counts) - counts)
    payload = np.empty(4 * rows + 12 * nnz, np.uint8)
    payload[ends[:, None] + np.arange(4)] = counts.astype(">i4").view(np.uint8).reshape(-1, 4)
    places = 4 * (r + 1) + 12 * np.arange(nnz)
    payload[places[:, None] + np.arange(12)] = cells.view(np.uint8).reshape(-1, 12)
    head = struct.pack(">q" if rows * cols > 2**31 - 1 else ">i", nnz)
    return _SPARSE, head + payload.tobytes()


FORMAT = Format(
    name="binary",
    summary="blocks of cells in a SequenceFile, as SystemDS writes them",
    read=read_binary,
    write=write_binary,
    read_frame=read_binary_frame,
    write_frame=write_binary_frame,
    needs=("rows", "cols"),
    blocked=True,
    options=(Option("rows_in_block", "number", BLOCK_SIZE, "rows and columns of a block", ("write",)),),
)

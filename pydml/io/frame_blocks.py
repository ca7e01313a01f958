"""Frames in the binary format of SystemDS: a SequenceFile of blocks of rows.

A record holds the number of its first row (1-based, a long) and a block; all numbers are big-endian:

    int rows, int columns, byte 1 if the names are C1, C2, ... and nothing is noted, else 0
    for each column:  byte type
                      unless that: text name, long number of categories or -1, text for missing cells
                      an array

    array:  byte kind, then by kind
      0   long size in memory, a text for each cell; missing cells are empty
      1   a byte for each cell: BOOLEAN
      2   int cells, int longs, the longs: BOOLEAN as bits, the lowest first
      3   ints (INT32, UINT8)   4  longs (INT64)   5  floats (FP32)   6  doubles (FP64)
      7   two bytes for each character   11  longs (HASH64)   12  ints (HASH32)
      9   kind and cells, then kind 1 or 2 and booleans: which cells are there

A text is a length in two bytes and UTF-8 as Java writes it (a zero byte as two, characters beyond U+FFFF as two of three bytes).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from pydml.diagnostics import fail
from pydml.io.paths import open_bytes, part_files
from pydml.io.sequence_file import SYNC_DISTANCE, SYNC_ESCAPE, damaged, header, read_header
from pydml.values.columns import (
    BOOLEAN,
    CHARACTER,
    FP32,
    FP64,
    HASH32,
    HASH64,
    INT32,
    INT64,
    STRING,
    UINT8,
    CellError,
    Column,
    concatenated,
    object_array,
)
from pydml.values.frame import Frame, read_schema

_KEY = b"org.apache.hadoop.io.LongWritable"
_VALUE = b"org.apache.sysds.runtime.frame.data.FrameBlock"
_BLOCK_ROWS = 1000

_TYPE_BYTES = {
    UINT8: 2,
    FP32: 3,
    FP64: 4,
    INT32: 5,
    INT64: 6,
    BOOLEAN: 7,
    STRING: 8,
    HASH64: 10,
    HASH32: 11,
    CHARACTER: 12,
}
_TYPES = {number: type for type, number in _TYPE_BYTES.items()} | {1: UINT8, 9: STRING}
_TEXTS, _BYTES, _BITS, _OPTIONAL, _CHARACTERS = 0, 1, 2, 9, 7
_NUMBERS = {3: ">i4", 4: ">i8", 5: ">f4", 6: ">f8", 11: ">u8", 12: ">u4"}
_KINDS = {INT32: 3, UINT8: 3, INT64: 4, FP32: 5, FP64: 6, HASH64: 11, HASH32: 12}


class _Cursor:
    """Reads one record."""

    def __init__(self, data: bytes):
        self.data = data
        self.position = 0

    def number(self, size: int) -> int:
        self.position += size
        if self.position > len(self.data):
            raise ValueError
        return int.from_bytes(self.data[self.position - size : self.position], "big", signed=True)

    def text(self) -> str:
        start = self.position + 2
        end = start + int.from_bytes(self.data[self.position : start], "big")
        if end > len(self.data):
            raise ValueError
        self.position = end
        return _decoded(self.data[start:end])

    def array(self, dtype: str, count: int) -> np.ndarray:
        found = np.frombuffer(self.data, dtype, count, self.position)
        self.position += found.nbytes
        return found.astype(found.dtype.newbyteorder("="))

    def texts(self, count: int) -> list[str | None]:
        data, position, result = self.data, self.position, []
        for _ in range(count):
            start = position + 2
            position = start + (data[position] << 8 | data[position + 1])
            result.append(data[start:position])
        if position > len(data):
            raise ValueError
        self.position = position
        return [_decoded(t) if t else None for t in result]

    def booleans(self, kind: int, count: int) -> np.ndarray:
        if kind == _BYTES:
            return self.array("u1", count) != 0
        if kind != _BITS or self.number(4) != count:
            raise ValueError
        longs = self.array(">u8", self.number(4))
        return np.unpackbits(longs.astype("<u8").view(np.uint8), bitorder="little")[:count].astype(np.bool_)

    def cells(self, type: str, count: int) -> Column:
        kind = self.number(1)
        if kind == _OPTIONAL:
            column = self.cells(type, count)
            there = self.booleans(self.number(1), count)
            return Column(column.type, column.data, ~there)
        if kind == _TEXTS:
            self.number(8)
            return Column(STRING, object_array(self.texts(count)))
        if kind in (_BYTES, _BITS):
            return Column(BOOLEAN, self.booleans(kind, count))
        if kind == _CHARACTERS:
            return Column(CHARACTER, object_array([chr(c) for c in self.array(">u2", count).tolist()]))
        if kind not in _NUMBERS:
            raise NotImplementedError(kind)
        held = next(t for t, k in _KINDS.items() if k == kind)
        data = self.array(_NUMBERS[kind], count)
        return Column(UINT8, data.astype(np.uint8)) if type == UINT8 and kind == 3 else Column(held, data)


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        text = data.replace(b"\xc0\x80", b"\0").decode("utf-8", "surrogatepass")
        return text.encode("utf-16", "surrogatepass").decode("utf-16")


def _records(file: str) -> Iterator[tuple[int, bytes]]:
    """(first row, block) of each record."""
    with open_bytes(file) as stream:
        sync = read_header(file, stream, _KEY, _VALUE)
        while head := stream.read(4):
            length = int.from_bytes(head, "big", signed=True) if len(head) == 4 else -2
            if length == -1 and stream.read(16) == sync:
                continue
            place = stream.tell()
            body = stream.read(length + 4) if 8 <= length <= 2**31 - 5 else b""
            if len(body) != length + 4 or body[:4] != b"\0\0\0\x08":
                damaged(file, place)
            yield int.from_bytes(body[4:12], "big", signed=True), body[12:]


def read_binary_frame(path: str, options: dict[str, Any], metadata: Any, dtype: Any) -> Frame:
    """The frame in a file or folder of part files; its blocks may come in any order."""
    blocks = []
    for file in part_files(path):
        for first, data in _records(file):
            try:
                blocks.append((first, _block(data)))
            except (ValueError, IndexError, KeyError, UnicodeDecodeError):
                damaged(file, 0)
            except NotImplementedError as error:
                fail(
                    "not-supported", f"{file}: columns of kind {error} are not supported", help="write the frame as csv"
                )
    blocks.sort(key=lambda block: block[0])
    rows = sum(block[1].rows for block in blocks)
    if not blocks:
        fail("data-format", f"{path} holds no rows")
    expected = 1
    for first, frame in blocks:
        if first != expected or len(frame.columns) != len(blocks[0][1].columns):
            fail("data-format", f"{path}: the block from row {first} does not follow row {expected - 1}")
        expected += frame.rows
    start = blocks[0][1]
    metadata.check_size(rows, len(start.columns))
    types = list(start.schema)
    if metadata.schema is not None:
        types = read_schema(metadata.schema, path)
        if len(types) != len(start.columns):
            fail("metadata", f"{path} has {len(start.columns)} columns, the schema names {len(types)}")
    columns = []
    for j, type in enumerate(types):
        try:
            columns.append(concatenated([frame.columns[j].as_type(type) for _, frame in blocks]))
        except CellError as error:
            error.fail_in(path, start.column_names[j])
    # only the first block is sure to have them: those of later ones are made of defaults
    return Frame(columns, start.names, rows, start.imputed, start.distinct)


def _block(data: bytes) -> Frame:
    cursor = _Cursor(data)
    rows, cols = cursor.number(4), cursor.number(4)
    if rows < 0 or cols < 0 or rows > len(data) * 8 or cols > len(data):
        raise ValueError
    plain = cursor.number(1)
    columns, names, distinct, imputed = [], [], [], []
    for j in range(1, cols + 1):
        type = _TYPES[cursor.number(1)]
        name, count, text = f"C{j}", -1, ""
        if not plain:
            name, count, text = cursor.text(), cursor.number(8), cursor.text()
        names.append(name)
        distinct.append(count)
        imputed.append(text or None)
        columns.append(cursor.cells(type, rows) if rows else Column.filled(type, 0))
    if cursor.position != len(data):
        raise ValueError
    known = None if names == [f"C{j}" for j in range(1, cols + 1)] else names
    return Frame(columns, known, rows, imputed, distinct)


# ---- writing


def write_binary_frame(value: Frame, path: str, options: dict[str, Any]) -> None:
    """Write one file of blocks of 1000 rows."""
    sync = os.urandom(16)
    with open(path, "wb") as out:
        out.write(header(_KEY, _VALUE, sync))
        last_sync = out.tell()
        for start in range(0, max(value.rows, 1), _BLOCK_ROWS):
            if out.tell() > last_sync + SYNC_DISTANCE:
                out.write(SYNC_ESCAPE + sync)
                last_sync = out.tell()
            block = _encoded_block(value, start, min(start + _BLOCK_ROWS, value.rows))
            out.write(struct.pack(">iiq", 8 + len(block), 8, start + 1) + block)


def _encoded_block(value: Frame, start: int, stop: int) -> bytes:
    cols = len(value.columns)
    plain = value.names is None and value.imputed is None and value.distinct is None
    pieces = [struct.pack(">iib", stop - start, cols, plain)]
    for j, column in enumerate(value.columns):
        pieces.append(bytes([_TYPE_BYTES[column.type]]))
        if not plain:
            pieces.append(_encoded(value.column_names[j]))
            pieces.append(struct.pack(">q", -1 if value.distinct is None else value.distinct[j]))
            pieces.append(_encoded("" if value.imputed is None else value.imputed[j] or ""))
        if stop > start:
            pieces += _encoded_cells(column.take(slice(start, stop)))
    return b"".join(pieces)


def _encoded(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    if "\0" in text or any(c > "\uffff" for c in text):
        units = text.encode("utf-16-be", "surrogatepass")
        pairs = "".join(chr(units[i] << 8 | units[i + 1]) for i in range(0, len(units), 2))
        data = pairs.encode("utf-8", "surrogatepass").replace(b"\0", b"\xc0\x80")
    if len(data) > 0xFFFF:
        fail("value", f"write: a cell of {len(data)} bytes is too long for the binary format, which takes 65535")
    return len(data).to_bytes(2, "big") + data


def _encoded_cells(column: Column) -> list[bytes]:
    if column.type == STRING:
        cells = column.texts()
        # what the reader calls the size in memory: about 56 bytes and the characters for each text
        size = 40 + sum(56 + 2 * len(t or "") for t in cells)
        return [struct.pack(">bq", _TEXTS, size), *[_encoded(t or "") for t in cells]]
    pieces = [b"\x09"] if column.null is not None else []
    if column.type == BOOLEAN:
        pieces.append(bytes([_BYTES]) + column.data.astype(np.uint8).tobytes())
    elif column.type == CHARACTER:
        units = np.array([min(ord(c), 0xFFFF) for c in column.data.tolist()], ">u2")
        pieces.append(bytes([_CHARACTERS]) + units.tobytes())
    else:
        kind = _KINDS[column.type]
        pieces.append(bytes([kind]) + column.data.astype(_NUMBERS[kind]).tobytes())
    if column.null is not None:
        pieces.append(bytes([_BYTES]) + (~column.null).astype(np.uint8).tobytes())
    return pieces


__all__ = ["read_binary_frame", "write_binary_frame"]

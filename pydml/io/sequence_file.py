"""The frame of a Hadoop SequenceFile, version 6, not compressed: what stands before and between its records.

The binary formats of matrices (`formats.binary`) and frames (`frame_blocks`) are such files; the former describes the layout.
"""

from __future__ import annotations

from typing import BinaryIO, NoReturn

from pydml.diagnostics import fail

SYNC_DISTANCE = 100_000  # bytes between two sync markers
SYNC_ESCAPE = b"\xff\xff\xff\xff"


def damaged(file: str, position: int) -> NoReturn:
    fail("data-format", f"{file}: the file is damaged or cut off near byte {position}")


def header(key: bytes, value: bytes, sync: bytes) -> bytes:
    """The bytes before the first record.  key, value: names of their Java classes.  sync: 16 bytes."""
    return b"SEQ\x06" + bytes([len(key)]) + key + bytes([len(value)]) + value + b"\0\0" + b"\0\0\0\0" + sync


def read_header(file: str, stream: BinaryIO, key: bytes, value: bytes) -> bytes:
    """Read up to the first record; returns the sync marker.  key, value: the classes that the file should have."""
    kinds = {b"MatrixBlock": "matrix", b"FrameBlock": "frame"}
    wanted = kinds[value.rpartition(b".")[2]]
    magic = stream.read(4)
    if magic[:3] != b"SEQ":
        fail("data-format", f"{file} is not a binary {wanted} of SystemDS (a SequenceFile)")
    if magic[3:] != b"\x06":
        fail("not-supported", f"{file}: only version 6 of SequenceFile is supported")
    found = _text(file, stream), _text(file, stream)
    if found != (key, value):
        held = kinds.get(found[1].rpartition(b".")[2])
        if held is not None and held != wanted:
            fail("data-format", f"{file} holds a {held}, not a {wanted}", help=f'data_type="{held}"')
        fail("not-supported", f"{file}: a SequenceFile of {found[1].decode('latin-1')}, not of {wanted} blocks")
    if stream.read(2) != b"\0\0":
        fail("not-supported", f"{file}: compressed SequenceFiles are not supported")
    for _ in range(2 * int.from_bytes(stream.read(4), "big")):
        _text(file, stream)
    sync = stream.read(16)
    if len(sync) < 16:
        damaged(file, stream.tell())
    return sync


def _text(file: str, stream: BinaryIO) -> bytes:
    """A text with its length before it; a length over 127 has 1 to 4 bytes after a first one from 0x8f down."""
    first = stream.read(1)
    length = first[0] if first else 255
    if length > 127:
        more = 0x90 - length
        if not 1 <= more <= 4:
            damaged(file, stream.tell())
        length = int.from_bytes(stream.read(more), "big")
    text = stream.read(length)
    if len(text) < length:
        damaged(file, stream.tell())
    return text

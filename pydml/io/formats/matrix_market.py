"""The Matrix Market format: a header that names the size, then a line per cell.

Reference: Boisvert, Pozo and Remington, "The Matrix Market Exchange Formats", NISTIR 5935, 1996.  Read are coordinate and array
files, real, integer or pattern, general, symmetric or skew-symmetric; SystemDS 3.4.0 reads coordinate files without skew symmetry.
Written are coordinate real general files.  There is no `.mtd`.
"""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from pydml.diagnostics import DMLError, fail
from pydml.io.formats.text import parse_triples, write_triples
from pydml.io.numbers import bad_cell, parse_cell, parse_int, shown
from pydml.io.paths import part_files, read_bytes
from pydml.io.registry import Format
from pydml.io.triples import assemble, count_nonzero
from pydml.values.storage import compact

_MAGIC = b"%%MatrixMarket"


class Header:
    """The header of a file.  lines: number of its lines.  end: where the cells start.  entries: None for arrays."""

    def __init__(self, file: str, data: bytes):
        self.file = file
        first = _line(data, 0)
        words = first.lower().split()
        if len(words) != 5 or words[0] != _MAGIC.lower() or words[1] != b"matrix":
            self._fail(1, f"expected `%%MatrixMarket matrix coordinate real general`, found {shown(first)}")
        layout, self.field, self.symmetry = (w.decode("latin-1") for w in words[2:])
        for word, known in (
            (layout, ("coordinate", "array")),
            (self.field, ("real", "double", "integer", "pattern")),
            (self.symmetry, ("general", "symmetric", "skew-symmetric")),
        ):
            if word not in known:
                self._fail(1, f"{word} is not supported, only {', '.join(known)}")
        self.array = layout == "array"
        position, self.lines = len(first) + 1, 1
        while True:
            if position >= len(data):
                self._fail(self.lines, "the line with the size is missing")
            line = _line(data, position)
            position += len(line) + 1
            self.lines += 1
            if line.strip() and not line.lstrip().startswith(b"%"):
                break
        sizes = [n for n in map(parse_int, line.split()) if n is not None]
        if not len(sizes) == len(line.split()) == (2 if self.array else 3):
            self._fail(
                self.lines, f"expected {'rows columns' if self.array else 'rows columns entries'}, found {shown(line)}"
            )
        self.rows, self.cols = sizes[0], sizes[1]
        self.entries = None if self.array else sizes[2]
        self.end = position
        if self.symmetry != "general" and self.rows != self.cols:
            self._fail(self.lines, f"a {self.symmetry} matrix must be square, not {self.rows} x {self.cols}")
        if self.array and self.field == "pattern":
            self._fail(1, "an array cannot be a pattern")

    def _fail(self, line: int, message: str) -> NoReturn:
        fail("data-format", f"{self.file}: line {line}: {message}")


def _line(data: bytes, start: int) -> bytes:
    end = data.find(b"\n", start)
    return data[start : end if end >= 0 else len(data)]


def read_matrix_market(path: str, options: dict[str, Any], metadata: Any, dtype: Any) -> Any:
    files = part_files(path)
    if not files:
        fail("data-format", f"{path} is empty")
    data = read_bytes(files[0])
    header = Header(files[0], data)
    metadata.check_size(header.rows, header.cols)
    body = data[header.end :]
    if header.array:
        return _read_array(header, body, dtype)
    pattern = header.field == "pattern"
    parts = [parse_triples(files[0], body, header.lines + 1, header.rows, header.cols, pattern)]
    for file in files[1:]:
        parts.append(parse_triples(file, read_bytes(file), 1, header.rows, header.cols, pattern))
    i, j, values = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    if len(i) != header.entries:
        fail("data-format", f"{path}: the header announces {header.entries} entries, the file has {len(i)}")
    if header.symmetry != "general":
        sign = -1.0 if header.symmetry == "skew-symmetric" else 1.0
        other = i != j
        # the mirrored cells come first: where a file lists both halves, the listed one counts
        i, j, values = (
            np.concatenate([j[other], i]),
            np.concatenate([i[other], j]),
            np.concatenate([sign * values[other], values]),
        )
    return assemble(header.rows, header.cols, i, j, values, dtype)


def _read_array(header: Header, body: bytes, dtype: Any) -> Any:
    """Cells by columns, one on each line; of a symmetric matrix the lower triangle, of a skew one without the diagonal."""
    rows, cols = header.rows, header.cols
    values = []
    for number, line in enumerate(body.splitlines(), header.lines + 1):
        for text in line.split():
            value = parse_cell(text)
            if value is None:
                bad_cell(header.file, number, 1, text)
            values.append(value)
    if header.symmetry == "general":
        j, i = np.divmod(np.arange(rows * cols), max(rows, 1))
    else:
        j, i = np.triu_indices(rows, 1 if header.symmetry == "skew-symmetric" else 0)
    if len(values) != len(i):
        fail("data-format", f"{header.file}: the header announces {len(i)} cells, the file has {len(values)}")
    result = np.zeros((rows, cols), dtype)
    result[i, j] = values
    if header.symmetry != "general":
        other = i != j
        result[j[other], i[other]] = (-1 if header.symmetry == "skew-symmetric" else 1) * result[i[other], j[other]]
    return compact(result)


def write_matrix_market(value: Any, path: str, options: dict[str, Any]) -> None:
    rows, cols = value.shape
    with open(path, "wb") as out:
        head = f"%%MatrixMarket matrix coordinate real general\n{rows} {cols} {count_nonzero(value)}\n"
        out.write(head.encode())
        write_triples(out, value)


def size_matrix_market(path: str, options: dict[str, Any], metadata: Any) -> tuple[int | None, int | None]:
    files = part_files(path)
    if not files:
        return None, None
    limit = 1 << 16
    head = read_bytes(files[0], limit)
    try:
        header = Header(files[0], head)
    except DMLError:
        if len(head) < limit:
            raise
        return None, None  # more comment lines than that
    return header.rows, header.cols


FORMAT = Format(
    name="mm",
    summary="Matrix Market: a header with the size, then a line per cell",
    aliases=("matrixmarket", "mtx"),
    read=read_matrix_market,
    write=write_matrix_market,
    metadata=False,
    size=size_matrix_market,
    sniff=lambda head: head.startswith(_MAGIC),
)

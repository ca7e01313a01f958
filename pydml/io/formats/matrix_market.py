"""The Matrix Market format: a header that names the size, then a line per cell.

Reference: Boisvert, Pozo and Remington, "The Matrix Market Exchange Formats", NISTIR 5935, 1996.  Read are coordinate and array
files, real, integer or pattern, general, symmetric or skew-symmetric; SystemDS 3.4.0 reads coordinate files without skew symmetry.
Written are coordinate real general files.  There is no `.mtd`.
"""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from pydml.diagnostics import DMLError, fail
from pydml.io.formats.csv import Dialect
from pydml.io.formats.text import parse_triples, write_triples
from pydml.io.numbers import accelerated, bad_cell, parse_cell, parse_int, shown
from pydml.io.paths import part_files, read_bytes
from pydml.io.registry import Format
from pydml.io.triples import assemble, count_nonzero
from pydml.values.storage import check_dense_size, compact

_MAGIC = b"%%MatrixMarket"
_ONE_CELL = Dialect({"header": False, "sep": ",", "fill": False, "default": 0.0, "naStrings": ()})


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
        return _read_array(header, [(header.file, body), *((file, read_bytes(file)) for file in files[1:])], dtype)
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


def _read_array(header: Header, parts: list[tuple[str, bytes]], dtype: Any) -> Any:
    """Cells by columns, one on each line; of a symmetric matrix the lower triangle, of a skew one without the diagonal."""
    rows, cols = header.rows, header.cols
    check_dense_size(rows, cols, np.dtype(dtype).itemsize)
    values = np.concatenate(
        [_numbers(file, body, header.lines + 1 if k == 0 else 1) for k, (file, body) in enumerate(parts)]
    )
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


def _numbers(file: str, body: bytes, first_line: int) -> np.ndarray:
    """All numbers of some lines."""
    try:
        found = accelerated("parse_csv", file, body, _ONE_CELL, False, 1, np.float64)
    except DMLError:  # several numbers on a line, or a mistake
        found = NotImplemented
    if found is not NotImplemented:
        return found.ravel()
    values = []
    for number, line in enumerate(body.splitlines(), first_line):
        for column, text in enumerate(line.split(), 1):
            value = parse_cell(text)
            if value is None:
                bad_cell(file, number, column, text)
            values.append(value)
    return np.array(values, np.float64)


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

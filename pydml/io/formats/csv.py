"""The csv format: one line per row, cells divided by a separator.

Reading accepts what SystemDS 3.4.0 accepts (blanks around numbers, LF or CRLF, empty cells, a last line without its end, a
byte order mark), and beyond it `nan` and `inf` in any case, numbers in double quotes, and empty lines at the end of a file.  A row that is
longer than the first one is an error here; SystemDS drops its surplus cells.
"""

from __future__ import annotations

from array import array
from typing import Any, NoReturn

import numpy as np

from pydml.diagnostics import fail
from pydml.io.frames import read_csv_frame, write_csv_frame
from pydml.io.numbers import accelerated, bad_cell, cell_texts, parse_cell, shown
from pydml.io.paths import part_files, read_bytes
from pydml.io.registry import Format, Option
from pydml.io.triples import CHUNK, row_blocks
from pydml.values.storage import compact

_BOM = b"\xef\xbb\xbf"


def read_csv(path: str, options: dict[str, Any], metadata: Any, dtype: Any) -> Any:
    """The matrix in a file or folder; only the first file of a folder has a header."""
    dialect = Dialect(options)
    files = part_files(path)
    if not files:
        fail("data-format", f"{path} is empty")
    parts: list[np.ndarray] = []
    cols = None
    for n, file in enumerate(files):
        data = read_bytes(file)
        if not data:
            fail("data-format", f"{path} is empty")
        work = file, data, dialect, dialect.header and n == 0, cols, dtype
        part = accelerated("parse_csv", *work)
        parts.append(_parse(*work) if part is NotImplemented else part)
        cols = parts[0].shape[1]
    return finish(parts[0] if len(parts) == 1 else np.concatenate(parts), metadata)


def finish(matrix: np.ndarray, metadata: Any) -> Any:
    """The matrix with the size that was declared: rows that are missing at its end are zero."""
    rows, cols = matrix.shape
    metadata.check_size(rows, cols, padded=True)
    if metadata.rows is not None and rows < metadata.rows:
        padded = np.zeros((metadata.rows, cols), matrix.dtype)
        padded[:rows] = matrix
        matrix = padded
    return compact(matrix)


class Dialect:
    """The options of reading as bytes."""

    def __init__(self, options: dict[str, Any]):
        self.header: bool = options["header"]
        self.sep = separator(options["sep"])
        self.fill: bool = options["fill"]
        self.default: float = options["default"]
        strings = options["naStrings"]
        strings = (strings,) if isinstance(strings, str) else strings or ()
        # SystemDS joins several by a middle dot
        self.missing = frozenset(s.strip().encode() for text in strings for s in text.split("\xb7") if s.strip())


def separator(text: str) -> bytes:
    if not text or "\n" in text or "\r" in text:
        fail("value", f"sep must be a text without line ends, got {shown(text.encode())}")
    return text.encode()


def _parse(file: str, data: bytes, dialect: Dialect, header: bool, cols: int | None, dtype: Any) -> np.ndarray:
    """All rows of one file.  cols: the number of columns of the files before, None for the first."""
    if data.startswith(_BOM):
        data = data[3:]
    lines = data.splitlines()
    while lines and not lines[-1].strip(b" "):
        lines.pop()
    if not lines:
        fail("data-format", f"{file} holds no rows")
    sep = dialect.sep
    first_line = 2 if header and len(lines) > 1 else 1
    if cols is None:
        cols = lines[first_line - 1].count(sep) + 1
    if header and first_line == 1:
        return np.zeros((0, cols), dtype)
    quick = not dialect.missing and b"_" not in data
    values = array("d")
    size = 0
    for number, line in enumerate(lines[first_line - 1 :], first_line):
        if quick:
            cells = line.split(sep)
            try:
                if len(cells) == cols:
                    values.extend(map(float, cells))
                    size += cols
                    continue
            except ValueError:
                del values[size:]
        values.extend(parse_row(file, number, line, cols, dialect))
        size += cols
    return np.frombuffer(values, np.float64).astype(dtype, copy=False).reshape(-1, cols)


def parse_row(file: str, number: int, line: bytes, cols: int, dialect: Dialect) -> list[float]:
    """The cells of one line, of whatever kind they are.  Raises DMLError "data-format"."""
    cells = line.split(dialect.sep)
    if len(cells) != cols or (cols == 1 and not line.strip(b" ")):
        wrong_line(file, number, line, cols, dialect.sep)
    return [read_cell(file, number, k, cell, dialect) for k, cell in enumerate(cells, 1)]


def wrong_line(file: str, number: int, line: bytes, cols: int, sep: bytes) -> NoReturn:
    """Raise DMLError "data-format" for a line that is empty or has another number of cells than the lines before."""
    if not line.strip(b" "):
        fail("data-format", f"{file}: line {number} is empty")
    found = line.count(sep) + 1
    fail(
        "data-format",
        f"{file}: line {number} has {found} cells, the lines before have {cols}",
        help="name the separator by sep=" if 1 in (cols, found) else "",
    )


def read_cell(file: str, line: int, column: int, cell: bytes, dialect: Dialect) -> float:
    """The number in a cell of whatever kind.  Raises DMLError "data-format"."""
    text = cell.strip()
    if text in dialect.missing:
        return float("nan")
    if not text:
        if dialect.fill:
            return dialect.default
        fail(
            "data-format",
            f"{file}: line {line}, column {column}: the cell is empty",
            help="fill=TRUE reads it as default=",
        )
    value = parse_cell(text)
    if value is None and len(text) > 1 and text[:1] == text[-1:] == b'"':
        value = parse_cell(text[1:-1])
    if value is None:
        help = ""
        if line == 1 and not dialect.header:
            help = "header=TRUE skips the first line"
        elif text.strip(b'"').lower() in (b"na", b"null", b"none", b"n/a", b"missing", b"?"):
            help = f"naStrings={shown(text)} reads it as NaN"
        elif any(other in text and other != dialect.sep for other in (b";", b"\t", b",", b" ", b"|")):
            help = "name the separator by sep="
        bad_cell(file, line, column, text, help)
    return value


def write_csv(value: Any, path: str, options: dict[str, Any]) -> None:
    """Write the matrix to one file.  Zeros are `0`, or nothing with sparse=TRUE and several columns."""
    cols = value.shape[1]
    sep = separator(options["sep"]).decode()
    # a row without any character would be read as no row
    zero = "" if options["sparse"] and cols > 1 else "0"
    with open(path, "wb") as out:
        if options["header"]:
            out.write((sep.join(f"C{k}" for k in range(1, cols + 1)) + "\n").encode())
        if accelerated("write_csv", out, value, sep.encode(), zero.encode()) is not NotImplemented:
            return
        for block in row_blocks(value, CHUNK):
            texts = cell_texts(block.ravel().tolist(), zero)
            lines = [sep.join(texts[k : k + cols]) + "\n" for k in range(0, len(texts), cols)]
            out.write("".join(lines).encode())


def size_csv(path: str, options: dict[str, Any], metadata: Any) -> tuple[int | None, int | None]:
    """The declared size, or the number of columns by the first line."""
    cols = metadata.cols
    if cols is None:
        files = part_files(path)
        head = read_bytes(files[0], 1 << 16) if files else b""
        line, end, rest = head.partition(b"\n")
        if options["header"]:
            line, end, _ = rest.partition(b"\n")
        if end and line.strip():
            cols = line.count(separator(options["sep"])) + 1
    return metadata.rows, cols


FORMAT = Format(
    name="csv",
    summary="one line per row, cells divided by a separator",
    read=read_csv,
    write=write_csv,
    size=size_csv,
    read_frame=read_csv_frame,
    write_frame=write_csv_frame,
    options=(
        Option("header", "boolean", False, "the first line holds the names of the columns", in_metadata=True),
        Option("sep", "string", ",", "what divides cells: one or more characters, taken literally", in_metadata=True),
        Option("fill", "boolean", True, "an empty cell is read as `default`; FALSE: it is an error", ("read",)),
        Option(
            "default",
            "number|string",
            0.0,
            "the value of empty cells (in frames: of missing ones, if not 0)",
            ("read",),
        ),
        Option("naStrings", "string|shape", (), "texts that are read as NaN", ("read",)),
        Option("sparse", "boolean", False, "zeros are written as nothing", ("write",)),
    ),
)

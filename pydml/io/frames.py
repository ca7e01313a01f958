"""Frames in text files: csv, and the text format of triples.

Cells are read as SystemDS 3.4.0 reads them: blanks around a csv cell are no part of it, an empty cell is missing, a cell
in double quotes may hold the separator and keeps its quotes.  Without a schema all columns are text; in a column of
numbers, missing cells are 0; `default=` gives missing cells another value.  Unlike there, a text of triples keeps the
blanks in a cell, and cells with the separator are written in quotes.

Metadata of transformencode have two more lines: the texts that stand for missing cells, and the numbers of categories.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from pydml.diagnostics import fail
from pydml.io.numbers import shown
from pydml.io.paths import part_files, read_bytes
from pydml.values.arithmetic import to_int
from pydml.values.columns import BOOLEAN, FP32, FP64, INTEGERS, STRING, CellError, Column, concatenated
from pydml.values.frame import Frame, read_schema
from pydml.values.text import double_text

# lines that are taken apart at once, so that their pieces do not stay in memory
_CHUNK = 1 << 15
# distinct texts of a column that are kept in one copy each
_SHARED = 1 << 16

_IMPUTED, _DISTINCT = "#Meta\xb7MV", "#Meta\xb7ND"


def _text(file: str) -> str:
    data = read_bytes(file)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        fail("data-format", f"{file} is not UTF-8 text: {error.reason} in line {line}")


def _lines(text: str) -> list[str]:
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return lines


def _declared_schema(metadata: Any, cols: int) -> list[str]:
    if metadata.schema is None:
        return [STRING] * cols
    types = read_schema(metadata.schema, metadata.path)
    if len(types) == 1:
        return types * cols
    if len(types) != cols:
        source = metadata.origin("schema")
        fail("metadata", f"{metadata.path} has {cols} columns, the schema in {source} names {len(types)}")
    return types


# ---- csv


class _Shared(dict):
    """Cells as they stand in the file to the text of the frame: without blanks, `fill` if missing, each in one copy."""

    def __init__(self, missing: frozenset[str], fill: str | None):
        super().__init__()
        self.absent = missing
        self.fill = fill

    def __missing__(self, raw: str) -> str | None:
        text = raw.strip()
        found = self.fill if not text or text in self.absent else text
        if len(self) < _SHARED:
            self[raw] = found
        return found


class _Builder:
    """One column that grows by chunks.  default: what missing cells hold; 0: they stay missing."""

    def __init__(self, type: str, missing: frozenset[str], default: float):
        self.type = type
        self.shared = _Shared(missing, _default_text(type, default))
        self.parts: list[Column] = []

    def add(self, cells: Iterable[str]) -> None:
        self.parts.append(Column.of_texts(map(self.shared.__getitem__, cells), self.type))

    def column(self, rows: int) -> Column:
        size = sum(map(len, self.parts))
        if size < rows:
            self.parts.append(Column.filled(self.type, rows - size))
        return concatenated(self.parts) if self.parts else Column.filled(self.type, 0)


def _default_text(type: str, default: float) -> str | None:
    """The text of a number in a column of that type; a whole number for ints, as SystemDS makes it."""
    if default == 0 or type not in (STRING, FP32, FP64, *INTEGERS):
        return None
    return str(to_int(default)) if type in INTEGERS else double_text(default)


def read_csv_frame(path: str, options: dict[str, Any], metadata: Any, dtype: Any) -> Frame:
    """The frame in a file or folder; only the first file of a folder has a header."""
    sep = options["sep"]
    strings = options["naStrings"]
    strings = (strings,) if isinstance(strings, str) else strings or ()
    # SystemDS joins several by a middle dot
    missing = frozenset(s.strip() for text in strings for s in text.split("\xb7") if s.strip())
    default = float(options["default"]) if options["fill"] else 0.0
    files = part_files(path)
    if not files:
        fail("data-format", f"{path} is empty")
    names: list[str] | None = None
    notes: dict[str, list[str]] = {}
    builders: list[_Builder] | None = None
    rows = 0
    for n, file in enumerate(files):
        lines = _lines(_text(file))
        first = 0
        if options["header"] and n == 0:
            if not lines:
                fail("data-format", f"{file} has no header")
            names = _split_line(lines[0], sep)
            first = 1
        while n == 0 and first < len(lines) and lines[first].startswith((_IMPUTED, _DISTINCT)):
            word, *values = _split_line(lines[first], sep)
            notes[word] = values
            first += 1
        if builders is None:
            if first == len(lines) and names is None:
                fail("data-format", f"{file} holds no rows")
            cols = len(names) if names is not None else len(_split_line(lines[first], sep))
            builders = [_Builder(t, missing, default) for t in _declared_schema(metadata, cols)]
        # an empty line is a missing cell where there is one column; else only the end of a file may have some
        while len(builders) > 1 and len(lines) > first and not lines[-1].strip(" "):
            lines.pop()
        _parse_lines(file, lines, first, sep, builders)
        rows += len(lines) - first
    assert builders is not None
    metadata.check_size(rows, len(builders), padded=True)
    rows = metadata.rows if metadata.rows is not None else rows
    imputed = [None if t == "null" else t for t in notes[_IMPUTED]] if _IMPUTED in notes else None
    distinct = [int(t) if t.lstrip("-").isdigit() else -1 for t in notes.get(_DISTINCT, ())] or None
    for kept in (imputed, distinct):
        if kept is not None and len(kept) != len(builders):
            fail(
                "data-format", f"{path}: the line {_IMPUTED} or {_DISTINCT} has {len(kept)} cells, not {len(builders)}"
            )
    return Frame([b.column(rows) for b in builders], _own_names(names), rows, imputed, distinct)


def _own_names(names: Sequence[str] | None) -> Sequence[str] | None:
    if names is None or list(names) == [f"C{j}" for j in range(1, len(names) + 1)]:
        return None
    return names


def _parse_lines(file: str, lines: list[str], first: int, sep: str, builders: list[_Builder]) -> None:
    cols = len(builders)
    for start in range(first, len(lines), _CHUNK):
        chunk = lines[start : start + _CHUNK]
        if any('"' in line for line in chunk):
            rows = [_split_line(line, sep) for line in chunk]
        else:
            rows = [line.split(sep) for line in chunk]
        if set(map(len, rows)) != {cols}:
            _wrong_count(file, start, rows, cols, chunk)
        for j, (builder, cells) in enumerate(zip(builders, zip(*rows, strict=True), strict=True)):
            try:
                builder.add(cells)
            except CellError as error:
                fail(
                    "data-format",
                    f"{file}: line {start + error.row + 1}, column {j + 1}: {shown(error.text.encode())} is no value of "
                    f"type {error.type}",
                    help="the schema tells the types of the columns",
                )


def _wrong_count(file: str, start: int, rows: list[list[str]], cols: int, lines: list[str]) -> None:
    k = next(k for k, row in enumerate(rows) if len(row) != cols)
    if not lines[k].strip(" "):
        fail("data-format", f"{file}: line {start + k + 1} is empty")
    fail(
        "data-format",
        f"{file}: line {start + k + 1} has {len(rows[k])} cells, the first line has {cols}",
        help="name the separator by sep=" if 1 in (cols, len(rows[k])) else "",
    )


def _split_line(line: str, sep: str) -> list[str]:
    """The cells of a line; the separator divides only outside of cells that start with a double quote."""
    if '"' not in line:
        return line.split(sep)
    cells = []
    position = 0
    while True:
        start = position
        while start < len(line) and line[start] in " \t" and not line.startswith(sep, start):
            start += 1
        search = position
        if line.startswith('"', start):
            search = _closing_quote(line, start + 1)
        end = line.find(sep, search)
        if end < 0:
            cells.append(line[position:])
            return cells
        cells.append(line[position:end])
        position = end + len(sep)


def _closing_quote(line: str, position: int) -> int:
    """The place behind the quote that closes a cell; two quotes stand for one.  Where none closes it, the start."""
    start = position
    while True:
        position = line.find('"', position)
        if position < 0:
            return start
        if not line.startswith('""', position):
            return position + 1
        position += 2


def write_csv_frame(value: Frame, path: str, options: dict[str, Any]) -> None:
    """Write the frame to one file, missing cells as nothing."""
    sep = options["sep"]
    with open(path, "w", encoding="utf-8", newline="") as out:
        if options["header"]:
            out.write(sep.join(value.column_names) + "\n")
        for word, notes in _notes(value):
            out.write(sep.join([word, *notes]) + "\n")
        for texts in _row_blocks(value):
            columns = [_quoted(cells, sep) for cells in texts]
            out.writelines(sep.join(row) + "\n" for row in zip(*columns, strict=True))


def _notes(value: Frame) -> Iterator[tuple[str, list[str]]]:
    if value.imputed is not None or value.distinct is not None:
        cols = len(value.columns)
        imputed = value.imputed or (None,) * cols
        distinct = value.distinct or (-1,) * cols
        yield _IMPUTED, ["null" if t is None else t for t in imputed]
        yield _DISTINCT, list(map(str, distinct))


def _row_blocks(value: Frame) -> Iterator[list[list[str | None]]]:
    """The texts of some thousand rows at a time, column by column."""
    for start in range(0, value.rows, _CHUNK):
        part = slice(start, min(start + _CHUNK, value.rows))
        yield [c.take(part).texts() for c in value.columns]


def _quoted(cells: list[str | None], sep: str) -> list[str]:
    """Cells for a csv file: those that a reader would take apart are put in quotes, if they are not yet."""
    result = ["" if t is None else t for t in cells]
    joined = "".join(result)
    if sep not in joined and "\n" not in joined and "\r" not in joined:
        return result
    for i, text in enumerate(result):
        if "\n" in text or "\r" in text:
            fail("value", f"a cell with a line end cannot be written as csv: {shown(text.encode())}")
        if sep in text and len(_split_line(text, sep)) > 1:
            result[i] = '"' + text.replace('"', '""') + '"'
    return result


# ---- triples


def read_text_frame(path: str, options: dict[str, Any], metadata: Any, dtype: Any) -> Frame:
    """The frame whose cells are lines `row column text`, in any order; cells without a line are missing, or 0."""
    places: list[tuple[int, int]] = []
    texts: list[str] = []
    notes: dict[tuple[int, int], str] = {}
    for file in part_files(path):
        for number, line in enumerate(_lines(_text(file)), 1):
            if not line.strip():
                continue
            row, column, text = (*line.split(" ", 2), "")[:3]
            try:
                i, j = int(row), int(column)
            except ValueError:
                fail("data-format", f"{file}: line {number}: expected `row column text`, found {shown(line.encode())}")
            if i in (-1, -2) and j >= 1:
                notes[i, j] = text
            elif i < 1 or j < 1 or i > (metadata.rows or i) or j > (metadata.cols or j):
                if i == j == 0:
                    continue
                size = f"{metadata.rows} x {metadata.cols}"
                fail("data-format", f"{file}: line {number}: the cell [{i},{j}] is outside of the {size} frame")
            else:
                places.append((i - 1, j - 1))
                texts.append(text)
    rows = metadata.rows if metadata.rows is not None else max((i + 1 for i, _ in places), default=0)
    cols = metadata.cols if metadata.cols is not None else max((j + 1 for _, j in places), default=0)
    columns = [np.full(rows, None, object) for _ in range(cols)]
    for (i, j), text in zip(places, texts, strict=True):
        columns[j][i] = text
    types = _declared_schema(metadata, cols)
    result = []
    for j, (cells, type) in enumerate(zip(columns, types, strict=True)):
        try:
            result.append(Column.of_texts(cells.tolist(), type))
        except CellError as error:
            fail(
                "data-format",
                f"{path}: the cell [{error.row + 1},{j + 1}] is {shown(error.text.encode())}, no value of type {type}",
                help="the schema tells the types of the columns",
            )
    imputed = [notes.get((-2, j), "null") for j in range(1, cols + 1)]
    distinct = [notes.get((-1, j), "-1") for j in range(1, cols + 1)]
    return Frame(
        result,
        None,
        rows,
        [None if t == "null" else t for t in imputed],
        [int(t) if t.lstrip("-").isdigit() else -1 for t in distinct],
    )


def write_text_frame(value: Frame, path: str, options: dict[str, Any]) -> None:
    """Write the lines of the cells that are there; 0 and FALSE have no line."""
    with open(path, "w", encoding="utf-8", newline="") as out:
        imputed = value.imputed or (None,) * len(value.columns)
        distinct = value.distinct or (-1,) * len(value.columns)
        for j, (text, count) in enumerate(zip(imputed, distinct, strict=True), 1):
            if text is not None or count >= 0:
                out.write(f"-1 {j} {count}\n-2 {j} {'null' if text is None else text}\n")
        row = 0
        for texts in _row_blocks(value):
            size = len(texts[0]) if texts else 0
            for j, column in enumerate(value.columns):
                if column.type in (BOOLEAN, *INTEGERS, FP32, FP64):
                    for i in np.flatnonzero(column.data[row : row + size] == 0).tolist():
                        texts[j][i] = None
            for i, cells in enumerate(zip(*texts, strict=True), row + 1):
                for j, text in enumerate(cells, 1):
                    if text is not None:
                        if "\n" in text or "\r" in text:
                            fail("value", f"a cell with a line end cannot be written as text: {shown(text.encode())}")
                        out.write(f"{i} {j} {text}\n")
            row += size


__all__ = ["read_csv_frame", "read_text_frame", "write_csv_frame", "write_text_frame"]

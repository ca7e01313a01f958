"""The text format: a line `row column value` for each non-zero cell, 1-based, in any order.

A matrix of zeros is the one line `0 0 0`.  Of repeated cells the last one counts, as in SystemDS 3.4.0.
"""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np

from pydml.diagnostics import fail
from pydml.io.frames import read_text_frame, write_text_frame
from pydml.io.numbers import accelerated, bad_cell, cell_texts, parse_cell, parse_int, shown
from pydml.io.paths import part_files, read_bytes
from pydml.io.registry import Format
from pydml.io.triples import assemble, nonzero_cells


def read_text(path: str, options: dict[str, Any], metadata: Any, dtype: Any) -> Any:
    rows, cols = metadata.rows, metadata.cols
    parts = [parse_triples(file, read_bytes(file), 1, rows, cols) for file in part_files(path)]
    if not parts:
        empty = np.zeros(0, np.int64)
        parts = [(empty, empty, np.zeros(0))]
    i, j, values = (np.concatenate(arrays) if len(arrays) > 1 else arrays[0] for arrays in zip(*parts, strict=True))
    return assemble(rows, cols, i, j, values, dtype)


Triples = tuple[np.ndarray, np.ndarray, np.ndarray]


def parse_triples(file: str, data: bytes, first_line: int, rows: int, cols: int, pattern: bool = False) -> Triples:
    """0-based rows and columns, and values, of lines `row column value` (pattern: `row column`, value 1).

    first_line: number of the first line of `data` in the file, for messages.  The line `0 0 0` stands for nothing; empty
    lines are skipped.
    """
    work = file, data, first_line, rows, cols, pattern
    found = accelerated("parse_triples", *work)
    return parse_lines(*work) if found is NotImplemented else found


def parse_lines(file: str, data: bytes, first_line: int, rows: int, cols: int, pattern: bool) -> Triples:
    """The work of `parse_triples`, line by line."""
    i, j, values = [], [], []
    width = 2 if pattern else 3
    for number, line in enumerate(data.splitlines(), first_line):
        cells = line.split()
        if len(cells) != width:
            if not cells:
                continue
            expected = "row column" if pattern else "row column value"
            fail("data-format", f"{file}: line {number}: expected `{expected}`, found {shown(line)}")
        row, column = parse_int(cells[0]), parse_int(cells[1])
        if row is None or column is None:
            bad = 0 if row is None else 1
            fail("data-format", f"{file}: line {number}, column {bad + 1}: {shown(cells[bad])} is not an index")
        value = 1.0 if pattern else parse_cell(cells[2])
        if value is None:
            bad_cell(file, number, 3, cells[2])
        if not (1 <= row <= rows and 1 <= column <= cols):
            if row == column == 0 and value == 0:
                continue
            fail(
                "data-format",
                f"{file}: line {number}: the cell [{row},{column}] is outside of the {rows} x {cols} matrix",
            )
        i.append(row - 1)
        j.append(column - 1)
        values.append(value)
    return np.array(i, np.int64), np.array(j, np.int64), np.array(values, np.float64)


def write_text(value: Any, path: str, options: dict[str, Any]) -> None:
    with open(path, "wb") as out:
        if write_triples(out, value) == 0:
            out.write(b"0 0 0\n")


def write_triples(out: BinaryIO, value: Any) -> int:
    """Write the lines of the non-zero cells; returns their number."""
    count = accelerated("write_triples", out, value)
    if count is not NotImplemented:
        return count
    count = 0
    for i, j, values in nonzero_cells(value):
        count += len(values)
        texts = cell_texts(values.tolist(), "0")
        cells = zip((i + 1).tolist(), (j + 1).tolist(), texts, strict=True)
        out.write("".join(f"{row} {column} {text}\n" for row, column, text in cells).encode())
    return count


FORMAT = Format(
    name="text",
    summary="a line `row column value` for each non-zero cell",
    aliases=("textcell", "ijv"),
    read=read_text,
    write=write_text,
    needs=("rows", "cols"),
    read_frame=read_text_frame,
    write_frame=write_text_frame,
)

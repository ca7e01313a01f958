"""The libsvm format: a line `label index:value index:value ...` for each row, indexes from 1.

In the matrix the label is the last column.  `cols` of the read statement and of the `.mtd` counts the features without the label, as
SystemDS 3.4.0 reads it; SystemDS writes the number of all columns there, so that what it wrote itself comes back with a column of
zeros before the label.  Unless `sep` is given, blanks, tabs and commas all divide entries; SystemDS takes the comma.  A
`#` starts a remark.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from pydml.diagnostics import fail
from pydml.io.numbers import accelerated, bad_cell, cell_texts, parse_cell, parse_int, shown
from pydml.io.paths import part_files, read_bytes
from pydml.io.registry import Format, Option
from pydml.io.triples import CHUNK, assemble
from pydml.values.storage import Sparse


def read_libsvm(path: str, options: dict[str, Any], metadata: Any, dtype: Any) -> Any:
    features = metadata.cols
    sep = None if options["sep"] is None else _text("sep", options["sep"])
    index_sep = _text("indSep", options["indSep"])
    parts = []
    row = 0
    for file in part_files(path):
        work = file, read_bytes(file), features, sep, index_sep
        found = accelerated("parse_libsvm", *work)
        if found is NotImplemented:
            file, data, *rest = work
            found = parse_lines(file, data, 1, *rest)
        *cells, count = found
        cells[0] = cells[0] + row
        parts.append(cells)
        row += count
    rows = row if metadata.rows is None else metadata.rows
    if row > rows:
        fail("metadata", f"{path} has {row} rows, {metadata.origin('rows')} says {rows}")
    i, j, values = (
        (np.concatenate(arrays) for arrays in zip(*parts, strict=True)) if parts else (np.zeros(0, np.int64),) * 3
    )
    return assemble(rows, features + 1, i, j, values.astype(np.float64, copy=False), dtype)


def parse_lines(
    file: str, data: bytes, first_line: int, features: int, sep: bytes | None, index_sep: bytes
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Rows (from 0), columns and values of the cells in some lines, and the number of rows.  Raises DMLError "data-format"."""
    i: list[int] = []
    j: list[int] = []
    values: list[float] = []
    row = 0
    for number, line in enumerate(data.splitlines(), first_line):
        line = line.partition(b"#")[0]
        entries = line.replace(b",", b" ").split() if sep is None else [e for e in line.split(sep) if e.strip()]
        if not entries:
            continue
        label = parse_cell(entries[0])
        if label is None:
            bad_cell(file, number, 1, entries[0], "name the separator by sep=" if index_sep in entries[0] else "")
        for place, entry in enumerate(entries[1:], 2):
            left, found, right = entry.partition(index_sep)
            index, value = parse_int(left.strip()), parse_cell(right)
            if not found or index is None or value is None:
                expected = f"index{index_sep.decode()}value"
                fail(
                    "data-format", f"{file}: line {number}, entry {place}: expected `{expected}`, found {shown(entry)}"
                )
            if not 1 <= index <= features:
                fail(
                    "data-format",
                    f"{file}: line {number}, entry {place}: the index {index} is outside of the {features} features",
                    help="cols is the number of features, without the label",
                )
            i.append(row)
            j.append(index - 1)
            values.append(value)
        i.append(row)
        j.append(features)
        values.append(label)
        row += 1
    return np.array(i, np.int64), np.array(j, np.int64), np.array(values, np.float64), row


def _text(name: str, text: str) -> bytes:
    if not text or "\n" in text or "\r" in text:
        fail("value", f"{name} must be a text without line ends, got {shown(text.encode())}")
    return text.encode()


def write_libsvm(value: Any, path: str, options: dict[str, Any]) -> None:
    """Write one line for each row: the last column, then the features that are not zero."""
    cols = value.shape[1]
    sep = _text("sep", options["sep"] or ",").decode()
    index_sep = _text("indSep", options["indSep"]).decode()
    with open(path, "wb") as out:
        if accelerated("write_libsvm", out, value, sep.encode(), index_sep.encode()) is not NotImplemented:
            return
        for starts, indices, data in compressed_blocks(value, CHUNK):
            texts = cell_texts(data.tolist(), "0")
            columns = indices.tolist()
            lines = []
            for first, last in itertools.pairwise(starts.tolist()):
                label = "0.0"
                if last > first and columns[last - 1] == cols - 1:
                    last -= 1
                    label = texts[last]
                entries = [f"{columns[k] + 1}{index_sep}{texts[k]}" for k in range(first, last)]
                lines.append(sep.join([label, *entries]) + "\n")
            out.write("".join(lines).encode())


def compressed_blocks(value: Any, cells: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Some rows at a time as compressed rows without zeros: where rows start, columns (0-based) and values.

    cells: of the matrix in a block, about; of a sparse one those that are stored.
    """
    rows, cols = value.shape
    if type(value) is Sparse:
        csr = value.csr
        start = 0
        while start < rows:
            stop = int(np.searchsorted(csr.indptr, csr.indptr[start] + cells, side="right")) - 1
            stop = min(rows, max(start + 1, min(stop, start + cells)))
            part = slice(csr.indptr[start], csr.indptr[stop])
            yield csr.indptr[start : stop + 1] - csr.indptr[start], csr.indices[part], csr.data[part]
            start = stop
        return
    step = max(1, cells // cols)
    for start in range(0, rows, step):
        block = value[start : start + step]
        r, indices = np.nonzero(block)
        yield np.concatenate(([0], np.cumsum(np.bincount(r, minlength=len(block))))), indices, block[r, indices]


def size_libsvm(path: str, options: dict[str, Any], metadata: Any) -> tuple[int | None, int | None]:
    return metadata.rows, metadata.cols + 1


FORMAT = Format(
    name="libsvm",
    summary="a line `label index:value ...` for each row",
    read=read_libsvm,
    write=write_libsvm,
    needs=("cols",),
    size=size_libsvm,
    stored_cols=lambda cols: cols - 1,
    options=(
        Option("sep", "string", None, "what divides entries", in_metadata=True),
        Option("indSep", "string", ":", "what stands between index and value", in_metadata=True),
    ),
)

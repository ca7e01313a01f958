"""The libsvm format: a line `label index:value index:value ...` for each row, indexes from 1.

In the matrix the label is the last column.  `cols` of the read statement and of the `.mtd` counts the features without the label, as
SystemDS 3.4.0 reads it; SystemDS writes the number of all columns there, so that what it wrote itself comes back with a column of
zeros before the label.  Unless `sep` is given, blanks, tabs and commas all divide entries; SystemDS takes the comma.  A
`#` starts a remark.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from pydml.diagnostics import fail
from pydml.io.numbers import bad_cell, cell_texts, parse_cell, parse_int, shown
from pydml.io.paths import part_files, read_bytes
from pydml.io.registry import Format, Option
from pydml.io.triples import CHUNK, assemble
from pydml.values.storage import Sparse


def read_libsvm(path: str, options: dict[str, Any], metadata: Any, dtype: Any) -> Any:
    features = metadata.cols
    sep = None if options["sep"] is None else _text("sep", options["sep"])
    index_sep = _text("indSep", options["indSep"])
    i: list[int] = []
    j: list[int] = []
    values: list[float] = []
    row = 0
    for file in part_files(path):
        for number, line in enumerate(read_bytes(file).splitlines(), 1):
            line = line.partition(b"#")[0]
            entries = line.replace(b",", b" ").split() if sep is None else [e for e in line.split(sep) if e.strip()]
            if not entries:
                continue
            label = parse_cell(entries[0])
            if label is None:
                bad_cell(file, number, 1, entries[0], "name the separator by sep=" if index_sep in entries[0] else "")
            i.append(row)
            j.append(features)
            values.append(label)
            for place, entry in enumerate(entries[1:], 2):
                left, found, right = entry.partition(index_sep)
                index, value = parse_int(left.strip()), parse_cell(right)
                if not found or index is None or value is None:
                    fail(
                        "data-format",
                        f"{file}: line {number}, entry {place}: expected `index{options['indSep']}value`, found {shown(entry)}",
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
            row += 1
    rows = row if metadata.rows is None else metadata.rows
    if row > rows:
        fail("metadata", f"{path} has {row} rows, {metadata.origin('rows')} says {rows}")
    cells = np.array(i, np.int64), np.array(j, np.int64), np.array(values, np.float64)
    return assemble(rows, features + 1, *cells, dtype)


def _text(name: str, text: str) -> bytes:
    if not text or "\n" in text or "\r" in text:
        fail("value", f"{name} must be a text without line ends, got {shown(text.encode())}")
    return text.encode()


def write_libsvm(value: Any, path: str, options: dict[str, Any]) -> None:
    """Write one line for each row: the last column, then the features that are not zero."""
    rows, cols = value.shape
    sep = _text("sep", options["sep"] or ",").decode()
    index_sep = _text("indSep", options["indSep"]).decode()
    step = max(1, CHUNK // cols)
    with open(path, "w", encoding="utf-8", newline="") as out:
        for start in range(0, rows, step):
            if type(value) is Sparse:
                block = value.csr[start : start + step]
                block.eliminate_zeros()
                block.sort_indices()
                indices, data, ends = block.indices, block.data, block.indptr.tolist()
            else:
                part = value[start : start + step]
                r, indices = np.nonzero(part)
                data = part[r, indices]
                ends = [0, *np.cumsum(np.bincount(r, minlength=len(part))).tolist()]
            texts = cell_texts(data.tolist(), "0")
            columns = indices.tolist()
            for first, last in itertools.pairwise(ends):
                label = "0.0"
                if last > first and columns[last - 1] == cols - 1:
                    last -= 1
                    label = texts[last]
                entries = [f"{columns[k] + 1}{index_sep}{texts[k]}" for k in range(first, last)]
                out.write(sep.join([label, *entries]) + "\n")


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

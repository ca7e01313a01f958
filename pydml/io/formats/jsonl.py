"""The jsonl format: one JSON object for each row, from the names of the columns to the cells.

The columns are the names in the order in which they first appear; an object without a name has a missing cell there, as one
with null.  Without a schema a column is BOOLEAN, INT64 or FP64 if all its cells are, else text.  SystemDS names the format but does
not write it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pydml.diagnostics import fail
from pydml.io.numbers import shown
from pydml.io.paths import part_files, read_bytes
from pydml.io.registry import Format
from pydml.values.columns import BOOLEAN, FP32, FP64, INT64, INTEGERS, STRING, CellError, Column
from pydml.values.frame import Frame, read_schema
from pydml.values.storage import compact, to_dense


def read_jsonl_frame(path: str, options: dict[str, Any], metadata: Any, dtype: Any) -> Frame:
    import json

    cells: dict[str, dict[int, Any]] = {}
    rows = 0
    for file in part_files(path):
        for number, line in enumerate(read_bytes(file).splitlines(), 1):
            if not line.strip():
                continue
            try:
                found = json.loads(line)
            except (ValueError, RecursionError) as error:
                fail("data-format", f"{file}: line {number} is not JSON: {error}")
            if not isinstance(found, dict):
                fail("data-format", f"{file}: line {number} is not an object: {shown(line)}")
            for name, value in found.items():
                if value is not None:
                    cells.setdefault(name, {})[rows] = value
                else:
                    cells.setdefault(name, {})
            rows += 1
    names = list(cells)
    metadata.check_size(rows, len(names))
    types: list[str | None] = [None] * len(names)
    if metadata.schema is not None:
        types = list(read_schema(metadata.schema, path))
        if len(types) != len(names):
            fail("metadata", f"{path} has {len(names)} columns, the schema names {len(types)}")
    columns = []
    for name, type in zip(names, types, strict=True):
        try:
            columns.append(_column(cells[name], rows, type or _type(cells[name].values())))
        except CellError as error:
            fail("data-format", f'{path}: row {error.row + 1}: {name} is "{error.text}", no value of type {type}')
    return Frame(columns, names, rows)


def _type(values: Any) -> str:
    kinds = {type(v) for v in values}
    if kinds == {bool}:
        return BOOLEAN
    if kinds == {int} and all(-(2**63) <= v < 2**63 for v in values):
        return INT64
    return FP64 if kinds and kinds <= {int, float} else STRING


def _column(cells: dict[int, Any], rows: int, type: str) -> Column:
    import json

    texts: list[str | None] = [None] * rows
    for i, value in cells.items():
        texts[i] = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return Column.of_texts(texts, type, nullable=True)


def write_jsonl_frame(value: Frame, path: str, options: dict[str, Any]) -> None:
    import json

    columns = [_json_cells(c) for c in value.columns]
    names = [json.dumps(name, ensure_ascii=False) for name in value.column_names]
    with open(path, "w", encoding="utf-8", newline="") as out:
        for row in zip(*columns, strict=True):
            out.write("{" + ", ".join(f"{n}: {c}" for n, c in zip(names, row, strict=True)) + "}\n")


def _json_cells(column: Column) -> list[str]:
    import json

    missing = column.missing().tolist()
    if column.type in (BOOLEAN, *INTEGERS):
        texts = [str(t) for t in column.texts()]
    elif column.type in (FP32, FP64):
        # JSON has no word for NaN and infinities; as text they come back as numbers under a schema
        numbers = [float(t) for t in map(repr, column.data.astype(np.float64).tolist())]
        texts = [repr(v) if math.isfinite(v) else f'"{_WORDS[str(v)]}"' for v in numbers]
    else:
        texts = [json.dumps(t, ensure_ascii=False) for t in column.texts()]
    return ["null" if absent else text for text, absent in zip(texts, missing, strict=True)]


_WORDS = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def read_jsonl(path: str, options: dict[str, Any], metadata: Any, dtype: Any) -> Any:
    """A matrix of the numbers; missing ones are NaN."""
    return compact(read_jsonl_frame(path, options, metadata, dtype).to_matrix(dtype))


def write_jsonl(value: Any, path: str, options: dict[str, Any]) -> None:
    dense = to_dense(value)
    columns = [Column(FP64, dense[:, j].astype(np.float64)) for j in range(dense.shape[1])]
    write_jsonl_frame(Frame(columns, None, dense.shape[0]), path, options)


FORMAT = Format(
    name="jsonl",
    summary="one JSON object for each row",
    aliases=("ndjson",),
    read=read_jsonl,
    write=write_jsonl,
    read_frame=read_jsonl_frame,
    write_frame=write_jsonl_frame,
)

"""Helpers of the tests of frames: DML programs with frames as inputs and results, files by keywords."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from pydml.io.load import read_value
from pydml.io.save import write_value
from pydml.script import Script
from pydml.values.columns import STRING, Column
from pydml.values.frame import Frame


def frame(*columns: Any, names: Any = None, types: Any = None) -> Frame:
    """A frame from its columns, each a list of texts and None."""
    types = types or [STRING] * len(columns)
    made = [Column.of_texts(cells, t, nullable=True) for cells, t in zip(columns, types, strict=True)]
    return Frame(made, names, len(columns[0]) if columns else 0)


def run(text: str, outputs: Any = (), **inputs: Any) -> Any:
    """The result variable of a program, or a tuple of them, as Python values."""
    names = [outputs] if isinstance(outputs, str) else list(outputs)
    result = Script(text, stdout=io.StringIO()).input(**inputs).run(outputs=names)
    values = tuple(result[n] for n in names)
    return values[0] if isinstance(outputs, str) else values


def read(path: Any, **arguments: Any) -> Any:
    return read_value(str(path), arguments, np.float64)


def write(value: Any, path: Any, **arguments: Any) -> None:
    write_value(value, str(path), arguments)


def cells(value: Frame) -> list[list[str | None]]:
    """The texts of a frame, column by column."""
    return [c.texts() for c in value.columns]


def same(a: Frame, b: Frame) -> bool:
    """Equal names, types, cells, and notes of transformencode."""
    parts = [(f.column_names, f.schema, cells(f), f.rows, f.imputed, f.distinct) for f in (a, b)]
    return parts[0] == parts[1]

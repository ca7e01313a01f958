"""Frames to and from pandas: DataFrames at the API, and files that pandas reads.  pandas is imported on first use.

    pandas                        DML
    bool, boolean                 BOOLEAN
    int8, int16, int32, uint16    INT32
    int64, uint32, uint64         INT64
    uint8                         UINT8
    float16, float32              FP32
    float64                       FP64
    str, object, all others       STRING, by the text of the cells
    category                      by its categories
    missing (None, NaN, NA)       missing; NaN in columns of floats

Back, a column with missing cells of whole numbers or booleans gets the nullable type of pandas (Int64, boolean).
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from pydml.diagnostics import fail
from pydml.values.columns import (
    BOOLEAN,
    CHARACTER,
    FP32,
    FP64,
    HASH32,
    HASH64,
    INT32,
    INT64,
    STRING,
    UINT8,
    Column,
    object_array,
)
from pydml.values.frame import Frame
from pydml.values.text import scalar_text


def load(what: str, module: str = "pandas", extra: str = "frames") -> Any:
    """The module pandas, or another one of an extra.  Raises DMLError "not-supported" that names the extra."""
    try:
        return importlib.import_module(module)
    except ImportError:
        fail("not-supported", f"{what} needs {module}, which is not installed", help=f'pip install "pydml[{extra}]"')


_FROM_NUMPY = {
    "bool": BOOLEAN,
    "int8": INT32,
    "int16": INT32,
    "int32": INT32,
    "int64": INT64,
    "uint8": UINT8,
    "uint16": INT32,
    "uint32": INT64,
    "uint64": INT64,
    "float16": FP32,
    "float32": FP32,
    "float64": FP64,
}
_TO_NUMPY = {BOOLEAN: "bool", INT32: "int32", INT64: "int64", UINT8: "uint8", FP32: "float32", FP64: "float64"}
_NULLABLE = {BOOLEAN: "boolean", INT32: "Int32", INT64: "Int64", UINT8: "UInt8"}


def frame_of(table: Any, name: str) -> Frame:
    """The frame for a DataFrame.  Its index is left out.  name: what messages call it."""
    if table.columns.nlevels > 1:
        fail("argument-type", f"{name} has columns of {table.columns.nlevels} levels; a frame has one name for each")
    names = [str(label) for label in table.columns]
    columns = [_column(table.iloc[:, j], f"column {names[j]} of {name}") for j in range(table.shape[1])]
    if names == [f"C{j}" for j in range(1, len(names) + 1)]:
        return Frame(columns, None, len(table))
    return Frame(columns, names, len(table))


def _column(series: Any, what: str) -> Column:
    if str(series.dtype) == "category":
        series = series.astype(series.cat.categories.dtype)
    missing = series.isna().to_numpy(dtype=bool)
    kind = str(series.dtype).lower().removesuffix("[pyarrow]")
    kind = {"boolean": "bool", "float": "float32", "double": "float64"}.get(kind, kind)
    type = _FROM_NUMPY.get(kind)
    if type is None:
        cells = [None if absent else _text(v) for v, absent in zip(series.tolist(), missing.tolist(), strict=True)]
        return Column(STRING, object_array(cells))
    if type in (FP32, FP64):
        return Column(type, series.to_numpy(dtype=_TO_NUMPY[type], na_value=np.nan, copy=True))
    values = series.fillna(False if type == BOOLEAN else 0).to_numpy(dtype=kind) if missing.any() else series.to_numpy()
    if kind == "uint64" and len(values) and int(values.max()) >= 2**63:
        fail("value", f"{what} holds integers beyond 63 bits, which INT64 cannot hold")
    return Column(type, np.array(values, _TO_NUMPY[type]), missing if missing.any() else None)


def _text(value: Any) -> str:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool):
        return "true" if value else "false"
    return scalar_text(value) if isinstance(value, (str, int, float)) else str(value)


def table_of(frame: Frame, what: str = "a result that is a frame") -> Any:
    """The DataFrame of a frame, with memory of its own."""
    pandas = load(what)
    parts = [_series(pandas, c) for c in frame.columns]
    table = pandas.concat(parts, axis=1) if parts else pandas.DataFrame(index=pandas.RangeIndex(frame.rows))
    table.columns = list(frame.column_names)
    return table


def _series(pandas: Any, column: Column) -> Any:
    if column.type in (STRING, CHARACTER, HASH32, HASH64):
        return pandas.Series(object_array(column.texts()), dtype="str")
    if column.null is None:
        return pandas.Series(column.data.copy())
    if column.type in (FP32, FP64):
        return pandas.Series(np.where(column.null, np.nan, column.data).astype(column.data.dtype))
    series = pandas.Series(column.data.copy(), dtype=_NULLABLE[column.type])
    series[column.null] = pandas.NA
    return series


__all__ = ["frame_of", "load", "table_of"]

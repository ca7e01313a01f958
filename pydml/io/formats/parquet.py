"""The parquet format, read and written by pandas and pyarrow: needs the extra `pydml[parquet]`.

Types and names of the columns are in the file.  SystemDS names the format but does not write it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pydml.diagnostics import fail
from pydml.io.paths import part_files, read_bytes
from pydml.io.registry import Format
from pydml.values.columns import FP64, CellError, Column
from pydml.values.data_frame import frame_of, load, table_of
from pydml.values.frame import Frame, read_schema
from pydml.values.storage import compact, to_dense

_MAGIC = b"PAR1"


def _pandas(path: str) -> Any:
    load(f"{path}: parquet", "pyarrow", extra="parquet")
    return load(f"{path}: parquet", extra="parquet")


def read_parquet_frame(path: str, options: dict[str, Any], metadata: Any, dtype: Any) -> Frame:
    library = _pandas(path)
    tables = []
    for file in part_files(path):
        if read_bytes(file, len(_MAGIC)) != _MAGIC:
            fail("data-format", f"{file} is not a parquet file")
        try:
            tables.append(library.read_parquet(file, engine="pyarrow", dtype_backend="numpy_nullable"))
        except (ValueError, OSError, KeyError) as error:
            fail("data-format", f"{file} cannot be read as parquet: {error}")
    if not tables:
        fail("data-format", f"{path} is empty")
    table = tables[0] if len(tables) == 1 else library.concat(tables, ignore_index=True)
    frame = frame_of(table, path)
    metadata.check_size(*frame.shape)
    if metadata.schema is None:
        return frame
    types = read_schema(metadata.schema, path)
    if len(types) != frame.shape[1]:
        fail("metadata", f"{path} has {frame.shape[1]} columns, the schema names {len(types)}")
    columns = []
    for name, column, type in zip(frame.column_names, frame.columns, types, strict=True):
        try:
            columns.append(column.as_type(type))
        except CellError as error:
            fail("data-format", f'{path}: row {error.row + 1}: {name} is "{error.text}", no value of type {type}')
    return Frame(columns, frame.names, frame.rows)


def write_parquet_frame(value: Frame, path: str, options: dict[str, Any]) -> None:
    _pandas("write")
    if len(set(value.column_names)) < len(value.column_names):
        fail("value", "a frame with two columns of one name cannot be written as parquet")
    table_of(value).to_parquet(path, engine="pyarrow", index=False)


def read_parquet(path: str, options: dict[str, Any], metadata: Any, dtype: Any) -> Any:
    """A matrix of the numbers; missing ones are NaN."""
    return compact(read_parquet_frame(path, options, metadata, dtype).to_matrix(dtype))


def write_parquet(value: Any, path: str, options: dict[str, Any]) -> None:
    dense = to_dense(value)
    columns = [Column(FP64, np.ascontiguousarray(dense[:, j], np.float64)) for j in range(dense.shape[1])]
    write_parquet_frame(Frame(columns, None, dense.shape[0]), path, options)


FORMAT = Format(
    name="parquet",
    summary="Apache Parquet, by pandas and pyarrow",
    read=read_parquet,
    write=write_parquet,
    empty=True,
    sniff=lambda head: head.startswith(_MAGIC),
    read_frame=read_parquet_frame,
    write_frame=write_parquet_frame,
)

"""The HDF5 format, read and written by h5py: needs the extra `pydml[hdf5]`.

A matrix is a dataset of one file, called `systemds` unless `dataset=` names another one; where a file holds a single dataset, its name does
not matter.  Datasets may lie in groups (`dataset="run/3"`).  One dimension is a column; more than two are folded into columns, as in
`npy`.  SystemDS 3.4.0 reads what is written here, and the other way round.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from pydml.diagnostics import fail
from pydml.io.paths import part_files, read_bytes
from pydml.io.registry import Format, Option
from pydml.io.triples import CHUNK, row_blocks
from pydml.signature import suggest
from pydml.values.storage import check_dense_size, compact

_MAGIC = b"\x89HDF\r\n\x1a\n"
_NAME = "systemds"
_BLOCK_CELLS = 1 << 22


def _library(what: str) -> Any:
    try:
        import h5py
    except ImportError:
        fail("not-supported", f"{what}: HDF5 needs h5py, which is not installed", help='pip install "pydml[hdf5]"')
    return h5py


def read_hdf5(path: str, options: dict[str, Any], metadata: Any, dtype: Any) -> Any:
    """The dataset of a file; those of the files of a folder, one below the other."""
    library = _library(path)
    files = part_files(path)
    if not files:
        fail("data-format", f"{path} is empty")
    parts = [_read_file(library, file, options["dataset"], dtype) for file in files]
    for file, part in zip(files, parts, strict=True):
        if part.shape[1] != parts[0].shape[1]:
            fail("data-format", f"{file} has {part.shape[1]} columns, the files before have {parts[0].shape[1]}")
    matrix = parts[0] if len(parts) == 1 else np.concatenate(parts)
    metadata.check_size(*matrix.shape)
    return compact(matrix)


def _read_file(library: Any, file: str, name: str | None, dtype: Any) -> np.ndarray:
    with _opened(library, file) as content:
        dataset = _dataset(library, file, content, name)
        rows, cols = _shape(dataset)
        check_dense_size(rows, cols, np.dtype(dtype).itemsize)
        result = np.empty((rows, cols), dtype)
        step = max(1, _BLOCK_CELLS // max(cols, 1))
        try:
            for start in range(0, rows, step):
                block = dataset[start : start + step] if dataset.ndim else dataset[()]
                result[start : start + step] = np.asarray(block).reshape(-1, cols)
        except OSError as error:
            fail("data-format", f"{file}: the dataset {dataset.name} is damaged: {error}")
        return result


def _opened(library: Any, file: str) -> Any:
    if read_bytes(file, len(_MAGIC)) != _MAGIC:
        fail("data-format", f"{file} is not an HDF5 file")
    try:
        return library.File(io.BytesIO(read_bytes(file)) if file.endswith(".gz") else file, "r")
    except OSError as error:
        fail("data-format", f"{file} is damaged: {error}")


def _dataset(library: Any, file: str, content: Any, name: str | None) -> Any:
    found: list[str] = []
    content.visititems(lambda n, item: found.append(n) if isinstance(item, library.Dataset) else None)
    if name is None:
        name = _NAME if _NAME in found else found[0] if len(found) == 1 else None
    if name is None:
        fail("metadata", f"{file} holds {len(found)} datasets: {', '.join(found[:10])}", help="name one by dataset=")
    if name.strip("/") not in found:
        what = f"it holds {', '.join(found[:10])}" if found else "it holds none"
        fail("metadata", f"{file} holds no dataset {name}", notes=[what], help=suggest(name, found))
    dataset = content[name]
    if dataset.dtype.kind not in "buif":
        fail("data-format", f"{file}: the dataset {name} holds cells of type {dataset.dtype}, not real numbers")
    return dataset


def _shape(dataset: Any) -> tuple[int, int]:
    shape = dataset.shape or (1,)
    return shape[0], int(np.prod(shape[1:], dtype=np.int64))


def write_hdf5(value: Any, path: str, options: dict[str, Any]) -> None:
    library = _library("write")
    name = options["dataset"] or _NAME
    if not name.strip("/") or name.endswith("/"):
        fail("value", f'write: "{name}" cannot be the name of a dataset')
    with library.File(path, "w") as out:
        dataset = out.create_dataset(name, shape=value.shape, dtype=value.dtype)
        row = 0
        for block in row_blocks(value, 64 * CHUNK):
            dataset[row : row + len(block)] = block
            row += len(block)


def size_hdf5(path: str, options: dict[str, Any], metadata: Any) -> tuple[int | None, int | None]:
    """The declared size, or that of the dataset of a single file."""
    if metadata.rows is not None and metadata.cols is not None:
        return metadata.rows, metadata.cols
    library = _library(path)
    files = part_files(path)
    if len(files) != 1:
        return metadata.rows, metadata.cols
    with _opened(library, files[0]) as content:
        return _shape(_dataset(library, files[0], content, options["dataset"]))


FORMAT = Format(
    name="hdf5",
    summary="a dataset of an HDF5 file (extra hdf5)",
    aliases=("h5",),
    read=read_hdf5,
    write=write_hdf5,
    size=size_hdf5,
    sniff=lambda head: head.startswith(_MAGIC),
    options=(Option("dataset", "string", None, "the name of the array"),),
)

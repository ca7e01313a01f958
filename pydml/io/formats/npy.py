"""NumPy's files: `npy` holds one array, `npz` several by name.

Arrays of numbers with one dimension become a column, with more dimensions (N, d2, ...) the matrix (N, d2 * ...).  Object arrays are
refused, since reading them would run code from the file.  A sparse matrix is written to `npz` in the layout of
`scipy.sparse.save_npz`; `dataset=` names the array of an `npz` file.  SystemDS has no such formats.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from pydml.diagnostics import fail
from pydml.io.paths import part_files, read_bytes
from pydml.io.registry import Format
from pydml.io.triples import converted
from pydml.values import List, Sparse
from pydml.values.storage import check_dense_size

_MAGIC = b"\x93NUMPY"


def _load(file: str) -> Any:
    import zipfile

    try:
        if file.endswith(".gz"):
            return np.load(io.BytesIO(read_bytes(file)), allow_pickle=False)
        # mapped: the cells are copied once, by the conversion to the precision of the run
        return np.load(file, allow_pickle=False, mmap_mode="r")
    except (ValueError, EOFError, zipfile.BadZipFile, KeyError) as error:
        if "allow_pickle" in str(error) or "Python objects" in str(error):
            fail("not-supported", f"{file} holds Python objects, not numbers")
        fail("data-format", f"{file} is not a file of NumPy: {error}")


def as_matrix(array: np.ndarray, file: str, metadata: Any, dtype: Any) -> Any:
    if array.dtype.kind not in "buif":
        fail("data-format", f"{file} holds cells of type {array.dtype}, not real numbers")
    rows = array.shape[0] if array.ndim else 1
    cols = int(np.prod(array.shape[1:], dtype=np.int64)) if array.ndim > 1 else 1
    metadata.check_size(rows, cols)
    check_dense_size(rows, cols, np.dtype(dtype).itemsize)
    return converted(np.asarray(array).reshape(rows, cols), dtype)


def flat_elements(value: List) -> dict[str, Any]:
    """The elements of a list by name, for a file that holds several arrays.

    An element of a list in a list is called `outer.inner`, one without a name by its position from 0.  Raises DMLError "value"
    where two would have one name.
    """
    elements: dict[str, Any] = {}

    def walk(values: List, prefix: str) -> None:
        for k, item in enumerate(values):
            name = prefix + ((values.names[k] if values.names is not None else None) or str(k))
            if isinstance(item, List):
                walk(item, name + ".")
            elif name in elements:
                fail("value", f"two elements of the list would be called {name} in the file")
            else:
                elements[name] = item

    walk(value, "")
    return elements


def _arrays(path: str) -> list[np.ndarray]:
    """The arrays of a file or of the files of a folder, which lie one below the other."""
    arrays: list[np.ndarray] = []
    for file in part_files(path):
        if read_bytes(file, len(_MAGIC)) != _MAGIC:
            fail("data-format", f"{file} is not a file of NumPy")
        array = _load(file)
        if arrays and array.shape[1:] != arrays[0].shape[1:]:
            shapes = f"{array.shape}, the files before {arrays[0].shape}"
            fail("data-format", f"{file} holds an array of shape {shapes}; only the first dimension may differ")
        arrays.append(array)
    if not arrays:
        fail("data-format", f"{path} is empty")
    return arrays


def read_npy(path: str, options: dict[str, Any], metadata: Any, dtype: Any) -> Any:
    arrays = _arrays(path)
    return as_matrix(arrays[0] if len(arrays) == 1 else np.concatenate(arrays), path, metadata, dtype)


def write_npy(value: Any, path: str, options: dict[str, Any]) -> None:
    dense = value.to_dense() if type(value) is Sparse else value
    with open(path, "wb") as out:
        np.lib.format.write_array(out, np.ascontiguousarray(dense), allow_pickle=False)


def size_npy(path: str, options: dict[str, Any], metadata: Any) -> tuple[int | None, int | None]:
    arrays = _arrays(path)
    return sum(a.shape[0] if a.ndim else 1 for a in arrays), int(np.prod(arrays[0].shape[1:], dtype=np.int64))


FORMAT = Format(
    name="npy",
    summary="one array of NumPy",
    read=read_npy,
    write=write_npy,
    metadata=False,
    empty=True,
    size=size_npy,
    sniff=lambda head: head.startswith(_MAGIC),
)

"""NumPy's `npz` files: several arrays by name, or a sparse matrix as `scipy.sparse.save_npz` writes it (see `npy`).

All arrays are read as a named list by `read(path, data_type="list")`; a list is written as one file.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import Any

import numpy as np

from pydml.diagnostics import fail
from pydml.io.formats.npy import as_matrix, flat_elements
from pydml.io.paths import only_file, read_bytes
from pydml.io.registry import Format, Option
from pydml.io.triples import assemble
from pydml.signature import suggest
from pydml.values import List, Sparse, is_matrix, to_dense, type_of

_SPARSE = {"indices", "indptr", "format", "shape", "data"}


def read_npz(path: str, options: dict[str, Any], metadata: Any, dtype: Any) -> Any:
    """The array called `dataset`; the only array, or the sparse matrix, if no name is given."""
    file = only_file(path)
    name = options["dataset"]
    with _arrays(file) as arrays:
        if name is None and set(arrays.files) >= _SPARSE:
            return _read_sparse(arrays, file, metadata, dtype)
        if name is None and len(arrays.files) != 1:
            fail(
                "metadata",
                f"{file} holds several arrays: {', '.join(arrays.files)}",
                help='name one by dataset=, or read all of them with data_type="list"',
            )
        if name is not None and name not in arrays.files:
            found = f"it holds {', '.join(arrays.files)}"
            fail("metadata", f"{file} holds no array {name}", notes=[found], help=suggest(name, arrays.files))
        return as_matrix(arrays[name or arrays.files[0]], file, metadata, dtype)


def read_npz_list(path: str, options: dict[str, Any], metadata: Any, dtype: Any) -> List:
    """All arrays, in the order of the file; an array without dimensions is a scalar."""
    file = only_file(path)
    with _arrays(file) as arrays:
        items = [arrays[name] for name in arrays.files]
        return List(
            [a.item() if a.ndim == 0 and a.dtype.kind in "bif" else as_matrix(a, file, metadata, dtype) for a in items],
            arrays.files,
        )


@contextlib.contextmanager
def _arrays(file: str) -> Iterator[Any]:
    import zipfile

    content = read_bytes(file)
    if content[:2] != b"PK":  # NumPy would take it for a pickle
        fail("data-format", f"{file} is not an npz file of NumPy")
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            yield arrays
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        if "allow_pickle" in str(error):
            fail("not-supported", f"{file} holds Python objects, not numbers")
        fail("data-format", f"{file} is not an npz file of NumPy: {error}")


def _read_sparse(arrays: Any, file: str, metadata: Any, dtype: Any) -> Any:
    kind = arrays["format"].item()
    kind = kind.decode() if isinstance(kind, bytes) else str(kind)
    rows, cols = (int(n) for n in arrays["shape"])
    metadata.check_size(rows, cols)
    major, minor = np.repeat(np.arange(len(arrays["indptr"]) - 1), np.diff(arrays["indptr"])), arrays["indices"]
    if kind == "csc":
        major, minor = minor, major
    elif kind != "csr":
        fail("not-supported", f"{file}: sparse matrices of layout {kind} are not supported, only csr and csc")
    inside = len(major) == len(minor) == len(arrays["data"])
    if not inside or (len(major) and (min(major.min(), minor.min()) < 0 or major.max() >= rows or minor.max() >= cols)):
        fail("data-format", f"{file}: the sparse matrix is damaged")
    return assemble(rows, cols, major.astype(np.int64), minor.astype(np.int64), arrays["data"], dtype)


def write_npz(value: Any, path: str, options: dict[str, Any]) -> None:
    with open(path, "wb") as out:
        if type(value) is Sparse:
            csr = value.csr
            np.savez_compressed(
                out, indices=csr.indices, indptr=csr.indptr, format=np.array(b"csr"), shape=csr.shape, data=csr.data
            )
        else:
            np.savez_compressed(out, **{options["dataset"] or "matrix": value})


def write_npz_list(value: List, path: str, options: dict[str, Any]) -> None:
    import zipfile

    arrays: dict[str, Any] = {}
    for name, item in flat_elements(value).items():
        if not is_matrix(item) and not isinstance(item, (bool, int, float)):
            fail("argument-type", f"{name} is a {type_of(item)}: npz files hold matrices and numbers")
        arrays[name] = to_dense(item) if is_matrix(item) else np.array(item)
    with open(path, "wb") as out, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, array in arrays.items():
            with archive.open(name + ".npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)


FORMAT = Format(
    name="npz",
    summary="arrays of NumPy by name, or a sparse matrix of SciPy",
    read=read_npz,
    write=write_npz,
    read_list=read_npz_list,
    write_list=write_npz_list,
    metadata=False,
    sniff=lambda head: head.startswith(b"PK\x03\x04"),
    empty=True,
    options=(Option("dataset", "string", None, "the name of the array"),),
)

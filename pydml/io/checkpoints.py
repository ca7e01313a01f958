"""Checkpoints: the state of a training as one file that is replaced in one step.

The file `state` in the folder of a checkpoint is a line with the name of the format, the length of a JSON header (8 bytes,
little-endian), the header, the cells of all matrices as they are in memory, and the SHA-256 of everything before.  The header is a
tree: a list is {"list": [...], "names": [...]}, a dense matrix {"dense": [rows, cols], "cells": type, "at": byte}, a sparse one
{"sparse": [rows, cols], "data": ..., "columns": ..., "starts": ...}, doubles are texts of `float.hex`, so that every value comes back
as it was, bit by bit.

The new file is complete and on disk before it takes the name of the old one: a process that is killed leaves the one or the other.
Called by the builtins `checkpoint` and `restore`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from typing import Any

import numpy as np

from pydml.diagnostics import fail
from pydml.io.atomic import cannot_write
from pydml.values import List, Sparse, is_matrix, to_dense, type_of

_MAGIC = b"pydml checkpoint 1\n"
_NAME = "state"


def write_checkpoint(folder: str, state: List) -> None:
    """Replace the checkpoint in `folder` by a new one.  Makes the folder.  Raises DMLError "file" or "argument-type"."""
    arrays: list[np.ndarray] = []
    tree = _describe(state, arrays, [0])
    header = json.dumps(tree).encode()
    temporary = os.path.join(folder, f".{_NAME}.{os.getpid()}-{os.urandom(4).hex()}.tmp")
    try:
        os.makedirs(folder, exist_ok=True)
        _remove_remains(folder)
        digest = hashlib.sha256()
        with open(temporary, "wb") as file:
            parts: list[Any] = [_MAGIC, len(header).to_bytes(8, "little"), header, *map(_bytes_of, arrays)]
            for part in parts:
                digest.update(part)
                file.write(part)
            file.write(digest.digest())
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, os.path.join(folder, _NAME))
        _sync_folder(folder)
    except OSError as error:
        cannot_write(folder, error)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def read_checkpoint(folder: str, dtype: Any) -> List:
    """The state in `folder`; an empty list where there is none.

    dtype: the precision of the run; matrices that were written in the other one are converted.  Raises DMLError "data-format" for a
    file that is damaged or none of ours.
    """
    path = os.path.join(folder, _NAME)
    try:
        with open(path, "rb") as file:
            content: Any = np.fromfile(file, np.uint8)
    except (FileNotFoundError, NotADirectoryError):
        return List([])
    except OSError as error:
        fail("file", f"cannot read {path}: {error.strerror or error}")
    start = len(_MAGIC) + 8
    if bytes(content[: len(_MAGIC)]) != _MAGIC or len(content) < start + 32:
        fail("data-format", f"{path} is not a checkpoint")
    if hashlib.sha256(content[:-32]).digest() != bytes(content[-32:]):
        fail("data-format", f"{path} is damaged: its content does not have the SHA-256 it was written with")
    length = int.from_bytes(bytes(content[len(_MAGIC) : start]), "little")
    tree = json.loads(bytes(content[start : start + length]))
    return _rebuild(tree, content[start + length : -32], np.dtype(dtype))


def _describe(value: Any, arrays: list[np.ndarray], end: list[int]) -> dict[str, Any]:
    """The header's entry of a value; its arrays are added to `arrays`, `end[0]` is where the next one starts."""

    def place(array: np.ndarray) -> dict[str, Any]:
        array = np.ascontiguousarray(array)
        entry = {"cells": array.dtype.str, "count": array.size, "at": end[0]}
        arrays.append(array)
        end[0] += array.nbytes
        return entry

    if isinstance(value, List):
        entry: dict[str, Any] = {"list": [_describe(item, arrays, end) for item in value]}
        if value.names is not None:
            entry["names"] = list(value.names)
        return entry
    if type(value) is Sparse:
        csr = value.csr
        return {
            "sparse": list(value.shape),
            "data": place(csr.data),
            "columns": place(csr.indices),
            "starts": place(csr.indptr),
        }
    if is_matrix(value):
        dense = to_dense(value)
        return {"dense": list(dense.shape), **place(dense)}
    if isinstance(value, float):
        return {"double": value.hex()}
    if isinstance(value, (bool, int, str)):
        return {"scalar": value}
    fail("argument-type", f"checkpoint: a {type_of(value)} cannot be part of a state")


def _rebuild(entry: dict[str, Any], content: np.ndarray, dtype: np.dtype) -> Any:
    def take(place: dict[str, Any]) -> np.ndarray:
        cells = np.dtype(place["cells"])
        # a copy: the cells of the file need not stand where the processor wants them
        return np.frombuffer(content[place["at"] : place["at"] + place["count"] * cells.itemsize].tobytes(), cells)

    if "list" in entry:
        return List([_rebuild(item, content, dtype) for item in entry["list"]], entry.get("names"))
    if "dense" in entry:
        return take(entry).astype(dtype).reshape(entry["dense"])
    if "sparse" in entry:
        from scipy.sparse import csr_matrix

        parts = (take(entry["data"]).astype(dtype), take(entry["columns"]).copy(), take(entry["starts"]).copy())
        return Sparse(csr_matrix(parts, shape=tuple(entry["sparse"])))
    if "double" in entry:
        return float.fromhex(entry["double"])
    return entry["scalar"]


def _bytes_of(array: np.ndarray) -> Any:
    return array.reshape(-1).view(np.uint8)


def _remove_remains(folder: str) -> None:
    """Delete what a killed process left behind: only one training at a time uses a folder."""
    for name in os.listdir(folder):
        if name.startswith(f".{_NAME}.") and name.endswith(".tmp"):
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(folder, name))


def _sync_folder(folder: str) -> None:
    """The new name of the file must be on disk, too; not every file system can say so."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

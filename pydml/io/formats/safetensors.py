"""The safetensors format: tensors by name in one file, as PyTorch users exchange weights.

A file is the length of its header (8 bytes, little-endian), the header, a JSON object that gives each name the type, the sizes and
the place of a tensor, and the numbers.  It is read as a named list.  Tensors with more than two dimensions (N, d2, ...) become
the matrix (N, d2 * ...), with one dimension a column, with none a scalar: a filter (F, C, Hf, Wf) comes as F x C*Hf*Wf, the layout
of the convolutions.  Written are lists and matrices; an element of a list in a list is called `outer.inner`, one without a name by
its position from 0; `tensors=` gives other names.  SystemDS has no
such format.

Reference: https://github.com/huggingface/safetensors, section "Format".
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from pydml.diagnostics import fail
from pydml.io.formats.npy import as_matrix, flat_elements
from pydml.io.paths import only_file, read_bytes
from pydml.io.registry import Format, Option
from pydml.signature import suggest
from pydml.values import List, Sparse, is_matrix, type_of

_DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "u1",
    "BOOL": "?",
}
# the limit of the reference implementation
_MAX_HEADER = 100_000_000


class _File:
    """The header of a file, checked, and its numbers."""

    def __init__(self, path: str):
        import json

        self.path = only_file(path)
        if self.path.endswith(".gz"):
            self.content: Any = np.frombuffer(read_bytes(self.path), np.uint8)
        elif os.path.getsize(self.path) == 0:
            self.content = np.zeros(0, np.uint8)
        else:
            # mapped: the cells are copied once, by the conversion to the precision of the run
            self.content = np.memmap(self.path, np.uint8, "r")
        size = len(self.content)
        length = int.from_bytes(self.content[:8].tobytes(), "little")
        if size < 8 or length > min(size - 8, _MAX_HEADER):
            self._damaged("it does not begin with the length of its header")
        try:
            header = json.loads(self.content[8 : 8 + length].tobytes())
        except (ValueError, RecursionError) as error:
            self._damaged(f"the header is not JSON: {error}")
        if not isinstance(header, dict):
            self._damaged("the header is not a JSON object")
        self.numbers = self.content[8 + length :]
        self.entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
        for name, entry in self.entries.items():
            self._check(name, entry)

    def _damaged(self, why: str) -> Any:
        fail("data-format", f"{self.path} is not a safetensors file: {why}")

    def _check(self, name: str, entry: Any) -> None:
        def whole(values: Any) -> bool:
            return isinstance(values, list) and all(type(v) is int and v >= 0 for v in values)

        keys = ("dtype", "shape", "data_offsets")
        if not isinstance(entry, dict) or not all(k in entry for k in keys) or not isinstance(entry["dtype"], str):
            self._damaged(f"the entry {name} lacks one of {', '.join(keys)}")
        begin_end = entry["data_offsets"]
        if not whole(entry["shape"]) or not whole(begin_end) or len(begin_end) != 2:
            self._damaged(f"the entry {name} has no valid sizes")
        begin, end = begin_end
        if not begin <= end <= len(self.numbers):
            self._damaged(f"the numbers of {name} are not in the file, which may be cut off")
        code = _DTYPES.get(entry["dtype"])
        if code is not None and end - begin != math.prod(entry["shape"]) * np.dtype(code).itemsize:
            self._damaged(f"the numbers of {name} do not fill its sizes {entry['shape']}")

    def shape(self, name: str) -> tuple[int, int]:
        sizes = self.entries[name]["shape"]
        return (sizes[0] if sizes else 1), math.prod(sizes[1:])

    def array(self, name: str) -> np.ndarray:
        entry = self.entries[name]
        if entry["dtype"] not in _DTYPES:
            fail(
                "not-supported",
                f"{self.path}: {name} has numbers of type {entry['dtype']}",
                help=f"known are {', '.join(_DTYPES)}",
            )
        begin, end = entry["data_offsets"]
        # copied where it does not begin at a multiple of its size
        cells = np.frombuffer(self.numbers[begin:end].tobytes(), _DTYPES[entry["dtype"]])
        if entry["dtype"] == "BF16":
            # the upper half of a float32
            cells = (cells.astype(np.uint32) << 16).view(np.float32)
        return cells.reshape(entry["shape"])

    def find(self, name: str | None) -> str:
        """The tensor called `name`, or the only one."""
        names = list(self.entries)
        if name is None:
            if len(names) != 1:
                fail(
                    "metadata",
                    f"{self.path} holds {len(names)} tensors, not one matrix",
                    help='name one by dataset=, or read all of them with data_type="list"',
                )
            return names[0]
        if name not in self.entries:
            fail("metadata", f"{self.path} holds no tensor {name}", help=suggest(name, names))
        return name


def read_safetensors(path: str, options: dict[str, Any], metadata: Any, dtype: Any) -> Any:
    file = _File(path)
    return as_matrix(file.array(file.find(options["dataset"])), file.path, metadata, dtype)


def read_safetensors_list(path: str, options: dict[str, Any], metadata: Any, dtype: Any) -> List:
    """All tensors, in the order of their places in the file."""
    file = _File(path)
    names = sorted(file.entries, key=lambda n: file.entries[n]["data_offsets"])
    items: list[Any] = []
    for name in names:
        array = file.array(name)
        if array.ndim == 0 and array.dtype.kind != "u":
            items.append(array.item())
        else:
            items.append(as_matrix(array, file.path, metadata, dtype))
    return List(items, names)


def size_safetensors(path: str, options: dict[str, Any], metadata: Any) -> tuple[int | None, int | None]:
    file = _File(path)
    return file.shape(file.find(options["dataset"]))


def write_safetensors(value: Any, path: str, options: dict[str, Any]) -> None:
    _write({options["dataset"] or "matrix": value}, path, options)


def write_safetensors_list(value: List, path: str, options: dict[str, Any]) -> None:
    _write(flat_elements(value), path, options)


def _write(elements: dict[str, Any], path: str, options: dict[str, Any]) -> None:
    import json

    header: dict[str, Any] = {}
    arrays: list[np.ndarray] = []
    offset = 0
    for name, sizes, item in _named(elements, options["tensors"]):
        array = _array(name, item)
        if sizes is not None:
            if math.prod(sizes) != array.size:
                fail("value", f"tensors gives {name} {math.prod(sizes)} cells, but it has {array.size}")
            array = array.reshape(sizes)
        code = next(c for c, d in _DTYPES.items() if np.dtype(d) == array.dtype)
        header[name] = {"dtype": code, "shape": list(array.shape), "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
        arrays.append(array)
    if "__metadata__" in header:
        fail("value", "__metadata__ is no name of a tensor")
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(len(text).to_bytes(8, "little"))
        out.write(text)
        for array in arrays:
            out.write(array.tobytes())


def _named(elements: dict[str, Any], tensors: str) -> Iterator[tuple[str, tuple[int, ...] | None, Any]]:
    """Name, sizes and value of each tensor: as they are called in the list, or as the option says."""
    if not tensors:
        yield from ((name, None, item) for name, item in elements.items())
        return
    words = tensors.split()
    if len(words) != len(elements):
        fail("value", f"tensors describes {len(words)} tensors, but there are {len(elements)} elements")
    used: set[str] = set()
    for word, item in zip(words, elements.values(), strict=True):
        name, equals, sizes = word.partition("=")
        if not name or (equals and not all(s.isdecimal() for s in sizes.split("x"))):
            fail("value", f"tensors: {word} should look like name=64x3x11x11, or name")
        if name in used:
            fail("value", f"tensors names {name} twice")
        used.add(name)
        yield name, tuple(map(int, sizes.split("x"))) if equals else None, item


def _array(name: str, item: Any) -> np.ndarray:
    if is_matrix(item):
        array = np.ascontiguousarray(item.to_dense() if type(item) is Sparse else item)
        return array.astype(array.dtype.newbyteorder("<"), copy=False)
    if isinstance(item, bool):
        return np.array(item)
    if isinstance(item, int):
        return np.array(item, "<i8")
    if isinstance(item, float):
        return np.array(item, "<f8")
    return fail("argument-type", f"{name} is a {type_of(item)}: safetensors files hold matrices and numbers")


FORMAT = Format(
    name="safetensors",
    summary="tensors by name, read as a named list",
    read=read_safetensors,
    write=write_safetensors,
    read_list=read_safetensors_list,
    write_list=write_safetensors_list,
    holds_lists=True,
    metadata=False,
    empty=True,
    size=size_safetensors,
    sniff=lambda head: head[4:9] == b"\0\0\0\0{",
    options=(
        Option("dataset", "string", None, "the name of the array"),
        Option(
            "tensors",
            "string",
            "",
            'names of the tensors and, where they are not to have two dimensions, sizes: "w=64x3x11x11 b=64", in the order of the list',
            uses=("write",),
        ),
    ),
)

"""Reading a DML value from a file or folder, and its type before it is read."""

from __future__ import annotations

import os
import re
from typing import Any

import numpy as np

from pydml.diagnostics import fail
from pydml.io.atomic import finish_exchange
from pydml.io.metadata import Metadata, metadata_path, resolve
from pydml.io.numbers import parse_cell, shown
from pydml.io.paths import existing_path, local_path, part_files, read_bytes, unreadable
from pydml.types import ANY_FRAME, ANY_LIST, BOOLEAN, DOUBLE, INT, MATRIX, SCALAR, STRING, Type
from pydml.values import List

_ELEMENT = re.compile(r"(\d+)_(.*)", re.S)
_VALUE_TYPES = {"double": DOUBLE, "int": INT, "boolean": BOOLEAN, "string": STRING}


def read_value(path: str, arguments: dict[str, Any], dtype: Any = np.float64) -> Any:
    """The matrix, scalar, list or frame in `path`.

    arguments: the properties that the read statement gives, by name.  dtype: the type of the cells of matrices.  Raises DMLError
    "file", "metadata", "data-format" or "not-supported".
    """
    path = _found(path)
    try:
        metadata = resolve(path, arguments)
        if metadata.data_type == "scalar":
            return _read_scalar(path, metadata.value_type)
        declared = metadata.format
        if metadata.data_type == "list":
            if declared is not None and declared.read_list is not None:
                return declared.read_list(path, metadata.options, metadata, dtype)
            return _read_list(path, metadata, dtype)
        assert declared is not None
        if metadata.data_type == "frame":
            if declared.read_frame is None:
                fail("not-supported", f"{path}: frames cannot be read from files of format {declared.name}")
            return declared.read_frame(path, metadata.options, metadata, dtype)
        return declared.read(path, metadata.options, metadata, dtype)
    except OSError as error:
        unreadable(path, error)


def static_type(path: str, arguments: dict[str, Any]) -> Type:
    """The type of what `read_value` would return now, from the metadata and the head of the file."""
    path = _found(path)
    try:
        metadata = resolve(path, arguments)
        if metadata.data_type == "scalar":
            return Type(SCALAR, _VALUE_TYPES[metadata.value_type])
        if metadata.data_type == "list":
            return ANY_LIST._replace(rows=metadata.rows, cols=1)
        if metadata.data_type == "frame":
            return ANY_FRAME._replace(rows=metadata.rows, cols=metadata.cols)
        declared = metadata.format
        assert declared is not None
        if declared.size is None:
            return Type(MATRIX, DOUBLE, metadata.rows, metadata.cols)
        return Type(MATRIX, DOUBLE, *declared.size(path, metadata.options, metadata))
    except OSError as error:
        unreadable(path, error)


def _found(path: str) -> str:
    path = local_path(path)
    finish_exchange(path)
    return existing_path(path)


def _read_scalar(path: str, value_type: str) -> Any:
    """Numbers and booleans are on the first line; a string is the whole text without its last line end."""
    files = part_files(path)
    content = read_bytes(files[0]) if files else b""
    if value_type == "string":
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            fail("data-format", f"{path} is not UTF-8 text: {error.reason} at byte {error.start}")
        text = text.replace("\r\n", "\n")
        return text[:-1] if text.endswith("\n") else text
    lines = content.splitlines()
    word = lines[0].strip() if lines else b""
    if value_type == "boolean":
        if word.lower() not in (b"true", b"false"):
            fail("data-format", f"{path}: expected true or false, found {shown(word)}")
        return word.lower() == b"true"
    number = parse_cell(word)
    if value_type == "int":
        if re.fullmatch(rb"[+-]?\d+", word) is None or not -(2**63) <= int(word) < 2**63:
            fail(
                "data-format",
                f"{path}: expected an int, found {shown(word)}",
                help='read it with value_type="double"' if number is not None else "",
            )
        return int(word)
    if number is None:
        fail(
            "data-format",
            f"{path}: expected a number, found {shown(word)}",
            help='read it with value_type="string"' if word else "",
        )
    return number


def _read_list(path: str, metadata: Metadata, dtype: Any) -> List:
    """The elements in a folder: `<position>_<name>`, from 0; the name `null` stands for none."""
    if not os.path.isdir(path):
        fail("data-format", f"{path} should be the folder of a list, but it is a file")
    names = set(os.listdir(path))
    found: dict[int, tuple[str, str]] = {}
    for entry in sorted(names):
        match = _ELEMENT.fullmatch(entry)
        if match is None or (entry.endswith(".mtd") and entry + ".mtd" not in names):
            continue
        position = int(match[1])
        if position in found:
            fail("data-format", f"{path}: the files {found[position][0]} and {entry} are both element {position}")
        found[position] = (entry, match[2])
    expected = len(found) if metadata.rows is None else metadata.rows
    if sorted(found) != list(range(expected)):
        lost = next((k for k in range(expected) if k not in found), None)
        if lost is None:
            fail("metadata", f"{path} has {len(found)} elements, {metadata_path(path)} says {expected}")
        fail(
            "data-format",
            f"{path}: the file of element {lost} of the list is missing (its name would start with {lost}_)",
        )
    items = [read_value(os.path.join(path, found[k][0]), {}, dtype) for k in range(expected)]
    return List(items, [None if found[k][1] == "null" else found[k][1] for k in range(expected)])

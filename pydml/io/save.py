"""Writing a DML value to a file or folder, whole or not at all, with its `.mtd`."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import Any

from pydml.diagnostics import fail
from pydml.io import registry
from pydml.io.atomic import Replacement
from pydml.io.metadata import BLOCK_SIZE, describe, metadata_path
from pydml.io.paths import local_path
from pydml.io.triples import count_nonzero
from pydml.types import DOUBLE, FRAME
from pydml.values import List, Sparse, is_matrix, to_dense, type_of
from pydml.values.text import scalar_text


def write_value(value: Any, path: str, arguments: dict[str, Any]) -> None:
    """Write a matrix, scalar, list or frame.

    arguments: those of the write statement that were given, by name.  Missing folders are made; what was at `path` is
    replaced.  A file whose name ends in `.gz` is compressed.  Raises DMLError "file", "value" or "not-supported".
    """
    path = local_path(path)
    if path.endswith(".mtd"):
        fail("file", f"{path}: names that end in .mtd are those of metadata", help="leave the ending out")
    declared = registry.find(arguments.get("format") or "text")
    options = declared.defaults()
    options.update((k, v) for k, v in arguments.items() if k in options)
    if _is_device(path):
        _write_one(value, path, declared, options)
        return
    with Replacement(path) as new:
        if isinstance(value, List) and declared.write_list is None:
            _write_list(value, new.folder(path), declared, options)
        else:
            name = new.file(path)
            _write_one(value, name, declared, options)
            if path.endswith(".gz"):
                _compress(name)
        text = _metadata_text(value, declared, options, arguments.get("description"))
        if text is None:
            new.remove(metadata_path(path))
        else:
            _write_text(new.file(metadata_path(path)), text)


def _is_device(path: str) -> bool:
    """True for /dev/stdout, pipes and the like: they are written to, not replaced."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _compress(path: str) -> None:
    """Replace the file by its gzip form: a reader expects it where the name ends in `.gz`."""
    import gzip
    import shutil

    packed = path + ".gz"
    try:
        with open(path, "rb") as source, gzip.open(packed, "wb", compresslevel=6) as target:
            shutil.copyfileobj(source, target, 1 << 20)
        os.replace(packed, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(packed)
        raise


def _write_text(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8", newline="") as out:
        out.write(text)


def _write_one(value: Any, path: str, declared: registry.Format, options: dict[str, Any]) -> None:
    if isinstance(value, List) and declared.write_list is not None:
        declared.write_list(value, path, options)
    elif is_matrix(value):
        if declared.write is None:
            fail("not-supported", f"files of format {declared.name} can be read, but not written")
        rows, cols = value.shape
        if (rows == 0 or cols == 0) and not declared.empty:
            fail("value", f"a matrix of {rows} x {cols} cannot be written in format {declared.name}")
        declared.write(value if type(value) is Sparse else to_dense(value), path, options)
    elif isinstance(value, (bool, int, float, str)):
        _write_text(path, scalar_text(value).lower() if isinstance(value, bool) else scalar_text(value))
    elif type_of(value).data == FRAME:
        if declared.write_frame is None:
            fail("not-supported", f"frames cannot be written in format {declared.name}")
        declared.write_frame(value, path, options)
    else:
        fail("argument-type", f"write: cannot write a {type_of(value)}")


def _write_list(value: List, folder: str, declared: registry.Format, options: dict[str, Any]) -> None:
    """One file for each element, `<position>_<name>`, with its `.mtd`."""
    for k, item in enumerate(value):
        name = (value.names[k] if value.names is not None else None) or "null"
        if "/" in name or "\0" in name:
            fail("file", f"write: the element name {name!r} cannot be the name of a file")
        path = os.path.join(folder, f"{k}_{name}")
        if isinstance(item, List):
            os.mkdir(path)
            _write_list(item, path, declared, options)
        else:
            _write_one(item, path, declared, options)
        text = _metadata_text(item, declared, options, None)
        if text is not None:
            _write_text(metadata_path(path), text)


def _metadata_text(
    value: Any, declared: registry.Format, options: dict[str, Any], description: str | None
) -> str | None:
    """The `.mtd` of a value, or None where the format has none."""
    kind = type_of(value)
    if isinstance(value, List):
        if declared.write_list is not None:
            return None
        return describe(
            data_type="list",
            value_type="unknown",
            rows=len(value),
            cols=1,
            format=declared.name,
            description=description,
        )
    if kind.is_scalar:
        return describe(data_type="scalar", value_type=kind.value, format="text", description=description)
    if not declared.metadata:
        return None
    assert kind.rows is not None and kind.cols is not None
    noted = {o.name: options[o.name] for o in declared.options if o.in_metadata}
    if kind.data == FRAME:
        return describe(
            data_type="frame",
            schema=value.schema_text(),
            rows=kind.rows,
            cols=kind.cols,
            format=declared.name,
            description=description,
            options=noted,
        )
    return describe(
        data_type="matrix",
        value_type=DOUBLE,
        rows=kind.rows,
        cols=declared.stored_cols(kind.cols),
        block=options.get("rows_in_block", BLOCK_SIZE) if declared.blocked else None,
        nnz=count_nonzero(value),
        format=declared.name,
        description=description,
        options=noted,
    )

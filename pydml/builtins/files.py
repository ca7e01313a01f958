"""Files: read, readMM, write.  The formats are in `pydml.io.formats`; their options are arguments here without further ado."""

from __future__ import annotations

import textwrap

from pydml.builtins.registry import builtin
from pydml.io import registry
from pydml.types import (
    ANY,
    ANY_FRAME,
    ANY_LIST,
    ANY_MATRIX,
    BOOLEAN_SCALAR,
    DOUBLE_SCALAR,
    INT_SCALAR,
    STRING_SCALAR,
    UNKNOWN_SCALAR,
    Type,
    scalar_type,
)

_READ = ("format", "data_type", "value_type", "rows", "cols", "nnz", "schema", "rows_in_block", "cols_in_block")
_WRITE = ("format", "description")
# what SystemDS takes in a write statement without any effect
_WRITE_IDLE = ("data_type", "value_type", "rows", "cols", "nnz", "schema", "cols_in_block")
_TYPES = {"rows": "number|string", "cols": "number|string", "nnz": "number|string", "schema": "string|shape|frame"}
_TYPES.update(rows_in_block="number", cols_in_block="number")
_READ_OPTIONS = registry.options("read")
_WRITE_OPTIONS = registry.options("write")
_READ_NAMES = (*_READ, *(o.name for o in _READ_OPTIONS))
_WRITE_USED = (*_WRITE, *(o.name for o in _WRITE_OPTIONS))
_WRITE_NAMES = (*_WRITE_USED, *_WRITE_IDLE, *(o.name for o in _READ_OPTIONS if o.name not in _WRITE_USED))


def _format_help(use: str) -> str:
    """The formats and their options, for the documentation."""
    lines = ["Formats:"]
    for declared in registry.formats():
        if use == "write" and declared.write is None:
            continue
        lines.append(f"  {declared.name}: {declared.summary}.")
        for option in declared.options:
            if use in option.uses:
                lines.append(f"    {option.name}: {option.doc}{_default_text(option.default)}.")
    return textwrap.indent("\n".join(lines), "    ")


def _default_text(value: object) -> str:
    if value is None or value == ():
        return ""
    if isinstance(value, bool):
        return f"; default {str(value).upper()}"
    return f'; default "{value}"' if isinstance(value, str) else f"; default {value}"


def _parameters(names: tuple[str, ...], options: list[registry.Option]) -> str:
    types = _TYPES | {o.name: o.types for o in options}
    return "".join(f", {name}: {types.get(name, 'string')} = NULL" for name in names)


_DATA = {"matrix": ANY_MATRIX, "frame": ANY_FRAME, "list": ANY_LIST}
_SCALAR = {"int": INT_SCALAR, "double": DOUBLE_SCALAR, "boolean": BOOLEAN_SCALAR, "string": STRING_SCALAR}


def _read_type(path: Type, *types: Type) -> Type:
    """The type of what is in the file, where the path and all arguments are known before the run.

    Otherwise `data_type` decides, and where it is not given either, anything may come.  A caller that cannot be sure that the
    file is already there as it will be, because the program may write it before, passes the path without its value.
    """
    arguments = {name: t.const for name, t in zip(_READ_NAMES, types, strict=True) if t.data != "null"}
    if path.const is not None and all(value is not None for value in arguments.values()):
        from pydml.io.load import static_type

        return static_type(str(path.const), arguments)
    data_type = str(arguments.get("data_type", "")).lower()
    if data_type == "scalar":
        return _SCALAR.get(str(arguments.get("value_type", "double")).lower(), UNKNOWN_SCALAR)
    return _DATA.get(data_type, ANY)


@builtin(
    f"read(path: string{_parameters(_READ_NAMES, _READ_OPTIONS)}) -> any",
    infer=_read_type,
    needs="context",
    effects=["read"],
    storages="any",
    self_checking=True,
)
def read(ctx, path, *arguments):
    """Read a matrix, scalar, list or frame from a file, or from a folder of part files.

    path: the file; properties that `path.mtd` tells need not be given, and must not be given differently.
    format: csv, text (lines `row column value`), mm (Matrix Market), binary (blocks of SystemDS), ...; if nobody names it, it is found by
    the first bytes of the file, and else it is text.  data_type: "matrix" (default), "scalar", "list" or "frame".
    value_type: of a scalar, "double" (default), "int", "boolean" or "string" (the whole file).  rows, cols: the size; needed for
    text, binary and libsvm.  A csv file with fewer rows is filled up by zero rows.  nnz: a hint, not needed.

    Returns what the file holds; matrices that are mostly zero come as sparse ones.  Raises "file" for a missing file,
    "metadata" for contradictions, "data-format" for malformed content.  Same as SystemDS `read`, except that a csv row that is
    longer than the first one, and a Matrix Market file whose number of entries is wrong, are errors.
    """
    from pydml.io.load import read_value

    given = {name: value for name, value in zip(_READ_NAMES, arguments, strict=True) if value is not None}
    return read_value(path, given, ctx.dtype)


read.doc += "\n\n" + _format_help("read")
read.fails('read("no/such/file.csv")', "file", "there is no file no/such/file.csv")
read.fails('read("x.csv", format=2)', "argument-type", "format must be a string")


def _matrix_market_type(path: Type, *sizes: Type) -> Type:
    missing = Type("null")
    given = dict(zip(("rows", "cols", "nnz"), sizes, strict=True), format=scalar_type("mm"))
    found = _read_type(path, *(given.get(name, missing) for name in _READ_NAMES))
    return found if found.is_matrix else ANY_MATRIX


@builtin(
    "readMM(path: string, rows: number = NULL, cols: number = NULL, nnz: number = NULL) -> matrix",
    infer=_matrix_market_type,
    needs="context",
    effects=["read"],
    storages="any",
    self_checking=True,
)
def readMM(ctx, path, rows, cols, nnz):
    """Read a matrix from a Matrix Market file: `read(path, format="mm")`.

    rows, cols: if given, they must be those of the file.  nnz: without effect.  Same as SystemDS `readMM`.
    """
    from pydml.io.load import read_value

    given = {"format": "mm", "rows": rows, "cols": cols}
    return read_value(path, {name: value for name, value in given.items() if value is not None}, ctx.dtype)


readMM.fails('readMM("no/such/file.mtx")', "file", "there is no file no/such/file.mtx")


@builtin(
    f"write(X: any, path: string{_parameters(_WRITE_NAMES, [*_WRITE_OPTIONS, *_READ_OPTIONS])})",
    needs="context",
    effects=["write"],
    storages="any",
    self_checking=True,
)
def write(ctx, X, path, *arguments):
    """Write a value to a file, with its properties in `path.mtd`.

    X: a matrix, scalar, list or frame.  path: missing folders are made; an old file or folder of that name is replaced only
    when the new one is complete, the `.mtd` after the data.  format: text (default), csv, mm (without `.mtd`), binary, ...
    description: a remark for the `.mtd`.  data_type, value_type, rows, cols, nnz, schema, cols_in_block and the options of
    reading are accepted and without effect, as in SystemDS.  A name that ends in `.gz` is compressed.  A scalar is written as
    its text, a boolean as true or false.  A list becomes a folder with the files `<position>_<name>`, positions from 0, and
    their `.mtd`s.

    Raises "file" where the system refuses, "value" for a matrix without rows or columns in most formats.  Same as SystemDS
    `write`, which writes large results as folders of part files; here they are single files.
    """
    from pydml.io.save import write_value

    given = {name: value for name, value in zip(_WRITE_NAMES, arguments, strict=True) if value is not None}
    write_value(X, path, {name: value for name, value in given.items() if name in _WRITE_USED})


write.doc += "\n\n" + _format_help("write")
write.fails('write(matrix(0, rows=0, cols=2), "x.csv", format="csv")', "value", "a matrix of 0 x 2 cannot be written")
write.fails('write(1, "x", format="nonsense")', "value", "there is no format nonsense")

"""The `.mtd` file beside a data file: a JSON object with the type, size and format of the data.

`resolve` puts the defaults, the `.mtd` and the arguments of a read statement together; `describe` makes the text that is written
beside a result.  Keys and rules are those of SystemDS 3.4.0; unlike there, `rows: 2.0` is taken for 2.
"""

from __future__ import annotations

import os
import time
from dataclasses import field
from typing import Any, NoReturn

from pydml.diagnostics import fail
from pydml.io import registry
from pydml.io.paths import missing, part_files, read_bytes, unreadable
from pydml.records import dataclass
from pydml.signature import suggest
from pydml.values.text import scalar_text

BLOCK_SIZE = 1000

_DATA_TYPES = ("matrix", "frame", "scalar", "list")
_VALUE_TYPES = {
    "double": "double",
    "fp64": "double",
    "int": "int",
    "integer": "int",
    "int64": "int",
    "boolean": "boolean",
    "string": "string",
    "unknown": "unknown",
}
_SIZES = ("rows", "cols", "nnz", "rows_in_block", "cols_in_block")
_GENERAL = ("data_type", "value_type", "schema", *_SIZES, "format", "description", "author", "created", "privacy")


@dataclass
class Metadata:
    """What is known of a file before its data is read.

    rows, cols, nnz: None where unknown.  format: None for scalars and lists.  options: every option of the format.
    given: the properties that the `.mtd` or the read statement named.  source: where they were named, for messages.
    """

    path: str
    data_type: str = "matrix"
    value_type: str = "double"
    rows: int | None = None
    cols: int | None = None
    nnz: int | None = None
    rows_in_block: int = BLOCK_SIZE
    cols_in_block: int = BLOCK_SIZE
    schema: Any = None
    format: registry.Format | None = None
    options: dict[str, Any] = field(default_factory=dict)
    given: dict[str, Any] = field(default_factory=dict)
    from_file: frozenset[str] = frozenset()

    def origin(self, key: str) -> str:
        """Where a property was given: `data.csv.mtd`, or `the read statement`."""
        return self.path + ".mtd" if key in self.from_file else "the read statement"

    def check_size(self, rows: int, cols: int, padded: bool = False) -> None:
        """Fail unless the data, rows x cols, has the size that was given.  padded: fewer rows are allowed."""
        if self.rows is not None and (rows > self.rows if padded else rows != self.rows):
            fail("metadata", f"{self.path} has {rows} rows, {self.origin('rows')} says {self.rows}")
        if self.cols is not None and cols != self.cols:
            fail("metadata", f"{self.path} has {cols} columns, {self.origin('cols')} says {self.cols}")


def metadata_path(path: str) -> str:
    return path + ".mtd"


def load(path: str) -> dict[str, Any] | None:
    """The properties in `path`.mtd, checked, or None if there is no such file.  Raises DMLError "metadata"."""
    import json

    name = metadata_path(path)
    if not os.path.isfile(name):
        return None
    try:
        with open(name, encoding="utf-8-sig") as stream:
            text = stream.read()
    except OSError as error:
        unreadable(name, error)
    except UnicodeDecodeError as error:
        fail("metadata", f"{name} is not UTF-8 text: {error.reason} at byte {error.start}")
    try:
        content = json.loads(text, object_pairs_hook=_unique_keys)
    except _RepeatedKey as error:
        fail("metadata", f"{name}: the key {error} is given twice")
    except (ValueError, RecursionError) as error:
        fail("metadata", f"{name} is not JSON: {error}", help='a .mtd file is an object such as {"rows": 3, "cols": 2}')
    if not isinstance(content, dict):
        fail("metadata", f'{name} must hold a JSON object, such as {{"rows": 3, "cols": 2}}')
    known = (*_GENERAL, *registry.option_names())
    result = {}
    for key, value in content.items():
        if key not in known:
            fail("metadata", f"{name}: there is no key {key}", help=suggest(key, known))
        result[key] = _normal(name, key, value, text_sizes=False)
    return {k: v for k, v in result.items() if v is not None}


class _RepeatedKey(Exception):
    pass


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        keys = [k for k, _ in pairs]
        raise _RepeatedKey(next(k for k in keys if keys.count(k) > 1))
    return result


def _normal(where: str, key: str, value: Any, text_sizes: bool) -> Any:
    """The value of a property in its one form; None for unknown sizes."""
    import json

    def wrong(expected: str) -> NoReturn:
        fail("metadata", f"{where}: {key} must be {expected}, got {json.dumps(value, ensure_ascii=False)}")

    if key in _SIZES:
        number = value
        if isinstance(value, str) and text_sizes:
            try:
                number = int(value)
            except ValueError:
                wrong("a whole number")
        if (
            isinstance(number, bool)
            or not isinstance(number, (int, float))
            or number - number != 0
            or number != int(number)
        ):
            wrong("a whole number")
        if number < -1 or (number < 1 and key.endswith("block")):
            wrong("positive")
        return None if number == -1 else int(number)
    if key in ("data_type", "value_type", "format"):
        if not isinstance(value, str):
            wrong("a text")
        lower = value.lower()
        if key == "data_type" and lower not in _DATA_TYPES:
            wrong("matrix, frame, scalar or list")
        if key == "value_type":
            if lower not in _VALUE_TYPES:
                wrong("double, int, boolean, string or unknown")
            return _VALUE_TYPES[lower]
        return registry.find(value).name if key == "format" else lower
    if key == "schema" and isinstance(value, str):
        # `string, INT64` in a read statement is what a .mtd calls `STRING,INT64,`
        return ",".join(word.strip().upper() for word in value.split(",") if word.strip())
    option = registry.option_names().get(key)
    if option is None:
        return value
    types = option.types.split("|")
    if "boolean" in types:
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        if not isinstance(value, bool):
            wrong("true or false")
        return value
    if "number" in types:
        if isinstance(value, str):
            try:
                return float(value)
            except ValueError:
                wrong("a number")
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            wrong("a number")
        return float(value)
    if "shape" in types and isinstance(value, (list, tuple)):
        return tuple(scalar_text(v) for v in value)
    if not isinstance(value, str):
        if "shape" in types and isinstance(value, (int, float)):
            return scalar_text(value)
        wrong("a text")
    return value


def resolve(path: str, arguments: dict[str, Any]) -> Metadata:
    """What is known of `path` from the defaults, the `.mtd`, the arguments of the read statement and the head of the file.

    arguments: those that were given, by name.  Raises DMLError "file" if there is no data, "metadata" for a contradiction or
    something missing.
    """
    stored = load(path)
    if not os.path.exists(path):
        missing(path)
    stored = stored or {}
    given = dict(stored)
    for key, value in arguments.items():
        value = _normal("read", key, value, text_sizes=True)
        if value is None:
            continue
        if key in stored and stored[key] != value:
            fail(
                "metadata",
                f"{path}: {key} is {_shown(stored[key])} in {metadata_path(path)}, but {_shown(value)} in the read statement",
                help="leave it out of the read statement, or correct the .mtd file",
            )
        given[key] = value
    result = Metadata(path, given=given, from_file=frozenset(stored))
    for key in ("data_type", "value_type", "rows", "cols", "nnz", "rows_in_block", "cols_in_block", "schema"):
        if key in given:
            setattr(result, key, given[key])
    if result.data_type == "scalar":
        extra = [k for k in arguments if k not in ("data_type", "value_type", "format")]
        if extra:
            fail("metadata", f"{path}: a scalar is read with value_type only, not with {extra[0]}")
        if result.value_type == "unknown":
            result.value_type = "double"
        return result
    if result.data_type == "list" and os.path.isdir(path):
        return result
    _find_format(result)
    assert result.format is not None
    if result.format.holds_lists and not {"data_type", "dataset"} & given.keys():
        result.data_type = "list"
    return result


def _find_format(result: Metadata) -> None:
    path, given = result.path, result.given
    if "format" in given:
        declared = registry.find(given["format"])
    else:
        files = part_files(path)
        declared = registry.detect(read_bytes(files[0], 64) if files else b"") or registry.find("text")
    result.format = declared
    result.options = declared.defaults()
    result.options.update((k, v) for k, v in given.items() if k in result.options)
    lacking = [k for k in declared.needs if given.get(k) is None]
    if lacking and result.data_type == "matrix":
        what = " and ".join(lacking)
        if "format" in given:
            fail(
                "metadata",
                f"{path}: {what} must be given for the format {declared.name}",
                help=f"add {lacking[0]}= to the read statement, or write a {metadata_path(path)}",
            )
        fail(
            "metadata",
            f"{path}: neither {metadata_path(path)} nor the read statement says its format and size",
            help='a csv file is read by read(path, format="csv"); text files of triples need rows= and cols=',
        )


def _shown(value: Any) -> str:
    import json

    if isinstance(value, tuple):
        return "[" + ", ".join(_shown(v) for v in value) + "]"
    return json.dumps(value) if isinstance(value, (str, bool)) else scalar_text(value)


def describe(
    *,
    data_type: str,
    format: str,
    value_type: str | None = None,
    schema: str | None = None,
    rows: int | None = None,
    cols: int | None = None,
    block: int | None = None,
    nnz: int | None = None,
    description: str | None = None,
    options: dict[str, Any] | None = None,
) -> str:
    """The text of a `.mtd` file, keys in the order of SystemDS."""
    import json

    content: dict[str, Any] = {
        "data_type": data_type,
        "value_type": value_type,
        "schema": schema,
        "rows": rows,
        "cols": cols,
    }
    content.update(rows_in_block=block, cols_in_block=block, nnz=nnz, format=format, description=description)
    content["author"] = _author()
    content.update(options or {})
    content["created"] = time.strftime("%Y-%m-%d %H:%M:%S %Z")
    return json.dumps({k: v for k, v in content.items() if v is not None}, indent=4)


def _author() -> str | None:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a user id without a name
        return None

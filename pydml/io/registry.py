"""What a file format is: one declaration in one file of `pydml.io.formats`, found by itself.

    FORMAT = Format(
        name="csv",
        summary="one line per row, cells divided by a separator",
        options=(Option("header", "boolean", False, "the first line holds the names of the columns"), ...),
        read=read_csv,
        write=write_csv,
    )

`read(path, options, metadata, dtype)` returns a matrix: an ndarray, or a `Sparse` where the format is made of triples.
`write(value, path, options)` writes one to a file that does not exist yet.  `options` holds every option of the format under
its name, given or default; `metadata` is a `metadata.Metadata` with what is known of the size.  `path` is a file or a folder of
part files (`paths.part_files`).  Both raise DMLError and let OSError pass.

`size(path, options, metadata)` gives (rows, cols) of the matrix, None where unknown, for the types before the run; a format without
it has the rows and columns of its metadata.
`sniff(head)` recognises the format by the first bytes, for files read without `.mtd` and `format=`.
`read_frame` and `write_frame` do the same as `read` and `write` for frames; a format without them holds matrices only.
`read_list` and `write_list` keep a whole list in one file; lists of other formats are folders with a file per element.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import field
from typing import Any

from pydml.diagnostics import fail
from pydml.records import dataclass
from pydml.signature import suggest

# names that SystemDS knows and that mean nothing here
_ELSEWHERE = ("compressed", "federated", "delta", "cog", "proto")


@dataclass(frozen=True)
class Option:
    """An option of a format: an argument of read or write, and a key of the `.mtd` file.

    types: as in the signatures of builtins.  default: its value where it is not given.  uses: "read", "write" or both.
    in_metadata: a written `.mtd` carries it.
    """

    name: str
    types: str
    default: Any
    doc: str
    uses: tuple[str, ...] = ("read", "write")
    in_metadata: bool = False


@dataclass(frozen=True)
class Format:
    """A file format; see the module's docstring.

      metadata: a `.mtd` is written beside the data.  needs: the properties of size that must come from the `.mtd` or the read
      statement.  blocked: the `.mtd` tells the size of blocks.  empty: matrices without rows or columns can be written.
      stored_cols: what the `.mtd` calls `cols` for a matrix of so many columns.  holds_lists: a file is a list
    unless `data_type` or `dataset` asks for a matrix.
    """

    name: str
    summary: str
    read: Callable[..., Any]
    write: Callable[..., None] | None = None
    aliases: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    metadata: bool = True
    needs: tuple[str, ...] = ()
    blocked: bool = False
    empty: bool = False
    size: Callable[..., tuple[int | None, int | None]] | None = None
    sniff: Callable[[bytes], bool] | None = None
    stored_cols: Callable[[int], int] = field(default=lambda cols: cols)
    read_frame: Callable[..., Any] | None = None
    write_frame: Callable[..., None] | None = None
    read_list: Callable[..., Any] | None = None
    write_list: Callable[..., None] | None = None
    holds_lists: bool = False

    def defaults(self) -> dict[str, Any]:
        return {o.name: o.default for o in self.options}


@functools.cache
def _table() -> dict[str, Format]:
    package = importlib.import_module("pydml.io.formats")
    table: dict[str, Format] = {}
    for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda i: i.name):
        declared = importlib.import_module(f"{package.__name__}.{info.name}").FORMAT
        for name in (declared.name, *declared.aliases):
            if name in table:
                raise ValueError(f"format {name} is declared twice")
            table[name] = declared
    return table


def formats() -> list[Format]:
    """All formats, by name."""
    return sorted(set(_table().values()), key=lambda f: f.name)


def find(name: str) -> Format:
    """The format of that name or alias, in upper or lower case.  Raises DMLError "value" or "not-supported"."""
    found = _table().get(name.lower())
    if found is None:
        known = ", ".join(f.name for f in formats())
        if name.lower() in _ELSEWHERE:
            fail("not-supported", f"files of format {name} are not supported", help=f"formats are {known}")
        fail("value", f"there is no format {name}", help=suggest(name, _table()) or f"formats are {known}")
    return found


def detect(head: bytes) -> Format | None:
    """The format that recognises the first bytes of a file, or None."""
    for declared in formats():
        if declared.sniff is not None and declared.sniff(head):
            return declared
    return None


def options(use: str) -> list[Option]:
    """The options of all formats that "read" or "write" takes, each name once."""
    return list(_unique(o for f in formats() for o in f.options if use in o.uses))


def option_names() -> dict[str, Option]:
    """All options by name: the keys that a `.mtd` may have for the sake of some format."""
    return {o.name: o for f in formats() for o in f.options}


def _unique(found: Iterable[Option]) -> Iterable[Option]:
    seen: set[str] = set()
    for option in found:
        if option.name not in seen:
            seen.add(option.name)
            yield option


__all__ = ["Format", "Option", "detect", "find", "formats", "option_names", "options"]

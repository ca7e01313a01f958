"""Paths of data files: names as scripts write them, folders of part files, and what to say about a missing file."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import BinaryIO, NoReturn

from pydml.config import bundled_scripts
from pydml.diagnostics import fail

MANIFEST = "manifest.json"  # in the folder of a part of a prepared data set (see `io.dataset`)


def local_path(path: str) -> str:
    """The path in the file system.  `file:` addresses are local paths; other schemes raise DMLError "not-supported"."""
    if path.startswith("file:"):
        path = path[5:]
        if path.startswith("//"):
            path = "/" + path.lstrip("/")
    elif "://" in path:
        scheme = path.partition("://")[0]
        fail("not-supported", f"{path}: files of {scheme} cannot be reached", help="copy the file to a local path")
    if not path.strip():
        fail("file", "the name of the file is empty")
    if "\0" in path:
        fail("file", f"the name of the file contains a zero byte: {path!r}")
    stripped = path.rstrip("/")
    return stripped or "/"


def existing_path(path: str) -> str:
    """The path, or where there is nothing in the working folder the file of that name that comes with pydml.

    `scripts/nn/...` and `nn/...` name the shipped files from everywhere, as they do in source(): the data of the examples is there.
    """
    if os.path.isabs(path) or os.path.exists(path):
        return path
    short = os.path.normpath(path).replace(os.sep, "/").removeprefix("scripts/")
    shipped = os.path.join(bundled_scripts(), short)
    return shipped if not short.startswith("..") and os.path.exists(shipped) else path


def part_files(path: str) -> list[str]:
    """The files that hold the data of `path`: itself, or the files of the folder in the order of their names.

    Names that start with `_` or `.` are left out, as are empty files.  Raises DMLError "file".
    """
    if not os.path.isdir(path):
        if not os.path.exists(path):
            missing(path)
        return [path]
    try:
        names = sorted(n for n in os.listdir(path) if n[0] not in "_.")
    except OSError as error:
        unreadable(path, error)
    files = []
    for name in names:
        part = os.path.join(path, name)
        if os.path.isdir(part):
            fail(
                "file",
                f"{path} is not a folder of part files: it contains the folder {name}",
                help=f'did you mean "{part}"?'
                if len(names) == 1 or os.path.exists(os.path.join(part, MANIFEST))
                else "",
            )
        if os.path.getsize(part) > 0:
            files.append(part)
    return files


def only_file(path: str) -> str:
    """The file that holds the data of `path`, for formats without parts.  Raises DMLError."""
    files = part_files(path)
    if len(files) != 1:
        fail("data-format", f"{path} must be one file, not a folder of {len(files)}")
    return files[0]


def missing(path: str) -> NoReturn:
    """Raise DMLError "file" for a path that does not exist, with the nearest existing name."""
    import difflib

    folder, name = os.path.split(path)
    try:
        names = os.listdir(folder or ".")
    except OSError:
        outer = folder
        while outer and not os.path.isdir(outer):
            lost, outer = outer, os.path.dirname(outer)
        fail("file", f"there is no file {path}", notes=[f"the folder {lost or folder} does not exist"])
    known = [n for n in names if not n.endswith(".mtd") and n[0] != "."]
    lower = [n for n in known if n.lower() == name.lower()]
    close = lower or difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    notes = [f"there is a {name}.mtd, but not the data that it describes"] if name + ".mtd" in names else []
    help = ""
    if close:
        help = f"did you mean {os.path.join(folder, close[0])}?"
    elif not os.path.isabs(path):
        help = f"the path starts from the working folder, {os.getcwd()}"
    fail("file", f"there is no file {path}", notes=notes, help=help)


def unreadable(path: str, error: OSError) -> NoReturn:
    """Raise DMLError "file" for an error of the operating system while reading."""
    if isinstance(error, FileNotFoundError):
        missing(path)
    fail("file", f"cannot read {path}: {error.strerror or error}")


def read_bytes(path: str, limit: int = -1) -> bytes:
    """The content of one file, or its first `limit` bytes; a name that ends in `.gz` is decompressed."""
    with open_bytes(path) as stream:
        return stream.read(limit)


@contextlib.contextmanager
def open_bytes(path: str) -> Iterator[BinaryIO]:
    """The file for reading; a name that ends in `.gz` is decompressed.  Raises DMLError "file" or "data-format"."""
    try:
        if not path.endswith(".gz"):
            with open(path, "rb") as stream:
                yield stream
            return
        import gzip
        import zlib

        try:
            with gzip.open(path, "rb") as packed:
                yield packed  # type: ignore[misc]
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            fail("data-format", f"{path}: the compressed file is damaged: {error}")
    except OSError as error:
        unreadable(path, error)

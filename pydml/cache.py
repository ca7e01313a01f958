"""Results of earlier runs, kept in a private directory of the user: parser tables, parsed files.

`load(kind, key)` and `store(kind, key, value)` keep values, `unpacked(archive, ..)` keeps files of an archive, `clear()`
removes everything.  An entry is found again only by the same key, version of pydml and version of Python.  Nothing here
fails or warns: where there is no safe directory, or a file in it is damaged, there is simply no cache.

The directory is $PYDML_CACHE_DIR, else $XDG_CACHE_HOME/pydml, else ~/.cache/pydml; an empty PYDML_CACHE_DIR turns
the cache off.  Entries are pickles, and a pickle can run any code when it is read.  So a directory is used only if
it belongs to the user and nobody else may write to it, and it is created with mode 0700.
"""

from __future__ import annotations

import gc
import os
import pickle
import stat
import sys
import zlib

_MAGIC = b"pydml-cache-1\n"
_SUFFIX = ".pydml-cache"
_UNPACKED = "unpacked-"
_MOST_ENTRIES = 400  # about 40 MB; the entries that were not used for longest go first


def directory() -> str | None:
    """The cache directory, created if need be; None where there is no safe one."""
    chosen = os.environ.get("PYDML_CACHE_DIR")
    if chosen is not None:
        path = chosen
    else:
        path = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "pydml")
    if not os.path.isabs(path):  # empty, relative, or no home
        return None
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
        status = os.stat(path)
    except OSError:
        return None
    if not stat.S_ISDIR(status.st_mode) or not _is_private(status):
        return None
    return path


def load(kind: str, key: str) -> object | None:
    """What `store` kept under this kind and key; None if there is nothing."""
    path = _path(kind, key)
    if path is None:
        return None
    try:
        with open(path, "rb") as file:
            if not _is_private(os.fstat(file.fileno())):
                return None
            content = file.read()
        payload = memoryview(content)[len(_MAGIC) + 4 :]
        if content[: len(_MAGIC)] != _MAGIC or content[len(_MAGIC) : len(_MAGIC) + 4] != _checksum(payload):
            return None
        value = _unpickle(payload)
        os.utime(path)
        return value
    except Exception:  # a damaged pickle can raise anything
        return None


def store(kind: str, key: str, value: object) -> None:
    """Keep `value`, which must be picklable, for `load`; replaces an earlier value."""
    path = _path(kind, key)
    if path is None:
        return
    try:
        payload = pickle.dumps(value, 5)
    except (pickle.PicklingError, RecursionError, TypeError, AttributeError):
        return
    import tempfile  # loads much that a run with a warm cache does not need

    folder = os.path.dirname(path)
    temporary = None
    try:
        # The name is new and the replacement atomic: readers see the old entry or the new one, never a part.
        number, temporary = tempfile.mkstemp(dir=folder, prefix=".new-", suffix=_SUFFIX)
        with os.fdopen(number, "wb") as file:
            file.write(_MAGIC + _checksum(payload))
            file.write(payload)
        os.replace(temporary, path)
        temporary = None
        _drop_old(folder)
    except OSError:
        pass
    finally:
        if temporary is not None:
            try:
                os.unlink(temporary)
            except OSError:
                pass


def unpacked(archive: str, prefix: str, suffix: str) -> str:
    """A folder with the files of a zip archive whose names begin with `prefix` and end with `suffix`, at the same paths.

    They are unpacked once for each archive; without a cache directory, into a temporary folder for this process.
    Raises OSError, or ValueError for a file that is no zip archive.
    """
    status = os.stat(archive)
    key = f"{os.path.realpath(archive)}\0{status.st_mtime_ns}\0{status.st_size}\0{prefix}\0{suffix}"
    parent = directory()
    target = None
    if parent is not None:
        import hashlib

        target = os.path.join(parent, f"{_UNPACKED}{hashlib.sha256(key.encode()).hexdigest()[:24]}")
        if os.path.isdir(target):
            return target
    import atexit
    import shutil
    import tempfile
    import zipfile

    folder = tempfile.mkdtemp(prefix=".new-", dir=parent)
    try:
        with zipfile.ZipFile(archive) as file:
            names = [n for n in file.namelist() if n.startswith(prefix) and n.endswith(suffix) and ".." not in n]
            file.extractall(folder, names)
        if target is not None:
            os.rename(folder, target)
            return target
    except zipfile.BadZipFile as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise ValueError(str(error)) from None
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
        if target is not None and os.path.isdir(target):  # another process was faster
            return target
        raise
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def clear() -> tuple[int, int]:
    """Remove what was kept, by this and other versions; returns the number of files and of bytes."""
    parent = directory()
    files = size = 0
    if parent is None:
        return 0, 0
    for entry in os.listdir(parent):
        if not (entry.endswith(_SUFFIX) or entry.startswith((_UNPACKED, "compiled-", ".new-"))):
            continue  # somebody else's
        path = os.path.join(parent, entry)
        for folder, _, names in os.walk(path, topdown=False):
            for name in names:
                count, length = _remove(os.path.join(folder, name))
                files, size = files + count, size + length
            try:
                os.rmdir(folder)
            except OSError:
                pass
        if os.path.isfile(path):
            count, length = _remove(path)
            files, size = files + count, size + length
    return files, size


def _remove(path: str) -> tuple[int, int]:
    """Remove a file; how many were removed (0 or 1), and its size."""
    try:
        length = os.lstat(path).st_size
        os.unlink(path)
    except OSError:
        return 0, 0
    return 1, length


def _path(kind: str, key: str) -> str | None:
    folder = directory()
    if folder is None:
        return None
    try:
        from _blake2 import blake2b  # hashlib loads OpenSSL, which takes longer than all the rest here
    except ImportError:  # another Python than CPython
        from hashlib import blake2b

    version = getattr(sys.modules.get("pydml"), "__version__", "")
    full_key = f"{version}\0{sys.implementation.cache_tag}\0{sys.hexversion}\0{kind}\0{key}"
    digest = blake2b(full_key.encode("utf-8", "surrogatepass"), digest_size=32).hexdigest()
    return os.path.join(folder, f"{kind}-{digest}{_SUFFIX}")


def _is_private(status: os.stat_result) -> bool:
    """Whether only the user can have written it."""
    if not hasattr(os, "getuid"):  # Windows: the profile directory is private
        return True
    return status.st_uid == os.getuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _checksum(payload: bytes | memoryview) -> bytes:
    return zlib.crc32(payload).to_bytes(4, "little")


def _unpickle(payload: memoryview) -> object:
    # Thousands of new objects and no garbage: the collector would double the time (measured on syntax trees).
    collecting = gc.isenabled()
    gc.disable()
    try:
        return pickle.loads(payload)
    finally:
        if collecting:
            gc.enable()


def _drop_old(folder: str) -> None:
    paths = [os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(_SUFFIX)]
    if len(paths) <= _MOST_ENTRIES:
        return
    ages = []
    for path in paths:
        try:
            ages.append((os.stat(path).st_mtime, path))
        except OSError:  # another process was faster
            continue
    ages.sort()
    for _, path in ages[: -_MOST_ENTRIES // 2]:
        try:
            os.unlink(path)
        except OSError:
            pass

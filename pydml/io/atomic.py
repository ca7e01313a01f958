"""Replacing files as a whole.

A result is first written under temporary names in the folder of its target, then all its files take their places, the data
before the `.mtd`.  An error before or during the exchange leaves the old files; a killed process leaves them too, and perhaps a
temporary file, whose name starts with a `.` so that no reader takes it for a part file.

Two names cannot change in one step.  So where the data and its `.mtd` replace older files, a plan of the exchange stands beside them
while it goes on, `.NAME.exchange`; a process that was killed in the middle leaves it, and `finish_exchange`, which every reader and
writer of NAME calls first, does what is left of it.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from pydml.diagnostics import fail


def cannot_write(path: str, error: OSError) -> NoReturn:
    """Raise DMLError "file" for an error of the operating system while writing."""
    fail("file", f"cannot write {path}: {error.strerror or error}")


class Replacement:
    """New files that take the places of old ones together.

    with Replacement(path) as new:
        write to new.file(path), new.folder(path) ...        anything here may fail
        new.remove(path + ".mtd")                            a file that the result makes obsolete
    """

    def __init__(self, path: str):
        self.path = path
        self._pending: list[tuple[str | None, str]] = []
        self._made: list[str] = []

    def __enter__(self) -> Replacement:
        return self

    def _temporary(self, target: str) -> str:
        folder, name = os.path.split(target)
        name = f".{name[:100]}.{os.getpid()}-{os.urandom(4).hex()}.tmp"
        temporary = os.path.join(folder, name)
        self._made.append(temporary)
        return temporary

    def file(self, target: str) -> str:
        """A name, in the folder of `target`, that the caller writes the new file to."""
        # a link stays a link: the file that it names is replaced
        target = os.path.realpath(target)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        temporary = self._temporary(target)
        self._pending.append((temporary, target))
        return temporary

    def folder(self, target: str) -> str:
        """A new empty folder that takes the place of `target`."""
        temporary = self.file(target)
        os.mkdir(temporary)
        return temporary

    def remove(self, target: str) -> None:
        """The file `target`, if there is one, goes away with the exchange."""
        self._pending.append((None, os.path.realpath(target)))

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            if kind is None:
                self._exchange()
        except OSError as problem:
            cannot_write(self.path, problem)
        finally:
            for name in self._made:
                _delete(name)
        if isinstance(error, OSError):
            cannot_write(self.path, error)

    def _exchange(self) -> None:
        finish_exchange(self.path)
        for temporary, target in self._pending:
            if temporary is not None:
                _keep_mode(temporary, target)  # before the plan: whoever finishes it only renames
        if len(self._pending) > 1:
            with _planned(self.path, self._pending):
                self._take_places()
        else:
            self._take_places()

    def _take_places(self) -> None:
        done: list[tuple[Callable[..., Any], str, str]] = []  # what undoes each step
        try:
            for temporary, target in self._pending:
                if temporary is None:
                    if os.path.lexists(target):
                        aside = self._temporary(target)
                        os.replace(target, aside)
                        done.append((os.replace, aside, target))
                    continue
                if not os.path.lexists(target):
                    os.replace(temporary, target)
                    done.append((os.replace, target, temporary))
                elif swap(temporary, target):
                    done.append((swap, temporary, target))
                else:
                    aside = self._temporary(target)
                    os.replace(target, aside)
                    done.append((os.replace, aside, target))
                    os.replace(temporary, target)
                    done.append((os.replace, target, temporary))
        except BaseException:
            for undo, a, b in reversed(done):
                with contextlib.suppress(OSError):
                    undo(a, b)
            raise


def _plan_name(path: str) -> str:
    folder, name = os.path.split(os.path.realpath(path))
    return os.path.join(folder, f".{name[:100]}.exchange")


def _identity(path: str | None) -> list[int] | None:
    """What tells a file or folder from another one that comes to its name, or None where there is nothing."""
    try:
        found = os.lstat(path) if path is not None else None
    except OSError:
        return None
    return None if found is None else [found.st_dev, found.st_ino, found.st_mtime_ns]


@contextlib.contextmanager
def _planned(path: str, pending: list[tuple[str | None, str]]) -> Iterator[None]:
    """While the block runs, the plan of the exchange is on disk, locked by this process.  Where the file system has no locks,
    there is no plan: nobody could tell a killed process from a working one."""
    import json

    plan = _plan_name(path)
    steps = [[temporary, _identity(temporary), target, _identity(target)] for temporary, target in pending]
    draft = f"{plan[:-9]}.{os.getpid()}-{os.urandom(4).hex()}.tmp"
    with open(draft, "w", encoding="utf-8") as file:
        locked = _lock(file)
        json.dump(steps, file)
        file.flush()
        try:
            if locked:
                os.replace(draft, plan)
            yield
        finally:
            _delete(draft)
            if locked and _is_at(file, plan):
                _delete(plan)


def _is_at(file: Any, path: str) -> bool:
    """Whether an open file still has this name."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except OSError:
        return False


def _lock(file: Any) -> bool:
    """Take the lock of an open file; False if another process has it or there are no locks here."""
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):
        return False
    return True


def finish_exchange(path: str) -> None:
    """Do what a killed process left undone of an exchange of `path`.  Nothing if there is no plan, or its process still works.

    A step is done only while its target is what it was when the plan was made: what was written there since stays.
    """
    import json

    plan = _plan_name(path)
    # no plan: opening it fails
    with contextlib.suppress(OSError), open(plan, "r+", encoding="utf-8") as file:
        if not _lock(file) or not _is_at(file, plan):
            return
        with contextlib.suppress(OSError, ValueError, TypeError):
            for temporary, new, target, old in json.load(file):
                # without a way to exchange two names the old file is moved aside first
                if _identity(target) in (old, None) and (temporary is None or _identity(temporary) == new):
                    folder = os.path.isdir(target)
                    if temporary is None or (folder and not swap(temporary, target)):
                        _delete(target)
                    if temporary is not None and _identity(temporary) == new:
                        os.replace(temporary, target)
                if temporary is not None:
                    _delete(temporary)
        _delete(plan)


def _keep_mode(temporary: str, target: str) -> None:
    """Give a new file the permissions of the file that it replaces."""
    with contextlib.suppress(OSError):
        old, new = os.stat(target).st_mode, os.stat(temporary).st_mode
        if stat.S_IFMT(old) == stat.S_IFMT(new):
            os.chmod(temporary, stat.S_IMODE(old))


def swap(a: str, b: str) -> bool:
    """Exchange two names in one step, files or folders; False where the system has no such step."""
    renameat2 = _renameat2()
    if renameat2 is None:
        return False
    at_working_folder, exchange = -100, 2
    return renameat2(at_working_folder, os.fsencode(a), at_working_folder, os.fsencode(b), exchange) == 0


def _renameat2() -> Any:
    global _RENAMEAT2
    if _RENAMEAT2 is False:
        try:
            import ctypes

            _RENAMEAT2 = ctypes.CDLL(None).renameat2
            _RENAMEAT2.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
        except (ImportError, AttributeError, OSError, TypeError):
            _RENAMEAT2 = None
    return _RENAMEAT2


_RENAMEAT2: Any = False


def _delete(path: str) -> None:
    with contextlib.suppress(OSError):
        if os.path.isdir(path) and not os.path.islink(path):
            import shutil

            shutil.rmtree(path)
        else:
            os.unlink(path)


__all__ = ["Replacement", "cannot_write", "finish_exchange", "swap"]

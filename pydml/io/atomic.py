"""Replacing files as a whole.

A result is first written under temporary names in the folder of its target, then all its files take their places, the data
before the `.mtd`.  An error before or during the exchange leaves the old files; a killed process leaves them too, and perhaps a
temporary file, whose name starts with a `.` so that no reader takes it for a part file.
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
        done: list[tuple[Callable[..., Any], str, str]] = []  # what undoes each step
        try:
            for temporary, target in self._pending:
                if temporary is None:
                    if os.path.lexists(target):
                        aside = self._temporary(target)
                        os.replace(target, aside)
                        done.append((os.replace, aside, target))
                    continue
                _keep_mode(temporary, target)
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


@contextlib.contextmanager
def replacing(path: str) -> Iterator[str]:
    """`with replacing(path) as name:` write one file to `name`; it takes the place of `path` at the end."""
    with Replacement(path) as new:
        yield new.file(path)


__all__ = ["Replacement", "cannot_write", "replacing", "swap"]

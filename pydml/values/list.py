"""DML lists: ordered, optionally named values of any type.  Immutable, like all values."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any

_growing = threading.Lock()
_getrefcount = sys.getrefcount


class List:
    """items: the elements.  names: one name (or None) for each element, or None if no element has a name.

    A list that `appended` makes shares the memory of the one before, so that appending in a loop takes constant time.
    """

    __slots__ = ("_elements", "_names", "_sealed", "_size")

    def __init__(self, items: Sequence[Any], names: Sequence[str | None] | None = None):
        self._elements = list(items)
        self._size = len(self._elements)
        self._sealed = False  # a loop reads the memory: who appends takes a copy
        self._names = list(names) if names is not None and any(n is not None for n in names) else None

    @property
    def items(self) -> tuple[Any, ...]:
        return tuple(self._elements[: self._size])

    @property
    def names(self) -> tuple[str | None, ...] | None:
        return None if self._names is None else tuple(self._names[: self._size])

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Any]:
        return iter(self.items)

    def __getitem__(self, i: int) -> Any:
        """Element i, from 0."""
        if not 0 <= i < self._size:
            raise IndexError(i)
        return self._elements[i]

    def part(self, low: int, high: int) -> List:
        """Elements low to high - 1, from 0, with their names."""
        high = min(high, self._size)
        return List(self._elements[low:high], None if self._names is None else self._names[low:high])

    def at(self, i: int) -> Any:
        """Element i, from 1, as DML counts."""
        if 0 < i <= self._size:
            return self._elements[i - 1]
        raise IndexError(i)

    def push(self, item: Any) -> List:
        """This list and one more element, as `appended`; it is this list that grows if only the variable of the caller holds it.

        Called as `l = l.push(item)`, where the variable is counted, and the references that the call itself holds (`_SOLE_OWNER`).
        """
        if (
            _getrefcount(self) <= _SOLE_OWNER and self._names is None and len(self._elements) == self._size
        ):  # nobody else can append to the shared memory, for whoever has it holds a shorter list
            self._elements.append(item)
            self._size += 1
            return self
        return self.appended(item)

    def references(self) -> int:
        """How many references there are while a method runs."""
        return _getrefcount(self)

    # ---- for loops that only append to a list and read its elements, which work with a list of Python

    def taken(self) -> tuple[list[Any], list[str | None] | None]:
        """The elements and names, to be changed by a loop that makes a list of them again by `made`.

        They are the memory of this list if only the variable of the caller holds it, which has to drop it.
        """
        if _getrefcount(self) <= _SOLE_OWNER and len(self._elements) == self._size:
            return self._elements, self._names
        return self._elements[: self._size], None if self._names is None else self._names[: self._size]

    @classmethod
    def made(cls, elements: list[Any], names: list[str | None] | None) -> List:
        """The list with these elements, whose memory it takes; there may be fewer names."""
        result = cls.__new__(cls)
        result._elements, result._size, result._sealed = elements, len(elements), False
        result._names = None if names is None else names + [None] * (len(elements) - len(names))
        return result

    def sealed(self) -> list[Any]:
        """The elements, for a loop that reads them.  Later lists do not share their memory, in which they would grow."""
        if len(self._elements) != self._size:
            return self._elements[: self._size]
        self._sealed = True
        return self._elements

    def appended(self, item: Any, name: str | None = None) -> List:
        """This list and one more element."""
        result = List.__new__(List)
        result._sealed = False
        size = self._size
        named = self._names is not None or name is not None
        with _growing:  # threads may hold the same list
            if len(self._elements) != size or self._sealed:  # another one has grown from this list before
                result._elements = self._elements[:size]
                names = None if self._names is None else self._names[:size]
            else:
                result._elements, names = self._elements, self._names
            result._elements.append(item)
            if named:
                names = [None] * size if names is None else names
                names.append(name)
        result._names = names
        result._size = size + 1
        return result

    def replace(self, i: int, item: Any) -> bool:
        """Put `item` in the place of element i, from 0, unless another list shares the memory; then False."""
        if _getrefcount(self._elements) > _UNSHARED:
            return False
        self._elements[i] = item
        return True

    def position(self, name: str) -> int:
        """0-based position of the element called `name`, or -1."""
        if self._names is not None:
            try:
                return self._names.index(name, 0, self._size)
            except ValueError:
                pass
        return -1

    def __repr__(self) -> str:
        if self._names is None:
            return f"List({list(self.items)!r})"
        return f"List({list(self.items)!r}, {list(self.names or ())!r})"


def _measure() -> tuple[int, int]:
    """References to a list that only a variable holds, as `push` counts them, and to memory of its own, as `replace` does."""
    x = List(())
    return x.references(), _getrefcount(x._elements)


_SOLE_OWNER, _UNSHARED = _measure()

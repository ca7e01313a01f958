"""DML lists: ordered, optionally named values of any type.  Immutable, like all values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any


class List:
    """items: the elements.  names: one name (or None) for each element, or None if no element has a name."""

    __slots__ = ("items", "names")

    def __init__(self, items: Sequence[Any], names: Sequence[str | None] | None = None):
        self.items = tuple(items)
        self.names = tuple(names) if names is not None and any(n is not None for n in names) else None

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.items)

    def position(self, name: str) -> int:
        """0-based position of the element called `name`, or -1."""
        if self.names is not None:
            try:
                return self.names.index(name)
            except ValueError:
                pass
        return -1

    def __repr__(self) -> str:
        if self.names is None:
            return f"List({list(self.items)!r})"
        return f"List({list(self.items)!r}, {list(self.names)!r})"

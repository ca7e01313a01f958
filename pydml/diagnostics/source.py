"""Source texts and places in them.

A `SourceFile` is a DML text with its name; a `Span` is a half-open range of characters in it.  Every node of
the syntax tree and every IR operation carries a `Span`, so that any stage can report where a mistake is.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

from pydml.records import dataclass


@dataclass(frozen=True, eq=False)
class SourceFile:
    """A DML text.  `name` is the path as the user wrote it, or `<text>` for text given directly."""

    name: str
    text: str

    @property
    def line_starts(self) -> list[int]:
        starts = self.__dict__.get("_line_starts")
        if starts is None:
            starts = [0]
            starts.extend(i + 1 for i, c in enumerate(self.text) if c == "\n")
            self.__dict__["_line_starts"] = starts
        return starts

    def line_and_column(self, offset: int) -> tuple[int, int]:
        """1-based line and column of a character offset."""
        starts = self.line_starts
        line = bisect_right(starts, offset)
        return line, offset - starts[line - 1] + 1

    def line(self, number: int) -> str:
        """Text of a 1-based line, without its line end."""
        starts = self.line_starts
        if not 1 <= number <= len(starts):
            return ""
        end = starts[number] - 1 if number < len(starts) else len(self.text)
        return self.text[starts[number - 1] : end].rstrip("\r\n")


class Span(NamedTuple):
    """Characters `start:end` of `file`."""

    file: SourceFile
    start: int
    end: int

    @property
    def line(self) -> int:
        return self.file.line_and_column(self.start)[0]

    @property
    def column(self) -> int:
        return self.file.line_and_column(self.start)[1]

    @property
    def text(self) -> str:
        return self.file.text[self.start : self.end]

    def to(self, other: Span) -> Span:
        """The span from the start of this one to the end of `other`."""
        return Span(self.file, self.start, other.end)

    def __str__(self) -> str:
        line, column = self.file.line_and_column(self.start)
        return f"{self.file.name}:{line}:{column}"

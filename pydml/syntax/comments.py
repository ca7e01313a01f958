"""Documentation in comments: which comment belongs to a function or a file, and its text without comment marks."""

from __future__ import annotations

import re
import textwrap
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

_LICENCE = re.compile(r"licen[cs]e|copyright", re.IGNORECASE)
_RULE = re.compile(r"[-=#*~_ \t]*")


class Comment(NamedTuple):
    """Characters `start:end` of the text: one block comment, or `#` lines that follow each other."""

    start: int
    end: int


class Comments:
    """The comments of a text."""

    def __init__(self, text: str, places: Sequence[tuple[int, int]]):
        """places: start and end of each `#` line and block comment, in their order."""
        self.text = text
        self._groups: list[Comment] = []
        for start, end in places:
            last = self._groups[-1] if self._groups else None
            if (
                last is not None
                and text[start] == text[last.start] == "#"
                and self._alone(last.start)
                and self._one_line_apart(last.end, start)
            ):
                self._groups[-1] = Comment(last.start, end)
            else:
                self._groups.append(Comment(start, end))
        self._starts = [group.start for group in self._groups]

    def of_module(self) -> str:
        """The comment that opens the text, but not a licence."""
        opening = self._opening()
        return self._strip(opening) if opening is not None else ""

    def of_function(self, start: int, body: int) -> str:
        """The comment of a function that starts at `start` and whose body starts at `body`, after its brace.

        It ends on the line before the function, or is the first thing in the body.  The comment that opens the
        file counts only where the body has none: it describes the file.
        """
        before = self._before(start)
        inside = self._after(body)
        if before is None or (inside is not None and before == self._opening()):
            before = inside
        return self._strip(before) if before is not None else ""

    def _before(self, position: int) -> Comment | None:
        index = bisect_left(self._starts, position) - 1
        if index < 0:
            return None
        comment = self._groups[index]
        fits = self._alone(comment.start) and self._one_line_apart(comment.end, position)
        return comment if fits and self._strip(comment) else None

    def _after(self, position: int) -> Comment | None:
        index = bisect_left(self._starts, position)
        if index == len(self._groups) or self.text[position : self._starts[index]].strip():
            return None
        return self._groups[index]

    def _opening(self) -> Comment | None:
        """The first comment; if it is a licence, the one that follows it."""
        first = self._after(0)
        if first is None:
            return None
        text = self._strip(first)
        second = self._after(first.end)
        # A comment that mentions a licence is passed over for another one; one that opens with it documents nothing.
        if _LICENCE.search(text if second is not None else text.lstrip().partition("\n")[0]):
            return second
        return first

    def _alone(self, start: int) -> bool:
        """Whether nothing but blanks stands before `start` on its line."""
        return not self.text[self.text.rfind("\n", 0, start) + 1 : start].strip()

    def _one_line_apart(self, end: int, start: int) -> bool:
        between = self.text[end:start]
        return not between.strip() and between.count("\n") <= 1

    def _raw(self, comment: Comment) -> str:
        return self.text[comment.start : comment.end]

    def _strip(self, comment: Comment) -> str:
        raw = self._raw(comment)
        if raw.startswith("#"):
            lines = [line.strip().lstrip("#") for line in raw.splitlines()]
        else:
            lines = raw[2:-2].splitlines() or [""]
            starred = [line for line in lines[1:] if line.strip()]
            if starred and all(line.lstrip().startswith("*") for line in starred):
                lines = [lines[0].lstrip("*"), *(re.sub(r"^\s*\*+", "", line) for line in lines[1:])]
            # The first line stands behind the mark; only the others share an indentation.
            lines = [lines[0].strip(), *textwrap.dedent("\n".join(lines[1:])).split("\n")]
        lines = ["" if _RULE.fullmatch(line) or line.startswith("!") else line.rstrip() for line in lines]
        return textwrap.dedent("\n".join(lines)).strip("\n")

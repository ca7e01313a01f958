"""Numbers in text files: the doubles of many cells, the texts of many doubles, and messages about cells that are no numbers.

Doubles are exactly those of Python's `float`; texts are those of `values.text.double_text`, as SystemDS writes them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

from pydml.diagnostics import fail
from pydml.values.text import double_text, parse_double


def cell_texts(values: Iterable[float], zero: str) -> list[str]:
    """The text of each value as it is written to files; `zero` stands for 0."""
    # repr is the text of all numbers in the range where Java does not use an exponent
    return [repr(v) if 1e-3 <= v < 1e7 or -1e7 < v <= -1e-3 else zero if v == 0 else double_text(v) for v in values]


def parse_cell(text: bytes) -> float | None:
    """The number in a cell, or None.  What Java reads, and `nan` and `inf` in any case, as other programs write them."""
    try:
        if b"_" not in text:
            return float(text)
    except ValueError:
        pass
    return parse_double(text.decode("latin-1"))


def bad_cell(path: str, line: int, column: int, text: bytes, help: str = "") -> NoReturn:
    """Raise DMLError "data-format" for a cell that is no number.  line, column: 1-based."""
    fail("data-format", f"{path}: line {line}, column {column}: {shown(text)} is not a number", help=help)


def shown(text: bytes, limit: int = 40) -> str:
    """A piece of a file as it is quoted in messages."""
    decoded = text.decode("utf-8", "replace")
    decoded = decoded if len(decoded) <= limit else decoded[:limit] + "..."
    return '"' + "".join(c if c.isprintable() else repr(c)[1:-1] for c in decoded) + '"'


def parse_int(text: bytes) -> int | None:
    """A whole number written with digits alone, as indexes are; None for any other text."""
    return int(text) if text.isdigit() else None


__all__ = ["bad_cell", "cell_texts", "parse_cell", "parse_int", "shown"]

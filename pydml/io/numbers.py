"""Numbers in text files: the doubles of many cells, the texts of many doubles, and messages about cells that are no numbers.

Doubles are exactly those of Python's `float`; texts are those of `values.text.double_text`, as SystemDS writes them.

The formats ask `accelerated(name, ...)` before they work through a file themselves.  A backend enters its functions by
`@fast(name)`; they do the same work in less time, or return NotImplemented.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from pydml.diagnostics import fail
from pydml.values.text import double_text, parse_double

_FAST: dict[str, Callable[..., Any]] = {}


def fast(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a fast function for one of the names that formats ask for."""

    def enter(function: Callable[..., Any]) -> Callable[..., Any]:
        _FAST[name] = function
        return function

    return enter


def accelerated(name: str, *args: Any) -> Any:
    """What the fast function of that name makes of the arguments; NotImplemented if there is none or it does not want them."""
    function = _FAST.get(name)
    return NotImplemented if function is None else function(*args)


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


__all__ = ["accelerated", "bad_cell", "cell_texts", "fast", "parse_cell", "parse_int", "shown"]

"""Diagnostics as text for people, one line for editors, or JSON for tools."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from typing import NamedTuple

from pydml.diagnostics.diagnostic import Diagnostic, DMLError
from pydml.diagnostics.source import Span

_COLORS = {"error": "\033[1;31m", "warning": "\033[1;33m", "place": "\033[1;34m", "off": "\033[0m"}


# A longer source line is shown in part, around the place that matters.
_LINE_WIDTH = 160


class _Mark(NamedTuple):
    """Marked columns `start:end` (from 0) of one source line, with a remark."""

    start: int
    end: int
    sign: str
    remark: str


def _char_width(c: str) -> int:
    """Terminal columns of a character: wide East Asian ones take two, combining ones none."""
    if unicodedata.combining(c):
        return 0
    return 2 if unicodedata.east_asian_width(c) in "WF" else 1


def _width(text: str) -> int:
    return sum(map(_char_width, text))


def _visible(text: str) -> str:
    """Control and format characters, which a terminal would obey, as the replacement character; tabs stay."""
    return "".join(c if c == "\t" or unicodedata.category(c)[0] != "C" else "\N{REPLACEMENT CHARACTER}" for c in text)


def _pad(text: str) -> str:
    """White space as wide as `text`; tabs stay tabs so that marks stand below their text."""
    return "".join(c if c == "\t" else " " * _char_width(c) for c in text)


def _mark(span: Span, sign: str, remark: str) -> tuple[int, _Mark]:
    """The line of a span and its mark there; a span of several lines is marked on the first."""
    line, column = span.file.line_and_column(span.start)
    start = column - 1
    length = len(span.file.line(line))
    return line, _Mark(start, max(start + 1, min(start + span.end - span.start, length)), sign, remark)


def _window(source: str, marks: list[_Mark]) -> tuple[str, int]:
    """The part of a source line that is shown, and the column where it starts."""
    if len(source) <= _LINE_WIDTH:
        return source, 0
    first = max(0, min(m.start for m in marks) - _LINE_WIDTH // 4)
    part = source[first : first + _LINE_WIDTH]
    return ("..." if first else "") + part + ("..." if first + len(part) < len(source) else ""), first - (
        3 if first else 0
    )


def _marked_line(number: int, source: str, marks: list[_Mark], gutter: int) -> list[str]:
    """A source line, its marks below, and their remarks: the last one beside its mark, the others below theirs."""
    source, shift = _window(_visible(source), marks)
    marks = sorted(
        (m._replace(start=m.start - shift, end=min(m.end - shift, len(source) + 1)) for m in marks),
        key=lambda m: m.start,
    )
    signs = ""
    at = 0
    for i, m in enumerate(marks):
        end = min(m.end, marks[i + 1].start) if i + 1 < len(marks) else m.end
        if end <= at:  # covered by the mark before
            continue
        start = max(m.start, at)
        signs += _pad(source[at:start]) + m.sign * max(1, _width(source[start:end]))
        at = end
    margin = f"{'':>{gutter}} | "
    lines = [f"{number:>{gutter}} | {source}", margin + signs + (f" {marks[-1].remark}" if marks[-1].remark else "")]
    lines.extend(margin + _pad(source[: m.start]) + m.remark for m in reversed(marks[:-1]) if m.remark)
    return lines


def _excerpts(d: Diagnostic, paint: Callable[[str, str], str]) -> list[str]:
    """The places of a diagnostic, file by file, beginning with its own."""
    assert d.span is not None
    spans = [(d.span, "^", "")] + [(label.span, "-", label.text) for label in d.labels]
    gutter = max(len(str(span.line)) for span, _, _ in spans)
    lines = []
    for file in dict.fromkeys(span.file for span, _, _ in spans):
        here = [entry for entry in spans if entry[0].file is file]
        by_line: dict[int, list[_Mark]] = {}
        for span, sign, remark in here:
            line, mark = _mark(span, sign, remark)
            by_line.setdefault(line, []).append(mark)
        lines.append(" " * (gutter - 1) + paint("place", " --> ") + str(here[0][0]))
        before = None
        for line, marks in sorted(by_line.items()):
            if before is not None and line > before + 1:
                lines.append("...")
            lines.extend(_marked_line(line, file.line(line), marks, gutter))
            before = line
    return lines


def render_text(diagnostic: Diagnostic, color: bool = False) -> str:
    """The full form: id and message, places with their source lines, notes, call stack, help."""
    d = diagnostic

    def paint(name: str, text: str) -> str:
        return f"{_COLORS[name]}{text}{_COLORS['off']}" if color else text

    lines = [paint(d.severity, f"{d.severity}[{d.id}]") + f": {d.message}"]
    if d.span is not None:
        lines.extend(_excerpts(d, paint))
    lines.extend(f"  = {note}" for note in d.notes)
    if len(d.stack) > 12:  # a runaway recursion: its ends tell all
        shown = [*d.stack[:6], None, *d.stack[-5:]]
    else:
        shown = list(d.stack)
    for frame in shown:
        if frame is None:
            lines.append(f"  = ... {len(d.stack) - 11} more calls ...")
        else:
            lines.append(f"  = called by {frame.span} in {frame.function}")
    if d.help:
        lines.append(f"  = help: {d.help}")
    return "\n".join(lines)


def render_line(diagnostic: Diagnostic) -> str:
    """`file:line:column: severity[id]: message`, as editors expect it."""
    place = f"{diagnostic.span}: " if diagnostic.span is not None else ""
    return f"{place}{diagnostic.severity}[{diagnostic.id}]: {diagnostic.message}"


def render_json(error: DMLError) -> str:
    """A JSON list with one object per diagnostic."""

    def place(span: Span | None) -> dict[str, object] | None:
        if span is None:
            return None
        line, column = span.file.line_and_column(span.start)
        end_line, end_column = span.file.line_and_column(max(span.start, span.end))
        return {"file": span.file.name, "line": line, "column": column, "end_line": end_line, "end_column": end_column}

    return json.dumps(
        [
            {
                "id": d.id,
                "severity": d.severity,
                "message": d.message,
                "place": place(d.span),
                "labels": [{"place": place(label.span), "text": label.text} for label in d.labels],
                "notes": list(d.notes),
                "help": d.help,
                "stack": [{"function": f.function, "place": place(f.span)} for f in d.stack],
            }
            for d in error.diagnostics
        ]
    )

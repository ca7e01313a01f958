"""Diagnostics as text for people, one line for editors, or JSON for tools."""

from __future__ import annotations

import json
import unicodedata

from pydml.diagnostics.diagnostic import Diagnostic, DMLError
from pydml.diagnostics.source import Span

_COLORS = {"error": "\033[1;31m", "warning": "\033[1;33m", "place": "\033[1;34m", "off": "\033[0m"}


def _width(text: str) -> int:
    """Terminal columns of a text: wide East Asian characters take two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _pad(text: str) -> str:
    """White space as wide as `text`; tabs stay tabs so that carets stand below their text."""
    return "".join(c if c == "\t" else " " * _width(c) for c in text)


def _excerpt(span: Span, mark: str, remark: str, gutter: int) -> list[str]:
    line, column = span.file.line_and_column(span.start)
    source = span.file.line(line)
    before, inside = source[: column - 1], source[column - 1 : column - 1 + max(1, span.end - span.start)]
    carets = mark * max(1, _width(inside))
    return [
        f"{line:>{gutter}} | {source}",
        f"{'':>{gutter}} | {_pad(before)}{carets}" + (f" {remark}" if remark else ""),
    ]


def render_text(diagnostic: Diagnostic, color: bool = False) -> str:
    """The full form: id and message, place, source line with carets, notes, call stack, help."""
    paint = (lambda name, text: f"{_COLORS[name]}{text}{_COLORS['off']}") if color else (lambda name, text: text)
    d = diagnostic
    lines = [paint(d.severity, f"{d.severity}[{d.id}]") + f": {d.message}"]
    if d.span is not None:
        gutter = max(len(str(s.line)) for s in [d.span, *(label.span for label in d.labels)])
        lines.append(" " * (gutter - 1) + paint("place", " --> ") + str(d.span))
        lines.extend(_excerpt(d.span, "^", "", gutter))
        file = d.span.file.name
        for label in d.labels:
            if label.span.file.name != file:
                lines.append(" " * (gutter - 1) + paint("place", " --> ") + str(label.span))
                file = label.span.file.name
            lines.extend(_excerpt(label.span, "-", label.text, gutter))
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

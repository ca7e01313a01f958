"""`Diagnostic`, the one form of every message to the user, and `DMLError`, the exception that carries them.

Anything from the parser to a kernel reports a mistake by `fail(id, message, ...)`.  Code that knows the place
gives a span; code that does not (a builtin at run time) leaves it out, and the executor adds the span of the
operation and the DML call stack.  Ids are listed in `catalog.py`; `render.py` turns diagnostics into text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field, replace
from typing import NoReturn

from pydml.diagnostics.source import Span
from pydml.records import dataclass


@dataclass(frozen=True)
class Label:
    """A second place that matters, with a remark."""

    span: Span
    text: str


@dataclass(frozen=True)
class Frame:
    """One level of the DML call stack: the function that was running and the place of the call in it."""

    function: str
    span: Span


@dataclass(frozen=True)
class Diagnostic:
    """One message: what is wrong, where, what else matters, and what to do.

    id: a key of `catalog.CATALOG`.  message: one sentence with names and shapes.  span: the place, if known.
    labels: further places.  notes: facts (shapes, values).  help: what to do, "" if nothing useful is known.
    stack: DML calls, innermost first.  severity: "error" or "warning".
    """

    id: str
    message: str
    span: Span | None = None
    labels: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()
    help: str = ""
    stack: tuple[Frame, ...] = ()
    severity: str = "error"


class DMLError(Exception):
    """A mistake in a DML program or its data.  `diagnostics` holds one or more `Diagnostic`s.

    The attributes `id`, `message`, `file`, `line`, `column` are those of the first; they are None (or 0) where
    the place is not known.
    """

    def __init__(self, diagnostics: Diagnostic | Sequence[Diagnostic]):
        if isinstance(diagnostics, Diagnostic):
            diagnostics = [diagnostics]
        self.diagnostics: tuple[Diagnostic, ...] = tuple(diagnostics)
        super().__init__(self.diagnostics)

    @property
    def diagnostic(self) -> Diagnostic:
        return self.diagnostics[0]

    @property
    def id(self) -> str:
        return self.diagnostic.id

    @property
    def message(self) -> str:
        return self.diagnostic.message

    @property
    def file(self) -> str | None:
        return self.diagnostic.span.file.name if self.diagnostic.span else None

    @property
    def line(self) -> int:
        return self.diagnostic.span.line if self.diagnostic.span else 0

    @property
    def column(self) -> int:
        return self.diagnostic.span.column if self.diagnostic.span else 0

    def with_span(self, span: Span, stack: Sequence[Frame] = ()) -> DMLError:
        """The same error, placed: diagnostics without a span get this one and the call stack."""
        return DMLError(
            [d if d.span is not None else replace(d, span=span, stack=tuple(stack)) for d in self.diagnostics]
        )

    def __str__(self) -> str:
        from pydml.diagnostics.render import render_text

        return "\n".join(render_text(d) for d in self.diagnostics)


def fail(
    id: str,
    message: str,
    span: Span | None = None,
    *,
    labels: Sequence[Label] = (),
    notes: Sequence[str] = (),
    help: str = "",
) -> NoReturn:
    """Raise a `DMLError` with one diagnostic."""
    raise DMLError(Diagnostic(id, message, span, tuple(labels), tuple(notes), help))


def internal_error(error: BaseException) -> DMLError:
    """An exception that no script should cause, as a `DMLError`."""
    return DMLError(
        Diagnostic(
            "internal",
            f"a fault in pydml: {type(error).__name__}: {error}",
            help="please report it with the script; --debug shows the Python traceback",
        )
    )


@dataclass
class Collector:
    """Gathers diagnostics of a stage that can go on after a mistake; `check` raises what was gathered."""

    diagnostics: list[Diagnostic] = field(default_factory=list)

    def add(self, id: str, message: str, span: Span | None = None, **details: object) -> None:
        self.diagnostics.append(Diagnostic(id, message, span, **details))  # type: ignore[arg-type]

    def catch(self, error: DMLError) -> None:
        self.diagnostics.extend(error.diagnostics)

    def check(self) -> None:
        errors = [d for d in self.diagnostics if d.severity == "error"]
        if errors:
            unique = list(dict.fromkeys(errors))
            unique.sort(key=lambda d: (d.span.file.name, d.span.start) if d.span else ("", 0))
            raise DMLError(unique)

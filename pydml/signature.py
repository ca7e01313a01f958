"""Signatures of builtins and DML functions, and the one routine that binds call arguments to parameters.

A signature is written as text:

    order(target: matrix|frame, by: number|matrix = 1, decreasing: boolean = FALSE, index.return: boolean = FALSE) -> matrix
    cbind(*X: matrix|frame|list|string) -> any          any number of positional arguments
    list(**items: any) -> list                          any number of positional or named arguments
    svd(X: matrix) -> U: matrix, S: matrix, V: matrix   several results

Parameter types: matrix, frame, list, int, double, boolean, string, number (int or double), scalar (any scalar), shape (a
bracket list of numbers), any; alternatives are joined by `|`.  A default is `TRUE`, `FALSE`, `NULL` (not given), a number
or a "string".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pydml.diagnostics import Span, fail
from pydml.records import dataclass
from pydml.types import BOOLEAN, DOUBLE, FRAME, INT, LIST, MATRIX, SCALAR, STRING, UNKNOWN, Type

REQUIRED: Any = type("Required", (), {"__repr__": lambda self: "REQUIRED"})()


@dataclass(frozen=True)
class Parameter:
    """One parameter.  types: alternatives.  default: REQUIRED, or a Python value (None: not given).

    kind: "one", "star" (`*X`) or "items" (`**items`).
    """

    name: str
    types: tuple[str, ...]
    default: Any = REQUIRED
    kind: str = "one"

    @property
    def python_name(self) -> str:
        return self.name.replace(".", "_")

    def accepts(self, type: Type) -> bool:
        """True unless `type` is certainly wrong."""
        return any(_accepts(t, type) for t in self.types)

    def type_text(self) -> str:
        return " or ".join(_TYPE_WORDS[t] for t in self.types)


_TYPE_WORDS = {
    "matrix": "a matrix",
    "frame": "a frame",
    "list": "a list",
    "int": "an int",
    "double": "a double",
    "boolean": "a boolean",
    "string": "a string",
    "number": "a number",
    "scalar": "a scalar",
    "shape": "a bracket list such as [1,2]",
    "any": "a value",
    "null": "nothing",
}


def _accepts(name: str, type: Type) -> bool:
    if name == "any" or type.data == UNKNOWN:
        return True
    if name == "matrix":
        return type.data == MATRIX
    if name == "frame":
        return type.data == FRAME
    if name == "list":
        return type.data == LIST
    if name == "shape":
        return type.data == "shape"
    if name == "null":
        return type.data == "null"
    if type.data != SCALAR:
        return False
    if name == "scalar" or type.value == UNKNOWN:
        return True
    if name == "number":
        return type.value in (INT, DOUBLE)
    return {"int": INT, "double": DOUBLE, "boolean": BOOLEAN, "string": STRING}[name] == type.value


@dataclass(frozen=True)
class Signature:
    """The parameters and results of a function."""

    name: str
    params: tuple[Parameter, ...]
    results: tuple[tuple[str, str], ...]  # (name, type); the name is "" where it has none

    @staticmethod
    def parse(text: str) -> Signature:
        match = _SIGNATURE.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"bad signature: {text}")
        params = tuple(_parse_parameter(p) for p in _split(match["params"]))
        results = []
        for result in _split(match["results"]):
            name, _, type_ = result.rpartition(":")
            results.append((name.strip(), type_.strip()))
        return Signature(match["name"], params, tuple(results))

    def __str__(self) -> str:
        stars = {"one": "", "star": "*", "items": "**"}
        params = []
        for p in self.params:
            text = f"{stars[p.kind]}{p.name}: {'|'.join(p.types)}"
            if p.default is not REQUIRED and p.kind == "one":
                text += f" = {_default_text(p.default)}"
            params.append(text)
        results = ", ".join(f"{n}: {t}" if n else t for n, t in self.results)
        return f"{self.name}({', '.join(params)})" + (f" -> {results}" if results else "")

    def bind(
        self, positional: Sequence[Any], named: Sequence[tuple[str, Any, Span]], span: Span, default: Any = lambda v: v
    ) -> list[Any]:
        """Arguments in the order of the parameters.

        positional: argument values.  named: (name, value, span of the name).  default: makes an argument of a default
        value.  A star parameter takes all positional arguments from its place on; an items parameter yields two entries
        for each argument: the name (or None), wrapped by `default`, and the value.  Raises DMLError "call".
        """
        bound: dict[str, Any] = {}
        extra: list[Any] = []
        positional = list(positional)
        for p in self.params:
            if p.kind == "star":
                extra, positional = positional, []
            elif p.kind == "items":
                for value in positional:
                    extra += [default(None), value]
                positional = []
            elif positional:
                bound[p.name] = positional.pop(0)
        if positional:
            count = len(self.params)
            fail(
                "call",
                f"{self.name}: too many arguments: {count + len(positional)} given, at most {count} expected",
                span,
                notes=[f"signature: {self}"],
            )
        names = {p.name: p for p in self.params if p.kind == "one"}
        takes_items = any(p.kind == "items" for p in self.params)
        star = any(p.kind == "star" for p in self.params)
        for name, value, place in named:
            if name in names:
                if name in bound:
                    fail(
                        "call", f"{self.name}: the argument {name} is given twice", place, notes=[f"signature: {self}"]
                    )
                bound[name] = value
            elif takes_items:
                extra += [default(name), value]
            elif star and bound:  # SystemDS goes by position: table(A, B, odim1=3, odim2=4)
                extra.append(value)
            else:
                fail(
                    "call",
                    f"{self.name}: there is no parameter {name}",
                    place,
                    notes=[f"signature: {self}"],
                    help=suggest(name, names),
                )
        result: list[Any] = []
        for p in self.params:
            if p.kind != "one":
                result += extra
            elif p.name in bound:
                result.append(bound[p.name])
            elif p.default is REQUIRED:
                fail("call", f"{self.name}: the argument {p.name} is missing", span, notes=[f"signature: {self}"])
            else:
                result.append(default(p.default))
        return result

    def parameter_at(self, position: int) -> Parameter:
        """The parameter that a bound argument belongs to (star and items parameters take all of the rest)."""
        for i, p in enumerate(self.params):
            if p.kind != "one" or i == position:
                return p
        return self.params[-1]

    def check_types(self, types: Sequence[Type], spans: Sequence[Span] | None = None) -> None:
        """Raise DMLError "argument-type" for an argument that certainly has a wrong type."""
        for i, type_ in enumerate(types):
            p = self.parameter_at(i)
            if type_.data == "null" or p.accepts(type_):
                continue
            fail(
                "argument-type",
                f"{self.name}: {p.name} must be {p.type_text()}, got {article(str(type_))}",
                spans[i] if spans else None,
                notes=[f"signature: {self}"],
                help="use as.scalar(X) to get the number out of a 1 x 1 matrix"
                if type_.data == MATRIX
                and "matrix" not in p.types
                and type_.rows in (1, None)
                and type_.cols in (1, None)
                else "",
            )


def article(noun: str) -> str:
    """`a matrix`, `an int`."""
    return ("an " if noun[:1] in "aeiou" else "a ") + noun


def suggest(name: str, known: Any) -> str:
    """`did you mean ...?`, or "" if nothing is close."""
    import difflib

    cutoff = 0.7 if len(name) > 3 else 0.65  # of three letters, one may be wrong
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)
    if not close:
        lower = {k.lower(): k for k in known}
        if name.lower() in lower:
            close = [lower[name.lower()]]
    return f"did you mean {close[0]}?" if close else ""


_SIGNATURE = re.compile(r"(?P<name>[^(]+?)\((?P<params>.*)\)(?:\s*->\s*(?P<results>.*))?", re.S)


def _split(text: str | None) -> list[str]:
    """Comma-separated parts, not inside quotes."""
    return [part.strip() for part in re.findall(r'(?:"[^"]*"|[^,])+', text or "") if part.strip()]


def _parse_parameter(text: str) -> Parameter:
    declaration, _, default = text.partition("=")
    name, _, types = declaration.partition(":")
    name = name.strip()
    kind = "items" if name.startswith("**") else "star" if name.startswith("*") else "one"
    alternatives = tuple(t.strip() for t in types.split("|"))
    for t in alternatives:
        if t not in _TYPE_WORDS:
            raise ValueError(f"unknown type {t!r} in parameter {text!r}")
    return Parameter(name.lstrip("*"), alternatives, _parse_default(default.strip()), kind)


def _parse_default(text: str) -> Any:
    if not text:
        return REQUIRED
    if text in ("TRUE", "FALSE"):
        return text == "TRUE"
    if text == "NULL":
        return None
    if text[0] in "\"'":
        return text[1:-1].replace("\\n", "\n")
    return float(text) if re.search(r"[.eEn]", text) else int(text)


def _default_text(value: Any) -> str:
    if isinstance(getattr(value, "span", None), Span):  # an expression of the syntax tree
        return value.span.text
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    return '"' + value.replace("\n", "\\n") + '"' if isinstance(value, str) else str(value)


__all__ = ["REQUIRED", "Parameter", "Signature", "article", "suggest"]

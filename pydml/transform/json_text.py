"""A tolerant reader of JSON, for specifications that stand in DML strings.

Beyond JSON it takes what SystemDS takes: names and texts without quotes (`{ids:true, recode:[a, b]}`) or in single quotes,
comments (`/* */`, `//`) and commas before a closing bracket.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

from pydml.diagnostics import fail

_BLANK = re.compile(r"(?:\s+|/\*.*?\*/|//[^\n]*)*", re.S)
_WORD = re.compile(r"[^\s,:{}\[\]\"']+")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.A)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_WORDS = {"true": True, "false": False, "null": None}


def parse_json(text: str, what: str) -> Any:
    """The value of a JSON text: dict, list, str, int, float, bool or None.  Raises DMLError "value" with the place."""
    reader = _Reader(text, what)
    value = reader.value()
    reader.blank()
    if reader.position < len(text):
        reader.expected("nothing more")
    return value


class _Reader:
    def __init__(self, text: str, what: str):
        self.text = text
        self.what = what
        self.position = 0

    def expected(self, wanted: str) -> NoReturn:
        before = self.text[: self.position]
        line, column = before.count("\n") + 1, self.position - before.rfind("\n")
        rest = self.text[self.position : self.position + 10]
        found = f'"{rest}"' if rest else "the end"
        fail(
            "value",
            f"{self.what}: the specification is no JSON: line {line}, column {column}: expected {wanted}, found {found}",
        )

    def blank(self) -> None:
        match = _BLANK.match(self.text, self.position)
        assert match is not None
        self.position = match.end()

    def peek(self) -> str:
        self.blank()
        return self.text[self.position : self.position + 1]

    def value(self) -> Any:
        start = self.peek()
        if start == "{":
            return self.object()
        if start == "[":
            return self.array()
        if start in ("'", '"') and start:
            return self.quoted()
        word = self.word("a value")
        if word in _WORDS:
            return _WORDS[word]
        if _NUMBER.fullmatch(word):
            return int(word) if word.lstrip("+-").isdigit() else float(word)
        return word

    def word(self, wanted: str) -> str:
        match = _WORD.match(self.text, self.position)
        if match is None:
            self.expected(wanted)
        self.position = match.end()
        return match[0]

    def quoted(self) -> str:
        quote = self.text[self.position]
        start = self.position
        self.position += 1
        pieces: list[str] = []
        while True:
            c = self.text[self.position : self.position + 1]
            if not c:
                self.position = start
                self.expected(f"a text that ends with {quote}")
            self.position += 1
            if c == quote:
                return "".join(pieces)
            if c == "\\":
                c = self.text[self.position : self.position + 1]
                self.position += 1
                if c == "u":
                    digits = self.text[self.position : self.position + 4]
                    if not re.fullmatch(r"[0-9a-fA-F]{4}", digits):
                        self.expected("four hexadecimal digits")
                    self.position += 4
                    c = chr(int(digits, 16))
                else:
                    c = _ESCAPES.get(c, c)
            pieces.append(c)

    def array(self) -> list[Any]:
        self.position += 1
        items: list[Any] = []
        while True:
            if self.peek() == "]":
                self.position += 1
                return items
            items.append(self.value())
            if self.peek() == ",":
                self.position += 1
            elif self.peek() != "]":
                self.expected("',' or ']'")

    def object(self) -> dict[str, Any]:
        self.position += 1
        items: dict[str, Any] = {}
        while True:
            start = self.peek()
            if start == "}":
                self.position += 1
                return items
            key = self.quoted() if start in ("'", '"') and start else self.word("a name or '}'")
            if self.peek() != ":":
                self.expected("':'")
            self.position += 1
            items[key] = self.value()
            if self.peek() == ",":
                self.position += 1
            elif self.peek() != "}":
                self.expected("',' or '}'")


__all__ = ["parse_json"]

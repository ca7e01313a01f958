"""What expressions over cells use of Java: methods of texts, static functions, regular expressions and formats.

Each function is written in Python for Python values: a text is a str, a char its number in an int (what it is, the
expression knows), arrays are lists.  Characters beyond U+FFFF count as one here, as two in Java.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Any

import numpy as np

from pydml.values.columns import float_text, string_hashes
from pydml.values.text import double_text, parse_double


class JavaError(Exception):
    """An exception that Java would throw; the message is for users."""


def signed(value: int, bits: int) -> int:
    """The lowest bits of a number, as a number with a sign."""
    half = 1 << bits - 1
    return (value + half & 2 * half - 1) - half


def int32(value: int) -> int:
    return signed(value, 32)


def int64(value: int) -> int:
    return signed(value, 64)


def wrapped(value: Any, type: str) -> Any:
    """A result of arithmetic within its type."""
    if type == "int":
        return int32(value)
    if type == "long":
        return int64(value)
    if type == "float":
        with np.errstate(all="ignore"):
            return float(np.float32(value))
    return value


def text_of(value: Any, type: str) -> str:
    """`String.valueOf`: how a value of that type reads in a text."""
    if value is None:
        return "null"
    if type == "char":
        return chr(value)
    if type == "boolean":
        return "true" if value else "false"
    if type == "double":
        return double_text(value)
    if type == "float":
        return float_text(np.float32(value))
    if type == "char[]":
        return "".join(map(chr, value))
    return str(value)


# ---- regular expressions

_POSIX = {
    "Lower": "a-z",
    "Upper": "A-Z",
    "ASCII": "\\x00-\\x7F",
    "Alpha": "a-zA-Z",
    "Digit": "0-9",
    "Alnum": "a-zA-Z0-9",
    "Punct": "!-/:-@\\[-`{-~",
    "Graph": "!-~",
    "Print": " -~",
    "Blank": " \\t",
    "Cntrl": "\\x00-\\x1F\\x7F",
    "XDigit": "0-9a-fA-F",
    "Space": " \\t-\\r",
    "IsAlphabetic": "^\\W\\d_",
    "L": "^\\W\\d_",
    "IsL": "^\\W\\d_",
}


@lru_cache(256)
def regex(pattern: str) -> re.Pattern[str]:
    """A regular expression of Java.  Without (?U), \\d, \\w and \\s are ASCII.  Raises JavaError."""
    try:
        return re.compile(_translated(pattern))
    except re.error as error:
        raise JavaError(f"the regular expression {pattern} is malformed: {error}") from None


_CLASSES = {"d": "0-9", "w": "a-zA-Z0-9_", "s": " \\t-\\r", "h": " \\t\\xA0"}
_PROPERTY = re.compile(r"\{(\w+)\}|(\w)")


def _translated(pattern: str) -> str:
    pieces = []
    i, depth = 0, 0  # depth: of character classes
    while i < len(pattern):
        c = pattern[i]
        if c == "\\" and i + 1 < len(pattern):
            escaped = pattern[i + 1]
            i += 2
            if escaped == "Q":
                end = pattern.find("\\E", i)
                end = len(pattern) if end < 0 else end
                pieces.append(re.escape(pattern[i:end]))
                i = end + 2
            elif escaped in _CLASSES:
                pieces.append(_CLASSES[escaped] if depth else f"[{_CLASSES[escaped]}]")
            elif escaped.lower() in _CLASSES and not depth:
                pieces.append(f"[^{_CLASSES[escaped.lower()]}]")
            elif escaped in "pP":
                match = _PROPERTY.match(pattern, i)
                name = match and (match[1] or match[2])
                cells = _POSIX.get(name or "")
                if match is None or cells is None or (depth and (cells[0] == "^" or escaped == "P")):
                    raise JavaError(f"the class \\{escaped}{{{name}}} of regular expressions is not supported")
                i = match.end()
                negated = (escaped == "P") != (cells[0] == "^")
                cells = cells.removeprefix("^")
                pieces.append(cells if depth else f"[{'^' if negated else ''}{cells}]")
            elif escaped == "k" and (named := re.compile(r"<(\w+)>").match(pattern, i)):
                pieces.append(f"(?P={named[1]})")
                i = named.end()
            elif escaped in "zZ":
                pieces.append("\\Z" if escaped == "z" else "(?=\\n?\\Z)")
            elif escaped == "R" and not depth:
                pieces.append("(?:\\r\\n|[\\n-\\r\\x85\\u2028\\u2029])")
            elif escaped in "bB":
                pieces.append("\\" + escaped)
            elif escaped.isalpha() and escaped not in "tnrfavxuADSW":
                raise JavaError(f"the escape \\{escaped} of regular expressions is not supported")
            else:
                pieces.append("\\" + escaped)
            continue
        if c == "[":
            if depth:
                raise JavaError("classes within classes of regular expressions are not supported")
            depth = 1
            pieces.append("[")
            i += 1
            if pattern.startswith("^", i):
                pieces.append("^")
                i += 1
            continue
        if c == "]" and depth:
            depth = 0
        elif depth and pattern.startswith("&&", i):
            raise JavaError("intersections (&&) in regular expressions are not supported")
        elif c == "$" and not depth:
            pieces.append("(?=\\n?\\Z)")
            i += 1
            continue
        elif c == "(" and not depth and re.match(r"\(\?<[A-Za-z]", pattern[i : i + 4]):
            pieces.append("(?P<")
            i += 3
            continue
        pieces.append(c)
        i += 1
    return "".join(pieces)


def _replacement(template: str) -> Callable[[re.Match[str]], str]:
    parts: list[Any] = []
    i = 0
    while i < len(template):
        c = template[i]
        if c == "\\" and i + 1 < len(template):
            parts.append(template[i + 1])
            i += 2
        elif c == "$":
            match = re.compile(r"\$(?:(\d)|\{(\w+)\})").match(template, i)
            if match is None:
                raise JavaError(f"the replacement {template} has a $ without the number of a group")
            parts.append(int(match[1]) if match[1] else (match[2],))
            i = match.end()
        else:
            parts.append(c)
            i += 1

    def made(match: re.Match[str]) -> str:
        try:
            return "".join(p if type(p) is str else match[p if type(p) is int else p[0]] or "" for p in parts)
        except IndexError:
            raise JavaError(f"the replacement {template} names a group that the expression does not have") from None

    return made


def replace_all(text: str, pattern: str, template: str) -> str:
    return regex(pattern).sub(_replacement(template), text)


def replace_first(text: str, pattern: str, template: str) -> str:
    return regex(pattern).sub(_replacement(template), text, count=1)


def split(text: str, pattern: str, limit: int = 0) -> list[str]:
    """`String.split`: without empty texts at the end, unless the limit is negative; an empty match never leads."""
    parts: list[str] = []
    start = 0
    for match in regex(pattern).finditer(text):
        if 0 < limit <= len(parts) + 1:
            break
        if match.end() == 0 or (match.start() == match.end() == len(text)):
            continue
        parts.append(text[start : match.start()])
        start = match.end()
    parts.append(text[start:])
    if limit == 0 and len(parts) > 1:
        while parts and parts[-1] == "":
            parts.pop()
    return parts


# ---- methods of texts


def char_at(text: str, i: int) -> int:
    if not 0 <= i < len(text):
        raise JavaError(f"charAt({i}): the text has {len(text)} characters")
    return ord(text[i])


def substring(text: str, start: int, end: int | None = None) -> str:
    stop = len(text) if end is None else end
    if not 0 <= start <= stop <= len(text):
        shown = str(start) if end is None else f"{start}, {end}"
        raise JavaError(f"substring({shown}): the text has {len(text)} characters")
    return text[start:stop]


def _sought(wanted: Any) -> str:
    return chr(wanted) if isinstance(wanted, int) else wanted


def index_of(text: str, wanted: Any, start: int = 0) -> int:
    return text.find(_sought(wanted), max(start, 0))


def last_index_of(text: str, wanted: Any) -> int:
    return text.rfind(_sought(wanted))


def compare_to(a: str, b: str) -> int:
    for x, y in zip(a, b, strict=False):
        if x != y:
            return ord(x) - ord(y)
    return len(a) - len(b)


def strip_controls(text: str) -> str:
    """`String.trim`: without characters up to the blank at both ends."""
    start, stop = 0, len(text)
    while start < stop and text[start] <= " ":
        start += 1
    while stop > start and text[stop - 1] <= " ":
        stop -= 1
    return text[start:stop]


def repeat(text: str, count: int) -> str:
    if count < 0 or count * len(text) > 1 << 28:
        raise JavaError(f"repeat({count}) is negative or too large")
    return text * count


def hash_code(text: str) -> int:
    return int(string_hashes([text])[0])


def parse_int(text: Any, low: int = -(2**31), high: int = 2**31 - 1) -> int:
    if isinstance(text, str) and re.fullmatch(r"[+-]?\d+", text) and low <= int(text) <= high:
        return int(text)
    raise JavaError(f'"{text}" is not an integer')


def parse_long(text: str) -> int:
    return parse_int(text, -(2**63), 2**63 - 1)


def parse_real(text: str) -> float:
    value = parse_double(text) if text is not None else None
    if value is None:
        raise JavaError(f'"{text}" is not a number')
    return value


# ---- formats

_SPECIFIER = re.compile(r"%(?:(\d+)\$)?([-#+ 0,(]*)(\d+)?(?:\.(\d+))?([a-zA-Z%])")


def format_text(template: str, values: Sequence[tuple[Any, str]]) -> str:
    """`String.format` for %s %d %f %e %x %X %c %b %n %%.  values: (value, type) pairs."""
    position = 0

    def one(match: re.Match[str]) -> str:
        nonlocal position
        number, flags, width, precision, kind = match.groups()
        if kind == "n":
            return "\n"
        if kind == "%":
            return "%"
        place = int(number) - 1 if number else position
        if not number:
            position += 1
        if not 0 <= place < len(values):
            raise JavaError(f"the format {template} needs more values than there are")
        return _formatted(*values[place], match[0], flags, int(width or 0), precision and int(precision), kind)

    rest = _SPECIFIER.sub("", template)
    if "%" in rest:
        raise JavaError(f"the format {template} is malformed")
    return _SPECIFIER.sub(one, template)


def _formatted(value: Any, type: str, shown: str, flags: str, width: int, precision: Any, kind: str) -> str:
    whole = type in ("int", "long")
    if kind in "sS":
        text = text_of(value, type)
        text = text if precision is None else text[:precision]
    elif kind in "bB":
        text = text_of(value, type) if type == "boolean" else "true" if value is not None else "false"
    elif kind in "cC" and type in ("char", "int"):
        text = chr(value)
    elif kind == "d" and whole:
        text = format(value, "+,d" if "," in flags and "+" in flags else ",d" if "," in flags else "d")
        text = "+" + text if "+" in flags and value >= 0 and text[0] != "+" else text
    elif kind in "xX" and whole:
        text = format(value & (0xFFFFFFFF if type == "int" else (1 << 64) - 1), "x")
    elif kind == "f" and type in ("double", "float"):
        text = _fixed(value, type, 6 if precision is None else precision, "," in flags)
        text = "+" + text if "+" in flags and value >= 0 else text
    elif kind in "eE" and type in ("double", "float"):
        text = format(value, f".{6 if precision is None else precision}e")
    else:
        raise JavaError(f"the format {shown} does not take a value of type {type}")
    if kind.isupper():
        text = text.upper()
    if "-" in flags:
        return text.ljust(width)
    if "0" in flags and len(text) < width:
        sign = text[0] if text[0] in "+-" else ""
        return sign + text[len(sign) :].rjust(width - len(sign), "0")
    return text.rjust(width)


def _fixed(value: float, type: str, digits: int, grouped: bool) -> str:
    """Java rounds the shortest digits of the number half up."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    exact = Decimal(text_of(value, type))
    rounded = exact.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    return format(rounded, f"{',' if grouped else ''}.{digits}f")


# ---- functions of SystemDS (UtilFunctions)


def jaccard_similarity(a: str, b: str) -> float:
    """Characters that two texts have in common over those that they have at all."""
    union = len(set(a) | set(b))
    return len(set(a) & set(b)) * (1.0 / union) if a and b else 0.0


def word_error_rate(a: str, b: str) -> float:
    """Words to insert, drop or replace in the first text to get the second one, over the words of the longer one."""
    x, y = split(a, " "), split(b, " ")
    return edit_distance(x, y) / max(len(x), len(y))


def edit_distance(a: Sequence[str], b: Sequence[str]) -> int:
    """How many elements to insert, drop or replace in one sequence to get the other one."""
    previous = list(range(len(b) + 1))
    for i, word in enumerate(a, 1):
        current = [i]
        for j, other in enumerate(b, 1):
            current.append(min(previous[j] + 1, current[-1] + 1, previous[j - 1] + (word != other)))
        previous = current
    return previous[-1]


def split_recode_entry(text: str) -> list[str]:
    left, _, right = text.rpartition("\xb7")
    return [left, right]


def ascii_at(text: str, position: int) -> int:
    return ord(text[position - 1]) if 1 <= position <= len(text) else 0


def is_boolean(text: str) -> bool:
    return text.lower() in ("true", "false")


def is_integer(text: str) -> bool:
    return re.fullmatch(r"[+-]?\d+", text) is not None


def quote(text: str) -> str:
    return f'"{text}"'


def unquote(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def compare_version(a: str, b: str) -> int:
    x, y = ([int(p) if p.isdigit() else 0 for p in v.split(".")] for v in (a, b))
    size = max(len(x), len(y))
    x, y = x + [0] * (size - len(x)), y + [0] * (size - len(y))
    return (x > y) - (x < y)


# date formats that a text may have where none is given, by the look of the text
_DATES = [
    (r"\d{8}", "yyyyMMdd"),
    (r"\d{1,2}-\d{1,2}-\d{4}", "dd-MM-yyyy"),
    (r"\d{4}-\d{1,2}-\d{1,2}", "yyyy-MM-dd"),
    (r"\d{1,2}/\d{1,2}/\d{4}", "MM/dd/yyyy"),
    (r"\d{4}/\d{1,2}/\d{1,2}", "yyyy/MM/dd"),
    (r"\d{4}-\d{1,2}-\d{1,2} \d{1,2}:\d{2}", "yyyy-MM-dd HH:mm"),
    (r"\d{4}/\d{1,2}/\d{1,2} \d{1,2}:\d{2}", "yyyy/MM/dd HH:mm"),
    (r"\d{4}-\d{1,2}-\d{1,2} \d{1,2}:\d{2}:\d{2}", "yyyy-MM-dd HH:mm:ss"),
    (r"\d{4}/\d{1,2}/\d{1,2} \d{1,2}:\d{2}:\d{2}", "yyyy/MM/dd HH:mm:ss"),
]
_FIELDS = {
    "yyyy": ("year", 4),
    "yy": ("year", 2),
    "MM": ("month", 2),
    "M": ("month", 1),
    "dd": ("day", 2),
    "d": ("day", 1),
}
_FIELDS |= {"HH": ("hour", 2), "H": ("hour", 1), "mm": ("minute", 2), "ss": ("second", 2), "SSS": ("milli", 3)}
_DATE_PIECE = re.compile(r"'([^']*)'|([A-Za-z])\2*|.", re.S)


def _date_pieces(pattern: str) -> list[tuple[str, int] | str]:
    pieces: list[tuple[str, int] | str] = []
    for match in _DATE_PIECE.finditer(pattern):
        if match[2]:
            if match[0] not in _FIELDS:
                raise JavaError(f"the date format {pattern} has the field {match[0]}, which is not supported")
            pieces.append(_FIELDS[match[0]])
        else:
            pieces.append(match[1] if match[1] is not None else match[0])
    return pieces


def to_millis(text: str, pattern: str | None = None) -> int:
    """Milliseconds since 1970 of a date, in UTC."""
    if pattern is None:
        pattern = next((f for look, f in _DATES if re.fullmatch(look, text)), None)
        if pattern is None:
            raise JavaError(f'"{text}" has no known date format')
    pieces = _date_pieces(pattern)
    rule = "".join(re.escape(p) if isinstance(p, str) else r"(\d+)" if p[1] != 4 else r"(\d{4})" for p in pieces)
    # fields that follow each other without anything between have their length
    if re.search(r"\)\(", rule):
        rule = "".join(re.escape(p) if isinstance(p, str) else rf"(\d{{{p[1]}}})" for p in pieces)
    match = re.match(rule, text)
    if match is None:
        raise JavaError(f'"{text}" is no date of the format {pattern}')
    fields = {"year": 1970, "month": 1, "day": 1, "hour": 0, "minute": 0, "second": 0, "milli": 0}
    for piece, digits in zip((p for p in pieces if not isinstance(p, str)), match.groups(), strict=True):
        value = int(digits)
        fields[piece[0]] = value + 2000 if piece == ("year", 2) else value
    months = fields["month"] - 1
    try:
        start = datetime(fields["year"] + months // 12, months % 12 + 1, 1, tzinfo=UTC)
        date = start + timedelta(
            days=fields["day"] - 1,
            hours=fields["hour"],
            minutes=fields["minute"],
            seconds=fields["second"],
            milliseconds=fields["milli"],
        )
    except (ValueError, OverflowError):
        raise JavaError(f'"{text}" is no date of the format {pattern}') from None
    return (date - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def millis_text(millis: int, pattern: str) -> str:
    date = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=millis)
    values = {name: getattr(date, name) for name in ("year", "month", "day", "hour", "minute", "second")}
    values["milli"] = date.microsecond // 1000
    text = ""
    for piece in _date_pieces(pattern):
        if isinstance(piece, str):
            text += piece
        else:
            name, width = piece
            value = values[name] % 100 if piece == ("year", 2) else values[name]
            text += str(value).rjust(width, "0")
    return text


def date_text(text: str, *patterns: str) -> str:
    """A date in another format: date_text(text, new) or date_text(text, old, new)."""
    if len(patterns) == 1:
        return millis_text(to_millis(text), patterns[0])
    return millis_text(to_millis(text, patterns[0]), patterns[1])


def add_time(text: str, seconds: int, pattern: str) -> str:
    return millis_text(to_millis(text, pattern) + 1000 * seconds, pattern)


# ---- numbers


def half_up(x: float) -> int:
    """`Math.round`."""
    if math.isnan(x):
        return 0
    if math.isinf(x):
        return 2**63 - 1 if x > 0 else -(2**63)
    whole = math.floor(x)
    return min(max(whole + (x - whole >= 0.5), -(2**63)), 2**63 - 1)


def truncate(x: float, low: int, high: int) -> int:
    """A double as an integer: fractions cut off, within the limits of the type."""
    if math.isnan(x):
        return 0
    return low if x <= low else high if x >= high else int(x)

"""Detection of column types: of the cells of a matrix (as.frame) and of text (detectSchema).

The rules are those that SystemDS 3.4.0 shows, with its marks: `INT32·n` is a column with missing cells.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

from pydml.values.columns import (
    BOOLEAN,
    CHARACTER,
    FP32,
    FP64,
    HASH32,
    HASH64,
    INT32,
    INT64,
    STRING,
    Column,
    float_text,
)

MISSING_MARK = "\xb7n"  # behind the type of a column with missing cells

# ---- numbers


def number_type(values: np.ndarray) -> str:
    """The narrowest of BOOLEAN, INT32, INT64, FP32 and FP64 that holds these doubles.

    FP32 holds numbers whose digits survive it: 0.1 does, 0.123456789 does not.  As in SystemDS, whole numbers before the
    first fraction are not looked at, and may lose digits.
    """
    if ((values == 0) | (values == 1)).all():
        return BOOLEAN
    whole = (np.trunc(values) == values) & (values >= -(2.0**63)) & (values < 2.0**63)
    if whole.all():
        return INT32 if values.min() >= -(2.0**31) and values.max() < 2.0**31 else INT64
    values = values[int(np.argmin(whole)) :]
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    inexact = (single != values) & (values == values)
    return FP32 if _digits_survive(values[inexact], single[inexact]) else FP64


def _digits_survive(values: np.ndarray, single: np.ndarray) -> bool:
    for start in range(0, len(values), 4096):
        part = slice(start, start + 4096)
        # NumPy's text of a float32 has the shortest digits that give it back
        if (single[part].astype("U32").astype(np.float64) != values[part]).any():
            return False
    return True


# ---- text

_INTEGER = re.compile(r"(-?\d+)(?:\.(0*))?", re.A)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.A)
_BOOLEANS = frozenset(("true", "false", "t", "f"))
_SPECIAL = frozenset(("nan", "inf", "infinity"))
_ZERO_ONE = re.compile(r"[01](?:\.0*)?")
_HEX = re.compile(r"[0-9a-f]+")
_STEPS = (BOOLEAN, INT32, INT64, FP32, FP64, HASH32, HASH64, CHARACTER, STRING)
_LEVEL = {type: level for level, type in enumerate(_STEPS)}


def _is_single(text: str) -> bool:
    """Whether text that is a number is taken for an FP32: few characters, or digits that survive it."""
    if len(text.lstrip("-")) <= 7 or text.lower().lstrip("+-") in _SPECIAL:
        return True
    if len(text) > 12:
        return False
    value = float(text)
    return 1e-5 <= value < 1e4 and float(float_text(np.float32(value))) == value


def text_type(text: str, known: str = BOOLEAN) -> str:
    """The type of one text that is not empty, from `known` on in the order of _STEPS."""
    start = _LEVEL[known]
    lower = text.lower()
    if start <= _LEVEL[BOOLEAN] and (lower in _BOOLEANS or _ZERO_ONE.fullmatch(text)):
        return BOOLEAN
    if start <= _LEVEL[INT64]:
        match = _INTEGER.fullmatch(text)
        if match:
            value = int(match[1])
            if start <= _LEVEL[INT32] and -(2**31) <= value < 2**31:
                return INT32
            if -(2**63) <= value < 2**63:
                return INT64
    if start <= _LEVEL[FP64] and (_NUMBER.fullmatch(text) or lower.lstrip("+-") in _SPECIAL):
        if start <= _LEVEL[FP32] and _is_single(text):
            return FP32
        return FP64
    if start <= _LEVEL[HASH64] and _HEX.fullmatch(text) and 4 <= len(text) <= 16:
        return HASH32 if len(text) <= 8 and start <= _LEVEL[HASH32] else HASH64
    return CHARACTER if len(text) == 1 else STRING


def _joined(a: str, b: str) -> str:
    """The type of a column with cells of both types."""
    if a == b:
        return a
    low, high = sorted((a, b), key=_LEVEL.__getitem__)
    if high in (INT32, INT64, FP32, FP64):
        return high
    if high in (HASH32, HASH64) and low in (BOOLEAN, INT32, INT64, HASH32):
        return high
    return STRING


def detect(texts: Iterable[str | None]) -> str:
    """The narrowest type for text cells, with the mark of missing ones; `UNKNOWN` where all are missing."""
    cells = list(texts)
    distinct = dict.fromkeys(cells)
    mark = ""
    for absent in (None, ""):
        if absent in distinct:
            del distinct[absent]
            mark = MISSING_MARK
    if not distinct:
        return "UNKNOWN" + mark
    known = _detected(distinct)
    words = any(t.lower() in _BOOLEANS for t in distinct if t)
    ordered = known in (FP32, HASH32, HASH64, CHARACTER) or (known != BOOLEAN and words)
    if ordered and len(distinct) < len(cells):
        # what a text is taken for depends on the cells before it, so that repeated ones count
        known = _detected(t for t in cells if t)
    return known + mark


def _detected(texts: Iterable[str | None]) -> str:
    known = ""
    for text in texts:
        assert text is not None
        known = _joined(known, text_type(text, known)) if known else text_type(text)
        if known == STRING:
            break
    return known


def detect_column(column: Column) -> str:
    """The type that detectSchema gives for a column of a frame: text and floating-point numbers are looked into."""
    if column.type in (STRING, CHARACTER):
        return detect(column.texts())
    type = column.type
    if type in (FP32, FP64):
        present = column.data if column.null is None else column.data[~column.null]
        type = number_type(present.astype(np.float64))
        if type == FP64 and column.type == FP32:
            type = FP32
    return type + (MISSING_MARK if column.null is not None else "")


__all__ = ["MISSING_MARK", "detect", "detect_column", "number_type", "text_type"]

"""Columns of frames: typed cells that may be missing, and conversions between types.

A column is a NumPy array with a mask of missing cells; text is an array of Python strings in which None is missing.  Like
all values it is never written to once it is made.  The texts of cells are those of Java, since codes, hash values and
files of SystemDS depend on them.  `frame.Frame` puts columns together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

import numpy as np

from pydml.diagnostics import fail
from pydml.values.text import double_text, parse_double, scalar_text

STRING, BOOLEAN, INT32, INT64, FP32, FP64 = "STRING", "BOOLEAN", "INT32", "INT64", "FP32", "FP64"
CHARACTER, UINT8, HASH32, HASH64 = "CHARACTER", "UINT8", "HASH32", "HASH64"

DTYPES: dict[str, Any] = {
    STRING: object,
    BOOLEAN: np.bool_,
    INT32: np.int32,
    INT64: np.int64,
    FP32: np.float32,
    FP64: np.float64,
    CHARACTER: object,
    UINT8: np.uint8,
    HASH32: np.uint32,
    HASH64: np.uint64,
}
INTEGERS = (UINT8, INT32, INT64)
_HASHES = (HASH32, HASH64)
_OBJECTS = (STRING, CHARACTER)
# what a new or padded cell holds; text has none
_DEFAULTS = {STRING: None, CHARACTER: "\0"}

# other spellings that scripts and metadata files use
_ALIASES = {
    "INT": INT64,
    "INTEGER": INT64,
    "LONG": INT64,
    "DOUBLE": FP64,
    "FLOAT": FP32,
    "CHAR": CHARACTER,
    "UNKNOWN": STRING,
    "UINT4": UINT8,
}


def column_type(name: str, what: str) -> str:
    """The type of that name, in upper or lower case.  what: starts the message.  Raises DMLError "value"."""
    upper = name.strip().upper()
    found = _ALIASES.get(upper, upper)
    if found not in DTYPES:
        fail("value", f"{what}: there is no column type {name}", help=f"types are {', '.join(DTYPES)}")
    return found


# ---- texts of cells

# how many cells a text array may waste by cells of unequal length before hashes are made one by one
_MAX_WIDTH = 200


def float_text(x: np.float32) -> str:
    """`Float.toString` of Java: the shortest digits, plain from 1e-3 to 1e7, else `1.0E-5`."""
    if not np.isfinite(x) or x == 0:
        return double_text(float(x))
    size = abs(x)
    if 1e-3 <= size < 1e7:
        return np.format_float_positional(x, unique=True, trim="0")
    mantissa, _, exponent = np.format_float_scientific(x, unique=True, trim="0").partition("e")
    return f"{mantissa}E{int(exponent)}"


def _float_texts(data: np.ndarray) -> list[str]:
    size = np.abs(data)
    plain = (size >= 1e-3) & (size < 1e7)
    texts = data.astype("U32").tolist()
    for i in np.flatnonzero(~plain).tolist():
        texts[i] = float_text(data[i])
    # NumPy 2.4 writes large singles with an exponent, older releases do not
    for i in np.flatnonzero(plain & (size >= 1e5)).tolist():
        texts[i] = float_text(data[i])
    return texts


def _double_texts(data: np.ndarray) -> list[str]:
    # repr is the text of all numbers in the range where Java does not use an exponent
    return [repr(v) if 1e-3 <= v < 1e7 or -1e7 < v <= -1e-3 else double_text(v) for v in data.tolist()]


def string_hashes(texts: Sequence[str]) -> np.ndarray:
    """`String.hashCode` of Java for each text, as int32: s[0] * 31^(n-1) + ... + s[n-1], modulo 2^32."""
    if not len(texts):
        return np.zeros(0, np.int32)
    width = max(map(len, texts))
    if width == 0:
        return np.zeros(len(texts), np.int32)
    if width <= _MAX_WIDTH:
        codes = np.array(texts, f"U{width}").view(np.uint32).reshape(len(texts), width)
        # beyond 0xFFFF Java counts two code units; a zero at the end of a text is lost in the array
        if codes.max() <= 0xFFFF and not any("\0" in t for t in texts):
            result = np.zeros(len(texts), np.uint32)
            for k in range(width):
                unit = codes[:, k]
                result = np.where(unit != 0, result * np.uint32(31) + unit, result)
            return result.view(np.int32)
    return np.array([_string_hash(t) for t in texts], np.uint32).view(np.int32)


def _string_hash(text: str) -> int:
    h = 0
    for unit in np.frombuffer(text.encode("utf-16-le", "surrogatepass"), np.uint16).tolist():
        h = (31 * h + unit) & 0xFFFFFFFF
    return h


def hash_order(texts: Sequence[str]) -> list[int]:
    """The order in which a `HashMap` of Java, filled with these distinct texts, gives them back: positions in `texts`.

    Metadata frames and counts of tokens come in this order from SystemDS, and some of its choices depend on it.
    """
    hashes = string_hashes(texts).view(np.uint32)
    capacity = 16
    while len(texts) > 0.75 * capacity:
        capacity *= 2
    buckets = (hashes ^ (hashes >> np.uint32(16))) & np.uint32(capacity - 1)
    return np.argsort(buckets, kind="stable").tolist()


# ---- cells of texts

_INTEGER = re.compile(r"([+-]?\d+)(?:\.(\d*))?", re.A)
_TRUE, _FALSE = ("true", "t", "1", "1.0"), ("false", "f", "0", "0.0")
_LIMITS = {UINT8: (0, 255), INT32: (-(2**31), 2**31 - 1), INT64: (-(2**63), 2**63 - 1)}


class CellError(Exception):
    """A text that is no value of a type.  row: 0-based."""

    def __init__(self, row: int, text: str, type: str):
        self.row, self.text, self.type = row, text, type

    def fail_in(self, what: str, column: str) -> NoReturn:
        """Raise DMLError "value" with the place of the cell."""
        expected = {
            BOOLEAN: "true or false",
            CHARACTER: "one character",
            HASH32: "a hexadecimal number",
            HASH64: "a hexadecimal number",
        }
        kind = expected.get(self.type, "a number" if self.type in (FP32, FP64) else f"a number of type {self.type}")
        shown = self.text if len(self.text) <= 60 else self.text[:60] + "..."
        fail("value", f'{what}: row {self.row + 1} of column {column} holds "{shown}", which is not {kind}')


def _parse_integer(text: str, type: str, strict: bool) -> int | None:
    match = _INTEGER.fullmatch(text.strip())
    if match is None or (strict and match[2] and match[2].strip("0")):
        return None
    value = int(match[1])
    low, high = _LIMITS[type]
    return value if low <= value <= high else None


def _parse_number(text: str) -> float | None:
    value = parse_double(text)
    if value is None:
        word = text.strip().lower()
        if word in ("inf", "+inf"):
            return float("inf")
        if word == "-inf":
            return -float("inf")
        if word == "nan":
            return float("nan")
    return value


def _parse_boolean(text: str, strict: bool) -> bool | None:
    word = text.strip().lower()
    if word in _TRUE:
        return True
    return None if strict and word not in _FALSE else False


def _parse_hash(text: str, type: str) -> int | None:
    word = text.strip()
    if not re.fullmatch(r"[0-9a-fA-F]+", word) or len(word) > (8 if type == HASH32 else 16):
        return None
    return int(word, 16)


def _cell_parser(type: str, strict: bool) -> Callable[[str], Any]:
    if type in INTEGERS:
        return lambda text: _parse_integer(text, type, strict)
    if type in (FP32, FP64):
        return _parse_number
    if type == BOOLEAN:
        return lambda text: _parse_boolean(text, strict)
    if type == CHARACTER:
        return lambda text: text[0] if len(text) == 1 or not strict else None
    return lambda text: _parse_hash(text, type)


def _parse_all(texts: Sequence[str], type: str, strict: bool) -> np.ndarray:
    """Texts, none of them missing or empty, as an array of the type.  Raises CellError."""
    # Python reads nearly all that Java reads, and some more, among it `1_000`
    try:
        if type in (FP32, FP64):
            values = list(map(float, texts))
            if not any("_" in t for t in texts):
                with np.errstate(over="ignore"):
                    return np.array(values, np.float64).astype(DTYPES[type])
        elif type in INTEGERS and not any("_" in t for t in texts):
            values = list(map(int, texts))
            low, high = _LIMITS[type]
            if not values or (low <= min(values) and max(values) <= high):
                return np.array(values, DTYPES[type])
    except ValueError:
        pass
    parse = _cell_parser(type, strict)
    result = np.empty(len(texts), DTYPES[type])
    for i, text in enumerate(texts):
        value = parse(text)
        if value is None:
            raise CellError(i, text, type)
        with np.errstate(over="ignore"):
            result[i] = value
    return result


# ---- the column


class Column:
    """Cells of one type.  data: the array; null: where cells are missing, or None.  Text has None in the data instead."""

    __slots__ = ("data", "null", "type")

    def __init__(self, type: str, data: np.ndarray, null: np.ndarray | None = None):
        self.type = type
        self.data = data
        self.null = null if null is not None and null.any() else None

    def __len__(self) -> int:
        return len(self.data)

    # ---- making columns

    @staticmethod
    def of_texts(
        texts: Iterable[str | None], type: str = STRING, *, nullable: bool = False, strict: bool = False
    ) -> Column:
        """A column of a type from texts; None is a missing cell.

        nullable: missing and empty cells of numbers stay missing; else they are 0 or FALSE, as where SystemDS reads
        files.  strict: fractions of integers and words that are no booleans are errors; else cut off, and FALSE.
        Raises CellError.
        """
        cells = list(texts)
        if type == STRING:
            return Column(STRING, object_array(cells))
        if type == BOOLEAN and strict and not nullable and "" in cells:
            raise CellError(cells.index(""), "", BOOLEAN)
        missing = np.array([t is None or t == "" for t in cells], np.bool_)
        if not missing.any():
            return Column(type, _parse_all(cells, type, strict))
        places = np.flatnonzero(~missing)
        data = defaults(type, len(cells))
        try:
            data[places] = _parse_all([cells[i] for i in places.tolist()], type, strict)  # type: ignore[misc]
        except CellError as error:
            error.row = int(places[error.row])
            raise
        return Column(type, data, missing if nullable else None)

    @staticmethod
    def filled(type: str, size: int) -> Column:
        """Cells that hold nothing: missing text, 0, FALSE."""
        return Column(type, defaults(type, size))

    # ---- cells

    def missing(self) -> np.ndarray:
        """Where cells are missing.  NaN is a number."""
        if self.type == STRING:
            return np.equal(self.data, None).astype(np.bool_)
        return np.zeros(len(self.data), np.bool_) if self.null is None else self.null

    def texts(self) -> list[str | None]:
        """The text of each cell, None for missing ones: `true`, `7`, `1.5`, `1.0E-5`."""
        if self.type in _OBJECTS:
            result = self.data.tolist()
        elif self.type == BOOLEAN:
            result = ["true" if v else "false" for v in self.data.tolist()]
        elif self.type == FP64:
            result = _double_texts(self.data)
        elif self.type == FP32:
            result = _float_texts(self.data)
        elif self.type in _HASHES:
            result = [format(v, "x") for v in self.data.tolist()]
        else:
            result = list(map(str, self.data.tolist()))
        if self.null is not None:
            for i in np.flatnonzero(self.null).tolist():
                result[i] = None
        return result

    def cell(self, i: int) -> Any:
        """One cell as a DML scalar.  Missing: the text `null`, or NaN in a column of numbers."""
        if self.null is not None and self.null[i]:
            return float("nan")
        value = self.data[i]
        if self.type in _OBJECTS:
            return "null" if value is None else value
        return format(int(value), "x") if self.type in _HASHES else value.item()

    def numbers(self, dtype: Any = np.float64) -> np.ndarray:
        """The cells as numbers; missing ones and empty texts are NaN, TRUE is 1.  Raises CellError."""
        if self.type == STRING:
            return _text_numbers(self.data.tolist(), dtype)
        if self.type == CHARACTER:
            return np.array(list(map(ord, self.data.tolist())), dtype)
        # SystemDS takes hash values for numbers with a sign
        data = self.data.view(f"i{self.data.itemsize}") if self.type in _HASHES else self.data
        result = data.astype(dtype)
        if self.null is not None:
            result[self.null] = np.nan
        return result

    # ---- new columns

    def take(self, places: Any) -> Column:
        """The cells at these places: 0-based numbers or a slice."""
        return Column(self.type, self.data[places], None if self.null is None else self.null[places])

    def with_missing(self, where: np.ndarray) -> Column:
        """The column with more cells missing; a column of numbers that has none gets 0 there, as in SystemDS."""
        if not where.any():
            return self
        data = self.data.copy()
        data[where] = _DEFAULTS.get(self.type, 0)
        return Column(self.type, data, None if self.null is None else self.null | where)

    def as_type(self, type: str, *, nullable: bool = True, strict: bool = True) -> Column:
        """The cells converted; nullable: missing cells stay missing, else they become 0 or FALSE.  Raises CellError."""
        if type == self.type:
            if not nullable and self.null is not None:
                data = self.data.copy()
                data[self.null] = _DEFAULTS.get(type, 0)
                return Column(type, data)
            return self
        if type == STRING or self.type in (*_OBJECTS, *_HASHES) or type in (CHARACTER, *_HASHES):
            return Column.of_texts(self.texts(), type, nullable=nullable, strict=strict)
        null = self.null if nullable else None
        source = self.data if self.null is None else np.where(self.null, 0, self.data)
        if type == BOOLEAN:
            bad = (source != 0) & (source != 1)
        elif type in INTEGERS:
            low, high = _LIMITS[type]
            if self.type in (FP32, FP64):
                whole = np.trunc(source)
                bad = (whole != source) if strict else np.isnan(source)
                # the limits are not exact as doubles: the upper one is the next power of two
                bad |= ~((whole >= low) & (whole < float(high) + 1))
                source = np.where(bad, 0, whole)
            else:
                bad = (source < low) | (source > high)
        else:
            bad = np.zeros(len(source), np.bool_)
        if bad.any():
            i = int(np.flatnonzero(bad)[0])
            raise CellError(i, str(self.take([i]).texts()[0]), type)
        with np.errstate(over="ignore"):
            return Column(type, source.astype(DTYPES[type]), null)

    def with_cells(self, start: int, cells: Column) -> Column:
        """The column with `cells`, of the same type, from `start` on."""
        stop = start + len(cells)
        data = self.data.copy()
        data[start:stop] = cells.data
        null = None
        if self.null is not None or cells.null is not None:
            null = self.missing().copy()
            null[start:stop] = cells.missing()
        return Column(self.type, data, null)

    def __repr__(self) -> str:
        return f"Column({self.type}, {self.texts()!r})"


def object_array(cells: Sequence[Any]) -> np.ndarray:
    result = np.empty(len(cells), object)
    result[:] = cells
    return result


def defaults(type: str, size: int) -> np.ndarray:
    if type in _OBJECTS:
        result = np.empty(size, object)
        result[:] = _DEFAULTS[type]
        return result
    return np.zeros(size, DTYPES[type])


def _text_numbers(texts: list[str | None], dtype: Any) -> np.ndarray:
    try:
        return Column.of_texts(texts, FP64, nullable=True).numbers(dtype)
    except CellError:
        pass
    result = np.empty(len(texts), dtype)
    for i, text in enumerate(texts):
        if text is None or text == "":
            result[i] = np.nan
            continue
        value: float | bool | None = _parse_number(text)
        if value is None:
            value = _parse_boolean(text, strict=True)
        if value is None:
            raise CellError(i, text, FP64)
        result[i] = value
    return result


def concatenated(columns: Sequence[Column]) -> Column:
    """The cells of columns of one type, one column after the other."""
    null = None
    if any(c.null is not None for c in columns):
        null = np.concatenate([c.missing() for c in columns])
    return Column(columns[0].type, np.concatenate([c.data for c in columns]), null)


_ORDER = (BOOLEAN, UINT8, INT32, INT64, FP32, FP64)


def common_type(a: str, b: str) -> str:
    """The type that takes the cells of both, as SystemDS chooses it (an INT64 and an FP32 give an FP32)."""
    if a == b:
        return a
    if a in _ORDER and b in _ORDER:
        return max(a, b, key=_ORDER.index)
    return HASH64 if a in _HASHES and b in _HASHES else STRING


def cell_text(value: Any) -> str:
    """The text that a DML scalar has as a cell: booleans as `TRUE` and `FALSE`."""
    return scalar_text(value)


__all__ = [
    "BOOLEAN",
    "CHARACTER",
    "DTYPES",
    "FP32",
    "FP64",
    "HASH32",
    "HASH64",
    "INT32",
    "INT64",
    "INTEGERS",
    "STRING",
    "UINT8",
    "CellError",
    "Column",
    "cell_text",
    "column_type",
    "common_type",
    "concatenated",
    "defaults",
    "float_text",
    "hash_order",
    "object_array",
    "string_hashes",
]

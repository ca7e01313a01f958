"""One class for each way to encode a column of a frame.

An encoder is made from a column (`build`) or from a column of metadata (`load`).  It has codes for cells (`codes`: 1, 2, ..., or
NaN), a number of codes (`size`), cells for codes (`cells`), and its own column of the metadata (`entries`).  The metadata are
those of SystemDS 3.4.0, so that either system applies what the other has built:

    recode, bag_of_words    `text·code`, in the order of a Java hash map
    bin                     `lower·upper` for each bin
    hash                    the number of buckets
    scale                   `mean·divisor`  (not in SystemDS)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from pydml.diagnostics import fail
from pydml.transform.specification import CENTER, EQUI_WIDTH, Binning
from pydml.values.columns import (
    BOOLEAN,
    CHARACTER,
    FP32,
    FP64,
    HASH32,
    HASH64,
    INT64,
    STRING,
    CellError,
    Column,
    hash_order,
    object_array,
    string_hashes,
)
from pydml.values.text import double_text, parse_double

SEPARATOR = "\xb7"


def absent(column: Column) -> np.ndarray:
    """Where a cell has no value to encode: missing cells and empty text."""
    if column.type == STRING:
        return np.array([not t for t in column.data.tolist()], np.bool_)
    return column.missing()


def distinct(column: Column) -> tuple[list[str], np.ndarray]:
    """The distinct texts in the order of their first cells, and for each cell its number in them, -1 where it is absent."""
    if column.type in (STRING, CHARACTER):
        cells = column.data.tolist()
        texts = [t for t in dict.fromkeys(cells) if t]
        places: dict[Any, int] = {None: -1, "": -1}
        places.update((t, i) for i, t in enumerate(texts))
        return texts, np.fromiter(map(places.__getitem__, cells), np.int64, len(cells))
    there = ~column.missing()
    values, first, inverse = np.unique(column.data[there], return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    numbers = np.full(len(column), -1, np.int64)
    numbers[there] = rank[inverse.reshape(-1)]
    texts = [str(t) for t in Column(column.type, values[order]).texts()]
    return texts, numbers


class Recode:
    """Codes 1, 2, ... for the distinct texts of a column, in the order of their first cells."""

    def __init__(self, codes: dict[str, int]):
        self.table = codes
        self.size = max(codes.values(), default=0)
        self._seen: tuple[Any, ...] = (None, [], None)  # the column that it was built of, with its distinct texts

    @staticmethod
    def build(column: Column) -> Recode:
        texts, numbers = distinct(column)
        result = Recode({t: i for i, t in enumerate(texts, 1)})
        result._seen = column, texts, numbers
        return result

    @staticmethod
    def load(cells: Sequence[str], name: str, what: str) -> Recode:
        return Recode(_read_codes(cells, name, what))

    def add(self, text: str) -> None:
        """Give a text that no cell has the next code: a constant for missing cells."""
        if text not in self.table:
            self.size += 1
            self.table[text] = self.size

    def codes(self, column: Column) -> np.ndarray:
        """The code of each cell; NaN for absent cells and texts without a code."""
        texts, numbers = self._seen[1:] if self._seen[0] is column else distinct(column)
        known = np.array([self.table.get(t, np.nan) for t in texts] + [np.nan])
        return known[numbers]

    def cells(self, codes: np.ndarray) -> Column:
        """The texts of codes, fractions cut off; missing for codes that nothing has."""
        texts = np.full(self.size + 1, None, object)
        for text, code in self.table.items():
            texts[code] = text
        with np.errstate(invalid="ignore"):
            known = (codes >= 1) & (codes < self.size + 1)
        return Column(STRING, texts[np.where(known, codes, 0).astype(np.int64)])

    def entries(self) -> list[str]:
        return _code_entries(self.table)


def _read_codes(cells: Sequence[str], name: str, what: str) -> dict[str, int]:
    codes = {}
    for i, cell in enumerate(cells, 1):
        text, mark, code = cell.rpartition(SEPARATOR)
        if not mark or not code.isdigit() or int(code) < 1:
            _bad_entry(what, name, i, cell, f"text{SEPARATOR}code")
        codes[text] = int(code)
    return codes


def _code_entries(table: dict[str, int]) -> list[str]:
    """Texts and their codes as metadata hold them, in the order of a hash table of Java."""
    texts = list(table)
    return [f"{texts[i]}{SEPARATOR}{table[texts[i]]}" for i in hash_order(texts)]


def _bad_entry(what: str, name: str, row: int, cell: str, form: str) -> Any:
    fail(
        "value",
        f'{what}: row {row} of column {name} of the metadata is "{cell}", expected {form}',
        help="the metadata must be those that transformencode gave for the same specification",
    )


class Bin:
    """Bins between `lower` and `upper` bounds; a cell is in the first one whose upper bound is not below it."""

    def __init__(self, lower: np.ndarray, upper: np.ndarray):
        self.lower, self.upper = lower, upper
        self.size = len(lower)

    @staticmethod
    def build(column: Column, binning: Binning, name: str, what: str) -> Bin:
        values = _numbers(column, name, what)
        values = values[~np.isnan(values)]
        if np.isinf(values).any():
            fail("value", f"{what}: column {name} has infinite cells, which no bin can hold")
        if not len(values):
            return Bin(np.zeros(0), np.zeros(0))
        low, high = float(values.min()), float(values.max())
        bins = binning.bins
        if binning.method == EQUI_WIDTH:
            if low == high:
                return Bin(np.array([low]), np.array([high]))
            bounds = low + np.arange(bins + 1) * ((high - low) / bins)
            return Bin(bounds[:-1], bounds[1:])
        ranks = np.ceil(np.arange(1, bins + 1) * (len(values) / bins)).astype(np.int64)
        upper = np.sort(values)[np.clip(ranks, 1, len(values)) - 1]
        return Bin(np.concatenate([[low], upper[:-1]]), upper)

    @staticmethod
    def load(cells: Sequence[str], name: str, what: str) -> Bin:
        bounds = []
        for i, cell in enumerate(cells, 1):
            pair = [parse_double(t) for t in cell.split(SEPARATOR)]
            if len(pair) != 2 or None in pair:
                _bad_entry(what, name, i, cell, f"lower{SEPARATOR}upper")
            bounds.append(pair)
        table = np.array(bounds, np.float64).reshape(-1, 2)
        return Bin(table[:, 0], table[:, 1])

    def codes(self, column: Column, name: str, what: str) -> np.ndarray:
        """The bin of each cell; cells outside of all bins are in the first or last one."""
        values = _numbers(column, name, what)
        result = np.full(len(values), np.nan)
        there = ~np.isnan(values)
        if self.size:
            found = np.searchsorted(self.upper, values[there], side="left") + 1
            result[there] = np.clip(found, 1, self.size)
        return result

    def cells(self, codes: np.ndarray) -> Column:
        """The middle of each bin, as text; between two codes the place between."""
        if not self.size:
            return Column(STRING, object_array(["NaN"] * len(codes)))
        distinct_codes, inverse = np.unique(codes, return_inverse=True)
        known = np.where(np.isnan(distinct_codes), 1, distinct_codes)
        number = np.clip(np.floor(known + 0.5), 1, self.size).astype(np.int64)
        low, high = self.lower[number - 1], self.upper[number - 1]
        middle = low + (high - low) * (distinct_codes - number + 0.5)
        texts = object_array([double_text(v) for v in middle.tolist()])
        return Column(STRING, texts[inverse.reshape(-1)])

    def entries(self) -> list[str]:
        pairs = zip(self.lower.tolist(), self.upper.tolist(), strict=True)
        return [f"{double_text(low)}{SEPARATOR}{double_text(high)}" for low, high in pairs]


def _numbers(column: Column, name: str, what: str) -> np.ndarray:
    try:
        return column.numbers()
    except CellError as error:
        error.fail_in(what, name)


class Hash:
    """The Java hash of a cell modulo K, plus 1."""

    def __init__(self, K: int):
        self.size = K

    @staticmethod
    def load(cells: Sequence[str], name: str, what: str) -> Hash:
        if not cells or not cells[0].isdigit() or int(cells[0]) < 1:
            _bad_entry(what, name, 1, cells[0] if cells else "", "the number of buckets")
        return Hash(int(cells[0]))

    def codes(self, column: Column) -> np.ndarray:
        there = ~column.missing()
        result = np.full(len(column), np.nan)
        result[there] = np.abs(_hashes(column, there).astype(np.int64)) % self.size + 1
        return result

    def cells(self, codes: np.ndarray) -> Column:
        """The codes as text: what was hashed is lost."""
        return Column(STRING, object_array([None if v == 0 else double_text(v) for v in codes.tolist()]))

    def entries(self) -> list[str]:
        return [str(self.size)]


def _hashes(column: Column, there: np.ndarray) -> np.ndarray:
    """`hashCode` of the cells as objects of Java, int32."""
    data = column.data[there]
    if column.type == STRING:
        cells = data.tolist()
        texts = list(dict.fromkeys(cells))
        hashes = dict(zip(texts, string_hashes(texts).tolist(), strict=True))
        return np.fromiter(map(hashes.__getitem__, cells), np.int32, len(cells))
    if column.type == CHARACTER:
        return np.array([ord(c) for c in data.tolist()], np.int32)
    if column.type == BOOLEAN:
        return data.astype(np.int32)
    if column.type == FP32:
        bits = data.view(np.int32)
        return np.where(np.isnan(data), np.int32(0x7FC00000), bits)
    if column.type in (INT64, FP64, HASH32, HASH64):
        if column.type == FP64:
            long = np.where(np.isnan(data), np.int64(0x7FF8000000000000), data.view(np.int64))
        else:
            long = data.view(np.int32).astype(np.int64) if column.type == HASH32 else data.astype(np.int64)
        bits = long.view(np.uint64)
        return ((bits ^ (bits >> np.uint64(32))) & np.uint64(0xFFFFFFFF)).astype(np.uint32).view(np.int32)
    return data.astype(np.int32)


class Scale:
    """The number minus the mean, divided by the sample standard deviation for z-scores."""

    size = 1

    def __init__(self, mean: float, divisor: float):
        self.mean, self.divisor = mean, divisor

    @staticmethod
    def build(column: Column, method: str, name: str, what: str) -> Scale:
        values = _numbers(column, name, what)
        values = values[~np.isnan(values)]
        mean = float(values.mean()) if len(values) else 0.0
        if method == CENTER or len(values) < 2:
            return Scale(mean, 1.0)
        return Scale(mean, float(values.std(ddof=1)) or 1.0)

    @staticmethod
    def load(cells: Sequence[str], name: str, what: str) -> Scale:
        pair = [parse_double(t) for t in cells[0].split(SEPARATOR)] if cells else []
        if len(pair) != 2 or None in pair:
            _bad_entry(what, name, 1, cells[0] if cells else "", f"mean{SEPARATOR}divisor")
        return Scale(*pair)  # type: ignore[arg-type]

    def codes(self, column: Column, name: str, what: str) -> np.ndarray:
        return (_numbers(column, name, what) - self.mean) / self.divisor

    def cells(self, codes: np.ndarray) -> Column:
        return Column(FP64, codes * self.divisor + self.mean)

    def entries(self) -> list[str]:
        return [f"{double_text(self.mean)}{SEPARATOR}{double_text(self.divisor)}"]


_TOKEN = re.compile(r"[^\W\d_]+")


def words(text: str | None) -> list[str]:
    """The words of a text in lower case: runs of letters."""
    return _TOKEN.findall(text.lower()) if text else []


class Words:
    """Bag of words: one output column for each word of a column, which counts it."""

    def __init__(self, codes: dict[str, int]):
        self.table = codes
        self.size = max(codes.values(), default=0)

    @staticmethod
    def build(column: Column) -> Words:
        codes: dict[str, int] = {}
        for text in column.texts():
            for word in words(text):
                codes.setdefault(word, len(codes) + 1)
        return Words(codes)

    @staticmethod
    def load(cells: Sequence[str], name: str, what: str) -> Words:
        return Words(_read_codes(cells, name, what))

    def counts(self, column: Column) -> tuple[np.ndarray, np.ndarray]:
        """Rows and 0-based words of all words that are known, a pair for each time a word occurs."""
        rows, places = [], []
        for i, text in enumerate(column.texts()):
            for word in words(text):
                code = self.table.get(word)
                if code is not None:
                    rows.append(i)
                    places.append(code - 1)
        return np.array(rows, np.int64), np.array(places, np.int64)

    def cells(self, counts: np.ndarray) -> Column:
        """The words of each row, each as often as it is counted, in the order of their codes."""
        by_code = {code: word for word, code in self.table.items()}
        texts = []
        for row in counts.tolist():
            found = [by_code[j] for j, n in enumerate(row, 1) for _ in range(int(n)) if j in by_code]
            texts.append(" ".join(found))
        return Column(STRING, object_array(texts))

    def entries(self) -> list[str]:
        return _code_entries(self.table)


class Embedding(Recode):
    """Word embedding: the row of a matrix that stands for a text.  Its codes are those of recode."""

    @staticmethod
    def load(cells: Sequence[str], name: str, what: str) -> Embedding:
        return Embedding(_read_codes(cells, name, what))


class Pass:
    """A column of numbers that stays as it is."""

    size = 1

    def codes(self, column: Column, name: str, what: str) -> np.ndarray:
        return _numbers(column, name, what)

    def cells(self, codes: np.ndarray) -> Column:
        return Column(FP64, codes)

    def entries(self) -> list[str]:
        return []


Encoder = Recode | Bin | Hash | Scale | Words | Pass

__all__ = ["Bin", "Embedding", "Encoder", "Hash", "Pass", "Recode", "Scale", "Words", "absent", "distinct"]

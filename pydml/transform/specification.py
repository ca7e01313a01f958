"""Specifications of transformencode and its kin: the JSON text that says how each column is encoded.

    {ids: true, recode: [1, 3], dummycode: [3], bin: [{id: 2, method: equi-width, numbins: 10}],
     impute: [{id: 2, method: global_mean}], omit: [1], hash: [4], K: 100}

`ids: true` means that columns are given by number, else they are given by name.  Reading a specification has two steps, as the names
of the columns are known later than the text: `read_entries` checks form and keys, `Specification.of` finds the columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from pydml.diagnostics import fail
from pydml.records import dataclass
from pydml.signature import suggest
from pydml.transform.json_text import parse_json
from pydml.values.text import scalar_text

KEYS = (
    "ids",
    "recode",
    "dummycode",
    "bin",
    "impute",
    "omit",
    "hash",
    "K",
    "scale",
    "word_embedding",
    "bag_of_words",
    "udf",
)

EQUI_WIDTH, EQUI_HEIGHT = "equi-width", "equi-height"
_BINNING = {"equi-width": EQUI_WIDTH, "equi-height": EQUI_HEIGHT, "equi-height-approx": EQUI_HEIGHT}
MEAN, MODE, CONSTANT = "global_mean", "global_mode", "constant"
CENTER, Z_SCORE = "mean-subtraction", "z-score"


def read_entries(text: str, what: str) -> dict[str, Any]:
    """The JSON object of a specification, its keys checked.  what: the builtin, for messages.  Raises DMLError "value"."""
    entries = parse_json(text, what)
    if not isinstance(entries, dict):
        fail("value", f"{what}: the specification must be a JSON object: {{ids:true, recode:[1]}}")
    for key in entries:
        if key not in KEYS:
            known = f"the keys are {', '.join(KEYS)}"
            fail("value", f"{what}: the specification has the unknown key {key}", help=suggest(key, KEYS) or known)
    return entries


@dataclass(frozen=True)
class Binning:
    method: str
    bins: int


@dataclass(frozen=True)
class Specification:
    """What happens to each column, by 0-based numbers.

    encoder: column -> "recode", "bin", "hash", "scale", "word_embedding" or "bag_of_words"; columns that are not there
    pass through.  impute: column -> (method, constant text or None).  K: of feature hashing.  udf: name of a function
    and its columns, or None.
    """

    encoder: dict[int, str]
    dummycode: frozenset[int]
    omit: tuple[int, ...]
    impute: dict[int, tuple[str, str | None]]
    bins: dict[int, Binning]
    scale: dict[int, str]
    K: int
    udf: tuple[str, tuple[int, ...]] | None

    @staticmethod
    def of(entries: dict[str, Any], names: Sequence[str], what: str) -> Specification:
        """The specification for columns with these names.  Raises DMLError "value" for unknown columns and bad values."""
        return _Builder(entries, names, what).build()


class _Builder:
    def __init__(self, entries: dict[str, Any], names: Sequence[str], what: str):
        self.entries = entries
        self.names = list(names)
        self.what = what
        self.by_number = self.flag("ids")
        self.encoder: dict[int, str] = {}

    def refuse(self, message: str, help: str = "") -> NoReturn:
        fail("value", f"{self.what}: the specification: {message}", help=help)

    def flag(self, key: str) -> bool:
        value = self.entries.get(key, False)
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        if not isinstance(value, bool):
            self.refuse(f"{key} must be true or false, got {_shown(value)}")
        return value

    def column(self, key: str, wanted: Any) -> int:
        count = len(self.names)
        if self.by_number:
            if isinstance(wanted, str) and wanted.isdigit():
                wanted = int(wanted)
            if isinstance(wanted, float) and wanted == int(wanted):
                wanted = int(wanted)
            if not isinstance(wanted, int) or isinstance(wanted, bool):
                known = "columns are given by number, as ids is true"
                self.refuse(f"{key} names the column {_shown(wanted)}", help=known)
            if not 1 <= wanted <= count:
                self.refuse(f"{key} names the column {wanted}, but there are {count}")
            return wanted - 1
        name = wanted if isinstance(wanted, str) else scalar_text(wanted) if isinstance(wanted, (int, float)) else ""
        if name not in self.names:
            known = suggest(name, self.names)
            if not known and name.isdigit():
                known = "for columns by number, the specification needs ids:true"
            self.refuse(f"{key} names the column {_shown(wanted)}, which does not exist", known or _listed(self.names))
        return self.names.index(name)

    def columns(self, key: str) -> list[int]:
        wanted = self.entries.get(key, [])
        if isinstance(wanted, dict) and "attributes" in wanted:  # an older form
            wanted = wanted["attributes"]
        if not isinstance(wanted, list):
            self.refuse(f"{key} must be a list of columns, got {_shown(wanted)}", help=f"{key}:[1]")
        return list(dict.fromkeys(self.column(key, w) for w in wanted))

    def objects(self, key: str, form: str) -> dict[int, dict[str, Any]]:
        """Lists of objects, each with the column under `id` or `name`."""
        wanted = self.entries.get(key, [])
        found: dict[int, dict[str, Any]] = {}
        for item in wanted if isinstance(wanted, list) else [None]:
            if not isinstance(item, dict):
                self.refuse(f"{key} must be a list of objects", help=f"{key}:[{{{form}}}]")
            place = "id" if self.by_number else "name"
            if place not in item:
                why = "" if self.by_number else ", as ids is not true"
                self.refuse(f"an entry of {key} has no {place}{why}", help=f"{key}:[{{{form}}}]")
            found[self.column(key, item[place])] = item
        return found

    def encode(self, key: str, column: int) -> None:
        other = self.encoder.get(column)
        if other is not None and other != key:
            self.refuse(f"the column {self.names[column]} is in both {other} and {key}")
        self.encoder[column] = key

    def method(self, key: str, item: dict[str, Any], methods: Sequence[str]) -> str:
        wanted = item.get("method")
        name = str(wanted).lower()
        for method in methods:
            if name.replace("_", "-") == method.replace("_", "-"):
                return method
        listed = f"methods are {', '.join(methods)}"
        if wanted is None:
            self.refuse(f"an entry of {key} has no method", help=listed)
        self.refuse(f"{key} has no method {_shown(wanted)}", help=suggest(name, methods) or listed)

    def number(self, key: str, value: Any) -> int:
        if isinstance(value, str) and value.isdigit():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < 2**31:
            self.refuse(f"{key} must be a positive integer, got {_shown(value)}")
        return value

    def build(self) -> Specification:
        for key in ("recode", "hash", "word_embedding", "bag_of_words"):
            for column in self.columns(key):
                self.encode(key, column)
        bins = {}
        for column, item in self.objects("bin", "id:1, method:equi-width, numbins:5").items():
            self.encode("bin", column)
            method = _BINNING[self.method("bin", item, tuple(_BINNING))]
            bins[column] = Binning(method, self.number("numbins", item.get("numbins", 1)))
        scale = {}
        for column, item in self.objects("scale", "id:1, method:z-score").items():
            self.encode("scale", column)
            scale[column] = self.method("scale", item, (CENTER, Z_SCORE))
        dummies = self.columns("dummycode")
        for column in dummies:
            if self.encoder.setdefault(column, "recode") not in ("recode", "bin", "hash"):
                self.refuse(f"the column {self.names[column]} is in both {self.encoder[column]} and dummycode")
        K = 0
        if "hash" in self.encoder.values():
            if "K" not in self.entries:
                self.refuse("hash needs K, the number of buckets", help="{ids:true, hash:[1], K:100}")
            K = self.number("K", self.entries["K"])
        return Specification(
            self.encoder,
            frozenset(dummies),
            tuple(self.columns("omit")),
            self.imputations(),
            bins,
            scale,
            K,
            self.udf(),
        )

    def imputations(self) -> dict[int, tuple[str, str | None]]:
        result: dict[int, tuple[str, str | None]] = {}
        for column, item in self.objects("impute", "id:1, method:global_mean").items():
            method = self.method("impute", item, (MEAN, MODE, CONSTANT))
            constant = None
            if method == CONSTANT:
                if item.get("value") is None:
                    self.refuse("impute by a constant needs a value", help="impute:[{id:1, method:constant, value:0}]")
                constant = _shown(item["value"])
            encoder = self.encoder.get(column)
            if method == MEAN and encoder in ("recode", "hash", "word_embedding", "bag_of_words"):
                self.refuse(
                    f"the column {self.names[column]} is in {encoder} and cannot have a mean", help="use global_mode"
                )
            result[column] = (method, constant)
        return result

    def udf(self) -> tuple[str, tuple[int, ...]] | None:
        entry = self.entries.get("udf")
        if entry is None:
            return None
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            self.refuse("udf must name a function and its columns", help="udf:{name:f, ids:[1,2]}")
        wanted = entry.get("ids", [])
        columns = tuple(self.column("udf", w) for w in (wanted if isinstance(wanted, list) else [wanted]))
        for column in columns:
            if column in self.columns("dummycode") or self.encoder.get(column) in ("word_embedding", "bag_of_words"):
                self.refuse(f"the column {self.names[column]} of udf is one of several columns in the result")
        return entry["name"], columns


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return scalar_text(value) if isinstance(value, (str, int, float)) else type(value).__name__


def _listed(names: Sequence[str]) -> str:
    text = ", ".join(names[:20])
    return f"the columns are {text}{', ...' if len(names) > 20 else ''}"


__all__ = [
    "CENTER",
    "CONSTANT",
    "EQUI_HEIGHT",
    "EQUI_WIDTH",
    "KEYS",
    "MEAN",
    "MODE",
    "Z_SCORE",
    "Binning",
    "Specification",
    "read_entries",
]

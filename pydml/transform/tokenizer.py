"""Text to tokens: what the builtin tokenize does.

A specification is a JSON object:

    {algo: split | ngram,           algo_params: {regex, min_gram, max_gram, ngram_type: document | token},
     out: count | hash | position,  out_params: {sort_alpha, num_features},
     id_cols: [1], tokenize_col: 2, format_wide: false, apply_padding: false}

Each document, a row of the frame, gives rows of its id columns and two more (long format), or one row (wide format).  Order,
positions and padding are those of SystemDS 3.4.0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from pydml.diagnostics import fail
from pydml.records import dataclass
from pydml.signature import suggest
from pydml.transform import java
from pydml.transform.java import JavaError
from pydml.transform.json_text import parse_json
from pydml.values.columns import INT64, STRING, Column, hash_order, object_array, string_hashes
from pydml.values.frame import Frame

_KEYS = ("algo", "algo_params", "out", "out_params", "id_cols", "tokenize_col", "format_wide", "apply_padding", "ids")
_ALGORITHMS = ("split", "ngram")
_OUTPUTS = ("count", "hash", "position")
_DOCUMENT, _TOKEN = "document", "token"
_FEATURES = 1 << 20  # of hashes, if the specification does not say


@dataclass(frozen=True)
class TokenizeSpecification:
    """A checked specification; columns are 0-based numbers."""

    algorithm: str
    regex: str
    grams: tuple[int, int]
    gram_type: str
    output: str
    sort: bool
    features: int
    ids: tuple[int, ...]
    column: int
    wide: bool
    pad: bool


def read_specification(text: str, names: Sequence[str] | None) -> TokenizeSpecification:
    """The specification in a JSON text.  names: of the columns, or None while they are not known.  Raises DMLError "value"."""
    entries = parse_json(text, "tokenize")
    if not isinstance(entries, dict):
        _bad("it must be a JSON object", "{algo:split, out:count, id_cols:[1], tokenize_col:2}")
    for key in entries:
        if key not in _KEYS:
            _bad(f"the key {key} is unknown", suggest(key, _KEYS) or f"the keys are {', '.join(_KEYS)}")
    for key in ("algo", "out", "id_cols", "tokenize_col"):
        if key not in entries:
            _bad(f"it needs {key}", "{algo:split, out:count, id_cols:[1], tokenize_col:2}")
    algorithm = _choice(entries, "algo", _ALGORITHMS)
    output = _choice(entries, "out", _OUTPUTS)
    how = _object(entries, "algo_params", ("regex", "min_gram", "max_gram", "ngram_type"))
    form = _object(entries, "out_params", ("sort_alpha", "num_features"))
    ids = entries["id_cols"]
    if not isinstance(ids, list):
        _bad("id_cols must be a list of columns", "id_cols:[1]")
    wide = _flag(entries, "format_wide")
    if wide and output == "count":
        _bad("format_wide does not go with out:count", "use hash or position")
    regex = how.get("regex", "\\s+")
    try:
        java.regex(regex)
    except JavaError as error:
        _bad(str(error))
    return TokenizeSpecification(
        algorithm,
        regex,
        (_number(how, "min_gram", 1), _number(how, "max_gram", 2)),
        _choice({"ngram_type": how.get("ngram_type", _DOCUMENT)}, "ngram_type", (_DOCUMENT, _TOKEN)),
        output,
        _flag(form, "sort_alpha"),
        _number(form, "num_features", _FEATURES),
        tuple(_column("id_cols", c, names) for c in ids),
        _column("tokenize_col", entries["tokenize_col"], names),
        wide,
        _flag(entries, "apply_padding"),
    )


def _bad(message: str, help: str = "") -> NoReturn:
    fail("value", f"tokenize: the specification: {message}", help=help)


def _choice(entries: dict[str, Any], key: str, known: Sequence[str]) -> str:
    value = str(entries[key]).lower()
    if value not in known:
        _bad(f"{key} has no value {entries[key]}", suggest(value, known) or f"there are {', '.join(known)}")
    return value


def _object(entries: dict[str, Any], key: str, known: Sequence[str]) -> dict[str, Any]:
    value = entries.get(key, {})
    if not isinstance(value, dict):
        _bad(f"{key} must be an object", f"{key}:{{{known[0]}:...}}")
    for name in value:
        if name not in known:
            _bad(f"{key} has no entry {name}", suggest(name, known) or f"there are {', '.join(known)}")
    return value


def _flag(entries: dict[str, Any], key: str) -> bool:
    value = entries.get(key, False)
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if not isinstance(value, bool):
        _bad(f"{key} must be true or false, got {value}")
    return value


def _number(entries: dict[str, Any], key: str, default: int) -> int:
    value = entries.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < 2**31:
        _bad(f"{key} must be a positive integer, got {value}")
    return value


def _column(key: str, wanted: Any, names: Sequence[str] | None) -> int:
    if isinstance(wanted, int) and not isinstance(wanted, bool):
        if wanted < 1 or (names is not None and wanted > len(names)):
            count = "" if names is None else f", but there are {len(names)}"
            _bad(f"{key} names the column {wanted}{count}")
        return wanted - 1
    if names is None:
        return 0
    if wanted not in names:
        _bad(f"{key} names the column {wanted}, which does not exist", suggest(str(wanted), names))
    return list(names).index(wanted)


def columns_of(specification: TokenizeSpecification, max_tokens: int) -> int:
    """How many columns the result has."""
    return len(specification.ids) + (max_tokens if specification.wide else 2)


# ---- tokens


def _tokens(text: str | None, specification: TokenizeSpecification) -> list[tuple[str, int]]:
    """The tokens of a document, each with the place of its first character: where the text has it from the token before on."""
    if text is None:
        return []
    tokens: list[tuple[str, int]] = []
    start = 0
    for token in java.split(text, specification.regex):
        if token:
            start = text.find(token, start)
            tokens.append((token, start + 1))
    if specification.algorithm == "split":
        return tokens
    low, high = specification.grams
    grams = []
    if specification.gram_type == _TOKEN:
        for token, place in tokens:
            for size in range(low, high + 1):
                grams += [(token[i : i + size], place + i) for i in range(len(token) - size + 1)]
        return grams
    for size in range(low, high + 1):
        for i in range(len(tokens) - size + 1):
            part = tokens[i : i + size]
            grams.append((_joined([t for t, _ in part]), part[0][1]))
    return grams


def _joined(words: list[str]) -> str:
    if len(words) == 1:
        return words[0]
    inside = ", ".join(f"'{w}'" for w in words)
    return f'"({inside})"'


def _features(tokens: list[tuple[str, int]], specification: TokenizeSpecification) -> list[tuple[int, int]]:
    """The hash values of the tokens, 1, 2, ..., with their counts, sorted."""
    hashes = string_hashes([t for t, _ in tokens]).astype(np.int64)
    values, counts = np.unique(hashes % specification.features + 1, return_counts=True)
    return list(zip(values.tolist(), counts.tolist(), strict=True))


def _counts(tokens: list[tuple[str, int]], specification: TokenizeSpecification) -> list[tuple[str, int]]:
    counts = Counter(t for t, _ in tokens)
    words = list(counts)
    order = sorted(words) if specification.sort else [words[i] for i in hash_order(words)]
    return [(w, counts[w]) for w in order]


# ---- the result


def tokenize(frame: Frame, text: str, max_tokens: int) -> Frame:
    """The frame of tokens; see the module's docstring."""
    specification = read_specification(text, frame.column_names)
    documents = [_tokens(t, specification) for t in frame.columns[specification.column].texts()]
    if specification.wide:
        return _wide(frame, specification, documents, max_tokens)
    rows: list[int] = []
    first: list[Any] = []
    second: list[Any] = []
    for i, tokens in enumerate(documents):
        pairs: list[tuple[Any, Any]]
        padding: tuple[Any, Any]
        if specification.output == "position":
            pairs, padding = [(place, token) for token, place in tokens], (-1, "")
        elif specification.output == "hash":
            pairs, padding = list(_features(tokens, specification)), (0, 0)
        else:
            pairs, padding = list(_counts(tokens, specification)), ("", -1)
        pairs = pairs[:max_tokens]
        if specification.pad:
            pairs += [padding] * (max_tokens - len(pairs))
        rows += [i] * len(pairs)
        first += [a for a, _ in pairs]
        second += [b for _, b in pairs]
    types = {"position": (INT64, STRING), "hash": (INT64, INT64), "count": (STRING, INT64)}[specification.output]
    columns = [
        *_ids(frame, specification, np.array(rows, np.int64)),
        _column_of(types[0], first),
        _column_of(types[1], second),
    ]
    return Frame(columns, None, len(rows))


def _ids(frame: Frame, specification: TokenizeSpecification, rows: np.ndarray) -> list[Column]:
    return [frame.columns[j].take(rows).as_type(STRING) for j in specification.ids]


def _column_of(type: str, cells: list[Any]) -> Column:
    return Column(type, object_array(cells) if type == STRING else np.array(cells, np.int64))


def _wide(frame: Frame, specification: TokenizeSpecification, documents: list[Any], max_tokens: int) -> Frame:
    ids = _ids(frame, specification, np.arange(frame.rows))
    if specification.output == "hash":
        table = np.zeros((frame.rows, max_tokens), np.int64)
        for i, tokens in enumerate(documents):
            for value, count in _features(tokens, specification):
                if value <= max_tokens:
                    table[i, value - 1] = count
        return Frame([*ids, *(Column(INT64, table[:, j].copy()) for j in range(max_tokens))], None, frame.rows)
    cells = np.full((frame.rows, max_tokens), "" if specification.pad else None, object)
    for i, tokens in enumerate(documents):
        found = [t for t, _ in tokens[:max_tokens]]
        cells[i, : len(found)] = found
    return Frame([*ids, *(Column(STRING, cells[:, j].copy()) for j in range(max_tokens))], None, frame.rows)


__all__ = ["TokenizeSpecification", "columns_of", "read_specification", "tokenize"]

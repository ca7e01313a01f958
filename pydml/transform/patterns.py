"""Cells that do not look like the others of their column: what `map` with UtilFunctions.syntacticalPatternDiscovery does.

A cell has a pattern of letters, digits and signs, such as `u1l4` for `Smith`.  If one pattern has more than a given share of a column, all
cells with other patterns are taken for disguised missing values.  If none has, patterns are made coarser, step by step:

    u1l2s1d2    upper and lower case, digits, blanks (s), dots (t), minus signs (-), all else (y), each with its count
    u+l+s+d+    without counts
    a+s+d+      without case
    then without dots, so that 3.14 is like 3; then without blanks

The script dmv of SystemDS rests on it.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable

from pydml.diagnostics import fail
from pydml.values.columns import STRING, Column, hash_order, object_array
from pydml.values.frame import Frame

_CALL = re.compile(r"\s*UtilFunctions\.syntacticalPatternDiscovery\(([^,]*),(.*)\)\s*", re.S)


def pattern_call(expression: str) -> tuple[float, str] | None:
    """The threshold and the replacement of `UtilFunctions.syntacticalPatternDiscovery(0.8,NA)`; None for other expressions."""
    match = _CALL.fullmatch(expression)
    if match is None:
        return None
    try:
        return float(match[1]), match[2].strip()
    except ValueError:
        fail("value", f"map: syntacticalPatternDiscovery: the threshold must be a number, got {match[1].strip()}")


def _kind(c: str) -> str:
    if c.isdecimal():
        return "d"
    if c.islower():
        return "l"
    if c.isupper():
        return "u"
    if c.isalpha():
        return "a"
    return {" ": "s", ".": "t", "-": "-"}.get(c, "y")


def _counted(text: str) -> str:
    return "".join(f"{kind}{len(list(run))}" for kind, run in itertools.groupby(text, _kind))


def _merged(pattern: str, kind: str) -> str:
    return re.sub(rf"(?:{kind}\+)+", f"{kind}+", pattern)


_STEPS: list[Callable[[str], str]] = [
    _counted,
    lambda p: re.sub(r"\d", "+", p),
    lambda p: _merged(re.sub("[ul]", "a", re.sub(r"\++", "+", p)), "a"),
    lambda p: _merged(p.replace("t+", ""), "d"),
    lambda p: _merged(p.replace("s+", ""), "a"),
]


def mark_outliers(frame: Frame, threshold: float, replacement: str) -> Frame:
    """The frame as text, with `replacement` for cells whose pattern is not that of more than `threshold` of their column."""
    columns = [Column(STRING, object_array(_marked(c.texts(), threshold, replacement))) for c in frame.columns]
    return Frame(columns, None, frame.rows)


def _marked(texts: list[str | None], threshold: float, replacement: str) -> list[str | None]:
    patterns = {t: t for t in dict.fromkeys(texts) if t is not None}
    for step in _STEPS:
        patterns = {t: step(p) for t, p in patterns.items()}
        counts = Counter(patterns[t] for t in texts if t is not None)
        known = list(counts)
        # of several as frequent ones the first in the order of a Java map, as in SystemDS
        found = max((known[i] for i in hash_order(known)), key=counts.__getitem__, default=None)
        if found is not None and counts[found] > threshold * len(texts):
            return [t if t is None or patterns[t] == found else replacement for t in texts]
    return texts


__all__ = ["mark_outliers", "pattern_call"]

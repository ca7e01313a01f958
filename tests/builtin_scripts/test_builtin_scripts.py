"""The builtins written in DML (scripts/builtin) against what SystemDS 3.4.0 computes for the programs beside this file.

The files have the form of tests/systemds, and the outputs are recorded by the same recipe:

    python tests/systemds/record.py --systemds FOLDER tests/builtin_scripts/*.dml

All data are formulas, as random numbers differ.  What depends on random starts (kmeans, als) is recorded where the result does not.
Only numbers are compared: messages are each side's own.
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import pytest

import pydml
from pydml.config import bundled_scripts
from pydml.script import Script

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "systemds"))

from cases import Case, read_cases  # noqa: E402

# Direct methods agree but for rounding.  Iterative ones stop by rules that rounding can shift by an iteration; digits printed are fewer.
RELATIVE = {"preparation": 1e-9, "linear": 1e-8, "unsupervised": 1e-8}
NAN_IN_SYSTEMDS = ("DISPERSION,", "DEVIANCE_SCALED,")  # of glm, which loses the dispersion there
_NUMBER = re.compile(r"(?<![\w.])-?(?:\d+\.\d+(?:E-?\d+)?|Infinity|NaN)(?![\w.])")

CASES = [case for path in sorted(HERE.glob("*.dml")) for case in read_cases(path)]


def numbers(output: str) -> list[tuple[float, float]]:
    """The numbers of each line but those of messages, and how far the last digit may be off."""
    result = []
    for line in output.splitlines():
        if line.startswith(NAN_IN_SYSTEMDS):
            continue
        if not re.fullmatch(
            r"(?:[A-Z0-9_]+,(?:\d*,(?:TRUE|FALSE)?,)?)?(?:-?[\d.E-]+|-?Infinity|NaN)(?: .*)?", line.strip()
        ):
            continue
        for text in _NUMBER.findall(line.rpartition(",")[2]):
            digits = len(text.partition(".")[2].partition("E")[0])
            unit = 1.01 * 10.0**-digits if "E" not in text and digits <= 12 else 0.0
            result.append((float(text), unit))
    return result


def run(case: Case) -> str:
    printed = io.StringIO()
    pydml.run(case.program, outputs=[], stdout=printed)
    return printed.getvalue()


@pytest.mark.parametrize("path", sorted(Path(bundled_scripts(), "builtin").glob("*.dml")), ids=lambda p: p.stem)
def test_each_script_is_without_mistakes(path: Path) -> None:
    """What is wrong in a builtin written in DML is an error only where it is reached; ours have nothing wrong."""
    assert Script(path).executable(library=True).program.deferred == []


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_same_numbers_as_systemds(case: Case) -> None:
    if case.error:
        with pytest.raises(pydml.DMLError) as caught:
            run(case)
        assert caught.value.id == "stop"
        return
    output = run(case)
    ours, theirs = numbers(output), numbers(case.own_output or case.output)
    assert theirs, "nothing was recorded"
    assert len(ours) == len(theirs), output
    tolerance = RELATIVE.get(case.path.stem, 1e-6)
    for i, ((a, _), (b, unit)) in enumerate(zip(ours, theirs, strict=True)):
        same = a == b or (a != a and b != b) or abs(a - b) <= max(unit, tolerance * max(abs(a), abs(b)))
        assert same, f"number {i}: {a}, SystemDS has {b}\n{output}\nSystemDS:\n{case.output}"

"""The cases that builtins declare beside their meaning, run through the whole compiler.

Each case is run as it stands, once more with its arguments in variables whose sizes the compiler does not know, and each
failure must be reported with its id and message.
"""

from __future__ import annotations

import io
import math

import numpy as np
import pytest

from pydml.builtins import registry
from pydml.diagnostics import DMLError, SourceFile
from pydml.execution.context import Context
from pydml.execution.executable import compile_program
from pydml.values import List, is_matrix, to_dense

BUILTINS = registry.all_builtins()
CASES = [pytest.param(b, c, id=f"{b.name}-{i}") for b in BUILTINS for i, c in enumerate(b.cases)]
FAILURES = [pytest.param(b, f, id=f"{b.name}-{i}") for b in BUILTINS for i, f in enumerate(b.failures)]


def evaluate(expression: str, optimized: bool = True):
    """The value of a DML expression, or of RESULT where it is several statements; None for a call without result."""
    found = registry.lookup(expression.split("(")[0].strip())
    if "RESULT = " in expression:
        text, outputs = expression, ["RESULT"]
    elif expression.startswith("[") or (found is not None and not found.signature.results):
        text, outputs = expression, []
    else:
        text, outputs = f"RESULT = {expression}", ["RESULT"]
    program = compile_program(SourceFile("<case>", text + "\n"), outputs=outputs, optimized=optimized)
    return program.run(Context(out=io.StringIO(), seed=1)).get("RESULT")


def parse_cells(text: str) -> np.ndarray:
    rows = [[float(cell.replace("Infinity", "inf")) for cell in row.split()] for row in text.split("/")]
    return np.array(rows, dtype=float)


def check(value, expected: str) -> None:
    if is_matrix(value):
        cells = to_dense(value)
        wanted = parse_cells(expected) if expected.strip() else np.empty((0, 0))
        if wanted.size == 0:
            assert cells.size == 0
            return
        assert cells.shape == wanted.shape
        np.testing.assert_allclose(cells, wanted, rtol=1e-12, atol=1e-12)
    elif isinstance(value, float) and not math.isnan(value) and math.isfinite(value):
        assert value == pytest.approx(float(expected), rel=1e-12, abs=1e-15)
    else:
        from pydml.values.text import scalar_text, value_text

        assert (value_text(value) if type(value) is List else scalar_text(value)) == expected


@pytest.mark.parametrize(("builtin", "case"), CASES)
@pytest.mark.parametrize("optimized", [True, False])
def test_case(builtin, case, optimized):
    check(evaluate(case.expression, optimized), case.expected)


@pytest.mark.parametrize(("builtin", "failure"), FAILURES)
def test_failure(builtin, failure):
    with pytest.raises(DMLError) as caught:
        evaluate(failure.expression)
    assert caught.value.id == failure.id
    assert failure.message in caught.value.message
    assert caught.value.line == 1


@pytest.mark.parametrize("builtin", BUILTINS, ids=lambda b: b.name)
def test_documentation(builtin):
    assert builtin.doc.strip().endswith((".", ")")), f"{builtin.name} has no documentation, or no whole sentence"

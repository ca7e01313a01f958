"""Quotients, roots and powers of e in statements: Python raises where DML has a value, and the statement is computed again."""

from __future__ import annotations

import itertools
import math

import pytest

from pydml.builtins import registry
from pydml.diagnostics import DMLError, SourceFile
from pydml.execution.context import Context
from pydml.execution.executable import Executable, compile_program
from pydml.types import DOUBLE_SCALAR, INT_SCALAR
from pydml.values import arithmetic

DOUBLES = (0.0, -0.0, 1.5, -2.0, 705.0, 1e308, 5e-324, math.inf, -math.inf, math.nan)
INTS = (0, 1, -3, 2**63 - 1, -(2**63))
exp, sqrt = registry.get("exp").scalar, registry.get("sqrt").scalar


def compiled(text: str, types) -> Executable:
    return compile_program(SourceFile("<test>", text), inputs=dict(types), outputs=["r"])


def outcome(executable: Executable, values: dict) -> object:
    found = executable.run(Context(), values)["r"]
    return type(found), repr(found)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("x / y", arithmetic.divide),
        ("1.0 + x / y", lambda x, y: 1.0 + arithmetic.divide(x, y)),
        ("x / (x - y)", lambda x, y: arithmetic.divide(x, x - y)),
        ("y / x / y", lambda x, y: arithmetic.divide(arithmetic.divide(y, x), y)),
        ("exp(x) * sqrt(y)", lambda x, y: exp(x) * sqrt(y)),
        ("sqrt(x / y) + exp(x * 1.0 - y)", lambda x, y: sqrt(arithmetic.divide(x, y)) + exp(x * 1.0 - y)),
        ("abs(x / y) ^ 2", lambda x, y: abs(arithmetic.divide(x, y)) * abs(arithmetic.divide(x, y))),
        ("(x / y) %% 3.0", lambda x, y: arithmetic.mod(arithmetic.divide(x, y), 3.0)),
    ],
)
@pytest.mark.parametrize(("values", "type_"), [(DOUBLES, DOUBLE_SCALAR), (INTS, INT_SCALAR)])
def test_values_are_those_of_the_functions(text, meaning, values, type_):
    executable = compiled(f"r = {text}", {"x": type_, "y": type_})
    assert "except _unusual:" in executable.explain("python")
    for x, y in itertools.product(values, values):
        if type_ is INT_SCALAR and "x - y" in text:
            wanted = arithmetic.divide(x, arithmetic.int_sub(x, y)) if "/ (" in text else meaning(x, y)
        else:
            wanted = meaning(x, y)
        assert outcome(executable, {"x": x, "y": y}) == (type(wanted), repr(wanted)), f"{text}, x={x}, y={y}"


def test_a_variable_keeps_its_value_until_the_statement_is_done():
    text = "r = 3.0\nfor (i in 1:3) { r = 0.5 * (r + (2 - i) / (x - i)) }"
    r = 3.0
    for i in range(1, 4):
        r = 0.5 * (r + arithmetic.divide(2 - i, 2.0 - i))
    assert outcome(compiled(text, {"x": DOUBLE_SCALAR}), {"x": 2.0}) == (float, repr(r))


def test_what_has_effects_is_not_computed_twice(capsys):
    text = """
        my_scalar = function(double x) return (double y) { y = x  print("called " + x)  for (i in 1:2) { y = y + i } }
        r = my_scalar(x) + my_scalar(2 * x) / x
    """
    executable = compiled(text, {"x": DOUBLE_SCALAR})
    executable.run(Context(), {"x": 0.0})
    assert capsys.readouterr().out.count("called") == 2


def test_random_numbers_are_drawn_once():
    executable = compiled(
        "r = as.scalar(rand(rows=1, cols=1)) / x\nq = as.scalar(rand(rows=1, cols=1))\nr = q", {"x": DOUBLE_SCALAR}
    )
    drawn = [executable.run(Context(seed=3), {"x": x})["r"] for x in (0.0, 1.0)]
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize("x", [0.0, 1.0])
def test_errors_keep_their_place(x):
    text = "X = matrix(1, 2, 2)\nr = 0.0\nfor (i in 1:3) {\n  r = r + 1 / x + as.scalar(X[i, 1])\n}\n"
    with pytest.raises(DMLError) as found:
        compiled(text, {"x": DOUBLE_SCALAR}).run(Context(), {"x": x})
    (diagnostic,) = found.value.diagnostics
    assert diagnostic.span.file.line_and_column(diagnostic.span.start) == (4, 29)


@pytest.mark.parametrize("y", [0.0, 1.0])
def test_overflow_of_ints_keeps_its_place(y):
    text = "r = 0.0\nfor (i in 1:3) {\n  r = 1 / y +\n    k * (k + i)\n}\n"
    with pytest.raises(DMLError, match="overflow") as found:
        compiled(text, {"y": DOUBLE_SCALAR, "k": INT_SCALAR}).run(Context(), {"y": y, "k": 2**62})
    (diagnostic,) = found.value.diagnostics
    assert diagnostic.span.file.line_and_column(diagnostic.span.start) == (4, 5)

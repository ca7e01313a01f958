"""Every rule of the table of algebraic rewrites: it applies, and what it leaves gives the same value."""

from __future__ import annotations

import io

import pytest

from pydml import DMLError
from pydml.diagnostics import SourceFile
from pydml.execution.context import Context
from pydml.execution.executable import compile_program
from pydml.ir.passes.algebra import RULES, Apply, Missing, Number, Pattern, Slot

SIZES = {"A": ("rows=6, cols=5", "rows=5, cols=6"), "B": ("rows=5, cols=6", "rows=6, cols=5")}
INFIX = {"%*%", "*", "-", "+", "/", "^"}


def text(pattern: Pattern) -> str:
    if isinstance(pattern, Slot):
        return pattern.name
    if isinstance(pattern, Number):
        return str(pattern.value)
    assert isinstance(pattern, Apply) and not isinstance(pattern, Missing)
    args = [text(a) for a in pattern.args]
    if pattern.builtin in INFIX:
        return f"({args[0]} {pattern.builtin} {args[1]})"
    if pattern.builtin == "unary -":
        return f"(-{args[0]})"
    return f"{pattern.builtin}({', '.join(args)})"


def program(expression: str, rows: int, cols: int, inner: int, known: bool) -> str:
    """The expression of random matrices, of known sizes or in a function, where sizes are not known."""
    v = "rows=rows, cols=1" if expression.startswith("(diag") else "rows=inner, cols=1"
    a = "rows=rows, cols=inner"
    values = f"""
rows = {rows}; cols = {cols}; inner = {inner}
A = rand({a}, seed=1, min=-1)
B = rand(rows=inner, cols=cols, seed=2, min=-1)
v = rand({v}, seed=3, min=-1)
w = rand(rows=rows, cols=1, seed=4, min=-1)
y = rand(rows=rows, cols=1, seed=5, min=-1)
"""
    if known:
        return values + f"R = as.matrix({expression})\nprint(toString(R, decimal=9))"
    names = ["A", "B", "v", "w", "y"]
    head = ", ".join(f"matrix[double] {n}" for n in names)
    return (
        f"f = function({head}) return (matrix[double] R) {{ for (i in 1:1) {{ R = as.matrix({expression}) }} }}\n"
        f"{values}R = f({', '.join(names)})\nprint(toString(R, decimal=9))"
    )


def run(source: str, optimized: bool) -> tuple[str, str]:
    out = io.StringIO()
    executable = compile_program(SourceFile("<case>", source), outputs=[], optimized=optimized)
    executable.run(Context(out=out, seed=1))
    return out.getvalue(), executable.code.text()


@pytest.mark.parametrize("known", [True, False], ids=["sizes", "no_sizes"])
@pytest.mark.parametrize("rule", RULES, ids=[text(rule.before) for rule in RULES])
def test_rule(rule, known):
    expression = text(rule.before)
    for rows, cols, inner in ((6, 6, 4), (1, 1, 3), (5, 5, 1)):
        source = program(expression, rows, cols, inner, known)
        (value, code), (expected, plain) = run(source, True), run(source, False)
        assert code.count("_b_") and code != plain
        assert value.replace("-0.0", "0.0") == expected.replace("-0.0", "0.0")


@pytest.mark.parametrize(
    "expression",
    [
        "sum(A %*% B)",
        "rowSums(A %*% B)",
        "colSums(A %*% B)",
        "trace(A %*% B)",
        "diag(A %*% B)",
        "A %*% B %*% B",
        "t(A) %*% (A %*% w)",
    ],
)
def test_sizes_that_do_not_fit_are_explained_as_written(expression):
    source = program(expression, 4, 7, 3, False).replace("rows=inner, cols=cols", "rows=inner + 2, cols=cols")
    errors = []
    for optimized in (True, False):
        with pytest.raises(DMLError) as caught:
            run(source, optimized)
        errors.append((caught.value.diagnostic.id, caught.value.diagnostic.message))
    assert errors[0] == errors[1]


def test_zeros_beside_the_diagonal_count_where_a_cell_is_not_finite():
    source = (
        "A = matrix('1 NaN 3 4', 2, 2); v = seq(1, 2)\nprint(toString(A %*% diag(v)))\nprint(toString(diag(v) %*% A))"
    )
    assert run(source, True)[0] == run(source, False)[0]

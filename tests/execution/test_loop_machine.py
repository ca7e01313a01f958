"""Loops on the loop machine give what the Python loop gives: the same bits, the same types, the same errors."""

from __future__ import annotations

import itertools
import math
import os
import random
import struct
import subprocess
import sys
import textwrap
from typing import Any

import numpy as np
import pytest

from pydml.backends.cpu import loops as backend
from pydml.diagnostics import DMLError, SourceFile
from pydml.execution import loops
from pydml.execution.context import Context
from pydml.execution.executable import compile_program
from pydml.execution.loop_program import HANDLERS
from pydml.values import type_of

NAN, INF = math.nan, math.inf
DOUBLES = [0.0, -0.0, 1.0, -1.0, 0.3, -0.3, 0.5, -0.5, 2.5, -7.75, 3.0, 1e-310, 1e300, -1e300, 709.5, 745.0, -746.0]
DOUBLES += [2.0, 4.0, 2.0**53, 9.1e18, -9.3e18, 0.49999999999999994, 1e17, INF, -INF, NAN]
INTS = [0, 1, -1, 2, -2, 3, 7, -7, 10**9, 2**31, 2**53, 2**53 + 1, 2**62, 2**63 - 1, -(2**63), -(2**63) + 1]


class Run:
    """What a script gives: values or the text of an error; and how many loops the machine ran, and gave up."""

    def __init__(self) -> None:
        self.ran = self.gave_up = 0
        self.values: dict[str, Any] = {}
        self.error: str | None = None


def run(text: str, cases: list[dict[str, Any]], outputs: list[str]) -> list[Run]:
    """A script, compiled once, with each of the inputs."""
    types = {name: type_of(value).without_const() for name, value in cases[0].items()}
    program = compile_program(SourceFile("<test>", text), inputs=types, outputs=outputs)
    runs = []
    original = loops._run
    for inputs in cases:
        now = Run()

        def counted(*args: Any, now: Run = now) -> Any:
            found = original(*args)
            now.ran += found is not None
            now.gave_up += found is None
            return found

        loops._run = counted
        try:
            now.values = program.run(Context(seed=1), inputs)
        except DMLError as error:
            now.error = str(error)
        finally:
            loops._run = original
        runs.append(now)
    return runs


def bits(value: Any) -> Any:
    """A value with its type, so that only the same bits are equal; one NaN is as good as another."""
    if isinstance(value, float):
        return "double", "NaN" if value != value else struct.pack("d", value)
    if isinstance(value, np.ndarray):
        X = np.where(np.isnan(value), NAN, value)
        return value.dtype, value.shape, np.ascontiguousarray(X).tobytes(), value.flags.writeable
    return type(value), value


def each(monkeypatch: pytest.MonkeyPatch, text: str, outputs: list[str], cases: list[dict[str, Any]]) -> list[Run]:
    """Run with and without the machine; they must agree.  Returns the runs with it."""
    text = textwrap.dedent(text)
    with monkeypatch.context() as patch:
        patch.setattr(loops, "WORTH_LOADING", math.inf)
        patch.setattr(loops, "WITH_NUMBA", math.inf)
        plain = run(text, cases, outputs)
    with monkeypatch.context() as patch:
        for name in ("WORTH_LOADING", "WITH_NUMBA", "LEAST"):
            patch.setattr(loops, name, 0)
        patch.setattr(backend, "WORTH_COMPILING", 0)
        forced = run(text, cases, outputs)
    for a, b in zip(plain, forced, strict=True):
        assert a.ran == a.gave_up == 0
        assert b.error == a.error
        assert {n: bits(v) for n, v in b.values.items()} == {n: bits(v) for n, v in a.values.items()}
    return forced


def both(monkeypatch: pytest.MonkeyPatch, text: str, outputs: list[str], **inputs: Any) -> Run:
    """The same for one case."""
    return each(monkeypatch, text, outputs, [inputs])[0]


# ---- each operation

FUNCTIONS = "sqrt exp log sin cos tan asin acos atan sinh cosh tanh round floor ceil sign abs is.nan is.infinite"
UNARY = [f"{f}(x)" for f in FUNCTIONS.split()] + ["-x", "x", "as.double(x)"]
BINARY = ["x + y", "x - y", "x * y", "x / y", "x ^ y", "x %% y", "x %/% y", "min(x, y)", "max(x, y)"]
CONDITIONS = ["x < y", "x <= y", "x > y", "x >= y", "x == y", "x != y", "x & y", "x | y", "!x", "as.logical(x)"]


def test_functions_of_doubles(monkeypatch):
    text = "R = matrix(0, nrow(V), {n})\nfor (k in 1:nrow(V)) {{\n x = as.scalar(V[k, 1])\n{body}}}".format(
        n=len(UNARY), body="".join(f" R[k, {j}] = {e}\n" for j, e in enumerate(UNARY, 1))
    )
    values = [*DOUBLES, *np.random.default_rng(1).normal(0, 3, 300), *np.random.default_rng(2).uniform(-1, 1, 100)]
    for start in range(0, len(values), 150):
        assert both(monkeypatch, text, ["R"], V=np.array(values[start : start + 150])[:, None]).ran == 1


def test_operators_of_doubles(monkeypatch):
    pairs = [*itertools.product(DOUBLES, DOUBLES), *np.random.default_rng(3).normal(0, 3, (500, 2))]
    text = "R = matrix(0, nrow(V), {n})\nfor (k in 1:nrow(V)) {{\n x = as.scalar(V[k, 1]); y = as.scalar(V[k, 2])\n{body}}}"
    conditions = "".join(f" if ({e}) {{ R[k, {j}] = 1 }}\n" for j, e in enumerate(CONDITIONS, len(BINARY) + 1))
    body = "".join(f" R[k, {j}] = {e}\n" for j, e in enumerate(BINARY, 1)) + conditions
    text = text.format(n=len(BINARY) + len(CONDITIONS), body=body)
    for start in range(0, len(pairs), 200):
        assert both(monkeypatch, text, ["R"], V=np.array(pairs[start : start + 200])).ran == 1


@pytest.mark.parametrize("expression", [*BINARY, *CONDITIONS, "-x", "abs(x)", "exp(x)", "sqrt(x)", "as.integer(x)"])
def test_operators_of_ints(monkeypatch, expression):
    """Each alone, as some end in an error or are left to Python."""
    text = f"for (k in 1:1) {{ r = {expression} }}"
    tried = each(monkeypatch, text, ["r"], [{"x": x, "y": y} for x, y in itertools.product(INTS, INTS)])
    assert sum(t.ran for t in tried) > len(tried) // 4
    mixed = [both(monkeypatch, text, ["r"], x=x, y=y) for x, y in [(3, 0.5), (-2.5, 7), (2**53 + 1, 2.0**53), (0, NAN)]]
    assert sum(t.ran for t in mixed) >= 3 or "integer" in expression


@pytest.mark.parametrize(
    "expression",
    [
        "as.integer(x)",
        "as.integer(-x)",
        "X[x, 1] + 0",
        "as.integer(x > 0)",
        "as.double(x > 0)",
        "as.scalar(as.matrix(x) * 2)",
    ],
)
def test_conversions(monkeypatch, expression):
    text = f"r = 0\nfor (k in 1:1) {{ r = as.scalar(matrix(1, 1, 1)) * as.double({expression.replace('X[x, 1] + 0', 'as.scalar(X[x, 1])')}) }}"
    tried = each(monkeypatch, text, ["r"], [{"x": x, "X": np.arange(4.0)[:, None]} for x in DOUBLES])
    assert sum(t.ran for t in tried) >= 4


SHAPES = [((3, 4), (3, 4)), ((3, 4), (1, 4)), ((3, 4), (3, 1)), ((3, 4), (1, 1)), ((5, 1), (1, 3)), ((1, 1), (1, 1)), ((7, 1), (7, 1)), ((1, 9), (1, 9)), ((1, 9), (1, 1)), ((20, 33), (20, 33)), ((20, 33), (1, 33)), ((20, 33), (20, 1))]  # fmt: skip
OF_CELLS = ["X + Y", "X - Y", "X * Y", "X / Y", "min(X, Y)", "max(X, Y)", "X == Y", "X != Y", "X < Y", "X <= Y", "X > Y", "X >= Y", "X & Y", "X | Y", "X %% Y"]  # fmt: skip
OF_MATRIX = ["-X", "!X", "abs(X)", "sqrt(X)", "sign(X)", "floor(X)", "ceil(X)", "round(X)", "X ^ 1", "X ^ 2", "X ^ 3", "X ^ 4"]  # fmt: skip


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_operators_of_cells(monkeypatch, shapes):
    rng = np.random.default_rng(5)
    X, Y = (rng.normal(0, 2, s).round(1) for s in shapes)
    both_scalars = [e.replace("Y", "y") for e in OF_CELLS] + [e.replace("X", "y").replace("Y", "X") for e in OF_CELLS]
    names = [f"R{k}" for k in range(len(OF_CELLS + both_scalars + OF_MATRIX))]
    body = "\n".join(f"{n} = {e}" for n, e in zip(names, OF_CELLS + both_scalars + OF_MATRIX, strict=True))
    found = both(monkeypatch, f"for (k in 1:2) {{\n{body}\n}}", names, X=X, Y=Y, y=1.5)
    assert found.ran == 1
    assert both(monkeypatch, f"for (k in 1:2) {{\n{body}\n}}", names, X=X, Y=Y, y=3).ran == 1


def test_special_cells(monkeypatch):
    X, Y = (np.array(c)[None, :] for c in zip(*itertools.product(DOUBLES, DOUBLES), strict=True))
    for e in [*OF_CELLS, *OF_MATRIX]:
        found = both(monkeypatch, f"for (k in 1:2) {{ R = {e} }}", ["R"], X=X, Y=Y)
        assert found.ran == 1 or ("m" in e and found.gave_up == 1)  # zeros of different signs


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (7, 1), (8, 8), (9, 3), (3, 9), (2, 130), (130, 2), (11, 13), (60, 60), (1, 4000), (3000, 1)], ids=str)  # fmt: skip
def test_aggregates(monkeypatch, shape):
    X = np.random.default_rng(6).normal(1, 3, shape)
    text = (
        "for (k in 1:2) {\n a = sum(X); b = mean(X); c = min(X); d = max(X); n = nrow(X) + 2 * ncol(X) + length(X)\n}"
    )
    assert both(monkeypatch, text, list("abcdn"), X=X).ran == 1
    special = X.copy()
    special.flat[-1] = NAN
    assert both(monkeypatch, text, list("abcdn"), X=special).ran == 1
    if shape[0] == shape[1]:
        assert both(monkeypatch, "for (k in 1:2) { a = trace(X) }", ["a"], X=X).ran == 1
    found = both(monkeypatch, "for (k in 1:2) { R = rowSums(X); C = colSums(X) }", ["R", "C"], X=X)
    assert found.ran == 1 or 1 in shape


def test_a_sum_of_negative_zeros(monkeypatch):
    assert both(monkeypatch, "for (k in 1:2) { a = sum(X); b = max(X) }", ["a", "b"], X=np.full((3, 3), -0.0)).ran == 1


@pytest.mark.parametrize("sizes", [(10, 10, 10), (20, 20, 1), (1, 20, 20), (1, 9, 1), (5, 1, 4), (3, 7, 2), (63, 64, 60), (2, 2, 2), (1, 2, 3), (4, 3, 1)], ids=str)  # fmt: skip
def test_products(monkeypatch, sizes):
    m, k, n = sizes
    rng = np.random.default_rng(7)
    A, B = rng.normal(0, 1, (m, k)), rng.normal(0, 1, (k, n))
    found = both(monkeypatch, "for (i in 1:2) { C = A %*% B }", ["C"], A=A, B=B)
    assert found.ran == 1 or found.gave_up == 1
    if "linux" in sys.platform and "openblas" in str(np.show_config(mode="dicts")).lower():
        assert found.ran == 1
    if m == k == n:
        both(monkeypatch, "for (i in 1:5) { A = A %*% B; B = A %*% A * 0.01; C = B %*% A }", ["A", "B", "C"], A=A, B=B)


def test_vectors_are_transposed(monkeypatch):
    v = np.random.default_rng(8).normal(0, 1, (9, 1))
    text = "for (i in 1:3) { s = as.scalar(t(v) %*% v); V = v %*% t(v); u = t(v); v = v * 0.9 + t(u) / s }"
    assert both(monkeypatch, text, ["v", "V", "u", "s"], v=v).ran + 1 >= 1


# ---- loops


LOOPS = {
    "nested, up and down": "s = 0.0\nfor (i in 1:5) { for (j in i:3) { s = s * 1.5 + i - j } }",
    "steps": "s = 0\nfor (i in seq(10, 1, -3)) { for (j in seq(1, i, 2)) { s = s * 3 + j } }",
    "no iteration": "s = 0\nfor (i in seq(1, 3)) { for (j in seq(3, 1, 1)) { s = s + 100 } s = s + i }",
    "the variable is assigned": "s = 0\nfor (i in 1:5) { s = s + i; i = 100 }\nr = i",
    "the variable afterwards": "s = 0\nfor (i in 1:5) { for (j in 1:3) { s = s + 1 } }\nr = i * 10 + j",
    "int, then double": "s = 0\nfor (i in 1:5) { s = s + i * 0.5 }",
    "int, then double, once": "s = 0\nfor (i in 1:1) { s = s + i * 0.5 }",
    "inner sums": "s = 0.0\nfor (i in 1:5) { r = 0\n for (j in 1:4) { r = r + 1 / (i + j) }\n s = s + r }",
    "while": "s = 0\nx = 1\nwhile (x < 1000 & s < 10000) { if (x %% 3 == 0) { s = s + x } else { s = s - 1 }\n x = x * 2 + 1 }",
    "while in for": "s = 0\nfor (i in 1:30) { n = i\n while (n != 1) { if (n %% 2 == 0) { n = n %/% 2 } else { n = 3 * n + 1 }\n s = s + 1 } }",
    "a number as condition": "s = 0\nn = 10\nx = 2.5\nwhile (n) { n = n - 1\n if (x) { s = s + 1 }\n x = x - 0.5 }",
    "bounds of doubles": "s = 0\nn = 4.0\nfor (i in 1:2) { for (j in 1.0:n) { s = s + j } }",
    "booleans": "b = FALSE\ns = 0\nfor (i in 1:9) { b = !b | i == 4\n if (b) { s = s + i } }",
    "wraps": "s = 9223372036854775800\nfor (i in 1:20) { s = s + i }",
    "an if without else": "s = 1.0\nt = 0\nfor (i in 1:9) { if (i > 3) { t = t + i\n s = s / 2 } }",
    "made in the loop": "s = 0.0\nfor (i in 1:4) { X = matrix(0.5, 2, 3)\n X[1, 2] = i\n s = s + sum(X * i) }\nr = sum(X)",
}


@pytest.mark.parametrize("name", LOOPS)
def test_loops(monkeypatch, name):
    outputs = ["s", *(n for n in ("r", "t", "b", "x", "n") if f"\n{n} = " in "\n" + LOOPS[name])]
    assert both(monkeypatch, LOOPS[name], outputs).ran >= 1


def test_an_inlined_function(monkeypatch):
    text = """
    half = function(double x) return (double y) { y = x / 2 }
    s = 0.0
    for (i in 1:9) { s = s + half(i) }
    """
    assert both(monkeypatch, text, ["s"]).ran == 1


def test_matrices_of_the_caller_stay(monkeypatch):
    X = np.ones((3, 3))
    text = "Y = X\nfor (i in 1:3) { X[i, i] = i\n if (i == 2) { X = X * 2 } }\nr = sum(Y)"
    assert both(monkeypatch, text, ["X", "r"], X=X).ran == 1
    assert (X == 1).all()


def test_unknown_types(monkeypatch):
    """Nothing is known before the run of what a function gets that is not inlined."""
    text = """
    f = function(int n, matrix[double] X) return (double s, matrix[double] Y) {
      s = 0
      Y = X
      for (i in 1:n) { Y = Y * 0.5 + X; s = s + sum(Y) * i }
      if (n > 3) { [t, Z] = f(n - 1, Y + 1)
        s = s + t }
    }
    [s, Y] = f(6, X)
    """
    assert both(monkeypatch, text, ["s", "Y"], X=np.arange(6.0).reshape(2, 3)).ran == 4


# ---- what is left to Python


@pytest.mark.parametrize(
    "body",
    [
        "s = s + as.scalar(X[i + 2, 1])",
        "s = s + as.scalar(X[i - 2, 1])",
        "X[1, i] = i",
        "n = n * 4096",
        "n = 7 %/% (i - 4)",
        "s = as.scalar(X[s, 1])",
    ],
)
def test_errors(monkeypatch, body):
    text = f"s = 0.5\nn = 1\nfor (i in 1:9) {{\n  s = s + i\n  {body}\n}}"
    found = both(monkeypatch, text, ["s", "n", "X"], X=np.ones((4, 4)))
    assert found.gave_up == 1
    assert found.error is not None and "<test>:5" in found.error


@pytest.mark.parametrize(
    "body",
    [
        "print(i)",
        "s = s + as.scalar(rand(rows=1, cols=1, seed=i))",
        "l = append(l, i)",
        'text = text + "a"',
        "X = cbind(X, X)",
        "X = exp(X * 0.1)",
        "s = s + sum(X[1 + i %% 2, ])",
        "X = X + F",
        "X = t(X * i)",
    ],
)
def test_not_for_the_machine(monkeypatch, body):
    text = f'l = list()\ntext = ""\ns = 0.0\nfor (i in 1:3) {{ {body} }}\nr = length(l)'
    X = np.arange(6.0).reshape(2, 3)
    assert both(monkeypatch, text, ["s", "X", "r", "text"], X=X, F=np.asfortranarray(X)).ran == 0


def test_single_precision_and_large_matrices_stay(monkeypatch):
    text = "for (i in 1:3) { X = X * 0.5 + 1 }"
    assert both(monkeypatch, text, ["X"], X=np.ones((3, 3), np.float32)).ran == 0
    assert both(monkeypatch, text, ["X"], X=np.ones((65, 64))).ran == 0
    assert both(monkeypatch, text, ["X"], X=np.ones((64, 64))).ran == 1
    of_cells = "s = 0.0\nfor (i in 1:90) { s = s + as.scalar(X[i, 2]); X[i, i] = s }"
    assert both(monkeypatch, of_cells, ["X", "s"], X=np.ones((90, 90))).ran == 1


def test_a_loop_that_fails_is_not_tried_again(monkeypatch):
    text = "for (k in 1:5) { print(k)\n for (i in 1:3) { R = max(X * i, Y) } }"
    X = np.array([[0.0, -0.0]])
    assert both(monkeypatch, text, ["R"], X=X, Y=-X).gave_up == 1


# ---- random programs


def _expression(rng: random.Random, kind: str, depth: int) -> str:
    if kind == "matrix":
        if depth == 0:
            return rng.choice(("X", "Y"))
        a = _expression(rng, "matrix", depth - 1)
        return rng.choice(
            (
                f"({a} {rng.choice('+-*')} {_expression(rng, 'matrix', depth - 1)})",
                f"({a} {rng.choice(('+', '-', '*', '/'))} {_expression(rng, 'double', depth - 1)})",
                f"({_expression(rng, 'double', depth - 1)} - {a})",
                f"abs({a})",
                f"({a} %*% {_expression(rng, 'matrix', depth - 1)})",
                f"({a} - colSums({a}))",
            )
        )
    if depth == 0:
        return rng.choice(("x", "y", "0.5", "2.5")) if kind == "double" else rng.choice(("i", "j", "n", "3"))
    a, b = (_expression(rng, kind, depth - 1) for _ in range(2))
    if kind == "int":
        return rng.choice(
            (f"({a} + {b})", f"({a} - {b})", f"({a} %% 7)", f"({a} %/% 3)", f"min({a}, {b})", f"abs({a})")
        )
    m = _expression(rng, "matrix", depth - 1)
    return rng.choice(
        (
            f"({a} {rng.choice('+-*/')} {b})",
            f"({a} * {_expression(rng, 'int', depth - 1)})",
            f"tanh({a})",
            f"max({a}, {b})",
            f"({a} %% 3)",
            f"sum(abs({m}))",
            f"as.scalar(X[1 + abs({_expression(rng, 'int', depth - 1)} %% 4), j])",
        )
    )


def _statements(rng: random.Random, depth: int) -> str:
    lines = []
    for _ in range(rng.randint(2, 4)):
        kind = rng.randrange(8 if depth else 6)
        condition = f"{_expression(rng, 'double', 1)} {rng.choice(('<', '>=', '!='))} {_expression(rng, 'int', 1)}"
        if kind < 2:
            lines.append(f"{rng.choice('xy')} = tanh({_expression(rng, 'double', 2)})")
        elif kind == 2:
            lines.append(f"n = {_expression(rng, 'int', 2)} %% 1000")
        elif kind == 3:
            lines.append(f"{rng.choice('XY')} = {_expression(rng, 'matrix', 2)} * 0.01")
        elif kind == 4:
            lines.append(f"X[j, 1 + abs(n %% 4)] = {_expression(rng, 'double', 1)}")
        elif kind == 5:
            lines.append(f"b = {condition}\nif (b) {{ y = y * 0.5 }}")
        elif kind == 6:
            lines.append(
                f"if ({condition}) {{\n{_statements(rng, depth - 1)}\n}} else {{\n{_statements(rng, depth - 1)}\n}}"
            )
        else:
            lines.append(f"for (j in 1:{rng.choice(('4', 'nrow(X)', '2'))}) {{\n{_statements(rng, depth - 1)}\n}}")
    return "\n".join(lines)


@pytest.mark.parametrize("seed", range(40))
def test_random_programs(monkeypatch, seed):
    rng = random.Random(seed)
    text = f"j = 1\nn = 5\nb = FALSE\nx = 0.0\ny = 1.5\nfor (i in 1:6) {{\n{_statements(rng, 2)}\n}}"
    X = np.random.default_rng(seed).normal(0, 1, (4, 4))
    found = both(monkeypatch, text, ["x", "y", "n", "b", "X", "Y"], X=X, Y=X.T.copy())
    assert found.ran + found.gave_up == 1


# ---- time


def test_an_interrupt_is_noticed():
    code = textwrap.dedent(
        """
        import os, signal, sys, threading, time
        from pydml.execution import loops
        from pydml.backends.cpu import jit, loops as backend
        backend.WORTH_COMPILING = 0
        from pydml.cli import main
        loops.WORTH_LOADING = loops.WITH_NUMBA = 0
        jit.kernels("loop_machine").machine()
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have started the tests without
        threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
        sys.exit(main(["-e", "s = 0.0; for (i in 1:100000000000) { s = s + i }; print(s)"]))
        """
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 130, done.stderr


def test_short_runs_do_not_load_numba():
    code = (
        "import sys; from pydml.cli import main; "
        "main(['-e', 's = 0.0; for (i in 1:100000) { s = s + i * 2.0 }; print(s)']); "
        "sys.exit('numba' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_the_machine_is_compiled_for_long_loops_only(tmp_path):
    """It takes seconds once; a loop of some tenths of a second must not wait for it."""
    code = textwrap.dedent(
        """
        import os
        from pydml.backends.cpu import jit, loops
        print(jit.is_kept("loop_machine", "machine"), loops.pays(1e9), loops.pays(2e9))
        folder = os.path.join(jit.cache_folder(), "compiled_x")
        os.makedirs(folder)
        open(os.path.join(folder, "loop_machine.machine-1.py311.nbi"), "w").close()
        jit.is_kept.cache_clear()  # as in the next process
        print(jit.is_kept("loop_machine", "machine"), loops.pays(1e9))
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYDML_CACHE_DIR": str(tmp_path)},
    )
    assert done.stdout.split() == ["False", "False", "True", "True", "True"], done.stderr


def test_every_handler_is_tried():
    """By a test of this file: the table of operations and its tests stay together."""
    with open(__file__) as file:
        text = file.read()
    named = {"as parameter", "as result", "=", "unary -", "[]="}
    assert not [name for name in HANDLERS if name not in named and name not in text]


def test_statistics_name_the_machine(monkeypatch):
    from pydml.execution.statistics import Statistics

    for name in ("WORTH_LOADING", "WITH_NUMBA"):
        monkeypatch.setattr(loops, name, 0)
    monkeypatch.setattr(backend, "WORTH_COMPILING", 0)
    text = "s = 0.0\nfor (i in 1:100000) { s = s + i }"
    statistics = Statistics()
    compile_program(SourceFile("<test>", text), outputs=["s"]).run(Context(statistics=statistics))
    assert ("loop machine", "<test>", 2) in statistics.operations


def test_loops_are_seen_by_debuggers(monkeypatch):
    for name in ("WORTH_LOADING", "WITH_NUMBA"):
        monkeypatch.setattr(loops, name, 0)
    monkeypatch.setattr(sys, "gettrace", lambda: print)
    assert run("s = 0.0\nfor (i in 1:100000) { s = s + i }", [{}], ["s"])[0].ran == 0

"""Ints whose range is known are computed without checks: the same values as with all checks, and no checks where none is needed."""

from __future__ import annotations

import random
import re
import textwrap

import pytest

from pydml.diagnostics import DMLError, SourceFile
from pydml.execution import emit
from pydml.execution.context import Context
from pydml.execution.executable import Executable, compile_program
from pydml.ir.ranges import Ranges


def compiled(text: str) -> Executable:
    text = textwrap.dedent(text)
    return compile_program(SourceFile("<test>", text), outputs=[n for n in NAMES if re.search(f"^{n} = ", text, re.M)])


NAMES = ["a", "b", "c", "d"]


class NoRanges(Ranges):
    """Nothing is known."""

    def __init__(self) -> None:
        self.args, self.fits = {}, {}


def without_ranges(text: str, monkeypatch: pytest.MonkeyPatch) -> Executable:
    with monkeypatch.context() as patch:
        patch.setattr(emit, "find_ranges", lambda program, _: {f.key: NoRanges() for f in program.all_functions()})
        return compiled(text)


def outcome(executable: Executable) -> object:
    try:
        return executable.run(Context(seed=1))
    except DMLError as error:
        span = error.diagnostic.span
        return error.diagnostic.id, error.diagnostic.message, span and (span.start, span.end)


class Writer:
    """Random programs of ints that end soon."""

    def __init__(self, seed: int):
        self.random = random.Random(seed)
        self.loops = 0

    def constant(self) -> str:
        near = self.random.choice([0, 0, 0, 1 << 20, 1 << 62, (1 << 63) - 4, -(1 << 62), -(1 << 63) + 4])
        return str(near + self.random.randint(-3, 3))

    def operand(self) -> str:
        return self.random.choice([*NAMES, self.constant()])

    def expression(self) -> str:
        operator = self.random.choice(["+", "+", "+", "-", "-", "-", "*", "%%", "%/%"])
        right = self.random.choice(["2", "7", "-3"]) if operator[0] in "%*" else self.operand()
        text = f"{self.operand()} {operator} {right}"
        if self.random.random() < 0.3:
            text = f"({text}) {self.random.choice('+-')} {self.operand()}"
        return text if self.random.random() < 0.9 else f"-({text})"

    def condition(self) -> str:
        def one() -> str:
            return f"{self.operand()} {self.random.choice(['<', '<=', '>', '>=', '==', '!='])} {self.operand()}"

        kind = self.random.random()
        if kind < 0.6:
            return one()
        return f"({one()}) {self.random.choice('&|')} !({one()})"

    def block(self, depth: int) -> str:
        return "\n".join(self.statement(depth) for _ in range(self.random.randint(1, 3)))

    def statement(self, depth: int) -> str:
        kind = self.random.random()
        name = self.random.choice(NAMES)
        if depth == 0 or kind < 0.45:
            if self.random.random() < 0.5:  # sums
                return f"{name} = {name} {self.random.choice('+-')} {self.operand()}"
            return f"{name} = {self.expression()}"
        if kind < 0.65:
            return f"if ({self.condition()}) {{\n{self.block(depth - 1)}\n}} else {{\n{self.block(depth - 1)}\n}}"
        self.loops += 1
        if kind < 0.85:
            variable = self.random.choice([f"i{self.loops}", f"i{self.loops}", "d"])
            bounds = self.random.choice(["1:4", "3:1", f"({self.operand()} %% 4):({self.operand()} %% 5)"])
            use = f"{name} = {name} + {variable}\n"
            return f"for ({variable} in {bounds}) {{\n{use}{self.block(depth - 1)}\n}}"
        counter = f"n{self.loops}"
        return (
            f"{counter} = 0\nwhile (({self.condition()}) & ({counter} < 6)) {{\n"
            f"{self.block(depth - 1)}\n{counter} = {counter} + {self.random.randint(1, 3)}\n}}"
        )

    def program(self) -> str:
        start = "\n".join(f"{name} = {self.constant()}" for name in NAMES)
        hide = "".join(f"if (nrow(X) > {self.random.randint(0, 1)}) {{ {n} = {self.constant()} }}\n" for n in NAMES)
        return f"{start}\nX = matrix(0, as.integer(1.0), 1)\n{hide}{self.block(3)}\n{self.block(3)}"


@pytest.mark.parametrize("first", range(0, 100, 25))
def test_random_programs_give_the_same_as_with_all_checks(first, monkeypatch):
    for seed in range(first, first + 25):
        text = Writer(seed).program()
        assert outcome(compiled(text)) == outcome(without_ranges(text, monkeypatch)), f"seed {seed}\n{text}"


def python(text: str) -> str:
    return compiled(text).explain("python")


def test_a_counter_that_a_condition_bounds_needs_no_check():
    text = python("a = 0\nwhile (a < 1000) { a = a + 1 }")
    assert "a = a + 1" in text and "_wrap" not in text


def test_sums_are_bounded_by_the_iterations():
    text = python("""
        a = 0
        b = 0
        for (i in 1:1000) {
          for (j in 1:1000) { a = a + i * j }
          if (a %% 2 == 0) { b = b + a %/% 2 } else { b = b - 3 }
        }
    """)
    assert "_wrap" not in text and "_int" not in text
    assert "a % 2 == 0" in text and "a // 2" in text


def test_iterations_of_a_while_loop_are_bounded_by_what_it_counts():
    text = python("""
        a = 0
        b = 1
        while (b < 500000) {
          if (b %% 2 == 0) { a = a + b %/% 2 } else { a = a - 3 * b + 1 }
          b = b + 1
        }
    """)
    assert "_wrap" not in text and "_int" not in text


def test_what_grows_without_bound_is_checked():
    executable = compiled("a = 1\nfor (i in 1:70) { a = a + a }\nb = 9223372036854775806\nwhile (b > 0) { b = b + 1 }")
    assert "bit_length() < 64" in executable.explain("python")
    values = executable.run(Context())
    assert values["a"] == 0
    assert values["b"] == -(2**63)


def test_a_recursive_function_of_ints_checks_only_its_sum():
    text = python("""
        fib = function(int n) return (int f) {
          if (n < 2) { f = n } else { f = fib(n - 1) + fib(n - 2) }
        }
        a = fib(10)
    """)
    assert "n - 1)" in text and text.count("_wrap") == 1


def test_a_result_declared_int_may_be_a_double(monkeypatch):
    text = """
        f = function(list[unknown] l) return (int y) {
          y = as.scalar(l[1])
          for (i in 1:1) { l = append(l, i) }
        }
        g = function(int x, int n) return (int z) {
          z = x + 1
          if (n > 0) { z = g(x, n - 1) + 1 }
        }
        a = f(list(2.5)) + 1
        b = g(f(list(1e300)), 2)
        c = g(3, 2)
        d = 0
    """
    values = compiled(text).run(Context())
    assert values["a"] == 3.5
    assert values["b"] == without_ranges(text, monkeypatch).run(Context())["b"]
    assert values["c"] == 6


def test_a_loop_to_an_unknown_end_counts_down_where_it_must():
    executable = compiled("""
        f = function(int n) return (double s) {
          s = 0.0
          for (i in 1:n) { s = s * 10 + i }
          if (n > 100) { s = f(n - 1) }
        }
        a = f(3)
        b = f(-2)
        c = f(1)
        d = f(0)
    """)
    assert executable.run(Context()) == {"a": 123.0, "b": 1.0 * 1000 + 0 * 100 - 10 - 2, "c": 1.0, "d": 10.0}


def test_a_variable_assigned_in_a_loop_keeps_what_it_was_given_there():
    values = compiled("""
        a = 1
        b = 0
        for (i in 1:3) { a = 9223372036854775807 }
        b = a + 1
        c = 0
        for (c in 1:3) { c = 9223372036854775807 }
        d = c + 1
    """).run(Context())
    assert values["b"] == -(2**63)
    assert values["d"] == -(2**63)

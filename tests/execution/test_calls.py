"""Calls of DML functions inside of expressions run in the order in which they are written, with everything else that can be seen."""

from __future__ import annotations

import io

import pytest

from pydml.diagnostics import DMLError, SourceFile
from pydml.execution.context import Context
from pydml.execution.executable import Executable, compile_program

FUNCTIONS = """
f = function(int n) return (int r) {
  print("f" + n)
  if (n > 5) { r = f(n - 6) } else { r = n }
}
g = function(double x) return (double r) {
  print("g" + x)
  if (x > 5) { r = g(x - 6) + 1 / f(as.integer(x) - 5) } else { r = x }
}
x = as.integer("3")
"""


def compiled(text: str) -> Executable:
    return compile_program(SourceFile("<test>", FUNCTIONS + text), outputs=[])


def printed(text: str) -> list[str]:
    out = io.StringIO()
    try:
        compiled(text).run(Context(out=out))
    except DMLError as error:
        out.write(error.diagnostic.id)
    return out.getvalue().split()


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("f(x) + f(x + 1)", "f3 f4 7"),
        ("f(x) + f(x + 1) * f(7)", "f3 f4 f7 f1 7"),
        ("f(x) * f(x + 1) - f(7)", "f3 f4 f7 f1 11"),
        ("(f(1) - f(2)) * (f(3) - f(4))", "f1 f2 f3 f4 1"),
        ("f(f(x) + 1) - f(2)", "f3 f4 f2 2"),
        ("x - f(2)", "f2 1"),
        ("f(9) - g(8.0)", "f9 f3 g8.0 g2.0 f3 0.6666666666666665"),
        ("f(1) + x %/% (f(2) - 2)", "f1 f2 overflow"),
        ("x * 9223372036854775807 + f(1)", "overflow"),
        ("f(1) + x * 9223372036854775807", "f1 overflow"),
        ("ifelse(f(1) < f(2), f(3), f(4))", "f1 f2 f3 f4 3"),
    ],
)
def test_order(expression, expected):
    assert printed(f"print({expression})") == expected.split()
    assert printed(f"a = {expression}\nprint(a)") == expected.split()


def test_two_calls_are_one_expression():
    text = compiled("print(f(x) + f(x + 1))").explain("python")
    assert "f_f(_ctx, 3) + f_f(_ctx, 4)" in text


def test_a_recursion_without_end_is_an_error_of_dml():
    with pytest.raises(DMLError) as caught:
        compiled(
            "h = function(int n) return (int r) { if (n > 0) { r = h(n + 1) + h(n) } else { r = 0 } }\nprint(h(1))"
        ).run(Context(out=io.StringIO()))
    assert caught.value.diagnostic.id == "recursion"
    assert caught.value.diagnostic.span is not None

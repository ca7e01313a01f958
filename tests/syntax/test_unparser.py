"""Trees to text: parsing the text of a tree gives the tree back, and the text has no parentheses it does not need."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from pydml.diagnostics import DMLError, SourceFile, Span
from pydml.syntax import ast, parse, unparse, unparse_expr, unparse_statement
from pydml.syntax.parser import unescape

ROOT = Path(__file__).parents[2]
PLACE = Span(SourceFile("t.dml", ""), 0, 0)


def module(text: str) -> ast.Module:
    return parse(SourceFile("t.dml", text))


def value(text: str) -> ast.Expr:
    return module(f"x = {text}").statements[0].value


@pytest.mark.parametrize(
    "text",
    [
        "a + b * c",
        "(a + b) * c",
        "a - (b - c)",
        "a - b - c",
        "(a^b)^c",
        "a^b^c",
        "(-2)^2",
        "-2^2",
        "2^-1",
        "2^-x^2",
        "(2^-1)^2",
        "-(a + b)",
        "-(a %*% b)",
        "-a %*% -b",
        "--a",
        "a - -b",
        "a - -3",
        "!a & b",
        "!(a & b)",
        "!a == b",
        "(!a) == b",
        "a == (!b)",
        "a & !b",
        "(a | b) & c",
        "a | b & c",
        "a < b < c",
        "a < (b < c)",
        "a %% (b %/% c)",
        "a %% b %*% c",
        "a * (b * c)",
        "-Inf",
        "NaN",
        "pi",
        "1e+22",
        "0.1",
        "-0.0",
        "f(a, b=-c, [1, 2])[1, ]".replace("[1, ]", ""),
        "A[1, ]",
        "A[, 1:n]",
        "A[i - 1:i + 1, ]",
        "A[]",
        "ns::f()",
        "ifdef($x, $1)",
        '"a\\nb"',
        "'a\"b'",
        '"a\'b"',
        '"a\\"b\'"',
    ],
)
def test_expressions_keep_their_text(text):
    assert unparse_expr(value(text)) == text


@pytest.mark.parametrize(
    "text, expected",
    [
        ("((a)) + (b * c)", "a + b * c"),
        ("(a ^ (b ^ c))", "a^b^c"),
        ("- (2)", "-2"),
        ("'a'", '"a"'),
        ("1.50", "1.5"),
        ("a<-1", "a < -1"),
    ],
)
def test_superfluous_characters_go(text, expected):
    assert unparse_expr(value(text)) == expected


def test_layout_of_a_file():
    text = """# Title.
#
# More.

source("a.dml") as a
setwd("b")

# Adds.
f = function(matrix[double] X, int n = 3) return (double y, boolean z) {
  if (n > 3) {
    y = 1
  } else if (n > 2) {
    y = 2
  } else {
    y = 3
  }
  z = TRUE
}

g = function() {
  print("g")
}

[x, y] = f(A, n=4)
A[1, ] += B
for (i in 1:3) {}
for (i in seq(1, 9, 2)) {
  while (TRUE) {
    g()
  }
}
parfor (i in 1:3, check=0) {
  x = i
}
"""
    tree = module(text)
    assert unparse(tree) == text
    assert unparse_statement(tree.statements[-1]) == "parfor (i in 1:3, check=0) {\n  x = i\n}"


def test_strings_that_no_literal_has():
    for text in ("\\d", "\\", "a\\nb", '\\"' + "\\'"):
        with pytest.raises(ValueError):
            unparse_expr(ast.Literal(text, span=PLACE))


def test_a_long_sum_needs_no_stack():
    text = " + ".join(["a"] * 3000)
    assert unparse_expr(value(text)) == text


def test_every_program_of_the_repository():
    checked = 0
    for folder in ("scripts", "examples", "tests", "benchmarks"):
        for path in sorted((ROOT / folder).rglob("*.dml")):
            try:
                tree = parse(SourceFile(str(path), path.read_text(encoding="utf-8")))
            except DMLError:
                assert folder == "tests", path
                continue
            assert module(unparse(tree)) == tree, path
            checked += 1
    assert checked > 0


# ---- random trees

hypothesis = pytest.importorskip("hypothesis")
st = hypothesis.strategies

names = st.sampled_from(["a", "B1", "x_y", "matrix", "T", "seq", "as.scalar", "index.return", "iffy"])
characters = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\\"), max_size=8)
pieces = st.lists(st.sampled_from(["\\\\", "\\n", "\\t", "\\'", "b", "n", "'", "d", " "]), max_size=6).map("".join)
strings = characters | pieces.filter(lambda s: not s.replace("\\\\", "").endswith("\\")).map(unescape)
numbers = st.integers(-(2**63), 2**63 - 1) | st.floats() | st.just(math.pi)


def node(kind, *parts, **named):
    places = {name: st.just(PLACE) for name in kind.__dataclass_fields__ if name.endswith("span")}
    return st.builds(kind, *parts, **named, **places)


def no_number(expr):
    return not (isinstance(expr, ast.Literal) and type(expr.value) in (int, float))


def compound(inner):
    bound = inner.filter(lambda e: not isinstance(e, ast.Bracket))
    arguments = st.lists(node(ast.Arg, st.none() | names, inner), max_size=3).map(tuple)
    levels = ["|", "&", "==", "<", "+", "-", "*", "/", "%%", "%/%", "%*%", "^"]
    ranges = node(ast.Range, st.none(), st.none()) | node(ast.Range, bound, st.none() | bound)
    return st.one_of(
        node(ast.Binary, st.sampled_from(levels), inner, inner),
        node(ast.Unary, st.sampled_from("+-"), inner.filter(no_number)),
        node(ast.Unary, st.just("!"), inner),
        node(ast.Index, node(ast.Name, names), st.lists(ranges, min_size=1, max_size=2).map(tuple)),
        node(ast.Call, st.none() | st.just("ns"), st.sampled_from(["f", "sum"]), arguments),
        node(ast.Bracket, st.lists(inner, min_size=1, max_size=3).map(tuple)),
        node(ast.Ifdef, st.sampled_from(["x", "1"]), inner),
    )


leaves = st.one_of(
    node(ast.Name, names),
    node(ast.Literal, numbers | st.booleans() | strings),
    node(ast.Param, st.sampled_from(["x", "12"])),
)
expressions = st.recursive(leaves, compound, max_leaves=12)
indexed = compound(leaves).filter(lambda e: isinstance(e, ast.Index))
targets = node(ast.Name, names) | indexed
calls = node(
    ast.Call,
    st.none() | st.just("ns"),
    st.just("f"),
    st.lists(node(ast.Arg, st.none() | names, leaves), max_size=2).map(tuple),
)


def control(inner):
    body = st.lists(inner, max_size=3).map(tuple)
    options = st.lists(node(ast.Arg, names, leaves), max_size=2).map(tuple)
    return st.one_of(
        node(ast.If, expressions, body, body),
        node(ast.While, expressions, body),
        node(ast.For, node(ast.Name, names), leaves, leaves, st.none() | leaves, body, st.booleans(), options),
    )


simple = st.one_of(
    node(ast.Assign, targets, expressions, st.booleans()),
    node(ast.MultiAssign, st.lists(targets, min_size=1, max_size=3).map(tuple), calls),
    node(ast.CallStatement, calls),
    node(ast.Source, strings, names),
    node(ast.SetWd, strings),
)
bodies = st.lists(st.recursive(simple, control, max_leaves=6), min_size=1, max_size=4).map(tuple)
types = node(
    ast.TypeName,
    st.sampled_from(["scalar", "matrix", "frame", "list"]),
    st.sampled_from(["int", "double", "boolean", "string", "unknown"]),
)
parameters = st.lists(
    node(ast.Parameter, types, names, st.none() | leaves), max_size=3, unique_by=lambda p: p.name
).map(tuple)
outputs = st.lists(node(ast.Parameter, types, names, st.none()), max_size=2, unique_by=lambda p: p.name).map(tuple)
functions = st.lists(node(ast.FunctionDef, names, parameters, outputs, bodies), max_size=2).map(tuple)
modules = st.builds(ast.Module, st.just(PLACE.file), bodies, functions)


@hypothesis.settings(max_examples=150, deadline=None)
@hypothesis.given(expressions)
def test_random_expressions(expr):
    text = unparse_expr(expr)
    assert value(text) == expr
    assert value(f"({text})") == expr


@hypothesis.settings(max_examples=80, deadline=None)
@hypothesis.given(modules)
def test_random_modules(tree):
    text = unparse(tree)
    again = module(text)
    assert again == tree
    assert unparse(again) == text


@hypothesis.settings(max_examples=100, deadline=None)
@hypothesis.given(expressions)
def test_parentheses_are_needed(expr):
    """Leaving out any pair of parentheses of an operation changes the reading or is no DML."""
    text = unparse_expr(expr)
    stack: list[int] = []
    for place, character in enumerate(text):
        if character in "\"'":  # strings may hold anything
            return
        if character == "(":
            stack.append(place)
        elif character == ")":
            start = stack.pop()
            if start > 0 and (text[start - 1].isalnum() or text[start - 1] in "_."):
                continue  # of a call
            if text[start + 1] == "!":
                continue  # kept for the reader: `a == (!b)`
            shorter = text[:start] + " " + text[start + 1 : place] + " " + text[place + 1 :]
            try:
                assert value(shorter) != expr, shorter
            except DMLError:
                pass

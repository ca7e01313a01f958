"""The grammar, rule by rule.  Expected readings were observed in SystemDS 3.4.0 unless a comment says otherwise."""

from __future__ import annotations

import math

import pytest

from pydml.diagnostics import DMLError, SourceFile
from pydml.syntax import ast, parse


def module(text: str) -> ast.Module:
    return parse(SourceFile("t.dml", text))


def statements(text: str) -> tuple[ast.Statement, ...]:
    return module(text).statements


def value(text: str) -> ast.Expr:
    (statement,) = statements(f"x = {text}")
    return statement.value


def read(node: ast.Node | None) -> str:
    """An expression or statement with every operation in parentheses: the reading, free of precedences."""
    match node:
        case ast.Literal():
            return repr(node.value)
        case ast.Name():
            return node.id
        case ast.Param():
            return f"${node.name}"
        case ast.Ifdef():
            return f"ifdef(${node.name}, {read(node.default)})"
        case ast.Unary():
            return f"({node.op}{read(node.operand)})"
        case ast.Binary():
            return f"({read(node.left)} {node.op} {read(node.right)})"
        case ast.Range():
            return "" if node.lower is None else ":".join(read(b) for b in (node.lower, node.upper) if b is not None)
        case ast.Index():
            return f"{read(node.target)}[{', '.join(map(read, node.ranges))}]"
        case ast.Call():
            return (
                f"{node.namespace + '::' if node.namespace else ''}{node.function}({', '.join(map(read, node.args))})"
            )
        case ast.Arg():
            return read(node.value) if node.name is None else f"{node.name}={read(node.value)}"
        case ast.Bracket():
            return f"[{', '.join(map(read, node.items))}]"
        case ast.Assign():
            return f"{read(node.target)} {'+=' if node.accumulate else '='} {read(node.value)}"
        case ast.MultiAssign():
            return f"[{', '.join(map(read, node.targets))}] = {read(node.call)}"
        case ast.CallStatement():
            return read(node.call)
        case ast.If():
            return f"if {read(node.condition)} {body(node.then)} else {body(node.orelse)}"
        case ast.While():
            return f"while {read(node.condition)} {body(node.body)}"
        case ast.For():
            bounds = ", ".join(read(b) for b in (node.start, node.stop, node.step) if b is not None)
            options = "".join(f" {read(o)}" for o in node.options)
            return f"{'parfor' if node.parallel else 'for'} {node.variable.id} {bounds}{options} {body(node.body)}"
        case ast.Source():
            return f"source {node.path} {node.namespace}"
        case ast.SetWd():
            return f"setwd {node.path}"
    raise AssertionError(node)


def body(nodes: tuple[ast.Statement, ...]) -> str:
    return "{" + "; ".join(map(read, nodes)) + "}"


def rejected(text: str) -> str:
    with pytest.raises(DMLError) as caught:
        module(text)
    assert caught.value.id == "syntax"
    return caught.value.message


# ---- white space, statements, comments


@pytest.mark.parametrize(
    "text, expected",
    [
        ("x = 1\n+ 2", ["x = (1 + 2)"]),
        ("x = b\n-1", ["x = (b - 1)"]),
        ("x=1 y=2 print(x)", ["x = 1", "y = 2", "print(x)"]),
        ("x = 1;;; y = 2;", ["x = 1", "y = 2"]),
        ("x\n=\n1", ["x = 1"]),
        ("x = f\n(3)", ["x = f(3)"]),
        ("x = 1 # one\n# two\ny = 2 # end", ["x = 1", "y = 2"]),
        ("x /* a\n b */ = /**/ 1 /* not /* nested */ y = 2", ["x = 1", "y = 2"]),
        ("", []),
        ("# nothing", []),
        ("/* nothing */", []),
        ("\t x = 1\r\ny = 2\r\n", ["x = 1", "y = 2"]),
        ("x <- 1 y<-2", ["x = 1", "y = 2"]),
        ("\ufeffx = 1", ["x = 1"]),
        # SystemDS rejects a `;` here by accident.
        ("if (a) {}; x = 1", ["if a {} else {}", "x = 1"]),
        ("for (i in 1:2) {} ;; while (a) {};", ["for i 1, 2 {} else {}".replace(" else {}", ""), "while a {}"]),
    ],
)
def test_statements_and_white_space(text, expected):
    assert list(map(read, statements(text))) == expected


# ---- names


def test_names():
    assert read(value("a1_B")) == "a1_B"
    assert (
        read(value("iffy + fortran + integer1 + TRUEish + function_"))
        == "((((iffy + fortran) + integer1) + TRUEish) + function_)"
    )
    assert read(value("T & F & matrix & seq & min")) == "((((T & F) & matrix) & seq) & min)"
    assert read(value("min + min(3, 4)")) == "(min + min(3, 4))"
    assert read(value("ns::f(1)")) == "ns::f(1)"


DOTTED = """
as.scalar as.matrix as.frame as.list as.double as.integer as.logical as.boolean index.return empty.return
lower.tail lower.tri upper.tri is.na is.nan is.infinite
"""


@pytest.mark.parametrize("name", DOTTED.split())
def test_dotted_names_are_names(name):
    assert read(value(f"{name}(A, {name}=TRUE)")) == f"{name}(A, {name}=True)"


@pytest.mark.parametrize(
    "name", ["a.b", "read.csv", "_a", "_", "as.scalars", "as.scalar.x", "is.na2", "index.returned"]
)
def test_other_names_with_dots_or_underscores_are_rejected(name):
    assert name in rejected(f"x = {name}(3)")
    assert name in rejected(f"{name} = 3")


KEYWORDS = """
boolean Boolean double Double else externalFunction for function if ifdef implemented in int integer Int Integer
parfor return setwd source string String unknown Unknown while as
"""


@pytest.mark.parametrize("word", KEYWORDS.split())
def test_keywords_cannot_be_variables(word):
    for text in (f"{word} = 3", f"x = {word} + 1"):
        with pytest.raises(DMLError):
            module(text)


def test_booleans_cannot_be_variables():
    rejected("TRUE = 3")


def test_constants():
    for text, expected in (("NaN", math.nan), ("Inf", math.inf), ("pi", math.pi), ("-Inf", -math.inf)):
        assert value(text) == ast.Literal(expected, span=None)
    for text in (
        "NaN = 1",
        "Inf += 1",
        "pi[1, 1] = 3",
        "[a, pi] = f()",
        "for (pi in 1:2) {}",
        "pi = function() { x = 1 }",
    ):
        assert text.split()[0].strip("[,") in rejected(text) or "pi" in rejected(text)
    assert read(value("NA")) == "NA" and read(value("true")) == "true"


# ---- literals


@pytest.mark.parametrize(
    "text, expected",
    [
        ("12", 12),
        ("007", 7),
        ("9223372036854775807", 2**63 - 1),
        ("1.5", 1.5),
        ("5.", 5.0),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("1E-5", 1e-5),
        ("2.e3", 2000.0),
        ("1e+2", 100.0),
        (".5e1", 5.0),
        ("1e-400", 0.0),
        ("TRUE", True),
        ("FALSE", False),
        ("-3", -3),
        ("+3", 3),
        ("- - 3", 3),
        ("-+3", -3),
        ("-0.0", -0.0),
        # 3.4.0 rejects the smallest integer because it looks at the number without its sign.
        ("-9223372036854775808", -(2**63)),
    ],
)
def test_numbers_and_booleans(text, expected):
    assert value(text) == ast.Literal(expected, span=None)


@pytest.mark.parametrize("text", ["9223372036854775808", "-9223372036854775809", "1 - 9223372036854775808", "9" * 5000])
def test_integers_that_do_not_fit_are_rejected(text):
    assert "does not fit in 64 bits" in rejected(f"x = {text}")


@pytest.mark.parametrize("text", ["10L", "1.5L", "1e3L", "10l"])
def test_long_suffix_is_rejected(text):
    assert text in rejected(f"x = {text}")


def test_doubles_that_overflow_are_rejected():
    # SystemDS reads them as Inf, which nobody who writes them wants.
    assert "1e400" in rejected("x = 1e400")


@pytest.mark.parametrize(
    "text, expected",
    [
        (r'"a b"', "a b"),
        (r"'it \'s'", "it 's"),
        ("'a\"b'", 'a"b'),
        ('"a\'b"', "a'b"),
        (r'"a\tb\nc\r\f\b"', "a\tb\nc\r\f\b"),
        (r'"say \"hi\""', 'say "hi"'),
        (r'"\\"', "\\\\"),
        (r'"a\\nb"', "a\\\nb"),
        (r'"C:\\temp"', "C:\\\temp"),
        ('"two\nlines"', "two\nlines"),
        ('""', ""),
        ('"$x # no comment /* either"', "$x # no comment /* either"),
        ('"äöü 漢字"', "äöü 漢字"),
    ],
)
def test_strings(text, expected):
    assert value(text) == ast.Literal(expected, span=None)


def test_literals_are_equal_only_if_dml_cannot_tell_them_apart():
    def literal(v):
        return ast.Literal(v, span=None)

    different = [literal(v) for v in (1, 1.0, True, "1", 0.0, -0.0, math.nan)]
    assert all((a == b) == (a is b) for a in different for b in different)
    assert literal(math.nan) == literal(-math.nan) and hash(literal(1.5)) == hash(literal(1.5))


# ---- parameters of the command line


def test_parameters():
    assert read(value("$a1 + $2 * $X_y")) == "($a1 + ($2 * $X_y))"
    assert read(value("ifdef($x, 3)")) == "ifdef($x, 3)"
    # SystemDS accepts ifdef only as a whole right side.
    assert read(value("3 + f(ifdef($1, matrix(0, 2, 2)))")) == "(3 + f(ifdef($1, matrix(0, 2, 2))))"
    for text in ("$x = 3", "$x += 3", "x = ifdef(x, 3)", "x = ifdef($x)", "x = $"):
        rejected(text)


# ---- statements


@pytest.mark.parametrize(
    "text, expected",
    [
        ('source("a/b.dml") as ns', "source a/b.dml ns"),
        ('setwd("d")', "setwd d"),
        ("x = f()", "x = f()"),
        ("x += 3", "x += 3"),
        ("A[1, 2] += 3", "A[1, 2] += 3"),
        ("A[1, ] = B", "A[1, ] = B"),
        ("A[, j:k] = B", "A[, j:k] = B"),
        ("A[, ] = B", "A[, ] = B"),
        ("l[3] = B", "l[3] = B"),
        ('l["a"] = B', "l['a'] = B"),
        ("x = A[]", "x = A[]"),
        ("x = A[i - 1:i, ]", "x = A[(i - 1):i, ]"),
        ("x = A[, (k-1)*D+1:k*D]", "x = A[, (((k - 1) * D) + 1):(k * D)]"),
        ("print('a')", "print('a')"),
        ("ns::f(1, b=2)", "ns::f(1, b=2)"),
        ("[a, b] = f(x)", "[a, b] = f(x)"),
        ("[a] <- ns::f()", "[a] = ns::f()"),
        ("[a[1, 1], b] = f(x)", "[a[1, 1], b] = f(x)"),
        ("f(a == 3, b = 3, c = d == e)", "f((a == 3), b=3, c=(d == e))"),
        ("x = conv2d(A, stride=[1, 1], [n + 1, 2])", "x = conv2d(A, stride=[1, 1], [(n + 1), 2])"),
        ("if (a) x = 1", "if a {x = 1} else {}"),
        ("if (a) x = 1 else y = 2", "if a {x = 1} else {y = 2}"),
        ("if (a) x = 1; else y = 2;", "if a {x = 1} else {y = 2}"),
        ("if (a) {} else {}", "if a {} else {}"),
        (
            "if (a) {x = 1;; y = 2} else if (b) z = 3 else {w = 4}",
            "if a {x = 1; y = 2} else {if b {z = 3} else {w = 4}}",
        ),
        ("if (a) if (b) x = 1 else y = 2", "if a {if b {x = 1} else {y = 2}} else {}"),
        ("if (a) { if (b) x = 1 } else y = 2", "if a {if b {x = 1} else {}} else {y = 2}"),
        ("if (a) for (i in 1:2) if (b) x = 1 else y = 2", "if a {for i 1, 2 {if b {x = 1} else {y = 2}}} else {}"),
        ("while (i < 3) { i = i + 1 }", "while (i < 3) {i = (i + 1)}"),
        ("while (TRUE) while (FALSE) f();", "while True {while False {f()}}"),
        ("for (i in 1:n) x = i", "for i 1, n {x = i}"),
        ("for (i in 1:nrow(A)+1) {}", "for i 1, (nrow(A) + 1) {}"),
        ("for (i in -1:-3) {}", "for i -1, -3 {}"),
        ("for (i in a == b:c) {}", "for i (a == b), c {}"),
        ("for (i in seq(1, 10, 3)) {}", "for i 1, 10, 3 {}"),
        ("for (i in seq(1, 10)) {}", "for i 1, 10 {}"),
        # 3.4.0 takes no names here.
        ("for (i in seq(from=1, incr=2, to=9)) {}", "for i 1, 9, 2 {}"),
        ("for (i in 1:3, check=0) {}", "for i 1, 3 check=0 {}"),
        ("parfor (i in 1:3) x = i", "parfor i 1, 3 {x = i}"),
        (
            "parfor (i in seq(1, n, 2), par=$p, mode=LOCAL, opt=NONE) {}",
            "parfor i 1, n, 2 par=$p mode=LOCAL opt=NONE {}",
        ),
        ("parfor (i in 1:3) parfor (j in 1:3) A[i, j] = B", "parfor i 1, 3 {parfor j 1, 3 {A[i, j] = B}}"),
    ],
)
def test_statement(text, expected):
    (statement,) = statements(text)
    assert read(statement) == expected


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "1 + 2",
        "{}",
        "{ x = 1 }",
        "break",
        "next",
        "return (x)",
        "a = b = 3",
        "x = a ? b : c",
        "x = function(a) a",
        "if (a) else x = 1",
        "if a { x = 1 }",
        "if (a) { x = 1 }; else { x = 2 }",
        "while (a)",
        "for (i in A) {}",
        "for (x in f(3)) {}",
        "for (i in ns::seq(1, 2)) {}",
        "for (i in seq(1)) {}",
        "for (i in seq(1, 2, 3, 4)) {}",
        "for (i in seq(1, 2, to=3)) {}",
        "for (i in seq(1, 2, by=3)) {}",
        "for (i in 1:2:3) {}",
        "for (A[1] in 1:2) {}",
        "for (i in 1:2, 3) {}",
        "for i in 1:2 {}",
        "[a, b] = 3",
        "[a, b] = f(x) + 1",
        "[a, b] += f(x)",
        "[] = f(x)",
        "[a, ] = f(x)",
        "[1, 2] = f(x)",
        "f(x) = 3",
        "3 = x",
        "x + 1 = 3",
        "a::b = 3",
        "x = a::b",
        "source(path) as a",
        'source("a")',
        'source("a" + "b") as c',
        "setwd($dir)",
        "; x = 1",
        "x = 1,",
        "x += y += 1",
        "x = 3 4",
    ],
)
def test_not_a_statement(text):
    rejected(text)


# ---- `[` and `<-`, which need more than one token of lookahead


@pytest.mark.parametrize(
    "text, expected",
    [
        ("x = a\n[q, r] = qr(a)", ["x = a", "[q, r] = qr(a)"]),
        ("x = a [q, r] = qr(a)", ["x = a", "[q, r] = qr(a)"]),
        ("x = a # c\n /* d */ [q, r] <- qr(a)", ["x = a", "[q, r] = qr(a)"]),
        ("x = A\n[1, 2]", ["x = A[1, 2]"]),
        ("x = A\n[1, 2] == 3", ["x = (A[1, 2] == 3)"]),
        ("x = A[1]\n[q] = f(x)", ["x = A[1]", "[q] = f(x)"]),
        ("x = f(A)\n[q] = f(x)", ["x = f(A)", "[q] = f(x)"]),
        ("x = -A [q] = f(x)", ["x = (-A)", "[q] = f(x)"]),
        ("x = 1 A\n[1, 2] = 3", ["x = 1", "A[1, 2] = 3"]),
        ("x = y A [1] = B", ["x = y", "A[1] = B"]),
        ("x = f(a)\nA[1, 1] = 3", ["x = f(a)", "A[1, 1] = 3"]),
        ("if (a) A[1, 1] = 3 else B[1, 1] = 4", ["if a {A[1, 1] = 3} else {B[1, 1] = 4}"]),
        ("if (a) [q] = f(x)", ["if a {[q] = f(x)} else {}"]),
        ("if (a) { x = b\n[q] = f(x) }", ["if a {x = b; [q] = f(x)} else {}"]),
        ("x = f(a[1], b=c[2])", ["x = f(a[1], b=c[2])"]),
        ("x = f(a\n[1])", ["x = f(a[1])"]),
        ("x = [1, 2]", ["x = [1, 2]"]),
        ("x = a[b[1], c[2]] [q] = f(d[1])", ["x = a[b[1], c[2]]", "[q] = f(d[1])"]),
        ("A[b[1], 2] = 3", ["A[b[1], 2] = 3"]),
        ("[q[b[1]], r] = f()", ["[q[b[1]], r] = f()"]),
        ("x = !a [q] = f(x)", ["x = (!a)", "[q] = f(x)"]),
        ('source("a") as b [q] = b::f()', ["source a b", "[q] = b::f()"]),
        ("for (i in 1:n) [q] = f(i)", ["for i 1, n {[q] = f(i)}"]),
        ("x = a\n[q]<-f(x)", ["x = a", "[q] = f(x)"]),
        # `<-` without a blank behind it is a comparison where no target stands before it; SystemDS rejects that.
        ("if (x<-1) y<-2", ["if (x < -1) {y = 2} else {}"]),
        ("y = x<-1", ["y = (x < -1)"]),
        ("y = x y<-1", ["y = x", "y = 1"]),
        ("y = x[1]<-z A[1]<-3", ["y = (x[1] < (-z))", "A[1] = 3"]),
        ("[a, b]<-f(x)", ["[a, b] = f(x)"]),
    ],
)
def test_brackets_and_arrows(text, expected):
    assert list(map(read, statements(text))) == expected


@pytest.mark.parametrize("text", ["f(x <- 3)", "if (x <- 1) {}", "y = x <- 1", "f = function(int a <- 3) { x = 1 }"])
def test_an_arrow_before_a_blank_never_compares(text):
    rejected(text)


# ---- expressions


@pytest.mark.parametrize(
    "text, expected",
    [
        ("2^3^2", "(2 ^ (3 ^ 2))"),
        ("2^-1", "(2 ^ -1)"),
        ("2^-1*4", "((2 ^ -1) * 4)"),
        ("2^-2^2", "(2 ^ (-(2 ^ 2)))"),
        ("2^- -x", "(2 ^ (-(-x)))"),
        ("-2^2", "(-(2 ^ 2))"),
        ("(-2)^2", "(-2 ^ 2)"),
        ("-x^2", "(-(x ^ 2))"),
        ("-A %*% B", "((-A) %*% B)"),
        ("A %*% -B", "(A %*% (-B))"),
        ("-7 %% 2", "(-7 %% 2)"),
        ("a * b %*% c", "(a * (b %*% c))"),
        ("a %% b %*% c", "(a %% (b %*% c))"),
        ("2*3%%2", "(2 * (3 %% 2))"),
        ("2*7%/%2", "(2 * (7 %/% 2))"),
        ("a %% b %/% c", "((a %% b) %/% c)"),
        ("a / b * c", "((a / b) * c)"),
        ("a - b + c", "((a - b) + c)"),
        ("a - -b", "(a - (-b))"),
        ("a + b * c", "(a + (b * c))"),
        ("1 < 2 < 3", "((1 < 2) < 3)"),
        ("a == b != c", "((a == b) != c)"),
        ("a <= b + 1", "(a <= (b + 1))"),
        ("a >= b", "(a >= b)"),
        ("!a == 3", "(!(a == 3))"),
        ("!a + b", "(!(a + b))"),
        ("!!a", "(!(!a))"),
        ("!FALSE & FALSE", "((!False) & False)"),
        ("a == !b", "(a == (!b))"),
        ("a == !b == c", "(a == (!(b == c)))"),
        ("a & !b | c", "((a & (!b)) | c)"),
        ("a | b & c", "(a | (b & c))"),
        ("a | b | c", "((a | b) | c)"),
        ("a & b & c", "((a & b) & c)"),
        ("(a | b) & c", "((a | b) & c)"),
        ("((a))", "a"),
        ("-(2)", "-2"),
        ("-TRUE", "(-True)"),
        ("a %*% b %*% c", "((a %*% b) %*% c)"),
        ("t(X)%*%(X%*%v)", "(t(X) %*% (X %*% v))"),
        ("a<b", "(a < b)"),
        ("a!=b", "(a != b)"),
        ("a*-b^2", "(a * (-(b ^ 2)))"),
        ("a[1]^b[2]", "(a[1] ^ b[2])"),
    ],
)
def test_precedence(text, expected):
    assert read(value(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "f(x)[1, 1]",
        "(A + 1)[1, 1]",
        "A[1, ][1, 2]",
        '"abc"[1]',
        "A[2:, 1]",
        "A[:3, ]",
        "A[1:2:3]",
        "A[1, 2, 3]",
        "l[[1]]",
        "1:10",
        "[]",
        "()",
        "f(a, )",
        "f(, a)",
        "f(a b)",
        "f(1 = 2)",
        'f("a" = 2)',
        "f(a = b = c)",
        "a +",
        "* a",
        "a ** b",
        "a && b",
        "a || b",
        "if (a) b else c",
        "int(3)",
    ],
)
def test_not_an_expression(text):
    rejected(f"x = {text}")


# ---- functions


def test_function_definition():
    (function,) = module(
        "f = function(matrix[double] X, double w = 0.5, Boolean neg = FALSE) return (Matrix[Double] R, Integer s)\n"
        "{ R = X; s = 1 };;"
    ).functions
    assert function.name == "f"
    assert [(p.type.data, p.type.value, p.name) for p in function.params] == [
        ("matrix", "double", "X"),
        ("scalar", "double", "w"),
        ("scalar", "boolean", "neg"),
    ]
    assert [p.default for p in function.params] == [None, ast.Literal(0.5, span=None), ast.Literal(False, span=None)]
    assert [(p.type.data, p.type.value, p.name) for p in function.outputs] == [
        ("matrix", "double", "R"),
        ("scalar", "int", "s"),
    ]
    assert list(map(read, function.body)) == ["R = X", "s = 1"]


def test_function_without_parameters_and_results():
    first, second, third = module(
        "f = function() { print(1) } g <- function() return () { print(2) } h = function(int a = 1 + 2 * n) { b = a }"
    ).functions
    assert (first.params, first.outputs, second.outputs) == ((), (), ())
    assert read(third.params[0].default) == "(1 + (2 * n))"


def test_functions_and_statements_are_kept_in_their_order():
    tree = module('x = 1 f = function() { print(1) } source("a") as b g = function() { f() } y = 2')
    assert [f.name for f in tree.functions] == ["f", "g"]
    assert list(map(read, tree.statements)) == ["x = 1", "source a b", "y = 2"]


@pytest.mark.parametrize(
    "written, data, value_type",
    [
        ("int", "scalar", "int"),
        ("Integer", "scalar", "int"),
        ("double", "scalar", "double"),
        ("Boolean", "scalar", "boolean"),
        ("String", "scalar", "string"),
        ("unknown", "scalar", "unknown"),
        ("scalar[int]", "scalar", "int"),
        ("Scalar[Double]", "scalar", "double"),
        ("matrix[double]", "matrix", "double"),
        ("Matrix [ Int ]", "matrix", "int"),
        ("frame[string]", "frame", "string"),
        ("Frame[unknown]", "frame", "unknown"),
        ("list[unknown]", "list", "unknown"),
        ("List[Unknown]", "list", "unknown"),
    ],
)
def test_types(written, data, value_type):
    (function,) = module(f"f = function({written} X) {{ y = X }}").functions
    assert (function.params[0].type.data, function.params[0].type.value) == (data, value_type)


@pytest.mark.parametrize(
    "written, advice",
    [
        ("matrix", "matrix[double]"),
        ("list", "list[unknown]"),
        ("str", "string"),
        ("bool", "boolean"),
        ("float", "double"),
        ("long", "int"),
        ("INT", "int"),
        ("doubel", "double"),
        ("vector", "matrix[double]"),
        ("matrix[float]", "matrix[double]"),
        ("MATRIX[double]", "matrix[double]"),
        ("matrx[double]", "matrix[double]"),
        ("tensor[double]", "matrix[double]"),
        ("int[double]", "types are"),
    ],
)
def test_wrong_types_get_a_suggestion(written, advice):
    with pytest.raises(DMLError) as caught:
        module(f"f = function({written} X) {{ y = X }}")
    assert advice in caught.value.diagnostic.help


@pytest.mark.parametrize(
    "text",
    [
        "f = function(a) { x = 1 }",
        "f = function(int) { x = 1 }",
        "f = function(int a int b) { x = 1 }",
        # SystemDS accepts the next one; the last value wins.
        "f = function(int a, int a) { x = 1 }",
        "f = function(int a) return (int) { x = 1 }",
        "f = function(int a) return (int b = 3) { b = 1 }",
        "f = function(int a) return int b { b = 1 }",
        "f = function(int a) x = 1",
        "f = function(int a) { }",
        # SystemDS accepts the next one and reads the constant in the body, not the argument.
        "f = function(double pi) { x = 1 }",
        "function f(int a) { x = 1 }",
        "f += function(int a) { x = 1 }",
        "if (a) { f = function() { x = 1 } }",
        "g = function() { f = function() { x = 1 } }",
        "a::f = function() { x = 1 }",
        "f = function(in a) { x = 1 }",
    ],
)
def test_not_a_function(text):
    rejected(text)


def test_external_functions_are_not_supported():
    with pytest.raises(DMLError) as caught:
        module('f = externalFunction(int a) return (int b) implemented in (classname="c", exectype="mem")')
    assert caught.value.id == "not-supported"


# ---- places


def spans(text: str) -> dict[str, str]:
    """Text of every node of the only statement, by the name of its class; the last of each class."""
    found: dict[str, str] = {}

    def visit(node: object) -> None:
        if isinstance(node, tuple) and not hasattr(node, "file"):
            for item in node:
                visit(item)
        elif isinstance(node, ast.Node):
            found[type(node).__name__] = node.span.text
            for name, part in vars(node).items():
                if name != "span":
                    visit(part)

    visit(module(text).statements or module(text).functions)
    return found


def test_spans_cover_what_was_written():
    assert spans("x = (a + f(b, c=3)) * -d")["Binary"] == "(a + f(b, c=3))"
    assert spans(" A[1:2, ] = B ;")["Assign"] == "A[1:2, ] = B"
    assert spans("x = A[ , 1:n]")["Index"] == "A[ , 1:n]"
    assert spans("x = A[1:n, ]")["Range"] == " "
    assert spans("x = ns::f(1, b = 2)") | {"Arg": "b = 2", "Call": "ns::f(1, b = 2)"} == spans("x = ns::f(1, b = 2)")
    assert spans("x = -3")["Literal"] == "-3"
    assert spans("x = - y")["Unary"] == "- y"
    assert spans("if (a) { x = 1 } # c")["If"] == "if (a) { x = 1 }"
    assert spans("if (a) x = 1 else { y = 2 } ")["If"] == "if (a) x = 1 else { y = 2 }"
    assert spans("for (i in 1:2) x = i ;")["For"] == "for (i in 1:2) x = i"
    assert spans("while (a) {}  ")["While"] == "while (a) {}"
    assert spans("[a, b] = f(x)  ")["MultiAssign"] == "[a, b] = f(x)"
    assert spans('source("a") as b ')["Source"] == 'source("a") as b'
    assert spans('setwd("a") ')["SetWd"] == 'setwd("a")'
    assert spans("x = ifdef($a, 1) ")["Ifdef"] == "ifdef($a, 1)"
    assert spans("x = [1, 2] ")["Bracket"] == "[1, 2]"
    function = spans("f = function(matrix[double] X, int n = 3) return (int y) { y = n } ")
    assert function["FunctionDef"] == "f = function(matrix[double] X, int n = 3) return (int y) { y = n }"
    parameter = module("f = function(matrix[double] X, int n = 3) { y = n }").functions[0].params
    assert [p.span.text for p in parameter] == ["matrix[double] X", "int n = 3"]
    assert [p.type.span.text for p in parameter] == ["matrix[double]", "int"]


def test_operators_and_names_have_places():
    (statement,) = statements("x = a %*% ns::f(b)")
    assert statement.value.op_span.text == "%*%"
    assert statement.value.right.function_span.text == "ns::f"
    assert module("f = function() { x = 1 }").functions[0].name_span.text == "f"
    (statement,) = statements("y = x<-1")
    assert statement.value.op_span.text == "<" and statement.value.right.span.text == "-1"


def test_all_places_are_in_the_file_of_the_module():
    tree = module("x = 1")
    assert tree.statements[0].span.file is tree.file and tree.statements[0].value.span.file is tree.file


# ---- documentation


def test_documentation_of_a_file():
    assert module("# Title.\n#\n#   indented\n\nx = 1").doc == "Title.\n\n  indented"
    assert module("/*\n * Title.\n *\n *   indented\n */\nx = 1").doc == "Title.\n\n  indented"
    assert module("/* Title. */").doc == "Title."
    assert module("/**\n  Title.\n    more\n*/").doc == "Title.\n  more"
    assert module("#-----\n#\n# Title.\n#\n#-----\nx = 1").doc == "Title."
    assert module("x = 1\n# not it").doc == ""
    assert module("").doc == ""


def test_a_licence_is_no_documentation():
    licence = "#---\n# Licensed to somebody\n# under the License.\n#---\n"
    assert module(licence + "\n# Title.\nx = 1").doc == "Title."
    assert module(licence + "\n/* Title. */\nx = 1").doc == "Title."
    assert module(licence + "x = 1").doc == ""
    assert module("# Title.\n# Licence: free.\nx = 1").doc == "Title.\nLicence: free."


def test_documentation_of_a_function():
    def doc(text: str) -> str:
        return module(text).functions[0].doc

    assert doc("x = 1\n# Adds.\n# Well.\nf = function() { y = 1 }") == "Adds.\nWell."
    assert doc("x = 1\n/* Adds. */\nf = function() { y = 1 }") == "Adds."
    assert (
        doc("f = function() {\n  /*\n   * Adds.\n   * Inputs:\n   *   - a: b\n   */\n y = 1 }")
        == "Adds.\nInputs:\n  - a: b"
    )
    assert doc("f = function()\n{ # Adds.\n  # Well.\n y = 1 }") == "Adds."
    assert doc("f = function()\n{\n  # Adds.\n  # Well.\n y = 1 }") == "Adds.\nWell."
    assert doc("f = function() { y = 1 # not it\n }") == ""
    assert doc("x = 1 # not it\nf = function() { y = 1 }") == ""
    assert doc("x = 1\n# too far away\n\nf = function() { y = 1 }") == ""
    assert doc("x = 1\n# ------\nf = function() { # Adds.\n y = 1 }") == "Adds."
    # The comment that opens a file describes the file, unless the function has no other.
    assert doc("# File.\nf = function() {\n # Adds.\n y = 1 }") == "Adds."
    assert doc("# File.\nf = function() { y = 1 }") == "File."


# ---- size


def test_long_files_and_deep_nesting():
    tree = module("".join(f"x{i} = {i} + y[{i}, ]\n" for i in range(3000)))
    assert len(tree.statements) == 3000
    assert read(value("(" * 100 + "a" + ")" * 100)) == "a"
    long = value(" + ".join(["a"] * 5000))
    depth = 0
    while isinstance(long, ast.Binary):
        long, depth = long.left, depth + 1
    assert depth == 4999

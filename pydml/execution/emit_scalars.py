"""Arithmetic, comparisons and joined texts of scalars whose types are known, as operators of Python.

Ints wrap at 64 bits as in SystemDS, checked inline where `ir.ranges` does not show that they cannot leave them.  Doubles
follow IEEE arithmetic as NumPy does; Python does too, except that division by zero and the like raise.
"""

from __future__ import annotations

import ast
from copy import copy
from typing import Any, cast

from pydml.execution.code import python_name
from pydml.execution.emit_nodes import Nodes
from pydml.ir.program import Const, Op, Var
from pydml.ir.ranges import MAX, MIN
from pydml.types import BOOLEAN, DOUBLE, INT, INT_SCALAR, SCALAR, STRING, UNKNOWN

SMALL = (1 << 30) - 1  # the largest int of one digit in CPython, which compares such ints at once

_NUMERIC = (INT, DOUBLE)
_COMPARISONS = {"==": ast.Eq, "!=": ast.NotEq, "<": ast.Lt, "<=": ast.LtE, ">": ast.Gt, ">=": ast.GtE}
_ARITHMETIC = {"+": ast.Add, "-": ast.Sub, "*": ast.Mult}
# Where functions of `math` give what DML says: the comparison that an operand must meet.
_WHERE_PLAIN: dict[str, tuple[ast.cmpop, float]] = {
    "exp": (ast.Lt(), 700.0),
    "sqrt": (ast.GtE(), 0.0),
}
# Types of two scalars that are numbers in all likelihood: `s = 0` may be an int before a loop, and `s + x` a double in it.
_PERHAPS_DOUBLE = ((UNKNOWN, DOUBLE), (DOUBLE, UNKNOWN), (UNKNOWN, INT), (INT, UNKNOWN), (UNKNOWN, UNKNOWN))
# Operators whose operands are evaluated once, from left to right.
IN_ORDER = frozenset((*_COMPARISONS, *_ARITHMETIC, "/"))
# Functions of emitted code that may run again: they change nothing, and nobody sees that they ran.
_PURE = frozenset(("_abs", "_divide", "_exp", "_float", "_idiv", "_int_idiv", "_int_mod", "_int_mul", "_int_neg", "_mod", "_power", "_sqrt", "_wrap"))  # fmt: skip
# Functions for what Python computes in another way, or not at all, by the kind of both operands together.
_SCALAR_FUNCTIONS = {
    ("^", INT): "_power",
    ("^", DOUBLE): "_power",
    ("%%", INT): "_int_mod",
    ("%%", DOUBLE): "_mod",
    ("%/%", INT): "_int_idiv",
    ("%/%", DOUBLE): "_idiv",
}


class Scalars(Nodes):
    """Of a function's code, the operations on scalars: `scalar`."""

    def __init__(self, *args: Any):
        super().__init__(*args)
        self.texts: dict[int, tuple[ast.expr, list[ast.expr]]] = {}  # by id of what `joined` made: that, its parts
        self.sums: dict[
            int, tuple[ast.expr, ast.expr, bool]
        ] = {}  # by id of what `wrapped` made: that, the sum, certain
        # By id of an expression that asks whether Python can compute something: that, and what raises where it cannot
        self.asking: dict[int, tuple[ast.expr, ast.expr]] = {}

    def scalar(self, s: Op) -> ast.expr | None:
        """Python operators for scalars whose types are known."""
        name, types_ = s.builtin.name, s.arg_types
        if name in ("as parameter", "as result") and types_[0] == INT_SCALAR and types_[2].const == DOUBLE:
            return self.call_name("_float", self.operand(s.args[0]))
        if any(t.data != SCALAR for t in types_):
            return None
        values = tuple(t.value for t in types_)
        if len(values) == 1:
            return self.unary(name, values[0], s)
        if len(values) != 2:
            return None
        a, b = values
        if (a, b) in _PERHAPS_DOUBLE and name in IN_ORDER and name != "/":
            return self.if_doubles(s)
        if a in _NUMERIC and b in _NUMERIC:
            return self.numeric(name, DOUBLE if DOUBLE in (a, b) else INT, s)
        if name in ("&", "|") and a == b == BOOLEAN:
            left, right = self.operands(s)
            return self.binary(left, ast.BitAnd() if name == "&" else ast.BitOr(), right)
        if name == "+" and STRING in (a, b):
            return self.joined(s)
        if name in ("==", "!=") and a == b and a in (STRING, BOOLEAN):
            return self.operator(name, *self.operands(s))
        return None

    def unary(self, name: str, value: str, s: Op) -> ast.expr | None:
        if name == "!" and value == BOOLEAN:
            return ast.UnaryOp(ast.Not(), *self.operands(s), **self.position)
        if name == "unary -" and value == DOUBLE:
            return ast.UnaryOp(ast.USub(), *self.operands(s), **self.position)
        if name == "unary -" and value == INT:
            if self.ranges.fits.get(s):
                return ast.UnaryOp(ast.USub(), *self.operands(s), **self.position)
            return self.call_name("_int_neg", *self.operands(s))
        if s.builtin.scalar is not None and value in (INT, DOUBLE, BOOLEAN):
            operands = self.operands(s)
            if value != BOOLEAN and name == "abs":
                return self.call_name("_abs", *operands)
            if value != BOOLEAN and name in _WHERE_PLAIN:
                return self.where_plain(s, operands[0], *_WHERE_PLAIN[name])
            return self.call_name(self.builtin_name(s.builtin, "scalar"), *operands)
        return None

    def where_plain(self, s: Op, operand: ast.expr, test: ast.cmpop, bound: float) -> ast.expr:
        """A function of `math` where it cannot fail, else the builtin: `_exp(x) if x < 700.0 else _b_exp_scalar(x)`."""
        first, again = self.twice(operand)
        slow = self.call_name(self.builtin_name(s.builtin, "scalar"), again)
        condition = self.compare(first, test, self.constant(bound))
        plain = self.call_name("_" + s.builtin.name, again)
        result = ast.IfExp(condition, plain, slow, **self.position)
        self.asking[id(result)] = result, self.call_name("_" + s.builtin.name, operand)
        return result

    def twice(self, value: ast.expr) -> tuple[ast.expr, ast.expr]:
        """A value that an expression uses twice: as it is written first, which gives it a name if need be, and again."""
        if isinstance(value, (ast.Name, ast.Constant)):
            return value, value
        return ast.NamedExpr(self.store("_d"), value, **self.position), self.load("_d")

    def operator(self, name: str, left: ast.expr, right: ast.expr) -> ast.expr:
        """A comparison, or an operator of doubles, as Python has it."""
        if name in _COMPARISONS:
            return self.compare(left, _COMPARISONS[name](), right)
        return self.binary(left, _ARITHMETIC[name](), right)

    def if_doubles(self, s: Op) -> ast.expr | None:
        """An operator on scalars one of which may be anything: `x + y if type(x) is float else ...`, where x is a variable."""
        unknown = [a for a, t in zip(s.args, s.arg_types, strict=True) if t.value == UNKNOWN]
        if any(not isinstance(a, Var) or a.name in self.pending for a in unknown):
            return None
        left, right = self.operands(s)
        types_ = [self.call_name("_type", self.operand(a)) for a in unknown]
        test = self.all_of([self.compare(t, ast.Is(), self.load("_float")) for t in types_])
        slow = self.call_name(self.builtin_name(s.builtin, "run"), left, right)
        return ast.IfExp(test, self.operator(s.builtin.name, left, right), slow, **self.position)

    # ---- two numbers

    def numeric(self, name: str, kind: str, s: Op) -> ast.expr | None:
        """An operator on two numbers.  kind: INT if both are ints, else DOUBLE."""
        if name not in IN_ORDER and (name, kind) not in _SCALAR_FUNCTIONS:
            return None
        if name == "^" and s.args[1] in (Const(2), Const(2.0)) and s.arg_types[0].value == DOUBLE:
            first, again = self.twice(self.operand(s.args[0]))
            return self.binary(first, ast.Mult(), again)
        left, right = self.operands(s)
        if name in _COMPARISONS or (name in _ARITHMETIC and (kind == DOUBLE or self.ranges.fits.get(s))):
            return self.operator(name, left, right)
        if name == "/":
            return self.quotient(s, left, right, kind)
        if kind == DOUBLE or name == "^":
            return self.call_name(_SCALAR_FUNCTIONS[name, kind], left, right)
        if name in ("%%", "%/%"):
            return self.remainder(s, left, right)
        direct = self.operator(name, left, right)
        certain = None not in self.ranges.args.get(s, (None,))
        if name != "*":
            return self.wrapped(direct, certain=certain)
        slow = self.call_name("_int_mul", left, right)  # reports the overflow
        if isinstance(left, (ast.Name, ast.Constant)) and isinstance(right, (ast.Name, ast.Constant)):
            return self.wrapped(direct, slow, certain=certain)
        return slow

    def quotient(self, s: Op, left: ast.expr, right: ast.expr, kind: str) -> ast.expr:
        """`a / b`, where Python raises if b is 0."""
        direct = self.binary(left, ast.Div(), right)
        _, b = self.ranges.args.get(s) or (None, None)
        if (b is not None and (b.low > 0 or b.high < 0)) or (kind == DOUBLE and s.arg_types[1].const not in (None, 0)):
            return direct
        result: ast.expr = self.call_name("_divide", left, right)
        if isinstance(right, ast.Name) and isinstance(left, (ast.Name, ast.Constant)):
            result = ast.IfExp(right, direct, result, **self.position)
        self.asking[id(result)] = result, direct
        return result

    def without_asking(self, value: ast.expr) -> ast.expr | None:
        """The expression with what raises in place of what asks; None if it has none, or must not be computed again after that."""
        nodes = list(ast.walk(value))
        if not any(id(node) in self.asking for node in nodes) or not all(map(_may_run_again, nodes)):
            return None

        def plain(node: ast.AST) -> ast.AST:
            node = self.asking.get(id(node), (node, node))[1]
            copied = copy(node)
            for name, field in ast.iter_fields(node):
                if isinstance(field, ast.AST):
                    setattr(copied, name, plain(field))
                elif isinstance(field, list):
                    setattr(copied, name, [plain(f) if isinstance(f, ast.AST) else f for f in field])
            return copied

        return cast(ast.expr, plain(value))

    def remainder(self, s: Op, left: ast.expr, right: ast.expr) -> ast.expr:
        """`a %% b` or `a %/% b` of ints: truncation toward zero is floor division where a >= 0 and b > 0."""
        a, b = self.ranges.args.get(s) or (None, None)
        slow = self.call_name(_SCALAR_FUNCTIONS[s.builtin.name, INT], left, right)
        if b is None or b.low <= 0:
            return slow
        direct = self.binary(left, ast.Mod() if s.builtin.name == "%%" else ast.FloorDiv(), right)
        if a is not None and a.low >= 0:
            return direct
        if isinstance(left, ast.Name) and isinstance(right, (ast.Name, ast.Constant)):
            return ast.IfExp(self.compare(left, ast.GtE(), self.constant(0)), direct, slow, **self.position)
        return slow

    # ---- ints of 64 bits

    def wrapped(self, sum_: ast.expr, beyond: ast.expr | None = None, certain: bool = False) -> ast.expr:
        """An int, wrapped to 64 bits where it leaves them; or `beyond` there.

        `_i if (_i := a + b) <= SMALL and _i >= -SMALL or _i.bit_length() < 64 else _wrap(_i)`: CPython compares small ints at once, and a
        number of bits is found sooner than large ints are compared.  certain: it is surely an int, and has such a number.
        """
        named = ast.NamedExpr(self.store("_i"), sum_, **self.position)
        below = self.compare(named, ast.LtE(), self.constant(SMALL))
        above = self.compare(self.load("_i"), ast.GtE(), self.constant(-SMALL))
        small = self.all_of([below, above])
        test = ast.BoolOp(ast.Or(), [small, self.fits("_i", certain)], **self.position)
        result = ast.IfExp(test, self.load("_i"), beyond or self.call_name("_wrap", self.load("_i")), **self.position)
        if beyond is None:
            self.sums[id(result)] = (result, sum_, certain)
        return result

    def fits(self, name: str, certain: bool) -> ast.expr:
        """Whether a variable is within 64 bits."""
        if not certain:
            bounds = [self.load(name), self.constant(MAX)]
            return ast.Compare(self.constant(MIN), [ast.LtE(), ast.LtE()], bounds, **self.position)
        return self.compare(self.call_method(self.load(name), "bit_length"), ast.Lt(), self.constant(64))

    def assign_wrapped(self, name: str, value: ast.expr) -> None:
        """Assign a value; of a sum that wraps, the sum, which is wrapped afterwards if need be: that is quicker."""
        if id(value) not in self.sums:
            plain = self.without_asking(value)
            if plain is None:
                self.assign(name, value)
            else:
                self.stored.add(name)
                self.try_first(python_name(name), plain, value)
            return
        _, sum_, certain = self.sums[id(value)]
        self.assign(name, sum_)
        self.wrap_assigned(python_name(name), certain)

    def try_first(self, name: str, plain: ast.expr, value: ast.expr) -> None:
        """`try: x = a / b` and `except _unusual: x = _divide(a, b)`: nothing is asked, and CPython enters a try for nothing."""
        again = ast.ExceptHandler(self.load("_unusual"), None, [self.assignment(name, value)], **self.position)
        self.out.append(ast.Try([self.assignment(name, plain)], [again], [], [], **self.position))

    def wrap_assigned(self, name: str, certain: bool) -> None:
        """`if (x > SMALL or x < -SMALL) and not x.bit_length() < 64: x = _wrap(x)`, after x was assigned a sum."""
        large = self.compare(self.load(name), ast.Gt(), self.constant(SMALL))
        negative = self.compare(self.load(name), ast.Lt(), self.constant(-SMALL))
        far = ast.BoolOp(ast.Or(), [large, negative], **self.position)
        beyond = ast.UnaryOp(ast.Not(), self.fits(name, certain), **self.position)
        wrap = self.assignment(name, self.call_name("_wrap", self.load(name)))
        self.out.append(ast.If(self.all_of([far, beyond]), [wrap], [], **self.position))

    # ---- texts

    def joined(self, s: Op) -> ast.expr:
        """Texts joined: `s + f"{i};"` for `s + i + ";"`.

        The first part is added last, for CPython makes `s = s + x` longer in place, so that building a text takes linear time.
        """
        ranges = self.ranges.args.get(s) or (None, None)
        parts: list[ast.expr] = []
        for operand, type_, interval in zip(self.operands(s), s.arg_types, ranges, strict=True):
            if id(operand) in self.texts:
                parts += self.texts[id(operand)][1]
            elif type_.value == STRING:
                parts.append(operand)
            elif interval is not None:
                parts.append(ast.JoinedStr([self.formatted(operand)], **self.position))
            else:
                parts.append(self.call_name("_text", operand))
        first, *rest = parts
        end = rest[0] if len(rest) == 1 else ast.JoinedStr([self.formatted(p) for p in rest], **self.position)
        result = self.binary(first, ast.Add(), end)
        self.texts[id(result)] = result, parts
        return result

    def formatted(self, part: ast.expr) -> ast.expr:
        """A part of an f-string."""
        if isinstance(part, ast.JoinedStr) and len(part.values) == 1:
            return part.values[0]
        if isinstance(part, ast.Constant):
            return self.constant(str(part.value))
        return ast.FormattedValue(part, -1, None, **self.position)


def _may_run_again(node: ast.AST) -> bool:
    """Whether a node of an expression does nothing but compute a scalar."""
    if isinstance(node, ast.Call):
        called = node.func
        if isinstance(called, ast.Attribute):
            return called.attr in ("item", "bit_length")
        return isinstance(called, ast.Name) and (
            called.id in _PURE or (called.id[:3] == "_b_" and called.id.endswith("_scalar"))
        )
    return isinstance(
        node,
        (
            ast.Name, ast.Constant, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.NamedExpr, ast.Attribute,
            ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.expr_context,
        ),
    )  # fmt: skip

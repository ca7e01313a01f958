"""Nodes of Python code at places of DML text: what the parts of the emitter have in common.

`emit_scalars` and `emit_elements` write the operations that need no call of a builtin, `emit` all others and the statements.
"""

from __future__ import annotations

import ast
from typing import Any

from pydml.builtins.fused import Template
from pydml.builtins.registry import Builtin
from pydml.builtins.sampled import Sampling
from pydml.diagnostics import Span
from pydml.execution.code import INLINED, Code, python_name
from pydml.ir.liveness import Liveness
from pydml.ir.program import (
    Call,
    Const,
    Function,
    Op,
    Operand,
    Pack,
    Program,
    count_reads,
    count_writes,
    variables_in,
    walk,
)
from pydml.ir.ranges import Ranges
from pydml.records import dataclass
from pydml.types import SCALAR, Type

_OPERATOR_NAMES = {
    "+": "add",
    "-": "subtract",
    "*": "multiply",
    "/": "divide",
    "^": "power",
    "%%": "modulo",
    "%/%": "integer_divide",
    "%*%": "matmul",
    "==": "equal",
    "!=": "not_equal",
    "<": "less",
    "<=": "less_equal",
    ">": "greater",
    ">=": "greater_equal",
    "&": "and",
    "|": "or",
    "!": "not",
    "unary -": "negative",
    "[]": "index",
    "[]=": "assign",
    "=": "copy",
}


@dataclass
class Pending:
    """A temporary's expression that waits for its only use."""

    expression: ast.expr
    reads: frozenset[str]


class Nodes:
    """The Python code of one DML function while it is written.

    Positions: `place` says where in the DML text the nodes that follow come from.  Statements are appended to `out`.  A
    temporary that is used once waits in `pending`, to become part of the expression that uses it; where something must not
    come before it, it is flushed: assigned to a Python variable.
    """

    def __init__(self, program: Program, function: Function, code: Code, liveness: Liveness, ranges: Ranges):
        self.program = program
        self.function = function
        self.code = code
        self.file = function.file
        self.scope = code.names[function.key]  # the Python function
        self.position: dict[str, int] = {}
        self.out: list[ast.stmt] = []
        self.pending: dict[str, Pending] = {}
        self.uses = count_reads(function.body)
        self.assignments = count_writes(function.body)
        self.shared: frozenset[str] = frozenset()  # result variables of the parfor loops around
        self.recorded: frozenset[str] = frozenset()  # those of which the cells written are compared afterwards
        self.certain = {p.name for p in function.params}  # variables that have a value on every path to here
        self.live_out = program.read_after(function)
        self.liveness = liveness
        self.ranges = ranges
        self.stored: set[str] = set()  # temporaries that have become Python variables
        self.releasable = _large_variables(function)  # variables that are dropped after their last use

    # ---- places and nodes

    def place(self, span: Span, inlined: tuple[tuple[str, Span], ...] = ()) -> None:
        """Set the position for the nodes that follow."""
        if inlined or span.file is not self.file:
            host = inlined[-1][1] if inlined else span
            self.code.places.append((span, inlined))
            column = INLINED + len(self.code.places) - 1
            line = host.line
            self.position = {"lineno": line, "col_offset": column, "end_lineno": line, "end_col_offset": column + 1}
            return
        line, column = span.file.line_and_column(span.start)
        end_line, end_column = span.file.line_and_column(span.end)
        self.position = {
            "lineno": line,
            "col_offset": column - 1,
            "end_lineno": end_line,
            "end_col_offset": end_column - 1,
        }

    def load(self, name: str) -> ast.expr:
        return ast.Name(name, ast.Load(), **self.position)

    def store(self, name: str) -> ast.expr:
        return ast.Name(name, ast.Store(), **self.position)

    def constant(self, value: Any) -> ast.expr:
        if isinstance(value, (Template, Sampling)):
            name = f"_steps_{len(self.code.templates) + 1}"
            self.code.templates[name] = value
            return self.load(name)
        if type(value) is float and (value != value or value in (float("inf"), float("-inf"))):
            return self.load("_nan" if value != value else "_inf" if value > 0 else "_ninf")
        return ast.Constant(value, **self.position)

    def call_name(self, name: str, *args: ast.expr) -> ast.expr:
        return ast.Call(self.load(name), list(args), [], **self.position)

    def call_method(self, value: ast.expr, name: str, *args: ast.expr) -> ast.expr:
        return ast.Call(ast.Attribute(value, name, ast.Load(), **self.position), list(args), [], **self.position)

    def compare(self, left: ast.expr, operator: ast.cmpop, right: ast.expr) -> ast.expr:
        return ast.Compare(left, [operator], [right], **self.position)

    def binary(self, left: ast.expr, operator: ast.operator, right: ast.expr) -> ast.expr:
        return ast.BinOp(left, operator, right, **self.position)

    def all_of(self, tests: list[ast.expr]) -> ast.expr:
        return tests[0] if len(tests) == 1 else ast.BoolOp(ast.And(), tests, **self.position)

    def add_constant(self, expression: ast.expr, value: int) -> ast.expr:
        """An int expression plus a constant, in as few operations as possible."""
        if isinstance(expression, ast.Constant) and type(expression.value) is int:
            return self.constant(expression.value + value)
        if isinstance(expression, ast.BinOp) and isinstance(expression.right, ast.Constant):
            if type(expression.right.value) is int and isinstance(expression.op, (ast.Add, ast.Sub)):
                value += expression.right.value * (1 if isinstance(expression.op, ast.Add) else -1)
                expression = expression.left
        if value == 0:
            return expression
        return self.binary(expression, ast.Add() if value > 0 else ast.Sub(), self.constant(abs(value)))

    def builtin_name(self, b: Builtin, mode: str) -> str:
        text = _OPERATOR_NAMES.get(b.name) or "".join(c if c.isalnum() else "_" for c in b.name)
        name = f"_b_{text}" + {"run": "", "call": "_checked", "direct": "_direct", "scalar": "_scalar"}[mode]
        self.code.builtins[name] = (b, mode)
        return name

    def assignment(self, name: str, value: ast.expr) -> ast.stmt:
        """`name = value`, of a Python name."""
        return ast.Assign([self.store(name)], value, **self.position)

    # ---- operands and waiting temporaries

    def operand(self, operand: Operand) -> ast.expr:
        if isinstance(operand, Const):
            return self.constant(operand.value)
        if isinstance(operand, Pack):
            return ast.Tuple([self.operand(i) for i in operand.items], ast.Load(), **self.position)
        waiting = self.pending.pop(operand.name, None)
        if waiting is not None:
            return waiting.expression
        return self.load(python_name(operand.name))

    def operands(self, s: Op) -> list[ast.expr]:
        return [self.operand(a) for a in s.args]

    def reads_of(self, args: tuple[Operand, ...]) -> frozenset[str]:
        """Variables that an expression of these operands reads, those of waiting temporaries included."""
        names: set[str] = set()
        for a in args:
            for name in variables_in(a):
                names |= self.pending[name].reads if name in self.pending else {name}
        return frozenset(names)

    def flush(self, written: set[str] | None = None) -> None:
        """Assign waiting temporaries: all, or those that read a variable that is about to be written."""
        for name in list(self.pending):
            if written is None or self.pending[name].reads & written:
                self.flush_one(name)

    def flush_others(self, used: set[str]) -> None:
        """Assign waiting temporaries that what follows does not use."""
        for name in [n for n in self.pending if n not in used]:
            self.flush_one(name)

    def flush_one(self, name: str) -> None:
        p = self.pending.pop(name)
        self.stored.add(name)
        target = ast.copy_location(ast.Name(python_name(name), ast.Store()), p.expression)
        self.out.append(ast.copy_location(ast.Assign([target], p.expression), p.expression))

    # ---- variables

    def assign(self, name: str, value: ast.expr) -> None:
        """Assign a DML variable or temporary."""
        self.stored.add(name)
        self.out.append(self.assignment(python_name(name), value))

    def release(self, s: Any, names: set[str]) -> None:
        """Drop variables that nobody reads after statement `s`: matrices and lists may be large."""
        live = self.liveness.after[s]
        waiting = {n for p in self.pending.values() for n in p.reads}
        dead = sorted(n for n in names if n not in live and n not in waiting and n in self.releasable)
        for name in dead:
            if name[0] == "%" and name not in self.stored:
                continue
            self.out.append(self.assignment(python_name(name), self.constant(None)))


def _large_variables(function: Function) -> set[str]:
    """Variables that may hold something else than a scalar."""
    large = {p.name for p in function.params if p.type.data != SCALAR}
    for s in walk(function.body):
        if isinstance(s, (Op, Call)):
            types_ = s.out_types or (Type(),) * len(s.outs)
            for name, type_ in zip(s.outs, types_, strict=False):
                if name and type_.data != SCALAR:
                    large.add(name)
    return large

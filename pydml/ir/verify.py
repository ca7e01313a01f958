"""What a legal Program is.  The tests verify programs after each pass."""

from __future__ import annotations

from typing import Any

from pydml.ir.program import (
    Call,
    Const,
    For,
    Function,
    If,
    Op,
    Pack,
    ParFor,
    Program,
    Var,
    While,
    operands_of,
    variables_in,
    writes,
)


def verify(program: Program) -> None:
    """Raise AssertionError with the function and the statement where the program is not legal."""
    for function in program.all_functions():
        _Verifier(program, function).run()


class _Verifier:
    def __init__(self, program: Program, function: Function):
        self.program = program
        self.function = function

    def run(self) -> None:
        defined = {p.name for p in self.function.params}
        names = [p.name for p in self.function.params]
        self.require(len(names) == len(set(names)), None, "two parameters of one name")
        end = self.block(self.function.body, defined)
        for p in self.function.outputs if self.function.key else ():
            self.require(p.name in end, None, f"result {p.name} is never assigned")

    def require(self, condition: bool, statement: Any, message: str) -> None:
        place = f" at {statement.span}" if statement is not None else ""
        assert condition, f"{self.function.name or 'main'}{place}: {message}"

    def block(self, block: list[Any], defined: set[str]) -> set[str]:
        """Variables that may have a value at the end of a block, from those at its start."""
        for s in block:
            if not isinstance(s, While):
                self.operands(s, defined)
            if isinstance(s, Op):
                self.operation(s)
                defined = defined | writes(s)
            elif isinstance(s, Call):
                self.call(s)
                defined = defined | writes(s)
            elif isinstance(s, If):
                defined = self.block(s.then, defined) | self.block(s.orelse, defined)
            elif isinstance(s, While):
                after = self.block(s.test, defined)
                self.operands(s, after)
                defined = self.block(s.body, after)
            elif isinstance(s, ParFor):
                self.require(set(s.results) <= defined, s, "a result of parfor does not exist before the loop")
                self.block(s.body, defined | {s.variable})
                defined = defined | {s.variable}
            else:
                self.require(isinstance(s, For), s, f"unknown statement {type(s).__name__}")
                defined = self.block(s.body, defined | {s.variable})
        return defined

    def operands(self, s: Any, defined: set[str]) -> None:
        for operand in operands_of(s):
            self.require(isinstance(operand, (Var, Const, Pack)), s, f"bad operand {operand!r}")
            for name in variables_in(operand):
                if "exists" not in getattr(getattr(s, "builtin", None), "name", ""):
                    self.require(name in defined, s, f"{name} is read before it is assigned")

    def operation(self, s: Op) -> None:
        params = s.builtin.signature.params
        if all(p.kind == "one" for p in params):
            self.require(len(s.args) == len(params), s, f"{s.builtin.name} has {len(s.args)} arguments")
        results = len(s.builtin.signature.results)
        self.require(len(s.outs) <= max(results, 1), s, f"{s.builtin.name} has {len(s.outs)} results")
        if s.arg_types:
            self.require(len(s.arg_types) == len(s.args), s, "types and arguments differ in number")

    def call(self, s: Call) -> None:
        callee = self.program.functions.get(s.function)
        self.require(callee is not None, s, f"there is no function {s.function}")
        assert callee is not None
        self.require(len(s.args) == len(callee.params), s, f"{callee.name} is called with {len(s.args)} arguments")
        self.require(len(s.outs) in (0, len(callee.outputs)), s, f"{callee.name} is called for {len(s.outs)} results")

"""Copies of functions for the strings that a call gives them, where the function compares these with others.

    norm = function(matrix[double] X, string mode) ... { if (mode == "train") ... else ... }
    Y = norm(X, "test")          # calls a copy of norm that has only the second branch

A network passes its mode down through all functions.  In a copy for one mode the layers are straight lines, which `inline` puts
into their callers, where `fuse_elementwise` and `convolve_and_finish` see them beside what comes before and after.
"""

from __future__ import annotations

from typing import Any

from pydml.builtins import registry
from pydml.ir.infer import infer_function
from pydml.ir.passes.dead_code import copy_block
from pydml.ir.passes.simplify import simplify_function
from pydml.ir.program import Call, Const, Function, Op, Program, Var, assigned_in, read_in, walk
from pydml.types import SCALAR, STRING

MOST_COPIES = 200  # of all functions: the program must not grow without end


def specialise(program: Program) -> None:
    """Needs types, and constants in the places of known arguments."""
    _Specialiser(program).run()


class _Specialiser:
    def __init__(self, program: Program):
        self.program = program
        self.compared = _compared_parameters(program)
        self.copies: dict[str, Function] = {}

    def run(self) -> None:
        if not self.compared:
            return
        for function in self.program.all_functions():
            self.calls_of(function)
        self.program.functions.update(self.copies)

    def calls_of(self, function: Function) -> None:
        for s in walk(function.body):
            if isinstance(s, Call) and s.function in self.compared:
                given = {
                    i: operand.value
                    for i in self.compared[s.function]
                    if i < len(s.args) and isinstance(operand := s.args[i], Const) and type(operand.value) is str
                }
                if given:
                    self.specialise_call(s, given)

    def specialise_call(self, call: Call, given: dict[int, str]) -> None:
        function = self.program.functions[call.function]
        if len(call.args) != len(function.params):
            return
        key = call.function + "%for" + repr(tuple(given.items()))
        if key not in self.copies:
            if len(self.copies) >= MOST_COPIES:
                return
            self.copies[key] = copy = self.copy(key, function, given)
            self.calls_of(copy)
        keep = [i for i in range(len(call.args)) if i not in given]
        call.function = key
        call.args = tuple(call.args[i] for i in keep)
        if call.arg_types:
            call.arg_types = tuple(call.arg_types[i] for i in keep)

    def copy(self, key: str, function: Function, given: dict[int, str]) -> Function:
        body: list[Any] = [
            Op(registry.get("="), (Const(text),), (function.params[i].name,), function.span)
            for i, text in given.items()
        ]
        result = Function(
            key,
            function.name,
            [p for i, p in enumerate(function.params) if i not in given],
            function.outputs,
            body + copy_block(function.body),
            function.file,
            function.span,
            function.doc,
            function.temporaries,
        )
        infer_function(result, self.program)
        simplify_function(result)
        read = read_in(result.body) | {p.name for p in result.outputs}
        result.body = [s for s in result.body if s not in body or s.outs[0] in read]
        return result


def _compared_parameters(program: Program) -> dict[str, set[int]]:
    """For each function the positions of the strings that it compares, or hands on to a function that does."""
    variants = {key for keys in program.variants.values() for key in keys.values()} | program.variants.keys()
    candidates: dict[str, dict[str, int]] = {}
    for key, function in program.functions.items():
        if function.of_builtin or key in variants:
            continue
        assigned = assigned_in(function.body)
        strings = {
            p.name: i
            for i, p in enumerate(function.params)
            if p.type.data == SCALAR and p.type.value == STRING and p.name not in assigned
        }
        if strings:
            candidates[key] = strings
    found: dict[str, set[int]] = {}
    changed = True
    while changed:
        changed = False
        for key, strings in candidates.items():
            for s in walk(program.functions[key].body):
                if isinstance(s, Op) and s.builtin.name in ("==", "!="):
                    names = [a for a in s.args if isinstance(a, Var)]
                elif isinstance(s, Call):
                    names = [
                        a for i in found.get(s.function, ()) if i < len(s.args) and isinstance(a := s.args[i], Var)
                    ]
                else:
                    continue
                positions = {strings[a.name] for a in names if a.name in strings}
                if not positions <= found.get(key, set()):
                    found.setdefault(key, set()).update(positions)
                    changed = True
    return found

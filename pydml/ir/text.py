"""A Program as text, for `--explain` and tests."""

from __future__ import annotations

from typing import Any

from pydml.ir.program import Call, Const, For, Function, If, Op, Operand, Pack, ParFor, Program, Var, While
from pydml.types import Type


def program_text(program: Program, types: bool = True) -> str:
    """All functions; with types, each result is followed by what is known of it."""
    return "\n\n".join(function_text(f, types) for f in program.all_functions()) + "\n"


def function_text(function: Function, types: bool = True) -> str:
    if function.key:
        params = ", ".join(f"{p.name}: {p.type}" for p in function.params)
        results = ", ".join(f"{p.name}: {p.type}" for p in function.outputs)
        head = f"{function.name} = function({params}) return ({results})"
    else:
        head = "main" + (f"({', '.join(p.name for p in function.params)})" if function.params else "")
    return head + "\n" + "\n".join(_block(function.body, 1, types))


def operand_text(operand: Operand) -> str:
    if isinstance(operand, Var):
        return operand.name
    if isinstance(operand, Const):
        value = operand.value
        if value is None:
            return "_"
        if isinstance(value, bool):
            return "TRUE" if value else "FALSE"
        return '"' + value.replace("\n", "\\n") + '"' if isinstance(value, str) else repr(value)
    assert isinstance(operand, Pack)
    return "[" + ", ".join(map(operand_text, operand.items)) + "]"


def _block(block: list[Any], depth: int, types: bool) -> list[str]:
    pad = "  " * depth
    lines: list[str] = []
    for s in block:
        if isinstance(s, (Op, Call)):
            lines.append(pad + _operation(s, types))
        elif isinstance(s, If):
            lines.append(f"{pad}if ({operand_text(s.condition)})")
            lines += _block(s.then, depth + 1, types)
            if s.orelse:
                lines.append(pad + "else")
                lines += _block(s.orelse, depth + 1, types)
        elif isinstance(s, While):
            lines.append(pad + "while")
            lines += _block(s.test, depth + 1, types)
            lines.append(f"{pad} ({operand_text(s.condition)})")
            lines += _block(s.body, depth + 1, types)
        elif isinstance(s, (For, ParFor)):
            word = "parfor" if isinstance(s, ParFor) else "for"
            step = f", {operand_text(s.step)}" if s.step is not None else ""
            note = ""
            if isinstance(s, ParFor) and s.results:
                note = "  # merges " + ", ".join(f"{k} by {v}" for k, v in sorted(s.results.items()))
            lines.append(f"{pad}{word} ({s.variable} in {operand_text(s.start)}:{operand_text(s.stop)}{step}){note}")
            lines += _block(s.body, depth + 1, types)
    return lines


def _operation(s: Any, types: bool) -> str:
    args = [operand_text(a) for a in s.args]
    if isinstance(s, Call):
        name = s.function.rsplit("::", 1)[-1]
        right = f"{name}({', '.join(args)})"
    elif not s.builtin.name[0].isalpha() and len(args) == 2:
        right = f"{args[0]} {s.builtin.name} {args[1]}"
    elif s.builtin.name == "=":
        right = args[0]
    else:
        right = f"{s.builtin.name}({', '.join(args)})"
    outs = [o or "_" for o in s.outs]
    left = ", ".join(outs)
    text = f"{left} = {right}" if outs else right
    if len(outs) > 1:
        text = f"[{left}] = {right}"
    if isinstance(s, Op) and s.in_place:
        text += "  # in place"
    if types and s.out_types and outs:
        text += "  : " + ", ".join(_type(t) for t in s.out_types)
    return text


def _type(type: Type) -> str:
    return str(type) if type.const is None else f"{type} {operand_text(Const(type.const))}"

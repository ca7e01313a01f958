"""Inlining of small functions: straight-line bodies of a few operations.

The operations keep their places, with the call they came through, so that errors show the same stack as without inlining.
"""

from __future__ import annotations

from typing import Any

from pydml.builtins import registry
from pydml.ir.passes.dead_code import copy_block
from pydml.ir.program import Call, Function, Op, Operand, Program, Var, blocks_of, substitute, walk

MAX_OPERATIONS = 24
# Of a function with a convolution, which takes longer than all of them: its caller says what is done with the result.
MAX_BESIDE_CONVOLUTION = 100


def inline(program: Program) -> None:
    """Replace calls of small straight-line functions by their operations, callees first."""
    order = _callees_first(program)
    for function in order:
        _inline_block(function.body, function, program)


def _callees_first(program: Program) -> list[Function]:
    order: list[Function] = []
    seen: set[str] = set()

    def visit(function: Function) -> None:
        if function.key in seen:
            return
        seen.add(function.key)
        for s in walk(function.body):
            if isinstance(s, Call) and s.function in program.functions:
                visit(program.functions[s.function])
        order.append(function)

    for function in program.all_functions():
        visit(function)
    return order


def _can_inline(function: Function) -> bool:
    length = len(function.body)
    return (
        length <= MAX_BESIDE_CONVOLUTION
        and all(isinstance(s, Op) for s in function.body)
        and (length <= MAX_OPERATIONS or any(s.builtin.name == "conv2d" for s in function.body))
        and all(p.name in _assigned(function) or p.name in {q.name for q in function.params} for p in function.outputs)
    )


def _assigned(function: Function) -> set[str]:
    return {o for s in function.body for o in s.outs}


def _inline_block(block: list[Any], host: Function, program: Program) -> None:
    i = 0
    while i < len(block):
        s = block[i]
        if isinstance(s, Call):
            callee = program.functions.get(s.function)
            if callee is not None and callee is not host and _can_inline(callee):
                replacement = _expand(s, callee, host)
                block[i : i + 1] = replacement
                i += len(replacement)
                continue
        for inner in blocks_of(s):
            _inline_block(inner, host, program)
        i += 1


def _expand(call: Call, callee: Function, host: Function) -> list[Any]:
    host.temporaries += 1
    suffix = f"%{host.temporaries}"
    assigned = _assigned(callee)
    names: dict[str, Operand] = {}
    out: list[Any] = []
    where = ((callee.name, call.span), *call.inlined)
    for p, operand in zip(callee.params, call.args, strict=True):
        if p.name in assigned:
            name = p.name + suffix
            out.append(Op(registry.get("="), (operand,), (name,), call.span, inlined=call.inlined))
            names[p.name] = Var(name)
        else:
            names[p.name] = operand

    def rename(name: str) -> str:
        if not name:
            return name
        if name not in names:
            names[name] = Var(host.temporary() if name[0] == "%" else name + suffix)
        operand = names[name]
        assert isinstance(operand, Var)
        return operand.name

    for s in copy_block(callee.body):
        s.args = tuple(substitute(a, names.get) for a in s.args)
        s.outs = tuple(rename(o) for o in s.outs)
        s.inlined = (*s.inlined, *where)
        out.append(s)
    sources = [(names[p.name], target) for p, target in zip(callee.outputs, call.outs, strict=False) if target]
    targets = {target for _, target in sources}

    def copy(source: Operand, target: str) -> None:
        out.append(Op(registry.get("="), (source,), (target,), call.span, inlined=call.inlined))

    if len(sources) > 1 and any(isinstance(o, Var) and o.name in targets for o, _ in sources):
        # a result that is an unchanged argument may be overwritten by another result: [x, y] = f(x)
        held = []
        for source, target in sources:
            held.append((Var(host.temporary()), target))
            copy(source, held[-1][0].name)
        sources = list(held)
    for source, target in sources:
        copy(source, target)
    return out

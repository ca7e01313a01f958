"""Common subexpressions: the same operation on the same values is done once.

Within a block and the blocks inside of it.  Operations with effects, random numbers and the time are left alone, and so is
scalar arithmetic, which is cheaper to repeat than to keep.
"""

from __future__ import annotations

from typing import Any

from pydml.builtins import registry
from pydml.ir.program import If, Op, Operand, Program, Var, While, assigned_in, variables_in, writes
from pydml.types import SCALAR


def eliminate_common_subexpressions(program: Program) -> None:
    """Needs types."""
    for function in program.all_functions():
        _block(function.body, {})


Key = tuple[str, tuple[Operand, ...]]


def _block(block: list[Any], known: dict[Key, str]) -> None:
    for s in block:
        if isinstance(s, Op):
            _operation(s, known)
            continue
        changed = assigned_in([s])
        if isinstance(s, If):
            _block(s.then, dict(known))
            _block(s.orelse, dict(known))
        elif hasattr(s, "body"):
            _forget(known, changed)
            if isinstance(s, While):
                _block(s.test, dict(known))
            _block(s.body, dict(known))
        _forget(known, changed)


def _forget(known: dict[Key, str], names: set[str]) -> None:
    for key in [k for k, v in known.items() if v in names or any(n in names for a in k[1] for n in variables_in(a))]:
        del known[key]


def _operation(s: Op, known: dict[Key, str]) -> None:
    candidate = (
        len(s.outs) == 1
        and s.outs[0]
        and not s.builtin.effects
        and s.builtin.name not in ("=", "exists", "[]=", "as parameter", "as result")
        and s.arg_types
        and any(t.data != SCALAR for t in s.arg_types)
    )
    key = (s.builtin.name, s.args)
    if candidate and key in known:
        s.builtin = registry.get("=")
        s.args = (Var(known[key]),)
        s.arg_types = s.out_types
        candidate = False
    _forget(known, writes(s))
    if candidate and not any(s.outs[0] in variables_in(a) for a in s.args):
        known[key] = s.outs[0]

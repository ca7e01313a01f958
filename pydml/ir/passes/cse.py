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
        _block(function.body, _Known())


Key = tuple[str, tuple[Operand, ...]]


class _Known:
    """Where the value of an operation is held, by builtin and operands, as long as none of the variables changes."""

    def __init__(self) -> None:
        self.holder: dict[Key, str] = {}
        self.keys: dict[str, list[Key]] = {}  # by variable that the entry depends on

    def copy(self) -> _Known:
        result = _Known()
        result.holder = dict(self.holder)
        result.keys = {name: list(keys) for name, keys in self.keys.items()}
        return result

    def add(self, key: Key, name: str) -> None:
        self.holder[key] = name
        for variable in {name, *(v for a in key[1] for v in variables_in(a))}:
            self.keys.setdefault(variable, []).append(key)

    def forget(self, names: set[str]) -> None:
        for name in names & self.keys.keys():
            for key in self.keys.pop(name):
                self.holder.pop(key, None)


def _block(block: list[Any], known: _Known) -> None:
    for s in block:
        if isinstance(s, Op):
            _operation(s, known)
            continue
        changed = assigned_in([s])
        if isinstance(s, If):
            _block(s.then, known.copy())
            _block(s.orelse, known.copy())
        elif hasattr(s, "body"):
            known.forget(changed)
            if isinstance(s, While):
                _block(s.test, known.copy())
            _block(s.body, known.copy())
        known.forget(changed)


def _operation(s: Op, known: _Known) -> None:
    candidate = (
        len(s.outs) == 1
        and s.outs[0]
        and not s.builtin.effects
        and s.builtin.name not in ("=", "exists", "[]=", "as parameter", "as result")
        and s.arg_types
        and any(t.data != SCALAR for t in s.arg_types)
    )
    key = (s.builtin.name, s.args)
    if candidate and key in known.holder:
        s.args = (Var(known.holder[key]),)
        s.builtin = registry.get("=")
        s.arg_types = s.out_types
        candidate = False
    known.forget(writes(s))
    if candidate and not any(s.outs[0] in variables_in(a) for a in s.args):
        known.add(key, s.outs[0])

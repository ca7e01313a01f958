"""Loop-invariant operations are done once, before the loop.

An operation moves if its operands do not change in the loop, it is reached in every iteration, and nothing visible
(printing, writing, stopping) comes before it, so that errors keep their place.  A `for` over a range runs at least once; a
`while` loop is entered only after its test, which is done once more for this.  Left where they are: scalar arithmetic and
views, which are cheap; new matrices, which the loop is likely to fill; elementwise operations that are fused with others in
the loop.
"""

from __future__ import annotations

from typing import Any

from pydml.ir.passes.dead_code import copy_block, effectful_functions
from pydml.ir.passes.fuse_elementwise import REDUCTIONS, fusable
from pydml.ir.program import (
    Call,
    For,
    Function,
    If,
    Op,
    ParFor,
    Program,
    Var,
    While,
    assigned_in,
    blocks_of,
    count_writes,
    has_effects,
    operands_of,
    read_in,
    reads,
    substitute,
    variables_in,
    walk,
)

_STAY = frozenset({"=", "[]=", "exists", "as parameter", "as result"})
_CHEAP = frozenset({"t", "[]", "nrow", "ncol", "length"})  # these move only with what needs them


def hoist_invariants(program: Program) -> None:
    """Needs types."""
    effectful = effectful_functions(program)
    for function in program.all_functions():
        if any(isinstance(s, (For, While)) for s in walk(function.body)):
            _Hoister(function, effectful).block(function.body)


class _Hoister:
    def __init__(self, function: Function, effectful: set[str]):
        self.function = function
        self.effectful = effectful
        self.assignments = count_writes(function.body)
        self.kept = {p.name for p in function.params} | {p.name for p in function.outputs}

    def block(self, block: list[Any]) -> None:
        result: list[Any] = []
        for s in block:
            for inner in blocks_of(s):
                self.block(inner)
            if isinstance(s, While) or (isinstance(s, For) and s.step is None):
                result += self.loop(s)
            else:
                result.append(s)
        block[:] = result

    def loop(self, s: For | While) -> list[Any]:
        """The loop, with what moved before it."""
        moved = self.invariants(s)
        if not moved or (isinstance(s, While) and any(self.visible(t) for t in walk(s.test))):
            return [s]
        chosen = set(map(id, moved))
        s.body[:] = [t for t in s.body if id(t) not in chosen]
        if isinstance(s, For):
            return [*moved, s]
        test, condition = self.fresh_test(s)
        return [*test, If(condition, [*moved, s], [], s.span, s.condition_type)]

    def fresh_test(self, s: While) -> tuple[list[Any], Any]:
        """A copy of the test with temporaries of its own."""
        test = copy_block(s.test)
        names = {name: Var(self.function.temporary()) for name in sorted(assigned_in(test)) if name[0] == "%"}
        for t in walk(test):
            if isinstance(t, (Op, Call)):
                t.args = tuple(substitute(a, names.get) for a in t.args)
                t.outs = tuple(names[o].name if o in names else o for o in t.outs)
        return test, substitute(s.condition, names.get)

    def invariants(self, s: For | While) -> list[Op]:
        changed = assigned_in([s])
        found: dict[str, Op] = {}  # by what they assign
        for t in s.body:
            if self.visible(t):
                break
            if isinstance(t, Op) and self.may_move(t) and not (reads(t) - found.keys()) & changed:
                found[t.outs[0]] = t
        if isinstance(s, While):
            for name in read_in(s.test) & found.keys():
                del found[name]
        users: dict[str, list[Any]] = {}
        for t in walk(s.body):
            for operand in operands_of(t):
                for name in variables_in(operand):
                    users.setdefault(name, []).append(t)
        while True:
            chosen = set(map(id, found.values()))
            stay = [
                name
                for name, t in found.items()
                if any(r in changed and r not in found for r in reads(t))
                or not self.worth_moving(t, [u for u in users.get(name, ()) if id(u) not in chosen])
            ]
            if not stay:
                return list(found.values())
            for name in stay:
                del found[name]

    @staticmethod
    def worth_moving(t: Op, staying: list[Any]) -> bool:
        """staying: users of the result that remain in the loop."""
        if t.builtin.name in _CHEAP:
            return not staying
        fuses = fusable(t) and t.builtin.name not in REDUCTIONS
        return not (fuses and any(isinstance(u, Op) and fusable(u) for u in staying))

    def may_move(self, t: Op) -> bool:
        return (
            len(t.outs) == 1
            and self.assignments.get(t.outs[0]) == 1
            and t.outs[0] not in self.kept
            and not t.builtin.effects
            and t.builtin.name not in _STAY
            and any(type.is_matrix for type in t.arg_types)
        )

    def visible(self, statement: Any) -> bool:
        """Whether a statement does something that shows, at any depth."""
        for t in walk([statement]):
            if isinstance(t, Call) and t.function in self.effectful:
                return True
            if isinstance(t, Op) and (has_effects(t) or t.builtin.name in ("eval", "evalList")):
                return True
            if isinstance(t, ParFor):
                return True
        return False

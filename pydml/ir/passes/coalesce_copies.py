"""Copies to a variable from one that nobody reads afterwards: the variable gets the value where it is made.

    out = conv2d(X, W, ...)                 out = conv2d(X, W, ...)
    out = bias_add(out, b)          ->      Z = bias_add(out, b)
    Z = out

Inlined functions leave such copies, one for each result.  Without them a result has one assignment and one use, so that fusion
can join it to its user, and no second name keeps a matrix alive.
"""

from __future__ import annotations

from typing import Any

from pydml.ir.liveness import Liveness
from pydml.ir.program import (
    Call,
    Op,
    ParFor,
    Program,
    Var,
    blocks_of,
    mentioned_in,
    reads,
    substitute,
    writes,
)


def coalesce_copies(program: Program) -> None:
    """Only variables of inlined functions and temporaries give up their names; those of the user keep theirs."""
    for function in program.all_functions():
        _Coalescer(Liveness(function.body, program.read_after(function))).block(function.body, frozenset())


class _Coalescer:
    def __init__(self, liveness: Liveness):
        self.after = liveness.after

    def block(self, block: list[Any], kept: frozenset[str]) -> None:
        """kept: variables that an enclosing parfor merges; they are assigned as written."""
        result: list[Any] = []
        for s in block:
            for inner in blocks_of(s):
                self.block(inner, kept | s.results.keys() | s.outer if isinstance(s, ParFor) else kept)
            if not (isinstance(s, Op) and s.builtin.name == "=" and isinstance(s.args[0], Var)) or s.accumulates:
                result.append(s)
                continue
            source, target = s.args[0].name, s.outs[0]
            if source == target:
                continue
            if "%" not in source or target in kept or source in self.after[s] or not _rename(result, source, target):
                result.append(s)
        block[:] = result


def _rename(before: list[Any], source: str, target: str) -> bool:
    """Give the last assignment of `source`, and the reads since, the name `target`, unless that would change a value."""
    start = None
    for i in range(len(before) - 1, -1, -1):
        s = before[i]
        if isinstance(s, (Op, Call)):
            if source in writes(s):
                start = i
                break
            if target in reads(s) or target in writes(s):
                return False
            continue
        touched = reads(s) | writes(s)
        for inner in blocks_of(s):
            touched |= mentioned_in(inner)
        if source in touched or target in touched:
            return False
    if start is None:
        return False
    first = before[start]
    if target in first.outs or (isinstance(first, Op) and (first.accumulates or first.in_place)):
        return False
    first.outs = tuple(target if name == source else name for name in first.outs)
    for s in before[start + 1 :]:
        if isinstance(s, (Op, Call)):
            s.args = tuple(substitute(a, {source: Var(target)}.get) for a in s.args)
    return True

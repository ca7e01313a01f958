"""Fuse trees of elementwise operations on matrices into one operation.

`X - lr * (dX + lambda * X)` becomes one "fused steps" with the inputs X, lr, dX, lambda.  A result that is used once, in the
same block, by another elementwise operation or by a sum, joins its user.  A single operation on matrices that may be large
takes this form too, for its threads and its reuse of memory.  The values are those of the single steps, except that sums add
up block by block.
"""

from __future__ import annotations

import math
from typing import Any

from pydml.builtins import registry
from pydml.builtins.fused import Step, Template
from pydml.ir.program import (
    Const,
    Function,
    Op,
    Operand,
    Program,
    Var,
    blocks_of,
    count_reads,
    count_writes,
    variables_in,
)
from pydml.types import ANY, DOUBLE, INT, SCALAR

BINARY = frozenset({"+", "-", "*", "/", "^", "==", "!=", "<", "<=", ">", ">=", "&", "|", "xor", "min", "max"})
UNARY = frozenset(
    "! exp log sqrt abs sign round floor ceil sin cos tan asin acos atan sinh cosh tanh is.nan is.infinite".split()
) | {"unary -"}
CHANNEL = frozenset({"bias_add", "bias_multiply"})
REDUCTIONS = frozenset({"sum", "colSums", "rowSums"})

_MAX_STEPS = 24
LARGE = 1 << 15  # cells


def fuse_elementwise(program: Program) -> None:
    """Needs types; results with a single use must still be in variables of their own."""
    for function in program.all_functions():
        _Fuser(function, program).block(function.body)


class _Group:
    """Steps that wait for their user."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.spans: list[Any] = []
        self.inputs: list[Operand] = []
        self.types: list[Any] = []
        self.reads: set[str] = set()
        self.op: Op | None = None


class _Fuser:
    def __init__(self, function: Function, program: Program):
        self.uses = count_reads(function.body)
        self.assignments = count_writes(function.body)
        self.live_out = program.read_after(function)
        self.parameters = {p.name for p in function.params}

    def block(self, block: list[Any]) -> None:
        groups: dict[str, _Group] = {}
        result: list[Any] = []
        for s in block:
            for inner in blocks_of(s):
                self.block(inner)
            if not isinstance(s, Op):
                groups.clear()  # control flow and calls: leave what waits where it is
                result.append(s)
                continue
            if fusable(s) and not _surely_small(s):
                group = self.join(s, groups, result)
                reduction = s.builtin.name in REDUCTIONS
                if len(group.steps) > 1 or (_may_be_large(s) and s.builtin.name != "replace"):  # which has a kernel
                    s = _fused(group, s)
                self.forget(groups, set(s.outs))
                result.append(s)
                out = s.outs[0]
                if (
                    not reduction
                    and self.uses.get(out, 0) == 1
                    and self.assignments[out] == 1
                    and out not in self.live_out
                    and out not in self.parameters
                    and len(group.steps) < _MAX_STEPS
                ):
                    group.op = s
                    groups[out] = group
                continue
            if s.builtin.effects:
                groups.clear()
            self.forget(groups, set(s.outs))
            result.append(s)
        block[:] = result

    @staticmethod
    def forget(groups: dict[str, _Group], written: set[str]) -> None:
        for name in [n for n, g in groups.items() if g.reads & written]:
            del groups[name]

    def join(self, s: Op, groups: dict[str, _Group], result: list[Any]) -> _Group:
        """The steps of `s` with those of its arguments that wait; these are taken out of `result`."""
        group = _Group()
        refs: list[int] = []
        name, operands = _step(s)
        for operand, type in operands:
            waiting = groups.pop(operand.name, None) if isinstance(operand, Var) else None
            if waiting is None or len(group.steps) + len(waiting.steps) >= _MAX_STEPS:
                if operand in group.inputs:
                    refs.append(group.inputs.index(operand))
                else:
                    group.inputs.append(operand)
                    group.types.append(type)
                    refs.append(len(group.inputs) - 1)
                group.reads |= set(variables_in(operand))
                continue
            result.remove(waiting.op)
            base = len(group.steps)
            positions = []
            for inner, inner_type in zip(waiting.inputs, waiting.types, strict=True):
                if inner in group.inputs:
                    positions.append(group.inputs.index(inner))
                else:
                    group.inputs.append(inner)
                    group.types.append(inner_type)
                    positions.append(len(group.inputs) - 1)
            for step in waiting.steps:
                group.steps.append(Step(step.builtin, tuple(positions[a] if a >= 0 else a - base for a in step.args)))
            group.spans += waiting.spans
            group.reads |= waiting.reads
            refs.append(-len(group.steps))
        group.steps.append(Step(name, tuple(refs)))
        group.spans.append(s.span)
        return group


def _may_be_large(s: Op) -> bool:
    """Whether a single operation gains by threads and by taking over the memory of an operand."""
    out = s.out_types[0]
    if not out.is_matrix:
        return False
    return not out.shape_known or out.rows * out.cols >= LARGE  # type: ignore[operator]


def _surely_small(s: Op) -> bool:
    """Whether an operation is known to be so small that blocks, threads and reused memory gain nothing: then the way to it counts."""
    return all(
        t.shape_known and t.rows * t.cols < LARGE  # type: ignore[operator]
        for t in (*s.arg_types, *s.out_types)
        if t.is_matrix
    )


def fusable(s: Op) -> bool:
    """Whether an operation can be a step of a fused one."""
    name = s.builtin.name
    if not s.arg_types or not s.outs or not s.outs[0] or len(s.arg_types) != len(s.args):
        return False
    if name in REDUCTIONS:
        return len(s.args) == 1 and s.arg_types[0].is_matrix
    if name in BINARY:
        return (
            len(s.args) == 2
            and any(t.is_matrix for t in s.arg_types)
            and all(t.is_matrix or (t.data == SCALAR and t.value in (INT, DOUBLE)) for t in s.arg_types)
        )
    if name in UNARY:
        one = len(s.args) == 1 or (name == "log" and s.args[1] == Const(None))
        return one and s.arg_types[0].is_matrix
    if name == "replace":
        target, _, replacement = s.arg_types
        return (
            target.is_matrix
            and replacement.data == SCALAR
            and replacement.value in (INT, DOUBLE)
            and _is_nan(s.args[1])
        )
    return name in CHANNEL and all(t.is_matrix for t in s.arg_types)


def _is_nan(operand: Operand) -> bool:
    return isinstance(operand, Const) and isinstance(operand.value, float) and math.isnan(operand.value)


def _step(s: Op) -> tuple[str, list[tuple[Operand, Any]]]:
    """The name of the step, and its operands with their types."""
    operands = list(zip(s.args, s.arg_types, strict=True))
    if s.builtin.name == "replace":
        return "replace NaN", [operands[0], operands[2]]
    return s.builtin.name, operands[:1] if s.builtin.name == "log" else operands


def _fused(group: _Group, last: Op) -> Op:
    template = Template(tuple(group.steps), tuple(group.spans))
    return Op(
        registry.get("fused steps"),
        (Const(template), Const(()), *group.inputs),
        last.outs,
        last.span,
        (ANY, ANY, *group.types),
        last.out_types,
        inlined=last.inlined,
    )

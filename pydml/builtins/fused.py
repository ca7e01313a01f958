"""Chains of elementwise operations as one operation, made by `ir.passes.fuse_elementwise`.

The meaning runs the steps one after the other by their builtins.  `backends.cpu.fused` runs them over cache-sized blocks
in threads, where the operands are dense and large.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from pydml.builtins import registry
from pydml.builtins.registry import builtin
from pydml.diagnostics import DMLError, Span
from pydml.types import Type


class Step(NamedTuple):
    """One operation.  args: k >= 0 is input k, k < 0 is the result of step -k - 1."""

    builtin: str
    args: tuple[int, ...]


class Template:
    """The steps of a fused operation, in order; the last one gives the result.  spans: their places in DML."""

    __slots__ = ("builtins", "direct", "plans", "powers", "spans", "steps")

    def __init__(self, steps: tuple[Step, ...], spans: tuple[Span, ...]):
        self.steps = steps
        self.spans = spans
        self.builtins = tuple(registry.get(step.builtin) for step in steps)
        self.direct = _direct(steps, self.builtins)  # the steps as one Python function, for small dense matrices
        self.powers = any(step.builtin == "^" for step in steps)
        self.plans: dict[Any, Any] = {}  # what the backend worked out, by shapes

    def __repr__(self) -> str:
        def text(step: Step) -> str:
            args = [f"x{a}" if a >= 0 else f"s{-a - 1}" for a in step.args]
            if not step.builtin[0].isalpha() and len(args) == 2:
                return f"{args[0]} {step.builtin} {args[1]}"
            return f"{step.builtin}({', '.join(args)})"

        return "; ".join(f"s{i} = {text(step)}" for i, step in enumerate(self.steps))


def _direct(steps: tuple[Step, ...], builtins: tuple[Any, ...]) -> Any:
    """A Python function that runs the meanings of the steps on dense matrices and numbers, without dispatch."""
    inputs = 1 + max(a for step in steps for a in step.args)
    lines = [f"def direct({', '.join(f'x{i}' for i in range(inputs))}):"]
    for i, step in enumerate(steps):
        args = ", ".join(f"x{a}" if a >= 0 else f"s{-a - 1}" for a in step.args)
        lines.append(f"    s{i} = f{i}({args})")
    lines.append(f"    return s{len(steps) - 1}")
    names: dict[str, Any] = {f"f{i}": b.meaning for i, b in enumerate(builtins)}
    exec("\n".join(lines), names)
    return names["direct"]


def _infer(template: Type, dying: Type, *inputs: Type) -> Type:
    steps: list[Type] = []
    assert isinstance(template.const, Template)
    for step, function in zip(template.const.steps, template.const.builtins, strict=True):
        steps.append(function.infer([inputs[a] if a >= 0 else steps[-a - 1] for a in step.args])[0])
    return steps[-1]


@builtin(
    "fused steps(template: any, dying: any, *inputs: any) -> any", infer=_infer, storages="any", self_checking=True
)
def fused(template: Template, dying: Any, *inputs: Any) -> Any:
    """The result of the last step.  dying: positions of inputs that nobody needs afterwards."""
    results: list[Any] = []
    if len(template.steps) == 1:  # alone only to share threads and memory; its place is that of the operation
        return template.builtins[0].run(*[inputs[a] for a in template.steps[0].args])
    try:
        for step, function in zip(template.steps, template.builtins, strict=True):
            results.append(function.run(*[inputs[a] if a >= 0 else results[-a - 1] for a in step.args]))
    except DMLError as error:
        raise error.with_span(template.spans[len(results)]) from None
    return results[-1]

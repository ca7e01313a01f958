"""Join a convolution and the elementwise operations on its result, where nobody else reads that.

    z = conv2d(X, W, ...)                                 A = conv2d steps(<max(0, bias_add(bias_multiply(z, s), t))>, X, W, ..., s, t)
    A = max(0, bias_add(bias_multiply(z, s), t))    ->

It runs after `fuse_elementwise`, which has made one operation of the second line.  The convolution moves down to it, past operations that
change nothing of what it reads.
"""

from __future__ import annotations

from typing import Any

from pydml.builtins import registry
from pydml.builtins.conv_steps import ConvTemplate
from pydml.builtins.fused import Template
from pydml.ir.program import Const, Function, Op, Program, Var, blocks_of, count_reads, count_writes, reads, writes


def convolve_and_finish(program: Program) -> None:
    for function in program.all_functions():
        _Joiner(function, program).block(function.body)


class _Joiner:
    def __init__(self, function: Function, program: Program):
        self.uses = count_reads(function.body)
        self.assignments = count_writes(function.body)
        self.kept = program.read_after(function) | {p.name for p in function.params}

    def block(self, block: list[Any]) -> None:
        waiting: dict[str, tuple[Op, set[str]]] = {}  # convolutions by their result, and what they read
        for s in list(block):
            for inner in blocks_of(s):
                self.block(inner)
            if not isinstance(s, Op) or s.builtin.effects:
                waiting.clear()
                continue
            if s.builtin.name == "fused steps":
                found = next((n for a in s.args[2:] if isinstance(a, Var) and (n := a.name) in waiting), None)
                if found is not None and _join(s, waiting[found][0]):
                    block.remove(waiting.pop(found)[0])
            written = writes(s)
            for name in [n for n, (_, read) in waiting.items() if read & written]:
                del waiting[name]
            if s.builtin.name == "conv2d" and self.only_once(s.outs[0]):
                waiting[s.outs[0]] = (s, reads(s))

    def only_once(self, name: str) -> bool:
        return self.uses.get(name) == 1 and self.assignments[name] == 1 and name not in self.kept


def _join(steps: Op, convolution: Op) -> bool:
    """Make the two one operation, unless the steps are of a form that is not faster that way."""
    const, inputs = steps.args[0], list(steps.args[2:])
    assert isinstance(const, Const) and isinstance(const.value, Template)
    position = inputs.index(Var(convolution.outs[0]))
    template = ConvTemplate(const.value.steps, const.value.spans, position, convolution.span)
    if template.finish is None:
        return False
    del inputs[position]
    steps.builtin = registry.get("conv2d steps")
    steps.args = (Const(template), *convolution.args, *inputs)
    steps.arg_types = ()
    # errors are those of the convolution most of all
    steps.span, steps.inlined = convolution.span, convolution.inlined
    return True

"""A convolution and the elementwise operations on its result as one operation, made by `ir.passes.convolve_and_finish`.

The meaning runs `conv2d` and then the steps.  `backends.cpu.conv` applies scale, shift, sum and ReLU where the convolution writes its
result, while that is in cache.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from pydml.builtins.conv import conv2d
from pydml.builtins.fused import Step, Template, fused
from pydml.builtins.registry import builtin
from pydml.diagnostics import DMLError, Span
from pydml.types import ANY, Type


class Finish(NamedTuple):
    """What the steps do, where it is max(0, (z + bias) * scale + shift + addend) for the convolution z, or parts of that, in this order.

    All are refs as in `Step.args`, None for parts that are left out; zero is that of the constant of the maximum, so there must be a 0 there.
    before: the steps on other values, in order.
    """

    before: tuple[int, ...]
    bias: int | None
    scale: int | None
    shift: int | None
    addend: int | None
    zero: int | None


class ConvTemplate(Template):
    """Steps after a convolution.  position: of its result among their inputs.  conv_span: its place in DML.  finish: None if of another form."""

    __slots__ = ("conv_span", "finish", "position")

    def __init__(self, steps: tuple[Step, ...], spans: tuple[Span, ...], position: int, conv_span: Span):
        super().__init__(steps, spans)
        self.position = position
        self.conv_span = conv_span
        self.finish = _finish(steps, position)

    def __repr__(self) -> str:
        return f"x{self.position} = conv2d(...); {super().__repr__()}"


def _finish(steps: tuple[Step, ...], position: int) -> Finish | None:
    before: list[int] = []
    parts: dict[str, int] = {}
    current, last = position, ""
    passed = {position}  # the convolution and what the steps have made of it
    order = ("bias", "scale", "shift", "addend", "zero")
    for i, step in enumerate(steps):
        if current not in step.args:
            if not passed.isdisjoint(step.args):
                return None
            before.append(i)
            continue
        if len(step.args) != 2:
            return None
        at = step.args.index(current)
        other = step.args[1 - at]
        if other in passed:
            return None
        if step.builtin == "bias_add" and at == 0:
            part = "bias" if last == "" else "shift"
        elif step.builtin == "bias_multiply" and at == 0:
            part = "scale"
        elif step.builtin == "+":
            part = "addend"
        elif step.builtin == "max":
            part = "zero"
        else:
            return None
        if last and order.index(part) <= order.index(last):
            return None
        parts[part], last = other, part
        current = -i - 1
        passed.add(current)
    if current != -len(steps):
        return None
    return Finish(tuple(before), *(parts.get(name) for name in order))


def _infer(template: Type, X: Type, W: Type, a: Type, b: Type, c: Type, d: Type, *inputs: Type) -> Type:
    assert isinstance(template.const, ConvTemplate)
    z = conv2d.infer((X, W, a, b, c, d))[0]
    at = template.const.position
    return fused.infer((template, ANY, *inputs[:at], z, *inputs[at:]))[0]


@builtin(
    "conv2d steps(template: any, X: any, W: any, input_shape: any, filter_shape: any, stride: any, padding: any, *inputs: any) -> any",
    infer=_infer,
    storages="any",
    self_checking=True,
)
def conv_steps(
    template: ConvTemplate, X: Any, W: Any, input_shape: Any, filter_shape: Any, stride: Any, padding: Any, *inputs: Any
) -> Any:
    """The result of the steps on conv2d(X, W, ...) and the inputs."""
    try:
        z = conv2d(X, W, input_shape, filter_shape, stride, padding)
    except DMLError as error:
        raise error.with_span(template.conv_span) from None
    at = template.position
    try:
        return fused.run(template, (), *inputs[:at], z, *inputs[at:])
    except DMLError as error:
        raise error.with_span(template.spans[-1]) from None

"""Use what `infer` knows: constants for known scalars, one branch for known conditions, no conversions that do nothing.

Copies of temporaries are passed on to their uses.
"""

from __future__ import annotations

from typing import Any

from pydml.builtins import registry
from pydml.ir.program import (
    Call,
    Const,
    For,
    Function,
    If,
    Op,
    Operand,
    ParFor,
    Program,
    Var,
    While,
    assigned_in,
    substitute,
    writes,
)
from pydml.types import SCALAR, UNKNOWN


def simplify(program: Program) -> None:
    """Simplify all functions.  Needs types."""
    for function in program.all_functions():
        simplify_function(function)


def simplify_function(function: Function) -> None:
    """Simplify one function.  Needs its types."""
    function.body = _block(function.body, {})


Copies = dict[str, Operand]


def _block(block: list[Any], copies: Copies) -> list[Any]:
    out: list[Any] = []
    for s in block:
        _statement(s, out, copies)
    return out


def _forget(copies: Copies, names: set[str]) -> None:
    for name in list(copies):
        source = copies[name]
        if name in names or (isinstance(source, Var) and source.name in names):
            del copies[name]


def _statement(s: Any, out: list[Any], copies: Copies) -> None:
    if isinstance(s, (Op, Call)):
        s.args = tuple(
            _constant(substitute(a, copies.get), t)
            for a, t in zip(s.args, s.arg_types or (None,) * len(s.args), strict=True)
        )
        if isinstance(s, Op):
            _operation(s)
        _forget(copies, writes(s))
        if isinstance(s, Op) and s.builtin.name == "=" and s.outs[0][:1] == "%":
            source = s.args[0]
            if isinstance(source, (Const, Var)):
                copies[s.outs[0]] = source
        out.append(s)
    elif isinstance(s, If):
        s.condition = _constant(substitute(s.condition, copies.get), s.condition_type)
        if isinstance(s.condition, Const) and not isinstance(s.condition.value, str):
            out += _block(s.then if s.condition.value else s.orelse, copies)
            return
        s.then = _block(s.then, dict(copies))
        s.orelse = _block(s.orelse, dict(copies))
        _forget(copies, assigned_in([s]))
        out.append(s)
    else:
        if isinstance(s, (For, ParFor)):
            s.start, s.stop = substitute(s.start, copies.get), substitute(s.stop, copies.get)
            if s.step is not None:
                s.step = substitute(s.step, copies.get)
            if isinstance(s, ParFor):
                s.options = {k: substitute(v, copies.get) for k, v in s.options.items()}
        _forget(copies, assigned_in([s]))
        if isinstance(s, While):
            s.test = _block(s.test, copies)
            s.condition = substitute(s.condition, copies.get)
        s.body = _block(s.body, dict(copies))
        out.append(s)


def _constant(operand: Operand, type: Any) -> Operand:
    """The operand, or the constant that it is known to be."""
    if isinstance(operand, Var) and type is not None and type.data == SCALAR and type.const is not None:
        return Const(type.const)
    return operand


def _operation(s: Op) -> None:
    if not s.out_types:
        return
    name = s.builtin.name
    if (
        len(s.out_types) == 1
        and s.out_types[0].const is not None
        and not s.builtin.effects
        and s.out_types[0].data == SCALAR
    ):
        _make_copy(s, Const(s.out_types[0].const))
    elif name in ("as parameter", "as result"):
        found, data, value = s.arg_types[0], s.args[1].value, s.args[2].value  # type: ignore[union-attr]
        fits = found.data == data and found.data != UNKNOWN
        if fits and (data != SCALAR or value in (UNKNOWN, found.value)):
            _make_copy(s, s.args[0])


def _make_copy(s: Op, source: Operand) -> None:
    s.builtin = registry.get("=")
    s.args = (source,)
    s.arg_types = s.out_types

"""Dead code, also across functions.

An operation whose results nobody reads is removed if it has no effects.  A function is specialised to the results that a
call uses: what only fed the others goes too, in the function and in those that it calls.  So the gradient with respect to
the images, which a training script never reads, is never computed.
"""

from __future__ import annotations

from typing import Any

from pydml.ir.liveness import Liveness
from pydml.ir.program import (
    Block,
    Call,
    For,
    Function,
    If,
    Op,
    Param,
    ParFor,
    Program,
    While,
    has_effects,
    walk,
)


def eliminate_dead_code(program: Program) -> None:
    """Remove dead operations and specialise functions to the results that are used."""
    _Eliminator(program).run()


class _Eliminator:
    def __init__(self, program: Program):
        self.program = program
        self.source = program.functions
        self.effectful = effectful_functions(program)
        self.done: dict[str, Function] = {}

    def run(self) -> None:
        program = self.program
        main = program.main
        main.body = self.clean(main.body, set(program.outputs))
        if program.library:
            for key, function in self.source.items():
                self.specialise(key, (True,) * len(function.outputs))
        self.rewrite_calls(main)
        program.functions = self.done

    def clean(self, body: Block, live_out: set[str]) -> Block:
        """Remove until nothing changes: an empty branch or loop makes its condition dead."""
        while True:
            liveness = Liveness(body, live_out, self.has_effects)
            body, changed = self.block(body, liveness)
            if not changed:
                return body

    def block(self, block: Block, liveness: Liveness) -> tuple[Block, bool]:
        out: Block = []
        changed = False
        for s in block:
            live = liveness.after[s]
            if isinstance(s, (Op, Call)):
                if not any(o in live for o in s.outs if o) and not self.has_effects(s):
                    changed = True
                    continue
                if isinstance(s, Call):  # results that nobody reads
                    outs = tuple(o if o in live else "" for o in s.outs)
                    changed |= outs != s.outs
                    s.outs = outs
            elif isinstance(s, If):
                s.then, a = self.block(s.then, liveness)
                s.orelse, b = self.block(s.orelse, liveness)
                changed |= a or b
                if not s.then and not s.orelse and s.condition_type.data == "scalar":
                    changed = True
                    continue
            elif isinstance(s, While):
                s.test, a = self.block(s.test, liveness)
                s.body, b = self.block(s.body, liveness)
                changed |= a or b
            elif isinstance(s, (For, ParFor)):
                s.body, a = self.block(s.body, liveness)
                changed |= a
                if not s.body and s.variable not in live and all(t.is_number for t in s.types[:2]):
                    changed = True
                    continue
            out.append(s)
        return out, changed

    def has_effects(self, s: Op | Call) -> bool:
        if isinstance(s, Call):
            return s.function in self.effectful
        return has_effects(s)

    # ---- specialisation

    def specialise(self, key: str, used: tuple[bool, ...]) -> str:
        """The key of function `key` reduced to the results that are used."""
        function = self.source[key]
        if all(used):
            new_key = key
        else:
            new_key = key + "%uses" + "".join("1" if u else "0" for u in used)
        if new_key in self.done:
            return new_key
        outputs = [Param(p.name, p.type, None, p.span) for p, u in zip(function.outputs, used, strict=True) if u]
        copy = Function(
            new_key,
            function.name,
            function.params,
            outputs,
            copy_block(function.body),
            function.file,
            function.span,
            function.doc,
            function.temporaries,
        )
        self.done[new_key] = copy
        copy.body = self.clean(copy.body, {p.name for p in outputs})
        self.rewrite_calls(copy)
        return new_key

    def rewrite_calls(self, function: Function) -> None:
        for s in walk(function.body):
            if isinstance(s, Call) and s.function in self.source:
                used = tuple(bool(o) for o in s.outs)
                types = s.out_types or ()
                s.function = self.specialise(s.function, used)
                if len(types) == len(used):
                    s.out_types = tuple(t for t, u in zip(types, used, strict=True) if u)
                s.outs = tuple(o for o in s.outs if o)


def effectful_functions(program: Program) -> set[str]:
    """Functions that print, write, stop, ..., directly or through others."""
    effectful = {
        f.key for f in program.functions.values() for s in walk(f.body) if isinstance(s, Op) and has_effects(s)
    }
    changed = True
    while changed:
        changed = False
        for f in program.functions.values():
            if f.key not in effectful and any(isinstance(s, Call) and s.function in effectful for s in walk(f.body)):
                effectful.add(f.key)
                changed = True
    return effectful


def copy_block(block: Block) -> Block:
    """A deep copy of statements; operands, which are immutable, are shared."""
    return [_copy(s) for s in block]


def _copy(s: Any) -> Any:
    if isinstance(s, Op):
        return Op(
            s.builtin,
            s.args,
            s.outs,
            s.span,
            s.arg_types,
            s.out_types,
            s.arg_spans,
            s.in_place,
            s.accumulates,
            s.inlined,
        )
    if isinstance(s, Call):
        return Call(s.function, s.args, s.outs, s.span, s.arg_types, s.out_types, s.inlined)
    if isinstance(s, If):
        return If(s.condition, copy_block(s.then), copy_block(s.orelse), s.span, s.condition_type)
    if isinstance(s, While):
        return While(copy_block(s.test), s.condition, copy_block(s.body), s.span, s.condition_type)
    if isinstance(s, For):
        return For(s.variable, s.start, s.stop, s.step, copy_block(s.body), s.span, s.types)
    assert isinstance(s, ParFor)
    return ParFor(
        s.variable,
        s.start,
        s.stop,
        s.step,
        copy_block(s.body),
        s.span,
        dict(s.options),
        s.outer,
        dict(s.results),
        s.dynamic_check,
        s.types,
    )

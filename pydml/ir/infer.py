"""Types and sizes of all operations, by the builtins' own rules; certain mistakes are reported.

A forward analysis over the structured program: at the end of branches types are joined, loops are repeated until
nothing changes.  Scalars whose value is known carry it, so that sizes given by constants are known, and a branch
whose condition is known to be false is not looked at.

What is reported: wrong data or value types anywhere; sizes, indexes and values that do not fit only where the operation
surely runs once its function does, since SystemDS accepts scripts with mistakes on paths that are never taken.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pydml.builtins.indexing import index_type
from pydml.diagnostics import Collector, DMLError, Frame
from pydml.ir.program import Call, Const, Function, If, Op, Operand, ParFor, Program, Var, While, walk
from pydml.types import ANY, INT_SCALAR, LIST, SCALAR, Type, scalar_type
from pydml.values.typing import NULL

Env = dict[str, Type]

# Diagnostics that hold wherever the operation stands; the others depend on whether it runs.
_ALWAYS = frozenset({"argument-type", "type", "call", "not-supported"})

# Results of folding that would bloat the program are left to the run.
_MAX_TEXT = 10_000


def infer(program: Program) -> None:
    """Write arg_types and out_types into all operations of a program.  Raises DMLError with all mistakes found."""
    collector = Collector()
    deferred = Collector()
    for function in program.all_functions():
        # a builtin that SystemDS delivers with a mistake is of use where the mistake is not reached; its callers cannot mend it
        infer_function(function, program, deferred if function.of_builtin else collector)
    program.deferred = list(dict.fromkeys(deferred.diagnostics))
    program.variant_arguments.clear()  # they are chosen; passes replace the conversions
    collector.check()


def infer_function(function: Function, program: Program, collector: Collector | None = None) -> Env:
    """Infer one function; returns the types at its end."""
    env: Env = {p.name: p.type for p in function.params}
    return _Inference(program, function, collector or Collector()).block(function.body, env, certain=True)


def operand_type(operand: Operand, env: Env) -> Type:
    if isinstance(operand, Var):
        return env.get(operand.name, ANY)
    if isinstance(operand, Const):
        return NULL if operand.value is None else scalar_type(operand.value)
    types = [operand_type(item, env) for item in operand.items]
    values = tuple(t.const for t in types)
    return Type("shape", const=values if None not in values else None, rows=len(types))


class _Inference:
    def __init__(self, program: Program, function: Function, collector: Collector):
        self.program = program
        self.function = function
        self.collector = collector
        self.quiet = 0

    def block(self, block: list[Any], env: Env, certain: bool) -> Env:
        for statement in block:
            env = self.statement(statement, env, certain)
        return env

    def statement(self, s: Any, env: Env, certain: bool) -> Env:
        if isinstance(s, Op):
            self.op(s, env, certain)
        elif isinstance(s, Call):
            self.call(s, env)
        elif isinstance(s, If):
            return self.branch(s, env, certain)
        elif isinstance(s, While):
            return self.loop(s, s.test, s.body, env, {})
        else:
            s.types = tuple(operand_type(o, env) for o in (s.start, s.stop, s.step or Const(None)))
            variable = {s.variable: INT_SCALAR}
            after = self.loop(s, [], s.body, env, variable)
            if isinstance(s, ParFor):
                # variables of the body do not exist afterwards
                return {name: type for name, type in after.items() if name in env or name == s.variable}
            return after
        return env

    def branch(self, s: If, env: Env, certain: bool) -> Env:
        s.condition_type = self.predicate(operand_type(s.condition, env), s.span)
        known = s.condition_type.const
        if known is not None and not isinstance(known, str):
            return self.block(s.then if known else s.orelse, env, certain)
        then = self.block(s.then, dict(env), False)
        orelse = self.block(s.orelse, dict(env), False)
        return _join(then, orelse)

    def loop(self, s: Any, test: list[Any], body: list[Any], env: Env, variable: Env) -> Env:
        """The smallest types that hold before every iteration."""
        state = env
        self.quiet += 1
        for _ in range(20):
            after_test = self.block(test, {**state, **variable}, False)
            after = self.block(body, dict(after_test), False)
            joined = {k: v for k, v in _join(env, after, keep=True).items() if k not in variable}
            if joined == state:
                break
            state = joined
        else:  # types that keep changing: give up on them
            state = {name: (type if env.get(name) == type else ANY) for name, type in state.items()}
        self.quiet -= 1
        after_test = self.block(test, {**state, **variable}, False)
        if isinstance(s, While):
            s.condition_type = self.predicate(operand_type(s.condition, after_test), s.span)
        after = self.block(body, dict(after_test), False)
        return _join(after_test, after, keep=True)

    def predicate(self, type: Type, span: Any) -> Type:
        """The type of a condition; that of a mistake is unknown, so that it is checked where it runs."""
        if type.data not in (SCALAR, "unknown"):
            self.report_new(
                "type",
                f"the condition must be a scalar, got a {type}",
                span,
                "use as.scalar()" if type.is_matrix else "",
            )
        elif type.value == "string" and type.data == SCALAR:
            self.report_new("type", "the condition must be a boolean or a number, got a string", span, "")
        else:
            return type
        return ANY

    def report_new(self, id: str, message: str, span: Any, help: str) -> None:
        if not self.quiet:
            self.collector.add(id, message, span, help=help)

    def op(self, op: Op, env: Env, certain: bool) -> None:
        if id(op) in self.program.variant_arguments:
            self.choose_variant(op, env)
        types = tuple(operand_type(a, env) for a in op.args)
        op.arg_types = types
        try:
            outs = self.rule(op, types)
        except DMLError as error:
            if error.diagnostic.id in _ALWAYS or certain:
                self.report(error, op)
            outs = op.builtin.results
            if error.diagnostic.id in _ALWAYS:  # where that is not reported, the run checks all arguments
                op.arg_types, outs = (ANY,) * len(types), (ANY,) * len(outs)
            types = ()  # nothing to fold
        if len(outs) == 1 and outs[0].const is None and outs[0].data in (SCALAR, "unknown"):
            outs = (self.fold(op, types, outs[0]),)
        op.out_types = outs
        for name, type in zip(op.outs, outs, strict=False):
            if name:
                env[name] = type

    def choose_variant(self, op: Op, env: Env) -> None:
        """A call of a builtin with variants: the type of the first argument, which `op` converts, says what the call converts to."""
        target, conversions = self.program.variant_arguments[id(op)]
        variants = self.program.variants[target]
        function = self.program.functions[variants.get(_variant(operand_type(op.args[0], env)), target)]
        for conversion, p in zip(conversions, function.params, strict=False):
            if conversion is not None:
                declared = (Const(p.type.data), Const(p.type.value), Const(function.name), Const(p.name))
                conversion.args = (conversion.args[0], *declared)

    def writes_files(self) -> bool:
        """Whether the program writes files, so that what a file holds when it is read is not known before the run."""
        statements = (s for f in self.program.all_functions() for s in walk(f.body))
        return any(isinstance(s, Op) and "write" in s.builtin.effects for s in statements)

    def rule(self, op: Op, types: tuple[Type, ...]) -> tuple[Type, ...]:
        if "read" in op.builtin.effects and self.writes_files():
            types = tuple(t.without_const() if i == 0 else t for i, t in enumerate(types))
        if op.builtin.name == "[]" and len(op.args) == 5:  # X[i, j] is one row or column whatever i and j are
            op.builtin.signature.check_types(types)
            _, rl, ru, cl, cu = op.args
            X, *bounds = types
            return (index_type(X, *bounds, single_row=rl == ru, single_col=cl == cu),)  # type: ignore[misc,arg-type]
        return op.builtin.infer(types)

    def fold(self, op: Op, types: tuple[Type, ...], out: Type) -> Type:
        """The type with the value, where an operation on known scalars has no effects."""
        if op.builtin.effects or op.builtin.needs or not types:
            return out
        values = []
        for t in types:
            if t.const is None and t.data != "null":
                return out
            values.append(t.const)
        try:
            with np.errstate(all="ignore"):
                value = op.builtin.run(*values)
        except DMLError:
            return out  # reported when it runs
        if type(value) not in (int, float, bool, str) or (isinstance(value, str) and len(value) > _MAX_TEXT):
            return out
        return scalar_type(value)

    def call(self, call: Call, env: Env) -> None:
        types = tuple(operand_type(a, env) for a in call.args)
        call.arg_types = types
        variants = self.program.variants.get(call.function)
        if variants and types:
            call.function = variants.get(_variant(types[0]), call.function)
        function = self.program.functions.get(call.function)
        if function is None:
            call.out_types = (ANY,) * len(call.outs)
        else:
            call.out_types = tuple(p.type for p in function.outputs[: len(call.outs)])
        for name, type in zip(call.outs, call.out_types, strict=False):
            if name:
                env[name] = type

    def report(self, error: DMLError, op: Op) -> None:
        if self.quiet:
            return
        span = op.span
        if error.diagnostic.id == "argument-type" and op.arg_spans:
            for i, type in enumerate(op.arg_types[: len(op.arg_spans)]):
                p = op.builtin.signature.parameter_at(i)
                if type.data != "null" and not p.accepts(type):
                    span = op.arg_spans[i]
                    break
        # an inlined operation: the calls it came through, each in the function that the next one names
        callers = [name for name, _ in op.inlined[1:]] + [self.function.name or "the script"]
        stack = [Frame(name, call) for name, (_, call) in zip(callers, op.inlined, strict=False)]
        self.collector.catch(error.with_span(span, stack))


def _variant(first: Type) -> str:
    """The variant of a builtin written in DML that is for this type of its first argument."""
    return SCALAR if first.data == LIST else first.data


def _join(a: Env, b: Env, keep: bool = False) -> Env:
    """Types after two paths.  A variable of one path only keeps its type there (it may be unassigned on the other)."""
    result: Env = {}
    for name, type in a.items():
        other = b.get(name)
        result[name] = type.without_const() if other is None else type.join(other)
    for name, type in b.items():
        if name not in a:
            result[name] = type.without_const()
    return result

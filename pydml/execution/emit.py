"""Programs to Python code: each DML function becomes a Python function.

The tree is made of `ast` nodes whose positions are those of the DML text, and is compiled with the DML file's name, so
that tracebacks, debuggers and profilers show DML lines.  An operation that was inlined from another place carries a
column of at least `INLINED`, which stands for an entry in `Code.places`.

This module writes functions, statements and calls.  Scalar arithmetic whose types are known becomes Python operators
(`emit_scalars`), and so do single cells and elements of lists (`emit_elements`).  A temporary that is used once becomes part
of the expression that uses it (`emit_nodes`); a matrix that is not needed any more is released.
"""

from __future__ import annotations

import ast
from typing import Any

from pydml.diagnostics import SourceFile
from pydml.execution.code import Code, python_name
from pydml.execution.emit_elements import OF_ELEMENTS, Elements
from pydml.execution.emit_nodes import Pending
from pydml.execution.emit_scalars import IN_ORDER, Scalars
from pydml.execution.loops import Site, may_qualify
from pydml.ir.liveness import Liveness
from pydml.ir.program import (
    Call,
    Const,
    For,
    If,
    Op,
    Operand,
    ParFor,
    Program,
    Var,
    While,
    assigned_in,
    count_writes,
    mentioned_in,
    operands_of,
    reads,
    variables_in,
    writes,
)
from pydml.ir.ranges import find_ranges
from pydml.types import BOOLEAN, DOUBLE, INT, SCALAR, UNKNOWN, Type


def emit(program: Program) -> Code:
    """The Python code of a program."""
    code = Code([], {"": "_main"}, {}, {})
    taken: set[str] = {"_main"}
    for function in program.functions.values():
        name = base = "f_" + "".join(c if c.isalnum() else "_" for c in function.name)
        n = 1
        while name in taken:
            n += 1
            name = f"{base}_{n}"
        taken.add(name)
        code.names[function.key] = name
    by_file: dict[SourceFile, list[ast.stmt]] = {}
    liveness = {f.key: Liveness(f.body, program.read_after(f)) for f in program.all_functions()}
    ranges = find_ranges(program, liveness)
    for function in program.all_functions():
        emitter = _Emitter(program, function, code, liveness[function.key], ranges[function.key])
        by_file.setdefault(function.file, []).extend(emitter.function_def())
    for file, statements in by_file.items():
        module = ast.Module(statements, [])
        code.modules.append((file, module))
    return code


class _Emitter(Scalars, Elements):
    """The Python code of one DML function."""

    def __init__(self, *args: Any):
        super().__init__(*args)
        self.extra: list[ast.stmt] = []  # functions of parfor bodies
        self.rest: tuple[list[Any], int] = [], 0  # what comes after the statement
        self.within_site = False  # in a loop that the loop machine may run as a whole
        self.calls: set[str] = set()  # temporaries that wait and are calls of DML functions

    # ---- functions and blocks

    def function_def(self) -> list[ast.stmt]:
        f = self.function
        self.place(f.span)
        params = [python_name(p.name) for p in f.params]
        body = self.block(f.body)
        self.out = body
        self.place(f.span)
        if f.key:
            outputs = [self.load(python_name(p.name)) for p in f.outputs]
            if len(outputs) == 1:
                result: ast.expr | None = outputs[0]
            else:
                result = ast.Tuple(outputs, ast.Load(), **self.position)
            self.out.append(ast.Return(result, **self.position))
        else:
            names = tuple((n, python_name(n)) for n in self.program.outputs)
            picked = self.call_name("_pick", self.call_name("_locals"), self.constant(names))
            self.out.append(ast.Return(picked, **self.position))
        definition = self.define(self.code.names[f.key], params, self.out)
        return [*self.extra, definition]

    def define(self, name: str, params: list[str], body: list[ast.stmt]) -> ast.FunctionDef:
        arguments = ast.arguments(
            posonlyargs=[],
            args=[ast.arg("_ctx", **self.position), *(ast.arg(p, **self.position) for p in params)],
            kwonlyargs=[],
            kw_defaults=[],
            defaults=[],
        )
        extra: dict[str, Any] = {"type_params": []} if hasattr(ast, "TypeVar") else {}
        return ast.FunctionDef(name, arguments, body or [ast.Pass(**self.position)], [], **extra, **self.position)

    def block(self, block: list[Any]) -> list[ast.stmt]:
        saved_out, saved_pending, saved_certain = self.out, self.pending, set(self.certain)
        self.out, self.pending = [], {}
        self.statements(block)
        self.flush()
        result = self.out
        self.out, self.pending, self.certain = saved_out, saved_pending, saved_certain
        return result

    def statements(self, block: list[Any]) -> None:
        for k, statement in enumerate(block):
            self.rest = block, k + 1
            self.statement(statement)

    def statement(self, s: Any) -> None:
        if isinstance(s, Op):
            self.op(s)
            self.certain |= writes(s)
        elif isinstance(s, Call):
            self.dml_call(s)
            self.certain |= writes(s)
        elif isinstance(s, If):
            self.if_(s)
        elif isinstance(s, While):
            self.while_(s)
        elif isinstance(s, ParFor):
            self.parfor(s)
        else:
            self.for_(s)

    # ---- operations

    def op(self, s: Op) -> None:
        if s.builtin.name == "=" and s.args[0] == Var(s.outs[0]):
            return
        if s.builtin.name == "append" and s.outs[0] in self.taken:
            self.append(s)
            return
        if s.builtin.name == "[]=" and self.is_cell_write(s) and s.outs[0] in self.owned:
            self.write_cell(s)
            return
        read = self.reads_of(s.args)
        effects = bool(s.builtin.effects)
        if effects:  # keep the order of what is visible
            self.flush_others(reads(s))
        self.place(s.span, s.inlined)
        expression = self.expression(s)
        outs = [o for o in s.outs if o]
        # an expression with calls keeps its place
        calls = any(isinstance(a, Var) and a.name in self.calls for a in s.args)
        if len(s.outs) == 1 and outs and self.is_used_once(outs[0]) and not effects and not calls:
            self.pending[outs[0]] = Pending(expression, read)
            return
        self.flush(set(outs))
        self.bind(s.outs, expression, single=len(s.builtin.signature.results) <= 1)
        self.release(s, set(read) | set(outs))

    def bind(self, outs: tuple[str, ...], value: ast.expr, single: bool) -> None:
        if not any(outs):
            self.out.append(ast.Expr(value, **self.position))
        elif single:
            self.assign_wrapped(outs[0], value)
        else:
            self.stored.update(outs)
            targets = [self.store(python_name(o) if o else "_unused") for o in outs]
            target = ast.Tuple(targets, ast.Store(), **self.position)
            self.out.append(ast.Assign([target], value, **self.position))
            if "" in outs:  # do not keep it alive
                self.out.append(self.assignment("_unused", self.constant(None)))

    def expression(self, s: Op) -> ast.expr:
        name = s.builtin.name
        if name == "=":
            return self.operand(s.args[0])
        if name == "exists":
            return self.exists(s)
        if s.arg_types:
            scalar = self.scalar(s)
            if scalar is not None:
                return scalar
        if name in ("[]", "[]=") and len(s.args) >= 5:
            if s in self.cells:
                return self.cell(s)
            element = self.element(s) if name == "[]" else None
            if element is not None:
                return element
            if name == "[]=" and self.is_cell_write(s):
                return self.call_name("_owned_cell", *[self.operand(s.args[k]) for k in (0, 1, 3, 5)])
            self.flush_indexes(s)
        if name == "[]=" and s.in_place:
            args = [self.operand(a) for a in s.args]
            if s.outs[0] in self.recorded:
                return self.call_name("_assign_recorded", self.load("_ctx"), self.constant(s.outs[0]), *args)
            return self.call_name("_assign_shared" if s.outs[0] in self.shared else "_owned_assign", *args)
        if name == "as.scalar" and s.args[0] in self.cell_names:
            return self.operand(s.args[0])
        if name == "as.scalar" and s.args[0] in self.elements and s.out_types[0].value != UNKNOWN:
            return self.operand(s.args[0])
        if name in OF_ELEMENTS and self.unwrap(s):
            return self.operand(s.args[0]) if name == "as.list" else self.builtin_call(s)
        if name in ("nrow", "ncol") and s.arg_types and s.arg_types[0].is_matrix:
            shape = ast.Attribute(self.operand(s.args[0]), "shape", ast.Load(), **self.position)
            return ast.Subscript(shape, self.constant(0 if name == "nrow" else 1), ast.Load(), **self.position)
        if name == "length" and isinstance(s.args[0], Var) and s.args[0].name in self.taken:
            return self.call_name("_len", self.load(self.taken[s.args[0].name]))
        if name == "append" and s.args[0] == Var(s.outs[0]) and self.is_pushed(s):
            items, value = self.operands(s)
            return self.call_method(items, "push", value)
        call = self.builtin_call(s)
        return self.part(s, call) if name == "[]" else call

    def builtin_call(self, s: Op) -> ast.expr:
        b = s.builtin
        known = bool(s.arg_types) and all(
            t.data != UNKNOWN and not (t.data == SCALAR and t.value == UNKNOWN) for t in s.arg_types
        )
        mode = "run" if known or b.self_checking else "call"
        if mode == "run" and not b.checked and ("*",) in b.kernels and len(b.kernels) == 1:
            mode = "direct"  # one kernel for all storages, and sizes are its own matter
        function = self.builtin_name(b, mode)
        dying = self.dying(s) if b.name == "fused steps" else ()
        args = [self.operand(a) for a in s.args]
        if b.name == "fused steps":
            args[1] = self.constant(dying)
        if b.needs == "context":
            args.insert(0, self.load("_ctx"))
        elif b.needs == "dtype":
            args.insert(0, ast.Attribute(self.load("_ctx"), "dtype", ast.Load(), **self.position))
        return ast.Call(self.load(function), args, [], **self.position)

    def dying(self, s: Op) -> tuple[int, ...]:
        """Positions of inputs whose memory the result may take: nobody reads them afterwards."""
        live = self.liveness.after[s] - set(s.outs)
        names = [o.name if isinstance(o, Var) else None for o in s.args[2:]]
        waiting = {n for name, p in self.pending.items() if name not in names for n in p.reads}
        return tuple(
            k
            for k, name in enumerate(names)
            if name is not None and (name in self.pending or (name not in live and name not in waiting))
        )

    def exists(self, s: Op) -> ast.expr:
        assert isinstance(s.args[0], Var)
        value = self.call_method(self.call_name("_locals"), "get", self.constant(python_name(s.args[0].name)))
        return self.compare(value, ast.IsNot(), self.constant(None))

    # ---- calls of DML functions

    def dml_call(self, s: Call) -> None:
        self.flush_others(reads(s) | self.calls)
        read = set(self.reads_of(s.args))
        self.place(s.span, s.inlined)
        waits = self.may_wait(s, *self.rest)
        given = set() if waits else self.handed_over(s)
        args = [self.hand_over(a.name) if isinstance(a, Var) and a.name in given else self.operand(a) for a in s.args]
        read -= given
        call = self.call_name(self.code.names[s.function], self.load("_ctx"), *args)
        if waits:
            self.calls.add(s.outs[0])
            self.pending[s.outs[0]] = Pending(call, frozenset(read))
            return
        self.flush({o for o in s.outs if o})
        self.bind(s.outs, call, single=len(self.program.functions[s.function].outputs) == 1)
        self.release(s, read | {o for o in s.outs if o})

    def may_wait(self, s: Op | Call, block: list[Any], k: int) -> bool:
        """Whether the call can be written where its result is used, and still comes in the same order.

        That is so for `f(a) + g(b)`: up to the use only scalars are computed, for that expression, and the use takes them in order.
        """
        name = s.outs[0] if len(s.outs) == 1 else ""
        if not (self.is_used_once(name) and s.out_types and s.out_types[0].data == SCALAR):
            return False
        between: set[str] = set()
        calls: set[str] = set()
        while k < len(block):
            after = block[k]
            k += 1
            if not isinstance(after, (Op, Call)) or len(after.outs) != 1:
                return False
            used = reads(after)
            plain = isinstance(after, Op) and (
                after.builtin.name in IN_ORDER and len(after.args) == 2 and all(t.is_number for t in after.arg_types)
            )
            if name in used:
                before = set(variables_in(after.args[0])) - {name}
                return plain and not before & between
            if isinstance(after, Call):
                if not self.may_wait(after, block, k):
                    return False
                calls.add(after.outs[0])
            elif not plain or not self.is_used_once(after.outs[0]) or used & calls:
                return False  # an expression with calls is computed at its place
            between.add(after.outs[0])
        return False

    def is_used_once(self, name: str) -> bool:
        """Whether a variable is a temporary that may become part of the expression that uses it."""
        return "%" in name and self.uses.get(name, 0) == 1 and self.assignments[name] == 1 and name not in self.live_out

    def handed_over(self, s: Call) -> set[str]:
        """Matrices and lists that nobody reads after the call: the function alone holds them, and they die or change there."""
        live = self.liveness.after[s] - set(s.outs)
        once = [a.name for a in s.args if isinstance(a, Var) and a.name not in self.pending]
        others = [n for a in s.args if not isinstance(a, Var) or a.name in self.pending for n in self.reads_of((a,))]
        others += [n for p in self.pending.values() for n in p.reads]
        kept = live | set(others) | (self.live_out - set(s.outs)) | self.shared | self.owned
        return {n for n in once if once.count(n) == 1 and n in self.releasable and n not in kept}

    def hand_over(self, name: str) -> ast.expr:
        """`(x, x := None)[0]`: the value of a variable, which is let go before the call."""
        name = python_name(name)
        none = ast.NamedExpr(self.store(name), self.constant(None), **self.position)
        pair = ast.Tuple([self.load(name), none], ast.Load(), **self.position)
        return ast.Subscript(pair, self.constant(0), ast.Load(), **self.position)

    # ---- control flow

    def condition(self, operand: Operand, type: Type) -> ast.expr:
        expression = self.operand(operand)
        if type.data == SCALAR and type.value in (BOOLEAN, INT, DOUBLE):
            return expression
        return self.call_name("_truth", expression)

    def if_(self, s: If) -> None:
        self.flush_others(reads(s))
        self.place(s.span)
        test = self.condition(s.condition, s.condition_type)
        position = self.position
        touched = mentioned_in([s])
        then, orelse = self.block(s.then), self.block(s.orelse)
        self.position = position
        self.out.append(ast.If(test, then or [ast.Pass(**position)], orelse, **position))
        self.release(s, touched)

    def while_(self, s: While) -> None:
        self.flush()
        self.place(s.span)
        owned, taken = self.own(s), dict(self.taken)
        self.owned |= owned
        after = self.take(s)
        site = self.loop_site(s)
        saved, self.out = self.out, []
        self.statements(s.test)
        self.flush_others(reads(s))
        self.place(s.span)
        test = self.condition(s.condition, s.condition_type)
        before, self.out = self.out, saved
        position = self.position
        body = self.block(s.body)
        self.position = position
        if site is not None:
            self.within_site = False
            stop = ast.If(ast.UnaryOp(ast.Not(), test, **position), [ast.Break(**position)], [], **position)
            loop = self.while_with_site(site, [*before, stop, *body])
        elif before:
            stop = ast.If(ast.UnaryOp(ast.Not(), test, **position), [ast.Break(**position)], [], **position)
            loop = ast.While(self.constant(True), [*before, stop, *body], [], **position)
        else:
            loop = ast.While(test, body or [ast.Pass(**position)], [], **position)
        self.owned, self.taken = self.owned - owned, taken
        self.out += [loop, *after]
        self.release(s, mentioned_in([s]))

    def iterations(self, s: For | ParFor) -> ast.expr:
        bounds = [s.start, s.stop] + ([s.step] if s.step is not None else [])
        self.flush_others({n for o in bounds for n in variables_in(o)})
        self.place(s.span)
        args = [self.operand(o) for o in bounds]
        start, stop = self.ranges.args.get(s) or (None, None)
        if s.step is not None or start is None or stop is None:
            return self.call_name("_loop_range", *args)
        after = self.add_constant(args[1], 1)
        if start.high <= stop.low:
            return self.call_name("_range", args[0], after)
        if isinstance(args[0], ast.Constant) and isinstance(args[1], ast.Name):  # it counts down where n < 1
            up, any_way = self.call_name("_range", args[0], after), self.call_name("_loop_range", *args)
            return ast.IfExp(self.compare(args[1], ast.GtE(), args[0]), up, any_way, **self.position)
        return self.call_name("_loop_range", *args)

    def for_(self, s: For) -> None:
        iterations = self.iterations(s)
        position = self.position
        owned, taken = self.own(s), dict(self.taken)
        self.owned |= owned
        before = len(self.out)
        after = self.take(s)
        if after and not all(isinstance(o, Const) for o in operands_of(s)):  # the bounds may be of these lists
            self.out.insert(before, self.assignment("_range_of_loop", iterations))
            iterations = self.load("_range_of_loop")
        site = self.loop_site(s)
        body = self.block(s.body)
        self.position = position
        self.owned, self.taken = self.owned - owned, taken
        target = self.store(python_name(s.variable))
        if site is None:
            self.out.append(ast.For(target, iterations, body or [ast.Pass(**position)], [], **position))
        else:
            self.within_site = False
            self.for_with_site(site, s, iterations, target, body)
        self.out += after
        self.release(s, mentioned_in([s]))

    # ---- the loop machine

    def loop_site(self, s: For | While) -> str | None:
        """The name of a loop that the loop machine may run as a whole, see `loops`; loops inside of it are not asked about."""
        if self.within_site or not may_qualify(s):
            return None
        if isinstance(s, While):
            inputs = self.liveness.before_block[id(s.test)] & mentioned_in([s])
        else:
            inputs = (self.liveness.before_block[id(s.body)] & mentioned_in(s.body)) - {s.variable}
        outputs = assigned_in([s]) & self.liveness.after[s]
        special = self.shared | self.recorded | self.taken.keys()
        if not inputs <= self.certain or (inputs | outputs) & special or any(o[0] == "%" for o in outputs):
            return None
        place = self.file.name, s.span.file.line_and_column(s.span.start)[0]
        site = Site(s, self.liveness, tuple(sorted(inputs)), tuple(sorted(outputs)), place)
        if isinstance(s, For) and all(isinstance(o, Const) and type(o.value) is int for o in (s.start, s.stop)):
            count = abs(s.stop.value - s.start.value) + 1  # type: ignore[union-attr]
            if s.step is None and count < site.least_iterations:
                return None
        self.within_site = True
        name = f"_loop_{len(self.code.loops) + 1}"
        self.code.loops[name] = site
        return name

    def ask_site(self, name: str, iterations: ast.expr) -> ast.expr:
        """`(_found := _loop_1(_ctx, iterations, (a, b))) is None`"""
        site = self.code.loops[name]
        values = ast.Tuple([self.load(python_name(i)) for i in site.inputs], ast.Load(), **self.position)
        call = self.call_name(name, self.load("_ctx"), iterations, values)
        found = ast.NamedExpr(self.store("_found"), call, **self.position)
        return self.compare(found, ast.Is(), self.constant(None))

    def take_found(self, name: str) -> list[ast.stmt]:
        """`(s, x) = _found`"""
        targets: list[ast.expr] = [self.store(python_name(o)) for o in self.code.loops[name].outputs]
        nothing = self.assignment("_found", self.constant(None))
        if not targets:
            return [nothing]
        target = ast.Tuple(targets, ast.Store(), **self.position)
        return [ast.Assign([target], self.load("_found"), **self.position), nothing]

    def for_with_site(self, name: str, s: For, iterations: ast.expr, target: ast.expr, body: list[ast.stmt]) -> None:
        """`if n < 100 or (_found := _loop_1(_ctx, range(1, n + 1), (x,))) is None: for i in ... else: (x,) = _found`"""
        p = self.position
        least = self.code.loops[name].least_iterations
        start, stop = self.ranges.args.get(s) or (None, None)
        known = isinstance(iterations, ast.Call) and all(isinstance(a, ast.Constant) for a in iterations.args)
        simple = isinstance(s.start, Const) and isinstance(s.stop, Var) and s.stop.name[0] != "%" and s.step is None
        if simple and start is not None and stop is not None:  # quicker than the length of a range
            last = self.load(python_name(s.stop.name))  # type: ignore[union-attr]
            few = self.compare(last, ast.Lt(), self.constant(s.start.value + least - 1))  # type: ignore[union-attr]
        else:
            self.out.append(self.assignment("_iterations" + name, iterations))
            iterations = self.load("_iterations" + name)
            few = self.compare(self.call_name("_len", iterations), ast.Lt(), self.constant(least))
        asked = self.ask_site(name, iterations)
        test = asked if known else ast.BoolOp(ast.Or(), [few, asked], **p)  # few constant ones have no site
        loop = ast.For(target, iterations, body or [ast.Pass(**p)], [], **p)
        self.out.append(ast.If(test, [loop], self.take_found(name), **p))

    def while_with_site(self, name: str, body: list[ast.stmt]) -> ast.While:
        """Some iterations in Python, then the site is asked, and so on.

        while True:
            for _unused in _repeat(None, 100):
                if not test: break
                ...
            else:
                if (_found := _loop_1(_ctx, None, (x,))) is None: continue
                (x,) = _found
            break
        """
        p = self.position
        some = self.call_name("_repeat", self.constant(None), self.constant(self.code.loops[name].least_iterations))
        asked = ast.If(self.ask_site(name, self.constant(None)), [ast.Continue(**p)], [], **p)
        part = ast.For(self.store("_unused"), some, body, [asked, *self.take_found(name)], **p)
        return ast.While(self.constant(True), [part, ast.Break(**p)], [], **p)

    def parfor(self, s: ParFor) -> None:
        """The body becomes a function of the iteration variable and of the variables it needs."""
        iterations = self.iterations(s)
        position = self.position
        live = set(self.liveness.before_block[id(s.body)])
        results = sorted(s.results)
        inside = count_writes(s.body)
        before = {n for n in live if n in self.certain or self.assignments.get(n, 0) > inside.get(n, 0)}
        inputs = sorted((before | set(results)) - {s.variable})
        uncertain = [n for n in inputs if n not in self.certain]
        name = f"_parfor_{len(self.code.parfors) + 1}"
        self.code.parfors[name] = s
        scope, self.scope = self.scope, name
        outer, self.shared = self.shared, self.shared | frozenset(results)
        outer_recorded, self.recorded = self.recorded, self.recorded | s.dynamic_check
        outer_live_out, self.live_out = self.live_out, set(results)
        outer_certain, self.certain = self.certain, set(inputs) - set(uncertain) | {s.variable}
        body = self.block(s.body)
        self.certain, self.scope = outer_certain, scope
        self.shared, self.recorded, self.live_out = outer, outer_recorded, outer_live_out
        self.position = position
        found = [self.value_if_any(r) if r in uncertain else self.load(python_name(r)) for r in results]
        body.append(ast.Return(ast.Tuple(found, ast.Load(), **position), **position))
        params = [python_name(s.variable), *(python_name(i) for i in inputs)]
        for n in reversed(uncertain):  # a variable without a value stays so: reading it is the error, not passing it
            body.insert(0, self.unset_if_missing(n))
        values = [self.value_if_any(i) if i in uncertain else self.load(python_name(i)) for i in inputs]
        self.extra.append(self.define(name, params, body))
        options = ast.Dict(
            [self.constant(k) for k in s.options], [self.operand(o) for o in s.options.values()], **position
        )
        last = s.variable in self.liveness.after[s]
        if last:
            ranged = f"_iterations_{len(self.code.parfors)}"
            self.out.append(self.assignment(ranged, iterations))
            iterations = self.load(ranged)
        call = self.call_name(
            "_run_parfor",
            self.load("_ctx"),
            self.load(name),
            self.constant(name),
            iterations,
            options,
            ast.Tuple(values, ast.Load(), **position),
            self.constant(tuple(inputs)),
            self.constant(tuple(sorted(self.shared & set(results)))),
        )
        if results:
            target = ast.Tuple([self.store(python_name(r)) for r in results], ast.Store(), **position)
            self.out.append(ast.Assign([target], call, **position))
            self.out += [self.unset_if_missing(r) for r in results if r in uncertain]
        else:
            self.out.append(ast.Expr(call, **position))
        if last:
            value = ast.Subscript(self.load(ranged), self.constant(-1), ast.Load(), **position)
            assign = self.assignment(python_name(s.variable), value)
            self.out.append(ast.If(self.load(ranged), [assign], [], **position))
        self.release(s, mentioned_in([s]) - {s.variable} - (assigned_in(s.body) - set(inputs)))

    def unset_if_missing(self, name: str) -> ast.stmt:
        """`if name is _missing: del name`."""
        position = self.position
        missing = self.compare(self.load(python_name(name)), ast.Is(), self.load("_missing"))
        unset = ast.Delete([ast.Name(python_name(name), ast.Del(), **position)], **position)
        return ast.If(missing, [unset], [], **position)

    def value_if_any(self, name: str) -> ast.expr:
        """The value of a variable, or `_missing`."""
        return self.call_method(
            self.call_name("_locals"), "get", self.constant(python_name(name)), self.load("_missing")
        )

"""Syntax trees to a `Program`: names bound, arguments in order, each operator, index and call one operation.

Reports undefined variables and functions, and calls that do not fit a signature, for all functions, also those that are
never called.  Types are left to `infer`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from pydml.builtins import registry
from pydml.builtins.registry import Builtin
from pydml.diagnostics import Collector, DMLError, Span, fail
from pydml.ir.imports import MAIN, Imports
from pydml.ir.program import Call, Const, For, Function, If, Op, Operand, Pack, Param, ParFor, Program, Var, While
from pydml.signature import REQUIRED, Parameter, Signature, suggest
from pydml.syntax import ast, hint_for_function, hint_for_name
from pydml.types import UNKNOWN, Type

# A script builtin's file may define one variant per data type of the first argument.
VARIANTS = {"m_": "matrix", "f_": "frame", "s_": "scalar"}

_PARFOR_OPTIONS = "check par mode taskpartitioner tasksize datapartitioner resultmerge opt log profile".split()


def build(
    imports: Imports,
    params: Mapping[str, Any],
    inputs: Mapping[str, Type],
    outputs: tuple[str, ...] | None = None,
    used_params: set[str] | None = None,
) -> Program:
    """The program of the main script of `imports`.

    params: values of `$name`, by name.  inputs: variables that have a value before the script starts.  outputs: variables
    that the caller wants.  used_params: collects the names of the parameters that the script mentions.
    """
    builder = _Builder(imports, params, used_params if used_params is not None else set())
    program = builder.program(inputs)
    if outputs is not None:
        known = builder.main_variables
        for name in outputs:
            if name not in known:
                fail("undefined-name", f"the script does not assign the output {name}", help=suggest(name, known))
        program.outputs = tuple(outputs)
    else:
        program.outputs = tuple(sorted(builder.main_variables))
    return program


class _Builder:
    def __init__(self, imports: Imports, params: Mapping[str, Any], used_params: set[str]):
        self.imports = imports
        self.params = params
        self.used_params = used_params
        self.collector = Collector()
        self.functions: dict[str, Function] = {}
        self.definitions: dict[str, tuple[str, ast.FunctionDef]] = {}  # key -> (module key, definition)
        self.pending: list[str] = []
        self.script_builtins: dict[Path, str] = {}  # file -> key of its function
        self.main_variables: set[str] = set()
        self.variants: dict[str, dict[str, str]] = {}
        self.variant_arguments: dict[int, tuple[str, list[Op | None]]] = {}
        for key in list(imports.modules):
            self.declare(key)

    # ---- functions

    def declare(self, module_key: str) -> None:
        """Enter the functions of a module and everything it imports."""
        module = self.imports.modules[module_key]
        for definition in module.functions:
            key = function_key(module_key, definition.name)
            if key in self.definitions:
                self.collector.add(
                    "call", f"the function {definition.name} is defined twice in this file", definition.name_span
                )
            else:
                self.definitions[key] = (module_key, definition)
                self.pending.append(key)

    def program(self, inputs: Mapping[str, Type]) -> Program:
        module = self.imports.modules[MAIN]
        main = Function(
            key="",
            name="",
            params=[Param(name, type) for name, type in inputs.items()],
            outputs=[],
            body=[],
            file=module.file,
            span=Span(module.file, 0, 0),
            doc=module.doc,
        )
        scope = _Scope(self, main, MAIN, set(inputs))
        main.body = scope.block(
            [s for s in module.statements if not isinstance(s, (ast.Source, ast.SetWd, ast.FunctionDef))]
        )
        self.main_variables = {n for n in scope.defined if n[0] != "%"}
        while self.pending:
            self.function(self.pending.pop(0))
        self.collector.check()
        program = Program(main, self.functions)
        program.variants = self.variants
        program.variant_arguments = self.variant_arguments
        program.eval_functions = {d.name: k for k, (m, d) in self.definitions.items() if m == MAIN}
        for key, (module_key, definition) in self.definitions.items():
            for prefix in {module_key, *self.written_prefixes(module_key)}:
                program.eval_functions.setdefault(f"{prefix}::{definition.name}", key)
        # the builtins written in DML share a namespace, in which they may call their helpers by name
        written = {key.rpartition("::")[0] for key in self.script_builtins.values()}
        for key, (module_key, definition) in self.definitions.items():
            if module_key in written:
                program.eval_functions.setdefault(definition.name, key)
        return program

    def written_prefixes(self, module_key: str) -> list[str]:
        """The namespaces and paths by which the files of the program import this one."""
        return [
            text
            for key, namespaces in self.imports.namespaces.items()
            for statement in self.imports.modules[key].statements
            if isinstance(statement, ast.Source) and namespaces.get(statement.namespace) == module_key
            for text in (statement.namespace, statement.path)
        ]

    def function(self, key: str) -> None:
        module_key, definition = self.definitions[key]
        function = Function(
            key=key,
            name=definition.name,
            params=[Param(p.name, type_of(p.type), p.default, p.span) for p in definition.params],
            outputs=[Param(p.name, type_of(p.type), None, p.span) for p in definition.outputs],
            body=[],
            file=self.imports.modules[module_key].file,
            span=definition.span,
            doc=definition.doc,
            of_builtin=self.imports.is_builtin(module_key),
        )
        names: set[str] = set()
        for p in function.params:
            if p.name in names:
                self.collector.add("call", f"{function.name} has two parameters called {p.name}", p.span)
            names.add(p.name)
        scope = _Scope(self, function, module_key, names)
        function.body = scope.block(definition.body)
        for p in function.outputs:
            if p.name not in scope.defined:
                self.collector.add(
                    "unassigned",
                    f"{function.name} never assigns its result {p.name}",
                    p.span,
                    help=suggest(p.name, scope.defined),
                )
            else:
                _convert_result(function, p, definition.span)
        self.functions[key] = function
        if module_key == MAIN:
            self.default_functions(key, function)

    def default_functions(self, key: str, function: Function) -> None:
        """A function without parameters for each default that is not a literal, for callers from outside."""
        for p in function.params:
            if p.default is not None and not isinstance(p.default, ast.Literal):
                f = Function(
                    default_key(key, p.name),
                    function.name,
                    [],
                    [Param("value", p.type)],
                    [],
                    function.file,
                    p.default.span,
                )
                names = _names_in(p.default)
                f.params = [Param(o.name, o.type) for o in function.params if o.name in names and o is not p]
                scope = _Scope(self, f, MAIN, {o.name for o in f.params})
                scope.expression(p.default, "value")
                f.body = scope.out
                self.functions[f.key] = f

    def signature(self, key: str) -> Signature:
        _, definition = self.definitions[key]
        params = tuple(
            Parameter(p.name, (_signature_type(p.type),), p.default if p.default is not None else REQUIRED)
            for p in definition.params
        )
        results = tuple((p.name, _signature_type(p.type)) for p in definition.outputs)
        return Signature(definition.name, params, results)

    def resolve(self, module_key: str, call: ast.Call) -> Builtin | str:
        """The builtin or the key of the DML function that a call means."""
        name = call.function
        if call.namespace is not None:
            namespaces = self.imports.namespaces[module_key]
            if call.namespace not in namespaces:
                fail(
                    "undefined-function",
                    f"there is no namespace {call.namespace} in this file",
                    call.function_span,
                    help=suggest(call.namespace, namespaces) or f'import it: source("...") as {call.namespace}',
                )
            target = namespaces[call.namespace]
            key = function_key(target, name)
            if key not in self.definitions:
                known = [d.name for m, d in self.definitions.values() if m == target]
                fail(
                    "undefined-function",
                    f"there is no function {name} in {self.imports.modules[target].file.name}",
                    call.function_span,
                    help=suggest(name, known),
                )
            return key
        key = function_key(module_key, name)
        if key in self.definitions:
            return key
        found = registry.lookup(name)
        if found is not None:
            return found
        script = self.script_builtin(name, module_key)
        if script is not None:
            return script
        local = [d.name for m, d in self.definitions.values() if m == module_key]
        fail(
            "undefined-function",
            f"there is no function {name}",
            call.function_span,
            help=suggest(name, [*local, *registry.names(), *self.script_builtin_names()]) or hint_for_function(name),
        )

    def script_builtin(self, name: str, module_key: str) -> str | None:
        """The key of a builtin written in DML, as a file sees it: `builtin/<name>.dml` in a folder of scripts."""
        path = find_script_builtin(name, self.imports.roots(module_key))
        if path is None:
            return None
        if path not in self.script_builtins:
            known = set(self.imports.modules)
            found = self.imports.add_file(path, str(path))
            for key in list(self.imports.modules):
                if key not in known:
                    self.declare(key)
            variants = {
                data: function_key(found, prefix + name)
                for prefix, data in VARIANTS.items()
                if function_key(found, prefix + name) in self.definitions
            }
            if not variants:
                fail("undefined-function", f"{path} does not define m_{name}, f_{name} or s_{name}")
            first = next(iter(variants.values()))
            self.script_builtins[path] = first
            # a call is bound before the types are known: variants take the same arguments
            count = len(self.definitions[first][1].params)
            variants = {d: key for d, key in variants.items() if len(self.definitions[key][1].params) == count}
            if len(variants) > 1:
                self.variants[first] = variants
        return self.script_builtins[path]

    def script_builtin_names(self) -> list[str]:
        names = set()
        for root in self.imports.search:
            names |= {p.stem for p in Path(root, "builtin").glob("*.dml")}
        return sorted(names)


class _Default:
    """An argument that was not given: the parameter's default."""

    def __init__(self, expression: Any):
        self.expression = expression


class _Scope:
    """Lowers the statements of one function.

    defined: variables that may have a value at this point.  certain: those that surely have.
    """

    def __init__(self, builder: _Builder, function: Function, module_key: str, defined: set[str]):
        self.builder = builder
        self.function = function
        self.module_key = module_key
        self.defined = set(defined)
        self.certain = set(defined)
        self.out: list[Any] = []
        self.aliases: dict[str, Operand] = {}  # in a default: parameters, by what they got

    # ---- statements

    def block(self, statements: Any) -> list[Any]:
        saved, self.out = self.out, []
        for statement in statements:
            try:
                self.statement(statement)
            except DMLError as error:
                self.builder.collector.catch(error)
                for name in _assigned_names(statement):  # do not report it again at each use
                    self.define(name)
        result, self.out = self.out, saved
        return result

    def define(self, name: str) -> None:
        self.defined.add(name)
        self.certain.add(name)

    def statement(self, s: ast.Statement) -> None:
        getattr(self, "do_" + type(s).__name__)(s)

    def do_Assign(self, s: ast.Assign) -> None:
        if isinstance(s.target, ast.Index):
            self.assign_indexed(s.target, s.value, s.accumulate, s.span)
            return
        name = s.target.id
        if s.accumulate:
            self.require(name, s.target.span)
            value = self.expression(s.value)
            op = self.emit("+", (Var(name), value), name, s.span, (s.target.span, s.value.span))
            op.accumulates = True
        else:
            self.expression(s.value, name)
        self.define(name)

    def assign_indexed(self, target: ast.Index, value: ast.Expr, accumulate: bool, span: Span) -> None:
        name = target.target.id
        self.require(name, target.target.span)
        index = self.index_operands(target)
        operand = self.expression(value)
        if accumulate:
            old = self.emit("[]", (Var(name), *index), None, target.span)
            new = self.emit("+", (Var(old.outs[0]), operand), None, span)
            new.accumulates = True
            operand = Var(new.outs[0])
        self.emit("[]=", (Var(name), *index, operand), name, target.span, (target.target.span,) * 5 + (value.span,))
        self.define(name)

    def do_MultiAssign(self, s: ast.MultiAssign) -> None:
        names = []
        for target in s.targets:
            if not isinstance(target, ast.Name):
                fail(
                    "syntax",
                    "the targets of a multi-assignment must be plain variables",
                    target.span,
                    help="assign to a variable first, then to the cells",
                )
            names.append(target.id)
        self.call(s.call, names, s.call.span)
        for name in names:
            self.define(name)

    def do_CallStatement(self, s: ast.CallStatement) -> None:
        # SystemDS rejects a call whose results are dropped; it is harmless
        self.call(s.call, [], s.span)

    def do_If(self, s: ast.If) -> None:
        first = len(self.out)
        condition = self.expression(s.condition)
        for op in self.out[first:]:
            if isinstance(op, Op):
                op.tests = True
        defined, certain = set(self.defined), set(self.certain)
        then = self.block(s.then)
        defined_then, certain_then = self.defined, self.certain
        self.defined, self.certain = set(defined), set(certain)
        orelse = self.block(s.orelse)
        self.defined |= defined_then
        self.certain &= certain_then
        self.out.append(If(condition, then, orelse, s.condition.span))

    def do_While(self, s: ast.While) -> None:
        saved, self.out = self.out, []
        condition = self.expression(s.condition)
        test, self.out = self.out, saved
        certain = set(self.certain)
        body = self.block(s.body)
        self.certain = certain
        self.out.append(While(test, condition, body, s.condition.span))

    def do_For(self, s: ast.For) -> None:
        start, stop = self.expression(s.start), self.expression(s.stop)
        step = self.expression(s.step) if s.step is not None else None
        span = s.variable.span.to(s.step.span if s.step is not None else s.stop.span)
        options: dict[str, Operand] = {}
        for option in s.options:
            if option.name not in _PARFOR_OPTIONS:
                fail(
                    "call",
                    f"parfor has no option {option.name}",
                    option.span,
                    help=suggest(option.name or "", _PARFOR_OPTIONS),
                )
            if isinstance(option.value, ast.Name) and option.value.id not in self.defined:
                options[option.name] = Const(option.value.id)  # mode=LOCAL and the like: taken as text
            else:
                options[option.name] = self.expression(option.value)
        defined, certain = set(self.defined), set(self.certain)
        self.define(s.variable.id)
        body = self.block(s.body)
        self.certain = certain
        if s.parallel:
            self.defined = defined | {s.variable.id}
            self.out.append(ParFor(s.variable.id, start, stop, step, body, span, options, frozenset(defined)))
        else:
            self.out.append(For(s.variable.id, start, stop, step, body, span))

    # ---- expressions

    def require(self, name: str, span: Span) -> None:
        if name not in self.defined:
            hint = suggest(name, {n for n in self.defined if n[0] != "%"})
            if not hint:
                hint = hint_for_name(name)
            if not hint and name in self.builder.main_variables and self.function.key:
                hint = "a function does not see the variables of the main script: pass it as an argument"
            fail("undefined-name", f"{name} has no value here", span, help=hint)

    def expression(self, e: ast.Expr, out: str | None = None) -> Operand:
        """Lower an expression; the result goes to variable `out` if given."""
        result = getattr(self, "eval_" + type(e).__name__)(e, out)
        if out is not None and not (isinstance(result, Var) and result.name == out):
            self.emit("=", (result,), out, e.span, (e.span,))
            return Var(out)
        return result

    def eval_Literal(self, e: ast.Literal, out: str | None) -> Operand:
        return Const(e.value)

    def eval_Name(self, e: ast.Name, out: str | None) -> Operand:
        self.require(e.id, e.span)
        # the value now, not the one that the variable has when the operation runs
        return self.aliases.get(e.id, Var(e.id))

    def eval_Param(self, e: ast.Param, out: str | None) -> Operand:
        self.builder.used_params.add(e.name)
        if not self.has_param(e.name):
            fail(
                "parameter",
                f"the parameter ${e.name} has no value",
                e.span,
                help=suggest(e.name, self.builder.params)
                or (
                    "pass it with -args"
                    if e.name.isdigit()
                    else f"pass it with -nvargs {e.name}=..., or give a default: ifdef(${e.name}, ...)"
                ),
            )
        return Const(self.builder.params[e.name])

    def has_param(self, name: str) -> bool:
        value = self.builder.params.get(name, "")
        return not (isinstance(value, str) and value == "")

    def eval_Ifdef(self, e: ast.Ifdef, out: str | None) -> Operand:
        self.builder.used_params.add(e.name)
        if self.has_param(e.name):
            return Const(self.builder.params[e.name])
        return self.expression(e.default, out)

    def eval_Unary(self, e: ast.Unary, out: str | None) -> Operand:
        operand = self.expression(e.operand)
        if e.op == "+":
            return operand
        name = "unary -" if e.op == "-" else e.op
        return Var(self.emit(name, (operand,), out, e.span, (e.operand.span,)).outs[0])

    def eval_Binary(self, e: ast.Binary, out: str | None) -> Operand:
        left, right = self.expression(e.left), self.expression(e.right)
        op = self.emit(e.op, (left, right), out, e.span, (e.left.span, e.right.span))
        return Var(op.outs[0])

    def eval_Bracket(self, e: ast.Bracket, out: str | None) -> Operand:
        return Pack(tuple(self.expression(item) for item in e.items))

    def eval_Index(self, e: ast.Index, out: str | None) -> Operand:
        self.require(e.target.id, e.target.span)
        index = self.index_operands(e)
        target = self.aliases.get(e.target.id, Var(e.target.id))
        return Var(self.emit("[]", (target, *index), out, e.span, (e.target.span,)).outs[0])

    def index_operands(self, e: ast.Index) -> tuple[Operand, ...]:
        """rl, ru, cl, cu; None for an open range."""
        operands: list[Operand] = []
        for r in e.ranges:
            lower = self.expression(r.lower) if r.lower is not None else Const(None)
            upper = self.expression(r.upper) if r.upper is not None else lower
            operands += [lower, upper]
        if len(e.ranges) == 1:
            operands += [Const(None), Const(None)]
        return tuple(operands)

    def eval_Call(self, e: ast.Call, out: str | None) -> Operand:
        result = self.call(e, [out] if out is not None else None, e.span)
        assert result is not None
        return result

    # ---- calls

    def call(self, e: ast.Call, outs: list[str] | None, span: Span) -> Operand | None:
        """Lower a call.  outs: names for the results, empty if they are not wanted; None: one temporary."""
        target = self.builder.resolve(self.module_key, e)
        if isinstance(target, Builtin):
            return self.builtin_call(target, e, outs, span)
        signature = self.builder.signature(target)
        results = _count_results(signature, outs, span)
        args = self.bind(e, signature, _Default)
        params = self.builder.definitions[target][1].params
        converted: list[Operand | None] = [None] * len(params)
        for position, (operand, p) in enumerate(zip(args, params, strict=True)):
            if not isinstance(operand, _Default):
                place = next((a.value.span for a in e.args if a.name == p.name), e.span)
                if position < len(e.args) and e.args[position].name is None:
                    place = e.args[position].value.span
                converted[position] = self.as_parameter(operand, p, signature.name, place)
        for position, (operand, p) in enumerate(zip(args, params, strict=True)):
            if isinstance(operand, _Default):
                known = {q.name: o for q, o in zip(params, converted, strict=True) if o is not None}
                value = self.lower_default(operand.expression, target, known)
                converted[position] = self.as_parameter(value, p, signature.name, e.span)
        if target in self.builder.variants:
            made = {s.outs[0]: s for s in self.out if isinstance(s, Op) and s.builtin.name == "as parameter"}
            conversions = [made.get(o.name) if isinstance(o, Var) else None for o in converted]
            if conversions and conversions[0] is not None:
                self.builder.variant_arguments[id(conversions[0])] = (target, conversions)
        names = [self.function.temporary()] if outs is None else list(outs)
        names += [""] * (results - len(names))
        self.out.append(Call(target, tuple(o for o in converted if o is not None), tuple(names), span))
        return Var(names[0]) if results and names[0] else None

    def as_parameter(self, operand: Operand, p: ast.Parameter, function: str, place: Span) -> Operand:
        """The operand with the declared type of the parameter."""
        type_ = type_of(p.type)
        if type_.data == UNKNOWN:
            return operand
        declared = (Const(type_.data), Const(type_.value), Const(function), Const(p.name))
        return Var(self.emit("as parameter", (operand, *declared), None, place, (place,) * 5).outs[0])

    def lower_default(self, default: Any, key: str, known: dict[str, Operand]) -> Operand:
        """The default of a parameter of function `key`, in the names of its own file and of the parameters that are `known`."""
        if not isinstance(default, ast.Expr):
            return Const(default)
        scope = _Scope(self.builder, self.function, self.builder.definitions[key][0], set(known))
        scope.aliases = known
        scope.out = self.out
        return scope.expression(default)

    def bind(self, e: ast.Call, signature: Signature, default: Any) -> list[Operand]:
        takes_items = any(p.kind == "items" for p in signature.params)
        positional: list[Operand] = []
        named: list[tuple[str, Operand, Span]] = []
        items: list[Operand] = []
        for position, a in enumerate(e.args):
            value = self.expression(a.value)
            if takes_items:
                items += [Const(a.name), value]
            elif a.name is not None:
                named.append((a.name, value, Span(a.span.file, a.span.start, a.span.start + len(a.name))))
            elif named:
                given = {p.name for p in signature.params[: len(positional)]} | {name for name, _, _ in named}
                before = {p.name for p in signature.params[:position]}
                if given != before or position >= len(signature.params):
                    fail("call", f"{signature.name}: a positional argument after a named one", a.span)
                named.append((signature.params[position].name, value, a.span))  # it stands at its place
            else:
                positional.append(value)
        if default is Const and positional and _by_position(signature, e.args):
            positional, named = [*positional, *(value for _, value, _ in named)], []
        return items if takes_items else signature.bind(positional, named, e.span, default)

    def builtin_call(self, target: Builtin, e: ast.Call, outs: list[str] | None, span: Span) -> Operand | None:
        if target.name == "exists":
            return self.exists(e, outs)
        results = _count_results(target.signature, outs, span)
        args = self.bind(e, target.signature, Const)
        names = [self.function.temporary()] if outs is None else list(outs)
        names += [""] * (results - len(names))
        spans = _argument_spans(e, target.signature, len(args))
        self.out.append(Op(target, tuple(args), tuple(names), span, arg_spans=spans))
        return Var(names[0]) if names and names[0] else None

    def exists(self, e: ast.Call, outs: list[str] | None) -> Operand:
        """`exists(v)` and `exists("v")`: decided here where possible, else while running."""
        if len(e.args) != 1:
            fail("call", f"exists: one argument expected, {len(e.args)} given", e.span)
        argument = e.args[0].value
        if isinstance(argument, ast.Name):
            self.require(argument.id, argument.span)
            name = argument.id
        elif isinstance(argument, ast.Literal) and isinstance(argument.value, str):
            name = argument.value
        else:
            fail("not-supported", "exists: the argument must be a variable or the name of one in quotes", argument.span)
        out = outs[0] if outs else self.function.temporary()
        if name in self.certain or name not in self.defined:
            self.emit("=", (Const(name in self.certain),), out, e.span)
        else:
            self.out.append(Op(registry.get("exists"), (Var(name),), (out,), e.span))
        return Var(out)

    def emit(
        self, name: str, args: tuple[Operand, ...], out: str | None, span: Span, arg_spans: tuple[Span, ...] = ()
    ) -> Op:
        op = Op(registry.get(name), args, (out or self.function.temporary(),), span, arg_spans=arg_spans)
        self.out.append(op)
        return op


def find_script_builtin(name: str, roots: Sequence[Path]) -> Path | None:
    """The file of a builtin written in DML, or None."""
    return next((path for root in roots if (path := Path(root, "builtin", name + ".dml")).is_file()), None)


def function_key(module_key: str, name: str) -> str:
    return f"{module_key}::{name}"


def default_key(key: str, parameter: str) -> str:
    """Key of the function that computes the default of a parameter."""
    return f"{key}%default%{parameter}"


def type_of(name: ast.TypeName) -> Type:
    """The declared type of a parameter or result."""
    if name.data == "scalar":
        return Type("scalar", name.value)
    if name.data == "matrix":
        return Type("matrix", "double")
    return Type(name.data)


def _signature_type(name: ast.TypeName) -> str:
    if name.data == "scalar":
        return name.value if name.value in ("int", "double", "boolean", "string") else "scalar"
    return name.data if name.data in ("matrix", "frame", "list") else "any"


def _convert_result(function: Function, p: Param, span: Span) -> None:
    """Results have their declared type: an int result declared double becomes a double."""
    if p.type.data == UNKNOWN:
        return
    function.body.append(
        Op(
            registry.get("as result"),
            (Var(p.name), Const(p.type.data), Const(p.type.value), Const(function.name), Const(p.name)),
            (p.name,),
            p.span or span,
        )
    )


def _count_results(signature: Signature, outs: list[str] | None, span: Span) -> int:
    """How many results a function has; `outs` as in `_Scope.call`.  Raises DMLError where they do not suffice."""
    results = len(signature.results)
    if results == 0 and outs != []:
        fail("call", f"{signature.name} has no results, so there is nothing to assign", span)
    if outs is not None and len(outs) > results:
        fail(
            "call",
            f"{signature.name} has {results} result{'s' if results != 1 else ''}, but {len(outs)} variables are assigned",
            span,
            notes=[f"signature: {signature}"],
        )
    return results


def _by_position(signature: Signature, args: Sequence[ast.Arg]) -> bool:
    """Whether a builtin of plain arguments is called with other names than its parameters': `ifelse(c, 1, other = 2)`.

    SystemDS goes by position and does not look at the names.
    """
    known = {p.name for p in signature.params}
    plain = all(p.kind == "one" and p.default is REQUIRED for p in signature.params)
    return plain and len(args) == len(known) and any(a.name is not None and a.name not in known for a in args)


def _names_in(node: Any) -> set[str]:
    """The variables that an expression mentions."""
    if isinstance(node, ast.Name):
        return {node.id}
    if isinstance(node, tuple):
        return {name for item in node for name in _names_in(item)}
    if isinstance(node, ast.Node) and is_dataclass(node):
        return {name for f in fields(node) for name in _names_in(getattr(node, f.name))}
    return set()


def _argument_spans(e: ast.Call, signature: Signature, count: int) -> tuple[Span, ...]:
    """The place of each bound argument; that of the call for defaults."""
    spans = [e.span] * count
    star = next((i for i, p in enumerate(signature.params) if p.kind != "one"), None)
    names = {p.name: i for i, p in enumerate(signature.params)}
    position = 0
    for a in e.args:
        if a.name is None:
            i = position
            position += 1
        else:
            i = names.get(a.name, -1) if star is None or signature.params[star].kind == "star" else position
        if 0 <= i < count:
            spans[i] = a.value.span
    return tuple(spans)


def _assigned_names(statement: ast.Statement) -> list[str]:
    if isinstance(statement, ast.Assign):
        return [statement.target.id] if isinstance(statement.target, ast.Name) else []
    if isinstance(statement, ast.MultiAssign):
        return [t.id for t in statement.targets if isinstance(t, ast.Name)]
    return []

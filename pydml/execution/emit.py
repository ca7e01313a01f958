"""Programs to Python code: each DML function becomes a Python function.

The tree is made of `ast` nodes whose positions are those of the DML text, and is compiled with the DML file's name, so
that tracebacks, debuggers and profilers show DML lines.  An operation that was inlined from another place carries a
column of at least `INLINED`, which stands for an entry in `Code.places`.

Scalar arithmetic whose types are known becomes Python operators.  A temporary that is used once becomes part of the
expression that uses it; a matrix that is not needed any more is released.
"""

from __future__ import annotations

import ast
import keyword
import types
from dataclasses import dataclass, field
from typing import Any

from pydml.builtins.fused import Template
from pydml.builtins.registry import Builtin
from pydml.diagnostics import SourceFile, Span
from pydml.ir.liveness import Liveness
from pydml.ir.program import (
    Call,
    Const,
    For,
    Function,
    If,
    Op,
    Operand,
    Pack,
    ParFor,
    Program,
    Var,
    While,
    assigned_in,
    count_reads,
    count_writes,
    read_in,
    variables_in,
    walk,
    writes,
)
from pydml.ir.ranges import MAX, MIN, Ranges, find_ranges
from pydml.types import BOOLEAN, DOUBLE, INT, INT_SCALAR, SCALAR, STRING, Type

INLINED = 1 << 16


@dataclass
class Code:
    """What emission yields: a tree per source file, and what its names mean.

    modules: one Python module per DML file.  names: for each DML function key, the name of its Python function.
    builtins: global name -> (builtin, how it is called).  places: of inlined operations.
    """

    modules: list[tuple[SourceFile, ast.Module]]
    names: dict[str, str]
    builtins: dict[str, tuple[Builtin, str]]
    parfors: dict[str, ParFor]
    templates: dict[str, Template] = field(default_factory=dict)
    places: list[tuple[Span, tuple[tuple[str, Span], ...]]] = field(default_factory=list)

    def text(self) -> str:
        """The Python text, as `--explain=python` prints it."""
        steps = "".join(f"# {name}: {template!r}\n" for name, template in self.templates.items())
        return "\n\n".join(f"# {file.name}\n{ast.unparse(module)}" for file, module in self.modules) + "\n" + steps

    def compile(self) -> list[tuple[SourceFile, types.CodeType]]:
        return [(file, compile(module, file.name, "exec")) for file, module in self.modules]


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
    liveness = {f.key: Liveness(f.body, _outputs(program, f)) for f in program.all_functions()}
    ranges = find_ranges(program, liveness)
    for function in program.all_functions():
        emitter = _Emitter(program, function, code, liveness[function.key], ranges[function.key])
        by_file.setdefault(function.file, []).extend(emitter.function_def())
    for file, statements in by_file.items():
        module = ast.Module(statements, [])
        code.modules.append((file, module))
    return code


def _outputs(program: Program, function: Function) -> set[str]:
    """Variables that are read after the body of a function."""
    return {p.name for p in function.outputs} if function.key else set(program.outputs)


def python_name(name: str) -> str:
    """The Python name of a DML variable or temporary."""
    if "%" in name:  # a temporary (%3) or a variable of an inlined function (x%3); DML names do not start with _
        return "_" + name.replace("%", "_")
    return name + "_kw" if keyword.iskeyword(name) else name


# How an operator on scalars of known types is written.  Doubles: NumPy's rules of IEEE arithmetic hold for Python floats,
# except that division by zero raises.
_NUMERIC = (INT, DOUBLE)
_COMPARISONS = {"==": ast.Eq, "!=": ast.NotEq, "<": ast.Lt, "<=": ast.LtE, ">": ast.Gt, ">=": ast.GtE}
_DOUBLE_OPERATORS = {"+": ast.Add, "-": ast.Sub, "*": ast.Mult}
_SCALAR_FUNCTIONS = {
    ("-", INT): "int_sub",
    ("+", INT): "int_add",
    ("*", INT): "int_mul",
    ("%%", INT): "int_mod",
    ("%/%", INT): "int_idiv",
    ("/", INT): "divide",
    ("/", DOUBLE): "divide",
    ("^", INT): "power",
    ("^", DOUBLE): "power",
    ("%%", DOUBLE): "mod",
    ("%/%", DOUBLE): "idiv",
}


@dataclass
class _Pending:
    """A temporary's expression that waits for its only use."""

    expression: ast.expr
    reads: frozenset[str]
    simple: bool  # cheap and without side effects or errors
    op: Op | None


class _Emitter:
    def __init__(self, program: Program, function: Function, code: Code, liveness: Liveness, ranges: Ranges):
        self.program = program
        self.function = function
        self.code = code
        self.file = function.file
        self.position: dict[str, int] = {}
        self.out: list[ast.stmt] = []
        self.extra: list[ast.stmt] = []  # functions of parfor bodies
        self.pending: dict[str, _Pending] = {}
        self.uses = count_reads(function.body)
        self.assignments = count_writes(function.body)
        self.shared: frozenset[str] = frozenset()  # result variables of the parfor loops around
        self.recorded: frozenset[str] = frozenset()  # those of which the cells written are compared afterwards
        self.certain = {p.name for p in function.params}  # variables that have a value on every path to here
        self.live_out = _outputs(program, function)
        self.liveness = liveness
        self.ranges = ranges

    # ---- places

    def place(self, span: Span, inlined: tuple[tuple[str, Span], ...] = ()) -> None:
        """Set the position for the nodes that follow."""
        if inlined or span.file is not self.file:
            host = inlined[-1][1] if inlined else span
            self.code.places.append((span, inlined))
            column = INLINED + len(self.code.places) - 1
            line = host.line
            self.position = {"lineno": line, "col_offset": column, "end_lineno": line, "end_col_offset": column + 1}
            return
        line, column = span.file.line_and_column(span.start)
        end_line, end_column = span.file.line_and_column(span.end)
        self.position = {
            "lineno": line,
            "col_offset": column - 1,
            "end_lineno": end_line,
            "end_col_offset": end_column - 1,
        }

    def load(self, name: str) -> ast.expr:
        return ast.Name(name, ast.Load(), **self.position)

    def store(self, name: str) -> ast.expr:
        return ast.Name(name, ast.Store(), **self.position)

    def constant(self, value: Any) -> ast.expr:
        if isinstance(value, Template):
            name = f"_steps_{len(self.code.templates) + 1}"
            self.code.templates[name] = value
            return self.load(name)
        if type(value) is float and (value != value or value in (float("inf"), float("-inf"))):
            return self.load("_nan" if value != value else "_inf" if value > 0 else "_ninf")
        return ast.Constant(value, **self.position)

    def call_name(self, name: str, *args: ast.expr) -> ast.expr:
        return ast.Call(self.load(name), list(args), [], **self.position)

    def assign(self, name: str, value: ast.expr) -> None:
        self.out.append(ast.Assign([self.store(python_name(name))], value, **self.position))

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
        for statement in block:
            self.statement(statement)
        self.flush()
        result = self.out
        self.out, self.pending, self.certain = saved_out, saved_pending, saved_certain
        return result

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

    def flush(self, written: set[str] | None = None) -> None:
        """Assign waiting temporaries: all, or those that read a variable that is about to be written."""
        for name in list(self.pending):
            p = self.pending[name]
            if written is None or p.reads & written:
                del self.pending[name]
                target = ast.copy_location(ast.Name(python_name(name), ast.Store()), p.expression)
                self.out.append(ast.copy_location(ast.Assign([target], p.expression), p.expression))

    def release(self, s: Any, names: set[str]) -> None:
        """Drop variables that nobody reads after statement `s`: matrices and lists may be large."""
        live = self.liveness.after[s]
        waiting = {n for p in self.pending.values() for n in p.reads}
        dead = sorted(n for n in names if n not in live and n not in waiting and n in self.releasable)
        for name in dead:
            self.out.append(ast.Assign([self.store(python_name(name))], self.constant(None), **self.position))

    @property
    def releasable(self) -> set[str]:
        names = self.__dict__.get("_releasable")
        if names is None:
            names = self.__dict__["_releasable"] = _large_variables(self.function)
        return names

    # ---- operands

    def operand(self, operand: Operand) -> ast.expr:
        if isinstance(operand, Const):
            return self.constant(operand.value)
        if isinstance(operand, Pack):
            return ast.Tuple([self.operand(i) for i in operand.items], ast.Load(), **self.position)
        waiting = self.pending.pop(operand.name, None)
        if waiting is not None:
            return waiting.expression
        return self.load(python_name(operand.name))

    def reads_of(self, args: tuple[Operand, ...]) -> frozenset[str]:
        """Variables that an expression of these operands reads, those of waiting temporaries included."""
        names: set[str] = set()
        for a in args:
            for name in variables_in(a):
                names |= self.pending[name].reads if name in self.pending else {name}
        return frozenset(names)

    # ---- operations

    def op(self, s: Op) -> None:
        if s.builtin.name == "=" and s.args[0] == Var(s.outs[0]):
            return
        reads = self.reads_of(s.args)
        effects = bool(s.builtin.effects)
        if effects:  # keep the order of what is visible
            used = {n for a in s.args for n in variables_in(a)}
            for name in [n for n in self.pending if n not in used]:
                self.flush_one(name)
        self.place(s.span, s.inlined)
        position = self.position
        expression = self.expression(s)
        self.position = position
        outs = [o for o in s.outs if o]
        if (
            len(s.outs) == 1
            and outs
            and "%" in outs[0]
            and self.uses.get(outs[0], 0) == 1
            and self.assignments[outs[0]] == 1
            and not effects
            and outs[0] not in self.live_out
        ):
            self.pending[outs[0]] = _Pending(expression, reads, False, s)
            return
        self.flush(set(outs))
        self.position = position
        self.bind(s.outs, expression, single=len(s.builtin.signature.results) <= 1)
        self.release(s, set(reads) | set(outs))

    def flush_one(self, name: str) -> None:
        p = self.pending.pop(name)
        target = ast.copy_location(ast.Name(python_name(name), ast.Store()), p.expression)
        self.out.append(ast.copy_location(ast.Assign([target], p.expression), p.expression))

    def bind(self, outs: tuple[str, ...], value: ast.expr, single: bool) -> None:
        if not any(outs):
            self.out.append(ast.Expr(value, **self.position))
        elif single:
            self.assign(outs[0], value)
        else:
            targets = [self.store(python_name(o) if o else "_unused") for o in outs]
            target = ast.Tuple(targets, ast.Store(), **self.position)
            self.out.append(ast.Assign([target], value, **self.position))
            if "" in outs:  # do not keep it alive
                self.out.append(ast.Assign([self.store("_unused")], self.constant(None), **self.position))

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
        if name == "[]=" and s.in_place:
            args = [self.operand(a) for a in s.args]
            if s.outs[0] in self.recorded:
                return self.call_name("_assign_recorded", self.load("_ctx"), self.constant(s.outs[0]), *args)
            return self.call_name("_assign_shared" if s.outs[0] in self.shared else "_owned_assign", *args)
        if name == "as.scalar":
            cell = self.cell(s)
            if cell is not None:
                return cell
        return self.builtin_call(s)

    def builtin_call(self, s: Op) -> ast.expr:
        b = s.builtin
        known = bool(s.arg_types) and all(
            t.data != "unknown" and not (t.data == SCALAR and t.value == "unknown") for t in s.arg_types
        )
        mode = "run" if known or b.self_checking else "call"
        if mode == "run" and b.self_checking and ("*",) in b.kernels and len(b.kernels) == 1:
            mode = "direct"  # one kernel for all storages, which checks its arguments itself
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

    def builtin_name(self, b: Builtin, mode: str) -> str:
        text = _OPERATOR_NAMES.get(b.name) or "".join(c if c.isalnum() else "_" for c in b.name)
        name = f"_b_{text}" + {"run": "", "call": "_checked", "direct": "_direct", "scalar": "_scalar"}[mode]
        self.code.builtins[name] = (b, mode)
        return name

    def exists(self, s: Op) -> ast.expr:
        assert isinstance(s.args[0], Var)
        target = python_name(s.args[0].name)
        test = ast.Compare(
            ast.Call(
                ast.Attribute(self.call_name("_locals"), "get", ast.Load(), **self.position),
                [self.constant(target)],
                [],
                **self.position,
            ),
            [ast.IsNot()],
            [self.constant(None)],
            **self.position,
        )
        return test

    def cell(self, s: Op) -> ast.expr | None:
        """`as.scalar(X[i, j])` without the 1 x 1 matrix between."""
        argument = s.args[0]
        if not isinstance(argument, Var) or argument.name not in self.pending:
            return None
        index = self.pending[argument.name].op
        if index is None or index.builtin.name != "[]" or not index.arg_types or not index.arg_types[0].is_matrix:
            return None
        _, rl, ru, cl, cu = index.args
        if rl != ru or cl != cu or Const(None) in (rl, cl):
            return None
        expression = self.pending.pop(argument.name).expression
        assert isinstance(expression, ast.Call)
        matrix, i, _, j, _ = expression.args
        position = self.position
        self.place(index.span, index.inlined)
        result = self.call_name("_cell", matrix, i, j)
        self.position = position
        return result

    # ---- scalar arithmetic

    def scalar(self, s: Op) -> ast.expr | None:
        """Python operators for scalars whose types are known."""
        name, types_ = s.builtin.name, s.arg_types
        if name in ("as parameter", "as result") and types_[0] == INT_SCALAR and types_[2].const == DOUBLE:
            return self.call_name("_float", self.operand(s.args[0]))
        if any(t.data != SCALAR for t in types_):
            return None
        values = tuple(t.value for t in types_)
        if len(values) == 1:
            return self.unary(name, values[0], s)
        if len(values) != 2:
            return None
        a, b = values
        if a in _NUMERIC and b in _NUMERIC:
            return self.numeric(name, DOUBLE if DOUBLE in (a, b) else INT, s)
        if name in ("&", "|") and a == b == BOOLEAN:
            operator: ast.operator = ast.BitAnd() if name == "&" else ast.BitOr()
            left, right = self.operands(s)
            return ast.BinOp(left, operator, right, **self.position)
        if name == "+" and STRING in (a, b):
            left, right = self.operands(s)
            if a == b:
                return ast.BinOp(left, ast.Add(), right, **self.position)
            return self.call_name("_concat", left, right)
        if name in ("==", "!=") and a == b and a in (STRING, BOOLEAN):
            left, right = self.operands(s)
            return ast.Compare(left, [_COMPARISONS[name]()], [right], **self.position)
        return None

    def operands(self, s: Op) -> list[ast.expr]:
        position = self.position
        result = [self.operand(a) for a in s.args]
        self.position = position
        return result

    def unary(self, name: str, value: str, s: Op) -> ast.expr | None:
        if name == "!" and value == BOOLEAN:
            return ast.UnaryOp(ast.Not(), *self.operands(s), **self.position)
        if name == "unary -" and value == DOUBLE:
            return ast.UnaryOp(ast.USub(), *self.operands(s), **self.position)
        if name == "unary -" and value == INT:
            if self.ranges.fits.get(s):
                return ast.UnaryOp(ast.USub(), *self.operands(s), **self.position)
            return self.call_name("_int_neg", *self.operands(s))
        if s.builtin.scalar is not None and value in (INT, DOUBLE, BOOLEAN):
            operands = self.operands(s)
            return self.call_name(self.builtin_name(s.builtin, "scalar"), *operands)
        return None

    def numeric(self, name: str, kind: str, s: Op) -> ast.expr | None:
        if name in _COMPARISONS:
            left, right = self.operands(s)
            return ast.Compare(left, [_COMPARISONS[name]()], [right], **self.position)
        if kind == DOUBLE and name in _DOUBLE_OPERATORS:
            left, right = self.operands(s)
            return ast.BinOp(left, _DOUBLE_OPERATORS[name](), right, **self.position)
        right_const = s.arg_types[1].const
        if kind == DOUBLE and name == "/" and right_const not in (None, 0):
            left, right = self.operands(s)
            return ast.BinOp(left, ast.Div(), right, **self.position)
        if name == "/":
            left, right = self.operands(s)
            slow = self.call_name("_divide", left, right)
            if isinstance(right, ast.Name) and isinstance(left, (ast.Name, ast.Constant)):
                return ast.IfExp(right, ast.BinOp(left, ast.Div(), right, **self.position), slow, **self.position)
            return slow
        if kind == INT and name in _DOUBLE_OPERATORS and self.ranges.fits.get(s):
            left, right = self.operands(s)
            return ast.BinOp(left, _DOUBLE_OPERATORS[name](), right, **self.position)
        if kind == INT and name == "*":
            left, right = self.operands(s)
            slow = self.call_name("_int_mul", left, right)  # reports the overflow
            if isinstance(left, (ast.Name, ast.Constant)) and isinstance(right, (ast.Name, ast.Constant)):
                product = ast.BinOp(left, ast.Mult(), right, **self.position)
                return self.wrapped(product, slow, certain=None not in self.ranges.args.get(s, (None,)))
            return slow
        if kind == INT and name in ("+", "-"):
            left, right = self.operands(s)
            sum_ = ast.BinOp(left, _DOUBLE_OPERATORS[name](), right, **self.position)
            return self.wrapped(sum_, certain=None not in self.ranges.args.get(s, (None,)))
        a, b = self.ranges.args.get(s) or (None, None)
        if kind == INT and name in ("%%", "%/%") and b is not None and b.low > 0:
            left, right = self.operands(s)
            operator: ast.operator = ast.Mod() if name == "%%" else ast.FloorDiv()
            if a is not None and a.low >= 0:  # truncation toward zero is floor division for left operands >= 0
                return ast.BinOp(left, operator, right, **self.position)
            if isinstance(left, ast.Name) and isinstance(right, (ast.Name, ast.Constant)):
                direct = ast.BinOp(left, operator, right, **self.position)
                test = ast.Compare(left, [ast.GtE()], [self.constant(0)], **self.position)
                slow = self.call_name("_" + _SCALAR_FUNCTIONS[name, INT], left, right)
                return ast.IfExp(test, direct, slow, **self.position)
            return self.call_name("_" + _SCALAR_FUNCTIONS[name, INT], left, right)
        function = _SCALAR_FUNCTIONS.get((name, kind))
        if function is None:
            return None
        return self.call_name("_" + function, *self.operands(s))

    def wrapped(self, sum_: ast.expr, beyond: ast.expr | None = None, certain: bool = False) -> ast.expr:
        """An int, wrapped to 64 bits where it leaves them: `s if MIN <= (s := a + b) <= MAX else _wrap(s)`; or `beyond` there.

        certain: it is surely an int, of which the length in bits is known sooner.
        """
        named = ast.NamedExpr(self.store("_i"), sum_, **self.position)
        if certain:
            bits = ast.Call(ast.Attribute(named, "bit_length", ast.Load(), **self.position), [], [], **self.position)
            test = ast.Compare(bits, [ast.Lt()], [self.constant(64)], **self.position)
        else:
            test = ast.Compare(self.constant(MIN), [ast.LtE(), ast.LtE()], [named, self.constant(MAX)], **self.position)
        beyond = beyond or self.call_name("_wrap", self.load("_i"))
        return ast.IfExp(test, self.load("_i"), beyond, **self.position)

    # ---- calls of DML functions

    def dml_call(self, s: Call) -> None:
        used = {n for a in s.args for n in variables_in(a)}
        for name in [n for n in self.pending if n not in used]:
            self.flush_one(name)
        reads = set(self.reads_of(s.args))
        self.place(s.span, s.inlined)
        position = self.position
        args = [self.operand(a) for a in s.args]
        self.position = position
        call = self.call_name(self.code.names[s.function], self.load("_ctx"), *args)
        self.flush({o for o in s.outs if o})
        function = self.program.functions[s.function]
        if len(function.outputs) == 1 and s.outs and s.outs[0]:
            self.assign(s.outs[0], call)
        elif not any(s.outs):
            self.out.append(ast.Expr(call, **self.position))
        else:
            self.bind(s.outs, call, single=False)
        self.release(s, reads | {o for o in s.outs if o})

    # ---- control flow

    def condition(self, operand: Operand, type: Type) -> ast.expr:
        expression = self.operand(operand)
        if type.data == SCALAR and type.value in (BOOLEAN, INT, DOUBLE):
            return expression
        return self.call_name("_truth", expression)

    def if_(self, s: If) -> None:
        used = set(variables_in(s.condition))
        for name in [n for n in self.pending if n not in used]:
            self.flush_one(name)
        self.place(s.span)
        test = self.condition(s.condition, s.condition_type)
        position = self.position
        touched = _mentioned([s])
        then, orelse = self.block(s.then), self.block(s.orelse)
        self.position = position
        self.out.append(ast.If(test, then or [ast.Pass(**position)], orelse, **position))
        self.release(s, touched)

    def while_(self, s: While) -> None:
        self.flush()
        saved, self.out = self.out, []
        for statement in s.test:
            self.statement(statement)
        used = set(variables_in(s.condition))
        for name in [n for n in self.pending if n not in used]:
            self.flush_one(name)
        self.place(s.span)
        test = self.condition(s.condition, s.condition_type)
        before, self.out = self.out, saved
        position = self.position
        body = self.block(s.body)
        self.position = position
        if before:
            stop = ast.If(ast.UnaryOp(ast.Not(), test, **position), [ast.Break(**position)], [], **position)
            loop = ast.While(self.constant(True), [*before, stop, *body], [], **position)
        else:
            loop = ast.While(test, body or [ast.Pass(**position)], [], **position)
        self.out.append(loop)
        self.release(s, _mentioned([s]))

    def iterations(self, s: For | ParFor) -> ast.expr:
        bounds = [s.start, s.stop] + ([s.step] if s.step is not None else [])
        used = {n for o in bounds for n in variables_in(o)}
        for name in [n for n in self.pending if n not in used]:
            self.flush_one(name)
        self.place(s.span)
        position = self.position
        args = [self.operand(o) for o in bounds]
        self.position = position
        start, stop = self.ranges.args.get(s) or (None, None)
        if s.step is not None or start is None or stop is None:
            return self.call_name("_loop_range", *args)
        after = self.add_constant(args[1], 1)
        if start.high <= stop.low:
            return self.call_name("_range", args[0], after)
        if isinstance(args[0], ast.Constant) and isinstance(args[1], ast.Name):  # it counts down where n < 1
            test = ast.Compare(args[1], [ast.GtE()], [args[0]], **position)
            return ast.IfExp(
                test, self.call_name("_range", args[0], after), self.call_name("_loop_range", *args), **position
            )
        return self.call_name("_loop_range", *args)

    def add_constant(self, expression: ast.expr, value: int) -> ast.expr:
        """An int expression plus a constant, in as few operations as possible."""
        if isinstance(expression, ast.Constant) and type(expression.value) is int:
            return self.constant(expression.value + value)
        if isinstance(expression, ast.BinOp) and isinstance(expression.right, ast.Constant):
            if type(expression.right.value) is int and isinstance(expression.op, (ast.Add, ast.Sub)):
                value += expression.right.value * (1 if isinstance(expression.op, ast.Add) else -1)
                expression = expression.left
        if value == 0:
            return expression
        operator = ast.Add() if value > 0 else ast.Sub()
        return ast.BinOp(expression, operator, self.constant(abs(value)), **self.position)

    def for_(self, s: For) -> None:
        iterations = self.iterations(s)
        position = self.position
        body = self.block(s.body)
        self.position = position
        target = self.store(python_name(s.variable))
        self.out.append(ast.For(target, iterations, body or [ast.Pass(**position)], [], **position))
        self.release(s, _mentioned([s]))

    def parfor(self, s: ParFor) -> None:
        """The body becomes a function of the iteration variable and of the variables it needs."""
        iterations = self.iterations(s)
        for o in s.options.values():
            for name in variables_in(o):
                if name in self.pending:
                    self.flush_one(name)
        self.flush()
        self.place(s.span)
        position = self.position
        live = set(self.liveness.before_block[id(s.body)])
        results = sorted(s.results)
        inside = count_writes(s.body)
        before = {n for n in live if n in self.certain or self.assignments.get(n, 0) > inside.get(n, 0)}
        inputs = sorted((before | set(results)) - {s.variable})
        uncertain = [n for n in inputs if n not in self.certain]
        name = f"_parfor_{len(self.code.parfors) + 1}"
        self.code.parfors[name] = s
        outer, self.shared = self.shared, self.shared | frozenset(results)
        outer_recorded, self.recorded = self.recorded, self.recorded | s.dynamic_check
        outer_live_out, self.live_out = self.live_out, set(results)
        outer_certain, self.certain = self.certain, set(inputs) - set(uncertain) | {s.variable}
        body = self.block(s.body)
        self.certain = outer_certain
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
            self.out.append(ast.Assign([self.store(ranged)], iterations, **position))
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
            assign = ast.Assign([self.store(python_name(s.variable))], value, **position)
            self.out.append(ast.If(self.load(ranged), [assign], [], **position))
        self.release(s, _mentioned([s]) - {s.variable} - (assigned_in(s.body) - set(inputs)))

    def unset_if_missing(self, name: str) -> ast.stmt:
        """`if name is _missing: del name`."""
        position = self.position
        missing = ast.Compare(self.load(python_name(name)), [ast.Is()], [self.load("_missing")], **position)
        unset = ast.Delete([ast.Name(python_name(name), ast.Del(), **position)], **position)
        return ast.If(missing, [unset], [], **position)

    def value_if_any(self, name: str) -> ast.expr:
        """The value of a variable, or `_missing`."""
        get = ast.Attribute(self.call_name("_locals"), "get", ast.Load(), **self.position)
        return ast.Call(get, [self.constant(python_name(name)), self.load("_missing")], [], **self.position)


_OPERATOR_NAMES = {
    "+": "add",
    "-": "subtract",
    "*": "multiply",
    "/": "divide",
    "^": "power",
    "%%": "modulo",
    "%/%": "integer_divide",
    "%*%": "matmul",
    "==": "equal",
    "!=": "not_equal",
    "<": "less",
    "<=": "less_equal",
    ">": "greater",
    ">=": "greater_equal",
    "&": "and",
    "|": "or",
    "!": "not",
    "unary -": "negative",
    "[]": "index",
    "[]=": "assign",
    "=": "copy",
}


def _mentioned(block: list[Any]) -> set[str]:
    return read_in(block) | assigned_in(block)


def _large_variables(function: Function) -> set[str]:
    """Variables that may hold something else than a scalar."""
    large = {p.name for p in function.params if p.type.data != SCALAR}
    for s in walk(function.body):
        if isinstance(s, (Op, Call)):
            types_ = s.out_types or (Type(),) * len(s.outs)
            for name, type_ in zip(s.outs, types_, strict=False):
                if name and type_.data != SCALAR:
                    large.add(name)
    return large

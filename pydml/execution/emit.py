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
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
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
    operands_of,
    read_in,
    reads,
    variables_in,
    walk,
    writes,
)
from pydml.ir.ranges import MAX, MIN, Interval, Ranges, find_ranges
from pydml.types import BOOLEAN, DOUBLE, INT, INT_SCALAR, LIST, MATRIX, SCALAR, STRING, UNKNOWN, Type

INLINED = 1 << 16

SMALL = 1 << 30  # ints below it have one digit in CPython


Position = tuple[SourceFile, str, int, int, int, int]  # file, Python function, lines and columns


@dataclass
class Code:
    """What emission yields: a tree per source file, and what its names mean.

    modules: one Python module per DML file.  names: for each DML function key, the name of its Python function.
    builtins: global name -> (builtin, how it is called).  places: of inlined operations.  checks: by the position of an operation that
    leaves the check of an index to Python, an expression that raises the DMLError for it.
    """

    modules: list[tuple[SourceFile, ast.Module]]
    names: dict[str, str]
    builtins: dict[str, tuple[Builtin, str]]
    parfors: dict[str, ParFor]
    templates: dict[str, Template] = field(default_factory=dict)
    places: list[tuple[Span, tuple[tuple[str, Span], ...]]] = field(default_factory=list)
    checks: dict[Position, ast.expr] = field(default_factory=dict)

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
    liveness = {f.key: Liveness(f.body, program.read_after(f)) for f in program.all_functions()}
    ranges = find_ranges(program, liveness)
    for function in program.all_functions():
        emitter = _Emitter(program, function, code, liveness[function.key], ranges[function.key])
        by_file.setdefault(function.file, []).extend(emitter.function_def())
    for file, statements in by_file.items():
        module = ast.Module(statements, [])
        code.modules.append((file, module))
    return code


def python_name(name: str) -> str:
    """The Python name of a DML variable or temporary."""
    if "%" in name:  # a temporary (%3) or a variable of an inlined function (x%3); DML names do not start with _
        return "_" + name.replace("%", "_")
    return name + "_kw" if keyword.iskeyword(name) else name


# How an operator on scalars of known types is written.  Doubles: NumPy's rules of IEEE arithmetic hold for Python floats,
# except that division by zero raises.
_NUMERIC = (INT, DOUBLE)
_COMPARISONS = {"==": ast.Eq, "!=": ast.NotEq, "<": ast.Lt, "<=": ast.LtE, ">": ast.Gt, ">=": ast.GtE}
_ARITHMETIC = {"+": ast.Add, "-": ast.Sub, "*": ast.Mult}
# Where functions of `math` give what DML says: the comparison that an operand must meet.
_WHERE_PLAIN: dict[str, tuple[ast.cmpop, float]] = {
    "exp": (ast.Lt(), 700.0),
    "sqrt": (ast.GtE(), 0.0),
}
# Types of two scalars that are numbers in all likelihood: `s = 0` may be an int before a loop, and `s + x` a double in it.
_PERHAPS_DOUBLE = ((UNKNOWN, DOUBLE), (DOUBLE, UNKNOWN), (UNKNOWN, INT), (INT, UNKNOWN), (UNKNOWN, UNKNOWN))
# Operators whose operands are evaluated once, from left to right.
_IN_ORDER = frozenset((*_COMPARISONS, *_ARITHMETIC, "/"))
# Functions for what Python computes in another way, or not at all, by the kind of both operands together.
_SCALAR_FUNCTIONS = {
    ("^", INT): "_power",
    ("^", DOUBLE): "_power",
    ("%%", INT): "_int_mod",
    ("%%", DOUBLE): "_mod",
    ("%/%", INT): "_int_idiv",
    ("%/%", DOUBLE): "_idiv",
}


@dataclass
class _Pending:
    """A temporary's expression that waits for its only use."""

    expression: ast.expr
    reads: frozenset[str]


class _Emitter:
    def __init__(self, program: Program, function: Function, code: Code, liveness: Liveness, ranges: Ranges):
        self.program = program
        self.function = function
        self.code = code
        self.file = function.file
        self.scope = code.names[function.key]  # the Python function
        self.position: dict[str, int] = {}
        self.out: list[ast.stmt] = []
        self.extra: list[ast.stmt] = []  # functions of parfor bodies
        self.pending: dict[str, _Pending] = {}
        self.uses = count_reads(function.body)
        self.assignments = count_writes(function.body)
        self.shared: frozenset[str] = frozenset()  # result variables of the parfor loops around
        self.recorded: frozenset[str] = frozenset()  # those of which the cells written are compared afterwards
        self.certain = {p.name for p in function.params}  # variables that have a value on every path to here
        self.live_out = program.read_after(function)
        self.liveness = liveness
        self.ranges = ranges
        self.cells, self.list_elements, cells = _single_cells(function.body, self.uses, self.assignments, self.live_out)
        self.cell_names = {Var(name) for name in cells}
        self.taken: dict[str, str] = {}  # lists of DML that are lists of Python in the loop around
        self.elements: set[Operand] = set()  # temporaries that hold an element of a list
        self.texts: dict[int, tuple[ast.expr, list[ast.expr]]] = {}  # by id of what `joined` made: that, its parts
        self.rest: tuple[list[Any], int] = [], 0  # what comes after the statement
        self.calls: set[str] = set()  # temporaries that wait and are calls of DML functions
        self.stored: set[str] = set()  # temporaries that have become Python variables
        self.owned: set[str] = set()  # matrices whose memory nobody else holds
        self.sums: dict[
            int, tuple[ast.expr, ast.expr, bool]
        ] = {}  # by id of what `wrapped` made: that, the sum, certain

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

    def call_method(self, value: ast.expr, name: str, *args: ast.expr) -> ast.expr:
        return ast.Call(ast.Attribute(value, name, ast.Load(), **self.position), list(args), [], **self.position)

    def compare(self, left: ast.expr, operator: ast.cmpop, right: ast.expr) -> ast.expr:
        return ast.Compare(left, [operator], [right], **self.position)

    def binary(self, left: ast.expr, operator: ast.operator, right: ast.expr) -> ast.expr:
        return ast.BinOp(left, operator, right, **self.position)

    def all_of(self, tests: list[ast.expr]) -> ast.expr:
        return tests[0] if len(tests) == 1 else ast.BoolOp(ast.And(), tests, **self.position)

    def assignment(self, name: str, value: ast.expr) -> ast.stmt:
        """`name = value`, of a Python name."""
        return ast.Assign([self.store(name)], value, **self.position)

    def assign(self, name: str, value: ast.expr) -> None:
        self.stored.add(name)
        name = python_name(name)
        _, sum_, certain = self.sums.get(id(value), (value, None, False))
        self.out.append(self.assignment(name, sum_ or value))
        if sum_ is not None:
            self.wrap_assigned(name, certain)

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

    def flush(self, written: set[str] | None = None) -> None:
        """Assign waiting temporaries: all, or those that read a variable that is about to be written."""
        for name in list(self.pending):
            if written is None or self.pending[name].reads & written:
                self.flush_one(name)

    def flush_others(self, used: set[str]) -> None:
        """Assign waiting temporaries that what follows does not use."""
        for name in [n for n in self.pending if n not in used]:
            self.flush_one(name)

    def flush_one(self, name: str) -> None:
        p = self.pending.pop(name)
        self.stored.add(name)
        target = ast.copy_location(ast.Name(python_name(name), ast.Store()), p.expression)
        self.out.append(ast.copy_location(ast.Assign([target], p.expression), p.expression))

    def release(self, s: Any, names: set[str]) -> None:
        """Drop variables that nobody reads after statement `s`: matrices and lists may be large."""
        live = self.liveness.after[s]
        waiting = {n for p in self.pending.values() for n in p.reads}
        dead = sorted(n for n in names if n not in live and n not in waiting and n in self.releasable)
        for name in dead:
            if name[0] == "%" and name not in self.stored:
                continue
            self.out.append(self.assignment(python_name(name), self.constant(None)))

    @cached_property
    def releasable(self) -> set[str]:
        return _large_variables(self.function) - {v.name for v in self.cell_names}

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
            self.pending[outs[0]] = _Pending(expression, read)
            return
        self.flush(set(outs))
        self.bind(s.outs, expression, single=len(s.builtin.signature.results) <= 1)
        self.release(s, set(read) | set(outs))

    def bind(self, outs: tuple[str, ...], value: ast.expr, single: bool) -> None:
        if not any(outs):
            self.out.append(ast.Expr(value, **self.position))
        elif single:
            self.assign(outs[0], value)
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
        if name in ("nrow", "ncol") and s.arg_types and s.arg_types[0].is_matrix:
            shape = ast.Attribute(self.operand(s.args[0]), "shape", ast.Load(), **self.position)
            return ast.Subscript(shape, self.constant(0 if name == "nrow" else 1), ast.Load(), **self.position)
        if name == "length" and isinstance(s.args[0], Var) and s.args[0].name in self.taken:
            return self.call_name("_len", self.load(self.taken[s.args[0].name]))
        if name == "append" and s.args[0] == Var(s.outs[0]) and self.is_pushed(s):
            items, value = self.operands(s)
            return self.call_method(items, "push", value)
        return self.builtin_call(s)

    def builtin_call(self, s: Op) -> ast.expr:
        b = s.builtin
        known = bool(s.arg_types) and all(
            t.data != UNKNOWN and not (t.data == SCALAR and t.value == UNKNOWN) for t in s.arg_types
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
        value = self.call_method(self.call_name("_locals"), "get", self.constant(python_name(s.args[0].name)))
        return self.compare(value, ast.IsNot(), self.constant(None))

    # ---- single cells

    def is_cell_write(self, s: Op) -> bool:
        """Whether an operation writes a number into one cell of a matrix that only this function may hold."""
        return (
            s.in_place
            and bool(s.arg_types)
            and s.arg_types[0].is_matrix
            and s.arg_types[5].is_number
            and _is_one(s.args[1], s.args[2])
            and _is_one(s.args[3], s.args[4])
            and s.outs[0] not in self.shared
            and s.outs[0] not in self.recorded
        )

    def flush_indexes(self, s: Op) -> None:
        """An index that comes twice is computed once."""
        for k in (1, 3):
            if s.args[k] == s.args[k + 1] and isinstance(s.args[k], Var) and s.args[k].name in self.pending:  # type: ignore[union-attr]
                self.flush_one(s.args[k].name)  # type: ignore[union-attr]

    def cell(self, s: Op) -> ast.expr:
        """`as.scalar(X[i, j])` without the 1 x 1 matrix between.

        An array finds by itself that an index is too large; `checks` says then what the DML user is told.  Below 1 it would count from
        the end, so where that cannot be excluded the index is compared first.
        """
        matrix, i, j = (self.operand(s.args[k]) for k in (0, 1, 3))
        slow = self.call_name("_cell", matrix, i, j)
        test = self.index_test(s, i, j)
        if test is None or not isinstance(matrix, ast.Name):
            return slow
        self.check(slow)
        fast = self.call_method(matrix, "item", self.add_constant(i, -1), self.add_constant(j, -1))
        return ast.IfExp(test, fast, slow, **self.position) if test else fast

    # ---- lists

    def is_pushed(self, s: Op) -> bool:
        """Whether `l = append(l, value)` adds just that value to a list."""
        return (
            len(s.args) == len(s.arg_types) == 2
            and s.arg_types[0].data == LIST
            and s.arg_types[1].data in (SCALAR, MATRIX)
            and self.certain >= {s.outs[0]}
        )

    def element(self, s: Op) -> ast.expr | None:
        """The element in `as.scalar(l[i])`, without the list of one element between."""
        index = self.element_index(s)
        if index is None:
            return None
        self.elements.add(Var(s.outs[0]))
        if isinstance(s.args[0], Var) and s.args[0].name in self.taken:
            return self.taken_element(s, self.load(self.taken[s.args[0].name]), index.low)
        items, i = (self.operand(s.args[k]) for k in (0, 1))
        if isinstance(items, ast.Name):
            none = self.constant(None)
            self.check(self.call_name(self.builtin_name(s.builtin, "run"), items, i, i, none, none))
        return self.call_method(items, "at", i)

    def element_index(self, s: Op) -> Interval | None:
        """The range of the index, if an operation reads one element `as.scalar(l[i])` by a number."""
        args = self.ranges.args.get(s)
        return args[1] if args is not None and s in self.list_elements else None

    def taken_element(self, s: Op, items: ast.expr, low: int) -> ast.expr:
        """`l[i]` where l is a list of Python."""
        i = self.operand(s.args[1])
        slow = self.call_name("_element", items, i)
        if low < 1 and not isinstance(i, ast.Name):
            return slow
        self.check(slow)
        fast = ast.Subscript(items, self.add_constant(i, -1), ast.Load(), **self.position)
        if low >= 1:
            return fast
        return ast.IfExp(self.compare(i, ast.Gt(), self.constant(0)), fast, slow, **self.position)

    def append(self, s: Op) -> None:
        """`l = append(l, value)` where l is a list of Python."""
        self.place(s.span, s.inlined)
        value = self.operand(s.args[1])
        self.flush({s.outs[0]})
        append = self.call_method(self.load(self.taken[s.outs[0]]), "append", value)
        self.out.append(ast.Expr(append, **self.position))
        self.release(s, set(variables_in(s.args[1])))

    def take(self, s: For | While) -> list[ast.stmt]:
        """Before a loop that only appends to lists and reads their elements, make them lists of Python; what makes them lists again."""
        after: list[ast.stmt] = []
        for name, appends in sorted(_only_by_elements(s, self.is_pushed, self.element_index).items()):
            if name not in self.certain or name in self.taken or name in self.shared:
                continue
            variable = self.load(python_name(name))
            items, names = f"_items_{python_name(name)}", f"_names_{python_name(name)}"
            call = self.call_method(variable, "taken" if appends else "sealed")
            if appends:
                pair = ast.Tuple([self.store(items), self.store(names)], ast.Store(), **self.position)
                self.out.append(ast.Assign([pair], call, **self.position))
                self.out.append(self.assignment(python_name(name), self.constant(None)))
                made = self.call_name("_made", self.load(items), self.load(names))
                after.append(self.assignment(python_name(name), made))
            else:
                self.out.append(self.assignment(items, call))
            after.append(self.assignment(items, self.constant(None)))
            self.taken[name] = items
        return after

    def check(self, expression: ast.expr) -> None:
        """Enter an expression that raises the DMLError for an index of the operation at this position."""
        p = self.position
        place = p["lineno"], p["end_lineno"], p["col_offset"], p["end_col_offset"]
        self.code.checks[self.file, self.scope, *place] = expression

    def index_test(self, s: Op, i: ast.expr, j: ast.expr) -> Any:
        """What to test so that both indexes are at least 1; False if nothing, None if it cannot be tested."""
        args = self.ranges.args.get(s)
        tests: list[ast.expr] = []
        for k, index in ((1, i), (3, j)):
            interval = args[k] if args else None
            if interval is None:
                return None
            if interval.low < 1:
                if not isinstance(index, ast.Name):
                    return None
                tests.append(self.compare(index, ast.Gt(), self.constant(0)))
        return self.all_of(tests) if tests else False

    def write_cell(self, s: Op) -> None:
        """`X[i, j] = value` into an array that nobody else holds, else by `_owned_cell`."""
        read = self.reads_of(s.args)
        self.place(s.span, s.inlined)
        matrix, i, j, value = (self.operand(s.args[k]) for k in (0, 1, 3, 5))
        self.flush({s.outs[0]})
        if not isinstance(value, ast.Constant):
            value = self.named(value)
        test = self.index_test(s, i, j)
        slow = self.assignment(python_name(s.outs[0]), self.call_name("_owned_cell", matrix, i, j, value))
        if test is None:
            self.out.append(slow)
        else:
            cells = ast.Tuple([self.add_constant(i, -1), self.add_constant(j, -1)], ast.Load(), **self.position)
            fast = ast.Assign([ast.Subscript(matrix, cells, ast.Store(), **self.position)], value, **self.position)
            of = self.compare(self.call_name("_type", matrix), ast.Is(), self.load("_ndarray"))
            self.check(self.call_name("_owned_cell", matrix, i, j, self.constant(0.0)))
            self.out.append(ast.If(self.all_of([of, test] if test else [of]), [fast], [slow], **self.position))
        self.release(s, set(read) | set(s.outs))

    def named(self, value: ast.expr) -> ast.expr:
        """A value that is used twice: a variable, assigned before if need be."""
        if isinstance(value, ast.Name):
            return value
        self.out.append(self.assignment("_v", value))
        return self.load("_v")

    def own(self, s: For | While) -> set[str]:
        """Before a loop that writes into cells of matrices, and reads them by cells only, make these matrices its own."""
        found = {
            n for n in _written_by_cells(s, self.is_cell_write, self.cells) if n in self.certain and n not in self.owned
        }
        for name in sorted(found):
            self.assign(name, self.call_name("_owned", self.load(python_name(name))))
        return found

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
        if (a, b) in _PERHAPS_DOUBLE and name in _IN_ORDER and name != "/":
            return self.if_doubles(s)
        if a in _NUMERIC and b in _NUMERIC:
            return self.numeric(name, DOUBLE if DOUBLE in (a, b) else INT, s)
        if name in ("&", "|") and a == b == BOOLEAN:
            left, right = self.operands(s)
            return self.binary(left, ast.BitAnd() if name == "&" else ast.BitOr(), right)
        if name == "+" and STRING in (a, b):
            return self.joined(s)
        if name in ("==", "!=") and a == b and a in (STRING, BOOLEAN):
            return self.operator(name, *self.operands(s))
        return None

    def operator(self, name: str, left: ast.expr, right: ast.expr) -> ast.expr:
        """A comparison, or an operator of doubles, as Python has it."""
        if name in _COMPARISONS:
            return self.compare(left, _COMPARISONS[name](), right)
        return self.binary(left, _ARITHMETIC[name](), right)

    def if_doubles(self, s: Op) -> ast.expr | None:
        """An operator on scalars one of which may be anything: `x + y if type(x) is float else ...`, where x is a variable."""
        unknown = [a for a, t in zip(s.args, s.arg_types, strict=True) if t.value == UNKNOWN]
        if any(not isinstance(a, Var) or a.name in self.pending for a in unknown):
            return None
        left, right = self.operands(s)
        types_ = [self.call_name("_type", self.operand(a)) for a in unknown]
        test = self.all_of([self.compare(t, ast.Is(), self.load("_float")) for t in types_])
        slow = self.call_name(self.builtin_name(s.builtin, "run"), left, right)
        return ast.IfExp(test, self.operator(s.builtin.name, left, right), slow, **self.position)

    def joined(self, s: Op) -> ast.expr:
        """Texts joined: `s + f"{i};"` for `s + i + ";"`.

        The first part is added last, for CPython makes `s = s + x` longer in place, so that building a text takes linear time.
        """
        ranges = self.ranges.args.get(s) or (None, None)
        parts: list[ast.expr] = []
        for operand, type_, interval in zip(self.operands(s), s.arg_types, ranges, strict=True):
            if id(operand) in self.texts:
                parts += self.texts[id(operand)][1]
            elif type_.value == STRING:
                parts.append(operand)
            elif interval is not None:
                parts.append(ast.JoinedStr([self.formatted(operand)], **self.position))
            else:
                parts.append(self.call_name("_text", operand))
        first, *rest = parts
        end = rest[0] if len(rest) == 1 else ast.JoinedStr([self.formatted(p) for p in rest], **self.position)
        result = self.binary(first, ast.Add(), end)
        self.texts[id(result)] = result, parts
        return result

    def formatted(self, part: ast.expr) -> ast.expr:
        """A part of an f-string."""
        if isinstance(part, ast.JoinedStr) and len(part.values) == 1:
            return part.values[0]
        if isinstance(part, ast.Constant):
            return self.constant(str(part.value))
        return ast.FormattedValue(part, -1, None, **self.position)

    def operands(self, s: Op) -> list[ast.expr]:
        return [self.operand(a) for a in s.args]

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
            if value != BOOLEAN and name == "abs":
                return self.call_name("_abs", *operands)
            if value != BOOLEAN and name in _WHERE_PLAIN:
                return self.where_plain(s, operands[0], *_WHERE_PLAIN[name])
            return self.call_name(self.builtin_name(s.builtin, "scalar"), *operands)
        return None

    def where_plain(self, s: Op, operand: ast.expr, test: ast.cmpop, bound: float) -> ast.expr:
        """A function of `math` where it cannot fail, else the builtin: `_exp(x) if x < 700.0 else _b_exp_scalar(x)`."""
        first, again = self.twice(operand)
        slow = self.call_name(self.builtin_name(s.builtin, "scalar"), again)
        condition = self.compare(first, test, self.constant(bound))
        return ast.IfExp(condition, self.call_name("_" + s.builtin.name, again), slow, **self.position)

    def twice(self, value: ast.expr) -> tuple[ast.expr, ast.expr]:
        """A value that an expression uses twice: as it is written first, which gives it a name if need be, and again."""
        if isinstance(value, (ast.Name, ast.Constant)):
            return value, value
        return ast.NamedExpr(self.store("_d"), value, **self.position), self.load("_d")

    def numeric(self, name: str, kind: str, s: Op) -> ast.expr | None:
        """An operator on two numbers.  kind: INT if both are ints, else DOUBLE."""
        if name not in _IN_ORDER and (name, kind) not in _SCALAR_FUNCTIONS:
            return None
        if name == "^" and s.args[1] in (Const(2), Const(2.0)) and s.arg_types[0].value == DOUBLE:
            first, again = self.twice(self.operand(s.args[0]))
            return self.binary(first, ast.Mult(), again)
        left, right = self.operands(s)
        if name in _COMPARISONS or (name in _ARITHMETIC and (kind == DOUBLE or self.ranges.fits.get(s))):
            return self.operator(name, left, right)
        if name == "/":
            return self.quotient(s, left, right, kind)
        if kind == DOUBLE or name == "^":
            return self.call_name(_SCALAR_FUNCTIONS[name, kind], left, right)
        if name in ("%%", "%/%"):
            return self.remainder(s, left, right)
        direct = self.operator(name, left, right)
        certain = None not in self.ranges.args.get(s, (None,))
        if name != "*":
            return self.wrapped(direct, certain=certain)
        slow = self.call_name("_int_mul", left, right)  # reports the overflow
        if isinstance(left, (ast.Name, ast.Constant)) and isinstance(right, (ast.Name, ast.Constant)):
            return self.wrapped(direct, slow, certain=certain)
        return slow

    def quotient(self, s: Op, left: ast.expr, right: ast.expr, kind: str) -> ast.expr:
        """`a / b`, where Python raises if b is 0."""
        direct = self.binary(left, ast.Div(), right)
        _, b = self.ranges.args.get(s) or (None, None)
        if (b is not None and (b.low > 0 or b.high < 0)) or (kind == DOUBLE and s.arg_types[1].const not in (None, 0)):
            return direct
        slow = self.call_name("_divide", left, right)
        if isinstance(right, ast.Name) and isinstance(left, (ast.Name, ast.Constant)):
            return ast.IfExp(right, direct, slow, **self.position)
        return slow

    def remainder(self, s: Op, left: ast.expr, right: ast.expr) -> ast.expr:
        """`a %% b` or `a %/% b` of ints: truncation toward zero is floor division where a >= 0 and b > 0."""
        a, b = self.ranges.args.get(s) or (None, None)
        slow = self.call_name(_SCALAR_FUNCTIONS[s.builtin.name, INT], left, right)
        if b is None or b.low <= 0:
            return slow
        direct = self.binary(left, ast.Mod() if s.builtin.name == "%%" else ast.FloorDiv(), right)
        if a is not None and a.low >= 0:
            return direct
        if isinstance(left, ast.Name) and isinstance(right, (ast.Name, ast.Constant)):
            return ast.IfExp(self.compare(left, ast.GtE(), self.constant(0)), direct, slow, **self.position)
        return slow

    def wrapped(self, sum_: ast.expr, beyond: ast.expr | None = None, certain: bool = False) -> ast.expr:
        """An int, wrapped to 64 bits where it leaves them; or `beyond` there.

        `_i if (_i := a + b) < SMALL and _i > -SMALL or _i.bit_length() < 64 else _wrap(_i)`: CPython compares small ints at once, and a
        number of bits is found sooner than large ints are compared.  certain: it is surely an int, and has such a number.
        """
        named = ast.NamedExpr(self.store("_i"), sum_, **self.position)
        below = self.compare(named, ast.Lt(), self.constant(SMALL))
        above = self.compare(self.load("_i"), ast.Gt(), self.constant(-SMALL))
        small = self.all_of([below, above])
        test = ast.BoolOp(ast.Or(), [small, self.fits("_i", certain)], **self.position)
        result = ast.IfExp(test, self.load("_i"), beyond or self.call_name("_wrap", self.load("_i")), **self.position)
        if beyond is None:
            self.sums[id(result)] = (result, sum_, certain)
        return result

    def fits(self, name: str, certain: bool) -> ast.expr:
        """Whether a variable is within 64 bits."""
        if not certain:
            bounds = [self.load(name), self.constant(MAX)]
            return ast.Compare(self.constant(MIN), [ast.LtE(), ast.LtE()], bounds, **self.position)
        return self.compare(self.call_method(self.load(name), "bit_length"), ast.Lt(), self.constant(64))

    def wrap_assigned(self, name: str, certain: bool) -> None:
        """`if not (x < SMALL and x > -SMALL or x.bit_length() < 64): x = _wrap(x)`, after x was assigned a sum."""
        large = self.compare(self.load(name), ast.GtE(), self.constant(SMALL))
        negative = self.compare(self.load(name), ast.LtE(), self.constant(-SMALL))
        far = ast.BoolOp(ast.Or(), [large, negative], **self.position)
        beyond = ast.UnaryOp(ast.Not(), self.fits(name, certain), **self.position)
        wrap = self.assignment(name, self.call_name("_wrap", self.load(name)))
        self.out.append(ast.If(self.all_of([far, beyond]), [wrap], [], **self.position))

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
            self.pending[s.outs[0]] = _Pending(call, frozenset(read))
            return
        self.flush({o for o in s.outs if o})
        function = self.program.functions[s.function]
        if len(function.outputs) == 1 and s.outs and s.outs[0]:
            self.assign(s.outs[0], call)
        elif not any(s.outs):
            self.out.append(ast.Expr(call, **self.position))
        else:
            self.bind(s.outs, call, single=False)
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
                after.builtin.name in _IN_ORDER and len(after.args) == 2 and all(t.is_number for t in after.arg_types)
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
        touched = _mentioned([s])
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
        saved, self.out = self.out, []
        self.statements(s.test)
        self.flush_others(reads(s))
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
        self.owned, self.taken = self.owned - owned, taken
        self.out += [loop, *after]
        self.release(s, _mentioned([s]))

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
        return self.binary(expression, ast.Add() if value > 0 else ast.Sub(), self.constant(abs(value)))

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
        body = self.block(s.body)
        self.position = position
        self.owned, self.taken = self.owned - owned, taken
        target = self.store(python_name(s.variable))
        self.out.append(ast.For(target, iterations, body or [ast.Pass(**position)], [], **position))
        self.out += after
        self.release(s, _mentioned([s]))

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
        self.release(s, _mentioned([s]) - {s.variable} - (assigned_in(s.body) - set(inputs)))

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


def _is_one(low: Operand, high: Operand) -> bool:
    """Whether a range of indexes is one index."""
    return low == high and low != Const(None)


def _single_cells(
    body: list[Any], uses: dict[str, int], assignments: dict[str, int], live_out: set[str]
) -> tuple[set[Op], set[Op], set[str]]:
    """Operations `X[i, j]` of a matrix, and `l[i]` of a list, of which only as.scalar takes the result; temporaries that hold cells.

    An index that comes twice in an operation counts as one use from now on: it is computed once.
    """
    indexing: dict[str, Op] = {}
    origin: dict[str, str] = {}  # of these results, and of copies of them
    taken: dict[str, int] = {}  # how often as.scalar or a copy takes one
    for s in walk(body):
        if not isinstance(s, Op):
            continue
        if s.builtin.name in ("[]", "[]=") and len(s.args) >= 5:
            for k in (1, 3):
                if s.args[k] == s.args[k + 1] and isinstance(s.args[k], Var):
                    uses[s.args[k].name] -= 1  # type: ignore[union-attr]
            out = s.outs[0]
            if (
                s.builtin.name == "[]"
                and s.arg_types
                and s.arg_types[0].data in (MATRIX, LIST)
                and _is_one(s.args[1], s.args[2])
                and _is_one(s.args[3], s.args[4]) == s.arg_types[0].is_matrix
                and "%" in out
                and assignments[out] == 1
                and out not in live_out
            ):
                indexing[out] = s
                origin[out] = out
        elif s.builtin.name in ("as.scalar", "=") and isinstance(s.args[0], Var) and s.args[0].name in origin:
            name, out = s.args[0].name, s.outs[0]
            if s.builtin.name == "=":
                if "%" not in out or assignments[out] != 1 or out in live_out:
                    continue
                origin[out] = origin[name]
            taken[name] = taken.get(name, 0) + 1
    whole = {first for name, first in origin.items() if taken.get(name, 0) != uses.get(name, 0)}
    cells: set[Op] = set()
    elements: set[Op] = set()
    for name, s in indexing.items():
        if name not in whole:
            (cells if s.arg_types[0].is_matrix else elements).add(s)
    names = {name for name, first in origin.items() if indexing[first] in cells}
    return cells, elements, names


def _only_by_elements(
    loop: For | While, is_pushed: Callable[[Op], bool], element_index: Callable[[Op], Interval | None]
) -> dict[str, bool]:
    """Lists that a loop uses in no way but to append to them and to read elements; whether it appends."""
    found: dict[str, bool] = {}
    other: set[str] = set()
    for s in walk([loop]):
        mentioned = writes(s) | reads(s)
        if isinstance(s, ParFor):
            mentioned = _mentioned([s])
        elif isinstance(s, Op) and s.args and isinstance(s.args[0], Var):
            name = s.args[0].name
            rest = {n for a in s.args[1:] for n in variables_in(a)}
            if s.builtin.name == "append" and s.outs == (name,) and is_pushed(s):
                found[name] = True
                mentioned = rest
            elif element_index(s) is not None:
                found.setdefault(name, False)
                mentioned = rest | writes(s)
            elif s.builtin.name == "length":
                mentioned = writes(s)
        other |= mentioned
    return {name: appends for name, appends in found.items() if name not in other}


def _written_by_cells(loop: For | While, is_cell_write: Callable[[Op], bool], cells: set[Op]) -> set[str]:
    """Matrices that a loop writes by cells, and that it uses in no way by which somebody else may get hold of them."""
    written: set[str] = set()
    other: set[str] = set()
    for s in walk([loop]):
        if isinstance(s, Op) and s.builtin.name == "[]=" and is_cell_write(s):
            written.add(s.outs[0])
            other |= {n for a in s.args[1:] for n in variables_in(a)}
        elif isinstance(s, ParFor):
            other |= _mentioned([s])
        elif isinstance(s, Op) and (s in cells or s.builtin.name in ("nrow", "ncol", "length")):
            other |= {n for a in s.args[1:] for n in variables_in(a)} | writes(s)
        else:
            other |= writes(s) | reads(s)
    return written - other


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

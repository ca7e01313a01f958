"""Loops of the IR as instructions of the loop machine: `translate`, called by `loops` with the values a loop begins with.

An abstract interpretation of the loop: each variable has a kind, "double", "int", "boolean", or the sizes of a dense matrix, and a place in
the arrays of the machine.  A loop is translated if each variable that is alive at its head has the kind that it had there before.  A
variable that is an int first and a double afterwards (`s = 0; for (...) s = s + x`) gives the first iteration code of its own.

What an operation becomes stands in one table, `HANDLERS`, by the name of its builtin.  Not in the table, not for these kinds:
`Unsupported`, and the loop stays with Python.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from pydml.builtins.fused import Template
from pydml.builtins.loops import Instruction, LoopProgram
from pydml.ir.liveness import Liveness
from pydml.ir.program import Const, For, If, Op, Operand, Var, While, assigned_in

MOST_CELLS = 4096  # of one matrix; kernels in threads are better at larger ones
MOST_READ = 1 << 22  # of a matrix of which single cells are read and written only
MOST_INSTRUCTIONS = 20_000  # written while a loop is translated, those of attempts included
EXACT = 1 << 53  # ints up to here are doubles

Kind = str | tuple[int, int]  # "double", "int", "boolean", or rows and columns


class Value(NamedTuple):
    """kind, place in its array, and what it is if that is known."""

    kind: Kind
    place: int
    const: Any = None

    @property
    def is_matrix(self) -> bool:
        return type(self.kind) is tuple


class Unsupported(Exception):
    """The loop stays with Python."""


State = dict[str, Value]


class Translation(NamedTuple):
    """A loop for the machine.

    constants: (place, value) of doubles, of ints and of matrices of equal cells (place, cells, value).  inputs: the variables
    by name.  range_: places of the first, the last and the step of the outermost `for`.  outputs: by name.
    """

    program: LoopProgram
    doubles: list[tuple[int, float]]
    ints: list[tuple[int, int]]
    fills: list[tuple[int, int, float]]
    inputs: list[Value]
    range_: tuple[int, int, int] | None
    outputs: list[Value]


def kind_of(value: Any) -> Kind | None:
    """The kind of a value of Python; None if the machine has none."""
    cls = type(value)
    if cls is float:
        return "double"
    if cls is int:
        return "int"
    if cls is bool:
        return "boolean"
    if cls is np.ndarray and value.dtype == np.float64 and value.flags.c_contiguous and 0 < value.size <= MOST_READ:
        shape: tuple[int, int] = value.shape
        return shape
    return None


def translate(
    loop: For | While, liveness: Liveness, inputs: Sequence[str], kinds: Sequence[Kind], outputs: Sequence[str]
) -> Translation:
    """The program of a loop whose variables begin with these kinds.  Raises Unsupported."""
    writer = _Writer(liveness)
    state = {name: writer.variable(name, kind) for name, kind in zip(inputs, kinds, strict=True)}
    values = list(state.values())
    range_ = None
    if isinstance(loop, For):
        first, last, step = (writer.new("int") for _ in range(3))
        range_ = first.place, last.place, step.place
        state = writer.for_loop(loop, state, first, last, step, sure=True)
    else:
        state = writer.while_(loop, state)
    writer.emit("halt")
    missing = [name for name in outputs if name not in state]
    if missing:
        raise Unsupported(f"{missing[0]} has no certain type")
    program = LoopProgram(tuple(Instruction(n, tuple(o)) for n, o in writer.code), writer.cells, writer.count)
    found = [state[name] for name in outputs]
    return Translation(program, writer.doubles, writer.integers, writer.fills, values, range_, found)


class _Writer:
    """Instructions while they are written; jumps are patched when their target is known."""

    def __init__(self, liveness: Liveness):
        self.liveness = liveness
        self.code: list[tuple[str, list[int]]] = []
        self.cells = 0
        self.count = 0  # of ints
        self.work = 0
        self.doubles: list[tuple[int, float]] = []
        self.integers: list[tuple[int, int]] = []
        self.fills: list[tuple[int, int, float]] = []
        self.variables: dict[tuple[str, Kind], Value] = {}
        self.constants: dict[tuple[type, str], Value] = {}

    # ---- places and instructions

    def new(self, kind: Kind) -> Value:
        if kind in ("int", "boolean"):
            self.count += 1
            return Value(kind, self.count - 1)
        size = kind[0] * kind[1] if isinstance(kind, tuple) else 1
        self.cells += size
        return Value(kind, self.cells - size)

    def variable(self, name: str, kind: Kind) -> Value:
        """A variable has a place of its own for each kind it takes."""
        value = self.variables.get((name, kind))
        if value is None:
            value = self.variables[name, kind] = self.new(kind)
        return value

    def constant(self, const: Any) -> Value:
        key = type(const), repr(const)
        if key in self.constants:
            return self.constants[key]
        if type(const) is float:
            value = self.new("double")
            self.doubles.append((value.place, const))
        elif type(const) in (int, bool) and -(2**63) <= const < 2**63:
            value = self.new("int" if type(const) is int else "boolean")
            self.integers.append((value.place, int(const)))
        else:
            raise Unsupported("a constant")
        self.constants[key] = result = value._replace(const=const)
        return result

    def emit(self, name: str, *operands: int) -> list[int]:
        self.work += 1
        if self.work > MOST_INSTRUCTIONS:
            raise Unsupported("too long")
        self.code.append((name, list(operands)))
        return self.code[-1][1]

    @property
    def here(self) -> int:
        return len(self.code)

    def operand(self, operand: Operand, state: State) -> Value:
        if isinstance(operand, Const):
            return self.constant(operand.value)
        if not isinstance(operand, Var) or operand.name not in state:
            raise Unsupported(f"{operand} has no certain type")
        return state[operand.name]

    def double(self, value: Value, exact: bool = False) -> Value:
        """A number as a double.  exact: comparisons and quotients of ints do not round them."""
        if value.kind == "double":
            return value
        if value.kind != "int":
            raise Unsupported("not a number")
        if value.const is not None:
            if abs(value.const) > EXACT:
                raise Unsupported("a large int")
            return self.constant(float(value.const))
        result = self.new("double")
        self.emit("to_exact_double" if exact else "to_double", result.place, value.place)
        return result

    def index(self, value: Value) -> Value:
        """A number as an index or a bound."""
        if value.kind == "int":
            return value
        if value.kind != "double":
            raise Unsupported("not an index")
        result = self.new("int")
        self.emit("to_int", result.place, value.place)
        return result

    def truth(self, value: Value) -> Value:
        if value.kind == "boolean":
            return value
        result = self.new("boolean")
        if value.kind not in ("int", "double"):
            raise Unsupported("not a condition")
        self.emit("truth_i" if value.kind == "int" else "truth_d", result.place, value.place)
        return result

    def move(self, to: Value, value: Value) -> None:
        if to.place == value.place:
            return
        if value.kind in ("int", "boolean"):
            self.emit("move_i", to.place, value.place)
        elif isinstance(value.kind, tuple) and value.kind != (1, 1):
            m, n = _sizes(value)
            self.emit("copy", to.place, value.place, 0, 1, m * n)
        else:
            self.emit("move_d", to.place, value.place)

    # ---- statements

    def block(self, block: list[Any], state: State) -> State:
        """The state after a block; `state` stays as it is."""
        state = dict(state)
        for s in block:
            if isinstance(s, Op):
                self.op(s, state)
            elif isinstance(s, If):
                state = self.if_(s, state)
            elif isinstance(s, While):
                state = self.while_(s, state)
            elif isinstance(s, For):
                state = self.for_(s, state)
            else:
                raise Unsupported("a call")
        return state

    def if_(self, s: If, state: State) -> State:
        condition = self.truth(self.operand(s.condition, state))
        skip = self.emit("jump_unless", 0, condition.place)
        then = self.block(s.then, state)
        if not s.orelse:
            skip[0] = self.here
            return _merged(then, state)
        end = self.emit("jump", 0)
        skip[0] = self.here
        orelse = self.block(s.orelse, state)
        end[0] = self.here
        return _merged(then, orelse)

    def attempt(self, write: Callable[[], State]) -> State:
        """What a part would do to the state, without its instructions."""
        code = self.code
        self.code = []
        try:
            return write()
        finally:
            self.code = code

    def is_stable(self, live: frozenset[str], before: State, after: State) -> bool:
        return all(name in after and after[name].kind == v.kind for name, v in before.items() if name in live)

    def for_(self, s: For, state: State) -> State:
        first, last = (self.index(self.operand(o, state)) for o in (s.start, s.stop))
        step = None if s.step is None else self.index(self.operand(s.step, state))
        return self.for_loop(s, state, first, last, step, sure=s.step is None)

    def for_loop(self, s: For, state: State, first: Value, last: Value, step: Value | None, sure: bool) -> State:
        """sure: there is one iteration at least."""
        live = self.liveness.before_block[id(s.body)]
        counter, _, by = (self.new("int") for _ in range(3))
        if step is not None:
            self.move(by, step)
        variable = self.variable(s.variable, "int")
        assigned = assigned_in([s])
        state = {n: v._replace(const=None) if n in assigned else v for n, v in state.items()}
        head = {n: v for n, v in state.items() if n in live} | {s.variable: variable}
        start = self.emit("for_start", counter.place, first.place, last.place, int(step is not None), 0)
        once = self.attempt(lambda: self.block(s.body, head))
        first_states: State | None = None
        if not self.is_stable(live - {s.variable}, head, once):
            if not sure:
                raise Unsupported("types change")
            start[4] = self.here
            enter = self.emit("for_next", counter.place, variable.place, 0)
            self.emit("jump", 0)  # never taken
            enter[2] = self.here
            first_states = self.block(s.body, {**state, s.variable: variable})
            head = {n: v for n, v in first_states.items() if n in live} | {s.variable: variable}
            again = self.attempt(lambda: self.block(s.body, head))
            if not self.is_stable(live - {s.variable}, head, again):
                raise Unsupported("types change")
            to_next = self.emit("jump", 0)
        else:
            to_next = None
        body = self.here
        before = state if first_states is None else first_states
        after = self.block(s.body, {**{n: v for n, v in before.items() if n in live}, s.variable: variable})
        for name, value in before.items():
            if name not in live and name not in after and name not in assigned:
                after[name] = value
        if to_next is None:
            start[4] = self.here
        else:
            to_next[0] = self.here
        self.emit("for_next", counter.place, variable.place, body)
        if first_states is not None:
            return _merged(first_states, after)
        return after if sure else _merged(state, after)

    def while_(self, s: While, state: State) -> State:
        live = self.liveness.before_block[id(s.test)]
        assigned = assigned_in([s])
        state = {n: v._replace(const=None) if n in assigned else v for n, v in state.items()}

        def round_(state: State) -> tuple[State, State]:
            """(after the test, after the body)"""
            tested = self.block(s.test, state)
            condition = self.truth(self.operand(s.condition, tested))
            exits.append(self.emit("jump_unless", 0, condition.place))
            return tested, self.block(s.body, tested)

        exits: list[list[int]] = []
        left: list[State] = []
        once = self.attempt(lambda: round_(state)[1])
        exits.clear()
        if not self.is_stable(live, state, once):
            tested, state = round_(state)
            left.append(tested)
            again = self.attempt(lambda: round_(state)[1])
            exits.pop()
            if not self.is_stable(live, state, again):
                raise Unsupported("types change")
        head = {n: v for n, v in state.items() if n in live or n not in assigned}
        top = self.here
        tested, _ = round_(head)
        self.emit("jump", top)
        left.append(tested)
        for skip in exits:
            skip[0] = self.here
        result = left[0]
        for other in left[1:]:
            result = _merged(result, other)
        return result

    def op(self, s: Op, state: State) -> None:
        name = s.builtin.name
        if name == "fused steps":
            self.fused(s, state)
            return
        handler = HANDLERS.get(name)
        if handler is None or len(s.outs) != 1 or not s.outs[0]:
            raise Unsupported(name)
        args = s.args[:1] if name in _CONVERSIONS else s.args
        values = [None if a == Const(None) else self.operand(a, state) for a in args]
        if name in _CONVERSIONS:
            values += [Value("text", 0, a.value) if isinstance(a, Const) else None for a in s.args[1:3]]
        result = handler(self, s.outs[0], name, *values)
        state[s.outs[0]] = result

    def fused(self, s: Op, state: State) -> None:
        template = s.args[0].value if isinstance(s.args[0], Const) else None
        if not isinstance(template, Template):
            raise Unsupported("fused steps")
        inputs = [self.operand(a, state) for a in s.args[2:]]
        results: list[Value] = []
        for k, step in enumerate(template.steps):
            handler = HANDLERS.get(step.builtin)
            if handler is None:
                raise Unsupported(step.builtin)
            values = [inputs[a] if a >= 0 else results[-a - 1] for a in step.args]
            last = k == len(template.steps) - 1
            results.append(handler(self, s.outs[0] if last else f"{s.outs[0]} {k} {id(s)}", step.builtin, *values))
        state[s.outs[0]] = results[-1]


def _merged(a: State, b: State) -> State:
    """After one of two ways: variables that have the same kind on both."""
    return {n: v._replace(const=None) for n, v in a.items() if n in b and b[n].kind == v.kind}


# ---- operations


def _is_number(v: Value | None) -> bool:
    return v is not None and v.kind in ("int", "double")


def _needs(condition: bool) -> None:
    if not condition:
        raise Unsupported("operands")


def _sizes(v: Value) -> tuple[int, int]:
    """Rows and columns of a small matrix."""
    if not isinstance(v.kind, tuple) or v.kind[0] * v.kind[1] > MOST_CELLS:
        raise Unsupported("not a small matrix")
    return v.kind


def _copy(w: _Writer, out: str, name: str, x: Value, *rest: Any) -> Value:
    """A copy of a value."""
    to = w.variable(out, x.kind)
    w.move(to, x)
    return to


def _arithmetic(w: _Writer, out: str, name: str, a: Value, b: Value | None = None) -> Value:
    if b is None:
        return _extreme(w, out, name, a)
    if a.is_matrix or b.is_matrix:
        return _cells(w, out, name, a, b)
    _needs(_is_number(a) and _is_number(b))
    if a.kind == b.kind == "int" and name not in ("/", "^"):
        to = w.variable(out, "int")
        w.emit(_OF_NUMBERS[name] + "_i", to.place, a.place, b.place)
        return to
    exact = (name == "/" and a.kind == b.kind) or name == "^"  # whether an exponent is odd
    x, y = w.double(a, exact), w.double(b, exact)
    to = w.variable(out, "double")
    w.emit(_OF_NUMBERS[name] + "_d", to.place, x.place, y.place)
    return to


_OF_NUMBERS = {
    "+": "add",
    "-": "sub",
    "*": "mul",
    "/": "div",
    "min": "min",
    "max": "max",
    "%%": "mod",
    "%/%": "idiv",
    "^": "pow",
}
_RELATIONS = {
    "<": ("lt", False),
    "<=": ("le", False),
    ">": ("lt", True),
    ">=": ("le", True),
    "==": ("eq", False),
    "!=": ("ne", False),
}


def _compare(w: _Writer, out: str, name: str, a: Value, b: Value) -> Value:
    if a.is_matrix or b.is_matrix:
        return _cells(w, out, name, a, b)
    relation, swapped = _RELATIONS[name]
    if "double" in (a.kind, b.kind):
        kind, (x, y) = "_d", (w.double(a, exact=True), w.double(b, exact=True))
    else:  # booleans count as 0 and 1
        kind, (x, y) = "_i", (a, b)
    if swapped:
        x, y = y, x
    to = w.variable(out, "boolean")
    w.emit(relation + kind, to.place, x.place, y.place)
    return to


def _logic(w: _Writer, out: str, name: str, a: Value, b: Value) -> Value:
    if a.is_matrix or b.is_matrix:
        return _cells(w, out, name, a, b)
    x, y = w.truth(a), w.truth(b)
    to = w.variable(out, "boolean")
    w.emit("and" if name == "&" else "or", to.place, x.place, y.place)
    return to


def _not(w: _Writer, out: str, name: str, x: Value) -> Value:
    if x.is_matrix:
        return _map(w, out, name, x)
    x = w.truth(x)
    to = w.variable(out, "boolean")
    w.emit("not", to.place, x.place)
    return to


def _negative(w: _Writer, out: str, name: str, x: Value) -> Value:
    if x.is_matrix:
        return _map(w, out, name, x)
    _needs(_is_number(x))
    to = w.variable(out, x.kind)
    w.emit("neg_i" if x.kind == "int" else "neg_d", to.place, x.place)
    return to


def _absolute(w: _Writer, out: str, name: str, x: Value) -> Value:
    if x.kind != "int":
        return _function(w, out, name, x)
    to = w.variable(out, "int")
    w.emit("abs_i", to.place, x.place)
    return to


def _function(w: _Writer, out: str, name: str, x: Value, base: Value | None = None) -> Value:
    if x.is_matrix and base is None:
        return _map(w, out, name, x)
    _needs(_is_number(x) and base is None)
    x = w.double(x)
    to = w.variable(out, "double")
    w.emit(_FUNCTIONS[name], to.place, x.place)
    return to


_FUNCTIONS = {
    "abs": "abs_d",
    "is.nan": "is_nan",
    "is.infinite": "is_inf",
    **{n: n for n in "sqrt exp log sin cos tan asin acos atan sinh cosh tanh round floor ceil sign".split()},
}
_MAPS = ("unary -", "!", "abs", "sqrt", "sign", "floor", "ceil", "round")
_POWERS = {1: None, 2: "square", 3: "cube", 4: "fourth"}


def _map(w: _Writer, out: str, name: str, x: Value) -> Value:
    """A function of each cell.  NumPy's functions beyond these have bits of their own."""
    _needs(name in _MAPS or name in _POWERS.values())
    m, n = _sizes(x)
    to = w.variable(out, x.kind)
    w.emit("map " + name, to.place, x.place, x.place, 1, m * n, 1, 1)
    return to


def _power(w: _Writer, out: str, name: str, a: Value, b: Value) -> Value:
    if not a.is_matrix and not b.is_matrix:
        return _arithmetic(w, out, name, a, b)
    _needs(a.is_matrix and _is_number(b) and b.const in _POWERS)
    of_cells = _POWERS[b.const]
    return _copy(w, out, "", a) if of_cells is None else _map(w, out, of_cells, a)


_OF_CELLS = frozenset(("+", "-", "*", "/", "min", "max", "==", "!=", "<", "<=", ">", ">=", "&", "|", "%%"))


def _cells(w: _Writer, out: str, name: str, a: Value, b: Value) -> Value:
    """An elementwise operation of a matrix with a number, or of two matrices of which the right one may be repeated."""
    _needs(name in _OF_CELLS)
    sizes = [_sizes(v) if v.is_matrix else (1, 1) for v in (a, b)]
    (m, n), (rows, cols) = sizes
    if not a.is_matrix:
        a, (m, n) = w.double(a), (rows, cols)
    elif not b.is_matrix:
        b = w.double(b)
    else:
        _needs((m, n) == (rows, cols) or (rows == 1 and (cols in (n, 1) or n == 1)) or (rows == m and cols == 1))
        n = max(n, cols)
        _needs(m * n <= MOST_CELLS)
    if all(v.kind in ("double", (1, 1), (m, n)) for v in (a, b)):
        layout = 1, m * n, *(int(v.kind == (m, n)) for v in (a, b))
    else:
        layout = m, n, *(_steps(size, m, n) for size in sizes)
    to = w.variable(out, (m, n))
    w.emit("cells " + name, to.place, a.place, b.place, *layout)
    return to


def _steps(size: tuple[int, int], m: int, n: int) -> int:
    """Twice the step from row to row, and the step from cell to cell, of an operand laid over an m x n result."""
    rows, cols = size
    return 2 * (cols if rows == m and rows > 1 else 0) + int(cols == n and cols > 1)


def _extreme(w: _Writer, out: str, name: str, x: Value) -> Value:
    _needs(x.is_matrix and name in ("min", "max"))
    return _total(w, out, name, x)


def _total(w: _Writer, out: str, name: str, x: Value, weights: Value | None = None) -> Value:
    """A number of all cells."""
    _needs(weights is None)
    m, n = _sizes(x)
    to = w.variable(out, "double")
    if name in ("min", "max"):
        w.emit(name + "_of", to.place, x.place, 0, 1, m * n)
    elif name == "trace":
        _needs(m == n)
        w.emit("trace", to.place, x.place, n + 1, 1, n)
    else:
        w.emit("sum", to.place, x.place, 1, 1, m * n)
        if name == "mean":
            w.emit("div_d", to.place, to.place, w.constant(float(m * n)).place)
    return to


def _sums(w: _Writer, out: str, name: str, x: Value) -> Value:
    """rowSums and colSums."""
    m, n = _sizes(x)
    _needs(m > 1 and n > 1)  # NumPy adds the cells of a vector in another order
    to = w.variable(out, (m, 1) if name == "rowSums" else (1, n))
    w.emit("row_sums" if name == "rowSums" else "column_sums", to.place, x.place, 0, m, n)
    return to


def _size(w: _Writer, out: str, name: str, x: Value) -> Value:
    if not isinstance(x.kind, tuple):
        raise Unsupported("not a matrix")
    m, n = x.kind
    known = w.constant({"nrow": m, "ncol": n, "length": m * n}[name])
    to = w.variable(out, "int")
    w.move(to, known)
    return to._replace(const=known.const)


def _as_scalar(w: _Writer, out: str, name: str, x: Value) -> Value:
    _needs(not x.is_matrix or x.kind == (1, 1))
    to = w.variable(out, "double" if x.is_matrix else x.kind)
    w.move(to, x._replace(kind=to.kind))
    return to


def _as_matrix(w: _Writer, out: str, name: str, x: Value) -> Value:
    if x.is_matrix:
        return _copy(w, out, name, x)
    x = w.double(x)
    to = w.variable(out, (1, 1))
    w.emit("move_d", to.place, x.place)
    return to


def _cast(w: _Writer, out: str, name: str, x: Value) -> Value:
    """as.double, as.integer and as.logical of a scalar."""
    _needs(not x.is_matrix)
    if name == "as.double":
        x = w.double(x._replace(kind="int", const=None) if x.kind == "boolean" else x)
    elif name == "as.integer":
        x = x._replace(kind="int", const=None) if x.kind == "boolean" else w.index(x)
    else:
        x = w.truth(x)
    return _copy(w, out, name, x)


def _declared(
    w: _Writer, out: str, name: str, x: Value, data: Value | None = None, type_: Value | None = None
) -> Value:
    """A parameter or a result of an inlined function."""
    _needs(data is not None and type_ is not None)
    assert data is not None and type_ is not None
    if x.is_matrix:
        _needs(data.const == "matrix")
        return _copy(w, out, name, x)
    _needs(data.const == "scalar")
    if x.kind == "int" and type_.const == "double":
        return _copy(w, out, name, w.double(x))
    _needs(type_.const == x.kind)
    return _copy(w, out, name, x)


_CONVERSIONS = ("as parameter", "as result")


def _read(w: _Writer, out: str, name: str, X: Value, *bounds: Value | None) -> Value:
    """One cell, as a 1 x 1 matrix."""
    i, j, *sizes = _one_cell(w, X, *bounds[:4])
    to = w.variable(out, (1, 1))
    w.emit("get", to.place, i, j, X.place, *sizes)
    return to


def _write(w: _Writer, out: str, name: str, X: Value, *rest: Value | None) -> Value:
    """One cell is assigned."""
    value = rest[4]
    _needs(_is_number(value) or (value is not None and value.kind == (1, 1)))
    assert value is not None
    x = value if value.is_matrix else w.double(value)
    i, j, *sizes = _one_cell(w, X, *rest[:4])
    to = w.variable(out, X.kind)
    w.move(to, X)
    w.emit("put", x.place, i, j, to.place, *sizes)
    return to


def _one_cell(
    w: _Writer, X: Value, rl: Value | None, ru: Value | None, cl: Value | None, cu: Value | None
) -> tuple[int, ...]:
    """Places of row and column, and the sizes of the matrix."""
    if not isinstance(X.kind, tuple) or rl is None or rl != ru or cl is None or cl != cu:
        raise Unsupported("not one cell")
    return w.index(rl).place, w.index(cl).place, *X.kind


def _transpose(w: _Writer, out: str, name: str, X: Value) -> Value:
    """Of a vector: its cells lie in the same order."""
    m, n = _sizes(X)
    _needs(1 in (m, n))
    to = w.variable(out, (n, m))
    w.move(to, X)
    return to


def _product(w: _Writer, out: str, name: str, left: Value, right: Value) -> Value:
    """The function of BLAS that NumPy takes for these sizes."""
    (m, k), (rows, n) = _sizes(left), _sizes(right)
    _needs(k == rows and m * n <= MOST_CELLS and (1, 1) not in (left.kind, right.kind) and m * k < MOST_CELLS)
    if m == n == 1:
        to = w.variable(out, (1, 1))
        w.emit("dot", to.place, left.place, right.place, 1, k)
        return to
    to = w.variable(out, (m, n))
    target = w.new(to.kind) if to.place in (left.place, right.place) else to
    if n == 1:
        w.emit("product_column", target.place, left.place, right.place, m, k)
    elif m == 1:
        w.emit("product_row", target.place, left.place, right.place, k, n)
    else:
        w.emit("product", target.place, left.place, right.place, m, n, k)
    w.move(to, target)
    return to


def _filled(w: _Writer, out: str, name: str, value: Value, rows: Value | None, cols: Value | None, *rest: Any) -> Value:
    """`matrix(v, m, n)` of constants."""
    _needs(_is_number(value) and value.const is not None)
    _needs(rows is not None and cols is not None and type(rows.const) is int and type(cols.const) is int)
    assert rows is not None and cols is not None
    m, n = rows.const, cols.const
    _needs(m > 0 and n > 0 and m * n <= MOST_CELLS)
    source = w.new((m, n))
    w.fills.append((source.place, m * n, float(value.const)))
    to = w.variable(out, (m, n))
    w.move(to, source)
    return to


Handler = Callable[..., Value]
# What each builtin becomes.  A handler gets the writer, the variable to assign, the builtin's name and the operands.
HANDLERS: dict[str, Handler] = {
    "=": _copy,
    **dict.fromkeys(("+", "-", "*", "/", "%%", "%/%", "min", "max"), _arithmetic),
    **dict.fromkeys(_RELATIONS, _compare),
    **dict.fromkeys(("&", "|"), _logic),
    **dict.fromkeys(_FUNCTIONS, _function),
    "abs": _absolute,
    "^": _power,
    "!": _not,
    "unary -": _negative,
    **dict.fromkeys(("sum", "mean", "trace"), _total),
    **dict.fromkeys(("rowSums", "colSums"), _sums),
    **dict.fromkeys(("nrow", "ncol", "length"), _size),
    "as.scalar": _as_scalar,
    "as.matrix": _as_matrix,
    **dict.fromkeys(("as.double", "as.integer", "as.logical"), _cast),
    **dict.fromkeys(_CONVERSIONS, _declared),
    "[]": _read,
    "[]=": _write,
    "t": _transpose,
    "%*%": _product,
    "matrix": _filled,
}

"""Single cells of matrices and elements of lists, without the matrix or list of one element between.

A cell is `X.item(i - 1, j - 1)` or `X[i - 1, j - 1] = v`, an element `items[i - 1]`.  Before a loop that uses a matrix by cells
only, the array is made the loop's own, once (`own`); a list that a loop only appends to and reads is a list of Python there
(`take`).  That an index is too large is found by the array or the list; `Code.checks` has what tells the DML user.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from pydml.execution.code import python_name
from pydml.execution.emit_nodes import Nodes
from pydml.ir.program import (
    Const,
    For,
    Op,
    Operand,
    ParFor,
    Var,
    While,
    mentioned_in,
    reads,
    variables_in,
    walk,
    writes,
)
from pydml.ir.ranges import Interval
from pydml.types import LIST, MATRIX, SCALAR

# Functions that give for a list of one element what they give for the element; how they get it from a list
OF_ELEMENTS = {"as.matrix": "_matrix_element", "as.list": "_list_element", "as.scalar": "_any_element"}


class Elements(Nodes):
    """Of a function's code, reading and writing of single cells and elements."""

    def __init__(self, *args: Any):
        super().__init__(*args)
        found = _single_cells(self.function.body, self.uses, self.assignments, self.live_out)
        self.cells, self.list_elements, cell_names = found
        self.cell_names = {Var(name) for name in cell_names}
        self.releasable -= cell_names
        self.elements: set[Operand] = set()  # temporaries that hold an element of a list
        self.owned: set[str] = set()  # matrices whose memory nobody else holds
        self.parts: dict[int, ast.Call] = {}  # by id: calls that give a list of one element of a list
        self.taken: dict[str, str] = {}  # lists of DML that are lists of Python in the loop around

    # ---- indexes

    def flush_indexes(self, s: Op) -> None:
        """An index that comes twice is computed once."""
        for k in (1, 3):
            if s.args[k] == s.args[k + 1] and isinstance(s.args[k], Var) and s.args[k].name in self.pending:  # type: ignore[union-attr]
                self.flush_one(s.args[k].name)  # type: ignore[union-attr]

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

    def check(self, expression: ast.expr) -> None:
        """Enter an expression that raises the DMLError for an index of the operation at this position."""
        p = self.position
        place = p["lineno"], p["end_lineno"], p["col_offset"], p["end_col_offset"]
        self.code.checks[self.file, self.scope, *place] = expression

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

    def part(self, s: Op, call: ast.expr) -> ast.expr:
        """Note that a call is `l[i]`, a list of one element, for `unwrap`."""
        list_ = bool(s.arg_types) and s.arg_types[0].data == LIST and s.args[3:5] == (Const(None), Const(None))
        if list_ and _is_one(s.args[1], s.args[2]) and isinstance(call, ast.Call):
            self.parts[id(call)] = call
        return call

    def unwrap(self, s: Op) -> bool:
        """Let `l[i]`, which waits to be the argument of s, give the element without the list of one element around it."""
        p = self.pending.get(s.args[0].name) if isinstance(s.args[0], Var) else None
        call = self.parts.get(id(p.expression)) if p is not None else None
        if p is None or call is None:
            return False
        function = ast.copy_location(ast.Name(OF_ELEMENTS[s.builtin.name], ast.Load()), call)
        p.expression = ast.copy_location(ast.Call(function, call.args[:2], []), call)
        return True

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
            mentioned = mentioned_in([s])
        elif isinstance(s, Op) and s.args and isinstance(s.args[0], Var):
            name = s.args[0].name
            rest = _reads_beside(s)
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


def _reads_beside(s: Op) -> set[str]:
    """Variables that an operation reads beside its first operand."""
    return {n for a in s.args[1:] for n in variables_in(a)}


def _written_by_cells(loop: For | While, is_cell_write: Callable[[Op], bool], cells: set[Op]) -> set[str]:
    """Matrices that a loop writes by cells, and that it uses in no way by which somebody else may get hold of them."""
    written: set[str] = set()
    other: set[str] = set()
    for s in walk([loop]):
        if isinstance(s, Op) and s.builtin.name == "[]=" and is_cell_write(s):
            written.add(s.outs[0])
            other |= _reads_beside(s)
        elif isinstance(s, ParFor):
            other |= mentioned_in([s])
        elif isinstance(s, Op) and (s in cells or s.builtin.name in ("nrow", "ncol", "length")):
            other |= _reads_beside(s) | writes(s)
        else:
            other |= writes(s) | reads(s)
    return written - other

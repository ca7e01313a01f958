"""Loops that the loop machine may run: which ones, when, and with what.

The emitter asks `may_qualify` for each loop of the IR and writes, in front of the Python loop, a call of a `Site`.  The site estimates
the work of the loop in Python and adds it to what loops of this run have cost (`Context.loop_work`), so that Numba is loaded only
by runs that have done enough.  Then the loop is translated for the kinds and sizes of its variables (`loop_program`), once for
each combination, and run; the site returns the values after the loop, or None: then Python runs it.  The machine works on
copies, so nothing has happened where it gives up.  Its results are those of the Python loop to the last bit.
"""

from __future__ import annotations

import sys
from time import perf_counter
from typing import Any

import numpy as np

from pydml.builtins.fused import Template
from pydml.builtins.loops import loop_machine_pays, loop_program
from pydml.execution.context import Context
from pydml.execution.loop_program import HANDLERS, Kind, Translation, Unsupported, kind_of, translate
from pydml.ir.liveness import Liveness
from pydml.ir.program import Const, For, If, Op, Var, While, assigned_in, operands_of, walk
from pydml.types import BOOLEAN, FRAME, LIST, MATRIX, STRING, Type

# Nanoseconds of work in Python loops after which loading Numba and the machine pays; and where Numba is there already.
WORTH_LOADING = 600_000_000
WITH_NUMBA = 30_000_000
# Work below which a loop does not ask: the call and the look at the values take some microseconds.
LEAST = 100_000
SMALL = 1 << 16  # cells that are copied without further thought
# Estimates for Python, in nanoseconds.
_SCALAR_NS, _MATRIX_NS, _CELL_NS = 22, 1000, 60
_UNKNOWN_ITERATIONS = 10  # of an inner loop
_KINDS = 64  # translations that are kept of one loop

# Functions of matrices that the machine does not have; of scalars it has them.
_SCALARS_ONLY = frozenset("exp log sin cos tan asin acos atan sinh cosh tanh is.nan is.infinite %/%".split())


def may_qualify(loop: For | While) -> bool:
    """Whether the machine may be able to run a loop, as far as its operations and the known types tell."""
    return all(_may_run(s) for s in walk([loop]))


def _may_run(s: Any) -> bool:
    if isinstance(s, Op):
        name = s.builtin.name
        if name == "fused steps":
            template = s.args[0].value if isinstance(s.args[0], Const) else None
            return isinstance(template, Template) and all(
                step.builtin in HANDLERS and step.builtin not in _SCALARS_ONLY for step in template.steps
            )
        if name not in HANDLERS or any(_is_foreign(t) for t in s.out_types):
            return False
        if name in _SCALARS_ONLY and any(t.data == MATRIX for t in s.arg_types):
            return False
        if name in ("[]", "[]=") and (len(s.args) < 5 or s.args[1] != s.args[2] or s.args[3] != s.args[4]):
            return False
        if name in ("as parameter", "as result"):
            return True
        return all(isinstance(a, (Var, Const)) for a in s.args) and not any(_is_foreign(t) for t in s.arg_types)
    return isinstance(s, (If, For, While)) and all(isinstance(o, (Var, Const)) for o in operands_of(s))


def _is_foreign(t: Type) -> bool:
    return t.data in (FRAME, LIST) or t.value == STRING


class Site:
    """One loop of a program.

    inputs, outputs: variables, in the order in which the emitted code gives and takes their values.  iteration_ns: what an iteration
    costs in Python besides that of inner loops, which are in `inner`: (nanoseconds, the bounds of each loop around).
    """

    def __init__(
        self, loop: For | While, liveness: Liveness, inputs: tuple[str, ...], outputs: tuple[str, ...], place: Any
    ):
        self.loop = loop
        self.liveness = liveness
        self.inputs = inputs
        self.outputs = outputs
        self.place = place  # (file, line), for statistics
        self.inner: list[tuple[int, list[tuple[Any, Any]]]] = []
        assigned = assigned_in([loop])
        blocks = [loop.body] if isinstance(loop, For) else [loop.test, loop.body]
        self.iteration_ns = sum(self._estimate(b, [], assigned) for b in blocks) + _SCALAR_NS
        # Inputs are not known yet: None stands for each.
        self.least_iterations = max(1, int(LEAST / self.work(1, (None,) * len(inputs))))
        self._translations: dict[tuple[Kind, ...], Translation | None] = {}

    def _estimate(self, block: list[Any], around: list[tuple[Any, Any]], assigned: set[str]) -> int:
        """Nanoseconds of the statements of a block; those in inner loops are entered in `inner`."""
        total = 0
        for s in block:
            if isinstance(s, Op):
                total += _nanoseconds(s)
            elif isinstance(s, If):
                total += _SCALAR_NS + max(self._estimate(b, around, assigned) for b in (s.then, s.orelse))
            else:
                bounds = [*around, self._bounds(s, assigned)]
                blocks = [s.body] if isinstance(s, For) else [s.test, s.body]
                inside = sum(self._estimate(b, bounds, assigned) for b in blocks) + _SCALAR_NS
                self.inner.append((inside, bounds))
        return total

    def _bounds(self, s: Any, assigned: set[str]) -> tuple[Any, Any]:
        """First and last of a loop: numbers, or positions among the inputs as lists of one, or None."""
        if isinstance(s, While) or s.step is not None:
            return None, None
        found: list[Any] = []
        for o in (s.start, s.stop):
            if isinstance(o, Const) and type(o.value) in (int, float):
                found.append(o.value)
            elif isinstance(o, Var) and o.name in self.inputs and o.name not in assigned:
                found.append([self.inputs.index(o.name)])
            else:
                return None, None
        return found[0], found[1]

    def work(self, iterations: int, values: tuple[Any, ...]) -> float:
        """Estimated nanoseconds in Python."""
        each = float(self.iteration_ns)
        for ns, bounds in self.inner:
            count = 1.0
            for first, last in bounds:
                first, last = (values[b[0]] if type(b) is list else b for b in (first, last))
                known = type(first) in (int, float) and type(last) in (int, float) and abs(last - first) < 1e15
                count *= abs(last - first) + 1 if known else _UNKNOWN_ITERATIONS
            each += ns * count
        return iterations * each

    def __call__(self, context: Context, range_: range | None, values: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """The values of `outputs` after the loop; None: Python runs it, from where it is.  range_: of a `for`."""
        iterations = self.least_iterations if range_ is None else len(range_)
        work = self.work(iterations, values)
        context.loop_work += work
        if context.loop_work < (WITH_NUMBA if "numba" in sys.modules else WORTH_LOADING) or not iterations:
            return None
        if not loop_machine_pays.run(context.loop_work):
            return None
        if self in context.loops_given_up or context.dtype is not np.float64 or sys.gettrace() is not None:
            return None  # who follows the lines of the script wants to see them
        if sum([v.size for v in values if type(v) is np.ndarray]) > max(work, SMALL):
            return None  # it takes as long to copy the matrices
        key = tuple([kind_of(v) for v in values])
        if None in key:
            return None
        try:
            translation = self._translations[key]  # type: ignore[index]
        except KeyError:
            if len(self._translations) >= _KINDS:
                return None
            try:
                translation = translate(self.loop, self.liveness, self.inputs, key, self.outputs)  # type: ignore[arg-type]
            except Unsupported:
                translation = None
            self._translations[key] = translation  # type: ignore[index]
        if translation is None:
            return None
        start = perf_counter()
        found = _run(translation, range_, values)
        if found is None:
            context.loops_given_up.add(self)
        elif context.statistics is not None:
            context.statistics.record("loop machine", *self.place, perf_counter() - start)
        return found


def _nanoseconds(s: Op) -> int:
    name = s.builtin.name
    if name in ("[]", "[]="):
        return _CELL_NS
    if name in ("as.scalar", "="):
        return 0
    if any(t.data == MATRIX for t in (*s.arg_types, *s.out_types)) and name not in ("nrow", "ncol", "length"):
        return _MATRIX_NS
    return _SCALAR_NS


def _run(t: Translation, range_: range | None, values: tuple[Any, ...]) -> tuple[Any, ...] | None:
    cells, ints = np.empty(t.program.cells), np.zeros(t.program.ints, np.int64)
    for place, double in t.doubles:
        cells[place] = double
    for place, integer in t.ints:
        ints[place] = integer
    for place, count, cell in t.fills:
        cells[place : place + count] = cell
    try:
        for at, value in zip(t.inputs, values, strict=True):
            if at.kind in ("int", "boolean"):
                ints[at.place] = value
            elif isinstance(at.kind, tuple):
                cells[at.place : at.place + value.size] = value.reshape(-1)
            else:
                cells[at.place] = value
        if range_ is not None and t.range_ is not None:
            ints[list(t.range_)] = range_[0], range_[-1], range_.step
    except OverflowError:  # an int of more than 64 bits
        return None
    if not loop_program.run(t.program, cells, ints):
        return None
    return tuple([_value(v.kind, v.place, cells, ints) for v in t.outputs])


def _value(kind: Kind, place: int, cells: np.ndarray, ints: np.ndarray) -> Any:
    if kind == "int":
        return int(ints[place])
    if kind == BOOLEAN:
        return bool(ints[place])
    if isinstance(kind, tuple):
        return cells[place : place + kind[0] * kind[1]].reshape(kind).copy()
    return float(cells[place])

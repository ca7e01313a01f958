"""Are the iterations of a parfor loop independent?

Variables that exist before the loop may be updated in two ways: cells of a matrix or elements of a list, each by one
iteration only and read by no other; or a whole matrix by `+=`, which is a sum over the iterations.

Index expressions are written as polynomials in the loop variables and in variables that the loop does not change.  Two
accesses with the index ranges [a*i + b, a*i + c] do not meet for different i if the range is shorter than the step a.  What
is certainly dependent is an error here; writes of which nothing certain is known are compared while running.

SystemDS does not look at what the condition of an `if` reads.  Scripts rely on that (a flag that iterations set and test), so
such a loop is no error here either: its iterations run one after the other.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from pydml.diagnostics import Collector, Label, Span
from pydml.ir.program import (
    Const,
    For,
    Op,
    Operand,
    ParFor,
    Program,
    Var,
    reads,
    variables_in,
    walk,
    writes,
)
from pydml.records import dataclass

Monomial = tuple[str, ...]
Polynomial = dict[Monomial, Fraction]

_ONLY_SIZE = frozenset({"nrow", "ncol", "length", "exists"})


def check_parfor(program: Program) -> None:
    """Find what each parfor loop updates and how; raises DMLError "parfor-dependency"."""
    collector = Collector()
    for function in program.all_functions():
        for s in walk(function.body):
            if isinstance(s, ParFor):
                _Checker(s, collector).run()
    collector.check()


@dataclass
class _Access:
    """One reading or writing of cells: index ranges as polynomials, None where unknown; whole: all cells."""

    span: Span
    rows: tuple[Polynomial | None, Polynomial | None] | None  # None: all rows
    cols: tuple[Polynomial | None, Polynomial | None] | None


class _Checker:
    def __init__(self, loop: ParFor, collector: Collector):
        self.loop = loop
        self.collector = collector
        check = loop.options.get("check")
        self.strict = not (isinstance(check, Const) and check.value in (0, False))
        self.inner = {s.variable for s in walk(loop.body) if isinstance(s, (For, ParFor))}
        self.definitions: dict[str, list[Op]] = {}
        for s in walk(loop.body):
            for name in writes(s):
                self.definitions.setdefault(name, []).append(s)  # type: ignore[arg-type]

    def run(self) -> None:
        loop = self.loop
        updated = {n for n in self.definitions if n in loop.outer and n != loop.variable}
        for name in sorted(updated - self.inner):
            self.variable(name)
        if self.strict:
            for name in sorted(loop.results):
                if loop.results[name] == "cells":
                    self.cells(name)

    def variable(self, name: str) -> None:
        ops = self.definitions[name]
        if all(isinstance(s, Op) and s.builtin.name == "[]=" and s.args[0] == Var(name) for s in ops):
            self.loop.results[name] = "cells"
            return
        sums = [s for s in ops if isinstance(s, Op) and s.accumulates and s.args[0] == Var(name)]
        if len(sums) == len(ops):
            if all(not t.is_scalar for s in sums for t in s.arg_types[:1]):
                others = [s for s in _reading(self.loop.body, name) if s not in sums]
                if not others:
                    self.loop.results[name] = "sum"
                    return
                self.error(
                    name,
                    "is added to by every iteration and read in the loop",
                    sums[0].span,
                    others[0].span,
                    "read here",
                )
                return
        if not self.strict:
            self.loop.results[name] = "cells"
            return
        what = next(s for s in ops if not (isinstance(s, Op) and s.builtin.name == "[]="))
        reading = next((s for s in _reading(self.loop.body, name) if s is not what), None)
        self.error(
            name,
            "exists before the loop and every iteration assigns it",
            what.span,
            reading.span if reading is not None else None,
            "and uses it here",
        )

    def error(self, name: str, why: str, span: Span, other: Span | None, remark: str) -> None:
        labels = (Label(other, remark),) if other is not None and other != span else ()
        self.collector.add(
            "parfor-dependency",
            f"the iterations depend on each other: {name} {why}",
            span,
            labels=labels,
            help="use for, or check=0 if you know better",
        )

    # ---- cells

    def cells(self, name: str) -> None:
        written = [self.access(s.args, s.span) for s in self.definitions[name] if isinstance(s, Op)]
        read: list[_Access] = []
        tested: list[_Access] = []
        for s in walk(self.loop.body):
            if name not in reads(s):
                continue
            if isinstance(s, Op) and s.builtin.name == "[]" and s.args[0] == Var(name):
                (tested if s.tests else read).append(self.access(s.args, s.span))
            elif isinstance(s, Op) and s.builtin.name == "[]=" and s.args[0] == Var(name):
                if any(name in variables_in(a) for a in s.args[1:]):
                    read.append(_Access(s.span, None, None))
            elif isinstance(s, Op) and s.builtin.name in _ONLY_SIZE:
                continue
            else:
                (tested if isinstance(s, Op) and s.tests else read).append(_Access(s.span, None, None))
        if any(self.overlap(w, t) is not False for w in written for t in tested):
            self.loop.options["par"] = Const(1)
        unknown = False
        for i, w in enumerate(written):
            for other in written[i:]:
                verdict = self.overlap(w, other)
                if verdict is True:
                    self.error(name, "gets the same cells from several iterations", w.span, other.span, "and here")
                    return
                unknown |= verdict is None
        for r in read:
            for w in written:
                verdict = self.overlap(w, r)
                if verdict is not False:
                    certainty = "reads" if verdict else "may read"
                    self.error(
                        name, f"is changed by one iteration where another {certainty} it", w.span, r.span, "read here"
                    )
                    return
        if unknown:
            self.loop.dynamic_check |= {name}

    def access(self, args: tuple[Operand, ...], span: Span) -> _Access:
        def range_(lower: Operand, upper: Operand) -> tuple[Polynomial | None, Polynomial | None] | None:
            if lower == Const(None):
                return None
            return self.polynomial(lower), self.polynomial(upper)

        return _Access(span, range_(args[1], args[2]), range_(args[3], args[4]))

    def overlap(self, a: _Access, b: _Access) -> bool | None:
        """Whether two different iterations may touch the same cell: True (surely), False (never), None (unknown)."""
        rows = self.meet(a.rows, b.rows)
        cols = self.meet(a.cols, b.cols)
        if rows is False or cols is False:
            return False
        return True if rows and cols else None

    def meet(self, a: Any, b: Any) -> bool | None:
        """The same for one dimension."""
        if a is None and b is None:
            return True
        if a is None or b is None:
            return None if self._varies(a if b is None else b) else True
        (al, au), (bl, bu) = a, b
        if None in (al, au, bl, bu):
            return None
        i = self.loop.variable
        step, rest_al = _split(al, i)
        parts = [_split(p, i) for p in (au, bl, bu)]
        if any(p[0] != step for p in parts) or any(i in m for p in [step] for m in p):
            return None
        rest_au, rest_bl, rest_bu = (p[1] for p in parts)
        inner = any(v in m for p in (rest_al, rest_au, rest_bl, rest_bu, step) for m in p for v in self._changing())
        if not step:
            if inner:
                return None
            # the same range in all iterations: it meets unless the two ranges are apart
            apart = _constant(_minus(rest_bl, rest_au)), _constant(_minus(rest_al, rest_bu))
            if any(v is not None and v > 0 for v in apart):
                return False
            if all(v is not None for v in apart):
                return True
            return True if rest_al == rest_bl else None
        if inner:
            return None
        # different iterations are at least one step apart: the ranges must fit between
        size = _magnitude(step)
        gaps = (_minus(rest_bu, rest_al), _minus(rest_au, rest_bl))
        widths = [_constant(_minus(size, g)) for g in gaps]
        if all(w is not None and w > 0 for w in widths):
            return False
        step_value, offset = _constant(step), _constant(_minus(rest_bl, rest_al))
        points = rest_al == rest_au and rest_bl == rest_bu
        if points and step_value and offset is not None:
            quotient = offset / step_value
            if quotient.denominator != 1:
                return False
            count = self.iterations()
            return count is None or abs(quotient) < count
        return None

    def iterations(self) -> int | None:
        start, stop = self.loop.types[0].const, self.loop.types[1].const
        if self.loop.step is None and isinstance(start, int) and isinstance(stop, int):
            return abs(stop - start) + 1
        return None

    def _changing(self) -> set[str]:
        return self.inner | {n for n in self.definitions if n != self.loop.variable}

    def _varies(self, range_: Any) -> bool:
        return any(p is None or p for p in range_)

    def polynomial(self, operand: Operand, depth: int = 0) -> Polynomial | None:
        """The operand as a polynomial of variables, or None."""
        if isinstance(operand, Const):
            value = operand.value
            if (
                isinstance(value, (int, float))
                and not isinstance(value, bool)
                and value == value
                and abs(value) < 2**53
            ):
                return _clean({(): Fraction(value)})
            return None
        if not isinstance(operand, Var) or depth > 40:
            return None
        name = operand.name
        if name == self.loop.variable and name not in self.definitions:
            return {(name,): Fraction(1)}
        ops = self.definitions.get(name)
        if ops is None or name in self.inner:
            return {(name,): Fraction(1)}
        if len(ops) != 1 or not isinstance(ops[0], Op):
            return None
        op = ops[0]
        if op.builtin.name in ("=", "as.integer", "as parameter"):
            return self.polynomial(op.args[0], depth + 1)
        if op.builtin.name in ("unary -", "+", "-", "*"):
            terms = [self.polynomial(a, depth + 1) for a in op.args]
            if any(t is None for t in terms):
                return None
            if op.builtin.name == "unary -":
                return _times({(): Fraction(-1)}, terms[0])
            a, b = terms
            if op.builtin.name == "*":
                return _times(a, b)
            return _minus(a, b) if op.builtin.name == "-" else _plus(a, b)
        return None


def _reading(block: list[Any], name: str) -> list[Any]:
    return [s for s in walk(block) if name in reads(s)]


def _clean(p: Polynomial) -> Polynomial:
    return {m: c for m, c in p.items() if c}


def _plus(a: Any, b: Any) -> Polynomial:
    result = dict(a)
    for m, c in b.items():
        result[m] = result.get(m, Fraction(0)) + c
    return _clean(result)


def _minus(a: Any, b: Any) -> Polynomial:
    return _plus(a, {m: -c for m, c in b.items()})


def _times(a: Any, b: Any) -> Polynomial:
    result: Polynomial = {}
    for ma, ca in a.items():
        for mb, cb in b.items():
            m = tuple(sorted(ma + mb))
            result[m] = result.get(m, Fraction(0)) + ca * cb
    return _clean(result)


def _split(p: Polynomial, variable: str) -> tuple[Polynomial, Polynomial]:
    """p = step * variable + rest."""
    step: Polynomial = {}
    rest: Polynomial = {}
    for m, c in p.items():
        if variable in m:
            factors = list(m)
            factors.remove(variable)
            step[tuple(factors)] = c
        else:
            rest[m] = c
    return step, rest


def _constant(p: Polynomial) -> Fraction | None:
    if not p:
        return Fraction(0)
    return p[()] if set(p) == {()} else None


def _magnitude(step: Polynomial) -> Polynomial:
    """|step|: symbolic steps are sizes, taken as positive; if they are not, the index ranges are empty, which is an error."""
    value = _constant(step)
    return {(): abs(value)} if value is not None else step

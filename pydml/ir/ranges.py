"""Which values the ints of a function can take, found before the run; emission leaves out the checks that this makes needless.

A forward analysis over the structured program, of intervals [low, high].  Conditions narrow them; loops are repeated until nothing
grows, where a bound that grows is taken as unlimited first and found by one more round.  What a loop adds up (`s = s + e`) is bounded by
what an iteration can add, times the number of iterations: values are followed relative to what a variable held when the iteration began.

Only values that are certainly a Python int while running have an interval.  A function may return a double where its result is declared
int (see `builtins.variables.as_result`); `Certain` are the outputs for which that cannot happen, and the parameters that do not get such a
double either.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from pydml.ir.liveness import Liveness
from pydml.ir.program import (
    Call,
    Const,
    For,
    Function,
    If,
    Op,
    Operand,
    ParFor,
    Program,
    Var,
    While,
    blocks_of,
    reads,
    walk,
    writes,
)
from pydml.types import INT, SCALAR, STRING

MIN, MAX = -(2**63), 2**63 - 1

# No loop makes more iterations than that: at ten nanoseconds each they would take more than a year.
ENDLESS = 2**52
_SIZE = 2**60  # rows, columns and lengths are smaller


class Interval(NamedTuple):
    """low <= value <= high.  base: not None where both are relative to the value of a variable at the begin of an iteration."""

    low: int
    high: int
    base: Any = None


FULL = Interval(MIN, MAX)

# None: assigned, but perhaps not an int.  Variables that have not been assigned have no entry.
Env = dict[str, Interval | None]
Certain = set[tuple[str, str, int]]  # "in" or "out", function, position


class Ranges:
    """The intervals of one function.

    args: of the operands of each operation, and of the bounds of each for loop.  fits: operations `+`, `-`, `*` and `unary -` of ints whose
    result is within 64 bits.  refuted: what of `certain` does not hold, as this function shows.
    """

    def __init__(self, function: Function, liveness: Liveness, certain: Certain):
        self.liveness = liveness
        self.function = function
        self.ints = _ints(function)
        self.kept: dict[int, list[Any]] = {}  # by id of a block: its statements that concern ints
        self.assigned: dict[Any, frozenset[str]] = {}  # ints that a loop assigns
        self.callees: set[str] = set()
        self.keep(function.body)
        self.find(certain)

    def find(self, certain: Certain) -> None:
        """Find everything, of what is certain elsewhere."""
        function = self.function
        self.certain = certain
        self.refuted: Certain = set()
        self.args: dict[Any, tuple[Interval | None, ...]] = {}
        self.fits: dict[Any, bool] = {}
        self.extremes: dict[Any, tuple[int, int]] = {}  # by base, of all relative values
        self.loops = 0
        env: Env = {p.name: FULL if ("in", function.key, k) in certain else None for k, p in enumerate(function.params)}
        end = self.block(function.body, env)
        for k, p in enumerate(function.outputs):
            if end.get(p.name) is None:
                self.refuted.add(("out", function.key, k))

    def keep(self, block: list[Any]) -> set[str]:
        """Enter the statements of a block that matter; the ints that it assigns."""
        kept = self.kept[id(block)] = []
        assigned: set[str] = set()
        for s in block:
            inside: set[str] = set()
            for inner in blocks_of(s):
                inside |= self.keep(inner)
            if isinstance(s, (For, While, ParFor)):
                self.assigned[s] = frozenset(inside)
                relevant = True
            elif isinstance(s, If):
                relevant = any(self.kept[id(inner)] for inner in blocks_of(s))
            else:
                inside = writes(s) & self.ints
                if isinstance(s, Call):
                    self.callees.add(s.function)
                    relevant = True
                else:
                    relevant = bool(inside) or s.builtin.name in _CONDITIONS or _is_cell(s) or _is_asked_for(s)
            if isinstance(s, (For, ParFor)):
                inside.add(s.variable)
            assigned |= inside
            if relevant:
                kept.append(s)
        return assigned

    # ---- statements

    def block(self, block: list[Any], env: Env) -> Env:
        """The intervals after a block."""
        return self.block_with_conditions(block, env)[0]

    def block_with_conditions(self, block: list[Any], env: Env) -> tuple[Env, dict[str, Op]]:
        """Also the comparisons whose operands have not changed since, by the variable that holds the result."""
        env = dict(env)
        conditions: dict[str, Op] = {}
        for s in self.kept[id(block)]:
            if isinstance(s, (Op, Call)):
                self.operation(s, env)
                if conditions:
                    _forget(conditions, writes(s))
                if isinstance(s, Op) and s.builtin.name in _CONDITIONS and s.outs[0] not in reads(s):
                    conditions[s.outs[0]] = s
            elif isinstance(s, If):
                env = _join(
                    self.block(s.then, self.narrowed(env, s.condition, True, conditions)),
                    self.block(s.orelse, self.narrowed(env, s.condition, False, conditions)),
                )
                conditions = {}
            elif isinstance(s, ParFor):
                self.parfor(s, env)
                conditions = {}
            else:
                env = self.loop(s, env)
                conditions = {}
        return env, conditions

    def operand(self, operand: Operand, env: Env) -> Interval | None:
        if isinstance(operand, Var):
            return env.get(operand.name)
        if isinstance(operand, Const) and type(operand.value) is int:
            return Interval(operand.value, operand.value)
        return None

    def operation(self, s: Op | Call, env: Env) -> None:
        args = tuple(self.operand(a, env) for a in s.args)
        if isinstance(s, Call):
            self.refuted |= {("in", s.function, k) for k, a in enumerate(args) if a is None}
            for k, name in enumerate(s.outs):
                if name in self.ints:
                    env[name] = FULL if ("out", s.function, k) in self.certain else None
            return
        self.args[s] = args
        self.fits.pop(s, None)
        result = self.result(s, args)
        for name in s.outs:
            if name in self.ints:
                env[name] = result if len(s.outs) == 1 else None

    def result(self, s: Op, args: tuple[Interval | None, ...]) -> Interval | None:
        name = s.builtin.name
        if name in ("nrow", "ncol", "length"):
            return Interval(0, _SIZE)
        if name in ("as.integer", "as parameter", "as result", "="):
            declared = s.args[2] if len(s.args) > 2 else None
            if declared is not None and declared != Const(INT):
                return None
            return args[0] or (FULL if name in ("as.integer", "as parameter") else None)
        if name == "as.scalar" and s.arg_types and s.arg_types[0].data == SCALAR:
            return args[0]
        if None in args or not args:
            return None
        if len(args) == 2 and name in _ARITHMETIC:
            a, b = args
            assert a is not None and b is not None
            return getattr(self, _ARITHMETIC[name])(s, a, b)
        if len(args) == 1 and args[0] is not None:
            a = _absolute(args[0])
            if name == "unary -":
                self.fits[s] = a.low > MIN
                return Interval(-a.high, -a.low) if a.low > MIN else FULL
            if name == "abs" and a.low > MIN:
                return Interval(0 if a.low <= 0 <= a.high else min(abs(a.low), abs(a.high)), max(-a.low, a.high))
        return None

    # ---- arithmetic

    def bounded(self, s: Op, low: int, high: int, base: Any = None) -> Interval:
        """The result of a sum; FULL where it may wrap."""
        if base is not None:
            least, most = self.extremes[base]
            self.extremes[base] = (min(least, low), max(most, high))
            return Interval(low, high, base)
        fits = self.fits[s] = low >= MIN and high <= MAX
        return Interval(low, high) if fits else FULL

    def add(self, s: Op, a: Interval, b: Interval) -> Interval:
        if a.base is not None and b.base is not None:
            a, b = FULL, FULL
        return self.bounded(s, a.low + b.low, a.high + b.high, a.base if b.base is None else b.base)

    def subtract(self, s: Op, a: Interval, b: Interval) -> Interval:
        if b.base is not None:
            a, b = FULL, FULL
        return self.bounded(s, a.low - b.high, a.high - b.low, a.base)

    def multiply(self, s: Op, a: Interval, b: Interval) -> Interval:
        a, b = _absolute(a), _absolute(b)
        corners = (a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high)
        low, high = min(corners), max(corners)
        self.fits[s] = low >= MIN and high <= MAX
        return Interval(max(low, MIN), min(high, MAX))  # it fails where it does not fit

    def modulo(self, s: Op, a: Interval, b: Interval) -> Interval:
        a, b = _absolute(a), _absolute(b)
        most = max(abs(b.low), abs(b.high), 1) - 1
        return Interval(max(a.low, -most) if a.low < 0 else 0, min(a.high, most) if a.high > 0 else 0)

    def integer_divide(self, s: Op, a: Interval, b: Interval) -> Interval:
        a, b = _absolute(a), _absolute(b)
        if b.low > 0:
            low = -(-a.low // b.low) if a.low < 0 else a.low // b.high
            high = a.high // b.low if a.high >= 0 else -(-a.high // b.high)
            return Interval(low, high)
        most = max(abs(a.low), abs(a.high))
        return Interval(max(-most, MIN), min(most, MAX))

    # ---- conditions

    def narrowed(self, env: Env, condition: Operand, holds: bool, conditions: dict[str, Op]) -> Env:
        """The intervals where a condition holds, or does not."""
        if not isinstance(condition, Var) or condition.name not in conditions:
            return env
        s = conditions[condition.name]
        name = s.builtin.name
        if name == "!":
            return self.narrowed(env, s.args[0], not holds, conditions)
        if name in ("&", "|"):
            if holds == (name == "&"):
                for operand in s.args:
                    env = self.narrowed(env, operand, holds, conditions)
            return env
        x, y = s.args
        a, b = self.operand(x, env), self.operand(y, env)
        if a is None or b is None or a.base is not None or b.base is not None:
            return env
        if not holds:
            name = _OPPOSITE[name]
        if name in (">", ">="):
            x, y, a, b, name = y, x, b, a, "<" if name == ">" else "<="
        if name in ("<", "<="):
            step = 1 if name == "<" else 0
            a, b = (
                Interval(a.low, min(a.high, b.high - step)),
                Interval(max(b.low, a.low + step), b.high),
            )
        elif name == "==":
            a = b = Interval(max(a.low, b.low), min(a.high, b.high))
        else:
            a, b = _without(a, b), _without(b, a)
        if a.low > a.high or b.low > b.high:
            return env  # it never comes here
        env = dict(env)
        for operand, value in ((x, a), (y, b)):
            if isinstance(operand, Var):
                env[operand.name] = value
        return env

    # ---- loops

    def loop(self, s: For | While, env: Env) -> Env:
        """The intervals after a loop."""
        test = s.test if isinstance(s, While) else []
        first, iterations = FULL, ENDLESS
        if isinstance(s, For):
            first, iterations = self.bounds(s, env)
        assigned = self.assigned[s]
        needed = self.liveness.before_block[id(test if isinstance(s, While) else s.body)] | self.liveness.after[s]
        carried = assigned & needed
        inside = {name: value for name, value in env.items() if name not in assigned or name in needed}

        def iteration(state: Env) -> Env:
            return self.iteration(s, state, first)

        def round_(state: Env) -> Env:
            return _join(inside, {n: v for n, v in iteration(state).items() if n in inside or n in carried})

        state = inside
        if carried:
            state = self.fixed_point(round_, inside, carried)
            accepted = self.accumulated(s, inside, state, carried, first, iterations)
            if accepted:
                state = {**state, **accepted}
                narrower = {**round_(state), **accepted}
                if _within({**round_(narrower), **accepted}, narrower):
                    state = narrower
        iteration(state)  # the last round is the one that is recorded
        if isinstance(s, For):
            variable = None if s.variable in assigned else first
            return {**state, s.variable: _hull(env[s.variable], variable) if s.variable in env else variable}
        after, conditions = self.block_with_conditions(s.test, state)
        return self.narrowed(after, s.condition, False, conditions)

    def iteration(self, s: For | While, state: Env, first: Interval) -> Env:
        if isinstance(s, For):
            return self.block(s.body, {**state, s.variable: first})
        env, conditions = self.block_with_conditions(s.test, state)
        return self.block(s.body, self.narrowed(env, s.condition, True, conditions))

    def bounds(self, s: For | ParFor, env: Env) -> tuple[Interval, int]:
        """What the variable of a for loop can be, and the number of iterations at most."""
        start, stop = self.operand(s.start, env), self.operand(s.stop, env)
        self.args[s] = (start, stop)
        start, stop = _absolute(start or FULL), _absolute(stop or FULL)
        low, high = min(start.low, stop.low), max(start.high, stop.high)
        if s.step is None:
            low, high = max(low, start.low - ENDLESS), min(high, start.high + ENDLESS)
        return Interval(low, high), min(high - low + 1, ENDLESS)

    def fixed_point(self, round_: Any, inside: Env, carried: frozenset[str]) -> Env:
        """Intervals that hold before every iteration."""
        state = inside
        for n in range(8):
            after = round_(state)
            if _within(after, state):
                break
            state = after if n == 0 else _widened(state, after)
        else:
            return {name: None if name in carried else value for name, value in after.items()}
        for _ in range(2):  # a condition may bound what was taken as unlimited
            if after == state:
                break
            further = round_(after)
            if not _within(further, after):
                break
            state, after = after, further
        return state

    def accumulated(
        self, s: For | While, inside: Env, state: Env, carried: frozenset[str], first: Interval, iterations: int
    ) -> Env:
        """Narrower intervals of the variables to which iterations add."""
        found: Env = {}
        wide = [
            n for n in carried if inside.get(n) is not None and state.get(n) is not None and _grew(inside[n], state[n])
        ]
        if not wide:
            return found
        if isinstance(s, While):
            iterations = min(iterations, self.iterations_of_while(s, state, carried, first))
        for _ in range(2):  # once more for what adds up a variable that adds up
            relative = {n: v for n, v in self.changes(s, {**state, **found}, wide, first).items() if n not in found}
            for name, (change, extremes) in relative.items():
                before = inside[name]
                assert before is not None
                low = before.low + min(0, change.low) * iterations
                high = before.high + max(0, change.high) * iterations
                least, most = low + extremes[0], high + extremes[1]
                if before.base is not None:
                    old = self.extremes[before.base]
                    self.extremes[before.base] = (min(old[0], least), max(old[1], most))
                elif least < MIN or most > MAX:
                    continue
                found[name] = Interval(low, high, before.base)
            wide = [n for n in wide if n not in found]
            if not wide or not relative:
                break
        return found

    def changes(
        self, s: For | While, state: Env, names: list[str], first: Interval
    ) -> dict[str, tuple[Interval, tuple[int, int]]]:
        """What one iteration adds to each of the variables, and the least and the most it adds in between."""
        self.loops += 1
        bases = {n: (self.loops, n) for n in names}
        for base in bases.values():
            self.extremes[base] = (0, 0)
        end = self.iteration(s, {**state, **{n: Interval(0, 0, base) for n, base in bases.items()}}, first)
        result = {}
        for name, base in bases.items():
            change = end.get(name)
            if change is not None and change.base == base:
                result[name] = (change, self.extremes[base])
        return result

    def iterations_of_while(self, s: While, state: Env, carried: frozenset[str], first: Interval) -> int:
        """At most so many, if the condition bounds a variable that every iteration moves."""
        most = ENDLESS
        env, conditions = self.block_with_conditions(s.test, state)
        start = self.narrowed(env, s.condition, True, conditions)
        ints = [n for n in carried if state.get(n) is not None]
        for name, (change, extremes) in self.changes(s, state, ints, first).items():
            at = start.get(name)
            if at is None or at.base is not None or at.low + extremes[0] < MIN or at.high + extremes[1] > MAX:
                continue
            step = max(change.low, -change.high)
            if step >= 1:
                most = min(most, (at.high - at.low) // step + 1)
        return most

    def parfor(self, s: ParFor, env: Env) -> None:
        first, _ = self.bounds(s, env)
        assigned = self.assigned[s]
        inside: Env = {n: (None if n in assigned else v) for n, v in env.items()}
        inside[s.variable] = first
        self.block(s.body, inside)
        for name in assigned | {s.variable}:
            env[name] = None


def _ints(function: Function) -> frozenset[str]:
    """Variables that hold an int somewhere."""
    result = {p.name for p in (*function.params, *function.outputs) if p.type.data == SCALAR and p.type.value == INT}
    for s in walk(function.body):
        if isinstance(s, (For, ParFor)):
            result.add(s.variable)
        elif isinstance(s, (Op, Call)):
            result |= {
                n for n, t in zip(s.outs, s.out_types, strict=False) if n and t.data == SCALAR and t.value == INT
            }
    return frozenset(result)


def _is_asked_for(s: Op) -> bool:
    """Whether emission asks for the operands of an operation that does not give an int: quotients and texts."""
    return s.builtin.name == "/" or (s.builtin.name == "+" and bool(s.out_types) and s.out_types[0].value == STRING)


def _is_cell(s: Op) -> bool:
    """Whether an operation reads or writes one cell or element."""
    return s.builtin.name in ("[]", "[]=") and s.args[1] == s.args[2] and isinstance(s.args[1], (Var, Const))


def _absolute(a: Interval) -> Interval:
    return a if a.base is None else FULL


def _without(a: Interval, b: Interval) -> Interval:
    """a, where it is not the only value of b."""
    if b.low != b.high:
        return a
    return Interval(a.low + (a.low == b.low), a.high - (a.high == b.low))


def _hull(a: Interval | None, b: Interval | None) -> Interval | None:
    if a is None or b is None:
        return None
    if a.base != b.base:
        return FULL
    return Interval(min(a.low, b.low), max(a.high, b.high), a.base)


def _join(a: Env, b: Env) -> Env:
    """After two paths.  A variable of one path only has no value on the other, where reading it is an error."""
    result = dict(a)
    for name, value in b.items():
        if name not in a:
            result[name] = value
        elif a[name] != value:
            result[name] = _hull(a[name], value)
    return result


def _contains(a: Interval | None, b: Interval | None) -> bool:
    """Whether a covers b."""
    if a is None:
        return True
    if b is None:
        return False
    return a == FULL or (a.base == b.base and a.low <= b.low and b.high <= a.high)


def _within(a: Env, b: Env) -> bool:
    return all(name in b and _contains(b[name], value) for name, value in a.items())


def _widened(old: Env, new: Env) -> Env:
    result: Env = {}
    for name, value in new.items():
        before = old.get(name, value)
        if value is None or before is None:
            result[name] = None
        elif value == before:
            result[name] = value
        elif value.base is not None or before.base is not None:
            result[name] = FULL
        else:
            low = value.low if value.low >= before.low else MIN
            high = value.high if value.high <= before.high else MAX
            result[name] = Interval(low, high)
    return result


def _grew(inside: Interval | None, state: Interval | None) -> bool:
    """Whether a variable may run away in a loop: a bound is unlimited that was not before."""
    assert inside is not None and state is not None
    if inside.base is not None:
        return state.base is None
    return (state.low == MIN and inside.low > MIN) or (state.high == MAX and inside.high < MAX)


def _forget(conditions: dict[str, Op], names: set[str]) -> None:
    for name in list(conditions):
        if name in names or reads(conditions[name]) & names:
            del conditions[name]


_ARITHMETIC = {"+": "add", "-": "subtract", "*": "multiply", "%%": "modulo", "%/%": "integer_divide"}
_OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
_CONDITIONS = frozenset((*_OPPOSITE, "&", "|", "!"))


def find_ranges(program: Program, liveness: dict[str, Liveness]) -> dict[str, Ranges]:
    """The ranges of all functions, by key ("" is the main script).  liveness: of each function."""
    functions = program.all_functions()
    certain: Certain = {
        (way, f.key, k)
        for f in functions
        for way, values in (("in", f.params), ("out", f.outputs))
        for k, p in enumerate(values)
        if p.type.data == SCALAR and p.type.value == INT
    }
    found = {f.key: Ranges(f, liveness[f.key], certain) for f in functions}
    while refuted := {fact for one in found.values() for fact in one.refuted if fact in certain}:
        certain -= refuted
        parameters = {key for way, key, _ in refuted if way == "in"}
        outputs = {key for way, key, _ in refuted if way == "out"}
        for key, one in found.items():
            if key in parameters or one.callees & outputs:
                one.find(certain)
    return found


__all__ = ["FULL", "Interval", "Ranges", "find_ranges"]

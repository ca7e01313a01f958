"""Algebraic rewrites: cheaper operations with the same meaning, found by the rules of the table `RULES`.

A rule is a pair of patterns written as Python expressions over named operands: `total(A @ B)` stands for `sum(A %*% B)`.
Inner results that a rule does away with must be of the same expression and have no other use, so that an error is reported
where it was.  The results agree up to rounding, as sums are taken in
another order.  Chains of matrix products (`A %*% B %*% C`) are put into the order of the fewest multiplications, while
running where the sizes are not known before.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from pydml.builtins import registry
from pydml.builtins.chains import product_order
from pydml.diagnostics import DMLError
from pydml.ir.program import (
    Call,
    Const,
    Function,
    Op,
    Operand,
    Program,
    Var,
    assigned_in,
    blocks_of,
    count_reads,
    count_writes,
    variables_in,
    writes,
)
from pydml.types import SCALAR, Type, scalar_type
from pydml.values.typing import NULL

# ---- patterns


class Pattern:
    """Operations on operands.  `@` is `%*%`."""

    def __matmul__(self, other: Pattern) -> Apply:
        return Apply("%*%", self, other)

    def __mul__(self, other: Pattern) -> Apply:
        return Apply("*", self, other)

    def __sub__(self, other: Pattern) -> Apply:
        return Apply("-", self, other)

    def __add__(self, other: Pattern) -> Apply:
        return Apply("+", self, other)

    def __truediv__(self, other: Pattern) -> Apply:
        return Apply("/", self, other)

    def __xor__(self, other: Pattern) -> Apply:
        return Apply("^", self, other)


class Operator:
    """A builtin by name, to be applied to patterns."""

    def __init__(self, name: str):
        self.name = name

    def __call__(self, *args: Pattern) -> Apply:
        return Apply(self.name, *args)


class Apply(Pattern):
    """A builtin applied to patterns."""

    def __init__(self, builtin: str, *args: Pattern):
        self.builtin = builtin
        self.args = args


class Slot(Pattern):
    """Any matrix, the same one wherever the name occurs.  anything: numbers too."""

    def __init__(self, name: str, anything: bool = False):
        self.name = name
        self.anything = anything

    def accepts(self, type: Type) -> bool:
        return type.is_matrix or (self.anything and (type.data == SCALAR and type.is_number))


class Number(Pattern):
    """A constant: int, double or boolean."""

    def __init__(self, value: float | bool):
        self.value = value


class Missing(Pattern):
    """An argument that is not given."""


A, B, v = Slot("A"), Slot("B"), Slot("v")
w, y = Slot("w", anything=True), Slot("y", anything=True)
ZERO, ONE, TRUE, FALSE = Number(0), Number(1), Number(True), Number(False)
MISSING = Missing()
t, diag, total, rowSums, colSums = map(Operator, ("t", "diag", "sum", "rowSums", "colSums"))
trace, minus, chain = Operator("trace"), Operator("unary -"), Operator("product chain")


class Rule(NamedTuple):
    before: Apply
    after: Pattern


RULES = (
    # transposes
    Rule(t(t(A)), A),
    Rule(total(t(A)), total(A)),
    Rule(rowSums(t(A)), t(colSums(A))),
    Rule(colSums(t(A)), t(rowSums(A))),
    # sums of products and of sums: no product of matrices is left
    Rule(total(A @ B), Apply("sum of product", A, B)),
    Rule(rowSums(A @ B), Apply("rowSums of product", A, B)),
    Rule(colSums(A @ B), Apply("colSums of product", A, B)),
    Rule(total(rowSums(A)), total(A)),
    Rule(total(colSums(A)), total(A)),
    Rule(trace(A @ B), Apply("trace of product", A, B)),
    Rule(total(Operator("is.nan")(A)), Apply("number of NaN", A)),
    Rule(diag(A @ B), Apply("diagonal of product", A, B)),
    # one matrix read twice in a row: read once
    Rule(t(A) @ (A @ v), chain(A, v, MISSING, MISSING, FALSE)),
    Rule(t(A) @ (w * (A @ v)), chain(A, v, w, MISSING, FALSE)),
    Rule(t(A) @ ((A @ v) - y), chain(A, v, MISSING, y, FALSE)),
    Rule(t(A) @ ((w * (A @ v)) - y), chain(A, v, w, y, FALSE)),
    Rule(t(A) @ ((A @ v) * w), chain(A, v, w, MISSING, TRUE)),
    Rule(t(A) @ (((A @ v) * w) - y), chain(A, v, w, y, TRUE)),
    # the step of a factorisation with missing cells: the first product need not exist
    Rule(Apply("sampledProduct", A, w, v) @ v, Apply("sampled product chain", A, w, v)),
    # products with a diagonal matrix scale rows or columns
    Rule(A @ diag(v), Apply("product with diagonal", A, v)),
    Rule(diag(v) @ A, Apply("diagonal product", v, A)),
    # operations that change nothing
    Rule(A * ONE, A),
    Rule(A / ONE, A),
    Rule(A - ZERO, A),
    Rule(A ^ ONE, A),
    Rule(minus(minus(A)), A),
)

_FREE = frozenset({"t"})  # a view: to leave it for other uses costs nothing

_BY_ROOT: dict[str, list[Rule]] = {}
for _rule in RULES:
    _BY_ROOT.setdefault(_rule.before.builtin, []).append(_rule)


def _builtins_inside(pattern: Pattern) -> set[str]:
    if not isinstance(pattern, Apply):
        return set()
    return {p.builtin for p in pattern.args if isinstance(p, Apply)}.union(*map(_builtins_inside, pattern.args))


_INNER = frozenset({"%*%", "matrix chain"}.union(*(_builtins_inside(rule.before) for rule in RULES)))

# ---- the pass


def rewrite_algebra(program: Program) -> None:
    """Apply the rules wherever they match.  Needs types."""
    for function in program.all_functions():
        _Rewriter(function, program).block(function.body, {})


class _Definition(NamedTuple):
    op: Op
    here: bool  # in the block that is looked at, not in one around it


Definitions = dict[str, _Definition]
Bindings = dict[str, tuple[Operand, Type]]


class _Rewriter:
    def __init__(self, function: Function, program: Program):
        self.function = function
        self.uses = count_reads(function.body)
        self.assignments = count_writes(function.body)
        self.kept = program.read_after(function) | {p.name for p in function.params}

    def block(self, block: list[Any], known: Definitions) -> None:
        result: list[Any] = []
        for s in block:
            if isinstance(s, Op):
                self.operation(s, known, result)
                _forget(known, writes(s))
                if (
                    s.builtin.name in _INNER
                    and len(s.outs) == 1
                    and self.assignments.get(s.outs[0]) == 1
                    and s.outs[0] not in self.kept
                ):
                    known[s.outs[0]] = _Definition(s, True)
            else:
                changed = assigned_in([s])
                if not isinstance(s, Call):
                    _forget(known, changed)
                    for inner in blocks_of(s):
                        self.block(inner, {name: d._replace(here=False) for name, d in known.items()})
                _forget(known, changed)
            result.append(s)
        block[:] = result

    def operation(self, s: Op, known: Definitions, before: list[Any]) -> None:
        """Rewrite one operation; new ones that it needs go to the end of `before`."""
        while s.arg_types and len(s.outs) == 1:
            for rule in _BY_ROOT.get(s.builtin.name, ()):
                bindings: Bindings = {}
                if self.match_arguments(rule.before, s, known, bindings) and self.replace(
                    s, rule.after, bindings, before
                ):
                    break
            else:
                if s.builtin.name == "%*%":
                    self.chain(s, known)
                return

    # ---- matching

    def match(self, pattern: Pattern, operand: Operand, type: Type, known: Definitions, bindings: Bindings) -> bool:
        if isinstance(pattern, Slot):
            if pattern.name in bindings:
                return bindings[pattern.name][0] == operand
            bindings[pattern.name] = operand, type
            return pattern.accepts(type)
        if isinstance(pattern, Number):
            value = operand.value if isinstance(operand, Const) else None
            return value.__class__ in (int, float) and value == pattern.value
        assert isinstance(pattern, Apply)
        found = known.get(operand.name) if isinstance(operand, Var) else None
        if found is None or found.op.builtin.name != pattern.builtin:
            return False
        if pattern.builtin not in _FREE and not self.inner(operand, found):  # type: ignore[arg-type]
            return False
        return self.match_arguments(pattern, found.op, known, bindings)

    def inner(self, operand: Var, found: _Definition) -> bool:
        """Whether an operand is part of the same expression and of nothing else."""
        return found.here and operand.is_temporary and self.uses[operand.name] == 1

    def match_arguments(self, pattern: Apply, op: Op, known: Definitions, bindings: Bindings) -> bool:
        if len(pattern.args) != len(op.args) or len(op.arg_types) != len(op.args):
            return False
        return all(
            self.match(p, operand, type, known, bindings)
            for p, operand, type in zip(pattern.args, op.args, op.arg_types, strict=True)
        )

    # ---- replacing

    def replace(self, s: Op, pattern: Pattern, bindings: Bindings, before: list[Any]) -> bool:
        """Make `s` compute the pattern; False where its type rules say that the operands do not fit."""
        new: list[Op] = []
        if isinstance(pattern, Slot):
            operand, type = bindings[pattern.name]
            s.builtin, s.args, s.arg_types, s.out_types = registry.get("="), (operand,), (type,), (type,)
            s.arg_spans = ()
            return True
        assert isinstance(pattern, Apply)
        try:
            args = [self.operand(p, s, bindings, new) for p in pattern.args]
            builtin = registry.get(pattern.builtin)
            types = builtin.infer([type for _, type in args])
        except DMLError:
            return False  # the operation as it was written has the better message
        s.builtin, s.args, s.out_types = builtin, tuple(a for a, _ in args), types
        s.arg_types, s.arg_spans = tuple(type for _, type in args), ()
        before += new
        self.count(s.args)
        return True

    def operand(self, pattern: Pattern, s: Op, bindings: Bindings, new: list[Op]) -> tuple[Operand, Type]:
        if isinstance(pattern, Slot):
            return bindings[pattern.name]
        if isinstance(pattern, Missing):
            return Const(None), NULL
        if isinstance(pattern, Number):
            return Const(pattern.value), scalar_type(pattern.value)
        assert isinstance(pattern, Apply)
        args = [self.operand(p, s, bindings, new) for p in pattern.args]
        builtin = registry.get(pattern.builtin)
        types = tuple(type for _, type in args)
        outs = builtin.infer(types)
        name = self.function.temporary()
        op = Op(builtin, tuple(a for a, _ in args), (name,), s.span, types, outs, inlined=s.inlined)
        new.append(op)
        self.count(op.args)
        self.assignments[name] = 1
        return Var(name), outs[0]

    def count(self, operands: tuple[Operand, ...]) -> None:
        """New uses: what a rule takes apart may be used by another operation as well."""
        for operand in operands:
            for name in variables_in(operand):
                self.uses[name] = self.uses.get(name, 0) + 1

    # ---- chains of products

    def chain(self, s: Op, known: Definitions) -> None:
        operands: list[tuple[Operand, Type]] = []
        written = self.factors(s, known, operands)
        types = [type for _, type in operands]
        if len(operands) < 3 or not all(type.is_matrix for type in types):
            return
        sizes = [types[0].rows, *(type.cols for type in types)]
        if None not in sizes and product_order(sizes) == written:  # type: ignore[arg-type]
            return
        s.builtin = registry.get("matrix chain")
        s.args = tuple(operand for operand, _ in operands)
        s.arg_types, s.arg_spans = tuple(types), ()
        self.count(s.args)

    def factors(self, op: Op, known: Definitions, operands: list[tuple[Operand, Type]]) -> Any:
        """Collect the factors of nested products; returns the order in which they are written."""
        parts: list[Any] = []
        for operand, type in zip(op.args, op.arg_types, strict=True):
            found = known.get(operand.name) if isinstance(operand, Var) else None
            if found is not None and found.op.builtin.name in ("%*%", "matrix chain") and self.inner(operand, found):  # type: ignore[arg-type]
                parts.append(self.factors(found.op, known, operands))
            else:
                parts.append(len(operands))
                operands.append((operand, type))
        return tuple(parts)


def _forget(known: Definitions, names: set[str]) -> None:
    for name in [
        n for n, d in known.items() if n in names or any(v in names for a in d.op.args for v in variables_in(a))
    ]:
        del known[name]

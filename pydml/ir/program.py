"""The intermediate representation: programs of three-address operations in structured control flow.

There is one operation node: `Op` applies a builtin (an operator, an indexing, a library function) to operands and
assigns its results; `Call` does the same with a DML function.  Operands are `Var`, `Const` and, for bracket lists, `Pack`.
Variables are not in single-assignment form; temporaries, named `%1`, `%2`, ..., are assigned once.

`build` makes a Program, `infer` writes types into it, the passes rewrite it, `verify` says whether it is legal, `text`
prints it, and `execution.emit` turns it into Python.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import field
from typing import Any, NamedTuple

from pydml.builtins.registry import Builtin
from pydml.diagnostics import Diagnostic, SourceFile, Span
from pydml.records import dataclass
from pydml.types import ANY, Type


class Var(NamedTuple):
    """A variable or, where the name starts with `%`, a temporary."""

    name: str

    @property
    def is_temporary(self) -> bool:
        return self.name[0] == "%"


class Const:
    """A scalar constant, or None for an argument that was not given.

    Equality distinguishes 1, 1.0 and TRUE, and takes NaN as equal to itself.
    """

    __slots__ = ("value",)

    def __init__(self, value: Any):
        self.value = value

    def _key(self) -> tuple[type, str]:
        return type(self.value), repr(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Const) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return f"Const({self.value!r})"


class Pack(NamedTuple):
    """A bracket list `[e1, e2, ...]` as an argument."""

    items: tuple[Any, ...]


Operand = Var | Const | Pack


@dataclass(slots=True, eq=False)
class Op:
    """`outs = builtin(args)`.

    arg_types, out_types: filled by `infer`.  in_place: the first argument dies here and is assigned again, so its buffer
    may be reused where nobody else holds it.  accumulates: written as `+=`.  inlined: where the operation comes from an
    inlined function, the calls through which it got here: (function that was running, place of the call), innermost first.
    tests: part of the condition of an `if`, as built.
    """

    builtin: Builtin
    args: tuple[Operand, ...]
    outs: tuple[str, ...]
    span: Span
    arg_types: tuple[Type, ...] = ()
    out_types: tuple[Type, ...] = ()
    arg_spans: tuple[Span, ...] = ()
    in_place: bool = False
    accumulates: bool = False
    inlined: tuple[tuple[str, Span], ...] = ()
    tests: bool = False


@dataclass(slots=True, eq=False)
class Call:
    """`outs = function(args)` for a DML function; an out may be "" where the result is not used."""

    function: str  # key in Program.functions
    args: tuple[Operand, ...]
    outs: tuple[str, ...]
    span: Span
    arg_types: tuple[Type, ...] = ()
    out_types: tuple[Type, ...] = ()
    inlined: tuple[tuple[str, Span], ...] = ()


Block = list  # of statements


@dataclass(slots=True, eq=False)
class If:
    condition: Operand
    then: list[Any]
    orelse: list[Any]
    span: Span
    condition_type: Type = ANY


@dataclass(slots=True, eq=False)
class While:
    """test: operations that compute `condition` before each iteration."""

    test: list[Any]
    condition: Operand
    body: list[Any]
    span: Span
    condition_type: Type = ANY


@dataclass(slots=True, eq=False)
class For:
    """`for (variable in start:stop)`, or in seq(start, stop, step)."""

    variable: str
    start: Operand
    stop: Operand
    step: Operand | None
    body: list[Any]
    span: Span
    types: tuple[Type, ...] = ()


@dataclass(slots=True, eq=False)
class ParFor:
    """Like For with independent iterations.  options: constants or operands by name.

    outer: variables that may have a value before the loop.  results: those of them that the loop updates, with the kind of
    update: "cells" (left-indexed) or "sum" (`+=` on a whole matrix).  dynamic_check: results of which the cells written
    must be compared while running, since nothing certain is known before.
    """

    variable: str
    start: Operand
    stop: Operand
    step: Operand | None
    body: list[Any]
    span: Span
    options: dict[str, Operand] = field(default_factory=dict)
    outer: frozenset[str] = frozenset()
    results: dict[str, str] = field(default_factory=dict)
    dynamic_check: frozenset[str] = frozenset()
    types: tuple[Type, ...] = ()


Statement = Op | Call | If | While | For | ParFor


@dataclass(slots=True, eq=False)
class Param:
    """A parameter or result of a function.  default: an expression of the syntax tree, or None."""

    name: str
    type: Type
    default: Any = None
    span: Span | None = None


@dataclass(slots=True, eq=False)
class Function:
    """A DML function, or the main script (key "")."""

    key: str
    name: str
    params: list[Param]
    outputs: list[Param]
    body: list[Any]
    file: SourceFile
    span: Span
    doc: str = ""
    temporaries: int = 0
    of_builtin: bool = False  # in a file of a builtin written in DML

    def temporary(self) -> str:
        self.temporaries += 1
        return f"%{self.temporaries}"


@dataclass(slots=True, eq=False)
class Program:
    """All functions by key (`path::name`); main is the script itself.

    outputs: variables of the main script that the caller wants; None: none (only effects count).
    """

    main: Function
    functions: dict[str, Function]
    outputs: tuple[str, ...] = ()
    eval_functions: dict[str, str] = field(default_factory=dict)  # names that eval may call -> key
    deferred: list[Diagnostic] = field(default_factory=list)  # mistakes in builtins written in DML, errors when reached
    library: bool = False  # functions may be called from outside
    # builtins written in DML with a variant per data type of the first argument: first key -> data type -> key
    variants: dict[str, dict[str, str]] = field(default_factory=dict)
    # for each call of such a builtin, by the id of the conversion of its first argument: the conversions of all arguments
    variant_arguments: dict[int, tuple[str, list[Op | None]]] = field(default_factory=dict)

    def all_functions(self) -> list[Function]:
        return [self.main, *self.functions.values()]

    def read_after(self, function: Function) -> set[str]:
        """Variables that are read after the body of a function: its results, or those of the main script that are asked for."""
        return {p.name for p in function.outputs} if function.key else set(self.outputs)


# ---- walking


def blocks_of(statement: Statement) -> list[list[Any]]:
    """The blocks inside of a statement."""
    if isinstance(statement, If):
        return [statement.then, statement.orelse]
    if isinstance(statement, While):
        return [statement.test, statement.body]
    if isinstance(statement, (For, ParFor)):
        return [statement.body]
    return []


def walk(block: list[Any]) -> Iterator[Statement]:
    """All statements of a block and of the blocks inside, in order."""
    for statement in block:
        yield statement
        for inner in blocks_of(statement):
            yield from walk(inner)


def operands_of(statement: Statement) -> tuple[Operand, ...]:
    """The operands that a statement itself reads (not those in its blocks)."""
    if isinstance(statement, (Op, Call)):
        return statement.args
    if isinstance(statement, (If, While)):
        return (statement.condition,)
    extra = tuple(statement.options.values()) if isinstance(statement, ParFor) else ()
    return (statement.start, statement.stop) + ((statement.step,) if statement.step is not None else ()) + extra


def variables_in(operand: Operand) -> Iterator[str]:
    if isinstance(operand, Var):
        yield operand.name
    elif isinstance(operand, Pack):
        for item in operand.items:
            yield from variables_in(item)


def reads(statement: Statement) -> set[str]:
    """Variables that the statement itself reads."""
    return {name for operand in operands_of(statement) for name in variables_in(operand)}


def writes(statement: Statement) -> set[str]:
    """Variables that the statement itself assigns."""
    if isinstance(statement, (Op, Call)):
        return {name for name in statement.outs if name}
    if isinstance(statement, (For, ParFor)):
        return {statement.variable}
    return set()


def assigned_in(block: list[Any]) -> set[str]:
    """Variables that a block may assign, at any depth."""
    result: set[str] = set()
    for statement in walk(block):
        result |= writes(statement)
    return result


def read_in(block: list[Any]) -> set[str]:
    """Variables that a block reads, at any depth."""
    result: set[str] = set()
    for statement in walk(block):
        result |= reads(statement)
    return result


def mentioned_in(block: list[Any]) -> set[str]:
    """Variables that a block reads or may assign, at any depth."""
    return read_in(block) | assigned_in(block)


def count_reads(block: list[Any]) -> dict[str, int]:
    """How many operands of a block, at any depth, are each variable."""
    result: dict[str, int] = {}
    for statement in walk(block):
        for operand in operands_of(statement):
            for name in variables_in(operand):
                result[name] = result.get(name, 0) + 1
    return result


def count_writes(block: list[Any]) -> dict[str, int]:
    """How many statements of a block, at any depth, assign each variable."""
    result: dict[str, int] = {}
    for statement in walk(block):
        for name in writes(statement):
            result[name] = result.get(name, 0) + 1
    return result


def substitute(operand: Operand, replace: Callable[[str], Operand | None]) -> Operand:
    """The operand with variables replaced where `replace(name)` is not None."""
    if isinstance(operand, Var):
        return replace(operand.name) or operand
    if isinstance(operand, Pack):
        return Pack(tuple(substitute(item, replace) for item in operand.items))
    return operand


def has_effects(op: Op) -> bool:
    """Whether an operation must be kept, and kept in order, even if its results are not used."""
    return bool(op.builtin.effects - {"time", "random"})

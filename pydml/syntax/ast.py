"""The syntax tree of DML: frozen nodes with their places in the text.

`parser.parse` makes it, `unparse` prints it, `ir.build` reads it.  Two trees are equal if they differ only in places.
"""

from __future__ import annotations

from dataclasses import field

from pydml.diagnostics import SourceFile, Span
from pydml.records import dataclass


@dataclass(frozen=True, kw_only=True)
class Node:
    """A part of a text."""

    span: Span = field(compare=False, repr=False)


class Expr(Node):
    """An expression."""


class Statement(Node):
    """A statement."""


# ---- expressions


@dataclass(frozen=True, eq=False)
class Literal(Expr):
    """`12`, `1.5`, `TRUE`, `"text"`, and the reserved constants NaN, Inf, pi.  value: int, float, bool or str.

    The sign of a number belongs to it: `-2` is Literal(-2), but `-2^2` is the negative of 2^2.  Literals are equal
    if they are the same to DML: 1, 1.0 and TRUE are three, 0.0 and -0.0 are two, NaN is one.
    """

    value: int | float | bool | str

    def __eq__(self, other: object) -> bool:
        if type(other) is not Literal:
            return NotImplemented
        return type(self.value) is type(other.value) and repr(self.value) == repr(other.value)

    def __hash__(self) -> int:
        return hash((type(self.value), repr(self.value)))


@dataclass(frozen=True)
class Param(Expr):
    """`$name` or `$1`: a command-line parameter.  name is without the dollar sign."""

    name: str


@dataclass(frozen=True)
class Ifdef(Expr):
    """`ifdef($name, default)`."""

    name: str
    default: Expr


@dataclass(frozen=True)
class Name(Expr):
    """A variable."""

    id: str


@dataclass(frozen=True)
class Range(Node):
    """One index: `i` (upper None), `lo:hi`, or nothing at all (both None)."""

    lower: Expr | None
    upper: Expr | None


@dataclass(frozen=True)
class Index(Expr):
    """`X[i]` (one range) or `X[rows, cols]` (two)."""

    target: Name
    ranges: tuple[Range, ...]


@dataclass(frozen=True)
class Arg(Node):
    """An argument; name is None where it is positional."""

    name: str | None
    value: Expr


@dataclass(frozen=True)
class Call(Expr):
    """`f(args)` or `ns::f(args)`.  function_span is the place of the name."""

    namespace: str | None
    function: str
    args: tuple[Arg, ...]
    function_span: Span = field(compare=False, repr=False)


@dataclass(frozen=True)
class Unary(Expr):
    """`-x`, `+x`, `!x`."""

    op: str
    operand: Expr


@dataclass(frozen=True)
class Binary(Expr):
    """op: one of ^ %*% %% %/% * / + - > >= < <= == != & |.  op_span is the place of the operator."""

    op: str
    left: Expr
    right: Expr
    op_span: Span = field(compare=False, repr=False)


@dataclass(frozen=True)
class Bracket(Expr):
    """`[e1, e2, ...]`: shapes of DNN builtins, data and schema of frame()."""

    items: tuple[Expr, ...]


# ---- statements


@dataclass(frozen=True)
class Source(Statement):
    """`source("path") as namespace`."""

    path: str
    namespace: str


@dataclass(frozen=True)
class SetWd(Statement):
    """`setwd("dir")`."""

    path: str


@dataclass(frozen=True)
class Assign(Statement):
    """`target = value`; `target += value` where accumulate is true.  target: Name or Index."""

    target: Name | Index
    value: Expr
    accumulate: bool = False


@dataclass(frozen=True)
class MultiAssign(Statement):
    """`[a, b] = f(...)`."""

    targets: tuple[Name | Index, ...]
    call: Call


@dataclass(frozen=True)
class CallStatement(Statement):
    """`f(...)` whose result, if any, is not used."""

    call: Call


@dataclass(frozen=True)
class If(Statement):
    """`if (condition) then else orelse`; `else if` is an If alone in orelse."""

    condition: Expr
    then: tuple[Statement, ...]
    orelse: tuple[Statement, ...] = ()


@dataclass(frozen=True)
class For(Statement):
    """`for (i in start:stop)` or `for (i in seq(start, stop, step))`; parallel: `parfor`.

    options: the `name=expr` of the header (parfor's; `for` accepts and ignores them).
    """

    variable: Name
    start: Expr
    stop: Expr
    step: Expr | None
    body: tuple[Statement, ...]
    parallel: bool = False
    options: tuple[Arg, ...] = ()


@dataclass(frozen=True)
class While(Statement):
    """`while (condition) body`."""

    condition: Expr
    body: tuple[Statement, ...]


@dataclass(frozen=True)
class TypeName(Node):
    """`matrix[double]`, `int`, `list[unknown]`.

    data: scalar, matrix, frame, list or unknown.  value: int, double, boolean, string or unknown.
    """

    data: str
    value: str


@dataclass(frozen=True)
class Parameter(Node):
    """A typed argument of a function definition, or one of its results (default None)."""

    type: TypeName
    name: str
    default: Expr | None = None


@dataclass(frozen=True)
class FunctionDef(Statement):
    """`name = function(params) return (outputs) { body }`.  doc: the comment before or at the start of the body."""

    name: str
    params: tuple[Parameter, ...]
    outputs: tuple[Parameter, ...]
    body: tuple[Statement, ...]
    name_span: Span = field(compare=False, repr=False)
    doc: str = field(default="", compare=False)


@dataclass(frozen=True)
class Module:
    """A parsed file: `source`/`setwd` lines and other statements in their order, and the functions.

    doc: the comment that opens the file.
    """

    file: SourceFile = field(compare=False, repr=False)
    statements: tuple[Statement, ...]
    functions: tuple[FunctionDef, ...]
    doc: str = field(default="", compare=False)

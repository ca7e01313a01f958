"""Random DML programs, well typed and with sizes that fit, for comparisons of two ways to run them.

    python tests/systemds/generate.py --examples 1000                      optimized against unoptimized
    python tests/systemds/generate.py --examples 1000 --systemds FOLDER    pydml against SystemDS

`programs()` is the Hypothesis strategy; test_generated.py uses it without Java.  A disagreement is printed as a program made as
small as removing lines allows.

Values are chosen so that two correct implementations agree: what is compared, rounded or divided with remainder is made of
whole numbers below 2^45, whose arithmetic is exact in any order; other numbers stay small and away from poles.
"""

from __future__ import annotations

import argparse
import io
import random
import re
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import hypothesis.strategies as st
from cases import difference
from hypothesis import HealthCheck, Phase, given, seed, settings

from pydml import DMLError
from pydml.config import make_config
from pydml.script import Script

MAX_BITS = 45  # of whole numbers in doubles

# Numbers of rows and columns.  The large ones are enough for kernels that leave small matrices alone.
SMALL = (1, 2, 3, 4)
LARGE = (1, 3, 190)


@dataclass(frozen=True)
class Kind:
    """What is known of a value.  data: int, double, boolean, string or matrix (rows x cols).

    whole: made of whole numbers of at most `bits` bits, exactly.
    """

    data: str
    rows: int = 0
    cols: int = 0
    whole: bool = True
    bits: int = 5

    def same(self, other: Kind) -> bool:
        return (self.data, self.rows, self.cols) == (other.data, other.rows, other.cols)


@dataclass(frozen=True)
class Expr:
    text: str
    kind: Kind


@dataclass
class Function:
    name: str
    params: list[tuple[str, Kind]]
    results: list[tuple[str, Kind]]


@dataclass
class Writer:
    """Writes one program.  wild: with NaN, infinities and numbers that grow.

    draw_seed: gives the seed of each statement, so that Hypothesis may leave statements out, but need not know of each
    choice within them.
    """

    draw_seed: Callable[[], int]
    sizes: tuple[int, ...] = SMALL
    wild: bool = False
    lines: list[str] = field(default_factory=list)
    variables: dict[str, Kind] = field(default_factory=dict)
    functions: list[Function] = field(default_factory=list)
    count: int = 0
    indent: int = 0
    loops: int = 0
    busy: set[str] = field(default_factory=set)  # loop variables and bounds: not assigned
    random: random.Random = field(default_factory=lambda: random.Random(0))

    @property
    def size_bits(self) -> int:
        return max(self.sizes).bit_length()

    # ---- choices

    def number(self, low: int, high: int) -> int:
        return self.random.randint(low, high)

    def pick(self, items):
        return self.random.choice(items)

    def chance(self, percent: int) -> bool:
        return self.random.randrange(100) < percent

    def fresh(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}{self.count}"

    def line(self, text: str) -> None:
        self.lines.append("  " * self.indent + text)

    # ---- scalars

    def scalar(self, data: str, depth: int, whole: bool = True) -> Expr:
        return getattr(self, "make_" + data)(depth, whole)

    def known(self, test: Callable[[Kind], bool]) -> list[str]:
        return [name for name, kind in self.variables.items() if test(kind)]

    def make_int(self, depth: int, whole: bool = True) -> Expr:
        names = self.known(lambda k: k.data == "int")
        if depth <= 0 or self.chance(20):
            if names and self.chance(70):
                name = self.pick(names)
                return Expr(name, self.variables[name])
            return Expr(str(self.number(0, 9)), Kind("int", bits=4))
        choice = self.number(0, 10)
        a, b = self.make_int(depth - 1), self.make_int(depth - 1)
        if choice <= 3:
            return self.combine(self.pick("+-*"), a, b, "int")
        if choice == 4:
            return Expr(f"({a.text} %% {self.number(1, 9)})", Kind("int", bits=4))
        if choice == 5:
            return Expr(f"({a.text} %/% {self.pick((1, 2, 3, -2))})", a.kind)
        if choice == 6:
            return Expr(f"(-{a.text})", a.kind)
        if choice == 7:
            return Expr(f"{self.pick(('min', 'max'))}({a.text}, {b.text})", _wider(a.kind, b.kind))
        if choice == 8:
            matrices = self.known(lambda k: k.data == "matrix")
            if matrices:
                text = f"{self.pick(('nrow', 'ncol', 'length'))}({self.pick(matrices)})"
                return Expr(text, Kind("int", bits=2 * self.size_bits + 1))
        if choice == 9:
            c = self.make_boolean(depth - 1)
            return Expr(f"ifelse({c.text}, {a.text}, {b.text})", _wider(a.kind, b.kind))
        d = self.make_double(depth - 1, True)
        return Expr(f"as.integer({d.text})", Kind("int", bits=d.kind.bits))

    def make_double(self, depth: int, whole: bool = True) -> Expr:
        names = self.known(lambda k: k.data == "double" and (k.whole or not whole))
        if depth <= 0 or self.chance(15):
            if names and self.chance(70):
                name = self.pick(names)
                return Expr(name, self.variables[name])
            if whole:
                return Expr(f"{self.number(0, 9)}.0", Kind("double", bits=4))
            return Expr(self.pick(("0.5", "1.25", "0.1", "2.75", "3.3")), Kind("double", whole=False))
        choice = self.number(0, 11)
        if choice <= 3:
            a, b = self.make_double(depth - 1, whole), self.pick((self.make_double, self.make_int))(depth - 1, whole)
            if self.chance(30):
                a, b = b, a
                if a.kind.data == b.kind.data == "int":
                    a = Expr(f"as.double({a.text})", a.kind)
            return self.combine(self.pick("+-*"), a, b, "double")
        if choice == 4:
            a = self.make_double(depth - 1, True)
            return Expr(f"({a.text} {self.pick(('%%', '%/%'))} {self.pick((2, 3, 7, -4))})", a.kind)
        if choice == 5:
            a = self.make_double(depth - 1, whole)
            return Expr(f"(-{a.text})", a.kind)
        if choice == 6:
            a, b = self.make_double(depth - 1, whole), self.make_double(depth - 1, whole)
            return Expr(f"{self.pick(('min', 'max'))}({a.text}, {b.text})", _wider(a.kind, b.kind))
        if choice == 7:
            c, a, b = (
                self.make_boolean(depth - 1),
                self.make_double(depth - 1, whole),
                self.make_double(depth - 1, whole),
            )
            return Expr(f"ifelse({c.text}, {a.text}, {b.text})", _wider(a.kind, b.kind))
        if choice == 8:
            M = self.any_matrix(depth - 1, True)
            function = self.pick(("sum", "min", "max"))
            return Expr(f"{function}({M.text})", Kind("double", bits=M.kind.bits + 2 * self.size_bits))
        if choice == 9:
            cell = self.cell(whole)
            if cell is not None:
                return cell
        if choice == 10:
            a = self.make_double(depth - 1, True)
            return Expr(f"{self.pick(('round', 'floor', 'ceil', 'abs', 'sign'))}({a.text})", a.kind)
        if whole:
            a = self.make_int(depth - 1)
            return Expr(f"as.double({a.text})", Kind("double", bits=a.kind.bits))
        return self.fractional(depth)

    def fractional(self, depth: int) -> Expr:
        """A double that is no whole number."""
        kind = Kind("double", whole=False)
        if self.wild and self.chance(40):
            a, b = self.make_double(depth - 1, False), self.make_double(depth - 1, False)
            forms = (
                "({} / {})",
                "({} ^ {})",
                "log({}, {})",
                "({} %% {})",
                "(1 / ({} - {}))",
                "exp({} * {})",
                "sqrt({} - {})",
            )
            return Expr(self.pick(forms).format(a.text, b.text), kind)
        choice = self.number(0, 5)
        if choice <= 1:
            a, b = self.make_double(depth - 1, False), self.make_double(depth - 1, False)
            return Expr(f"({a.text} / (abs({b.text}) + 1))", kind)
        if choice <= 3:
            a = self.make_double(depth - 1, False)
            function = self.pick(("sin", "cos", "tanh", "atan"))
            return Expr(f"{function}({a.text})", kind)
        if choice == 4:
            a = self.make_double(depth - 1, False)
            return Expr(
                self.pick(("sqrt(abs({}))", "log(abs({}) + 1)", "exp(tanh({}))", "(tanh({}) ^ 2)")).format(a.text), kind
            )
        M = self.any_matrix(depth - 1, False)
        function = self.pick(("mean", "sum", "max", "min") + (("sd", "var") if M.kind.rows * M.kind.cols > 1 else ()))
        return Expr(f"{function}({M.text})", kind)

    def cell(self, whole: bool) -> Expr | None:
        names = self.known(lambda k: k.data == "matrix" and (k.whole or not whole))
        if not names:
            return None
        name = self.pick(names)
        kind = self.variables[name]
        text = f"as.scalar({name}[{self.index(kind.rows)}, {self.index(kind.cols)}])"
        return Expr(text, Kind("double", whole=kind.whole, bits=kind.bits))

    def index(self, size: int) -> str:
        """A valid index: a number, or an expression taken modulo the size."""
        if self.chance(60):
            return str(self.number(1, size))
        a = self.make_int(1)
        return f"abs({a.text}) %% {size} + 1"

    def combine(self, operator: str, a: Expr, b: Expr, data: str) -> Expr:
        whole = a.kind.whole and b.kind.whole
        bits = a.kind.bits + b.kind.bits if operator == "*" else max(a.kind.bits, b.kind.bits) + 1
        if whole and bits > MAX_BITS:
            a = Expr(f"({a.text} %% 64)", Kind(a.kind.data, bits=6))
            return Expr(f"({a.text} {operator} ({b.text} %% 64))", Kind(data, bits=12))
        if not whole and operator == "*":  # no growth without bounds
            a = Expr(f"tanh({a.text})", a.kind)
        return Expr(f"({a.text} {operator} {b.text})", Kind(data, whole=whole, bits=bits))

    def make_boolean(self, depth: int, whole: bool = True) -> Expr:
        kind = Kind("boolean")
        names = self.known(lambda k: k.data == "boolean")
        if names and self.chance(20):
            return Expr(self.pick(names), kind)
        if depth <= 0:
            return Expr(self.pick(("TRUE", "FALSE")), kind)
        choice = self.number(0, 6)
        if choice <= 3:
            data = self.pick(("int", "double"))
            a, b = self.scalar(data, depth - 1), self.scalar(data, depth - 1)
            return Expr(f"({a.text} {self.pick(('<', '<=', '>', '>=', '==', '!='))} {b.text})", kind)
        a, b = self.make_boolean(depth - 1), self.make_boolean(depth - 1)
        if choice == 4:
            return Expr(f"(!{a.text})", kind)
        return Expr(f"({a.text} {self.pick('&|')} {b.text})", kind)

    def make_string(self, depth: int, whole: bool = True) -> Expr:
        names = self.known(lambda k: k.data == "string")
        if names and self.chance(40):
            start = self.pick(names)
        else:
            start = '"' + self.pick(("a", "x=", "", "long text ")) + '"'
        b = self.scalar(self.pick(("int", "boolean")), depth - 1)
        return Expr(f"({start} + {b.text})", Kind("string"))

    # ---- matrices

    def any_matrix(self, depth: int, whole: bool) -> Expr:
        return self.matrix(self.pick(self.sizes), self.pick(self.sizes), depth, whole)

    def leaf(self, rows: int, cols: int, whole: bool) -> Expr:
        names = self.known(lambda k: k.data == "matrix" and (k.rows, k.cols) == (rows, cols) and (k.whole or not whole))
        if names and self.chance(75):
            name = self.pick(names)
            return Expr(name, self.variables[name])
        kind = Kind("matrix", rows, cols, whole, 4 if whole else 5)
        if rows * cols > 16:
            a, b, c = self.number(1, 9), self.pick((7, 11, 13)), self.number(-5, 2)
            text = f"matrix(seq(1, {rows * cols}) * {a} %% {b} + {c}, {rows}, {cols})"
            if self.chance(25):  # sparse
                text = f"max({text} - 7, 0)"
            return Expr(text if whole else f"({text} / 8 + 0.1)", kind)
        if whole and self.chance(20):
            return Expr(f"matrix({self.number(-3, 5)}, {rows}, {cols})", kind)
        if whole and self.chance(20):
            return Expr(f"matrix(seq(1, {rows * cols}), {rows}, {cols})", kind)
        cells = [self.number(-9, 9) for _ in range(rows * cols)]
        if self.chance(25):
            cells = [c if c > 3 else 0 for c in cells]
        words = [str(c) if whole else str(c / 4 + 0.1) for c in cells]
        if self.wild and not whole:
            words = [self.pick(("NaN", "Infinity", "-Infinity", "0", w, w)) for w in words]
        return Expr(f'matrix("{" ".join(words)}", {rows}, {cols})', kind)

    def matrix(self, rows: int, cols: int, depth: int, whole: bool) -> Expr:
        if depth <= 0 or self.chance(15):
            return self.leaf(rows, cols, whole)
        choice = self.number(0, 24)
        kind = Kind("matrix", rows, cols, whole)
        if choice <= 4:
            a, b = self.matrix(rows, cols, depth - 1, whole), self.operand(rows, cols, depth - 1, whole)
            if b.kind.data != "matrix" and self.chance(40):
                a, b = b, a
            return self.typed(self.combine(self.pick("+-*"), a, b, "matrix"), kind)
        if choice == 5:
            a, b = self.matrix(rows, cols, depth - 1, True), self.operand(rows, cols, depth - 1, True)
            relation = self.pick(("<", "<=", ">", ">=", "==", "!="))
            return Expr(f"({a.text} {relation} {b.text})", Kind("matrix", rows, cols, True, 1))
        if choice == 6:
            a = self.matrix(rows, cols, depth - 1, True)
            return Expr(f"({a.text} {self.pick(('%%', '%/%'))} {self.pick((2, 3, 5, -3))})", self.like(a, kind))
        if choice == 7:
            a = self.matrix(cols, rows, depth - 1, whole)
            return Expr(f"t({a.text})", self.like(a, kind))
        if choice == 8:
            inner = self.pick(self.sizes)
            a, b = self.matrix(rows, inner, depth - 1, whole), self.matrix(inner, cols, depth - 1, whole)
            bits = a.kind.bits + b.kind.bits + self.size_bits
            if a.kind.whole and b.kind.whole:
                if bits > MAX_BITS:
                    return Expr(
                        f"(({a.text} %% 8) %*% ({b.text} %% 8))", Kind("matrix", rows, cols, True, 6 + self.size_bits)
                    )
                return Expr(f"({a.text} %*% {b.text})", Kind("matrix", rows, cols, True, bits))
            return Expr(f"(tanh({a.text}) %*% {b.text})", kind)
        if choice == 9 and cols > 1:
            k = self.number(1, cols - 1)
            a, b = self.matrix(rows, k, depth - 1, whole), self.matrix(rows, cols - k, depth - 1, whole)
            return Expr(f"cbind({a.text}, {b.text})", self.like(a, kind, b))
        if choice == 10 and rows > 1:
            k = self.number(1, rows - 1)
            a, b = self.matrix(k, cols, depth - 1, whole), self.matrix(rows - k, cols, depth - 1, whole)
            return Expr(f"rbind({a.text}, {b.text})", self.like(a, kind, b))
        if choice == 11:
            names = self.known(
                lambda k: k.data == "matrix" and k.rows >= rows and k.cols >= cols and (k.whole or not whole)
            )
            if names:
                name = self.pick(names)
                source = self.variables[name]
                text = f"{name}[{self.range(rows, source.rows)}, {self.range(cols, source.cols)}]"
                return Expr(text, Kind("matrix", rows, cols, source.whole, source.bits))
        if choice in (9, 11, 12) and cols == 1:
            a = self.matrix(rows, self.pick(self.sizes), depth - 1, True)
            function = self.pick(("rowSums", "rowMaxs", "rowMins", "rowIndexMax", "rowIndexMin"))
            return Expr(f"{function}({a.text})", Kind("matrix", rows, cols, True, a.kind.bits + self.size_bits))
        if choice in (10, 11, 12) and rows == 1:
            a = self.matrix(self.pick(self.sizes), cols, depth - 1, True)
            function = self.pick(("colSums", "colMaxs", "colMins"))
            return Expr(f"{function}({a.text})", Kind("matrix", rows, cols, True, a.kind.bits + self.size_bits))
        if choice == 13:
            a = self.matrix(rows, cols, depth - 1, True)
            function = self.pick(("abs", "sign", "round", "floor", "ceil"))
            return Expr(f"{function}({a.text})", self.like(a, kind))
        if choice == 14:
            a = self.matrix(rows, cols, depth - 1, whole)
            return Expr(f"(-{a.text})", self.like(a, kind))
        if choice == 15:
            a, b = self.matrix(rows, cols, depth - 1, whole), self.operand(rows, cols, depth - 1, whole)
            return Expr(f"{self.pick(('min', 'max'))}({a.text}, {b.text})", self.like(a, kind, b))
        if choice == 16:
            c = self.matrix(rows, cols, depth - 1, True)
            a, b = self.matrix(rows, cols, depth - 1, whole), self.matrix(rows, cols, depth - 1, whole)
            return Expr(f"ifelse({c.text} > {self.number(-3, 3)}, {a.text}, {b.text})", self.like(a, kind, b))
        if choice == 17:
            a = self.matrix(rows, cols, depth - 1, whole)
            return Expr(f"{self.pick(('rev', 'cummax', 'cummin'))}({a.text})", self.like(a, kind))
        if choice == 18:
            a = self.matrix(rows, cols, depth - 1, whole)
            return Expr(f"cumsum({a.text})", self.grown(a, kind, self.size_bits))
        if choice == 19 and rows == cols:
            a = self.matrix(rows, 1, depth - 1, whole)
            return Expr(f"diag({a.text})", self.like(a, kind))
        if choice == 20:
            a = self.matrix(rows, cols, depth - 1, True)
            old, new = self.number(-2, 3), self.number(-2, 9)
            return Expr(f"replace(target={a.text}, pattern={old}, replacement={new})", self.like(a, kind))
        if choice == 21:
            a = self.matrix(rows, cols, depth - 1, whole)
            shape = self.pick((("lower.tri", "TRUE"), ("upper.tri", "TRUE"), ("upper.tri", "FALSE")))
            return Expr(f"{shape[0]}(target={a.text}, diag={shape[1]}, values=TRUE)", self.like(a, kind))
        if choice == 22:
            r, c = self.pick([(r, rows * cols // r) for r in range(1, rows * cols + 1) if rows * cols % r == 0])
            a = self.matrix(r, c, depth - 1, whole)
            byrow = self.pick(("", ", byrow=FALSE"))
            return Expr(f"matrix({a.text}, rows={rows}, cols={cols}{byrow})", self.like(a, kind))
        if choice == 23:
            a = self.matrix(rows, cols, depth - 1, True)
            if a.kind.bits * 2 <= MAX_BITS:
                return Expr(f"({a.text} ^ 2)", Kind("matrix", rows, cols, True, a.kind.bits * 2))
        if whole:
            return self.leaf(rows, cols, True)
        kind = Kind("matrix", rows, cols, False)
        a = self.matrix(rows, cols, depth - 1, False)
        if self.wild and self.chance(40):
            b = self.operand(rows, cols, depth - 1, False)
            forms = (
                "({} / {})",
                "({} ^ {})",
                "log({}, {})",
                "({} %% {})",
                "(1 / ({} - {}))",
                "exp({} * {})",
                "sqrt({} - {})",
            )
            return Expr(self.pick(forms).format(a.text, b.text), kind)
        if self.chance(30):
            b = self.matrix(rows, cols, depth - 1, False)
            return Expr(f"({a.text} / (abs({b.text}) + 1))", kind)
        forms = (
            "sin({})",
            "cos({})",
            "tanh({})",
            "atan({})",
            "sqrt(abs({}))",
            "log(abs({}) + 1)",
            "exp(tanh({}))",
            "1 / (1 + exp(-tanh({})))",
        )
        text = self.pick(forms).format(a.text)
        if cols == 1 and self.chance(20):
            text = f"{self.pick(('rowMeans', 'rowSums'))}({self.matrix(rows, self.pick(self.sizes), depth - 1, False).text})"
        return Expr(f"({text})", kind)

    def operand(self, rows: int, cols: int, depth: int, whole: bool) -> Expr:
        """What may stand on the right of a rows x cols matrix: a matrix, a vector or a scalar."""
        choice = self.number(0, 5)
        if choice <= 1:
            return self.matrix(rows, cols, depth, whole)
        if choice == 2:
            return self.matrix(1, cols, depth, whole)
        if choice == 3:
            return self.matrix(rows, 1, depth, whole)
        return self.scalar(self.pick(("int", "double")), depth, whole)

    def range(self, size: int, of: int) -> str:
        if size == of and self.chance(50):
            return ""
        start = self.number(1, of - size + 1)
        return str(start) if size == 1 else f"{start}:{start + size - 1}"

    @staticmethod
    def like(a: Expr, kind: Kind, b: Expr | None = None) -> Kind:
        whole = a.kind.whole and (b is None or b.kind.whole)
        return Kind(kind.data, kind.rows, kind.cols, whole, max(a.kind.bits, b.kind.bits if b else 0))

    @staticmethod
    def grown(a: Expr, kind: Kind, bits: int) -> Kind:
        return Kind(kind.data, kind.rows, kind.cols, a.kind.whole, a.kind.bits + bits)

    @staticmethod
    def typed(e: Expr, kind: Kind) -> Expr:
        return Expr(e.text, Kind("matrix", kind.rows, kind.cols, e.kind.whole, e.kind.bits))

    def value(self, kind: Kind, depth: int) -> Expr:
        """An expression that fits a variable of this kind, also if it is assigned again and again in a loop."""
        if kind.data in ("boolean", "string"):
            return self.scalar(kind.data, depth)
        if kind.data == "matrix":
            e = self.matrix(kind.rows, kind.cols, depth, kind.whole)
        else:
            e = self.scalar(kind.data, depth, kind.whole)
        if kind.whole and e.kind.bits > kind.bits:
            return Expr(f"({e.text} %% {2**kind.bits})", kind)
        if not kind.whole and self.loops and not self.wild:
            return Expr(f"(2 * sin({e.text}))", kind)
        return e

    # ---- statements

    def new_kind(self) -> Kind:
        data = self.pick(("int", "double", "boolean", "string", "matrix", "matrix", "matrix"))
        whole = data in ("int", "boolean", "string") or self.chance(55)
        if data == "matrix":
            return Kind("matrix", self.pick(self.sizes), self.pick(self.sizes), whole, 12)
        return Kind(data, 0, 0, whole, 12)

    def statement(self, depth: int) -> None:
        self.random.seed(self.draw_seed())
        choice = self.number(0, 19)
        if choice <= 6:
            self.assign_new()
        elif choice == 7:
            self.copy()
        elif choice <= 10:
            self.assign_again()
        elif choice <= 12:
            self.assign_cells()
        elif choice == 13 and depth > 0:
            self.branch(depth)
        elif choice == 14 and depth > 0:
            self.for_loop(depth)
        elif choice == 15 and depth > 0:
            self.while_loop(depth)
        elif choice == 16 and depth > 0:
            self.parfor_loop()
        elif choice == 17 and self.functions:
            self.call()
        elif choice == 18:
            if self.chance(20):
                self.list_operation()
            else:
                self.final_operation()
        else:
            self.print_something()

    def assign_new(self) -> None:
        kind = self.new_kind()
        e = self.value(kind, self.number(1, 4))
        name = self.fresh(kind.data[0] if kind.data != "matrix" else "M")
        self.line(f"{name} = {e.text}")
        self.variables[name] = kind

    def copy(self) -> None:
        """Another name, or a list, for a matrix that may be changed afterwards."""
        names = self.known(lambda k: k.data == "matrix")
        if not names:
            return
        name, copy = self.pick(names), self.fresh("M")
        if self.chance(50):
            self.line(f"{copy} = {name}")
        else:
            kept = self.fresh("l")
            self.line(f"{kept} = list({name}, {self.pick(names)})")
            self.assign_cells()
            self.line(f"{copy} = as.matrix({kept}[1])")
        self.variables[copy] = self.variables[name]

    def assign_again(self) -> None:
        names = [n for n in self.variables if n not in self.busy]
        if not names:
            return
        name = self.pick(names)
        self.line(f"{name} = {self.value(self.variables[name], self.number(1, 4)).text}")

    def assign_cells(self) -> None:
        names = [n for n in self.known(lambda k: k.data == "matrix") if n not in self.busy]
        if not names:
            return
        name = self.pick(names)
        kind = self.variables[name]
        if self.chance(50):
            data = Kind("double", whole=kind.whole, bits=kind.bits)
            self.line(f"{name}[{self.index(kind.rows)}, {self.index(kind.cols)}] = {self.value(data, 2).text}")
            return
        rows, cols = self.number(1, kind.rows), self.number(1, kind.cols)
        part = Kind("matrix", rows, cols, kind.whole, kind.bits)
        target = f"{name}[{self.range(rows, kind.rows)}, {self.range(cols, kind.cols)}]"
        self.line(f"{target} = {self.value(part, 2).text}")

    def block(self, depth: int) -> None:
        """Statements whose new variables are not used outside."""
        outer = dict(self.variables)
        self.indent += 1
        for _ in range(self.number(1, 3)):
            self.statement(depth - 1)
        self.indent -= 1
        self.variables = outer

    def branch(self, depth: int) -> None:
        self.line(f"if ({self.make_boolean(2).text}) {{")
        self.block(depth)
        if self.chance(60):
            self.line("} else {")
            self.block(depth)
        self.line("}")

    def for_loop(self, depth: int) -> None:
        i = self.fresh("i")
        low, high = self.number(-1, 3), self.number(0, 4)
        header = self.pick((f"{low}:{high}", f"{high}:{low}", f"seq({low}, {high + 2}, 2)", f"1:({self.number(1, 3)})"))
        self.line(f"for ({i} in {header}) {{")
        self.enter(i)
        self.block(depth)
        self.leave(i)
        self.line("}")

    def enter(self, *names: str) -> None:
        for name in names:
            self.variables[name] = Kind("int", bits=4)
            self.busy.add(name)
        self.loops += 1

    def leave(self, *names: str) -> None:
        for name in names:
            del self.variables[name]
            self.busy.discard(name)
        self.loops -= 1

    def while_loop(self, depth: int) -> None:
        i = self.fresh("w")
        self.line(f"{i} = 0")
        extra = f" & {self.make_boolean(1).text}" if self.chance(30) else ""
        self.line(f"while ({i} < {self.number(1, 3)}{extra}) {{")
        self.enter(i)
        self.block(depth)
        self.indent += 1
        self.line(f"{i} = {i} + 1")
        self.indent -= 1
        self.leave(i)
        self.line("}")

    def parfor_loop(self) -> None:
        """Each iteration writes a row of its own."""
        name, i = self.fresh("P"), self.fresh("i")
        kind = Kind("matrix", self.pick(self.sizes), self.pick(self.sizes), self.chance(50), 12)
        self.line(f"{name} = matrix(0, {kind.rows}, {kind.cols})")
        self.line(f"parfor ({i} in 1:{kind.rows}) {{")
        outer = dict(self.variables)
        self.enter(i)
        self.indent += 1
        for _ in range(self.number(0, 2)):
            self.assign_new()
        row = self.value(Kind("matrix", 1, kind.cols, kind.whole, kind.bits), 2)
        self.line(f"{name}[{i}, ] = {row.text}")
        self.indent -= 1
        self.leave(i)
        self.line("}")
        self.variables = outer
        self.variables[name] = kind

    def call(self) -> None:
        function = self.pick(self.functions)
        args = []
        for _, kind in function.params:
            e = self.value(kind, 1)
            args.append(e.text)
        names = [self.fresh("r") for _ in function.results]
        target = names[0] if len(names) == 1 else f"[{', '.join(names)}]"
        self.line(f"{target} = {function.name}({', '.join(args)})")
        for name, (_, kind) in zip(names, function.results, strict=True):
            self.variables[name] = kind

    def final_operation(self) -> None:
        """Operations whose result has an unknown size or is too special to go on with: printed at once."""
        v = self.matrix(self.number(2, 6), 1, 1, True)
        A = self.any_matrix(1, True)
        x = self.fresh("x")
        forms = (
            f'{x} = removeEmpty(target={A.text}, margin="{self.pick(("rows", "cols"))}")',
            f"{x} = order(target={A.text}, by=1, decreasing={self.pick(('TRUE', 'FALSE'))})",
            f"{x} = order(target={v.text}, by=1, decreasing={self.pick(('TRUE', 'FALSE'))}, index.return=TRUE)",
            f"{x} = table(seq(1, {v.kind.rows}), abs({v.text}) %% 5 + 1)",
            f'{x} = aggregate(target={v.text}, groups=abs({v.text}) %% 3 + 1, fn="{self.pick(("sum", "count", "min", "max"))}")',
            f"{x} = as.matrix(median({v.text} * 2 + 1))",  # zeros are special in SystemDS
            f"{x} = as.matrix(quantile({v.text} * 2 + 1, {self.pick((0.1, 0.25, 0.5, 0.9))}))",
            # constant vectors are special in SystemDS
            f"{x} = outer({v.text} + seq(1, {v.kind.rows}), t({v.text} + seq(1, {v.kind.rows})), "
            f'"{self.pick(("+", "*", "<", "max"))}")',
            f"{x} = as.matrix(countDistinct({A.text}))",
            f"{x} = rowIndexMax({A.text})",
            f"{x} = colVars({A.text})",
            *self.rare_forms(x, v, A),
        )
        self.line(self.pick(forms))
        self.line(f"print(toString({x}, decimal=12))")  # 100 rows and columns at most

    def rare_forms(self, x: str, v: Expr, A: Expr) -> tuple[str, ...]:
        """Assignments to x of operations that are seldom used.  v: a column of whole numbers; A: a matrix of them."""
        n, m = A.kind.rows, A.kind.cols
        k = self.number(1, 4)
        square = self.matrix(k, k, 1, True)
        definite = f"(({square.text} %% 7) %*% t({square.text} %% 7) + diag(matrix({k + 1}, {k}, 1)))"
        weights = f"(abs({v.text}) %% 3 + 1)"
        B = self.matrix(n, m, 1, True)
        total = f"({A.text} %% 9)"
        scale = self.pick((0.5, 2, 3))
        sums = self.pick(("ij,ij->i", "ij,kj->ik", "ij,ij->j"))
        # SystemDS takes rows for columns in einsum
        product = f'einsum("{sums}", {A.text}, {B.text})' if n > 1 else f"{A.text} %*% t({B.text})"
        return (
            f"{x} = {product}",
            f"{x} = inv({definite})",
            f"{x} = solve({definite}, seq(1, {k}))",
            f"{x} = cholesky({definite})",
            f"{x} = as.matrix(det({definite}))",
            f"{x} = as.matrix(trace({definite}))",
            f"{x} = table(abs({v.text}) %% 4 + 1, abs(rev({v.text})) %% 3 + 1, {v.text} %% 5)",
            f"{x} = table(seq(1, {v.kind.rows}), abs({v.text}) %% 5 + 1, {v.kind.rows}, {self.number(3, 6)})",
            f'{x} = aggregate(target={v.text}, groups=abs({v.text}) %% 3 + 1, fn="{self.pick(("mean", "variance"))}")',
            f"{x} = as.matrix(moment({v.text} %% 50, {self.number(2, 4)}))",
            f"{x} = as.matrix(cov({v.text} %% 50, rev({v.text}) %% 40))",
            f"{x} = as.matrix(cov({v.text} %% 50, rev({v.text}) %% 40, {weights}))",
            f"{x} = as.matrix(mean({v.text}, {weights}))",
            f'{x} = quantile({v.text} * 2 + 1, matrix("0.1 0.5 0.8", 3, 1))',
            f"{x} = as.matrix(interQuartileMean({v.text} * 2 + 1))",
            f"{x} = order(target={A.text}, by={m}, decreasing={self.pick(('TRUE', 'FALSE'))}, index.return=TRUE)",
            f"{x} = roll({A.text}, {self.number(-3, 5)})",
            f"{x} = cumprod(sign({A.text}) * 2)",
            f"{x} = rowcumsum({A.text})",
            f"{x} = cumsumprod(cbind({v.text} %% 50, rev({v.text}) %% 3))",
            f"{x} = bitwAnd(abs({A.text}) %% 1024, {self.number(0, 63)})",
            f"{x} = bitwXor(abs({A.text}) %% 1024, abs({B.text}) %% 512)",
            f"{x} = xor({A.text} > 0, {B.text} > 1)",
            f"{x} = rowVars({total})",
            f"{x} = colSds({total})",
            f"{x} = rowProds({total} / 4)",
            f"{x} = colMeans({A.text})",
            f"{x} = max({A.text}, {B.text}, {self.number(-2, 2)})",
            f'{x} = removeEmpty(target={A.text}, margin="rows", select=(seq(1, {n}) %% 2 == 1))',
            f"{x} = lower.tri(target={A.text}, diag=FALSE, values=FALSE)",
            f"{x} = {A.text} %/% {scale} + {A.text} %% {scale}",
            f"{x} = log(abs({A.text}) + 1, {self.number(2, 5)})",
            f"{x} = order(target=unique({v.text}), by=1)",
            f"{x} = as.matrix(pnorm(target={self.number(-3, 3)}.25, mean=0.5, sd=2))",
            f"{x} = as.matrix(qt(target=0.{self.number(1, 9)}, df={self.number(1, 9)}))",
            f"{x} = as.matrix(sd({v.text}) + var({v.text} %% 10))",
            f"{x} = rbind({A.text}, colSums({A.text}), colMaxs({B.text}))",
            f"{x} = cbind({A.text}, rowSums({B.text}), seq(1, {n}))",
        )

    def list_operation(self) -> None:
        """A list with names, changed and taken apart."""
        a, b = self.scalar("int", 1), self.matrix(self.pick(self.sizes), self.pick(self.sizes), 1, True)
        name = self.fresh("l")
        c = self.fresh("e")
        self.line(f"{c} = {self.scalar('double', 1).text}")
        self.line(f'{name} = list(first={a.text}, second={b.text}, third="{self.pick(("x", "text"))}")')
        self.line(f'print(length({name}) + " " + as.scalar({name}["first"]))')
        if self.chance(50):
            self.line(f"{name} = append({name}, list(fourth={c}))")
            self.line(f'print(as.scalar({name}["fourth"]))')
        self.line(f'{name}["first"] = {c}')
        self.line(f'print(as.scalar({name}["first"]) + " " + length({name}))')
        if self.chance(50):  # places only without names: SystemDS has an order of its own for names
            plain = self.fresh("l")
            self.line(f"{plain} = list({a.text}, {c}, {a.text})")
            self.line(f"{plain}[2] = {c} + 1")
            self.line(f'print(as.scalar({plain}[2]) + " " + as.scalar({plain}[{self.number(1, 3)}]))')
        copy = self.fresh("M")
        self.line(f'{copy} = as.matrix({name}["second"])')
        self.variables[copy] = b.kind

    def print_something(self) -> None:
        names = list(self.variables)
        if names:
            self.print_variable(self.pick(names))

    def print_variable(self, name: str) -> None:
        kind = self.variables[name]
        if kind.data == "matrix" and kind.rows * kind.cols > 16:
            x = self.fresh("x")
            if kind.whole:
                self.line(f"{x} = sum({name} %% 1024 * (seq(1, {kind.rows}) %% 8))")
            else:
                self.line(f"{x} = sum({name} * (seq(1, {kind.rows}) %% 8))")
            self.line(f"print({x})")
        elif kind.data == "matrix":
            self.line(f"print(toString({name}, decimal=12))")
        else:
            self.line(f'print("{name} " + {name})' if self.chance(30) else f"print({name})")

    # ---- functions and the whole

    def function(self) -> None:
        inner = Writer(self.draw_seed, self.sizes, self.wild, functions=list(self.functions))
        name = self.fresh("f")
        params = [(f"p{i}", self.new_kind()) for i in range(self.number(1, 3))]
        inner.variables = dict(params)
        inner.count, inner.indent = self.count, 1
        for _ in range(self.number(0, 4)):
            inner.statement(1)
        results = []
        for i in range(self.number(1, 2)):
            kind = self.new_kind()
            inner.line(f"q{i} = {inner.value(kind, 2).text}")
            results.append((f"q{i}", kind))
        self.count = inner.count
        types = {"matrix": "matrix[double]"}

        def declared(items: list[tuple[str, Kind]]) -> str:
            return ", ".join(f"{types.get(k.data, k.data)} {n}" for n, k in items)

        self.line(f"{name} = function({declared(params)}) return ({declared(results)}) {{")
        self.lines += inner.lines
        self.line("}")
        self.functions.append(Function(name, params, results))

    def program(self) -> str:
        self.random.seed(self.draw_seed())
        for _ in range(self.number(0, 2)):
            self.function()
        self.random.seed(self.draw_seed())
        for _ in range(self.number(2, 14)):
            self.statement(2)
        for _ in self.functions:
            self.call()
        for name in list(self.variables):
            self.print_variable(name)
        return "\n".join(self.lines) + "\n"


def _wider(a: Kind, b: Kind) -> Kind:
    data = "double" if "double" in (a.data, b.data) else a.data
    return Kind(data, a.rows, a.cols, a.whole and b.whole, max(a.bits, b.bits))


@st.composite
def programs(draw: Callable, wild: bool = False) -> str:
    """The text of a program.  wild: with NaN, infinities and numbers that grow, where only one implementation is asked."""
    large = draw(st.integers(0, 3)) == 3
    seeds = st.integers(0, 2**24)
    return Writer(lambda: draw(seeds), LARGE if large else SMALL, wild and draw(st.booleans())).program()


# ---- comparisons


def run_pydml(program: str, optimized: bool = True) -> tuple[str, str]:
    """What pydml prints, and the error (or "")."""
    output = io.StringIO()
    try:
        script = Script(program, config=make_config(seed=1, optimized=optimized), stdout=output)
        executable = script.executable(outputs=[])
        with script.running():
            executable.run(script.context(), {})
    except DMLError as error:
        return output.getvalue(), str(error)
    return output.getvalue(), ""


def optimizer_changes(program: str) -> str:
    """Why a program behaves differently with and without the optimizer, or ""."""
    with_it, without = run_pydml(program), run_pydml(program, optimized=False)
    if bool(with_it[1]) != bool(without[1]):
        return f"optimized: {with_it[1] or 'no error'}, unoptimized: {without[1] or 'no error'}"
    return difference(with_it[0], without[0], 1e-12, 1e-12)


# Every number as a double: SystemDS prints some ints as doubles and the other way round, see docs/differences.md.
_WHOLE = re.compile(r"(?<![\w.])(-?\d+)(?![\w.])")
# Results that SystemDS computes differently on purpose or by accident.
_SPECIAL = re.compile(r"NaN|Infinity|E1[5-9]|E\d\d\d")


# What became of the programs that were compared with SystemDS.
outcomes: Counter[str] = Counter()


def disagreement(oracle, program: str) -> str:
    """Why SystemDS answers otherwise, or "".

    Passed over: programs with NaN or infinities in their output, and those that SystemDS refuses or fails to run, as they
    are all legal.
    """
    answer = oracle.run(program)
    output, error = run_pydml(program)
    if error:
        return f"pydml: {error}"
    if answer.error:
        outcomes["SystemDS fails"] += 1
        return ""
    if _SPECIAL.search(answer.output) or _SPECIAL.search(output):
        outcomes["NaN, infinities or large numbers"] += 1
        return ""
    outcomes["compared"] += 1
    plain = [_WHOLE.sub(r"\1.0", text).replace("-0.0", "0.0") for text in (output, answer.output)]
    return difference(*plain, 1e-9, 1e-10)


def shrink(program: str, fails: Callable[[str], str]) -> str:
    """Remove lines and blocks as long as the program fails for the same kind of reason."""
    kind = _reason_kind(fails(program))
    lines = program.rstrip("\n").split("\n")
    changed = True
    while changed:
        changed = False
        position = 0
        while position < len(lines):
            size = _statement_size(lines, position)
            for candidate in _smaller(lines, position, size):
                if _reason_kind(fails("\n".join(candidate) + "\n")) == kind:
                    lines, changed = candidate, True
                    break
            else:
                position += 1
    return "\n".join(lines) + "\n"


def _smaller(lines: list[str], position: int, size: int):
    before, after = lines[:position], lines[position + size :]
    yield before + after
    if size > 2 and "function" not in lines[position]:  # the body alone
        yield before + lines[position + 1 : position + size - 1] + after


def _statement_size(lines: list[str], position: int) -> int:
    depth = 0
    for size, line in enumerate(lines[position:], 1):
        text = re.sub(r'"[^"]*"', "", line)
        depth += text.count("{") - text.count("}")
        if depth <= 0 and not text.strip().startswith("} else"):
            return size
    return 1


def _reason_kind(reason: str) -> str:
    return re.sub(r"[\d.'\-]+|program\S+|line.*", "#", reason)[:60] if reason.startswith("pydml") else reason[:4]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--systemds", help="folder with SystemDS.jar: compare with it")
    options = parser.parse_args(arguments)
    chosen = options.seed if options.seed is not None else random.randrange(10**9)
    print(f"seed {chosen}")
    if options.systemds:
        from oracle import Oracle

        oracle = Oracle(options.systemds)
        compare = lambda program: disagreement(oracle, program)  # noqa: E731
    else:
        compare = optimizer_changes
    found: list[tuple[str, str]] = []
    shown: set[str] = set()
    count = 0

    @seed(chosen)
    @settings(
        max_examples=options.examples,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(programs(wild=not options.systemds))
    def explore(program: str) -> None:
        nonlocal count
        count += 1
        reason = compare(program)
        if reason:
            found.append((program, reason))
            before = outcomes.copy()
            small = shrink(program, compare)
            outcomes.clear()
            outcomes.update(before)
            if small not in shown:
                shown.add(small)
                print("-" * 60, small, f"# {reason}", sep="\n", flush=True)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        explore()
    if options.systemds:
        oracle.close()
    if outcomes:
        print(", ".join(f"{kind}: {n}" for kind, n in sorted(outcomes.items())))
    print(f"{count} programs, {len(found)} disagreements")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

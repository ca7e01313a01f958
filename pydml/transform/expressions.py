"""Lambda expressions over the cells of a frame, as `map` takes them: `x -> x.toUpperCase()`, `(x, y) -> ...`.

The language is a part of Java: parameters, literals, operators with their types and precedence, the conditional operator,
casts, arrays of texts, methods of texts, and static functions of String, Character, Integer, Long, Double, Boolean, Math
and UtilFunctions.  There are no statements, and no access to anything but the cells: an expression is parsed here and run
by Python functions chosen from tables; nothing is handed to `eval`.

As in Java, types are known before the expression runs: `7 / 2` is 3, `'a' + 1` is 98, and a method that does not exist is an
error even if no cell would reach it.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from pydml.diagnostics import fail
from pydml.records import dataclass
from pydml.signature import suggest
from pydml.transform import java
from pydml.transform.java import JavaError, text_of
from pydml.transform.java_library import BOXED_METHODS, CONSTANTS, METHODS, STATIC, Alternatives

Run = Callable[[tuple[Any, ...]], Any]


@dataclass(frozen=True)
class Code:
    """A part of an expression: its type, and a function of the parameters' values.  literal: whether it is a number as written."""

    type: str
    run: Run
    literal: bool = False


# ---- words

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>0[xX][0-9a-fA-F]+[lL]?|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[lLdDfF]?)
    | (?P<name>[A-Za-z_$][\w$]*)
    | (?P<text>"(?:[^"\\]|\\.)*")
    | (?P<char>'(?:[^'\\]|\\.)*')
    | (?P<op>->|>>>|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%<>!~?:.,()\[\]{}&|^=;@])
    )""",
    re.X,
)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|([0-7]{1,3})|(.))", re.S)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "s": " "}


def _unescaped(text: str) -> str:
    def one(match: re.Match[str]) -> str:
        if match[1]:
            return chr(int(match[1], 16))
        if match[2]:
            return chr(int(match[2], 8))
        if match[3] in _ESCAPES or match[3] in "\\'\"":
            return _ESCAPES.get(match[3], match[3])
        return match[0]  # `\s+` in a regular expression: DML has taken one backslash away

    return _ESCAPE.sub(one, text)


# ---- types

_NUMBERS = ("char", "int", "long", "float", "double")
_RANK = {"char": 0, "int": 0, "long": 1, "float": 2, "double": 3}
_WIDER = {
    "char": ("int", "long", "float", "double"),
    "int": ("long", "float", "double"),
    "long": ("float", "double"),
    "float": ("double",),
}


def _fits(given: str, wanted: str) -> bool:
    if given == wanted or wanted == "Object" or wanted in _WIDER.get(given, ()):
        return True
    return given == "null" and wanted not in (*_NUMBERS, "boolean")


def _promoted(*types: str) -> str:
    kind = max(types, key=_RANK.__getitem__)
    return "int" if kind == "char" else kind


def _converted(value: Any, type: str) -> Any:
    if type == "double":
        return float(value)
    return float(np.float32(value)) if type == "float" else value


_SHORT = {"byte": 8, "short": 16}  # types that arithmetic and texts treat as int: only casts know them
_CASTS = ("int", "long", "double", "float", "char", "String", "boolean", *_SHORT)
_BOXES = {
    "Integer": "int",
    "Long": "long",
    "Double": "double",
    "Float": "float",
    "Character": "char",
    "Boolean": "boolean",
}


# ---- the parser, which makes code at once

# Operators from the loosest to the tightest.
_BINARY = [words.split() for words in ("||", "&&", "|", "^", "&", "== !=", "< > <= >=", "<< >> >>>", "+ -", "* / %")]


class _Parser:
    def __init__(self, text: str, arrays: bool):
        self.text = text
        self.tokens: list[tuple[str, str, int]] = []
        position = 0
        end = len(text.rstrip())
        while position < end:
            match = _TOKEN.match(text, position)
            if match is None:
                self.refuse_at(position, f"unexpected {text[position:].strip()[0]}")
            kind = str(match.lastgroup)
            self.tokens.append((kind, match[kind], match.start(kind)))
            position = match.end()
        self.tokens.append(("end", "the end", end))
        self.i = 0
        self.names: dict[str, int] = {}
        self.parameter_type = "String[]" if arrays else "String"

    def refuse_at(self, position: int, message: str, help: str = "", id: str = "value") -> NoReturn:
        fail(id, f"map: {message} at character {position + 1} of the expression {_shortened(self.text)}", help=help)

    def refuse(self, message: str, help: str = "") -> NoReturn:
        self.refuse_at(self.tokens[self.i][2], message, help)

    @property
    def word(self) -> str:
        kind, word, _ = self.tokens[self.i]
        return word if kind in ("op", "name", "end") else ""

    def take(self, *words: str) -> str:
        """The next word if it is one of these, else nothing."""
        if self.tokens[self.i][0] in ("op", "name") and self.word in words:
            self.i += 1
            return self.tokens[self.i - 1][1]
        return ""

    def need(self, word: str) -> None:
        if not self.take(word):
            self.refuse(f"expected {word}, found {self.tokens[self.i][1]}")

    def name(self) -> str:
        if self.tokens[self.i][0] != "name":
            self.refuse(f"expected a name, found {self.tokens[self.i][1]}")
        self.i += 1
        return self.tokens[self.i - 1][1]

    def function(self) -> Code:
        """`x -> ...` or `(x, y) -> ...`."""
        help = 'an expression is "x -> x.trim()" or "(x, y) -> ..."'
        if self.take("("):
            while True:
                self.names[self.name()] = len(self.names)
                if not self.take(","):
                    break
            self.need(")")
        elif self.tokens[self.i][0] == "name":
            self.names[self.name()] = 0
        else:
            self.refuse("expected a parameter", help)
        if self.word != "->":
            self.refuse(f"expected ->, found {self.tokens[self.i][1]}", help)
        self.need("->")
        if self.word == "{":
            self.refuse("statements are not supported", "write one expression; `c ? a : b` chooses")
        code = self.expression()
        self.take(";")
        if self.tokens[self.i][0] != "end":
            self.refuse(f"expected an operator, found {self.tokens[self.i][1]}")
        return code

    def expression(self) -> Code:
        condition = self.binary(0)
        place = self.i
        if not self.take("?"):
            return condition
        self.boolean(condition, place)
        yes = self.expression()
        self.need(":")
        no = self.expression()
        if yes.type == no.type:
            kind = yes.type
        elif {yes.type, no.type} == {"char", "int"} and (yes.literal or no.literal):
            kind = "char"  # as of a number that is written there
            yes, no = _cast(yes, kind), _cast(no, kind)
        elif yes.type in _NUMBERS and no.type in _NUMBERS:
            kind = _promoted(yes.type, no.type)
            yes, no = _cast(yes, kind), _cast(no, kind)
        elif "null" in (yes.type, no.type):
            kind = no.type if yes.type == "null" else yes.type
        else:  # the text of either is what counts
            kind, yes, no = "String", _texted(yes), _texted(no)
        test, a, b = condition.run, yes.run, no.run
        return Code(kind, lambda env: a(env) if test(env) else b(env))

    def boolean(self, code: Code, place: int) -> None:
        if code.type != "boolean":
            self.refuse_at(self.tokens[place][2], f"expected a condition, found a value of type {code.type}")

    def binary(self, level: int) -> Code:
        if level == len(_BINARY):
            return self.unary()
        left = self.binary(level + 1)
        while True:
            place = self.i
            op = self.take(*_BINARY[level])
            if not op:
                return left
            left = self.operation(op, left, self.binary(level + 1), place)

    def operation(self, op: str, left: Code, right: Code, place: int) -> Code:
        a, b = left.run, right.run
        types = left.type, right.type
        numbers = all(t in _NUMBERS for t in types)
        whole = all(t in ("char", "int", "long") for t in types)
        if op == "+" and "String" in types:
            x, y = _texted(left).run, _texted(right).run
            return Code("String", lambda env: x(env) + y(env))
        if op in ("&&", "||"):
            self.boolean(left, place)
            self.boolean(right, place)
            if op == "&&":
                return Code("boolean", lambda env: a(env) and b(env))
            return Code("boolean", lambda env: a(env) or b(env))
        if op in ("==", "!="):
            return self.equality(op, left, right, place)
        if op in ("&", "|", "^") and (types == ("boolean", "boolean") or whole):
            function = {"&": operator.and_, "|": operator.or_, "^": operator.xor}[op]
            return Code(
                "boolean" if types == ("boolean", "boolean") else _promoted(*types),
                lambda env: function(a(env), b(env)),
            )
        if op in ("<<", ">>", ">>>") and whole:
            return _shift(op, left, right)
        if numbers and op in ("<", ">", "<=", ">="):
            compare = {"<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge}[op]
            return Code("boolean", lambda env: compare(a(env), b(env)))
        if numbers and op in ("+", "-", "*", "/", "%"):
            kind = _promoted(*types)
            function = _ARITHMETIC[op] if kind in ("float", "double") else _INTEGER[op]
            return Code(kind, lambda env: java.wrapped(function(a(env), b(env)), kind))
        self.refuse_at(self.tokens[place][2], f"{op} does not take {types[0]} and {types[1]}")

    def equality(self, op: str, left: Code, right: Code, place: int) -> Code:
        types = left.type, right.type
        if types == ("String", "String"):
            help = "write a.equals(b)"
            self.refuse_at(self.tokens[place][2], f"{op} does not compare the characters of texts", help)
        numbers = all(t in _NUMBERS for t in types)
        if not (
            numbers or types == ("boolean", "boolean") or ("null" in types and not set(types) & {*_NUMBERS, "boolean"})
        ):
            self.refuse_at(self.tokens[place][2], f"{op} does not take {types[0]} and {types[1]}")
        a, b = left.run, right.run
        same = op == "=="
        return Code("boolean", lambda env: (a(env) == b(env)) is same)

    def unary(self) -> Code:
        place = self.i
        op = self.take("-", "+", "!", "~")
        if op:
            code = self.unary()
            run = code.run
            if op == "!":
                self.boolean(code, place)
                return Code("boolean", lambda env: not run(env))
            if code.type not in _NUMBERS or (op == "~" and code.type in ("float", "double")):
                self.refuse_at(self.tokens[place][2], f"{op} does not take a value of type {code.type}")
            kind = _promoted(code.type)
            if op == "~":
                return Code(kind, lambda env: ~run(env))
            return Code(kind, lambda env: java.wrapped(-run(env), kind)) if op == "-" else Code(kind, run)
        if self.word == "(" and self.tokens[self.i + 1][1] in (*_CASTS, *_BOXES) and self.tokens[self.i + 2][1] == ")":
            wanted = self.tokens[self.i + 1][1]
            bits = _SHORT.get(wanted, 32)
            wanted = "int" if bits < 32 else _BOXES.get(wanted, wanted)
            self.i += 3
            code = self.unary()
            if not (code.type == wanted or (code.type in _NUMBERS and wanted in _NUMBERS)):
                self.refuse_at(self.tokens[place][2], f"a value of type {code.type} cannot be cast to {wanted}")
            if bits < 32:
                whole = _cast(code, "int").run
                return Code("int", lambda env: java.signed(whole(env), bits))
            return _cast(code, wanted)
        return self.postfix(self.primary())

    def postfix(self, code: Code) -> Code:
        while True:
            if self.take("["):
                place = self.i
                index = self.expression()
                self.need("]")
                if not code.type.endswith("[]") or index.type not in ("int", "char"):
                    self.refuse_at(self.tokens[place][2], f"{code.type} has no elements by {index.type}")
                array, position = code.run, index.run
                element = code.type[:-2]
                code = Code("int" if element in _SHORT else element, _at(array, position))
            elif self.take("."):
                place = self.i
                name = self.name()
                if self.word != "(":
                    if name != "length" or not code.type.endswith("[]"):
                        self.refuse_at(self.tokens[place][2], f"{code.type} has no field {name}")
                    array = code.run
                    code = Code("int", _length(array))
                else:
                    code = self.method(code, name, place)
            else:
                return code

    def arguments(self) -> list[Code]:
        self.need("(")
        found: list[Code] = []
        while not self.take(")"):
            found.append(self.expression())
            if self.word != ")":
                self.need(",")
        return found

    def method(self, target: Code, name: str, place: int) -> Code:
        arguments = self.arguments()
        methods = METHODS.get(target.type)
        if methods is None and target.type in _NUMBERS:
            methods = BOXED_METHODS | {"toString": [((), "String", lambda x, t=target.type: text_of(x, t))]}
            methods["equals"] = [((target.type,), "boolean", operator.eq)]
        if methods is None and target.type == "boolean":
            methods = {"toString": [((), "String", lambda x: text_of(x, "boolean"))]}
        if methods is None:
            self.refuse_at(self.tokens[place][2], f"{target.type} has no method {name}")
        if target.type == "StringBuilder" and name == "append" and len(arguments) == 1:
            arguments = [_texted(arguments[0])]
        function, kind = self.resolve(methods, name, arguments, f"{target.type} has no method", place)
        run = target.run

        def call(env: tuple[Any, ...]) -> Any:
            value = run(env)
            if value is None:
                raise JavaError(f"{name}() of a missing text")
            return function(value, *[a(env) for a in runs])

        runs = [a.run for a in arguments]
        return Code(kind, call)

    def resolve(
        self, methods: dict[str, Alternatives], name: str, arguments: list[Code], none: str, place: int
    ) -> tuple[Callable[..., Any], str]:
        position = self.tokens[place][2]
        if name not in methods:
            self.refuse_at(
                position, f"{none} {name}", suggest(name, methods) or f"there are {', '.join(sorted(methods))}"
            )
        given = tuple(a.type for a in arguments)
        fitting = [m for m in methods[name] if len(m[0]) == len(given) and all(map(_fits, given, m[0]))]
        exact = [m for m in fitting if m[0] == given]
        if not fitting:
            forms = " or ".join(f"{name}({', '.join(m[0])})" for m in methods[name])
            self.refuse_at(position, f"{name} does not take ({', '.join(given)})", f"there is {forms}")
        types, kind, function = (exact or fitting)[0]
        for i, (have, wanted) in enumerate(zip(given, types, strict=True)):
            if have != wanted and wanted in _NUMBERS:
                arguments[i] = _cast(arguments[i], wanted)
        return function, kind

    def primary(self) -> Code:
        kind, word, position = self.tokens[self.i]
        self.i += 1
        if kind == "number":
            return self.number(word, position)
        if kind == "text":
            return Code("String", _constant(_unescaped(word[1:-1])))
        if kind == "char":
            char = _unescaped(word[1:-1])
            if len(char) != 1:
                self.refuse_at(position, f"{word} is not one character", 'texts are in double quotes: "..."')
            return Code("char", _constant(ord(char)))
        if kind == "op" and word == "(":
            code = self.expression()
            self.need(")")
            return code
        if kind == "name":
            return self.named(word, position)
        self.i -= 1
        self.refuse(f"expected a value, found {word}")

    def number(self, word: str, position: int) -> Code:
        lower = word.lower()
        value: float
        if lower.startswith("0x"):
            kind, value = ("long", int(lower.rstrip("l"), 16)) if lower.endswith("l") else ("int", int(lower, 16))
            value = java.int64(value) if kind == "long" else java.int32(value)
        elif lower.endswith("l"):
            kind, value = "long", int(lower[:-1])
        elif lower.endswith("f"):
            kind, value = "float", float(np.float32(lower[:-1]))
        elif lower.isdigit():
            kind, value = "int", int(lower)
            if value > 2**31:
                self.refuse_at(position, f"{word} is too large for an int", f"write {word}L")
        else:
            kind, value = "double", float(lower.rstrip("d"))
        return Code(kind, _constant(value), literal=True)

    def named(self, word: str, position: int) -> Code:
        if word in ("true", "false"):
            return Code("boolean", _constant(word == "true"))
        if word == "null":
            return Code("null", _constant(None))
        if word == "new":
            return self.new()
        if word in self.names:
            return Code(self.parameter_type, operator.itemgetter(self.names[word]))
        while word in ("java", "org", "lang", "util", "apache", "sysds", "runtime") and self.take("."):
            word = self.name()  # the full name of a class
        if self.word != "." or not (word in STATIC or word[:1].isupper()):
            help = suggest(word, self.names) or f"the parameters are {', '.join(self.names)}"
            self.refuse_at(position, f"there is no variable {word}", help)
        if word not in STATIC:
            help = suggest(word, STATIC) or f"there are {', '.join(sorted(STATIC))}"
            self.refuse_at(position, f"the class {word} is not supported", help, "not-supported")
        self.need(".")
        place = self.i
        member = self.name()
        if self.word != "(":
            if (word, member) not in CONSTANTS:
                self.refuse_at(self.tokens[place][2], f"{word} has no constant {member}")
            kind, value = CONSTANTS[word, member]
            return Code(kind, _constant(value))
        arguments = self.arguments()
        if (word, member) in (("String", "format"), ("String", "join")):
            return self.variadic(member, arguments, place)
        function, kind = self.resolve(STATIC[word], member, arguments, f"{word} has no function", place)
        runs = [a.run for a in arguments]
        return Code(kind, lambda env: function(*[r(env) for r in runs]))

    def variadic(self, member: str, arguments: list[Code], place: int) -> Code:
        if not arguments or arguments[0].type != "String":
            self.refuse_at(self.tokens[place][2], f"the first argument of String.{member} must be a text")
        runs = [(a.run, a.type) for a in arguments[1:]]
        first = arguments[0].run
        if member == "format":
            return Code("String", lambda env: java.format_text(first(env), [(r(env), t) for r, t in runs]))

        def join(env: tuple[Any, ...]) -> str:
            parts: list[str] = []
            for run, kind in runs:
                value = run(env)
                parts += [text_of(v, "String") for v in value] if kind == "String[]" else [text_of(value, kind)]
            return first(env).join(parts)

        return Code("String", join)

    def new(self) -> Code:
        place = self.i
        name = self.name()
        if name == "String" and self.take("["):
            self.need("]")
            self.need("{")
            items: list[Code] = []
            while not self.take("}"):
                items.append(self.expression())
                if self.word != "}":
                    self.need(",")
            for item in items:
                if item.type not in ("String", "null"):
                    found = f"an array of String takes no value of type {item.type}"
                    self.refuse_at(self.tokens[place][2], found, "write String.valueOf(...)")
            runs = [item.run for item in items]
            return Code("String[]", lambda env: [r(env) for r in runs])
        if name in ("StringBuilder", "StringBuffer", "String"):
            arguments = [_texted(a) for a in self.arguments()]
            if len(arguments) <= 1:
                run = arguments[0].run if arguments else lambda env: ""
                return Code("String" if name == "String" else "StringBuilder", run)
        self.refuse_at(
            self.tokens[place][2], f"new {name} is not supported", "there is new String[]{...}, new StringBuilder(s)"
        )


def _constant(value: Any) -> Run:
    return lambda env: value


def _length(array: Run) -> Run:
    return lambda env: len(array(env))


def _at(array: Run, position: Run) -> Run:
    return lambda env: _element(array(env), position(env))


def _element(array: list[Any], i: int) -> Any:
    if array is None:
        raise JavaError(f"[{i}] of a missing array")
    if not 0 <= i < len(array):
        raise JavaError(f"[{i}] of an array of {len(array)} elements")
    return array[i]


def _cast(code: Code, kind: str) -> Code:
    if code.type == kind:
        return code
    run = code.run
    if kind in ("float", "double"):
        return Code(kind, lambda env: _converted(run(env), kind))
    if code.type in ("float", "double"):
        bits = (2**63) if kind == "long" else 2**31
        if kind == "char":
            return Code(kind, lambda env: java.truncate(run(env), -bits, bits - 1) & 0xFFFF)
        return Code(kind, lambda env: java.truncate(run(env), -bits, bits - 1))
    if kind == "char":
        return Code(kind, lambda env: run(env) & 0xFFFF)
    return Code(kind, lambda env: java.int32(run(env))) if kind == "int" else Code(kind, run)


def _texted(code: Code) -> Code:
    """The text of a value, as `+` joins it."""
    run, kind = code.run, code.type
    return Code("String", lambda env: text_of(run(env), kind))


def _shift(op: str, left: Code, right: Code) -> Code:
    kind = _promoted(left.type)
    bits = 64 if kind == "long" else 32
    a, b = left.run, right.run

    def shift(env: tuple[Any, ...]) -> int:
        value, count = a(env), b(env) & (bits - 1)
        if op == "<<":
            return java.wrapped(value << count, kind)
        if op == ">>>":
            value &= (1 << bits) - 1
        return java.wrapped(value >> count, kind)

    return Code(kind, shift)


def _divided(a: int, b: int) -> int:
    if b == 0:
        raise JavaError("division by zero")
    quotient = abs(a) // abs(b)
    return quotient if (a < 0) == (b < 0) else -quotient


def _ieee(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], float]:
    def run(a: float, b: float) -> float:
        with np.errstate(all="ignore"):
            return float(function(np.float64(a), np.float64(b)))

    return run


_INTEGER: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divided,
    "%": lambda a, b: a - b * _divided(a, b),
}
_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _ieee(operator.truediv),
    "%": _ieee(np.fmod),
}


def _shortened(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."


class Expression:
    """A lambda expression.  parameters: how many it has.  arrays: whether its parameter is an array of texts (a row or column)."""

    def __init__(self, text: str, arrays: bool = False):
        parser = _Parser(text, arrays)
        self.text = text
        self.code = parser.function()
        self.parameters = len(parser.names)
        self.result_text = _texted(self.code).run
        if arrays and self.code.type not in ("String[]", "char[]", "byte[]"):
            found = f"the expression gives a value of type {self.code.type}"
            fail("value", f"map: over rows or columns {found}, expected an array", help="new String[]{...}")
        if not arrays and self.code.type.endswith("[]"):
            fail(
                "value",
                f"map: the expression gives an array, expected a value: {_shortened(text)}",
                help="choose an element: [0]",
            )

    def text_for(self, values: Sequence[Any]) -> str | None:
        """The result for these values as text; None if it is null.  Raises JavaError."""
        if self.code.type in ("String", "null"):
            return self.code.run(tuple(values))
        return self.result_text(tuple(values))

    def texts_for(self, values: list[str | None]) -> list[str | None]:
        """The elements of the result for a row or column, whose missing cells are the text null.  Raises JavaError."""
        result = self.code.run((["null" if v is None else v for v in values],))
        if result is None:
            raise JavaError("the expression gives null, expected an array")
        kind = self.code.type[:-2]
        return [v if v is None or kind == "String" else text_of(v, kind) for v in result]


__all__ = ["Expression"]

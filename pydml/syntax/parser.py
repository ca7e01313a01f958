"""Text to syntax tree: `parse_text` runs Lark's LALR parser with the grammar of `dml.lark`.

`lexer.Lexer` cannot fail (characters that are not DML have terminals of their own), `layout.arrange` settles the
meaning of `[` and `<-`, Lark calls a method of `_TreeBuilder` for every rule it has recognised, and
`errors.explain` turns a token that does not fit into a message.  After a mistake, parsing goes on at the next
statement that starts a line outside of all braces.

Imported by `pydml.syntax.parse` only when the tree is not in the cache: importing Lark takes longer than most runs.
"""

from __future__ import annotations

import io
import math
import threading
from importlib.resources import files

import lark
from lark import Lark, UnexpectedToken

from pydml import cache
from pydml.diagnostics import Collector, SourceFile, Span
from pydml.syntax import code_version, errors, hints
from pydml.syntax.ast import (
    Arg,
    Assign,
    Binary,
    Bracket,
    Call,
    CallStatement,
    Expr,
    For,
    FunctionDef,
    If,
    Ifdef,
    Index,
    Literal,
    Module,
    MultiAssign,
    Name,
    Param,
    Parameter,
    Range,
    SetWd,
    Source,
    Statement,
    TypeName,
    Unary,
    While,
)
from pydml.syntax.comments import Comments
from pydml.syntax.layout import arrange
from pydml.syntax.lexer import Lexer, Token

_CONSTANTS = {"NaN": math.nan, "Inf": math.inf, "pi": math.pi}
_LARGEST_INT = 2**63 - 1
_DATA_TYPES = ("matrix", "frame", "list", "scalar")
_VALUE_TYPES = {
    "int": "int",
    "integer": "int",
    "double": "double",
    "boolean": "boolean",
    "string": "string",
    "unknown": "unknown",
}


def unescape(text: str) -> str:
    """The value of a string literal, given without its quotes.

    The order is SystemDS's and can be observed: a backslash that is itself escaped still takes part, so that
    `a\\\\nb` is a backslash and a line end.  `\\\\` stays two characters.
    """
    if "\\" not in text:
        return text
    for escape, character in (
        ("\\b", "\b"),
        ("\\t", "\t"),
        ("\\n", "\n"),
        ("\\f", "\f"),
        ("\\r", "\r"),
        ("\\'", "'"),
        ('\\"', '"'),
    ):
        text = text.replace(escape, character)
    return text


class _TreeBuilder:
    """One method per rule or alternative of the grammar; each gets the tokens and nodes of its parts.

    Mistakes that the grammar does not see are added to `problems`, and building goes on.
    """

    def begin(self, file: SourceFile, comments: Comments, problems: Collector) -> None:
        self.file = file
        self.comments = comments
        self.problems = problems
        self.functions: list[FunctionDef] = []
        self.nested: list[FunctionDef] = []
        self.too_large: dict[int, Token] = {}

    # ---- places

    def span(self, first: Token | Expr, last: Token | Expr) -> Span:
        start = first.start if isinstance(first, Token) else first.span[1]
        end = last.end if isinstance(last, Token) else last.span[2]
        return Span(self.file, start, end)

    def at(self, token: Token) -> Span:
        return Span(self.file, token.start, token.end)

    # ---- statements

    def start(self, parts: list) -> Module:
        for token in self.too_large.values():
            number = token.value if len(token.value) < 40 else f"{token.value[:36]}..."
            help = f"the largest is {_LARGEST_INT}; a double is written {number}.0"
            self.problems.add("syntax", f"the integer {number} does not fit in 64 bits", self.at(token), help=help)
        # Reported only when the braces of the file fit: a missing one would put all that follows into a body.
        for function in self.nested:
            self.problems.add(
                "syntax",
                f"the function {function.name} is defined inside a body",
                function.name_span,
                help="functions are defined at the top level of a file, outside of all braces",
            )
        statements = []
        for part in parts:
            if type(part) is FunctionDef:
                self.functions.append(part)
            else:
                statements.append(part)
        return Module(self.file, tuple(statements), tuple(self.functions), self.comments.of_module())

    def new_name(self, token: Token) -> str:
        """The name of something that is defined here."""
        if token.value in _CONSTANTS:
            self.problems.add(
                "syntax",
                f"{token} is a constant and cannot be given another value",
                self.at(token),
                help="use another name",
            )
        return token.value

    def target(self, target: Token | Index) -> Name | Index:
        if isinstance(target, Token):
            return Name(id=self.new_name(target), span=self.at(target))
        return target

    def assign(self, parts: list) -> Assign:
        target, _, value = parts
        target = self.target(target)
        return Assign(target, value, span=self.span(target, value))

    def accumulate(self, parts: list) -> Assign:
        target, value = parts
        target = self.target(target)
        return Assign(target, value, True, span=self.span(target, value))

    def multi_assign(self, parts: list) -> MultiAssign | Assign:
        opening, *targets, _, value = parts
        for target in targets:
            if type(target) is Literal:
                self.problems.add("syntax", f"{target.span.text} is a constant and cannot be assigned", target.span)
        span = self.span(opening, value)
        if type(value) is not Call:
            self.problems.add(
                "syntax",
                "[..] = needs a function call on its right",
                value.span,
                help="only the results of one call can be assigned to several variables; "
                "write one assignment per line otherwise",
            )
            return Assign(targets[0], value, span=span)
        return MultiAssign(tuple(targets), value, span=span)

    def call_statement(self, parts: list) -> CallStatement:
        return CallStatement(parts[0], span=parts[0].span)

    def single(self, parts: list) -> tuple[tuple[Statement, ...], int]:
        return self.body(parts), parts[0].span[2]

    def block(self, parts: list) -> tuple[tuple[Statement, ...], int]:
        closing = parts.pop()
        return self.body(parts), closing.end

    def body(self, statements: list) -> tuple[Statement, ...]:
        for statement in statements:
            if type(statement) is FunctionDef:
                self.nested.append(statement)
        return tuple(statements)

    def if_(self, parts: list) -> If:
        keyword, condition, (then, end), *otherwise = parts
        orelse: tuple[Statement, ...] = ()
        if otherwise:
            orelse, end = otherwise[0]
        return If(condition, then, orelse, span=Span(self.file, keyword.start, end))

    def while_(self, parts: list) -> While:
        keyword, condition, (body, end) = parts
        return While(condition, body, span=Span(self.file, keyword.start, end))

    def for_(self, parts: list, parallel: bool = False) -> For:
        keyword, name, (start, stop, step), *options, (body, end) = parts
        variable = Name(id=self.new_name(name), span=self.at(name))
        span = Span(self.file, keyword.start, end)
        return For(variable, start, stop, step, body, parallel, tuple(options), span=span)

    def parfor(self, parts: list) -> For:
        return self.for_(parts, parallel=True)

    def sequence(self, parts: list) -> tuple[Expr, Expr, Expr | None]:
        (value,) = parts
        if type(value) is Call and value.function == "seq" and value.namespace is None:
            args: dict[str, Expr] = {}
            names = ("from", "to", "incr")
            for position, arg in enumerate(value.args):
                name = arg.name if arg.name is not None else names[position] if position < 3 else ""
                if name not in names or name in args:
                    break
                args[name] = arg.value
            else:
                if "from" in args and "to" in args:
                    return args["from"], args["to"], args.get("incr")
            message = "the header of a loop takes seq(from, to) or seq(from, to, increment)"
            self.problems.add("syntax", message, value.span)
        else:
            self.problems.add(
                "syntax",
                "a loop runs over from:to or seq(from, to, increment), not over a value",
                value.span,
                help=hints.loop_help(value),
            )
        return value, value, None

    def source(self, parts: list) -> Source:
        keyword, path, namespace = parts
        return Source(unescape(path.value[1:-1]), namespace.value, span=self.span(keyword, namespace))

    def setwd(self, parts: list) -> SetWd:
        keyword, path, closing = parts
        return SetWd(unescape(path.value[1:-1]), span=self.span(keyword, closing))

    # ---- functions

    def function(self, parts: list) -> FunctionDef:
        name, _, _, params, *rest = parts
        outputs = rest.pop(0) if type(rest[0]) is list else []
        opening, *body, closing = rest
        if not body:
            self.problems.add(
                "syntax",
                f"the body of the function {name} is empty",
                self.span(opening, closing),
                help="a function needs at least one statement",
            )
        for output in outputs:
            if output.default is not None:
                message = f"the result {output.name} cannot have a default value"
                self.problems.add("syntax", message, output.default.span, help="assign it in the body")
        for kind, group in (("parameter", params), ("result", outputs)):
            first: dict[str, Parameter] = {}
            for parameter in group:
                if parameter.name in first:
                    message = f"the function {name} has two {kind}s named {parameter.name}"
                    self.problems.add("syntax", message, parameter.span)
                first[parameter.name] = parameter
        return FunctionDef(
            self.new_name(name),
            tuple(params),
            tuple(outputs),
            self.body(body),
            name_span=self.at(name),
            doc=self.comments.of_function(name.start, opening.end),
            span=self.span(name, closing),
        )

    def parameters(self, parts: list) -> list[Parameter]:
        return parts

    def parameter(self, parts: list) -> Parameter:
        type_name, name = parts[:2]
        default = None
        if len(parts) > 2:
            self.check_equal(parts[2])
            default = parts[3]
        span = Span(self.file, type_name.span[1], name.end if default is None else default.span[2])
        return Parameter(type_name, self.new_name(name), default, span=span)

    def type(self, parts: list) -> TypeName:
        span = self.span(parts[0], parts[-1])
        words = [str(part) for part in parts if part.type != "RSQB"]
        lowered = [word[:1].lower() + word[1:] for word in words]
        if len(words) == 1:
            if lowered[0] in _VALUE_TYPES:
                return TypeName("scalar", _VALUE_TYPES[lowered[0]], span=span)
        elif lowered[0] in _DATA_TYPES and lowered[1] in _VALUE_TYPES:
            return TypeName(lowered[0], _VALUE_TYPES[lowered[1]], span=span)
        message, help = hints.explain_type(words)
        self.problems.add("syntax", message, span, help=help)
        return TypeName("unknown", "unknown", span=span)

    # ---- expressions

    def binary(self, parts: list) -> Binary:
        left, operator, right = parts
        op = operator.value
        if op == "&&" or op == "||":
            self.problems.add(
                "syntax",
                f"DML has no {op}",
                self.at(operator),
                help=f"use {op[0]}; it evaluates both of its operands",
            )
            op = op[0]
        return Binary(op, left, right, op_span=self.at(operator), span=Span(self.file, left.span[1], right.span[2]))

    def unary(self, parts: list) -> Expr:
        operator, operand = parts
        op = operator.value
        span = Span(self.file, operator.start, operand.span[2])
        value = operand.value if type(operand) is Literal else None
        if op != "!" and (type(value) is int or type(value) is float):
            if op == "-":
                if value == _LARGEST_INT + 1:  # -2^63 fits
                    self.too_large.pop(operand.span[1], None)
                if value == value:  # NaN stays the one NaN
                    value = -value
            return Literal(value, span=span)
        return Unary(op, operand, span=span)

    def integer(self, parts: list) -> Literal:
        (token,) = parts
        value = int(token.value) if len(token.value) < 4000 else _LARGEST_INT + 2
        if value > _LARGEST_INT:
            self.too_large[token.start] = token
        return Literal(value, span=self.at(token))

    def double(self, parts: list) -> Literal:
        (token,) = parts
        value = float(token.value)
        if value == math.inf:
            self.problems.add(
                "syntax",
                f"the number {token} is too large for a double",
                self.at(token),
                help="the largest is about 1.797e308; infinity is written Inf",
            )
        return Literal(value, span=self.at(token))

    def boolean(self, parts: list) -> Literal:
        (token,) = parts
        return Literal(token.value == "TRUE", span=self.at(token))

    def string(self, parts: list) -> Literal:
        (token,) = parts
        return Literal(unescape(token.value[1:-1]), span=self.at(token))

    def param(self, parts: list) -> Param:
        (token,) = parts
        return Param(token.value[1:], span=self.at(token))

    def variable(self, parts: list) -> Expr:
        (token,) = parts
        name = token.value
        if name in _CONSTANTS:
            return Literal(_CONSTANTS[name], span=self.at(token))
        return Name(name, span=self.at(token))

    def group(self, parts: list) -> Expr:
        opening, value, closing = parts
        # The node is new and nobody else's; its place grows by the parentheses.
        object.__setattr__(value, "span", Span(self.file, opening.start, closing.end))
        return value

    def bracket(self, parts: list) -> Bracket:
        opening, *items, closing = parts
        return Bracket(tuple(items), span=self.span(opening, closing))

    def ifdef(self, parts: list) -> Ifdef:
        keyword, param, default, closing = parts
        return Ifdef(param.value[1:], default, span=self.span(keyword, closing))

    def index(self, parts: list) -> Index:
        name = parts[0]
        if name.value in _CONSTANTS:
            self.problems.add("syntax", f"{name} is a number and has no parts", self.at(name))
        target = Name(name.value, span=self.at(name))
        # Parts alternate: name [ range , range ].  A range is a pair of expressions.
        ranges = tuple(self.one_range(*parts[i : i + 3]) for i in range(1, len(parts) - 1, 2))
        return Index(target, ranges, span=self.span(name, parts[-1]))

    def one_range(self, before: Token, bounds: tuple[Expr | None, Expr | None], after: Token) -> Range:
        lower, upper = bounds
        if lower is None:
            return Range(None, None, span=Span(self.file, before.end, after.start))
        for bound in (lower, upper):
            if type(bound) is Bracket:
                help = "x[1] is a part of x with one element; as.scalar(x[1]) is the element"
                self.problems.add("syntax", "an index cannot be a list `[..]`", bound.span, help=help)
        return Range(lower, upper, span=lower.span if upper is None else self.span(lower, upper))

    def everything(self, parts: list) -> tuple[None, None]:
        return None, None

    def one(self, parts: list) -> tuple[Expr, None]:
        return parts[0], None

    def pair(self, parts: list) -> tuple[Expr, Expr]:
        return parts[0], parts[1]

    def from_to(self, parts: list) -> tuple[Expr, Expr, None]:
        return parts[0], parts[1], None

    def call(self, parts: list) -> Call:
        name, *args, closing = parts
        namespace, _, function = name.value.rpartition("::")
        return Call(
            namespace or None, function, tuple(args), function_span=self.at(name), span=self.span(name, closing)
        )

    def check_equal(self, sign: Token) -> None:
        if sign.value != "=":
            help = "to compare with a negative number write `< -`"
            self.problems.add("syntax", f"`{sign}` does not name an argument; write `=`", self.at(sign), help=help)

    def positional(self, parts: list) -> Arg:
        return Arg(None, parts[0], span=parts[0].span)

    def named_arg(self, parts: list) -> Arg:
        name, sign, value = parts
        self.check_equal(sign)
        return Arg(name.value, value, span=self.span(name, value))


class _AnyTerminal:
    """Keeps Lark from dropping the terminals that no rule uses."""

    always_accept = (
        "WRONG_NUMBER",
        "WRONG_NAME",
        "WRONG_STRING",
        "WRONG_OPERATOR",
        "WRONG_CHARACTER",
        "OPEN_STRING",
        "OPEN_COMMENT",
        "EXTERNAL",
        "IMPLEMENTED",
    )

    def process(self, stream):
        return stream


_lock = threading.Lock()  # the builder holds the state of one parse
_builder = _TreeBuilder()
_parser: Lark | None = None
_lexer: Lexer | None = None


def _load() -> tuple[Lark, Lexer]:
    """The parser, with tables from the cache if they are there, and the lexer of its terminals."""
    global _parser, _lexer
    if _parser is None or _lexer is None:
        key = f"{lark.__version__}\0{code_version()}"
        tables = cache.load("grammar", key)
        if not isinstance(tables, bytes):
            grammar = files(__package__).joinpath("dml.lark").read_text(encoding="utf-8")
            # Without the builder, which Lark would save with the tables.
            made = Lark(grammar, parser="lalr", lexer="basic", postlex=_AnyTerminal(), maybe_placeholders=False)
            buffer = io.BytesIO()
            made.save(buffer)
            tables = buffer.getvalue()
            cache.store("grammar", key, tables)
        parser = Lark.__new__(Lark)
        parser._load(io.BytesIO(tables), transformer=_builder)
        _lexer = Lexer(parser.terminals)
        _parser = parser
    return _parser, _lexer


def parse_text(file: SourceFile) -> Module:
    """The syntax tree of a text.  Raises DMLError with all mistakes that were found."""
    with _lock:
        parser, lexer = _load()
        tokens, comments = lexer.tokens(file.text)
        tokens = arrange(tokens, file.text)
        problems = Collector()
        _builder.begin(file, Comments(file.text, comments), problems)
        start = 0
        while True:
            interactive = parser.parse_interactive()
            feed = interactive.parser_state.feed_token
            position = start
            try:
                for position in range(start, len(tokens)):
                    feed(tokens[position])
                position = len(tokens)
                module = interactive.feed_eof()
            except UnexpectedToken:
                problems.diagnostics.append(errors.explain(file, tokens, position, interactive.accepts(), start))
                following = errors.resume(file, tokens, start, position)
                if following is not None:
                    start = following
                    continue
            problems.check()
            return module

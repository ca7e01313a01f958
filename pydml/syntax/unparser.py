"""Syntax tree to text, in one layout and with as few parentheses as possible: `parse(unparse(tree)) == tree`.

Used by `pydml.syntax.unparse`, by `--explain` and by tests.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

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

_NOT, _SUM, _SIGN, _POWER, _PRIMARY = 3, 5, 9, 10, 11
_LEVELS = {"|": 1, "&": 2}
_LEVELS |= dict.fromkeys(("<", "<=", ">", ">=", "==", "!="), 4)
_LEVELS |= dict.fromkeys("+-", _SUM) | dict.fromkeys("*/", 6) | dict.fromkeys(("%%", "%/%"), 7)
_LEVELS |= {"%*%": 8, "^": _POWER}

_INDENT = "  "
_ESCAPES = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}


def module_text(module: Module) -> str:
    """The text of a file: its imports, its functions, its statements."""
    statements = list(module.statements)
    imports = []
    while statements and isinstance(statements[0], (Source, SetWd)):
        imports.append(statements.pop(0))
    parts = [_comment(module.doc)] if module.doc else []
    if imports:
        parts.append("\n".join(_statement(s) for s in imports))
    parts.extend(_statement(f) for f in module.functions)
    if statements:
        parts.append("\n".join(_statement(s) for s in statements))
    return "\n\n".join(parts) + ("\n" if parts else "")


def statement_text(statement: Statement) -> str:
    return _statement(statement)


def expression_text(expr: Expr) -> str:
    return _expr(expr, 0)


# ---- statements


def _statement(node: Statement, indent: str = "") -> str:
    match node:
        case Assign():
            return f"{indent}{_expr(node.target)} {'+=' if node.accumulate else '='} {_expr(node.value)}"
        case MultiAssign():
            return f"{indent}[{_list(node.targets)}] = {_expr(node.call)}"
        case CallStatement():
            return indent + _expr(node.call)
        case If():
            text = f"{indent}if ({_expr(node.condition)}) {_block(node.then, indent)}"
            if len(node.orelse) == 1 and isinstance(node.orelse[0], If):
                return f"{text} else {_statement(node.orelse[0], indent).lstrip()}"
            return f"{text} else {_block(node.orelse, indent)}" if node.orelse else text
        case While():
            return f"{indent}while ({_expr(node.condition)}) {_block(node.body, indent)}"
        case For():
            if node.step is None:
                values = f"{_expr(node.start)}:{_expr(node.stop)}"
            else:
                values = f"seq({_list((node.start, node.stop, node.step))})"
            options = "".join(f", {_arg(option)}" for option in node.options)
            word = "parfor" if node.parallel else "for"
            return f"{indent}{word} ({node.variable.id} in {values}{options}) {_block(node.body, indent)}"
        case Source():
            return f"{indent}source({_string(node.path)}) as {node.namespace}"
        case SetWd():
            return f"{indent}setwd({_string(node.path)})"
        case FunctionDef():
            doc = _comment(node.doc) + "\n" if node.doc else ""
            params = ", ".join(_parameter(p) for p in node.params)
            outputs = ", ".join(_parameter(p) for p in node.outputs)
            returned = f" return ({outputs})" if outputs else ""
            return f"{doc}{indent}{node.name} = function({params}){returned} {_block(node.body, indent)}"
    raise TypeError(f"not a statement: {type(node).__name__}")


def _block(body: Sequence[Statement], indent: str) -> str:
    if not body:
        return "{}"
    inside = "\n".join(_statement(statement, indent + _INDENT) for statement in body)
    return f"{{\n{inside}\n{indent}}}"


def _comment(doc: str) -> str:
    return "\n".join(f"# {line}".rstrip() for line in doc.split("\n"))


def _parameter(parameter: Parameter) -> str:
    default = "" if parameter.default is None else f" = {_expr(parameter.default)}"
    return f"{_type(parameter.type)} {parameter.name}{default}"


def _type(type_name: TypeName) -> str:
    return type_name.value if type_name.data == "scalar" else f"{type_name.data}[{type_name.value}]"


# ---- expressions


def _expr(node: Expr, level: int = 0) -> str:
    """The text, in parentheses if the node binds less tightly than `level`."""
    match node:
        case Literal():
            text, own = _literal(node.value)
        case Name():
            return node.id
        case Param():
            return "$" + node.name
        case Ifdef():
            return f"ifdef(${node.name}, {_expr(node.default)})"
        case Index():
            return f"{node.target.id}[{', '.join(_range(r) for r in node.ranges)}]"
        case Call():
            name = node.function if node.namespace is None else f"{node.namespace}::{node.function}"
            return f"{name}({', '.join(_arg(a) for a in node.args)})"
        case Bracket():
            return f"[{_list(node.items)}]"
        case Unary(op="!"):
            # `!` reaches to the end of the comparison, so an operand of a tighter operator is in parentheses.
            text, own = "!" + _expr(node.operand, _NOT), _NOT
        case Unary():
            text, own = node.op + _expr(node.operand, _SIGN), _SIGN
        case Binary():
            text, own = _binary(node)
        case _:
            raise TypeError(f"not an expression: {type(node).__name__}")
    return f"({text})" if own < level else text


def _binary(node: Binary) -> tuple[str, int]:
    """Text and level.  Walks down the left operands in a loop: sums can be longer than Python's stack is deep."""
    own = _LEVELS[node.op]
    if node.op == "^":
        return f"{_expr(node.left, _PRIMARY)}^{_expr(node.right, _SIGN)}", own
    parts: list[str] = []
    left: Expr = node
    while isinstance(left, Binary) and left.op != "^" and _LEVELS[left.op] == own:
        parts.append(f" {left.op} {_expr(left.right, own + 1)}")
        left = left.left
    parts.append(_expr(left, own))
    return "".join(reversed(parts)), own


def _literal(value: int | float | bool | str) -> tuple[str, int]:
    """Text and level: a negative number binds like a sign."""
    if isinstance(value, bool):
        return ("TRUE" if value else "FALSE"), _PRIMARY
    if isinstance(value, str):
        return _string(value), _PRIMARY
    if value != value:
        return "NaN", _PRIMARY
    sign = "-" if math.copysign(1.0, value) < 0 else ""
    size = abs(value)
    text = "Inf" if size == math.inf else "pi" if size == math.pi else repr(size)
    return sign + text, _SIGN if sign else _PRIMARY


def _string(value: str) -> str:
    """A literal with this value.

    Escapes are replaced one after another and `\\\\` is kept, so the literal of a string with backslashes is
    rarely obvious; see `parser.unescape`.  Raises ValueError for strings that no literal has, as a single backslash
    before a letter.
    """
    quote = "'" if '"' in value and "'" not in value else '"'
    for delimiter in (quote, "'" if quote == '"' else '"'):
        text = _quoted(value, delimiter)
        if text is not None:
            return text
    raise ValueError(f"DML has no literal for the string {value!r}")


def _quoted(value: str, delimiter: str) -> str | None:
    parts: list[str] = []
    # A run of backslashes and what follows it; the lexer reads backslashes in pairs.
    for run, after in re.findall(r"(\\*)([^\\]|\Z)", value):
        odd = len(run) % 2 == 1
        if after in _ESCAPES:
            text = run + _ESCAPES[after]
        elif after == delimiter:
            if odd:
                return None
            text = run + "\\" + after
        elif after in ("'", '"') and run:
            text = run + "\\" + after
        else:
            if odd or (run and after in tuple("btnfr")):
                return None
            text = run + after
        parts.append(text)
    return delimiter + "".join(parts) + delimiter


def _range(node: Range) -> str:
    if node.lower is None:
        return ""
    if node.upper is None:
        return _expr(node.lower)
    return f"{_expr(node.lower)}:{_expr(node.upper)}"


def _arg(arg: Arg) -> str:
    return _expr(arg.value) if arg.name is None else f"{arg.name}={_expr(arg.value)}"


def _list(nodes: Iterable[Expr]) -> str:
    return ", ".join(_expr(node) for node in nodes)

"""Syntax errors in words, for somebody who has the script open.

`explain` gets the token that does not fit and everything around it.  It asks the functions of `_RULES` in turn; each
knows one kind of mistake and returns a diagnostic or None.  The last resort names what was found and what the
grammar would have accepted.  To explain another mistake, write a rule and a pair of files in tests/syntax/errors.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from pydml.diagnostics import Diagnostic, Label, SourceFile, Span
from pydml.syntax.hints import (
    CHARACTER_HINTS,
    DOTTED,
    DOTTED_HINTS,
    ELSE_IF,
    NAME_HINTS,
    OPERATOR_HINTS,
    WORDOPERATORS,
    closest,
)
from pydml.syntax.lexer import OPERATORS, Token


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_CLOSER = {"LPAR": "RPAR", "LSQB": "RSQB", "TARGETS": "RSQB", "LBRACE": "RBRACE"}
_CLOSERS = {"RPAR": ")", "RSQB": "]", "RBRACE": "}"}
_KEYWORDS = _words(
    "IF ELSE WHILE FOR PARFOR SOURCE SETWD FUNCTION RETURN IFDEF TRUE FALSE AS IN VALUE_TYPE IMPLEMENTED"
)
_LOOPS = _words("FOR PARFOR")
_STARTS = _words("IF WHILE FOR PARFOR SOURCE SETWD TARGETS")
_OPERANDS = _words("NAME QUALIFIED_NAME INT DOUBLE STRING TRUE FALSE PARAM IFDEF LPAR")


class _Place:
    """The token that does not fit, what the grammar accepts there, and the tokens around it."""

    def __init__(self, file: SourceFile, tokens: Sequence[Token], position: int, accepts: set[str], start: int):
        self.file = file
        self.tokens = tokens
        self.position = position
        self.accepts = accepts
        self.start = start  # of the part that was parsed
        self.found = tokens[position] if position < len(tokens) else None
        self.openers = self._openers(position)

    def kind(self, offset: int = 0) -> str:
        """Terminal of the token `offset` places from the found one; "" outside."""
        index = self.position + offset
        return self.tokens[index].type if self.start <= index < len(self.tokens) else ""

    def text(self, offset: int = 0) -> str:
        index = self.position + offset
        return str(self.tokens[index]) if self.start <= index < len(self.tokens) else ""

    def span(self, offset: int = 0, last: int | None = None) -> Span:
        """Place of the token at `offset`, or from there to that at `last`; the end of the text where there is none."""
        if not self.tokens:
            return Span(self.file, len(self.file.text), len(self.file.text))
        index = self.position + offset
        if index >= len(self.tokens):
            # Behind the last token: the end of the file may be lines of comments away.
            return Span(self.file, self.tokens[-1].end, self.tokens[-1].end)
        end = self.tokens[min(len(self.tokens) - 1, self.position + last)] if last is not None else self.tokens[index]
        return Span(self.file, self.tokens[index].start, end.end)

    def at(self, index: int) -> Span:
        return Span(self.file, self.tokens[index].start, self.tokens[index].end)

    def new_line(self, offset: int = 0) -> bool:
        """Whether the token at `offset` is the first on its line; also at the end of the file."""
        index = self.position + offset
        return not 0 < index < len(self.tokens) or _line_ends_between(self.file, self.tokens, index)

    def adjacent(self, offset: int = 0) -> bool:
        """Whether nothing stands between the token at `offset` and that before it."""
        index = self.position + offset
        return self.start < index < len(self.tokens) and self.tokens[index - 1].end == self.tokens[index].start

    def _openers(self, position: int) -> list[int]:
        """Indexes of the brackets that are open before a position, the innermost last."""
        stack: list[int] = []
        for index in range(self.start, position):
            kind = self.tokens[index].type
            if kind in _CLOSER:
                stack.append(index)
            elif kind in _CLOSERS and stack and _CLOSER[self.tokens[stack[-1]].type] == kind:
                stack.pop()
        return stack

    def opener(self) -> str:
        """Terminal of the innermost open bracket, "" outside of all."""
        return self.tokens[self.openers[-1]].type if self.openers else ""

    def before_opener(self, count: int = 1) -> str:
        """Terminal of the token before the innermost open bracket."""
        if not self.openers or self.openers[-1] - count < self.start:
            return ""
        return self.tokens[self.openers[-1] - count].type

    def before_group(self) -> int:
        """Index of the token before the brackets that the previous token closes; -1 if it closes none."""
        depth = 0
        for index in range(self.position - 1, self.start - 1, -1):
            kind = self.tokens[index].type
            if kind in _CLOSERS:
                depth += 1
            elif kind in _CLOSER:
                depth -= 1
            if depth == 0:
                return index - 1 if index < self.position - 1 else -1
        return -1

    def in_parameters(self) -> bool:
        """Whether the innermost bracket holds the parameters or results of a function definition."""
        return self.opener() == "LPAR" and self.before_opener() in ("FUNCTION", "RETURN")

    def openers_are_round(self) -> bool:
        """Whether the innermost open bracket is a parenthesis or square bracket: inside of an expression or list."""
        return self.opener() not in ("", "LBRACE")

    def error(self, message: str, span: Span | None = None, help: str = "", labels: Sequence[Label] = ()) -> Diagnostic:
        return Diagnostic("syntax", message, self.span() if span is None else span, tuple(labels), (), help)

    def opened(self, text: str = "opened here") -> tuple[Label, ...]:
        return (Label(self.at(self.openers[-1]), text),) if self.openers else ()


def explain(file: SourceFile, tokens: Sequence[Token], position: int, accepts: set[str], start: int) -> Diagnostic:
    """The diagnostic for the token at `position` (the end of the file if there is none).

    accepts: the terminals that would have fitted.  start: the index of the first token that was parsed.
    """
    place = _Place(file, tokens, position, accepts, start)
    for rule in _RULES:
        diagnostic = rule(place)
        if diagnostic is not None:
            break
    else:
        diagnostic = _last_resort(place)
    # A string over several lines before the mistake may be one whose quote is missing.
    last = tokens[position - 1] if position > start else None
    if last is not None and last.type == "STRING" and "\n" in last.value:
        opening = Span(file, last.start, last.start + 1)
        closing = Span(file, last.end - 1, last.end)
        labels = (Label(closing, "it goes on to the next quote, which is here"),)
        return place.error("the string is not closed on its line", opening, f"end it with {last.value[0]}", labels)
    for index in range(position - 2, max(start - 1, position - 8), -1):
        if tokens[index].type == "STRING" and "\n" in tokens[index].value:
            opening = Span(file, tokens[index].start, tokens[index].start + 1)
            label = Label(opening, "this string goes on over several lines: is its closing quote missing?")
            return replace(diagnostic, labels=(*diagnostic.labels, label))
    return diagnostic


def resume(file: SourceFile, tokens: Sequence[Token], start: int, position: int) -> int | None:
    """Where parsing can go on after a mistake at `position`: a statement that begins a line outside of all brackets.

    None if there is no such place, as when a brace is missing.
    """
    stack: list[str] = []
    for index in range(start, len(tokens)):
        token = tokens[index]
        kind = token.type
        if index >= position and index > start and _line_ends_between(file, tokens, index):
            following = tokens[index + 1].type if index + 1 < len(tokens) else ""
            defines = following == "ASSIGN" and index + 2 < len(tokens) and tokens[index + 2].type == "FUNCTION"
            if defines and _first_column(file, token):
                return index
            if not stack and (
                kind in _STARTS
                or (kind == "NAME" and following in ("ASSIGN", "ADD_ASSIGN", "LPAR", "LSQB"))
                or (kind == "QUALIFIED_NAME" and following == "LPAR")
            ):
                return index
        if kind in _CLOSER:
            stack.append(_CLOSER[kind])
        elif kind == "RBRACE":
            while stack and stack.pop() != "RBRACE":
                pass
        elif kind in _CLOSERS and stack and stack[-1] == kind:
            stack.pop()
    return None


def _line_ends_between(file: SourceFile, tokens: Sequence[Token], index: int) -> bool:
    """Whether the token is on a later line than that before it."""
    return "\n" in file.text[tokens[index - 1].end : tokens[index].start]


def _first_column(file: SourceFile, token: Token) -> bool:
    return token.start == 0 or file.text[token.start - 1] == "\n"


# ---- rules


def _not_an_alphabet(p: _Place) -> Diagnostic | None:
    """Tokens that are no DML at all."""
    text = p.text()
    match p.kind():
        case "WRONG_NUMBER":
            help = "whole numbers are 64-bit integers without it"
            return p.error(f"the number {text} ends in {text[-1]}", help=help)
        case "WRONG_NAME" if text.startswith("_"):
            name = text.strip("_")
            return p.error(
                f"the name {text} starts with _", help="names start with a letter" + (f": {name}" if name else "")
            )
        case "WRONG_NAME":
            guess = "" if text in DOTTED_HINTS else closest(text, DOTTED)
            help = DOTTED_HINTS.get(text) or (f"use {guess}" if guess else f"write {text.replace('.', '_')}")
            if p.kind(1) == "LPAR" and text.count(".") == 1 and help.startswith("write"):
                owner, method = text.split(".")
                help += f", or {method}({owner}) if {method} is a function: DML has no methods"
            return p.error(f"the name {text} has a dot", help=help)
        case "WRONG_STRING":
            escapes = re.finditer(r"\\[\s\S]", text)
            bad = next((e for e in escapes if e.group()[1] not in "btnfr\"'\\"), None)
            assert bad is not None and p.found is not None
            start = p.found.start + bad.start()
            help = r"""known are \b \t \n \f \r \" \' and \\"""
            return p.error(f"the string has an unknown escape {bad.group()}", Span(p.file, start, start + 2), help)
        case "OPEN_STRING":
            span = p.span()
            return p.error(
                "the string is not closed", Span(p.file, span.start, span.start + 1), f"end it with {text[0]}"
            )
        case "OPEN_COMMENT":
            span = p.span()
            return p.error("the comment is not closed", Span(p.file, span.start, span.start + 2), "end it with */")
        case "WRONG_OPERATOR":
            return p.error(f"DML has no operator {text}", help=OPERATOR_HINTS[text])
        case "WRONG_CHARACTER":
            if text == "%" and p.kind(1) == "NAME" and p.text(2) == "%":
                return p.error(f"DML has no operator %{p.text(1)}%", p.span(0, 2))
            if text == ".":
                if p.kind(-1) in ("RPAR", "RSQB") or p.kind(1) == "NAME":
                    help = "DML has no methods; call the function with the value as its argument"
                    return p.error("a `.` does not belong here", help=help)
                return p.error("a `.` does not belong here")
            help = CHARACTER_HINTS.get(text, "")
            if not help and text.isalpha():
                help = "names have letters a to z, digits and _"
            shown = text if text.isprintable() else f"U+{ord(text):04X}"
            return p.error(f"the character {shown} does not belong here", help=help)
        case "EXTERNAL":
            diagnostic = p.error("externalFunction is not supported", help="write the function in DML")
            return replace(diagnostic, id="not-supported")
    return None


def _words_of_other_languages(p: _Place) -> Diagnostic | None:
    for offset in (0, -1):
        word = p.text(offset)
        if p.kind(offset) == "NAME" and word in WORDOPERATORS and (offset == -1 or not p.new_line()):
            operator = WORDOPERATORS[word]
            return p.error(f"DML has no operator `{word}`", p.span(offset), f"write {operator}")
    previous = p.text(-1)
    if p.kind(-1) == "NAME" and not p.openers_are_round():
        if previous in ("break", "next", "continue", "pass"):
            return p.error(f"DML has no `{previous}`", p.span(-1), NAME_HINTS[previous])
        if previous == "def":
            return p.error("a function is defined by `name = function(..)`", p.span(-1), _definition_help(p.text()))
        if previous in ("repeat", "do") and p.kind() == "LBRACE":
            return p.error(f"DML has no `{previous}`", p.span(-1), "use while (condition) { .. }")
        if previous in ("then", "do"):
            return p.error(f"DML has no `{previous}`", p.span(-1), "the body follows the condition directly")
        if previous in ("import", "from", "library", "using"):
            return p.error(f"DML has no `{previous}`", p.span(-1), 'use source("file.dml") as name')
        if previous in ("var", "let", "val", "const", "global") and p.kind() == "NAME":
            help = f"variables need no declaration: {p.text()} = .."
            return p.error(f"DML has no `{previous}`", p.span(-1), help)
        if previous == "print":
            return p.error("the arguments of print are in parentheses", p.span(-1), "write print(..)")
        if previous in ("else", *ELSE_IF):
            return p.error(f"DML has no `{previous}`", p.span(-1), "write `else if (condition) { .. }`")
    if p.kind() == "LBRACE" and p.kind(-1) == "RPAR":
        name = p.before_group()
        word = str(p.tokens[name]) if name >= p.start else ""
        if name >= p.start and p.tokens[name].type == "NAME":
            if word in ELSE_IF:
                return p.error(f"DML has no `{word}`", p.at(name), "write `else if (condition) { .. }`")
            if name > p.start and p.tokens[name - 1].type == "ELSE":
                return p.error(
                    f"the body of `else` cannot start with {word}(..)",
                    p.at(name),
                    "for a condition write `else if (..)`",
                )
            if word in ("foreach", "until", "unless", "switch"):
                return p.error(f"DML has no `{word}`", p.at(name))
            help = f"to define the function write `{word} = function(..) return (..) {{ .. }}`"
            return p.error(f"a body in braces cannot follow the call {word}(..)", help=help)
    if p.kind() == "IN" and p.opener() == "LPAR" and p.before_opener() == "NAME":
        name = p.openers[-1] - 1
        if str(p.tokens[name]) == "foreach":
            return p.error("DML has no `foreach`", p.at(name), "write `for (i in 1:n)`")
    return None


def _definition_help(name: str) -> str:
    name = name if re.fullmatch(r"[A-Za-z]\w*", name) else "f"
    return f"write `{name} = function(matrix[double] X) return (double y) {{ .. }}`"


def _command_line_parameter(p: _Place) -> Diagnostic | None:
    if p.kind() == "PARAM" and p.kind(1) in ("ASSIGN", "ADD_ASSIGN"):
        name = p.text()
        help = f"for a default value write `x = ifdef({name}, value)`"
        return p.error(f"{name} comes from the command line and cannot be assigned", help=help)
    if p.opener() == "LPAR" and p.before_opener() == "IFDEF" and p.accepts == {"PARAM"}:
        word = p.text()
        help = f"write ifdef(${word}, default)" if p.kind() == "NAME" else "write ifdef($name, default)"
        return p.error("ifdef takes a parameter of the command line first", help=help)
    return None


def _parameters_of_functions(p: _Place) -> Diagnostic | None:
    if not p.in_parameters():
        return None
    what = "parameter" if p.before_opener() == "FUNCTION" else "result"
    if p.kind() in ("RPAR", "COMMA", "ASSIGN") and p.kind(-2) in ("LPAR", "COMMA"):
        if p.kind(-1) == "NAME":
            name = p.text(-1)
            help = f"write, for example, `matrix[double] {name}` or `double {name}`"
            return p.error(f"the {what} {name} has no type", p.span(-1), help)
        if p.kind(-1) == "VALUE_TYPE":
            return p.error(f"the {what} of type {p.text(-1)} has no name", p.span(-1))
    if p.kind() in ("RPAR", "COMMA", "ASSIGN") and p.kind(-1) == "RSQB":
        return p.error(f"the {what} has no name", help="a name follows its type: `matrix[double] X`")
    if p.kind() == "COLON":
        return p.error("the type stands before the name", help="write, for example, `matrix[double] X`")
    if p.found is not None and p.kind() in _KEYWORDS and p.kind(-1) in ("VALUE_TYPE", "RSQB", "NAME"):
        return p.error(f"`{p.text()}` is a word of the language and cannot name a {what}")
    return None


def _keywords(p: _Place) -> Diagnostic | None:
    kind, text = p.kind(), p.text()
    if kind not in _KEYWORDS:
        return None
    if p.kind(1) in ("ASSIGN", "ADD_ASSIGN") and not (p.openers_are_round() and "RPAR" in p.accepts):
        return p.error(f"`{text}` is a word of the language and cannot name a variable", help="use another name")
    if kind == "VALUE_TYPE" and p.kind(1) == "LPAR":
        word = {"int": "integer", "string": "", "unknown": ""}.get(text.lower(), text.lower())
        return p.error(f"`{text}` is a type, not a function", help=f"use as.{word}(..)" if word else "use toString(..)")
    if kind == "VALUE_TYPE" and p.kind(1) == "NAME" and "IF" in p.accepts:
        help = f"variables need no type: {p.text(1)} = .."
        return p.error("a variable is not declared", help=help)
    if kind == "ELSE":
        if p.kind(-1) == "SEMICOLON" and p.kind(-2) == "RBRACE":
            return p.error("a `;` separates this `else` from its `if`", p.span(-1), "remove the `;`")
        if p.kind(-1) == "RPAR" and p.before_group() >= p.start and p.tokens[p.before_group()].type == "IF":
            return p.error("the body of `if` is missing before `else`", help="an empty body is {}")
        help = "an `if` body of several statements needs braces: if (..) { .. } else { .. }"
        return p.error("this `else` belongs to no `if`", help=help)
    if kind == "RETURN":
        help = "results are the variables named in the head: f = function(..) return (double y) { y = .. }"
        return p.error("`return` belongs to the head of a function, not into its body", help=help)
    if kind == "FUNCTION":
        if p.kind(1) == "NAME":
            return p.error("a function is defined by `name = function(..)`", help=_definition_help(p.text(1)))
        help = 'define it by `name = function(..)` at the top level; eval("name", ..) calls it by its name'
        return p.error("a function has no name here", help=help)
    if kind == "IFDEF":
        return None
    if "INT" in p.accepts:
        if kind == "IF":
            return p.error("`if` is not an expression", help="use ifelse(condition, a, b)")
        return p.error(f"an expression cannot start with `{text}`", help="this is a word of the language")
    if "NAME" in p.accepts and "IF" not in p.accepts:
        return p.error(f"`{text}` is a word of the language and cannot be a name here", help="use another name")
    return None


def _heads(p: _Place) -> Diagnostic | None:
    """Heads of if, while, for and parfor; source and setwd."""
    before = p.kind(-1)
    if p.before_opener() in ("SOURCE", "SETWD") and p.accepts == {"STRING"}:
        return p.error(f"expected a string in quotes, found {_shown(p)}", help="the path is fixed, without variables")
    if p.accepts == {"AS"}:
        help = 'write `source("file.dml") as name`'
        return p.error(
            f"expected `as` and a name after source(..), found {_shown(p)}", p.span(-1) if p.new_line() else None, help
        )
    if before == "RETURN" and p.accepts == {"LPAR"}:
        return p.error("the results of a function are in parentheses", help="write `return (double y)`")
    if p.kind() == "ASSIGN" and p.kind(1) == "COMPARE" and p.adjacent(1):
        return p.error(f"DML has no operator ={p.text(1)}", p.span(0, 1), f"write {p.text(1)}=")
    if before in ("IF", "WHILE", "FOR", "PARFOR") and p.accepts == {"LPAR"}:
        word = p.text(-1)
        what = f"write `{word} (i in 1:n)`" if before in _LOOPS else f"write `{word} (condition)`"
        return p.error(f"the head of `{word}` is in parentheses", help=what)
    if p.before_opener() in _LOOPS and p.opener() == "LPAR":
        word = str(p.tokens[p.openers[-1] - 1])
        if p.kind() == "ASSIGN" and p.kind(-2) == "LPAR":
            return p.error(
                f"the head of `{word}` is `variable in from:to`", help=f"write `{word} ({p.text(-1)} in 1:n)`"
            )
        if p.accepts == {"IN"}:
            return p.error(f"after the variable of a `{word}` comes `in`", help=f"write `{word} (i in 1:n)`")
        if p.kind() == "COLON" and "COMMA" in p.accepts:
            help = f"for another increment write `{word} (i in seq(from, to, increment))`"
            return p.error("a range has two ends", help=help)
    if p.kind() == "ASSIGN" and p.opener() == "LPAR" and p.before_opener() in ("IF", "WHILE"):
        help = "to compare write ==" if p.text() == "=" else "to compare with a negative number write `< -`"
        return p.error("a condition cannot assign", help=help)
    if p.kind() == "COLON" and p.kind(-1) == "RPAR" and not p.openers_are_round():
        head = p.before_group()
        if head >= p.start and p.tokens[head].type in ("IF", "WHILE", "FOR", "PARFOR"):
            return p.error("a `:` does not belong here", help="a body of several statements is in braces: { .. }")
    if p.kind() == "COLON" and p.kind(-1) == "ELSE":
        return p.error("a `:` does not belong here", help="a body of several statements is in braces: { .. }")
    return None


def _brackets(p: _Place) -> Diagnostic | None:
    """Indexing, ranges, and brackets that do not match."""
    kind = p.kind()
    if kind == "LSQB":
        if p.kind(-1) in ("RPAR", "RSQB", "STRING") and not p.new_line():
            help = "assign the value to a variable first, then index the variable"
            return p.error("only a variable can be indexed", help=help)
        if "TARGETS" in p.accepts:
            return p.error(
                "a statement cannot start with a list", help="several results are assigned by `[a, b] = f(..)`"
            )
    in_index = p.opener() in ("LSQB", "TARGETS") and p.before_opener() == "NAME"
    name = str(p.tokens[p.openers[-1] - 1]) if in_index else ""
    if p.kind(-1) == "COLON" and in_index and kind in ("COMMA", "RSQB"):
        size = "ncol" if any(t.type == "COMMA" for t in p.tokens[p.openers[-1] : p.position]) else "nrow"
        return p.error("the range has no end", p.span(-1), f"write .. :{size}({name})")
    if kind == "COLON":
        if p.kind(1) == "COLON" and p.adjacent(1):
            return p.error("there are no blanks around `::`", p.span(0, 1), "write name::function(..)")
        if in_index and "INT" in p.accepts:
            return p.error("the range has no start", help="write 1: ..")
        if in_index and "RSQB" in p.accepts:
            return p.error("a range has two ends, without a step", help="for other steps multiply or removeEmpty()")
        if "INT" not in p.accepts:
            help = "a column of numbers is seq(from, to)"
            return p.error("a range belongs into an index or the head of a loop", help=help)
    if kind == "COMMA" and in_index and p.accepts >= {"RSQB"} and "COMMA" not in p.accepts:
        return p.error(f"an index has rows and columns only: {name}[rows, cols]")
    if kind in _CLOSERS:
        closer = _CLOSERS[kind]
        if not p.openers:
            return p.error(f"this `{closer}` closes nothing", help="remove it, or add what it should close")
        opening = str(p.tokens[p.openers[-1]])
        expected = _CLOSER[p.opener()]
        if expected != kind:
            return p.error(
                f"expected `{_CLOSERS[expected]}`, found `{closer}`", labels=p.opened(f"this `{opening}` is open")
            )
    return None


def _assignments(p: _Place) -> Diagnostic | None:
    kind = p.kind()
    if kind in ("ASSIGN", "ADD_ASSIGN") and not p.openers_are_round():
        before = p.kind(-1)
        if before == "NAME" and p.kind(-2) in OPERATORS | {"ASSIGN"} and p.new_line(-1):
            return p.error(f"a value is missing after `{p.text(-2)}`", p.span(-2))
        if before == "NAME" and p.kind(-2) == "ASSIGN":
            value, target = p.text(-1), p.text(-3)
            help = f"write two statements: {value} = .. and {target} = {value}"
            return p.error("a statement assigns only once", help=help)
        if before == "RPAR" and p.before_group() >= p.start and p.tokens[p.before_group()].type == "NAME":
            return p.error("a call cannot be assigned to", help="indexes are in brackets: x[1, 2] = ..")
        if before == "QUALIFIED_NAME":
            return p.error("the variables of another file cannot be assigned", p.span(-1))
        if kind == "ASSIGN" and before == "ASSIGN":
            return p.error("there are two signs of assignment", help="to compare write == without a blank")
        return p.error(f"only a variable or a part of one can stand before `{p.text()}`")
    if kind == "ASSIGN" and p.opener() == "LPAR":
        if p.text() == "<-":
            help = "to compare with a negative number write `< -`"
            return p.error("`<-` assigns only at the start of a statement", help=help)
        if p.kind(-2) in ("LPAR", "COMMA") and p.before_opener() in ("NAME", "QUALIFIED_NAME"):
            return p.error("the name of an argument is a plain name", p.span(-1))
        return p.error("an assignment is not an expression", help="to compare write ==")
    # `x 3`, `x - 3`, `x` alone: a name starts a statement and what follows is neither `=` nor `(`.
    if p.kind(-1) == "NAME" and p.accepts == {"ASSIGN", "ADD_ASSIGN", "LPAR", "LSQB"}:
        name = p.text(-1)
        if p.kind(-2) in ("INT", "DOUBLE") and p.adjacent(-1):
            number = p.text(-2)
            return p.error(
                f"expected an operator between {number} and {name}", p.span(-2, -1), f"write {number} * {name}"
            )
        if kind in ("MINUS", "TIMES", "DIVIDE", "POWER", "PLUS", "MATMULT", "REMAINDER") and p.kind(1) == "ASSIGN":
            operator = p.text()
            help = f"write {name} = {name} {operator} .."
            return p.error(f"DML has no operator {operator}=", p.span(0, 1), help)
        if kind in ("PLUS", "MINUS") and p.kind(1) == kind:
            help = f"write {name} += 1" if kind == "PLUS" else f"write {name} = {name} - 1"
            return p.error(f"DML has no operator {p.text() * 2}", p.span(0, 1), help)
        if kind == "COMPARE" and p.text() == "==":
            return p.error("a comparison is not a statement", help=f"to assign write {name} = ..")
        if p.found is None or p.new_line() or kind in OPERATORS or kind in ("SEMICOLON", "RBRACE"):
            return p.error("an expression is not a statement", p.span(-1), f"assign it, `x = {name}`, or print({name})")
        if kind in _OPERANDS:
            return p.error(f"`=` is missing after {name}", help=f"write {name} = .. or {name}(..)")
        return p.error(f"expected `=` or `(` after {name}, found {_shown(p)}")
    return None


def _statements(p: _Place) -> Diagnostic | None:
    """Something that cannot start a statement stands where one is expected."""
    if "IF" not in p.accepts or "INT" in p.accepts or p.found is None:
        return None
    kind = p.kind()
    ends = "TIMES" in p.accepts  # an expression has just ended
    if kind in _OPERANDS and not p.new_line() and ends:
        if p.kind(-1) in ("INT", "DOUBLE") and kind in ("NAME", "LPAR"):
            return p.error(f"expected an operator before {_shown(p)}", help=f"a product is written {p.text(-1)} * ..")
        return p.error(f"expected an operator or a new statement, found {_shown(p)}")
    if kind in ("INT", "DOUBLE", "STRING", "TRUE", "FALSE", "LPAR", "PARAM", "NOT", "IFDEF") or kind in OPERATORS:
        help = "assign the value, `x = ..`, or print(..)"
        if p.text(1) == "->":
            help = OPERATOR_HINTS["->"]
        return p.error(f"a statement cannot start with {_shown(p)}", help=help)
    if kind == "LBRACE":
        return p.error("a block needs `if`, `for`, `while` or a function before it", help="remove the braces")
    if kind == "SEMICOLON":
        return p.error("a `;` ends a statement, and there is none before it", help="remove the `;`")
    if kind == "COMMA":
        return p.error("a `,` does not belong here", help="statements are separated by new lines or `;`")
    return None


def _unclosed(p: _Place) -> Diagnostic | None:
    """A bracket is open where the file, the body or the statement ends."""
    if not p.openers:
        return None
    if p.found is None and p.opener() == "LBRACE":
        index, following = p.openers[-1], None
        # A function that starts a line inside of a brace shows where the brace should have been closed.
        for position in range(p.openers[0] + 1, len(p.tokens) - 2):
            token = p.tokens[position]
            kinds = (token.type, p.tokens[position + 1].type, p.tokens[position + 2].type)
            if kinds == ("NAME", "ASSIGN", "FUNCTION") and _first_column(p.file, token):
                index, following = p._openers(position)[-1], position
                break
        labels = [Label(p.at(index), "opened here")]
        if following is not None:
            labels.append(Label(p.at(following), "it is still open at this function"))
        return p.error("a `{` is not closed at the end of the file", help="add a `}`", labels=labels)
    opening = str(p.tokens[p.openers[-1]])
    if opening == "{":
        return None
    closer = _CLOSERS[_CLOSER[p.opener()]]
    if p.found is None:
        return p.error(f"the file ends before `{closer}`", help=f"add a `{closer}`", labels=p.opened())
    starts = p.new_line() and (p.kind() in _STARTS or p.kind(1) in ("ASSIGN", "ADD_ASSIGN"))
    if (p.kind() in ("LBRACE", "RBRACE", "SEMICOLON") or starts) and _CLOSER[p.opener()] in p.accepts:
        comma = "`,` or " if "COMMA" in p.accepts and p.kind(1) == "ASSIGN" else ""
        return p.error(f"expected {comma}`{closer}` before {_shown(p)}", labels=p.opened())
    return None


def _lists(p: _Place) -> Diagnostic | None:
    """Arguments and items: missing or superfluous commas, missing values."""
    kind, before = p.kind(), p.kind(-1)
    if p.opener() not in ("LPAR", "LSQB", "TARGETS"):
        return None
    if "COMMA" in p.accepts and kind in _OPERANDS | {"LSQB", "NOT"}:
        closer = _CLOSERS[_CLOSER[p.opener()]]
        return p.error(f"expected `,`, `{closer}` or an operator before {_shown(p)}", labels=p.opened())
    if before == "COMMA" and kind in ("RPAR", "RSQB", "COMMA") and ("INT" in p.accepts or "NAME" in p.accepts):
        return p.error(f"between `,` and {_shown(p)} something is missing", p.span(-1, 0), "remove the `,`")
    if before == "LPAR" and kind == "COMMA" and "INT" in p.accepts:
        return p.error("an argument is missing before `,`", help="remove the `,`")
    if before == "LPAR" and kind == "RPAR" and "INT" in p.accepts:
        return p.error("the parentheses are empty", p.span(-1, 0))
    if before == "LSQB" and kind == "RSQB" and "INT" in p.accepts:
        return p.error("a list `[..]` needs at least one value", p.span(-1, 0))
    return None


def _operands(p: _Place) -> Diagnostic | None:
    """An operator without its right operand."""
    before = p.kind(-1)
    if before not in OPERATORS and before != "ASSIGN":
        return None
    if "INT" not in p.accepts:
        return None
    operator = p.text(-1)
    if before == "ASSIGN" and p.kind() == "COMPARE":
        return p.error(f"DML has no operator {operator}{p.text()}", p.span(-1, 0), f"write {p.text()}=")
    if before == "COMPARE" and p.kind() == "COMPARE":
        help = "not equal is `!=`" if operator + p.text() == "<>" else ""
        return p.error(f"DML has no operator {operator}{p.text()}", p.span(-1, 0), help)
    if before in ("PLUS", "MINUS") and p.kind(-2) == before and p.kind(-3) == "NAME":
        name = p.text(-3)
        help = f"write {name} += 1" if before == "PLUS" else f"write {name} = {name} - 1"
        return p.error(f"DML has no operator {operator * 2}", p.span(-2, -1), help)
    return p.error(f"expected a value after `{operator}`, found {_shown(p)}")


_RULES: tuple[Callable[[_Place], Diagnostic | None], ...] = (
    _not_an_alphabet,
    _command_line_parameter,
    _words_of_other_languages,
    _parameters_of_functions,
    _heads,
    _keywords,
    _brackets,
    _assignments,
    _operands,
    _unclosed,
    _lists,
    _statements,
)


def _last_resort(p: _Place) -> Diagnostic:
    expected = _expected(p.accepts)
    message = f"{_shown(p)} does not fit here" if not expected else f"expected {expected}, found {_shown(p)}"
    opener_matters = bool(p.openers) and _CLOSER[p.opener()] in p.accepts and p.opener() != "LBRACE"
    return p.error(message, labels=p.opened() if opener_matters else ())


_SIGNS = {
    "ASSIGN": "`=`",
    "LPAR": "`(`",
    "LSQB": "`[`",
    "LBRACE": "`{`",
    "COMMA": "`,`",
    "COLON": "`:`",
    "RPAR": "`)`",
    "RSQB": "`]`",
    "RBRACE": "`}`",
    "IN": "`in`",
    "AS": "`as`",
    "FUNCTION": "`function`",
}


def _expected(accepts: set[str]) -> str:
    """What the grammar accepts, as people name it."""
    names = []
    if "INT" in accepts:
        names.append("an expression")
        signs = {"RPAR", "RSQB", "COLON"} & accepts
    else:
        if "VALUE_TYPE" in accepts:
            names.append("a type")
        elif "IF" in accepts:
            names.append("a statement")
        elif "NAME" in accepts:
            names.append("a name")
        if "STRING" in accepts:
            names.append("a string in quotes")
        if "PARAM" in accepts:
            names.append("a parameter such as $x")
        if "TIMES" in accepts:
            names.append("an operator")
        signs = accepts & _SIGNS.keys() if "IF" not in accepts else accepts & {"RBRACE"}
    names.extend(text for kind, text in _SIGNS.items() if kind in signs)
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _shown(p: _Place) -> str:
    """The found token as it is called in a message."""
    if p.found is None:
        return "the end of the file"
    text = str(p.found)
    if p.kind() == "STRING":
        return "a string" if len(text) > 24 or "\n" in text else f"the string {text}"
    if p.kind() in ("INT", "DOUBLE"):
        return f"the number {text}"
    return f"`{text}`"

"""Decides what `[` and `<-` mean, between the lexer and the parser.

A new line is white space in DML and `;` is optional, so that

    x = a
    [q, r] = qr(a)

reads, token by token, like an index of `a`.  One token of lookahead, all that an LALR parser has, cannot tell the
two apart.  `arrange` looks further: a `[` outside of parentheses whose `]` is followed by `=` opens a list of
targets (terminal TARGETS) unless it indexes the variable that a statement assigns to, as in `A[1, 2] = 3`.
Every other `[` after a variable is an index, also on the next line.  SystemDS reads all of these the same way.

`<-` assigns after a target.  Elsewhere it is `<` and `-` if an operand follows without a blank: `if (x<-1)`.
SystemDS rejects that; `x <- 1` with a blank is left to be reported.  In `y = a[i]<-b` both could be meant; it
compares unless the `[` is the first on its line.

Two slips that can mean one thing only are passed over: a `;` before `)`, and a `.` behind the `)` that ends a line.
"""

from __future__ import annotations

from pydml.syntax.lexer import OPERATORS, Token

# After one of these a name is an operand and cannot be the target of an assignment.
_BEFORE_OPERAND = OPERATORS | {"ASSIGN", "ADD_ASSIGN", "AS", "IN"}
_SLIPS = frozenset(("SEMICOLON", "WRONG_CHARACTER"))
_INTERESTING = frozenset(("LPAR", "RPAR", "LSQB", "RSQB", "LBRACE", "RBRACE", "ASSIGN"))


def arrange(tokens: list[Token], text: str) -> list[Token]:
    """The tokens of a text with lists of targets opened by TARGETS, and `<-` between operands split."""
    result: list[Token] = []
    outer: list[str] = [""]  # types of the tokens outside of parentheses and brackets
    depth = 0
    for position, token in enumerate(tokens):
        kind = token.type
        if kind in _SLIPS and _is_slip(tokens, position, depth, text):
            continue
        if kind in _INTERESTING:
            if kind == "LSQB" and depth == 0 and _opens_targets(tokens, position, outer, text):
                kind = "TARGETS"
                token = token._replace(type=kind)
            if kind == "ASSIGN" and _compares(tokens, position) and not (depth == 0 and _after_target(outer)):
                middle = token.start + 1
                result += (Token("COMPARE", "<", token.start, middle), Token("MINUS", "-", middle, token.end))
                if depth == 0:
                    outer += ("COMPARE", "MINUS")
                continue
            if kind in ("RPAR", "RSQB"):
                depth = max(0, depth - 1)
            elif kind in ("LBRACE", "RBRACE"):
                depth = 0
            if depth == 0:
                outer.append(kind)
            if kind in ("LPAR", "LSQB", "TARGETS"):
                depth += 1
        elif depth == 0:
            outer.append(kind)
        result.append(token)
    return result


def _is_slip(tokens: list[Token], position: int, depth: int, text: str) -> bool:
    token = tokens[position]
    following = tokens[position + 1] if position + 1 < len(tokens) else None
    if token.type == "SEMICOLON":
        return depth > 0 and following is not None and following.type == "RPAR"
    ends_line = following is None or "\n" in text[token.end : following.start]
    behind = position > 0 and tokens[position - 1].type == "RPAR" and tokens[position - 1].end == token.start
    return token.value == "." and depth == 0 and behind and ends_line


def _opens_targets(tokens: list[Token], position: int, outer: list[str], text: str) -> bool:
    last = outer[-1]
    if last in _BEFORE_OPERAND or (last == "NAME" and outer[-2] not in _BEFORE_OPERAND):
        return False
    depth = 0
    for index in range(position, len(tokens)):
        kind = tokens[index].type
        if kind in ("LSQB", "LPAR"):
            depth += 1
        elif kind in ("RSQB", "RPAR"):
            depth -= 1
            if depth == 0:
                if index + 1 == len(tokens) or tokens[index + 1].type != "ASSIGN":
                    return False
                compares = last == "NAME" and _compares(tokens, index + 1)
                return not compares or "\n" in text[tokens[position - 1].end : tokens[position].start]
        elif kind in ("LBRACE", "RBRACE"):
            return False
    return False


def _compares(tokens: list[Token], position: int) -> bool:
    """Whether the token is `<-` with an operand right behind it."""
    token = tokens[position]
    return token.value == "<-" and position + 1 < len(tokens) and tokens[position + 1].start == token.end


def _after_target(outer: list[str]) -> bool:
    """Whether the tokens so far end with a target: `x`, `x[..]` or a list of targets."""
    if outer[-1] == "NAME":
        return outer[-2] not in _BEFORE_OPERAND
    if outer[-1] == "RSQB":
        if outer[-2] == "TARGETS":
            return True
        return len(outer) > 3 and outer[-3] == "NAME" and outer[-4] not in _BEFORE_OPERAND
    return False

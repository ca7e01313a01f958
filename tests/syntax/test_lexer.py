"""The lexer against Lark's own, which reads the same terminals."""

from __future__ import annotations

from pathlib import Path

import pytest
from lark import Lark

import pydml.syntax
from pydml.syntax.lexer import Lexer
from pydml.syntax.parser import _AnyTerminal

GRAMMAR = Path(pydml.syntax.__file__).with_name("dml.lark").read_text(encoding="utf-8")
ERRORS = Path(__file__).parent / "errors"
DENSE = """
x=1y=.5+5.e3-1e5*2.^3 z<-a<=b!=!c==d%*%e%%f%/%g&&h|i||j&k  # comment "
iffy if_ int integer1 intx Unknown as as.scalar as.scalars index.return ns::f ns::f.g in inn _a a.b 1.a 10L 1.5l 1e3L 1e 0x
"a\\"b" 'c\\'d' "e\\qf" 'open "open
$a $1 $ $$ ° é \u00a0 := -> ** // %in% % /* c */ /**/ /*/ */ [ ] { } ( ) , ; : += = =< <- < - \\ `
\t\r\n /* open
"""


@pytest.fixture(scope="module")
def lark() -> Lark:
    return Lark(GRAMMAR, parser="lalr", lexer="basic", postlex=_AnyTerminal(), maybe_placeholders=False)


def both(lark: Lark, text: str):
    mine, comments = Lexer(lark.terminals).tokens(text)
    found: list[tuple[int, int]] = []
    theirs = Lark(
        GRAMMAR,
        parser="lalr",
        lexer="basic",
        postlex=_AnyTerminal(),
        lexer_callbacks={"COMMENT": lambda token: found.append((token.start_pos, token.end_pos))},
    ).lex(text)
    return [tuple(t) for t in mine], comments, [(t.type, t.value, t.start_pos, t.end_pos) for t in theirs], found


def test_same_tokens_as_lark(lark):
    text = DENSE + "\n".join(path.read_text(encoding="utf-8") for path in sorted(ERRORS.glob("*.dml")))
    for part in (DENSE, text, "", " \n", "x", "# a", DENSE.replace("/* open", "")):
        mine, comments, theirs, found = both(lark, part)
        assert mine == theirs
        assert comments == found


def test_time_grows_with_the_text(lark):
    """No expression of the grammar reads a text again and again: these take hours if one does."""
    lexer = Lexer(lark.terminals)
    for text in (
        " " * 200_000,
        "1" * 200_000,
        '"' + "a" * 200_000,
        "'" + "\\\\" * 100_000,
        "a" * 200_000,
        "a." * 100_000,
    ):
        tokens, _ = lexer.tokens(text)
        assert len(tokens) < 100_002


def test_prefixes_of_a_text_never_fail(lark):
    lexer = Lexer(lark.terminals)
    for end in range(len(DENSE)):
        tokens, _ = lexer.tokens(DENSE[:end])
        assert all(t.value == DENSE[t.start : t.end] for t in tokens)

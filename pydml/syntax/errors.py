"""Syntax errors in words."""
from __future__ import annotations
from pydml.diagnostics import Diagnostic, SourceFile, Span


def loop_help(value) -> str:
    return "for the elements of X write `for (i in 1:length(X))`"


def explain_type(words):
    return f"unknown type {words[0]}", ""


def explain(file, tokens, position, accepts):
    if position < len(tokens):
        t = tokens[position]
        return Diagnostic("syntax", f"unexpected `{t}`", Span(file, t.start_pos, t.end_pos), notes=(f"expected {sorted(accepts)}",))
    return Diagnostic("syntax", "unexpected end", Span(file, len(file.text), len(file.text)), notes=(f"expected {sorted(accepts)}",))


def resume(tokens, position):
    return None

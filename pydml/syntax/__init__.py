"""Text to syntax tree and back: `parse`, `unparse`, `unparse_expr`."""

from __future__ import annotations

from pydml.diagnostics import SourceFile
from pydml.syntax.ast import Module

__all__ = ["parse"]


def parse(file: SourceFile) -> Module:
    """The syntax tree of a DML text.  Raises DMLError with id "syntax"."""
    from pydml.syntax.parser import parse_text

    return parse_text(file)

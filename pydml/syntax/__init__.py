"""DML text to syntax tree and back: `parse`, `unparse`.  The nodes are in `pydml.syntax.ast`.

`hint_for_name` and `hint_for_function` say what to write instead of a name that other languages have and DML has
not; later stages add them to their messages.
"""

from __future__ import annotations

import os

from pydml import cache
from pydml.diagnostics import SourceFile
from pydml.syntax.ast import Expr, Module, Statement

__all__ = ["hint_for_function", "hint_for_name", "parse", "unparse", "unparse_expr", "unparse_statement"]


def parse(file: SourceFile) -> Module:
    """The syntax tree of a DML text.  Raises DMLError with id "syntax" and all mistakes that were found.

    The tree of a text that was parsed before comes from the cache, without Lark.  `Module.file` and all spans then
    share one SourceFile, equal to `file` in name and text but another object.
    """
    key = f"{code_version()}\0{file.name}\0{file.text}"
    module = cache.load("module", key)
    if isinstance(module, Module):
        return module
    from pydml.syntax.parser import parse_text

    module = parse_text(file)
    cache.store("module", key, module)
    return module


def unparse(module: Module) -> str:
    """The text of a tree, in one layout, with as few parentheses as possible.  Parsing it gives an equal tree.

    The comments that document the module and its functions are kept, others are not part of the tree.
    """
    from pydml.syntax import unparser

    return unparser.module_text(module)


def unparse_expr(expr: Expr) -> str:
    """The text of an expression."""
    from pydml.syntax import unparser

    return unparser.expression_text(expr)


def unparse_statement(statement: Statement) -> str:
    """The text of a statement, one or several lines without a line end at the end."""
    from pydml.syntax import unparser

    return unparser.statement_text(statement)


def hint_for_name(name: str) -> str:
    """What to write instead of an undefined variable `name`; "" if nothing is known."""
    from pydml.syntax.hints import NAME_HINTS

    return NAME_HINTS.get(name, "")


def hint_for_function(name: str) -> str:
    """What to call instead of an undefined function `name`; "" if nothing is known."""
    from pydml.syntax.hints import FUNCTION_HINTS

    return FUNCTION_HINTS.get(name, "")


_fingerprint = ""


def code_version() -> str:
    """Changes with the code of this package, so that trees of an older one are not used during development."""
    global _fingerprint
    if not _fingerprint:
        try:
            with os.scandir(os.path.dirname(__file__)) as entries:
                files = [(e.name, e.stat()) for e in entries if e.name.endswith((".py", ".lark"))]
            _fingerprint = ",".join(sorted(f"{name} {stat.st_mtime_ns} {stat.st_size}" for name, stat in files))
        except OSError:  # not a directory: imported from an archive, which does not change
            _fingerprint = "archive"
    return _fingerprint

"""What emission yields: Python code, and what its names and positions mean."""

from __future__ import annotations

import ast
import keyword
import types
from dataclasses import field
from typing import Any

from pydml.builtins.fused import Template
from pydml.builtins.registry import Builtin
from pydml.builtins.sampled import Sampling
from pydml.diagnostics import SourceFile, Span
from pydml.ir.program import ParFor
from pydml.records import dataclass

INLINED = 1 << 16  # columns from here on stand for an entry in `Code.places`

Position = tuple[
    SourceFile, str, int, int, int, int
]  # file, Python function, lines and columns  # file, Python function, lines and columns


@dataclass
class Code:
    """What emission yields: a tree per source file, and what its names mean.

    modules: one Python module per DML file.  names: for each DML function key, the name of its Python function.
    builtins: global name -> (builtin, how it is called).  places: of inlined operations.  checks: by the position of an operation that
    leaves the check of an index to Python, an expression that raises the DMLError for it.
    """

    modules: list[tuple[SourceFile, ast.Module]]
    names: dict[str, str]
    builtins: dict[str, tuple[Builtin, str]]
    parfors: dict[str, ParFor]
    templates: dict[str, Template | Sampling] = field(default_factory=dict)
    places: list[tuple[Span, tuple[tuple[str, Span], ...]]] = field(default_factory=list)
    checks: dict[Position, ast.expr] = field(default_factory=dict)
    loops: dict[str, Any] = field(
        default_factory=dict
    )  # by global name: `loops.Site`, or an iterable of few iterations

    def text(self) -> str:
        """The Python text, as `--explain=python` prints it."""
        steps = "".join(f"# {name}: {template!r}\n" for name, template in self.templates.items())
        return "\n\n".join(f"# {file.name}\n{ast.unparse(module)}" for file, module in self.modules) + "\n" + steps

    def compile(self) -> list[tuple[SourceFile, types.CodeType]]:
        return [(file, compile(module, file.name, "exec")) for file, module in self.modules]


def python_name(name: str) -> str:
    """The Python name of a DML variable or temporary."""
    if "%" in name:  # a temporary (%3) or a variable of an inlined function (x%3); DML names do not start with _
        return "_" + name.replace("%", "_")
    return name + "_kw" if keyword.iskeyword(name) else name

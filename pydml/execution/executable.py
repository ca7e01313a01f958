"""From a DML text to something that runs: the whole pipeline, and its result.

executable = compile_program(source, params={}, inputs={"X": type}, outputs=["y"])
values = executable.run(Context(), {"X": array})
"""

from __future__ import annotations

import builtins as python_builtins
import itertools
import math
import threading
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pydml.diagnostics import DMLError, SourceFile, fail
from pydml.execution import runtime
from pydml.execution.code import Code
from pydml.execution.context import Context
from pydml.execution.emit import emit
from pydml.execution.traceback import Places, place_error
from pydml.ir import imports as importing
from pydml.ir.build import VARIANTS, build, default_key, find_script_builtin
from pydml.ir.passes import optimize
from pydml.ir.program import Program
from pydml.ir.text import program_text
from pydml.records import dataclass
from pydml.signature import REQUIRED, Parameter, Signature, suggest
from pydml.syntax import ast as syntax
from pydml.types import Type
from pydml.values import List, arithmetic, type_of

STAGES = ("syntax", "ir", "types", "program", "python")


@dataclass
class FunctionInfo:
    """A DML function as Python sees it.

    signature: parameters (with `required` ones first or not, as written) and results.  doc: its comment.
    call(context, positional, named) -> tuple of results.
    """

    name: str
    signature: Signature
    doc: str
    call: Callable[[Context, Sequence[Any], Sequence[tuple[str, Any]]], tuple[Any, ...]]


@dataclass
class Executable:
    """A compiled program.  It may run many times, also in several threads at once, each run with its own Context."""

    program: Program
    code: Code
    stages: dict[str, str]
    functions: dict[str, FunctionInfo]
    used_params: set[str]
    doc: str = ""
    search: tuple[Path, ...] = ()
    places: Places = field(default_factory=Places)
    _namespaces: dict[bool, dict[str, Any]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, context: Context, inputs: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Run the script; the values of its outputs.  Raises DMLError with places and the DML call stack."""
        inputs = inputs or {}
        args = [inputs[p.name] for p in self.program.main.params]
        return self.invoke(context, "", args)

    def invoke(self, context: Context, key: str, args: Sequence[Any]) -> Any:
        """Call the Python function of DML function `key` ("" for the script)."""
        namespace = self.namespace(context)
        function = namespace[self.code.names[key]]
        if context.functions is None:
            context.functions = self.find_function
        try:
            with np.errstate(all="ignore"):
                return function(context, *args)
        except DMLError as error:
            raise place_error(error, self.places) from error
        except Exception as error:
            raise place_error(error, self.places) from error

    def find_function(self, name: str) -> FunctionInfo:
        found = self.functions.get(name)
        if found is None and name.isidentifier():
            found = self._load_script_builtin(name)
        if found is None:
            fail(
                "undefined-function",
                f"there is no function {name}",
                help=suggest(name, self.functions)
                or "native builtins cannot be called by their names; wrap it in a function",
            )
        return found

    def _load_script_builtin(self, name: str) -> FunctionInfo | None:
        """A builtin written in DML, which eval may call although the script does not name it otherwise."""
        path = find_script_builtin(name, self.search)
        if path is None:
            return None
        library = compile_program(importing.read_source(path), search=self.search, library=True)
        variants = {
            data: library.functions[prefix + name]
            for prefix, data in VARIANTS.items()
            if prefix + name in library.functions
        }
        if not variants:
            return None
        first = next(iter(variants.values()))

        def call(context: Context, positional: Sequence[Any], named: Sequence[tuple[str, Any]]) -> tuple[Any, ...]:
            arguments = [*positional, *(value for _, value in named)]
            data = type_of(arguments[0]).data if arguments else ""
            return variants.get("scalar" if data == "list" else data, first).call(context, positional, named)

        found = self.functions[name] = replace(first, name=name, call=call)
        return found

    def namespace(self, context: Context) -> dict[str, Any]:
        """The global names of the emitted code; with statistics, builtins are wrapped."""
        counted = context.statistics is not None
        if counted:
            return self._make_namespace(context.statistics)
        namespace = self._namespaces.get(False)
        if namespace is None:
            with self._lock:
                namespace = self._namespaces.get(False) or self._make_namespace(None)
                self._namespaces[False] = namespace
        return namespace

    def _make_namespace(self, statistics: Any) -> dict[str, Any]:
        from pydml.builtins.indexing import any_element, assign_in_place, cell, element, list_element, matrix_element
        from pydml.execution.parfor import MISSING, ParforRunner, assign_recorded

        runtime.initialize()
        namespace: dict[str, Any] = {
            "_nan": math.nan,
            "_inf": math.inf,
            "_ninf": -math.inf,
            "_missing": MISSING,
            "_pick": runtime.pick,
            "_locals": python_builtins.locals,
            "_loop_range": runtime.loop_range,
            "_range": range,
            "_truth": runtime.truth,
            "_owned_assign": runtime.owned_assign,
            "_owned_cell": runtime.owned_cell,
            "_owned": runtime.owned,
            "_ndarray": np.ndarray,
            "_type": type,
            "_assign_shared": assign_in_place,
            "_assign_recorded": assign_recorded,
            "_cell": cell,
            "_element": element,
            "_any_element": any_element,
            "_list_element": list_element,
            "_matrix_element": matrix_element,
            "_made": List.made,
            "_len": len,
            "_repeat": itertools.repeat,
            "_run_parfor": ParforRunner(self.code.parfors),
        }
        namespace.update(self.code.templates)
        namespace.update(self.code.loops)
        for name in ("int_mul", "int_mod", "int_idiv", "int_neg", "divide", "power", "mod", "idiv", "text"):
            namespace["_" + name] = getattr(arithmetic, name)
        namespace |= {"_float": float, "_abs": abs, "_exp": math.exp, "_sqrt": math.sqrt}
        namespace["_unusual"] = (ArithmeticError, ValueError)  # of Python's arithmetic, where DML's has a value
        namespace["_wrap"] = lambda value: arithmetic.int_add(value, 0)
        for name, (builtin, mode) in self.code.builtins.items():
            function: Any = {
                "run": builtin.entry(),
                "call": builtin,
                "direct": builtin.kernels.get(("*",)),
                "scalar": builtin.scalar,
            }[mode]
            namespace[name] = function if statistics is None else statistics.wrap(builtin.name, function)
        for file, compiled in self._code_objects:
            _remember_source(file)
            exec(compiled, namespace)
            self.places.add(file, compiled)
        return namespace

    @cached_property
    def _code_objects(self) -> list[tuple[SourceFile, types.CodeType]]:
        return self.code.compile()

    def explain(self, stage: str) -> str:
        """The program at a stage: syntax, ir, types, program (after all passes), or python."""
        if stage == "python":
            return self.code.text()
        return self.stages[stage]


def compile_program(
    source: SourceFile,
    *,
    params: Mapping[str, Any] | None = None,
    inputs: Mapping[str, Type] | None = None,
    outputs: Sequence[str] | None = None,
    search: Sequence[Path | str] = (),
    explain: bool = False,
    library: bool = False,
    optimized: bool = True,
) -> Executable:
    """Compile a script.

    params: values of `$name`.  inputs: variables that have a value before the script starts, with their types.
    outputs: variables that the caller wants; None: all that the script assigns.  search: folders for source(), in order.
    explain: keep the texts of the stages.  library: functions are kept and callable even if the script does not call them;
    its statements are left out.
    Raises DMLError.
    """
    stages: dict[str, str] = {}
    used: set[str] = set()
    loaded = importing.load(source, search)
    if library:  # as with source() in DML, only functions and imports count
        module = loaded.modules[importing.MAIN]
        kept = tuple(s for s in module.statements if isinstance(s, (syntax.Source, syntax.SetWd)))
        loaded.modules[importing.MAIN] = replace(module, statements=kept)
    if explain:
        from pydml.syntax import unparse

        stages["syntax"] = unparse(loaded.modules[importing.MAIN])
    program = build(loaded, params or {}, inputs or {}, None if outputs is None else tuple(outputs), used)
    if explain:
        stages["ir"] = program_text(program, types=False)
    on_types = (lambda p: stages.__setitem__("types", program_text(p))) if explain else None
    optimize(program, library=library, on_types=on_types, optimized=optimized)
    if explain:
        stages["program"] = program_text(program)
    code = emit(program)
    executable = Executable(program, code, stages, {}, used, doc=loaded.modules[importing.MAIN].doc)
    executable.search = loaded.search
    executable.places.inlined = code.places
    executable.places.checks = code.checks
    executable.places.names = {python: (program.functions[k].name if k else "") for k, python in code.names.items()}
    for name, key in program.eval_functions.items():
        if key in program.functions:
            executable.functions[name] = _function_info(executable, key)
    return executable


def _function_info(executable: Executable, key: str) -> FunctionInfo:
    from pydml.builtins.variables import as_parameter
    from pydml.syntax import ast, unparse_expr

    function = executable.program.functions[key]

    def type_word(type: Type) -> str:
        if type.data == "scalar":
            return type.value if type.value != "unknown" else "scalar"
        return type.data if type.data != "unknown" else "any"

    class _Default:
        """A default: a value if it is a literal, else the text of its expression."""

        def __init__(self, expression: Any):
            self.expression = expression

        def __repr__(self) -> str:
            return unparse_expr(self.expression)

    def default_of(p: Any) -> Any:
        if p.default is None:
            return REQUIRED
        return p.default.value if isinstance(p.default, ast.Literal) else _Default(p.default)

    signature = Signature(
        function.name,
        tuple(Parameter(p.name, (type_word(p.type),), default_of(p)) for p in function.params),
        tuple((p.name, type_word(p.type)) for p in function.outputs),
    )

    def call(context: Context, positional: Sequence[Any], named: Sequence[tuple[str, Any]]) -> tuple[Any, ...]:
        span = function.span
        bound = signature.bind(positional, [(n, v, span) for n, v in named], span, lambda v: v)
        values = {p.name: v for p, v in zip(function.params, bound, strict=True) if not isinstance(v, _Default)}
        for p in function.params:
            if p.name not in values:  # a default may mention parameters that have a value already
                mentioned = executable.program.functions[default_key(key, p.name)].params
                missing = next((m.name for m in mentioned if m.name not in values), None)
                if missing is not None:
                    fail("undefined-name", f"{function.name}: the default of {p.name} needs {missing}", p.span)
                inputs = [values[m.name] for m in mentioned]
                values[p.name] = executable.invoke(context, default_key(key, p.name), inputs)
            if p.type.data != "unknown":
                value = values[p.name]
                values[p.name] = as_parameter.meaning(value, p.type.data, p.type.value, function.name, p.name)
        args = [values[p.name] for p in function.params]
        result = executable.invoke(context, key, args)
        return (result,) if len(function.outputs) == 1 else tuple(result)

    return FunctionInfo(function.name, signature, function.doc, call)


def _remember_source(file: SourceFile) -> None:
    """Let Python's own tracebacks show lines of DML texts that are not files."""
    if file.name.startswith("<"):
        import linecache

        linecache.cache[file.name] = (len(file.text), None, file.text.splitlines(True), file.name)


__all__ = ["STAGES", "Executable", "FunctionInfo", "compile_program"]

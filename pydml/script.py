"""DML from Python: run a script, compile it once and call it often, use a DML file as a library of functions.

    result = pydml.run("y = sum(X) * $scale", X=array, nvargs={"scale": 2.0})       result["y"], result.y
    step = pydml.compile("step.dml", inputs=["W", "dW"], outputs=["W"])             W, = step(W=W, dW=dW)
    lars = pydml.source("nn/optim/lars.dml")                                        lars.update(W, dW, ...)

A script is given as text or as a path: a `pathlib.Path`, or a str of one line that ends in `.dml`, is a path.  The command
line and the functions above are thin forms of `Script`.
"""

from __future__ import annotations

import keyword
import os
from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from pydml.config import Config, make_config
from pydml.diagnostics import Diagnostic, DMLError, SourceFile, fail
from pydml.signature import REQUIRED, article, suggest
from pydml.types import (
    ANY,
    ANY_LIST,
    ANY_MATRIX,
    BOOLEAN_SCALAR,
    DOUBLE,
    DOUBLE_SCALAR,
    INT,
    INT_SCALAR,
    STRING_SCALAR,
    Type,
    matrix_type,
)

if TYPE_CHECKING:
    import inspect

    from pydml.execution.executable import Executable, FunctionInfo

Path_or_text = str | os.PathLike[str]


# ---- sources


def is_path(source: Path_or_text) -> bool:
    """Whether a script is given by its path: any `os.PathLike`, or a str of one line that ends in `.dml`."""
    return not isinstance(source, str) or (source.endswith(".dml") and "\n" not in source)


def load_source(source: Path_or_text, search: Sequence[Path] = ()) -> SourceFile:
    """The text of a script; a relative path is looked for in the working folder, then in `search`.

    Raises DMLError "file".
    """
    from pydml.ir.imports import read_source

    if not is_path(source):
        return SourceFile("<text>", str(source))
    path = Path(source)
    if not path.exists() and not path.is_absolute():
        short = path.as_posix().removeprefix("./").removeprefix("scripts/")
        for folder in search:
            for candidate in (folder / path, folder / short):
                if candidate.is_file():
                    return read_source(candidate)
    return read_source(path, str(source))


# ---- types of inputs


def Matrix(rows: int | None = None, cols: int | None = None) -> Type:
    """The type of an input that is a matrix: `pydml.compile(..., inputs={"X": pydml.Matrix(cols=784)})`.

    Known sizes let the compiler find mistakes before the run, and are checked when the function is called.
    """
    return matrix_type(rows, cols)


_TYPES: dict[object, Type] = {
    Matrix: ANY_MATRIX,
    bool: BOOLEAN_SCALAR,
    int: INT_SCALAR,
    float: DOUBLE_SCALAR,
    str: STRING_SCALAR,
    list: ANY_LIST,
    dict: ANY_LIST,
}


def _declared_type(name: str, declared: Any) -> Type:
    """The type that `inputs=` gives to a variable: a Type, `Matrix`, a Python type, or an example of a value."""
    if isinstance(declared, Type):
        return declared
    if isinstance(declared, type) or declared is Matrix:
        if declared not in _TYPES:
            fail(
                "argument-type",
                f"the input {name} cannot be declared as {declared.__name__}",
                help="use pydml.Matrix, bool, int, float, str, list, or an example of a value",
            )
        return _TYPES[declared]
    from pydml.values import type_of
    from pydml.values.convert import to_dml

    # An example says what kind of value to expect; its sizes may differ from call to call.
    example = type_of(to_dml(declared, name))
    return Type(example.data, example.value)


def _as_declared(name: str, declared: Type, value: Any) -> Any:
    """The value of an input, which must fit its declaration; an int stands for a double."""
    from pydml.values import type_of

    actual = type_of(value)
    if declared.is_scalar and declared.value == DOUBLE and actual.value == INT:
        return float(value)
    fits = (
        (declared.data in ("unknown", actual.data))
        and (declared.value in ("unknown", actual.value))
        and (declared.rows in (None, actual.rows))
        and (declared.cols in (None, actual.cols))
    )
    if not fits:
        fail("argument-type", f"{name} was declared as {article(str(declared))}, got {article(str(actual))}")
    return value


# ---- results


class Result:
    """The outputs of a run, by name: `r["x"]`, `r.x`; iterating gives the values in the order of `outputs`.

    Matrices are NumPy arrays (sparse ones csr_array), scalars bool, int, float and str, lists list or, with names, dict.
    The arrays are the caller's own.  `_fields` are the names, `_asdict()` is a dict.
    """

    def __init__(self, values: Mapping[str, Any]):
        self.__dict__["_values"] = dict(values)

    @property
    def _fields(self) -> tuple[str, ...]:
        return tuple(self._values)

    def _asdict(self) -> dict[str, Any]:
        return dict(self._values)

    def __getitem__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            raise KeyError(self._missing(name)) from None

    def __getattr__(self, name: str) -> Any:
        if name == "_values":  # while being copied or unpickled
            raise AttributeError(name)
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(self._missing(name)) from None

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("a Result cannot be changed")

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def _missing(self, name: str) -> str:
        known = ", ".join(self._values) or "none"
        hint = suggest(name, self._values)
        return f"the script has no output {name}; its outputs are: {known}" + (f"; {hint}" if hint else "")

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values.values())

    def __len__(self) -> int:
        return len(self._values)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._values]

    def __repr__(self) -> str:
        def text(value: Any) -> str:
            shape = getattr(value, "shape", None)
            return repr(value) if shape is None else f"{type(value).__name__} {' x '.join(map(str, shape))}"

        return f"Result({', '.join(f'{n}={text(v)}' for n, v in self._values.items())})"


# ---- scripts


class Script:
    """A script with its parameters and settings.

    args: values of $1, $2, ...  nvargs: values of $name.  Strings stay strings here; on the command line their text
    decides.  precision, threads, seed, path: see `config`.  stdout: where print() writes, default sys.stdout.
    """

    def __init__(
        self,
        source: Path_or_text | SourceFile,
        *,
        args: Sequence[Any] = (),
        nvargs: Mapping[str, Any] | None = None,
        stdout: TextIO | None = None,
        config: Config | None = None,
        **settings: Any,
    ):
        self.config = config if config is not None else make_config(**settings)
        self.source = source if isinstance(source, SourceFile) else load_source(source, self.config.search)
        self.stdout = stdout
        self.statistics: Any = None
        self.params = {str(i): _param_value(f"${i}", value) for i, value in enumerate(args, 1)}
        self.params.update({name: _param_value(f"${name}", value) for name, value in (nvargs or {}).items()})
        self._inputs: dict[str, Any] = {}

    def input(self, /, **values: Any) -> Script:
        """Give variables a value before the script starts.  Returns the script."""
        self._inputs.update(values)
        return self

    def run(self, outputs: Sequence[str] | str | None = None) -> Result:
        """Compile and run.  outputs: names of the variables that are wanted; None: all that the script assigns."""
        from pydml.values import type_of
        from pydml.values.convert import to_dml

        values = {name: to_dml(value, name, self.config.dtype) for name, value in self._inputs.items()}
        types = {name: type_of(value).without_const() for name, value in values.items()}
        compiled = self._compiled(types, outputs)
        return compiled._run(values, keep=outputs is not None)

    def compile(
        self, inputs: Mapping[str, Any] | Sequence[str] = (), outputs: Sequence[str] | str | None = None
    ) -> Compiled:
        """Compile for calls with other inputs: `inputs` names them, as a list or with their types or examples."""
        if isinstance(inputs, str):
            inputs = [inputs]
        if isinstance(inputs, Mapping):
            types = {name: _declared_type(name, declared) for name, declared in inputs.items()}
        else:
            types = dict.fromkeys(inputs, ANY)
        return self._compiled(types, outputs)

    def _compiled(self, types: Mapping[str, Type], outputs: Sequence[str] | str | None) -> Compiled:
        if isinstance(outputs, str):
            outputs = [outputs]
        return Compiled(self.executable(types, outputs), types, self)

    def executable(
        self,
        types: Mapping[str, Type] | None = None,
        outputs: Sequence[str] | None = None,
        *,
        explain: bool = False,
        library: bool = False,
    ) -> Executable:
        """The compiled program itself, for the command line and tests.  Raises DMLError."""
        from pydml.execution.executable import compile_program

        with dml_errors():
            return compile_program(
                self.source,
                params=self.params,
                inputs=types or {},
                outputs=outputs,
                search=self.config.search,
                explain=explain,
                library=library,
                optimized=self.config.optimized,
            )

    @contextmanager
    def running(self) -> Iterator[None]:
        """Around a run: its number of threads, and what Python raises at the limits of the machine as DMLErrors."""
        from pydml.backends.cpu.threads import limit, one_blas_thread

        with dml_errors(), one_blas_thread(self.config.deterministic):
            if self.config.threads is None:
                yield
            else:
                with limit(self.config.threads):
                    yield

    def context(self) -> Any:
        """A new execution context with the settings of this script."""
        from pydml.execution.context import Context

        return Context(dtype=self.config.dtype, out=self.stdout, seed=self.config.seed, statistics=self.statistics)


def _param_value(name: str, value: Any) -> Any:
    from pydml.values.convert import to_dml

    converted = to_dml(value, name)
    if not isinstance(converted, (bool, int, float, str)):
        fail(
            "parameter", f"{name} must be a bool, a number or a str", help="pass matrices as inputs: run(..., X=array)"
        )
    return converted


class Compiled:
    """A compiled script as a function of its inputs.  May be called from several threads at once."""

    def __init__(self, executable: Executable, types: Mapping[str, Type], script: Script):
        self._executable = executable
        self._types = dict(types)
        self._script = script
        self.__doc__ = executable.doc or None

    def __call__(self, /, **inputs: Any) -> Result:
        from pydml.values.convert import to_dml

        for name in inputs:
            if name not in self._types:
                fail("call", f"the script was compiled without an input {name}", help=suggest(name, self._types))
        values = {}
        for name, type_ in self._types.items():
            if name not in inputs:
                fail("call", f"the input {name} is missing")
            values[name] = _as_declared(name, type_, to_dml(inputs[name], name, self._script.config.dtype))
        return self._run(values)

    def _run(self, values: dict[str, Any], keep: bool = True) -> Result:
        """keep: inputs that the script leaves as they are count as results."""
        from pydml.values.convert import Exporter

        with self._script.running():
            results = self._executable.run(self._script.context(), values)
        export = Exporter()
        return Result({name: export(v) for name, v in results.items() if keep or v is not values.get(name)})

    def explain(self, stage: str = "python") -> str:
        """The program at a stage, as text; "python" is the code that runs."""
        return self._executable.explain(stage)

    def __repr__(self) -> str:
        inputs = ", ".join(f"{name}: {type_}" for name, type_ in self._types.items())
        return f"<compiled {self._script.source.name}({inputs})>"


@contextmanager
def dml_errors() -> Iterator[None]:
    """Turns what Python raises where the machine's limits are met into DMLErrors."""
    try:
        yield
    except RecursionError as error:
        raise DMLError(
            Diagnostic(
                "recursion", "the script is nested too deeply", help="break long expressions into several statements"
            )
        ) from error
    except MemoryError as error:
        raise DMLError(Diagnostic("memory", "there is not enough memory to run the script")) from error


# ---- libraries


class Library:
    """A DML file as a Python object; its attributes are its functions.  `source` makes it."""

    def __init__(self, script: Script):
        executable = script.executable(outputs=[], library=True)
        own = {name: info for name, info in executable.functions.items() if "::" not in name}
        self._functions = {name: DMLFunction(info, script) for name, info in own.items()}
        self._name = script.source.name
        self.__doc__ = executable.doc or None

    def __getattr__(self, name: str) -> DMLFunction:
        if name == "_functions":
            raise AttributeError(name)
        found = self._functions.get(name) or (self._functions.get(name[:-1]) if keyword.iskeyword(name[:-1]) else None)
        if found is None:
            hint = suggest(name, self._functions)
            raise AttributeError(f"{self._name} has no function {name}" + (f"; {hint}" if hint else ""))
        return found

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._functions]

    def __repr__(self) -> str:
        return f"<DML library {self._name}: {', '.join(self._functions)}>"


class DMLFunction:
    """A DML function as a Python function.

    Arguments are positional, by name, or both; defaults are those of DML.  A parameter whose name is a Python keyword is
    called with `_` behind it (`lambda_`).  One result is returned as it is, several as a namedtuple, none as None.
    """

    def __init__(self, info: FunctionInfo, script: Script):
        self._info = info
        self._script = script
        self.__name__ = self.__qualname__ = info.name
        self.__doc__ = info.doc or None
        self._names = {_python_name(p.name): p.name for p in info.signature.params}
        outputs = [_python_name(name) for name, _ in info.signature.results]
        self._outputs: Callable[..., Any] | None = None
        if len(outputs) > 1:
            self._outputs = namedtuple(f"{info.name}_result", outputs, rename=True)  # type: ignore[misc]

    @property
    def dml_signature(self) -> Any:
        """Parameters and results in DML's terms (`pydml.signature.Signature`)."""
        return self._info.signature

    @property
    def __signature__(self) -> inspect.Signature:
        import inspect

        parameters = []
        for p in self._info.signature.params:
            default = inspect.Parameter.empty if p.default is REQUIRED else p.default
            parameters.append(
                inspect.Parameter(
                    _python_name(p.name),
                    inspect.Parameter.POSITIONAL_OR_KEYWORD,
                    default=default,
                    annotation=p.types[0],
                )
            )
        # DML lets a parameter without default follow one with default; Python's rule holds for keyword-only ones alone.
        seen_default = False
        for i, parameter in enumerate(parameters):
            if seen_default and parameter.default is inspect.Parameter.empty:
                parameters[i:] = [q.replace(kind=inspect.Parameter.KEYWORD_ONLY) for q in parameters[i:]]
                break
            seen_default = seen_default or parameter.default is not inspect.Parameter.empty
        return inspect.Signature(parameters)

    def __call__(self, /, *args: Any, **named: Any) -> Any:
        from pydml.values.convert import Exporter, to_dml

        params = self._info.signature.params
        dtype = self._script.config.dtype
        label = [p.name for p in params] + [f"argument {i}" for i in range(len(params) + 1, len(args) + 1)]
        positional = [to_dml(value, label[i], dtype) for i, value in enumerate(args)]
        by_name = [(self._names.get(name, name), to_dml(value, name, dtype)) for name, value in named.items()]
        with self._script.running():
            values = self._info.call(self._script.context(), positional, by_name)
        export = Exporter()
        results = [export(value) for value in values]
        if self._outputs is not None:
            return self._outputs(*results)
        return results[0] if results else None

    def __repr__(self) -> str:
        return f"<DML function {self._info.signature}>"


def _python_name(name: str) -> str:
    return name + "_" if keyword.iskeyword(name) else name


# ---- the function forms


def run(
    script: Path_or_text,
    /,
    *,
    outputs: Sequence[str] | str | None = None,
    inputs: Mapping[str, Any] | None = None,
    args: Sequence[Any] = (),
    nvargs: Mapping[str, Any] | None = None,
    precision: str = "double",
    seed: int | None = None,
    threads: int | None = None,
    path: Sequence[str | os.PathLike[str]] | str | os.PathLike[str] = (),
    systemds_root: str | os.PathLike[str] | None = None,
    stdout: TextIO | None = None,
    **more_inputs: Any,
) -> Result:
    """Run a script, given as text or path, and return its variables.

    Other keywords, and `inputs` for names that are taken here, are variables that have a value before the script starts.
    outputs: names of the variables to return; None: all that the script assigns.  args: values of $1, $2, ...
    nvargs: values of $name.  precision: "double" or "single".  seed: start of the random numbers.  path: folders for
    source().  systemds_root: a SystemDS whose scripts can be used by name (see `config.systemds_scripts`); default
    $SYSTEMDS_ROOT.  stdout: where print() writes.  Raises DMLError.
    """
    prepared = Script(
        script,
        args=args,
        nvargs=nvargs,
        precision=precision,
        seed=seed,
        threads=threads,
        path=path,
        systemds_root=systemds_root,
        stdout=stdout,
    )
    return prepared.input(**(inputs or {})).input(**more_inputs).run(outputs)


def keep_freed_memory() -> None:
    """Let this process keep the memory of matrices that die for those that come: a third less time for training steps.

    It holds for the whole process, which does not shrink any more; so a program that embeds pydml asks for it, while the command line
    does it by itself.  On Linux with glibc; elsewhere nothing happens.
    """
    from pydml.backends.cpu.memory import keep_freed_memory

    keep_freed_memory()


def compile(
    script: Path_or_text,
    /,
    inputs: Mapping[str, Any] | Sequence[str] = (),
    outputs: Sequence[str] | str | None = None,
    **settings: Any,
) -> Compiled:
    """Compile a script once, to call it often: the result is a function of the inputs and returns a `Result`.

    inputs: names of the variables that each call gives a value, as a list, or as a dict with their types: `Matrix`,
    `Matrix(rows, cols)`, bool, int, float, str, list, or an example of a value.  Other arguments as in `run`.
    """
    return Script(script, **settings).compile(inputs, outputs)


def source(path: Path_or_text, /, **settings: Any) -> Library:
    """A DML file as an object whose attributes are its functions: `pydml.source("nn/layers/relu.dml").forward(X)`.

    The file is looked for as by source() in DML: in the working folder, in `path`, among the scripts shipped with pydml.
    Its top-level statements are not executed.  Other arguments as in `run`.
    """
    return Library(Script(path, **settings))

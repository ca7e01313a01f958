"""What a builtin is: one declaration, from which everything else derives.

    @builtin("cumsum(X: matrix) -> matrix", shape=same_as("X"))
    def cumsum(X):
        \"\"\"Running sum down each column.  X: (n, m).  Returns (n, m).  Same as SystemDS `cumsum`.\"\"\"
        return np.cumsum(X, axis=0)

    cumsum.case('cumsum(matrix("1 2 3 4", rows=2, cols=2))', "1 2 / 4 6")
    cumsum.fails('cumsum("a")', "argument-type", "X must be a matrix")

The function is the *meaning*: short, obviously right NumPy on dense matrices.  It gets run-time values (see
`values.storage`): ndarray, Sparse, List, int, float, bool, str; a bracket list arrives as a tuple, an argument that was not
given as its default (NULL is None).  A parameter called `index.return` in DML is `index_return` in Python.

Operators are builtins named by their symbol ("+", "%*%", "unary -", "!"), indexing is "[]" and "[]=".

Faster kernels, and kernels for other storages, are registered from `backends/` by `@kernel(name, *kinds)`; kinds are the
storages of the matrix arguments in order.  A kernel that does not want a call returns NotImplemented, and the meaning
runs.  Where no kernel fits, matrices are made dense and the meaning runs; `--stats` counts that.  Nobody imports a backend.

Rules.  `shape=` gives the size of a matrix result: a rule from `shapes.py` or a function of the argument types, in the order
of the parameters, that returns (rows, cols) with None for unknown; it raises DMLError "shape-mismatch" for a certain mistake.
`infer=` is for the rest: it returns the whole Type (or a tuple of Types).  The same rule runs before the program starts, with
what is known then, and before each call, unless the builtin declares `self_checking=True` because its meaning and all its
kernels check their arguments themselves.

`needs="context"` passes the execution context first (only builtins that print, read, write, draw random numbers, or stop);
`needs="dtype"` passes the run's precision first (builtins that make matrices from scalars).  `effects` names what is
visible outside: print, read, write, random, time, stop.  A builtin without effects may be folded, moved, shared or removed.

`state="identity"`: the builtin returns its argument, and the documentation says why.  `refused(signature, reason)` declares a name that
SystemDS has and pydml has not; a call fails before the run, with the reason.
"""

from __future__ import annotations

import importlib
import pkgutil
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

import numpy as np

from pydml.diagnostics import DMLError, fail
from pydml.records import dataclass
from pydml.signature import Signature, suggest
from pydml.types import (
    ANY,
    ANY_FRAME,
    ANY_LIST,
    ANY_MATRIX,
    BOOLEAN_SCALAR,
    DOUBLE_SCALAR,
    INT_SCALAR,
    STRING_SCALAR,
    UNKNOWN_SCALAR,
    Type,
)
from pydml.values import kind_of, to_dense, type_of
from pydml.values.storage import size_text

Rule = Callable[..., Any]

_NO_MATRICES = frozenset((int, float, bool, str, tuple, type(None)))  # classes of values that are certainly none
MOST_PASSED = 512  # calls whose sizes are remembered, of each builtin

_RESULT_TYPES = {
    "matrix": ANY_MATRIX,
    "frame": ANY_FRAME,
    "list": ANY_LIST,
    "int": INT_SCALAR,
    "double": DOUBLE_SCALAR,
    "boolean": BOOLEAN_SCALAR,
    "string": STRING_SCALAR,
    "scalar": UNKNOWN_SCALAR,
    "number": UNKNOWN_SCALAR,
    "any": ANY,
}


class ShapeRule:
    """A reusable shape rule that names parameters; `resolve` binds the names to positions."""

    def __init__(self, resolve: Callable[[Signature], Rule]):
        self.resolve = resolve


@dataclass(frozen=True)
class Case:
    """An expression and its expected value: `1 2 / 4 6` for a matrix, or the printed form of a scalar."""

    expression: str
    expected: str


@dataclass(frozen=True)
class Failure:
    """An expression that must fail, the id of the diagnostic, and a part of its message."""

    expression: str
    id: str
    message: str


class Builtin:
    """A native function or operator of DML.  Calling it runs it on values with all checks."""

    def __init__(
        self,
        signature: str,
        meaning: Callable[..., Any],
        *,
        shape: Rule | ShapeRule | None,
        infer: Rule | None,
        needs: str,
        effects: Iterable[str],
        aliases: Sequence[str],
        storages: str,
        self_checking: bool,
        samples: Any,
        state: str,
    ):
        self.signature = Signature.parse(signature)
        self.name = self.signature.name
        self.aliases = tuple(aliases)
        self.meaning = meaning
        self.doc = (meaning.__doc__ or "").strip()
        self.module = meaning.__module__
        self.needs = needs
        self.effects = frozenset(effects)
        self.self_checking = self_checking
        self.samples = samples
        self.state = state
        self.cases: list[Case] = []
        self.failures: list[Failure] = []
        self.kernels: dict[tuple[str, ...], Callable[..., Any]] = {}
        self.scalar: Callable[..., Any] | None = None  # the meaning for one number or boolean, without any check
        self.for_dense = False  # whether there is a kernel for dense matrices
        self.for_all = (
            False  # whether the meaning itself takes matrices of every storage, and passes on those it has no code for
        )
        self._dense: dict[int, Callable[..., Any] | None] = {}  # the kernel for so many dense matrices and no others
        self._passed: set[Any] = set()  # sizes and scalars of calls whose arguments fit, see `_check`
        if storages == "any":
            self.add_kernel(("*",), meaning)
        self._shape = shape.resolve(self.signature) if isinstance(shape, ShapeRule) else shape
        self._infer = infer
        self.results = tuple(_RESULT_TYPES[t] for _, t in self.signature.results)
        self._first = 1 if needs else 0
        self.checked = not self_checking and (shape is not None or infer is not None)  # by its rule before each call
        self.fallbacks = 0  # calls that had to make a matrix dense

    def __repr__(self) -> str:
        return f"<builtin {self.signature}>"

    # ---- declarations

    def add_kernel(self, kinds: tuple[str, ...], kernel: Callable[..., Any]) -> None:
        """Use `kernel` for matrix arguments of these storages; ("*",): for all that no other kernel takes."""
        self.kernels[kinds] = kernel
        self._dense = {}
        self.for_dense |= all(k in ("dense", "*") for k in kinds)

    def case(self, expression: str, expected: str) -> None:
        """Declare that `expression` gives `expected`.  A generated test runs it.

        Where one expression is not enough, it is several statements, the last of which assigns RESULT.
        """
        self.cases.append(Case(expression, expected))

    def fails(self, expression: str, id: str, message: str = "") -> None:
        """Declare that `expression` fails with diagnostic `id` and a message that contains `message`."""
        self.failures.append(Failure(expression, id, message))

    # ---- types

    def infer(self, types: Sequence[Type]) -> tuple[Type, ...]:
        """Types of the results for arguments of these types.  Raises DMLError for a certain mistake."""
        self.signature.check_types(types)
        return self.apply_rule(types)

    def apply_rule(self, types: Sequence[Type]) -> tuple[Type, ...]:
        if self._infer is not None:
            result = self._infer(*types)
            return result if type(result) is tuple else (result,)
        if self._shape is not None:
            rows, cols = self._shape(*types)
            return (self.results[0]._replace(rows=rows, cols=cols), *self.results[1:])
        return self.results

    # ---- execution

    def __call__(self, *args: Any) -> Any:
        """Run with argument type checks: for arguments whose types were not known before the run."""
        self.signature.check_types([type_of(a) for a in args[self._first :]])
        return self.run(*args)

    def run(self, *args: Any) -> Any:
        """Run on arguments that are known to have the right types: size checks, dispatch by storage."""
        if self.checked:
            self.check(args)
        matrices = 0
        for a in args:
            cls = type(a)
            if cls is np.ndarray:
                matrices += 1
            elif cls not in _NO_MATRICES and kind_of(a) is not None:
                return self._run_by_storage(args)
        try:
            if self.for_dense:
                try:
                    kernel = self._dense[matrices]
                except KeyError:
                    kernel = self.kernels.get(("dense",) * matrices) or self.kernels.get(("*",))
                    self._dense[matrices] = kernel
                if kernel is not None:
                    result = kernel(*args)
                    if result is not NotImplemented:
                        return result
            return self.meaning(*args)
        except MemoryError:
            self.explain_memory(args)

    def _run_by_storage(self, args: tuple[Any, ...]) -> Any:
        """`run` where not all matrices are dense."""
        try:
            kinds = tuple(k for k in map(kind_of, args) if k is not None)
            kernel = self.kernels.get(kinds) or self.kernels.get(("*",))
            if kernel is not None:
                result = kernel(*args)
                if result is not NotImplemented:
                    return result
            self.fallbacks += 1
            return self.meaning(*[a if kind_of(a) is None else to_dense(a) for a in args])
        except MemoryError:
            self.explain_memory(args)

    def check(self, args: tuple[Any, ...]) -> None:
        """The rule of sizes for these arguments.  Its answer follows from sizes and scalars alone, so what fitted once is not asked again."""
        key: list[Any] = []
        for a in args[self._first :]:
            cls = type(a)
            if cls is np.ndarray:
                key.append(a.shape)
            elif cls is tuple:
                key.append((*map(type, a), *a))  # 1 and TRUE are equal
            elif cls in _NO_MATRICES and (cls is not str or len(a) <= 64):
                key += cls, a
            else:
                self.apply_rule([type_of(a) for a in args[self._first :]])
                return
        found, passed = tuple(key), self._passed
        try:
            if found in passed:
                return
        except TypeError:  # a bracket list of something else than scalars
            pass
        self.apply_rule([type_of(a) for a in args[self._first :]])
        if not self.effects:  # what a file holds, say, may change
            if len(passed) >= MOST_PASSED:
                passed.clear()
            passed.add(found)

    def entry(self) -> Callable[..., Any]:
        """`run` for emitted code, which gets to the meaning sooner where that is all there is for dense matrices."""
        params = self.signature.params
        if self.checked or self.for_dense or self.needs or not params:
            return self.run
        if self.for_all:
            return self.meaning
        if any(p.kind != "one" for p in params) or any(p.accepts(ANY_MATRIX) for p in params[1:]):
            return self.run
        meaning, run = self.meaning, self.run

        def one(x: Any, *rest: Any) -> Any:
            cls = type(x)
            if cls is not np.ndarray and cls not in _NO_MATRICES:
                return run(x, *rest)
            try:
                return meaning(x, *rest)
            except MemoryError:
                self.explain_memory((x, *rest))

        return one

    def explain_memory(self, args: Sequence[Any]) -> NoReturn:
        """Raise DMLError "memory" with the size of the result, where it is known."""
        size = ""
        for type_ in self.apply_rule([type_of(a) for a in args[self._first :]]):
            if type_.shape_known:
                itemsize = max((a.dtype.itemsize for a in args if kind_of(a) is not None), default=8)
                bytes_ = size_text(type_.rows * type_.cols * itemsize)
                size = f", which would need {bytes_} as a dense matrix of {type_.rows} x {type_.cols}"
                break
        fail("memory", f"{self.name}: not enough memory for the result{size}")


class _Registry:
    """All builtins by name; filled by importing the modules of `pydml.builtins` on first use."""

    def __init__(self) -> None:
        self._builtins: dict[str, Builtin] = {}
        self._loaded = False
        self._lock = threading.RLock()

    def add(self, builtin: Builtin) -> None:
        for name in (builtin.name, *builtin.aliases):
            if name in self._builtins:
                raise ValueError(f"builtin {name} is declared twice")
            self._builtins[name] = builtin

    def load(self) -> dict[str, Builtin]:
        if not self._loaded:
            with self._lock:
                if not self._loaded:
                    self.declare_all()
                    importlib.import_module("pydml.backends").load()
                    self._loaded = True
        return self._builtins

    def declare_all(self) -> None:
        """Import the modules that declare builtins."""
        package = importlib.import_module("pydml.builtins")
        for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda i: i.name):
            importlib.import_module(f"pydml.builtins.{info.name}")


_REGISTRY = _Registry()


def builtin(
    signature: str,
    *,
    shape: Rule | ShapeRule | None = None,
    infer: Rule | None = None,
    needs: str = "",
    effects: Iterable[str] = (),
    aliases: Sequence[str] = (),
    storages: str = "dense",
    self_checking: bool = False,
    samples: Any = None,
    state: str = "native",
) -> Callable[[Callable[..., Any]], Builtin]:
    """Declare a builtin; see the module's docstring.  storages="any": the meaning takes matrices of every storage."""

    def declare(meaning: Callable[..., Any]) -> Builtin:
        result = Builtin(
            signature,
            meaning,
            shape=shape,
            infer=infer,
            needs=needs,
            effects=effects,
            aliases=aliases,
            storages=storages,
            self_checking=self_checking,
            samples=samples,
            state=state,
        )
        _REGISTRY.add(result)
        return result

    return declare


def refused(signature: str, reason: str, help: str = "") -> Builtin:
    """Declare a builtin of SystemDS that pydml has not: every call fails with "not-supported" and the reason."""
    name = signature.partition("(")[0]

    def refuse(*args: Any) -> Any:
        fail("not-supported", f"{name}: {reason}", help=help)

    refuse.__doc__ = f"Not supported: {reason}." + (f"  Instead, {help}." if help else "")
    refuse.__module__ = "pydml.builtins.refused"
    return builtin(signature, infer=refuse, storages="any", state="refused")(refuse)


def kernel(name: str, *kinds: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a kernel of builtin `name` for matrix arguments of these storages, e.g. `@kernel("%*%", "sparse", "dense")`."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        if name not in _REGISTRY._builtins:  # the module of kernels was imported by itself
            _REGISTRY.declare_all()
        _REGISTRY._builtins[name].add_kernel(kinds, function)
        return function

    return register


def lookup(name: str) -> Builtin | None:
    """The builtin of that name or alias, or None."""
    return _REGISTRY.load().get(name)


def get(name: str) -> Builtin:
    """The builtin of that name or alias.  Raises DMLError "undefined-function"."""
    found = lookup(name)
    if found is None:
        fail("undefined-function", f"there is no builtin {name}", help=suggest(name, names()))
    return found


def names() -> list[str]:
    """All names and aliases that can be called, sorted; operators are left out."""
    return sorted(n for n in _REGISTRY.load() if n[0].isalpha() and " " not in n)


def all_builtins() -> list[Builtin]:
    """Every builtin once, operators too, sorted by name."""
    return sorted(set(_REGISTRY.load().values()), key=lambda b: b.name)


__all__ = [
    "Builtin",
    "Case",
    "DMLError",
    "Failure",
    "ShapeRule",
    "all_builtins",
    "builtin",
    "get",
    "kernel",
    "lookup",
    "names",
    "refused",
]

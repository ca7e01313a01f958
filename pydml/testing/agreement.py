"""What every builtin must fulfil: its shape rule foretells the sizes of results, and its kernels agree with its meaning.

`check_calls` looks at the calls that an expression makes, for all combinations of dense and sparse matrices.
tests/builtins/test_agreement.py does this for all cases that builtins declare.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from pydml.builtins.registry import Builtin, get
from pydml.script import Script
from pydml.values import Sparse, is_matrix, to_dense, type_of

# A kernel may add up in another order than the meaning does: some hundred roundings of numbers as large as the largest.
TOLERANCE = 1e-12


def check_calls(expression: str) -> int:
    """Check all calls of builtins that an expression makes; how many there were."""
    count = 0
    with np.errstate(all="ignore"):
        for builtin, args in calls_of(expression):
            check_call(builtin, args)
            count += 1
    return count


def calls_of(expression: str) -> list[tuple[Builtin, tuple[Any, ...]]]:
    """The calls of builtins, with their arguments, while an expression is evaluated without the optimizer."""
    # a case is an expression, or statements that end in an assignment to RESULT
    text = expression if "RESULT =" in expression else f"RESULT = {expression}"
    script = Script(text, seed=1, optimized=False, stdout=io.StringIO())
    recorder = _Recorder()
    script.statistics = recorder
    script.executable().run(script.context())
    return recorder.calls


class _Recorder:
    """Stands in for Statistics: keeps calls instead of times."""

    def __init__(self) -> None:
        self.calls: list[tuple[Builtin, tuple[Any, ...]]] = []

    def wrap(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def recorded(*args: Any) -> Any:
            self.calls.append((get(name), args))
            return function(*args)

        return recorded


def check_call(builtin: Builtin, args: Sequence[Any]) -> None:
    """One call: the shape rule tells the sizes of the result, the kernels agree with the meaning."""
    first = 1 if builtin.needs else 0
    if builtin.effects - {"random"}:
        return
    dense = [to_dense(a) if is_matrix(a) else a for a in args]
    meant = builtin.meaning(*dense)
    foretold = builtin.apply_rule([type_of(a) for a in args[first:]])
    results = meant if isinstance(meant, tuple) else (meant,)
    for expected, result in zip(foretold, results, strict=True):
        actual = type_of(result)
        for part in ("data", "value", "rows", "cols"):
            told, is_ = getattr(expected, part), getattr(actual, part)
            unknown = told in (None, "unknown") or (part == "value" and expected.data != "scalar")
            assert unknown or told == is_, f"{builtin.name}: the rule says {expected}, the result is {actual}"
    if "random" in builtin.effects:
        return
    for variant in _storages(args):
        result = builtin.run(*variant)
        found = result if isinstance(result, tuple) else (result,)
        kinds = ", ".join("sparse" if type(a) is Sparse else "dense" for a in variant if is_matrix(a))
        for one, other in zip(found, results, strict=True):
            _check_equal(one, other, f"{builtin.name} on {kinds}")


def _storages(args: Sequence[Any]) -> Iterator[list[Any]]:
    """The arguments with each combination of dense and sparse matrices."""
    from scipy.sparse import csr_matrix

    def forms(value: Any) -> list[Any]:
        if not is_matrix(value):
            return [value]
        array = to_dense(value)
        return [array, Sparse(csr_matrix(array))]

    for combination in itertools.product(*map(forms, args)):
        yield list(combination)


def _check_equal(one: Any, other: Any, what: str) -> None:
    if not is_matrix(other):
        if isinstance(other, (int, float)) and not isinstance(other, bool):
            assert np.allclose(one, other, rtol=1e-10, atol=0, equal_nan=True), f"{what}: {one}, not {other}"
        return
    a, b = to_dense(one), to_dense(other)
    assert a.shape == b.shape, f"{what}: {a.shape}, not {b.shape}"
    finite = np.abs(b[np.isfinite(b)])
    scale = float(finite.max()) if finite.size else 1.0
    assert np.allclose(a, b, rtol=1e-10, atol=TOLERANCE * scale, equal_nan=True), f"{what}:\n{a}\nnot\n{b}"

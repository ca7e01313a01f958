"""Running parfor loops: iterations on threads, results merged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pydml.backends.cpu.threads import budget, limit, parallel_for
from pydml.builtins.indexing import assign_in_place, bounds
from pydml.diagnostics import fail
from pydml.execution.context import Context
from pydml.ir.program import ParFor
from pydml.values import List, Sparse, arithmetic

MISSING = object()  # in place of the value of a variable that has none


class ParforRunner:
    """Runs the parfor loops of a program.

    Each iteration gets its own random streams, so that results do not depend on the number of threads or on which thread
    ran which iteration.  Matrices that iterations update by cells are copied once; as the iterations write different
    cells, all write into that copy.  Sums (`+=`) are added in the order of iterations.
    """

    def __init__(self, loops: dict[str, ParFor]):
        self.loops = loops

    def __call__(
        self,
        context: Context,
        body: Callable[..., tuple[Any, ...]],
        name: str,
        iterations: range,
        options: dict[str, Any],
        inputs: tuple[Any, ...],
        names: tuple[str, ...],
        shared: tuple[str, ...],
    ) -> tuple[Any, ...]:
        """The results of a loop, in the order of their names.

        inputs: values of the variables `names`.  shared: results that belong to a loop around this one, whose copy is used.
        """
        loop = self.loops[name]
        results = sorted(loop.results)
        position = {n: i for i, n in enumerate(names)}
        values = list(inputs)
        for r in results:
            value = values[position[r]]
            if loop.results[r] == "cells":
                if type(value) is Sparse:
                    if r in loop.dynamic_check or not _stays_sparse(value):
                        value = value.to_dense()
                elif type(value) is np.ndarray and r not in shared:
                    value = np.array(value, order="C")
            elif value is not MISSING:
                value = _zero_like(value)
            values[position[r]] = value
        if not iterations:
            return tuple(inputs[position[r]] for r in results)

        context.random.next_seed()  # another loop, or the next run of this one, draws other numbers
        contexts = [context.fork(index) for index in range(len(iterations))]

        sparse = {position[r] for r in results if loop.results[r] == "cells" and type(values[position[r]]) is Sparse}

        def iterate(index: int) -> tuple[Any, ...]:
            with np.errstate(all="ignore"):
                # an iteration writes into an overlay of its own
                mine = [v.overlay() if k in sparse else v for k, v in enumerate(values)] if sparse else values
                return body(contexts[index], iterations[index], *mine)

        outcomes = self.run_all(iterate, len(iterations), _workers(options))
        for r in loop.dynamic_check:
            _check_writes(r, values[position[r]], iterations, contexts)
        for child in contexts:
            context.writes += child.writes
        return tuple(
            self.merge(loop.results[r], inputs[position[r]], values[position[r]], [o[k] for o in outcomes])
            for k, r in enumerate(results)
        )

    def run_all(self, iterate: Callable[[int], Any], count: int, workers: int) -> list[Any]:
        """The outcomes of all iterations.  An iteration has one thread of its own while there are several workers."""
        if workers == 1 or count == 1:
            return [iterate(i) for i in range(count)]
        outcomes: list[Any] = [None] * count
        errors: dict[int, Exception] = {}

        def run(start: int, stop: int) -> None:
            with limit(1):
                for i in range(start, stop):
                    if errors and min(errors) < i:
                        return
                    try:
                        outcomes[i] = iterate(i)
                    except Exception as error:
                        errors[i] = error

        with limit(workers):
            parallel_for(run, count, grain=max(1, count // (16 * workers)))
        if errors:  # the first in the order of iterations, whichever came first
            raise errors[min(errors)]
        return outcomes

    def merge(self, kind: str, before: Any, shared: Any, outcomes: list[Any]) -> Any:
        if kind == "sum" and before is not MISSING:
            result = before
            for part in outcomes:
                result = (
                    result + part if type(result) is not Sparse and type(part) is not Sparse else _add(result, part)
                )
            return result
        if isinstance(shared, np.ndarray):
            return shared
        if type(shared) is Sparse:
            if any(type(outcome) is not Sparse for outcome in outcomes):  # one has filled up
                return self.merge(kind, before, _dense_writes(shared, outcomes), outcomes)
            return shared.with_written([outcome.written_since(shared) for outcome in outcomes])
        if type(shared) is List:
            old = before.items
            items = list(old)
            for outcome in outcomes:
                for i, item in enumerate(outcome.items):
                    if item is not old[i]:
                        items[i] = item
            return List(items, before.names)
        return outcomes[-1]


def assign_recorded(context: Context, name: str, X: Any, rl: Any, ru: Any, cl: Any, cu: Any, value: Any) -> Any:
    """Left indexing in an iteration whose written cells are compared with those of the others afterwards."""
    result = assign_in_place(X, rl, ru, cl, cu, value)
    if isinstance(X, np.ndarray):
        context.writes.append((name, bounds(X, rl, ru, cl, cu)))
    return result


def _check_writes(name: str, X: Any, iterations: range, contexts: list[Context]) -> None:
    """Fail if two iterations have written the same cell of matrix `name`."""
    if not isinstance(X, np.ndarray):
        return
    owner = np.full(X.shape, -1, np.int32)
    for index, context in enumerate(contexts):
        for written, (r0, r1, c0, c1) in context.writes:
            if written != name:
                continue
            cells = owner[r0:r1, c0:c1]
            others = (cells >= 0) & (cells != index)
            if others.any():
                row, col = (int(v) for v in np.argwhere(others)[0])
                first = iterations[int(cells[row, col])]
                fail(
                    "parfor-dependency",
                    f"the iterations depend on each other: iterations {first} and {iterations[index]} both write "
                    f"{name}[{r0 + row + 1}, {c0 + col + 1}]",
                    help="use for, or check=0 if you know better",
                )
            cells[...] = index


# below that a dense copy is made: writing into it is faster
_DENSE_BYTES = 1 << 26


def _stays_sparse(X: Sparse) -> bool:
    return X.shape[0] * X.shape[1] * X.dtype.itemsize > _DENSE_BYTES


def _dense_writes(before: Sparse, outcomes: list[Any]) -> np.ndarray:
    """The dense matrix with what each iteration has written."""
    result = before.to_dense()
    original = result.copy()
    for outcome in outcomes:
        after = outcome if isinstance(outcome, np.ndarray) else outcome.to_dense()
        changed = after != original
        result[changed] = after[changed]
    return result


def _zero_like(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return np.zeros(value.shape, value.dtype)
    if type(value) is Sparse:
        return Sparse(value.csr * 0)
    return 0.0 if isinstance(value, float) else 0


def _add(a: Any, b: Any) -> Any:
    from pydml.builtins import registry

    return registry.get("+").run(a, b)


def _workers(options: dict[str, Any]) -> int:
    """Threads for a loop: the budget, or fewer if the option par says so."""
    wanted = options.get("par")
    if wanted is None:
        return budget()
    number = arithmetic.to_int(wanted)
    if number < 1:
        fail("value", f"parfor: par must be at least 1, got {number}")
    return min(number, budget())

"""Functions that emitted code calls besides builtins: loop ranges, ownership, predicates."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from pydml.builtins.indexing import assign_in_place, checked_assignment, replace_elements
from pydml.diagnostics import fail
from pydml.signature import article
from pydml.types import UNKNOWN
from pydml.values import List, Sparse, arithmetic, type_of

_getrefcount = sys.getrefcount


def loop_range(start: Any, stop: Any, step: Any = None) -> range:
    """The iterations of a for loop: inclusive bounds, truncated to ints; counts down by itself where start > stop.

    An increment of 0 or of the wrong sign gives no iteration.
    """
    first, last = _bound(start), _bound(stop)
    if step is None:
        return range(first, last + 1) if first <= last else range(first, last - 1, -1)
    increment = _bound(step)
    if increment == 0:
        return range(0)
    return range(first, last + (1 if increment > 0 else -1), increment)


def _bound(value: Any) -> int:
    if type(value) is int:
        return value
    if type(value) is float or type(value) is bool:
        return arithmetic.to_int(value)
    fail("type", f"the bounds of a for loop must be numbers, got {article(str(type_of(value)))}")


def truth(value: Any) -> bool:
    """A predicate of if or while: a scalar number or boolean."""
    cls = type(value)
    if cls is bool or cls is int or cls is float:
        return bool(value)
    found = type_of(value)
    fail(
        "type",
        f"the condition must be a boolean or a number, got {article(str(found)) if found.data != UNKNOWN else 'another value'}",
        help="use as.scalar()" if found.is_matrix else "",
    )


# ---- ownership
#
# A buffer may be written in place if nobody else can see it: the array owns its memory (it is no view), and the only
# reference to it is the variable that is assigned.  CPython counts references exactly; views hold one to the array that
# owns the memory, lists and callers hold theirs.  What the count is for a sole owner depends on how CPython passes
# arguments, so it is measured once, below, with the same kind of call that emitted code makes.


def _count(X: Any, *rest: Any) -> int:
    return _getrefcount(X)


def _measure() -> int:
    def caller(count: Any) -> int:
        X = np.empty((1, 1))
        return count(X, 1, 1)

    return caller(_count)


_SOLE_OWNER = _measure()


def owned_assign(X: Any, rl: Any, ru: Any, cl: Any, cu: Any, value: Any) -> Any:
    """`X[rl:ru, cl:cu] = value` in place if X is held by its variable alone, else on a copy.

    Into a sparse matrix only single cells are written in place.  A list lets go of the element that is replaced.
    """
    if type(X) is np.ndarray and _getrefcount(X) <= _SOLE_OWNER and X.base is None and X.flags.writeable:
        return assign_in_place(X, rl, ru, cl, cu, value)
    if type(X) is List:
        if _getrefcount(X) <= _SOLE_OWNER:
            return replace_elements(X, rl, ru, cl, value)
        return _ASSIGN.run(X, rl, ru, cl, cu, value)
    if type(X) is Sparse and type(value) in (float, int) and _getrefcount(X) <= _SOLE_OWNER:
        r0, r1, c0, c1 = checked_assignment(X, rl, ru, cl, cu, value)
        if r1 - r0 == c1 - c0 == 1:
            return X.put(r0, c0, value)
    return _ASSIGN.run(X, rl, ru, cl, cu, value)


def owned_cell(X: Any, i: Any, j: Any, value: Any) -> Any:
    """`X[i, j] = value` in place if X is held by its variable alone, else on a copy."""
    if type(X) is np.ndarray and _getrefcount(X) <= _SOLE_OWNER and X.base is None and X.flags.writeable:
        return assign_in_place(X, i, i, j, j, value)
    if type(X) is Sparse and type(value) in (float, int) and _getrefcount(X) <= _SOLE_OWNER:
        r0, _, c0, _ = checked_assignment(X, i, i, j, j, value)
        return X.put(r0, c0, value)
    return _ASSIGN.run(X, i, i, j, j, value)


def owned(X: Any) -> Any:
    """X, or a copy where it is an array that others may see, or that must not be written: for a loop that writes into its cells."""
    if type(X) is np.ndarray and not (_getrefcount(X) <= _SOLE_OWNER and X.base is None and X.flags.writeable):
        return X.copy()
    return X


def _load_assign() -> Any:
    from pydml.builtins import registry

    return registry.get("[]=")


_ASSIGN: Any = None


def initialize() -> None:
    """Look up the builtins that this module uses (not possible while they are being declared)."""
    global _ASSIGN
    if _ASSIGN is None:
        _ASSIGN = _load_assign()


def pick(variables: dict[str, Any], names: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """The outputs of the main script that have been assigned: (DML name, Python name)."""
    return {name: variables[python] for name, python in names if python in variables and variables[python] is not None}

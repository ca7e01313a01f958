"""Functions of each cell on sparse matrices: only the stored values are computed where the function maps 0 to 0.

Otherwise (exp, cos, ...) the result is dense and filled with the image of 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pydml.backends.sparse.form import all_finite, finish
from pydml.backends.sparse.operators import map_stored, map_union
from pydml.builtins import elementwise
from pydml.builtins.registry import Builtin, kernel, lookup
from pydml.builtins.tables import outer
from pydml.values import Sparse, to_dense

_UNARY = "abs sign sqrt exp sin cos tan asin acos atan sinh cosh tanh round floor ceil is.nan is.infinite".split()
_WITH_SCALARS = "log min max xor ifelse bitwAnd bitwOr bitwXor bitwShiftL bitwShiftR".split()
_BUILTINS = {b.name: b for b in vars(elementwise).values() if isinstance(b, Builtin)}


def _cellwise(function: Builtin) -> Callable[..., Any]:
    """The kernel for one sparse argument; all others are scalars."""

    def run(*args: Any) -> Any:
        at = next(i for i, a in enumerate(args) if type(a) is Sparse)
        return map_stored(lambda cells: function.meaning(*args[:at], cells, *args[at + 1 :]), args[at])

    return run


for _name in (*_UNARY, *_WITH_SCALARS):
    kernel(_name, "sparse")(_cellwise(_BUILTINS[_name]))


# Several sparse matrices of equal size, and scalars: the cells that any of them stores.
_OF_SEVERAL = "ifelse xor bitwAnd bitwOr bitwXor bitwShiftL bitwShiftR min max".split()


def _of_union(function: Builtin) -> Callable[..., Any]:
    def run(*args: Any) -> Any:
        if len({a.shape for a in args if type(a) is Sparse}) > 1:
            return NotImplemented  # a row or a column is repeated, or a mistake
        return map_union(function.meaning, *args)

    return run


for _name in _OF_SEVERAL:
    for _count in (2, 3, 4) if _name in ("min", "max") else (2, 3):
        kernel(_name, *["sparse"] * _count)(_of_union(_BUILTINS[_name]))


# ---- minimum and maximum


def _extremum(function: Builtin, ufunc: np.ufunc, of_two: Callable[[Any, Any], Any]) -> None:
    cellwise, union = _cellwise(function), _of_union(function)

    @kernel(function.name, "sparse")
    def with_scalars(*args: Any) -> Any:
        if len(args) > 1:
            return cellwise(*args)
        (X,) = args
        zeros = X.csr.data.size < X.shape[0] * X.shape[1]
        if not X.csr.data.size:
            return 0.0 if zeros else function.meaning(np.zeros((0, 0)))
        stored = float(ufunc.reduce(X.csr.data))
        return float(ufunc(stored, 0.0)) if zeros else stored

    @kernel(function.name, "sparse", "sparse")
    def of_matrices(*args: Any) -> Any:
        if len(args) != 2 or args[0].shape != args[1].shape:
            return union(*args)
        left, right = (a.csr for a in args)
        if not (all_finite(left.data) and all_finite(right.data)):
            return union(*args)  # SciPy would lose NaN
        return finish(of_two(left, right))


_extremum(elementwise.min_, np.minimum, lambda a, b: a.minimum(b))
_extremum(elementwise.max_, np.maximum, lambda a, b: a.maximum(b))


# ---- a column and a row


@kernel("outer", "sparse", "sparse")
@kernel("outer", "sparse", "dense")
@kernel("outer", "dense", "sparse")
def outer_sparse(u, v, op):
    return outer.run(to_dense(u), to_dense(v), op)


@kernel("bias_multiply", "sparse", "dense")
def bias_multiply_sparse(X, b):
    return lookup("*").run(X, np.repeat(b[:, 0], X.shape[1] // len(b)).reshape(1, -1))

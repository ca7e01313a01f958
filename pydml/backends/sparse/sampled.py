"""Elementwise expressions that hold a matrix product, at the cells of a sparse matrix: `sum(S * log(U %*% t(V) + 1))`.

The expression is computed at the stored cells of S only, if it is certainly 0 at all others.  That S is 0 there does not suffice, as
0 * log(-1) is NaN: intervals that hold the values of each step at the other cells are computed from the extremes of the operands.
Where they show no zero, the whole product is computed, as if nothing were sparse.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pydml.backends.cpu.threads import parallel_for
from pydml.backends.sparse.form import row_numbers, with_data
from pydml.backends.sparse.product import weighted_cells
from pydml.builtins.fused import Template
from pydml.builtins.registry import kernel, lookup
from pydml.builtins.sampled import Sampling, sampled_steps
from pydml.values import Sparse

_MOST_SHARE = 0.15  # of stored cells, above which the whole product is faster
_TILE_CELLS = 1 << 14
_NS_PER_STEP = 1.0
_ROUNDING = 1e-3  # relative error of a product that intervals allow for, far more than there is

Interval = tuple[Any, Any] | None  # two finite numbers of the type of the cells; None: anything, NaN too

_MONOTONIC = frozenset({"+", "-", "*", "<", "<=", ">", ">=", "min", "max", "unary -", "exp", "sign", "floor", "ceil", "tanh"})  # fmt: skip
_LOGICAL = frozenset({"==", "!=", "&", "|", "!"})


@kernel("sampled steps", "*")
def sampled_steps_sparse(plan: Sampling, U: Any, V: Any, *inputs: Any) -> Any:
    for x in inputs:
        if type(x) is Sparse:
            result = _sampled(plan, U, V, inputs)
            if result is not None:
                return result
            break
    return sampled_steps.meaning(plan, U, V, *inputs)


def _sampled(plan: Sampling, U: Any, V: Any, inputs: tuple[Any, ...]) -> Any:
    """None where the product is needed as a whole."""
    if type(U) is not np.ndarray or type(V) is not np.ndarray or U.shape[1] != V.shape[0] or U.size == 0 or V.size == 0:
        return None
    shape = (U.shape[0], V.shape[1])
    most = _MOST_SHARE * shape[0] * shape[1]
    masks = [x for x in inputs if type(x) is Sparse and x.shape == shape and x.csr.nnz <= most]
    if not masks or {x.dtype for x in (U, V, *inputs) if type(x) in (Sparse, np.ndarray)} != {U.dtype}:
        return None
    if not all(type(x) in (int, float) or (type(x) in (Sparse, np.ndarray) and _fits(x, shape)) for x in inputs):
        return None
    with np.errstate(all="ignore"):
        product = _product_interval(U, V)
        for mask in masks:
            off = [_interval_beside(mask, x) for x in inputs]
            off.insert(plan.at, product)
            if _result_interval(plan.cells, off, U.dtype) == (0, 0):
                break
        else:
            return None
    data = _evaluate(plan, mask, U, V, inputs)
    if plan.reduction == "sum":
        return float(data.sum(dtype=np.float64))
    result = with_data(mask, data)
    return lookup(plan.reduction).run(result) if plan.reduction else result


def _fits(x: Any, shape: tuple[int, int]) -> bool:
    """Whether x is a matrix of this size, or a row or a column to be repeated."""
    return x.shape == shape or (type(x) is np.ndarray and x.shape in ((1, shape[1]), (shape[0], 1), (1, 1)))


# ---- at the stored cells


def _evaluate(plan: Sampling, mask: Sparse, U: np.ndarray, V: np.ndarray, inputs: tuple[Any, ...]) -> np.ndarray:
    csr = mask.csr
    product = weighted_cells(mask, np.ones(csr.nnz, csr.dtype), U, V.T)
    rows, columns = row_numbers(mask), csr.indices
    values = [_stored_at(mask, rows, x) if type(x) is Sparse else x for x in inputs]
    values.insert(plan.at, product)
    out = np.empty(csr.nnz, csr.dtype)
    function = plan.cells.direct

    def run(start: int, stop: int) -> None:
        with np.errstate(all="ignore"):
            for tile in range(start, stop):
                part = slice(tile * _TILE_CELLS, (tile + 1) * _TILE_CELLS)
                row, column = rows[part], columns[part]
                out[part] = function(*[_cells(x, row, column, part) for x in values])[0]

    tiles = -(-csr.nnz // _TILE_CELLS)
    parallel_for(run, tiles, csr.nnz * len(plan.cells.steps) * _NS_PER_STEP)
    return out


def _cells(x: Any, row: np.ndarray, column: np.ndarray, part: slice) -> Any:
    """The cells of an operand, as a row.  A vector without second dimension holds those of all stored cells."""
    if type(x) is not np.ndarray:
        return x
    if x.ndim == 1:
        return x[part].reshape(1, -1)
    return x[row if x.shape[0] > 1 else 0, column if x.shape[1] > 1 else 0].reshape(1, -1)


def _same_cells(a: Any, b: Any) -> bool:
    if a is b or (a.indices is b.indices and a.indptr is b.indptr):
        return True
    return a.nnz == b.nnz and np.array_equal(a.indptr, b.indptr) and np.array_equal(a.indices, b.indices)


def _stored_at(mask: Sparse, rows: np.ndarray, X: Sparse) -> np.ndarray:
    """The cells of X, a matrix of the size of `mask`, where that has stored ones."""
    if _same_cells(mask.csr, X.csr):
        return X.csr.data
    cols = mask.shape[1]
    wanted = rows.astype(np.int64) * cols + mask.csr.indices
    places = row_numbers(X).astype(np.int64) * cols + X.csr.indices
    out = np.zeros(wanted.size, X.dtype)
    if places.size:
        at = np.minimum(np.searchsorted(places, wanted), places.size - 1)
        found = places[at] == wanted
        out[found] = X.csr.data[at[found]]
    return out


# ---- at the other cells


def _interval_beside(mask: Sparse, x: Any) -> Interval:
    """Of an operand, at the cells that `mask` does not store."""
    if type(x) is Sparse:
        if _same_cells(mask.csr, x.csr):
            return x.dtype.type(0), x.dtype.type(0)
        if not x.csr.nnz:
            return x.dtype.type(0), x.dtype.type(0)
        low, high = x.csr.data.min(), x.csr.data.max()
        return _finite(min(low, x.dtype.type(0)), max(high, x.dtype.type(0)))
    if type(x) is np.ndarray:
        return _finite(x.min(), x.max())
    return _finite(mask.dtype.type(x), mask.dtype.type(x))


def _finite(low: Any, high: Any) -> Interval:
    return (low, high) if np.isfinite(low) and np.isfinite(high) else None


def _product_interval(U: np.ndarray, V: np.ndarray) -> Interval:
    """Of the cells of U %*% V, from the extremes of the columns of U and of the rows of V."""
    u, v = _column_extremes(U), _column_extremes(V.T)
    corners = (u[:, None] * v[None]).reshape(4, -1)
    low, high = corners.min(0), corners.max(0)
    # A sum of terms of one sign is not of the other, however it is rounded.
    slack = _ROUNDING * np.abs(corners).max(0).sum()
    least = low.sum() * (1 - _ROUNDING) if (low >= 0).all() else low.sum() - slack
    most = high.sum() * (1 - _ROUNDING) if (high <= 0).all() else high.sum() + slack
    return _finite(least, most)


def _column_extremes(X: np.ndarray) -> np.ndarray:
    """The smallest and the largest cell of each column, (2, columns)."""
    rows, cols = X.shape
    if not X.flags.c_contiguous or rows < 1024 or cols > 256:
        return np.stack((X.min(0), X.max(0)))
    # NumPy takes a step for each row, so several rows are one: a tenth of the time
    joined = 32
    whole = rows - rows % joined
    wide = X[:whole].reshape(-1, joined * cols)
    parts = [np.concatenate((f(wide, axis=0).reshape(joined, cols), X[whole:])) for f in (np.min, np.max)]
    return np.stack((parts[0].min(0), parts[1].max(0)))


def _result_interval(template: Template, inputs: list[Interval], dtype: Any) -> Interval:
    found: list[Interval] = []
    for step, function in zip(template.steps, template.builtins, strict=True):
        args = [inputs[a] if a >= 0 else found[-a - 1] for a in step.args]
        one = len(args) == 2 and step.args[0] == step.args[1]
        found.append(None if None in args else _step_interval(step.builtin, function.meaning, args, one, dtype))
    return found[-1]


def _step_interval(name: str, meaning: Any, args: list[Any], one: bool, dtype: Any) -> Interval:
    """Of the values of a step.  They lie between those at the corners, as rounding keeps the order.

    args: finite.  one: both operands are the same value.
    """
    low, high = args[0]
    known = all(a == b for a, b in args)
    divides = name == "/" and (args[1][0] > 0 or args[1][1] < 0)
    roots = (name == "sqrt" and low >= 0) or (name == "log" and low > 0)
    if known or name in _MONOTONIC or divides or roots:
        corners = args
    elif name == "abs":
        corners = [(low, high, dtype.type(0)) if low < 0 < high else (low, high)]
    elif name == "^" and args[1][0] == args[1][1]:
        exponent = args[1][0]
        if not (low > 0 or (exponent > 0 and (low >= 0 or exponent == int(exponent)))):
            return None
        corners = [(low, high, dtype.type(0)) if low < 0 < high else (low, high), args[1][:1]]
    elif name in _LOGICAL:
        return dtype.type(0), dtype.type(1)
    elif name in ("sin", "cos"):
        return dtype.type(-1), dtype.type(1)
    elif name == "replace NaN":
        return args[0]
    else:
        return None
    if one and name == "*":  # a square
        corners = [(low, high, dtype.type(0)) if low < 0 < high else (low, high)]
        values = np.square(np.array(corners, dtype))
    else:
        grid = np.meshgrid(*[np.array(c, dtype) for c in corners])
        values = meaning(*[g.reshape(1, -1) for g in grid])
    return _finite(values.min(), values.max())

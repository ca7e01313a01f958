"""Aggregates: sums, means, extremes, products and variances of a matrix, of its rows or of its columns; running sums and products.

A NaN among the cells makes the result NaN.  A row or column without cells gives 0.  Sums, means and variances of single precision
matrices are accumulated in double precision.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from pydml.builtins.registry import Builtin, builtin
from pydml.builtins.shapes import cols_of, rows_of, same_as, square
from pydml.diagnostics import fail
from pydml.types import DOUBLE_SCALAR, Type, matrix_type

ndarray = np.ndarray


# ---- of all cells


_DOUBLE = np.dtype(np.float64)  # NumPy would look it up for each sum
_add = np.add.reduce


def _total(X: np.ndarray) -> float:
    return float(_add(X, None, _DOUBLE))


@builtin("sum(X: matrix) -> double", self_checking=True)
def sum_(X):
    """Sum of all cells; 0 if there are none."""
    if type(X) is ndarray:
        return float(_add(X, None, _DOUBLE))
    return sum_.run(X)


sum_.for_all = True
sum_.case('sum(matrix("1 2 3", 1, 3))', "6.0")
sum_.case("sum(matrix(0, 0, 3))", "0.0")
sum_.fails("sum(3)", "argument-type", "X must be a matrix")


def _weights_type(X: Type, weights: Type) -> Type:
    if weights.data == "matrix":
        same_size("mean", X, weights)
    return DOUBLE_SCALAR


def same_size(function: str, X: Type, weights: Type) -> None:
    """Fail unless the weights can have the size of X."""
    for a, b in ((X.rows, weights.rows), (X.cols, weights.cols)):
        if None not in (a, b) and a != b:
            fail("shape-mismatch", f"{function}: {weights.size_text()} weights do not fit {X.size_text()} values")


@builtin("mean(X: matrix, weights: matrix = NULL) -> double", infer=_weights_type, aliases=["avg"])
def mean(X, weights):
    """Mean of all cells, weighted if weights are given (of the size of X); NaN if there are no cells."""
    if weights is not None:
        return float(np.divide(_total(X * weights), _total(weights)))
    return _total(X) / X.size if X.size else math.nan


mean.case('mean(matrix("1 2 6", 3, 1))', "3.0")
mean.case('mean(matrix("1 2", 2, 1), matrix("3 1", 2, 1))', "1.25")
mean.case("mean(matrix(0, 0, 3))", "NaN")
mean.fails("mean(matrix(1, 3, 1), matrix(1, 2, 1))", "shape-mismatch", "weights")


def variance(X: np.ndarray) -> float:
    """Sum of squared differences from the mean over n - 1; 0 for one cell, NaN for none."""
    n = X.size
    if n < 2:
        return math.nan if n == 0 else 0.0
    d = X - X.dtype.type(_total(X) / n)
    return max(_total(np.multiply(d, d, out=d)) / (n - 1), 0.0)


@builtin("var(X: matrix) -> double", self_checking=True)
def var(X):
    """Variance of all cells with divisor n - 1; 0 for a single cell, NaN for none."""
    return variance(X)


var.case('var(matrix("1 2 3 4", 2, 2))', "1.6666666666666667")
var.case("var(matrix(3, 1, 1))", "0.0")
var.fails("var(3)", "argument-type", "X must be a matrix")


@builtin("sd(X: matrix) -> double", self_checking=True)
def sd(X):
    """Standard deviation of all cells, the root of the variance with divisor n - 1; 0 for a single cell, NaN for none."""
    return math.sqrt(variance(X))


sd.case('sd(matrix("1 3 1 3 2", 5, 1))', "1.0")
sd.case("sd(matrix(3, 1, 1))", "0.0")
sd.fails("sd(3)", "argument-type", "X must be a matrix")


@builtin("prod(X: matrix) -> double", self_checking=True)
def prod(X):
    """Product of all cells; 1 if there are none."""
    return float(X.prod(dtype=np.float64))


prod.case('prod(matrix("2 3 4", 1, 3))', "24.0")
prod.case("prod(matrix(0, 0, 3))", "1.0")
prod.fails("prod(3)", "argument-type", "X must be a matrix")


def _trace_type(X: Type) -> Type:
    square("trace", "X", X)
    return DOUBLE_SCALAR


@builtin("trace(X: matrix) -> double", infer=_trace_type, aliases=["tr"])
def trace(X):
    """Sum of the diagonal of a square matrix."""
    return float(np.trace(X, dtype=np.float64))


trace.case('trace(matrix("1 2 3 4", 2, 2))', "5.0")
trace.case("tr(matrix(2, 1, 1))", "2.0")
trace.fails("trace(matrix(1, 2, 3))", "shape-mismatch", "must be square, got 2 x 3")


# ---- of rows and columns


def _along(function: Callable[[np.ndarray, int], np.ndarray]) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """The functions of rows and of columns: `function(X, axis)` keeps the axis and gets matrices with cells only."""

    def rows(X: np.ndarray) -> np.ndarray:
        return function(X, 1).astype(X.dtype, copy=False) if X.size else np.zeros((X.shape[0], 1), X.dtype)

    def cols(X: np.ndarray) -> np.ndarray:
        return function(X, 0).astype(X.dtype, copy=False) if X.size else np.zeros((1, X.shape[1]), X.dtype)

    return rows, cols


def _sums(X: np.ndarray, axis: int) -> np.ndarray:
    return X.sum(axis=axis, keepdims=True, dtype=np.float64)


def _means(X: np.ndarray, axis: int) -> np.ndarray:
    return _sums(X, axis) / X.shape[axis]


def _variances(X: np.ndarray, axis: int) -> np.ndarray:
    n = X.shape[axis]
    if n == 1:
        return np.zeros_like(X)
    d = X - _means(X, axis).astype(X.dtype)
    return _sums(np.multiply(d, d, out=d), axis) / (n - 1)


def _declare(
    kind: str, function: Callable[[np.ndarray, int], np.ndarray], rows_doc: str, cols_doc: str
) -> tuple[Builtin, Builtin]:
    """Declare row<kind> and col<kind>."""
    declared = []
    for axis, name, doc, rule in zip(
        "rc", ("row", "col"), (rows_doc, cols_doc), (rows_of("X"), cols_of("X")), strict=True
    ):
        meaning = _along(function)[axis == "c"]
        meaning.__doc__ = doc
        declared.append(builtin(f"{name}{kind}(X: matrix) -> matrix", shape=rule, self_checking=True)(meaning))
        declared[-1].fails(f"{name}{kind}(3)", "argument-type", "X must be a matrix")
    return declared[0], declared[1]


rowSums, colSums = _declare("Sums", _sums, "Sum of each row.  Returns (n, 1).", "Sum of each column.  Returns (1, m).")
rowSums.case('rowSums(matrix("1 2 3 4", 2, 2))', "3 / 7")
rowSums.case("rowSums(matrix(0, 2, 0))", "0 / 0")
colSums.case('colSums(matrix("1 2 3 4", 2, 2))', "4 6")
colSums.case("colSums(matrix(0, 0, 2))", "0 0")

rowMeans, colMeans = _declare(
    "Means", _means, "Mean of each row.  Returns (n, 1).", "Mean of each column.  Returns (1, m)."
)
rowMeans.case('rowMeans(matrix("1 2 3 4", 2, 2))', "1.5 / 3.5")
rowMeans.case('rowMeans(matrix("1 NaN 3 4", 2, 2))', "NaN / 3.5")
colMeans.case('colMeans(matrix("1 2 3 4", 2, 2))', "2 3")
colMeans.case("colMeans(matrix(0, 0, 2))", "0 0")

rowMins, colMins = _declare(
    "Mins",
    lambda X, axis: X.min(axis=axis, keepdims=True),
    "Smallest cell of each row.  Returns (n, 1).",
    "Smallest cell of each column.  Returns (1, m).",
)
rowMins.case('rowMins(matrix("1 2 4 3", 2, 2))', "1 / 3")
rowMins.case('rowMins(matrix("1 NaN 4 3", 2, 2))', "NaN / 3")
colMins.case('colMins(matrix("1 2 4 -3", 2, 2))', "1 -3")
colMins.case("colMins(matrix(0, 0, 2))", "0 0")

rowMaxs, colMaxs = _declare(
    "Maxs",
    lambda X, axis: X.max(axis=axis, keepdims=True),
    "Largest cell of each row.  Returns (n, 1).",
    "Largest cell of each column.  Returns (1, m).",
)
rowMaxs.case('rowMaxs(matrix("1 2 4 3", 2, 2))', "2 / 4")
rowMaxs.case('rowMaxs(matrix("1 NaN 4 3", 2, 2))', "NaN / 4")
colMaxs.case('colMaxs(matrix("1 2 4 -3", 2, 2))', "4 2")
colMaxs.case("colMaxs(matrix(0, 0, 2))", "0 0")

rowProds, colProds = _declare(
    "Prods",
    lambda X, axis: X.prod(axis=axis, keepdims=True, dtype=np.float64),
    "Product of each row.  Returns (n, 1).",
    "Product of each column.  Returns (1, m).",
)
rowProds.case('rowProds(matrix("1 2 4 3", 2, 2))', "2 / 12")
rowProds.case("rowProds(matrix(5, 2, 1))", "5 / 5")
colProds.case('colProds(matrix("1 2 4 -3", 2, 2))', "4 -6")
colProds.case("colProds(matrix(5, 1, 2))", "5 5")

rowVars, colVars = _declare(
    "Vars",
    _variances,
    "Variance of each row with divisor m - 1; 0 for a single column.  Returns (n, 1).",
    "Variance of each column with divisor n - 1; 0 for a single row.  Returns (1, m).",
)
rowVars.case('rowVars(matrix("1 3 4 4", 2, 2))', "2 / 0")
rowVars.case('rowVars(matrix("1 2", 2, 1))', "0 / 0")
colVars.case('colVars(matrix("1 2 3 4", 2, 2))', "2 2")
colVars.case('colVars(matrix("1 2", 1, 2))', "0 0")

rowSds, colSds = _declare(
    "Sds",
    lambda X, axis: np.sqrt(_variances(X, axis)),
    "Standard deviation of each row with divisor m - 1; 0 for a single column.  Returns (n, 1).",
    "Standard deviation of each column with divisor n - 1; 0 for a single row.  Returns (1, m).",
)
rowSds.case('rowSds(matrix("1 2 3 4 4 4", 2, 3))', "1 / 0")
rowSds.case('rowSds(matrix("1 2", 2, 1))', "0 / 0")
colSds.case('colSds(matrix("1 2 3", 3, 1))', "1")
colSds.case('colSds(matrix("1 2", 1, 2))', "0 0")


def _last_index_of_largest(X: np.ndarray) -> np.ndarray:
    n, m = X.shape
    if X.size == 0:
        return np.zeros((n, 1), X.dtype)
    index = m - 1 - X[:, ::-1].argmax(axis=1)
    if np.isnan(X[np.arange(n), index]).any():  # argmax stops at NaN; here NaN is passed over
        known = ~np.isnan(X)
        largest = np.where(known, X, -np.inf).max(axis=1, keepdims=True)
        index = (np.where(known & (largest == X), np.arange(m), 0)).max(axis=1)
    return (index + 1).reshape(-1, 1).astype(X.dtype)


@builtin("rowIndexMax(X: matrix) -> matrix", shape=rows_of("X"), self_checking=True)
def rowIndexMax(X):
    """Column number (1-based) of the largest cell of each row; of equal ones the last.  Returns (n, 1).

    NaN is passed over; a row of nothing else gives 1.
    """
    return _last_index_of_largest(X)


rowIndexMax.case('rowIndexMax(matrix("3 3 2", 1, 3))', "2")
rowIndexMax.case('rowIndexMax(matrix("9 NaN 4 NaN NaN NaN", 2, 3))', "1 / 1")
rowIndexMax.fails("rowIndexMax(3)", "argument-type", "X must be a matrix")


@builtin("rowIndexMin(X: matrix) -> matrix", shape=rows_of("X"), self_checking=True)
def rowIndexMin(X):
    """Column number (1-based) of the smallest cell of each row; of equal ones the last.  Returns (n, 1).

    NaN is passed over; a row of nothing else gives 1.
    """
    return _last_index_of_largest(-X)


rowIndexMin.case('rowIndexMin(matrix("0 -1 -1", 1, 3))', "3")
rowIndexMin.case('rowIndexMin(matrix("9 NaN 4", 1, 3))', "3")
rowIndexMin.fails("rowIndexMin(3)", "argument-type", "X must be a matrix")


# ---- running aggregates


def _running(name: str, function: Callable[[np.ndarray], np.ndarray], doc: str) -> Builtin:
    def meaning(X: np.ndarray) -> np.ndarray:
        return function(X).astype(X.dtype, copy=False)

    meaning.__doc__ = doc
    declared = builtin(f"{name}(X: matrix) -> matrix", shape=same_as("X"), self_checking=True)(meaning)
    declared.fails(f"{name}(3)", "argument-type", "X must be a matrix")
    return declared


cumsum = _running("cumsum", lambda X: np.cumsum(X, axis=0, dtype=np.float64), "Running sum down each column.")
cumsum.case('cumsum(matrix("1 2 3 4", 2, 2))', "1 2 / 4 6")
cumsum.case('cumsum(matrix("1 NaN 3", 3, 1))', "1 / NaN / NaN")

cumprod = _running("cumprod", lambda X: np.cumprod(X, axis=0, dtype=np.float64), "Running product down each column.")
cumprod.case('cumprod(matrix("1 2 3 4", 2, 2))', "1 2 / 3 8")
cumprod.case('cumprod(matrix("2 0 3", 3, 1))', "2 / 0 / 0")

cummin = _running("cummin", lambda X: np.minimum.accumulate(X, axis=0), "Smallest cell so far down each column.")
cummin.case('cummin(matrix("3 1 2", 3, 1))', "3 / 1 / 1")
cummin.case('cummin(matrix("3 NaN 2", 3, 1))', "3 / NaN / NaN")

cummax = _running("cummax", lambda X: np.maximum.accumulate(X, axis=0), "Largest cell so far down each column.")
cummax.case('cummax(matrix("1 3 2", 3, 1))', "1 / 3 / 3")
cummax.case('cummax(matrix("3 NaN 2", 3, 1))', "3 / NaN / NaN")

rowcumsum = _running("rowcumsum", lambda X: np.cumsum(X, axis=1, dtype=np.float64), "Running sum along each row.")
rowcumsum.case('rowcumsum(matrix("1 2 3 4", 2, 2))', "1 3 / 3 7")
rowcumsum.case('rowcumsum(matrix("1 NaN 3", 1, 3))', "1 NaN NaN")


def _two_columns(X: Type) -> Type:
    if X.cols not in (2, None):
        fail("shape-mismatch", f"cumsumprod: X must have two columns, got {X.size_text()}")
    return matrix_type(X.rows, 1)


@builtin("cumsumprod(X: matrix) -> matrix", infer=_two_columns)
def cumsumprod(X):
    """Linear recurrence y[i] = X[i,1] + X[i,2] * y[i-1] with y[0] = 0.  X: (n, 2).  Returns (n, 1)."""
    y, result = 0.0, []
    for a, b in zip(X[:, 0].tolist(), X[:, 1].tolist(), strict=True):
        y = a + b * y
        result.append(y)
    return np.array(result, dtype=X.dtype).reshape(-1, 1)


cumsumprod.case('cumsumprod(matrix("1 2 3 4 5 6", 3, 2))', "1 / 7 / 47")
cumsumprod.case("cumsumprod(matrix(0, 0, 2))", "")
cumsumprod.fails("cumsumprod(matrix(1, 2, 3))", "shape-mismatch", "two columns")

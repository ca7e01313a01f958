"""Statistics of vectors: moments, covariance, median, quantiles.

Values and weights are column vectors (n x 1).  In order statistics a weight says how often its value occurs.
"""

from __future__ import annotations

import math

import numpy as np

from pydml.builtins.aggregate import same_size
from pydml.builtins.registry import builtin
from pydml.builtins.shapes import column_vector
from pydml.diagnostics import fail
from pydml.types import DOUBLE_SCALAR, MATRIX, SCALAR, UNKNOWN, UNKNOWN_SCALAR, Type, matrix_type


def _vectors(function: str, X: Type, weights: Type) -> None:
    column_vector(function, "X", X)
    if weights.data == MATRIX:
        same_size(function, X, weights)


def _double(x: np.ndarray) -> np.ndarray:
    return x.ravel().astype(np.float64, copy=False)


# ---- moments


def _moment_type(X: Type, weights: Type, order: Type) -> Type:
    if order.data == "null":
        if weights.data == MATRIX:
            fail("call", "moment: the order is missing", help="moment(X, order) or moment(X, weights, order)")
        order, weights = weights, Type("null")
    elif weights.data not in (MATRIX, UNKNOWN):
        fail("argument-type", "moment: weights must be a matrix")
    _vectors("moment", X, weights)
    if order.const is not None and order.const not in (0, 2, 3, 4):
        fail("value", f"moment: the order must be 2, 3 or 4, got {order.const}")
    return DOUBLE_SCALAR


def central_moment(x: np.ndarray, w: np.ndarray | None, order: int) -> float:
    """sum(w * (x - mean)^order) / sum(w); the mean itself for order 0.  NaN without values."""
    total = x.size if w is None else w.sum()
    mean = np.divide(x.sum() if w is None else (x * w).sum(), total)
    if order == 0:
        return float(mean)
    powers = (x - mean) ** order
    return float(np.divide(powers.sum() if w is None else (powers * w).sum(), total))


@builtin(
    "moment(X: matrix, weights: matrix|number, order: number = NULL) -> double",
    infer=_moment_type,
    aliases=["centralMoment"],
)
def moment(X, weights, order):
    """Central moment of a column vector: sum(w * (x - mean)^order) / sum(w).  `moment(X, order)` or `moment(X, weights, order)`.

    The order is 2, 3 or 4; 0 gives the mean, as in SystemDS.  The divisor is n (not n - 1 as in var).
    """
    if order is None:
        weights, order = None, weights
    return central_moment(_double(X), None if weights is None else _double(weights), int(order))


moment.case('moment(matrix("1 2 3 4", 4, 1), 2)', "1.25")
moment.case('moment(matrix("1 2 6", 3, 1), 3)', "6.0")
moment.case('centralMoment(matrix("1 3", 2, 1), matrix("3 1", 2, 1), 2)', "0.75")
moment.case('moment(matrix("1 2 6", 3, 1), 0)', "3.0")
moment.fails("moment(matrix(1, 1, 3), 2)", "shape-mismatch", "column vector")
moment.fails("moment(matrix(1, 3, 1), 1)", "value", "the order must be 2, 3 or 4")
moment.fails("moment(matrix(1, 3, 1), matrix(1, 2, 1), 2)", "shape-mismatch", "weights")


def _cov_type(X: Type, Y: Type, weights: Type) -> Type:
    column_vector("cov", "X", X)
    column_vector("cov", "Y", Y)
    if None not in (X.rows, Y.rows) and X.rows != Y.rows:
        fail("shape-mismatch", f"cov: X is {X.size_text()}, Y is {Y.size_text()}")
    _vectors("cov", X, weights)
    return DOUBLE_SCALAR


@builtin("cov(X: matrix, Y: matrix, weights: matrix = NULL) -> double", infer=_cov_type)
def cov(X, Y, weights):
    """Covariance of two column vectors: sum(w * (x - mean(x)) * (y - mean(y))) / (sum(w) - 1), with w = 1 without weights."""
    x, y = _double(X), _double(Y)
    w = np.ones_like(x) if weights is None else _double(weights)
    total = w.sum()
    dx, dy = x - np.divide((w * x).sum(), total), y - np.divide((w * y).sum(), total)
    return float(np.divide((w * dx * dy).sum(), total - 1))


cov.case('cov(matrix("1 2 3", 3, 1), matrix("1 2 3", 3, 1))', "1.0")
cov.case('cov(matrix("1 3", 2, 1), matrix("1 3", 2, 1), matrix("2 1", 2, 1))', "1.3333333333333335")
cov.fails("cov(matrix(1, 3, 1), matrix(1, 4, 1))", "shape-mismatch", "3 x 1, Y is 4 x 1")


# ---- order statistics


class _Sorted:
    """Sorted values with the number of occurrences up to each."""

    def __init__(self, function: str, X: np.ndarray, weights: np.ndarray | None):
        if X.size == 0:
            fail("value", f"{function}: there are no values")
        order = np.argsort(X.ravel(), kind="stable")
        self.values = X.ravel()[order].astype(np.float64)
        occurrences = np.ones(X.size) if weights is None else _double(weights)[order]
        if not ((occurrences >= 0).all() and 0 < occurrences.sum() < math.inf):
            fail("value", f"{function}: weights must not be negative, NaN, infinite or all zero")
        self.upto = np.cumsum(occurrences)
        self.count = float(self.upto[-1])

    def at(self, position: float) -> float:
        """The value at a 1-based position among all occurrences."""
        return float(self.values[min(int(np.searchsorted(self.upto, position)), self.values.size - 1)])

    def quantile(self, p: float, average: bool) -> float:
        position = max(math.ceil(p * self.count), 1)
        if average and self.count % 2 == 0 and p > 0 and position < self.count:
            return (self.at(position) + self.at(position + 1)) / 2
        return self.at(position)


def _median_type(X: Type, weights: Type) -> Type:
    _vectors("median", X, weights)
    return DOUBLE_SCALAR


@builtin("median(X: matrix, weights: matrix = NULL) -> double", infer=_median_type)
def median(X, weights):
    """Middle value of a column vector; the mean of the two middle values if their number is even."""
    return _Sorted("median", X, weights).quantile(0.5, average=True)


median.case('median(matrix("3 1 2", 3, 1))', "2.0")
median.case('median(matrix("3 1 4 1 5 9 2 6", 8, 1))', "3.5")
median.case('median(matrix("1 2 3", 3, 1), matrix("5 1 1", 3, 1))', "1.0")
median.fails("median(matrix(1, 1, 3))", "shape-mismatch", "column vector")
median.fails("median(matrix(1, 2, 1), matrix(-1, 2, 1))", "value", "weights must not be negative")
median.fails("median(matrix(1, 0, 1))", "value", "there are no values")


def _quantile_type(X: Type, weights: Type, p: Type) -> Type:
    if p.data == "null":
        weights, p = Type("null"), weights
    elif weights.data not in (MATRIX, UNKNOWN):
        fail("argument-type", "quantile: weights must be a matrix")
    _vectors("quantile", X, weights)
    for value in [p.const] if isinstance(p.const, (int, float)) else []:
        if not 0 <= value <= 1:
            fail("value", f"quantile: p must be between 0 and 1, got {value}")
    if p.data == MATRIX:
        column_vector("quantile", "p", p)
        return matrix_type(p.rows, 1)
    return DOUBLE_SCALAR if p.data == SCALAR else UNKNOWN_SCALAR if p.data != UNKNOWN else Type()


@builtin("quantile(X: matrix, weights: matrix|number, p: matrix|number = NULL) -> any", infer=_quantile_type)
def quantile(X, weights, p):
    """The value at position ceil(p * n) of the n sorted values of a column vector.  `quantile(X, p)` or `quantile(X, weights, p)`.

    p is a number, or a column vector that gives a column vector.  As in SystemDS, a number p and an even n give the mean of the
    values at that position and the next; a vector of p never averages.
    """
    if p is None:
        weights, p = None, weights
    ordered = _Sorted("quantile", X, weights)
    if isinstance(p, (int, float)):
        return ordered.quantile(p, average=True)
    return np.array([[ordered.quantile(q, average=False)] for q in p.ravel().tolist()], dtype=X.dtype).reshape(-1, 1)


quantile.case('quantile(matrix("1 2 3 4", 4, 1), 0.25)', "1.5")
quantile.case('quantile(matrix("1 2 3 4", 4, 1), matrix("0.25 0.5 1", 3, 1))', "1 / 2 / 4")
quantile.case('quantile(matrix("3 1 2", 3, 1), 0.5)', "2.0")
quantile.case('quantile(matrix("1 2 3", 3, 1), matrix("1 1 3", 3, 1), 0.5)', "3.0")
quantile.fails("quantile(matrix(1, 1, 3), 0.5)", "shape-mismatch", "column vector")
quantile.fails("quantile(matrix(1, 3, 1), 1.5)", "value", "between 0 and 1")


def _iqm_type(X: Type, weights: Type) -> Type:
    _vectors("interQuartileMean", X, weights)
    return DOUBLE_SCALAR


@builtin("interQuartileMean(X: matrix, weights: matrix = NULL) -> double", infer=_iqm_type)
def interQuartileMean(X, weights):
    """Mean of the middle half of the sorted values of a column vector; values on the border count in part."""
    ordered = _Sorted("interQuartileMean", X, weights)
    low, high = 0.25 * ordered.count, 0.75 * ordered.count
    upto = ordered.upto
    start = np.concatenate(([0.0], upto[:-1]))
    inside = np.clip(np.minimum(upto, high) - np.maximum(start, low), 0.0, None)
    return float((ordered.values * inside).sum() / (high - low))


interQuartileMean.case('interQuartileMean(matrix("3 1 4 1 5 9 2 6", 8, 1))', "3.5")
interQuartileMean.case('interQuartileMean(matrix("1 3 4 1 5", 5, 1))', "2.7")
interQuartileMean.case('interQuartileMean(matrix("1 2 3", 3, 1), matrix("1 2 1", 3, 1))', "2.0")
interQuartileMean.fails("interQuartileMean(matrix(1, 1, 3))", "shape-mismatch", "column vector")

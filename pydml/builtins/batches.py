"""Batches of rows in a given order: batchOf."""

from __future__ import annotations

import numpy as np

from pydml.builtins.registry import builtin
from pydml.builtins.shapes import column_vector, constant_size
from pydml.diagnostics import fail
from pydml.types import Type, matrix_type


def _batch_type(X: Type, order: Type, beg: Type, end: Type) -> Type:
    column_vector("batchOf", "order", order)
    first, last = constant_size(beg), constant_size(end)
    if first is not None and last is not None:
        if first < 1 or last < first or (order.rows is not None and last > order.rows):
            size = "" if order.rows is None else f" of {order.rows} rows"
            fail("index", f"batchOf: {first}:{last} is outside of the order{size}", help="beg:end are places in order")
        return matrix_type(last - first + 1, X.cols)
    return matrix_type(None, X.cols)


def batch_rows(rows: int, order: np.ndarray, beg: int, end: int) -> np.ndarray:
    """The 0-based rows that places beg..end (1-based) of the order name.  Raises DMLError "index"."""
    numbers = order[beg - 1 : end, 0]
    chosen = numbers.astype(np.int64, copy=False) if np.isfinite(numbers).all() else np.zeros(1, np.int64)
    if len(chosen) and (chosen.min() < 1 or chosen.max() > rows or (chosen != numbers).any()):
        wrong = ~((numbers >= 1) & (numbers <= rows) & (numbers == np.floor(numbers)))
        place = int(np.argmax(wrong))
        fail(
            "index",
            f"batchOf: order[{beg + place}] is {numbers[place]:g}, which is not a row of the matrix of {rows} rows",
            help="sample(nrow(X), nrow(X)) gives all rows in random order",
        )
    return chosen - 1


@builtin("batchOf(X: matrix, order: matrix, beg: number, end: number) -> matrix", infer=_batch_type)
def batchOf(X, order, beg, end):
    """The rows of X that order[beg:end,] names: row i is row order[beg + i - 1] of X.

    X: (n, m).  order: (k, 1), numbers of rows from 1 to n, in any order, also repeatedly.  beg, end: places in the order,
    1 <= beg <= end <= k; doubles are truncated.  Returns (end - beg + 1, m).

    With order = sample(nrow(X), nrow(X), seed) it gives the batches of an epoch in shuffled order.  Of a matrix that is in files
    (read of a prepared data set) only these rows are read, and those of the next batch of the same size in the background.

    Raises "index" for a place or a row that is not there.  SystemDS has no such function; there, the product with
    table(seq(1, k), order, k, nrow(X)) selects rows.
    """
    return X[batch_rows(len(X), order, int(beg), int(end))]


batchOf.case('batchOf(matrix("1 2 3 4 5 6", rows=3, cols=2), matrix("3 1 3", rows=3, cols=1), 1, 2)', "5 6 / 1 2")
batchOf.case("sum(batchOf(seq(1, 9), sample(9, 9, 4), 1, 9))", "45.0")
batchOf.fails("batchOf(seq(1, 3), seq(1, 3), 2, 4)", "index", "2:4 is outside of the order of 3 rows")
batchOf.fails("batchOf(seq(1, 3), seq(2, 4), 1, 3)", "index", "order[3] is 4, which is not a row of the matrix of 3")
batchOf.fails("batchOf(seq(1, 3), t(seq(1, 3)), 1, 2)", "shape-mismatch", "order must be a column vector")

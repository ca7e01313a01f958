"""Builtins that make matrices and lists from scalars and text: matrix, seq, list.  Random ones are in `random.py`."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from pydml.builtins.registry import builtin
from pydml.builtins.shapes import constant_size
from pydml.diagnostics import fail
from pydml.types import ANY_LIST, BOOLEAN, SCALAR, UNKNOWN, Type, matrix_type
from pydml.values import List, Sparse
from pydml.values.storage import check_dense_size, memory_limit
from pydml.values.text import parse_double


def checked_size(function: str, name: str, type: Type) -> int | None:
    """The size that the scalar argument stands for, None if it is not known.  Raises DMLError "value" below 0."""
    size = constant_size(type)
    if size is not None and size < 0:
        fail("value", f"{function}: {name} must not be negative, got {type.const}")
    if size is None and type.const is not None:
        fail("value", f"{function}: {name} must be a size, got {type.const}")
    return size


def _matrix_type(data: Type, rows: Type, cols: Type, byrow: Type) -> Type:
    r, c = checked_size("matrix", "rows", rows), checked_size("matrix", "cols", cols)
    if data.data == SCALAR and data.value == BOOLEAN:
        fail("argument-type", "matrix: data must be a number, text or a matrix, got a boolean", help="use as.integer()")
    if data.is_matrix and data.shape_known and r is not None and c is not None and data.rows * data.cols != r * c:
        fail(
            "shape-mismatch",
            f"matrix: {data.size_text()} = {data.rows * data.cols} cells cannot become {r} x {c} = {r * c}",
        )
    return matrix_type(r, c)


@builtin(
    "matrix(data: matrix|number|string|boolean, rows: number, cols: number, byrow: boolean = TRUE) -> matrix",
    infer=_matrix_type,
    needs="dtype",
)
def matrix(dtype, data, rows, cols, byrow):
    """A matrix of rows x cols cells.

    data: a number that fills all cells; text with the cells, row by row, separated by blanks; or a matrix whose cells
    are put into the new size, row by row (byrow=FALSE: read and written column by column).  rows, cols: doubles are
    truncated. The number of cells must fit.  Numbers in text are Java's: `1e3`, `NaN`, `Infinity`.  Same as SystemDS
    `matrix`; a reshape shares its cells with `data` where it can.
    """
    rows, cols = int(rows), int(cols)
    if isinstance(data, str):
        return _parse_cells(dtype, data, rows, cols)
    if not isinstance(data, np.ndarray):
        return filled(dtype, data, rows, cols)
    return data.reshape(rows, cols) if byrow else data.reshape(rows, cols, order="F")


def filled(dtype, value: float, rows: int, cols: int):
    """A matrix with `value` in all cells.  Zeros that would take much of the memory are kept sparse."""
    if value == 0:
        if rows * cols * 8 > memory_limit() // 4:
            from scipy.sparse import csr_matrix

            return Sparse(csr_matrix((rows, cols), dtype=dtype))
        return np.zeros((rows, cols), dtype)
    check_dense_size(rows, cols)
    return np.full((rows, cols), value, dtype)


def _parse_cells(dtype, text: str, rows: int, cols: int):
    words = [w for w in text.split(" ") if w]
    cells = []
    for word in words:
        value = parse_double(word)
        if value is None:
            fail(
                "value", f"matrix: {word!r} is not a number", help="cells are separated by blanks; infinity is Infinity"
            )
        cells.append(value + 0.0)  # -0.0 becomes 0.0
    if len(cells) != rows * cols:
        fail("shape-mismatch", f"matrix: the text has {len(cells)} cells, {rows} x {cols} needs {rows * cols}")
    return np.array(cells, dtype).reshape(rows, cols)


matrix.case("matrix(5, rows=2, cols=3)", "5 5 5 / 5 5 5")
matrix.case('matrix("1 2 3  NaN", rows=2, cols=2)', "1 2 / 3 NaN")
matrix.case("matrix(seq(1, 6), rows=2, cols=3)", "1 2 3 / 4 5 6")
matrix.case("matrix(seq(1, 6), rows=2, cols=3, byrow=FALSE)", "1 3 5 / 2 4 6")
matrix.case('matrix(matrix("1 2 3 4 5 6", rows=2, cols=3), rows=3, cols=2, byrow=FALSE)', "1 5 / 4 3 / 2 6")
matrix.case("nrow(matrix(1, rows=0, cols=3))", "0")
matrix.fails('matrix("1 2 3", rows=2, cols=2)', "shape-mismatch", "the text has 3 cells")
matrix.fails('matrix("1,2", rows=1, cols=1)', "value", "'1,2' is not a number")
matrix.fails("matrix(seq(1, 5), rows=2, cols=2)", "shape-mismatch", "5 x 1 = 5 cells cannot become 2 x 2 = 4")
matrix.fails("matrix(0, rows=-1, cols=2)", "value", "rows must not be negative")
matrix.fails("matrix(TRUE, rows=1, cols=2)", "argument-type", "got a boolean")


def _increment(start: float, end: float, step: float | None) -> float:
    if step is None or (step == 1 and start > end):  # SystemDS turns a step of 1 around, too
        return -1 if start > end else 1
    if step == 0:
        fail("value", "seq: the increment must not be 0")
    if start != end and (step > 0) != (end > start):
        fail("value", f"seq: no steps of {step} lead from {start} to {end}", help="the increment has the wrong sign")
    return step


def _sequence_length(start: float, end: float, step: float) -> int:
    """Number of values from start to end, as SystemDS counts: rounding may neither lose nor add an end that is hit."""
    count = 1 + math.floor(end / step - start / step)
    beyond = start + count * step
    return count + 1 if (beyond <= end if step > 0 else beyond >= end) else count


def _seq_type(start: Type, end: Type, step: Type) -> Type:
    values = [start.const, end.const, step.const]
    if any(isinstance(v, (int, float)) and not math.isfinite(v) for v in values):
        fail(
            "value", f"seq: from, to and incr must be finite, got {', '.join(str(v) for v in values if v is not None)}"
        )
    if start.const is None or end.const is None or (step.const is None and step.data != "null"):
        return matrix_type(None, 1)
    return matrix_type(_sequence_length(start.const, end.const, _increment(*values)), 1)


SEQ_BLOCK = 1 << 16  # values made at once


def _one_after_the_other(run_block: Callable[[int], None], blocks: int, work_ns: float) -> None:
    for block in range(blocks):
        run_block(block)


@builtin("seq(from: number, to: number, incr: number = NULL) -> matrix", infer=_seq_type, needs="dtype")
def seq(dtype, start, end, step, spread=_one_after_the_other):
    """The column vector start, start + incr, ..., as far as `to`, which is included.

    incr: 1 by default, or -1 where from > to, also for an incr of 1 given.  An incr of 0 or of the wrong sign is an
    error. Returns (n, 1).  As SystemDS `seq`, which adds up the increments, rounding each time.
    """
    step = _increment(start, end, step)
    count = _sequence_length(start, end, step)
    check_dense_size(count, 1)
    if start == int(start) and step == int(step) and max(abs(start), abs(end)) < 2**53:
        first, step = int(start), int(step)
        result = np.empty((count, 1), dtype)

        def run(block: int) -> None:
            a, b = block * SEQ_BLOCK, min((block + 1) * SEQ_BLOCK, count)
            result[a:b, 0] = np.arange(first + a * step, first + b * step, step, np.float64)  # exact: whole numbers

        spread(run, -(-count // SEQ_BLOCK), 2.0 * count)
        return result
    steps = np.full(count, step, np.float64)
    steps[0] = start
    return np.add.accumulate(steps).astype(dtype, copy=False).reshape(count, 1)


seq.case("seq(1, 4)", "1 / 2 / 3 / 4")
seq.case("seq(3, 1)", "3 / 2 / 1")
seq.case("seq(1, 0)", "1 / 0")
seq.case("seq(1, 10, 3)", "1 / 4 / 7 / 10")
seq.case("seq(10, 1, -4)", "10 / 6 / 2")
seq.case("nrow(seq(0, 1, 0.1))", "11")
seq.case("nrow(seq(0, 0.7, 0.1))", "7")
seq.case("seq(2, 2, -1)", "2")
seq.case("seq(3, 1, 1)", "3 / 2 / 1")
seq.fails("seq(1, 5, -1)", "value", "no steps of -1 lead from 1 to 5")
seq.fails("seq(1, 5, 0)", "value", "must not be 0")
seq.fails("seq(1, 0.0/0.0)", "value", "must be finite")


def _list_type(*items: Type) -> Type:
    values = {t.value if t.data == SCALAR else UNKNOWN for t in items[1::2]}
    return ANY_LIST._replace(value=values.pop() if len(values) == 1 else UNKNOWN, rows=len(items) // 2, cols=1)


@builtin("list(**items: any) -> list", infer=_list_type, storages="any", self_checking=True)
def list_(*items):
    """A list of the values given, with the names given: list(1, X), list(W=W, b=b).  Same as SystemDS `list`.

    Values are of any type, lists too.
    """
    return List(items[1::2], items[0::2])


list_.case("length(list())", "0")
list_.case('toString(list(a=1, b="x"))', "List containing:\n[1, x]")
list_.case("length(list(list(1, 2), 3))", "2")

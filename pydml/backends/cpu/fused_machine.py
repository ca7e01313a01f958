"""The inner loops of fused elementwise operations: a small machine that runs the steps on runs of cells that fit in the
first-level cache.

It is compiled once per precision, whatever is fused: a step is a number in a table, not new code.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pydml.backends.cpu.jit import compiled

RUN = 2048  # cells of a run: a few of them, in single or double precision, fit in the first-level cache
MAX_INPUTS = 8

# Numbers of the operations, by the name of the builtin.
CODES = {
    name: i
    for i, name in enumerate(
        [*"+ - * / max min > >= < <= == != & |".split(), "unary -", "abs", "sqrt", "sign", "floor", "ceil", "!"]
    )
}
UNARY_FROM = CODES["unary -"]
CODES["bias_add"] = CODES["+"]
CODES["bias_multiply"] = CODES["*"]

SCALAR, FULL, ROW, COLUMN, CHANNEL = range(5)  # how an input is laid over the result
CELLS, SUM, COLUMN_SUMS, ROW_SUMS = range(4)  # what becomes of the last step


def binary(code, x, y, d):
    """d = x op y, all of one length."""
    n = d.shape[0]
    if code == 0:
        for i in range(n):
            d[i] = x[i] + y[i]
    elif code == 1:
        for i in range(n):
            d[i] = x[i] - y[i]
    elif code == 2:
        for i in range(n):
            d[i] = x[i] * y[i]
    elif code == 3:
        for i in range(n):
            d[i] = x[i] / y[i]
    elif code == 4:
        for i in range(n):
            d[i] = x[i] if x[i] >= y[i] or x[i] != x[i] else y[i]
    elif code == 5:
        for i in range(n):
            d[i] = x[i] if x[i] <= y[i] or x[i] != x[i] else y[i]
    elif code == 6:
        for i in range(n):
            d[i] = 1 if x[i] > y[i] else 0
    elif code == 7:
        for i in range(n):
            d[i] = 1 if x[i] >= y[i] else 0
    elif code == 8:
        for i in range(n):
            d[i] = 1 if x[i] < y[i] else 0
    elif code == 9:
        for i in range(n):
            d[i] = 1 if x[i] <= y[i] else 0
    elif code == 10:
        for i in range(n):
            d[i] = 1 if x[i] == y[i] else 0
    elif code == 11:
        for i in range(n):
            d[i] = 1 if x[i] != y[i] else 0
    elif code == 12:
        for i in range(n):
            d[i] = 1 if x[i] != 0 and y[i] != 0 else 0
    elif code == 13:
        for i in range(n):
            d[i] = 1 if x[i] != 0 or y[i] != 0 else 0


def with_scalar(code, x, y, d):
    """d = x op y with one y."""
    n = d.shape[0]
    if code == 0:
        for i in range(n):
            d[i] = x[i] + y
    elif code == 1:
        for i in range(n):
            d[i] = x[i] - y
    elif code == 2:
        for i in range(n):
            d[i] = x[i] * y
    elif code == 3:
        for i in range(n):
            d[i] = x[i] / y
    elif code == 4:
        for i in range(n):
            d[i] = x[i] if x[i] >= y or x[i] != x[i] else y
    elif code == 5:
        for i in range(n):
            d[i] = x[i] if x[i] <= y or x[i] != x[i] else y
    elif code == 6:
        for i in range(n):
            d[i] = 1 if x[i] > y else 0
    elif code == 7:
        for i in range(n):
            d[i] = 1 if x[i] >= y else 0
    elif code == 8:
        for i in range(n):
            d[i] = 1 if x[i] < y else 0
    elif code == 9:
        for i in range(n):
            d[i] = 1 if x[i] <= y else 0
    elif code == 10:
        for i in range(n):
            d[i] = 1 if x[i] == y else 0
    elif code == 11:
        for i in range(n):
            d[i] = 1 if x[i] != y else 0
    elif code == 12:
        for i in range(n):
            d[i] = 1 if x[i] != 0 and y != 0 else 0
    elif code == 13:
        for i in range(n):
            d[i] = 1 if x[i] != 0 or y != 0 else 0


def unary(code, x, d):
    n = d.shape[0]
    zero = x.dtype.type(0)
    if code == 14:
        for i in range(n):
            d[i] = zero - x[i]  # a zero stays positive
    elif code == 15:
        for i in range(n):
            d[i] = abs(x[i])
    elif code == 16:
        for i in range(n):
            d[i] = np.sqrt(x[i])
    elif code == 17:
        for i in range(n):
            d[i] = x[i] if x[i] != x[i] else (1 if x[i] > 0 else (-1 if x[i] < 0 else 0))
    elif code == 18:
        for i in range(n):
            d[i] = np.floor(x[i])
    elif code == 19:
        for i in range(n):
            d[i] = np.ceil(x[i])
    elif code == 20:
        for i in range(n):
            d[i] = 1 if x[i] == 0 else 0


def run_steps(steps, kinds, scalars, a0, a1, a2, a3, a4, a5, a6, a7, row, channel, start, channels, length, scratch, d):
    """All steps on the cells start : start + len(d) of one channel of one row; the last one writes d.

    steps: (code, x, y) with x, y >= 0 an input and < 0 the result of step -x - 1.  scratch: one line for each step, and two
    for inputs that are one number but stand on the left.
    """
    n = d.shape[0]
    count = steps.shape[0]
    m = channels * length
    for s in range(count):
        code = steps[s, 0]
        target = d if s == count - 1 else scratch[s, :n]
        x = scratch[count, :n]
        y = scratch[count + 1, :n]
        y_scalar = scalars[0]
        y_is_scalar = False
        for position in range(1, 3):
            if position == 2 and code >= UNARY_FROM:
                break
            ref = steps[s, position]
            if ref < 0:
                if position == 1:
                    x = scratch[-ref - 1, :n]
                else:
                    y = scratch[-ref - 1, :n]
                continue
            kind = kinds[ref]
            if kind == SCALAR:
                value = scalars[ref]
                if position == 1:
                    for i in range(n):
                        x[i] = value
                else:
                    y_scalar, y_is_scalar = value, True
                continue
            source = a0
            if ref == 1:
                source = a1
            elif ref == 2:
                source = a2
            elif ref == 3:
                source = a3
            elif ref == 4:
                source = a4
            elif ref == 5:
                source = a5
            elif ref == 6:
                source = a6
            elif ref == 7:
                source = a7
            if kind == FULL:
                offset = row * m + channel * length + start
            elif kind == ROW:
                offset = channel * length + start
            else:
                value = source[row] if kind == COLUMN else source[channel]
                if position == 1:
                    for i in range(n):
                        x[i] = value
                else:
                    y_scalar, y_is_scalar = value, True
                continue
            if position == 1:
                x = source[offset : offset + n]
            else:
                y = source[offset : offset + n]
        if code >= UNARY_FROM:
            unary(code, x, target)
        elif y_is_scalar:
            with_scalar(code, x, y_scalar, target)
        else:
            binary(code, x, y, target)


def run_machine(
    mode, steps, kinds, scalars, a0, a1, a2, a3, a4, a5, a6, a7, rows, channels, length, begin, end, out, sums
):
    """Run the steps on a part of the cells.

    mode CELLS: runs begin:end, results to `out`.  SUM: runs begin:end, their sum to sums[0].  COLUMN_SUMS: the columns of
    runs begin:end of one row, added over all rows, to `sums`.  ROW_SUMS: the rows begin:end, to `sums`.
    """
    count = steps.shape[0]
    scratch = np.empty((count + 2, RUN), out.dtype)
    pieces = (length + RUN - 1) // RUN  # runs of one channel
    last = scratch[count - 1]
    per_row = channels * pieces
    if mode == COLUMN_SUMS:
        for piece in range(begin, end):
            channel, start = piece // pieces, (piece % pieces) * RUN
            n = min(RUN, length - start)
            d = last[:n]
            base = channel * length + start
            for row in range(rows):
                run_steps(
                    steps,
                    kinds,
                    scalars,
                    a0,
                    a1,
                    a2,
                    a3,
                    a4,
                    a5,
                    a6,
                    a7,
                    row,
                    channel,
                    start,
                    channels,
                    length,
                    scratch,
                    d,
                )
                for i in range(n):
                    sums[base + i] += d[i]
        return
    if mode == ROW_SUMS:
        begin, end = begin * per_row, end * per_row
    total = 0.0
    for piece in range(begin, end):
        row, rest = piece // per_row, piece % per_row
        channel, start = rest // pieces, (rest % pieces) * RUN
        n = min(RUN, length - start)
        offset = (row * channels + channel) * length + start
        d = out[offset : offset + n] if mode == CELLS else last[:n]
        run_steps(
            steps, kinds, scalars, a0, a1, a2, a3, a4, a5, a6, a7, row, channel, start, channels, length, scratch, d
        )
        if mode in (SUM, ROW_SUMS):
            # eight partial sums, as the additions of one would wait for each other
            s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
            whole = n - n % 8
            for i in range(0, whole, 8):
                s0 += d[i]
                s1 += d[i + 1]
                s2 += d[i + 2]
                s3 += d[i + 3]
                s4 += d[i + 4]
                s5 += d[i + 5]
                s6 += d[i + 6]
                s7 += d[i + 7]
            for i in range(whole, n):
                s0 += d[i]
            part = ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))
            if mode == SUM:
                total += part
            else:
                sums[row] += part
    if mode == SUM:
        sums[0] = total


_INNER = ("binary", "with_scalar", "unary", "run_steps")


@compiled
def machine_code(dtype: Any) -> Any:
    """`run_machine` for float32 or float64 as machine code."""
    import numba

    names = globals()
    for name in _INNER:  # Numba finds the functions that it calls by their global names
        if not hasattr(names[name], "py_func"):
            names[name] = numba.njit(nogil=True, error_model="numpy")(names[name])
    v = numba.types.Array(numba.from_dtype(np.dtype(dtype)), 1, "C")
    i, table = numba.int64, numba.types.Array(numba.int64, 2, "C")
    signature = numba.void(i, table, numba.types.Array(i, 1, "C"), v, *[v] * 8, i, i, i, i, i, v, numba.float64[::1])
    return signature, run_machine

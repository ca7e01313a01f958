"""The inner loops of fused elementwise operations: a small machine that runs the steps on runs of cells that fit in the
first-level cache.

It is compiled once per precision, whatever is fused: a step is a number in a table, not new code.  The loop of each operation
is emitted in vector instructions (`simd.operate`), and operands are addresses: as plain loops over slices the machine took
Numba six seconds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from pydml.backends.cpu.compiled.operations import (
    CELLS,
    CHANNEL,
    COLUMN,
    COLUMN_SUMS,
    FULL,
    LANES,
    MAX_INPUTS,
    ROW,
    ROW_SUMS,
    RUN,
    SCALAR,
    SUM,
)
from pydml.backends.cpu.compiled.simd import address, load_cell, operate, vector
from pydml.backends.cpu.jit import vector_shape, vectorized


@vectorized
def machine_code(dtype: Any) -> Any:
    """The machine for float32 or float64.

    run(mode, steps, kinds, scalars, addresses, rows, channels, length, begin, end, out, sums, lines) runs the steps on a part of
    the cells.  steps: (code, x, y), with x, y >= 0 an input and < 0 the result of step -x - 1.  kinds, scalars, addresses: of the
    inputs, which are contiguous.  out: address of the result.  lines: from `fused_machine.scratch`.

    mode CELLS: runs begin:end, results to `out`.  SUM: runs begin:end, their sum to sums[0].  COLUMN_SUMS: the columns of
    runs begin:end of one row, added over all rows, to `sums`.  ROW_SUMS: the rows begin:end, to `sums`.
    """
    lanes = vector_shape(dtype)[0]
    size = np.dtype(dtype).itemsize
    inputs_at = MAX_INPUTS * LANES

    def run(mode, steps, kinds, scalars, addresses, rows, channels, length, begin, end, out, sums, lines):
        count = steps.shape[0]
        m = channels * length
        pieces = (length + RUN - 1) // RUN  # runs of one channel
        per_row = channels * pieces
        base = address(lines)
        for k in range(len(kinds)):
            if kinds[k] == SCALAR:
                for i in range(LANES):
                    lines[k * LANES + i] = scalars[k]
        if mode == ROW_SUMS:
            begin, end = begin * per_row, end * per_row
        again = rows if mode == COLUMN_SUMS else 1
        last = inputs_at + (count - 1) * RUN
        total = 0.0
        for piece in range(begin, end):
            for repeat in range(again):
                if mode == COLUMN_SUMS:
                    row, rest = repeat, piece
                else:
                    row = piece // per_row
                    rest = piece - row * per_row
                channel = rest // pieces
                start = (rest - channel * pieces) * RUN
                n = min(RUN, length - start)
                column = channel * length + start
                cell = row * m + column
                for k in range(len(kinds)):
                    if kinds[k] == COLUMN or kinds[k] == CHANNEL:
                        value = load_cell(lines, addresses[k] + (row if kinds[k] == COLUMN else channel) * size)
                        for i in range(LANES):
                            lines[k * LANES + i] = value
                for s in range(count):
                    x, y, x_step, y_step = base, base, 0, 0
                    for position in range(1, 3):
                        ref = steps[s, position]
                        step = 1
                        if ref < 0:
                            place = base + (inputs_at + (-ref - 1) * RUN) * size
                        elif kinds[ref] == FULL:
                            place = addresses[ref] + cell * size
                        elif kinds[ref] == ROW:
                            place = addresses[ref] + column * size
                        else:
                            place = base + ref * LANES * size
                            step = 0
                        if position == 1:
                            x, x_step = place, step
                        else:
                            y, y_step = place, step
                    target = base + (inputs_at + s * RUN) * size
                    if s == count - 1 and mode == CELLS:
                        target = out + cell * size
                    operate(lanes, lines, steps[s, 0], x, x_step, y, y_step, target, n)
                if mode == COLUMN_SUMS:
                    for i in range(n):
                        sums[column + i] += lines[last + i]
                elif mode != CELLS:
                    # eight partial sums, as the additions of one would wait for each other
                    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
                    whole = n - n % 8
                    for i in range(last, last + whole, 8):
                        s0 += lines[i]
                        s1 += lines[i + 1]
                        s2 += lines[i + 2]
                        s3 += lines[i + 3]
                        s4 += lines[i + 4]
                        s5 += lines[i + 5]
                        s6 += lines[i + 6]
                        s7 += lines[i + 7]
                    for i in range(last + whole, last + n):
                        s0 += lines[i]
                    part = ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))
                    if mode == SUM:
                        total += part
                    else:
                        sums[row] += part
        if mode == SUM:
            sums[0] = total

    i = types.int64
    table, indexes = types.Array(i, 2, "C"), types.Array(i, 1, "C")
    signature = types.void(
        i, table, indexes, vector(dtype), indexes, i, i, i, i, i, i, types.float64[::1], vector(dtype)
    )
    return signature, run

"""Numbers for bytes of images, by a table with 256 numbers for each channel."""

from __future__ import annotations

import numpy as np
from numba import types

from pydml.backends.cpu.compiled.simd import NUMBA_TYPES
from pydml.backends.cpu.jit import compiled

_int = types.intp


@compiled
def look_up(dtype):
    """out[i, j] = table[j // plane, block[i, j]] for rows first..last."""

    def run(block, table, plane, first, last, out):
        for i in range(first, last):
            for c in range(table.shape[0]):
                for j in range(c * plane, (c + 1) * plane):
                    out[i, j] = table[c, block[i, j]]

    number = NUMBA_TYPES[np.dtype(dtype)]
    inputs = types.Array(types.uint8, 2, "C", readonly=True)
    table = types.Array(number, 2, "C", readonly=True)
    return types.void(inputs, table, _int, _int, _int, types.Array(number, 2, "C")), run

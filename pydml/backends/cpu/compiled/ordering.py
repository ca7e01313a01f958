"""A stable sort by the bits of numbers, eleven at a time (Knuth, The Art of Computer Programming 3, section 5.2.5)."""

from __future__ import annotations

import numpy as np
from numba import types

from pydml.backends.cpu.jit import compiled

DIGIT_BITS = 11
DIGITS = 6  # cover 64 bits


@compiled
def stable_order():
    """rows = the order of the doubles whose bits are `bits`; the other arrays are workspace of the same length."""

    def run(bits, keys, other_keys, other_rows, rows):
        n = len(bits)
        size = 1 << DIGIT_BITS
        counts = np.zeros((DIGITS, size), np.int64)
        for i in range(n):
            # ordered as unsigned numbers: negative doubles with all bits turned, others with the first bit turned
            b = bits[i]
            key = b ^ ((b >> 63) | np.int64(-(2**63)))
            keys[i] = key
            rows[i] = i
            for d in range(DIGITS):
                counts[d, (np.uint64(key) >> np.uint64(d * DIGIT_BITS)) & np.uint64(size - 1)] += 1
        from_keys, from_rows, to_keys, to_rows = keys, rows, other_keys, other_rows
        passes = 0
        for d in range(DIGITS):
            total = np.int64(0)
            most = np.int64(0)
            for k in range(size):
                c = counts[d, k]
                most = max(most, c)
                counts[d, k] = total
                total += c
            if most == n:  # all have the same digit
                continue
            shift = np.uint64(d * DIGIT_BITS)
            for i in range(n):
                key = from_keys[i]
                digit = (np.uint64(key) >> shift) & np.uint64(size - 1)
                place = counts[d, digit]
                counts[d, digit] = place + 1
                to_keys[place] = key
                to_rows[place] = from_rows[i]
            from_keys, to_keys = to_keys, from_keys
            from_rows, to_rows = to_rows, from_rows
            passes += 1
        if passes % 2:  # the result is in the workspace
            for i in range(n):
                rows[i] = other_rows[i]

    array = types.Array(types.int64, 1, "C")
    return types.void(array, array, array, array, array), run

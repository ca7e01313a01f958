"""Pooling and its gradients, one channel of an image (a plane) at a time.

Maximum and average are taken over rows first, then over columns, a vector of results at a time.  The gradient of the maximum
finds the place of each window's first maximum the same way and adds to it; windows may overlap, so that is done cell by
cell.  Planes are counted through the batch, C to an image.  The column stride is a constant of the kernels.
"""

from __future__ import annotations

import numpy as np
from numba import types

from pydml.backends.cpu.compiled.simd import (
    MAXIMUM,
    SUM,
    address,
    copy_row,
    first_maximum,
    readonly,
    reduce_columns,
    reduce_rows,
    reduce_squares,
    spread_to_maximum,
    vector,
)
from pydml.backends.cpu.jit import vectorized

_int = types.intp


@vectorized
def pool(dtype, lanes, average, sw):
    """out = maximum (or sum divided by Hf*Wf) of each window, for planes [first, last).  R: room for (Q - 1)*sw + Wf + W + pw cells."""
    operation = SUM if average else MAXIMUM
    border = dtype(0) if average else dtype(-np.inf)

    def run(X, x_pitch, first, last, C, H, W, Hf, Wf, sh, ph, pw, out, P, Q, R):
        size = dtype(Hf * Wf)
        for i in range(len(R)):
            R[i] = border
        for plane in range(first, last):
            source = plane // C * x_pitch + plane % C * H * W
            for p in range(P):
                top = p * sh - ph
                begin = max(top, 0)
                reduce_rows(operation, lanes, X, source + begin * W, W, min(top + Hf, H) - begin, R, pw, W)
                target = (plane * P + p) * Q
                reduce_columns(operation, sw, lanes, R, 0, Wf, out, target, Q)
                if average:
                    for q in range(Q):
                        out[target + q] /= size

    values = vector(dtype)
    return types.void(readonly(dtype), *[_int] * 11, values, _int, _int, values), run


@vectorized
def pool_2x2(dtype, lanes, average):
    """The same for windows of 2 x 2 that lie side by side, without padding: nothing goes through memory between rows and columns."""
    operation = SUM if average else MAXIMUM

    def run(X, x_pitch, first, last, C, H, W, out, P, Q):
        for plane in range(first, last):
            source = plane // C * x_pitch + plane % C * H * W
            target = plane * P * Q
            for p in range(P):
                reduce_squares(operation, lanes, X, source + 2 * p * W, W, out, target + p * Q, Q)
            if average:
                for q in range(P * Q):
                    out[target + q] /= dtype(4)

    return types.void(readonly(dtype), *[_int] * 6, vector(dtype), _int, _int), run


@vectorized
def max_pool_gradient(dtype, lanes, sw):
    """dX = gradient of the maximum for planes [first, last).

    S: room for a plane with its border columns, H * (W + 2 pw), not used where pw is 0.  I: room for Q integers as wide as a cell.
    """
    itemsize = np.dtype(dtype).itemsize

    def run(X, x_pitch, D, d_pitch, first, last, C, H, W, Hf, Wf, sh, ph, pw, dX, P, Q, S, I):
        length = W + 2 * pw
        for i in range(len(S)):
            S[i] = -np.inf
        for plane in range(first, last):
            source = plane // C * x_pitch + plane % C * H * W
            gradient = plane // C * d_pitch + plane % C * P * Q
            target = plane * H * W
            for i in range(target, target + H * W):
                dX[i] = 0
            if pw > 0:
                for h in range(H):
                    copy_row(lanes, X, source + h * W, S, h * length + pw, W)
            for p in range(P):
                top = p * sh - ph
                begin = max(top, 0)
                rows = min(top + Hf, H) - begin
                cells = address(S) if pw > 0 else address(X) + source * itemsize
                first_maximum(sw, lanes, S, cells + begin * length * itemsize, length, rows, Wf, W, I, 0, Q)
                corner = target + begin * W - pw
                for q in range(Q):
                    if I[q] != -1:
                        dX[corner + q * sw + I[q]] += D[gradient + p * Q + q]

    values = vector(dtype)
    integers = types.Array(types.int32 if np.dtype(dtype).itemsize == 4 else types.int64, 1, "C")
    return types.void(
        readonly(dtype), _int, readonly(dtype), *[_int] * 11, values, _int, _int, values, integers
    ), run  # fmt: skip


@vectorized
def max_pool_gradient_2x2(dtype, lanes):
    """The same for windows of 2 x 2 that lie side by side, without padding: four times as fast, as each cell has one window."""

    def run(X, x_pitch, D, d_pitch, first, last, C, H, W, dX, P, Q):
        for plane in range(first, last):
            source = plane // C * x_pitch + plane % C * H * W
            gradient = plane // C * d_pitch + plane % C * P * Q
            target = plane * H * W
            for p in range(P):
                at = 2 * p * W
                spread_to_maximum(lanes, X, source + at, W, D, gradient + p * Q, dX, target + at, Q)
                for x in range(2 * Q, W):
                    dX[target + at + x] = 0
                    dX[target + at + W + x] = 0
            for i in range(target + 2 * P * W, target + H * W):
                dX[i] = 0

    return types.void(readonly(dtype), _int, readonly(dtype), *[_int] * 6, vector(dtype), _int, _int), run


@vectorized
def average_pool_gradient(dtype, lanes):
    """dX = gradient of the average for planes [first, last).  E: room for P rows of (Q - 1)*sw + Wf, and W + pw cells more."""

    def run(D, d_pitch, first, last, C, H, W, Hf, Wf, sh, sw, ph, pw, dX, P, Q, E):
        size = dtype(Hf * Wf)
        length = (Q - 1) * sw + Wf
        pitch = max(length, W + pw)
        for plane in range(first, last):
            gradient = plane // C * d_pitch + plane % C * P * Q
            # Row p of E is what row p of the gradient gives to each row of its windows.
            for p in range(P):
                for x in range(pitch):
                    E[p * pitch + x] = 0
                for q in range(Q):
                    share = D[gradient + p * Q + q] / size
                    for j in range(Wf):
                        E[p * pitch + q * sw + j] += share
            for h in range(H):
                low = max((h + ph - Hf + sh) // sh, 0)
                high = min((h + ph) // sh, P - 1)
                target = (plane * H + h) * W
                reduce_rows(SUM, lanes, E, low * pitch + pw, pitch, high - low + 1, dX, target, W)

    values = vector(dtype)
    return types.void(readonly(dtype), *[_int] * 12, values, _int, _int, values), run

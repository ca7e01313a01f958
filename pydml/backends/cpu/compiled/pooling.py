"""Pooling of the planes (image, channel) begin:end: maximum, average and their gradients.

X holds planes of H x W cells, out planes of P x Q; g = (H, W, Hp, Wp, sh, sw, ph, pw, P, Q).
"""

from __future__ import annotations

import numpy as np
from numba import types

from pydml.backends.cpu.compiled.simd import indexes, readonly, vector
from pydml.backends.cpu.jit import compiled


@compiled
def max_forward(dtype):
    """Maximum of each window; NaN where one of its cells is NaN, -inf where the window lies in the padding."""

    def run(X, g, begin, end, out):
        H, W, Hp, Wp, sh, sw, ph, pw, P, Q = g[0], g[1], g[2], g[3], g[4], g[5], g[6], g[7], g[8], g[9]
        line = np.empty(W, X.dtype)  # maximum over the rows of a window, for each column
        lowest = X.dtype.type(-np.inf)
        for plane in range(begin, end):
            source, target = plane * H * W, plane * P * Q
            for p in range(P):
                first, last = max(p * sh - ph, 0), min(p * sh - ph + Hp, H)
                for w in range(W):
                    line[w] = lowest
                for h in range(first, last):
                    row = X[source + h * W : source + h * W + W]
                    for w in range(W):
                        x, m = row[w], line[w]
                        line[w] = x if x > m or x != x else m
                for q in range(Q):
                    m = lowest
                    for w in range(max(q * sw - pw, 0), min(q * sw - pw + Wp, W)):
                        x = line[w]
                        m = x if x > m or x != x else m
                    out[target + p * Q + q] = m

    return types.void(readonly(dtype), indexes, types.int64, types.int64, vector(dtype)), run


@compiled
def max_backward(dtype):
    """Adds the gradient of each window to its first maximum; windows without a cell above -inf pass nothing on."""

    def run(X, dout, g, begin, end, dX):
        H, W, Hp, Wp, sh, sw, ph, pw, P, Q = g[0], g[1], g[2], g[3], g[4], g[5], g[6], g[7], g[8], g[9]
        for plane in range(begin, end):
            source, target = plane * H * W, plane * P * Q
            for i in range(source, source + H * W):
                dX[i] = 0
            for p in range(P):
                top, bottom = max(p * sh - ph, 0), min(p * sh - ph + Hp, H)
                for q in range(Q):
                    left, right = max(q * sw - pw, 0), min(q * sw - pw + Wp, W)
                    m = X.dtype.type(-np.inf)
                    place = -1
                    for h in range(top, bottom):
                        start = source + h * W
                        for i in range(start + left, start + right):
                            x = X[i]
                            larger = x > m
                            m = x if larger else m
                            place = i if larger else place
                    if place >= 0:
                        dX[place] += dout[target + p * Q + q]

    readable = readonly(dtype)
    return types.void(readable, readable, indexes, types.int64, types.int64, vector(dtype)), run


@compiled
def average_forward(dtype):
    """Sum of each window over the full size of the pool."""

    def run(X, g, begin, end, out):
        H, W, Hp, Wp, sh, sw, ph, pw, P, Q = g[0], g[1], g[2], g[3], g[4], g[5], g[6], g[7], g[8], g[9]
        line = np.empty(W, X.dtype)
        size = X.dtype.type(Hp * Wp)
        for plane in range(begin, end):
            source, target = plane * H * W, plane * P * Q
            for p in range(P):
                for w in range(W):
                    line[w] = 0
                for h in range(max(p * sh - ph, 0), min(p * sh - ph + Hp, H)):
                    row = X[source + h * W : source + h * W + W]
                    for w in range(W):
                        line[w] += row[w]
                for q in range(Q):
                    s = X.dtype.type(0)
                    for w in range(max(q * sw - pw, 0), min(q * sw - pw + Wp, W)):
                        s += line[w]
                    out[target + p * Q + q] = s / size

    return types.void(readonly(dtype), indexes, types.int64, types.int64, vector(dtype)), run


@compiled
def average_backward(dtype):
    """Adds the gradient of each window, divided by the size of the pool, to its cells."""

    def run(dout, g, begin, end, dX):
        H, W, Hp, Wp, sh, sw, ph, pw, P, Q = g[0], g[1], g[2], g[3], g[4], g[5], g[6], g[7], g[8], g[9]
        size = dX.dtype.type(Hp * Wp)
        for plane in range(begin, end):
            source, target = plane * H * W, plane * P * Q
            for i in range(source, source + H * W):
                dX[i] = 0
            for p in range(P):
                top, bottom = max(p * sh - ph, 0), min(p * sh - ph + Hp, H)
                for q in range(Q):
                    share = dout[target + p * Q + q] / size
                    left, right = max(q * sw - pw, 0), min(q * sw - pw + Wp, W)
                    for h in range(top, bottom):
                        for i in range(source + h * W + left, source + h * W + right):
                            dX[i] += share

    return types.void(readonly(dtype), indexes, types.int64, types.int64, vector(dtype)), run

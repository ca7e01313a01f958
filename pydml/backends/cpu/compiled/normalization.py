"""Batch normalisation channel by channel: the cells of one channel are read several times while they are in cache.

Sums over runs of cells are in the matrix's precision and in an order that suits vector instructions; runs are added in double
precision, in their order.  Neither depends on the number of threads.
"""

from __future__ import annotations

import numba
import numpy as np
from numba import types

from pydml.backends.cpu.compiled.simd import combine_rows, readonly, scale_row, vector
from pydml.backends.cpu.jit import compiled

RUN = 512  # cells of a partial sum: short enough for single precision

# Sums may be reordered, which vector instructions need; NaN and infinities keep their meaning.
_sum = {"nogil": True, "error_model": "numpy", "fastmath": {"reassoc", "nsz"}}


@numba.njit(**_sum)
def _run_sum(x, begin, end):
    s = x[begin] * 0
    for i in range(begin, end):
        s += x[i]
    return np.float64(s)


@numba.njit(**_sum)
def _run_squares(x, begin, end, mean):
    s = x[begin] * 0
    for i in range(begin, end):
        d = x[i] - mean
        s += d * d
    return np.float64(s)


@numba.njit(**_sum)
def _run_products(x, y, begin, end, mean):
    """Sum of (x - mean) * y."""
    s = x[begin] * 0
    for i in range(begin, end):
        s += (x[i] - mean) * y[i]
    return np.float64(s)


@compiled
def statistics(dtype):
    """Mean and biased variance of the channels begin:end."""

    def run(X, images, channels, cells, begin, end, mean, var):
        count = images * cells
        for c in range(begin, end):
            total = 0.0
            for n in range(images):
                start = (n * channels + c) * cells
                for i in range(start, start + cells, RUN):
                    total += _run_sum(X, i, min(i + RUN, start + cells))
            m = total / count
            mean[c] = m
            center = X.dtype.type(m)
            squares = 0.0
            first = 0.0
            for n in range(images):
                start = (n * channels + c) * cells
                for i in range(start, start + cells, RUN):
                    squares += _run_squares(X, i, min(i + RUN, start + cells), center)
            first = m - center  # the mean in single precision is a little off
            var[c] = squares / count - first * first

    i = types.int64
    return types.void(readonly(dtype), i, i, i, i, i, types.float64[::1], types.float64[::1]), run


@compiled
def scale_and_shift(dtype, lanes):
    """out = scale * X + shift for the channels begin:end.  stream: see `simd.scale_row`."""

    def run(X, images, channels, cells, begin, end, scale, shift, out, stream):
        for c in range(begin, end):
            a, b = scale[c], shift[c]
            for n in range(images):
                start = (n * channels + c) * cells
                scale_row(lanes, X, start, a, b, out, start, cells, stream)

    i = types.int64
    return types.void(
        readonly(dtype), i, i, i, i, i, readonly(dtype), readonly(dtype), vector(dtype), types.boolean
    ), run


@compiled
def gradients(dtype, lanes):
    """dX, and the sums over each channel of dout and of dout * (X - mean), for the channels begin:end.

    dX = a * dout + b * X + c with numbers of the channel: the gradient of the batch's mean and variance is linear in X.
    """

    def run(X, dout, images, channels, cells, begin, end, mean, inv_std, gamma, sums, products, dX, stream):
        count = images * cells
        for c in range(begin, end):
            center = X.dtype.type(mean[c])
            total = 0.0
            product = 0.0
            for n in range(images):
                start = (n * channels + c) * cells
                for i in range(start, start + cells, RUN):
                    end_of_run = min(i + RUN, start + cells)
                    total += _run_sum(dout, i, end_of_run)
                    product += _run_products(X, dout, i, end_of_run, center)
            product -= (mean[c] - center) * total
            sums[c] = total
            products[c] = product * inv_std[c]
            scale = gamma[c] * inv_std[c]
            slope = -scale * inv_std[c] * products[c] / count
            a = X.dtype.type(scale)
            b = X.dtype.type(slope)
            offset = X.dtype.type(-scale * total / count - slope * (mean[c] - center))
            for n in range(images):
                start = (n * channels + c) * cells
                combine_rows(lanes, X, dout, start, a, b, center, offset, dX, cells, stream)

    i, d, given = types.int64, types.float64[::1], readonly(np.float64)
    return types.void(
        readonly(dtype), readonly(dtype), i, i, i, i, i, given, given, given, d, d, vector(dtype), types.boolean
    ), run

"""Batch normalisation: the cells of some channels are read twice, the second time while they are in cache.

A few neighbouring channels are taken at once where a channel has few cells, so that each image is read in long pieces.  Sums over
a row of cells are in the matrix's precision, in vectors; rows are added in double precision, in the order of the images.
Neither depends on the number of threads, nor on how many channels are taken at once.
"""

from __future__ import annotations

import numpy as np
from numba import types

from pydml.backends.cpu.compiled.simd import add_moments, add_products, combine_rows, readonly, scale_row, vector
from pydml.backends.cpu.jit import vectorized

ROW = 4096  # cells of a sum: short enough for single precision

_i, _numbers, _given = types.int64, types.float64[::1], readonly(np.float64)


@vectorized
def normalize(dtype, lanes):
    """out, mean and inverse standard deviation of the channels begin:end; together: channels at once.

    sums: room for two numbers of each channel.  The squares are taken of distances from the mean over the first image, which
    is some standard deviations from that of all images at most (the square root of their number), so few digits cancel.
    stream: see `simd.scale_row`.
    """

    def run(
        X, images, channels, cells, begin, end, together, gamma, beta, epsilon, sums, mean, var, inv_std, out, stream
    ):  # fmt: skip
        count = images * cells
        like = X.dtype.type
        for c0 in range(begin, end, together):
            c1 = min(c0 + together, end)
            for c in range(c0, c1):
                sums[2 * c] = 0
                for i in range(0, cells, ROW):
                    add_moments(lanes, X, c * cells + i, min(ROW, cells - i), like(0), sums, 2 * c)
                mean[c] = like(sums[2 * c] / cells)
                sums[2 * c] = 0
                sums[2 * c + 1] = 0
            for n in range(images):
                for c in range(c0, c1):
                    start = (n * channels + c) * cells
                    for i in range(0, cells, ROW):
                        add_moments(lanes, X, start + i, min(ROW, cells - i), like(mean[c]), sums, 2 * c)
            for c in range(c0, c1):
                distance = sums[2 * c] / count
                mean[c] += distance
                var[c] = max(sums[2 * c + 1] / count - distance * distance, 0.0)
                inv_std[c] = 1 / np.sqrt(var[c] + epsilon)
                sums[2 * c] = gamma[c] * inv_std[c]
                sums[2 * c + 1] = beta[c] - mean[c] * sums[2 * c]
            for n in range(images):
                for c in range(c0, c1):
                    start = (n * channels + c) * cells
                    a, b = like(sums[2 * c]), like(sums[2 * c + 1])
                    scale_row(lanes, X, start, a, b, out, start, cells, stream)

    return types.void(
        readonly(dtype), *[_i] * 6, _given, _given, types.float64, *[_numbers] * 4, vector(dtype), types.boolean
    ), run  # fmt: skip


@vectorized
def scale_and_shift(dtype, lanes):
    """out = scale * X + shift for the channels begin:end.  stream: see `simd.scale_row`."""

    def run(X, images, channels, cells, begin, end, scale, shift, out, stream):
        for c in range(begin, end):
            a, b = scale[c], shift[c]
            for n in range(images):
                start = (n * channels + c) * cells
                scale_row(lanes, X, start, a, b, out, start, cells, stream)

    given = readonly(dtype)
    return types.void(given, *[_i] * 5, given, given, vector(dtype), types.boolean), run


@vectorized
def gradients(dtype, lanes):
    """dX, and the sums over each channel of dout and of dout * (X - mean) / std, for the channels begin:end; together: at once.

    dX = a * dout + b * X + c with numbers of the channel: the gradient of the batch's mean and variance is linear in X.
    sums: room for three numbers of each channel.
    """

    def run(
        X, dout, images, channels, cells, begin, end, together, mean, inv_std, gamma, sums, dbeta, dgamma, dX, stream
    ):  # fmt: skip
        count = images * cells
        like = X.dtype.type
        for c0 in range(begin, end, together):
            c1 = min(c0 + together, end)
            for c in range(c0, c1):
                sums[3 * c] = 0
                sums[3 * c + 1] = 0
            for n in range(images):
                for c in range(c0, c1):
                    start = (n * channels + c) * cells
                    for i in range(0, cells, ROW):
                        add_products(lanes, X, dout, start + i, min(ROW, cells - i), like(mean[c]), sums, 3 * c)
            for c in range(c0, c1):
                away = mean[c] - like(mean[c])  # the mean in single precision is a little off
                dbeta[c] = sums[3 * c]
                dgamma[c] = (sums[3 * c + 1] - away * dbeta[c]) * inv_std[c]
                scale = gamma[c] * inv_std[c]
                slope = -scale * inv_std[c] * dgamma[c] / count
                sums[3 * c] = scale
                sums[3 * c + 1] = slope
                sums[3 * c + 2] = -scale * dbeta[c] / count - slope * away
            for n in range(images):
                for c in range(c0, c1):
                    start = (n * channels + c) * cells
                    a, b, offset = like(sums[3 * c]), like(sums[3 * c + 1]), like(sums[3 * c + 2])
                    combine_rows(lanes, X, dout, start, a, b, like(mean[c]), offset, dX, cells, stream)

    given = readonly(dtype)
    return types.void(
        given, given, *[_i] * 6, _given, _given, _given, *[_numbers] * 3, vector(dtype), types.boolean
    ), run  # fmt: skip

"""Crops, flips, resizing and changes of colour, image by image; see `pydml.builtins.augmentation` for what they mean."""

from __future__ import annotations

import numpy as np
from numba import njit, types

from pydml.backends.cpu.compiled.simd import NUMBA_TYPES
from pydml.backends.cpu.jit import compiled

_int = types.intp
_table = types.Array(types.int64, 2, "C", readonly=True)


def _input(dtype):
    return types.Array(NUMBA_TYPES[np.dtype(dtype)], 2, "C", readonly=True)


def _output(dtype, dimensions=2):
    return types.Array(NUMBA_TYPES[np.dtype(dtype)], dimensions, "C")


@compiled
def crop(dtype):
    """out = the part of each image n in first..last from corners[n] on; `fill` outside of the image."""

    def run(X, corners, first, last, C, H, W, out_h, out_w, fill, out):
        for n in range(first, last):
            top, left = corners[n, 0], corners[n, 1]
            begin = min(max(-left, 0), out_w)  # columns of the part that lie in the image
            end = max(min(W - left, out_w), begin)
            for c in range(C):
                for i in range(out_h):
                    target = (c * out_h + i) * out_w
                    r = top + i
                    if r < 0 or r >= H:
                        for j in range(out_w):
                            out[n, target + j] = fill
                        continue
                    source = (c * H + r) * W + left
                    for j in range(begin):
                        out[n, target + j] = fill
                    for j in range(begin, end):
                        out[n, target + j] = X[n, source + j]
                    for j in range(end, out_w):
                        out[n, target + j] = fill

    return types.void(_input(dtype), _table, *[_int] * 7, NUMBA_TYPES[np.dtype(dtype)], _output(dtype)), run


@compiled
def flip(dtype):
    """out = images first..last, those with flipped[n] mirrored.  lines: C*H rows of W cells in an image."""

    def run(X, flipped, first, last, lines, W, out):
        for n in range(first, last):
            for line in range(lines):
                start = line * W
                if flipped[n]:
                    for j in range(W):
                        out[n, start + j] = X[n, start + W - 1 - j]
                else:
                    for j in range(W):
                        out[n, start + j] = X[n, start + j]

    flags = types.Array(types.boolean, 1, "C", readonly=True)
    return types.void(_input(dtype), flags, *[_int] * 4, _output(dtype)), run


@njit(nogil=True)
def _weights(start, size, out, taps, begins, counts, shares):
    """The rows of `augmentation.resize_weights`: for each new cell the first old one, their number, and their shares."""
    scale = size / out
    support = max(scale, 1.0)
    for o in range(out):
        middle = start + (o + 0.5) * scale
        low = max(start, int(np.floor(middle - support - 0.5)))
        high = min(start + size, int(np.ceil(middle + support + 0.5)))
        count, begin, total = 0, low, 0.0
        for k in range(low, high):
            share = 1 - abs(k + 0.5 - middle) / support
            if share <= 0:
                if count == 0:
                    begin = k + 1
                continue
            shares[o * taps + count] = share
            total += share
            count += 1
        begins[o], counts[o] = begin, count
        for k in range(count):
            shares[o * taps + k] /= total


@compiled
def resized_crop(dtype):
    """out = the part (top, left, height, width) of each image, resized to out_h x out_w: rows first, then columns.

    lines: room for H * out_w cells.  begins, counts: room for out_h + out_w ints; shares: for taps each.
    """

    def run(X, parts, first, last, C, H, W, out_h, out_w, taps, lines, begins, counts, shares, out):
        for n in range(first, last):
            top, left, height, width = parts[n, 0], parts[n, 1], parts[n, 2], parts[n, 3]
            _weights(left, width, out_w, taps, begins, counts, shares)
            _weights(top, height, out_h, taps, begins[out_w:], counts[out_w:], shares[out_w * taps :])
            for c in range(C):
                for r in range(top, top + height):
                    source, target = (c * H + r) * W, r * out_w
                    for o in range(out_w):
                        total = 0.0
                        for k in range(counts[o]):
                            total += shares[o * taps + k] * X[n, source + begins[o] + k]
                        lines[target + o] = total
                for i in range(out_h):
                    target = (c * out_h + i) * out_w
                    o = out_w + i
                    source = begins[o] * out_w
                    share = dtype(shares[o * taps])
                    for j in range(out_w):
                        out[n, target + j] = share * lines[source + j]
                    for k in range(1, counts[o]):
                        share = dtype(shares[o * taps + k])
                        source += out_w
                        for j in range(out_w):
                            out[n, target + j] += share * lines[source + j]

    ints = types.Array(types.int64, 1, "C")
    return types.void(
        _input(dtype), _table, *[_int] * 8, _output(dtype, 1), ints, ints, types.Array(types.float64, 1, "C"), _output(dtype)
    ), run  # fmt: skip


# The helpers of `jitter`.  Numbers of the image's type come as arguments: a kernel finds its functions in the module.


@njit(nogil=True)
def _limited(x, zero, one):
    return min(max(x, zero), one)


@njit(nogil=True)
def _grey(out, n, i, cells, channels, red, green, blue):
    if channels == 1:
        return out[n, i]
    return red * out[n, i] + green * out[n, cells + i] + blue * out[n, 2 * cells + i]


@njit(nogil=True)
def _turned(place, hue, high, spread, zero, one, four, six):
    k = place + hue
    k -= six * np.floor(k / six)
    return high - spread * _limited(min(k, four - k), zero, one)


@compiled
def jitter(dtype, channels):
    """out = images first..last after the four changes.  cells: of a channel."""
    red, green, blue = dtype(0.2989), dtype(0.587), dtype(0.114)
    zero, one, four, six = dtype(0), dtype(1), dtype(4), dtype(6)

    def run(X, factors, order, first, last, cells, out):
        for n in range(first, last):
            for i in range(channels * cells):
                out[n, i] = X[n, i]
            for step in range(4):
                what = order[n, step]
                f = dtype(factors[n, what])
                if what == 0 and f != one:
                    for i in range(channels * cells):
                        out[n, i] = _limited(f * out[n, i], zero, one)
                elif what == 1 and f != one:
                    total = 0.0
                    for i in range(cells):
                        total += _grey(out, n, i, cells, channels, red, green, blue)
                    mean = (one - f) * dtype(total / cells)
                    for i in range(channels * cells):
                        out[n, i] = _limited(f * out[n, i] + mean, zero, one)
                elif what == 2 and f != one and channels == 3:
                    for i in range(cells):
                        own = (one - f) * _grey(out, n, i, cells, channels, red, green, blue)
                        for c in range(3):
                            out[n, c * cells + i] = _limited(f * out[n, c * cells + i] + own, zero, one)
                elif what == 3 and f != zero and channels == 3:
                    for i in range(cells):
                        r, g, b = out[n, i], out[n, cells + i], out[n, 2 * cells + i]
                        high, low = max(r, g, b), min(r, g, b)
                        spread = high - low
                        hue = six * f
                        if spread != zero:
                            if high == r:
                                hue += (g - b) / spread
                            elif high == g:
                                hue += dtype(2) + (b - r) / spread
                            else:
                                hue += four + (r - g) / spread
                        out[n, i] = _limited(_turned(dtype(5), hue, high, spread, zero, one, four, six), zero, one)
                        out[n, cells + i] = _limited(
                            _turned(dtype(3), hue, high, spread, zero, one, four, six), zero, one
                        )
                        out[n, 2 * cells + i] = _limited(
                            _turned(one, hue, high, spread, zero, one, four, six), zero, one
                        )

    doubles = types.Array(types.float64, 2, "C", readonly=True)
    return types.void(_input(dtype), doubles, _table, _int, _int, _int, _output(dtype)), run


@compiled
def normalize(dtype):
    """out = (X - mean[c]) / std[c] for images first..last.  cells: of a channel."""

    def run(X, mean, std, first, last, cells, out):
        for n in range(first, last):
            for c in range(len(mean)):
                m, s = mean[c], std[c]
                for j in range(c * cells, (c + 1) * cells):
                    out[n, j] = (X[n, j] - m) / s

    numbers = types.Array(NUMBA_TYPES[np.dtype(dtype)], 1, "C", readonly=True)
    return types.void(_input(dtype), numbers, numbers, _int, _int, _int, _output(dtype)), run

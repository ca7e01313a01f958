"""Convolution with stride 1 of batches of small images with few channels: the images of a block are the lanes of vectors.

A cell of all images of a block, as many as two vectors have lanes, lies in two vectors side by side.  So each product is one of whole vectors,
whatever the width of an image, nothing is packed for a pixel, and taps outside of the image are left out instead of multiplied by 0.

All arrays are one-dimensional; offsets and pitches are in elements.  `lanes` and `height` are constants: the elements of a
vector and the rows of a product tile.
"""

from __future__ import annotations

from numba import types

from pydml.backends.cpu.compiled.simd import (
    add_vectors,
    dot_shifted,
    indexes,
    product_listed,
    readonly,
    transpose_block,
    vector,
)
from pydml.backends.cpu.jit import vectorized

_int = types.intp


@vectorized
def interleave_images(dtype, lanes):
    """S[((c*rows + h + ph)*columns + w + pw)*width + n] = X[x0 + n*x_pitch + (c*H + h)*W + w], with width = 2*lanes, and 0 around each plane.

    rows = H + 2*ph, columns = W + 2*pw.  There are `images` images, at most width; the last one stands for those that are missing.  places: room for
    width numbers.
    """
    width = 2 * lanes

    def run(X, x0, x_pitch, images, C, H, W, ph, pw, S, places):
        for n in range(width):
            places[n] = min(n, images - 1) * x_pitch
        rows = H + 2 * ph
        columns = W + 2 * pw
        count, length = C * H, W
        if ph == 0 and pw == 0:
            count, length = 1, C * H * W
        else:
            for i in range(C * rows * columns * width):
                S[i] = 0
        for line in range(count):
            source = x0 + line * length
            target = ((line // H * rows + line % H + ph) * columns + pw) * width
            if length >= lanes:
                for x in range(0, length, lanes):
                    begin = min(x, length - lanes)  # the last block ends with the row
                    to = target + begin * width
                    transpose_block(lanes, X, source + begin, places, 0, S, to, width)
                    transpose_block(lanes, X, source + begin, places, lanes, S, to + lanes, width)
            else:
                for x in range(length):
                    for n in range(width):
                        S[target + x * width + n] = X[source + x + places[n]]

    i = _int
    return types.void(readonly(dtype), i, i, i, i, i, i, i, i, vector(dtype), indexes), run


@vectorized
def multiply_interleaved(dtype, lanes, height):
    """out = filters * cells + bias for the pixels (P x Q) of a block of interleaved images.

    Pixel (p, q) sees S[(p*columns + q)*width + b_places[x]] times A[a_places[x] + row] for the x of its kind: those from begin[k] to begin[k + 1] - 1, with
    k = row_kinds[p]*kinds + column_kinds[q].  A: from `convolution.pack_filters`, in one block.  bias: filled up to whole tiles.  The result of
    row f of image n < images goes to out[o0 + n*o_pitch + (f*P + p)*Q + q].  T: room for height * chunk * width results.  places: room for lanes numbers.
    """
    width = 2 * lanes

    def run(
        S, columns, images, P, Q, A, rows, depth, a_places, b_places, begin, row_kinds, column_kinds, kinds, bias,
        out, o0, o_pitch, T, chunk, places,
    ):  # fmt: skip
        for l in range(lanes):
            places[l] = l * width
        t_row = chunk * width
        for f in range(0, rows, height):
            for t0 in range(0, P * Q, chunk):
                length = min(chunk, P * Q - t0)
                p = t0 // Q
                q = t0 - p * Q
                for t in range(length):
                    kind = row_kinds[p] * kinds + column_kinds[q]
                    product_listed(
                        height, lanes, A, f * depth, S, (p * columns + q) * width, a_places, b_places,
                        begin[kind], begin[kind + 1] - begin[kind], T, t * width, t_row, bias, f,
                    )  # fmt: skip
                    q += 1
                    if q == Q:
                        q = 0
                        p += 1
                for r in range(min(height, rows - f)):
                    source = r * t_row
                    target = o0 + (f + r) * P * Q + t0
                    if images == width and length >= lanes:
                        for t in range(0, length, lanes):
                            first = min(t, length - lanes)
                            from_ = source + first * width
                            to = target + first
                            transpose_block(lanes, T, from_, places, 0, out, to, o_pitch)
                            transpose_block(lanes, T, from_ + lanes, places, 0, out, to + lanes * o_pitch, o_pitch)
                    else:
                        for n in range(images):
                            for t in range(length):
                                out[target + n * o_pitch + t] = T[source + t * width + n]

    values = vector(dtype)
    i = _int
    return types.void(
        values, i, i, i, i, values, i, i, *[indexes] * 5, i, readonly(dtype), values, i, i, values, i, indexes
    ), run  # fmt: skip


ROWS, TAPS = (
    3,
    4,
)  # of a tile of `sum_interleaved`: twelve sums, three gradients and a vector of cells fill sixteen registers


@vectorized
def sum_interleaved(dtype, lanes):
    """Sums over the pixels of a block of interleaved images of output gradient times image cells, for all rows and taps.

    D: the gradients, rows x (P*Q) cells of width = 2*lanes images; those of images that are missing are 0.  Pixel (p, q) sees
    S[(p*columns + q)*width + taps[k]] through tap k.  The sum of row f and tap k goes, or is added, spread over the lanes of a vector, to
    T[(f*depth + k)*lanes + l].  rows and depth are multiples of ROWS and TAPS.  band: how many rows of pixels are taken at once.
    """
    ROWS_, TAPS_ = ROWS, TAPS
    width = 2 * lanes

    def run(S, columns, P, Q, D, rows, taps, depth, band, T, add):
        d_row = P * Q * width
        for p in range(0, P, band):
            length = min(band, P - p) * Q * width
            for f in range(0, rows, ROWS_):
                for k in range(0, depth, TAPS_):
                    dot_shifted(
                        ROWS_, TAPS_, lanes, D, f * d_row + p * Q * width, d_row, S, p * columns * width, taps, k,
                        length, Q * width, (columns - Q) * width, T, (f * depth + k) * lanes, depth * lanes, add or p > 0,
                    )  # fmt: skip

    values = vector(dtype)
    i = _int
    return types.void(values, i, i, i, values, i, indexes, i, i, values, types.boolean), run


@vectorized
def gather_lanes(dtype, lanes):
    """Add up `parts` results of `sum_interleaved`, each of part_size cells, and their lanes, and write rows x taps to the filters' gradient."""

    def run(T, parts, part_size, rows, taps, depth, dW):
        for f in range(rows):
            for k in range(taps):
                at = (f * depth + k) * lanes
                for part in range(1, parts):
                    add_vectors(1, lanes, T, at + part * part_size, T, at)
                total = T[at]
                for x in range(1, lanes):
                    total += T[at + x]
                dW[f * taps + k] = total

    return types.void(vector(dtype), *[_int] * 5, vector(dtype)), run

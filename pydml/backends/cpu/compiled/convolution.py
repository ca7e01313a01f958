"""Convolution as a product of packed panels: any stride, padding and size.

A convolution is a product of the filters (rows) with the columns that each output pixel sees.  That matrix is never formed.
The images are first laid out so that the pixels of an output row see neighbouring cells through every tap: padded, and split by
row and column modulo the stride (`split_images`).  Then a tap is an offset into that layout, and a panel (the depth of the
product times two vectors of pixels) is packed by copying whole vectors just before it is used, into a buffer that stays in the
first-level cache.

The gradient of the images is the same product with the output gradient as source, once for each residue of the image's rows
and columns modulo the stride.  The gradient of the filters sums over pixels instead: panels of pixels times taps, packed by
transposing in registers.

All arrays are one-dimensional; offsets and pitches are in elements.  `lanes` and `height` are constants: the elements of a
vector and the rows of a product tile.
"""

from __future__ import annotations

from numba import types

from pydml.backends.cpu.compiled.simd import copy_vectors, indexes, product_tile, readonly, transpose_block, vector
from pydml.backends.cpu.jit import compiled

_int = types.intp


@compiled
def split_images(dtype):
    """Lay out images padded and split by the stride.

    Row y, column x of channel c, residues (fy, fx) of an image is cell (y0 + y)*sh + fy - ph, x*sw + fx - pw of that channel, 0
    outside of it.  rows, columns: size of one such plane; residues ry x rx of them for each channel.
    """

    def run(X, x0, x_pitch, images, C, H, W, sh, sw, ph, pw, y0, ry, rx, rows, columns, S, s_pitch):
        plane = rows * columns
        for n in range(images):
            for c in range(C):
                source = x0 + n * x_pitch + c * H * W
                for y in range(rows):
                    for fy in range(ry):
                        h = (y0 + y) * sh + fy - ph
                        target = n * s_pitch + (c * ry + fy) * rx * plane + y * columns
                        for fx in range(rx):
                            to = target + fx * plane
                            if h < 0 or h >= H:
                                for x in range(columns):
                                    S[to + x] = 0
                                continue
                            shift = fx - pw
                            first = min(max((sw - 1 - shift) // sw, 0), columns)
                            last = max(min((W - 1 - shift) // sw + 1, columns), first)
                            row = source + h * W + shift
                            for x in range(first):
                                S[to + x] = 0
                            if sw == 1:
                                for x in range(first, last):
                                    S[to + x] = X[row + x]
                            else:
                                for x in range(first, last):
                                    S[to + x] = X[row + x * sw]
                            for x in range(last, columns):
                                S[to + x] = 0

    ints = [_int] * 14
    return types.void(readonly(dtype), _int, _int, *ints[:13], vector(dtype), _int), run


@compiled
def pack_filters(dtype, height):
    """Filters as panels of `height` rows for the product, in blocks of `block` taps.

    Row i, tap k is W[row_step*i + taps[k]].  Panels of a block follow each other, padded with rows of zeros.
    """

    def run(W, row_step, rows, taps, depth, block, A):
        panels = (rows + height - 1) // height
        for k0 in range(0, depth, block):
            size = min(block, depth - k0)
            at = k0 * panels * height
            for panel in range(panels):
                valid = min(height, rows - panel * height)
                for k in range(size):
                    source = taps[k0 + k] + panel * height * row_step
                    for i in range(height):
                        A[at + i] = W[source + i * row_step] if i < valid else 0
                    at += height

    return types.void(readonly(dtype), _int, _int, indexes, _int, _int, vector(dtype)), run


@compiled
def multiply_panels(dtype, lanes, height):
    """out = filters * columns + bias for the pixels (P x Q) of a batch of images.

    Pixel (p, q) of image n sees S[s0 + n*s_pitch + p*s_row + q + taps[k]] through tap k, and its result for row f goes to
    out[o0 + n*o_pitch + f*o_plane + p*o_row + q*o_column].  A: from `pack_filters`.  Two vectors from the last pixel's cells on
    must be readable in S.  B: room for a panel and two vectors.  T: room for the results of `at_once` panels.  places: room
    for 4 * width + 2 numbers for each of those.
    """
    width = 2 * lanes
    stride = 4 * width + 2

    def run(
        S, s0, s_pitch, s_row, images, P, Q, A, rows, taps, depth, block, bias,
        out, o0, o_pitch, o_plane, o_row, o_column, B, T, places, at_once,
    ):  # fmt: skip
        pixels = images * P * Q
        row_panels = (rows + height - 1) // height
        padded = row_panels * height
        joined = o_column == 1 and o_row == Q  # the pixels of an image are neighbours in the output
        for first in range(0, pixels, at_once * width):
            panels = min(at_once, (pixels - first + width - 1) // width)

            # Where the pixels of a panel are: (place in the panel, source) for each run of neighbouring cells, and
            # (place, target) for each run of neighbouring results.
            for j in range(panels):
                sources = j * stride
                targets = sources + 2 * width + 1
                start = first + j * width
                end = min(start + width, pixels)
                count = 0
                joins = 0
                t = start
                while t < end:
                    n = t // (P * Q)
                    r = t - n * P * Q
                    p = r // Q
                    q = r - p * Q
                    places[sources + 1 + 2 * count] = t - start
                    places[sources + 2 + 2 * count] = s0 + n * s_pitch + p * s_row + q
                    count += 1
                    if not joined or t == start or r == 0:
                        places[targets + 1 + 2 * joins] = t - start
                        places[targets + 2 + 2 * joins] = o0 + n * o_pitch + p * o_row + q * o_column
                        joins += 1
                    t += Q - q
                places[sources] = count
                places[targets] = joins

            for k0 in range(0, depth, block):
                size = min(block, depth - k0)
                for j in range(panels):
                    sources = j * stride
                    count = places[sources]
                    if count == 1:
                        source = places[sources + 2]
                        for k in range(size):
                            copy_vectors(2, lanes, S, source + taps[k0 + k], B, k * width)
                    else:
                        # Whole vectors here too: what a run writes beyond its end, the next run or tap overwrites.
                        for k in range(size):
                            tap = taps[k0 + k]
                            for r in range(count):
                                source = places[sources + 2 + 2 * r] + tap
                                copy_vectors(2, lanes, S, source, B, k * width + places[sources + 1 + 2 * r])
                    for i in range(row_panels):
                        product_tile(
                            height, lanes, A, k0 * padded + i * size * height, 1, height, height, B, 0, size,
                            T, (j * padded + i * height) * width, width, k0 > 0,
                        )  # fmt: skip
            if depth == 0:
                for i in range(panels * padded * width):
                    T[i] = 0

            for f in range(rows):
                b = bias[f]
                for j in range(panels):
                    source = (j * padded + f) * width
                    targets = j * stride + 2 * width + 1
                    joins = places[targets]
                    for r in range(joins):
                        begin = places[targets + 1 + 2 * r]
                        target = places[targets + 2 + 2 * r] + f * o_plane
                        end = min(width, pixels - first - j * width)
                        if r + 1 < joins:
                            end = places[targets + 3 + 2 * r]
                        if o_column != 1:
                            for x in range(end - begin):
                                out[target + x * o_column] = T[source + begin + x] + b
                        elif end - begin == width:
                            for x in range(width):
                                out[target + x] = T[source + x] + b
                        else:
                            for x in range(end - begin):
                                out[target + x] = T[source + begin + x] + b

    values = vector(dtype)
    return types.void(
        readonly(dtype), *[_int] * 6, values, _int, indexes, _int, _int, readonly(dtype),
        values, *[_int] * 5, values, values, indexes, _int,
    ), run  # fmt: skip


@compiled
def sum_over_pixels(dtype, lanes, height):
    """Sums over pixels of output gradient times image cells, for the panels [first, last) of taps.

    A segment is `span` pixels: those of one image, or of a group whose gradients were gathered.  Pixel t of segment g is pixel
    (p, q) of an image and sees S[s0 + n*s_pitch + p*s_row + q + taps[k]], n counting through all segments; its gradient for row
    f is D[d0 + g*d_pitch + f*span + t].  Up to two vectors beyond the last pixel's cells must be readable in S.

    The sums are added to T[((panel*row_panels + i)*height + f)*width + k].  block: pixels taken at once.  B: room for
    (block + lanes) rows of a panel.  taps: filled up to whole panels.
    """
    width = 2 * lanes

    def run(S, s0, s_pitch, s_row, P, Q, D, d0, d_pitch, segments, span, rows, taps, first, last, block, B, T):
        row_panels = (rows + height - 1) // height
        for panel in range(first, last):
            for g in range(segments):
                for t0 in range(0, span, block):
                    size = min(block, span - t0)
                    t = t0
                    while t < t0 + size:
                        pixel = g * span + t
                        n = pixel // (P * Q)
                        r = pixel - n * P * Q
                        p = r // Q
                        q = r - p * Q
                        source = s0 + n * s_pitch + p * s_row + q
                        length = min(Q - q, t0 + size - t)
                        # Whole blocks: rows written beyond the run are overwritten by the next run, or not used.
                        for x in range(0, length, lanes):
                            at = (t - t0 + x) * width
                            transpose_block(lanes, S, source + x, taps, panel * width, B, at, width)
                            transpose_block(lanes, S, source + x, taps, panel * width + lanes, B, at + lanes, width)
                        t += length
                    for i in range(row_panels):
                        product_tile(
                            height, lanes, D, d0 + g * d_pitch + i * height * span + t0, span, 1, min(height, rows - i * height),
                            B, 0, size, T, (panel * row_panels + i) * height * width, width, True,
                        )  # fmt: skip

    values = vector(dtype)
    return types.void(
        readonly(dtype), *[_int] * 5, readonly(dtype), *[_int] * 5, indexes, _int, _int, _int, values, values
    ), run  # fmt: skip


@compiled
def gather_sums(dtype, lanes, height):
    """Add up `parts` results of `sum_over_pixels` for rows [first, last) and write them to the filters' gradient."""
    width = 2 * lanes

    def run(T, parts, part_size, rows, depth, first, last, dW):
        row_panels = (rows + height - 1) // height
        for f in range(first, last):
            for k in range(depth):
                at = (k // width * row_panels * height + f) * width + k % width
                total = T[at]
                for part in range(1, parts):
                    total += T[at + part * part_size]
                dW[f * depth + k] = total

    return types.void(vector(dtype), *[_int] * 6, vector(dtype)), run

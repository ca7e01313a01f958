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

from pydml.backends.cpu.compiled.simd import (
    add_vectors,
    alternate_row,
    copy_row,
    copy_strided,
    copy_vectors,
    finish_row,
    indexes,
    interleave_block,
    prefetch,
    product_rows,
    product_tile,
    readonly,
    transpose_block,
    vector,
)
from pydml.backends.cpu.jit import vectorized

_int = types.intp


@vectorized
def split_images(dtype, lanes):
    """Lay out images padded and split by the stride.

    Row y, column x of channel c, residues (fy, fx) of an image is cell (y0 + y)*sh + fy - ph, x*sw + fx - pw of that channel, 0
    outside of it.  rows, columns: size of one such plane; residues ry x rx of them for each channel.
    """

    def run(X, x0, x_pitch, images, C, H, W, sh, sw, ph, pw, y0, ry, rx, rows, columns, S, s_pitch):
        plane = rows * columns
        for n in range(images):
            for c in range(C):
                begin = n * s_pitch + c * ry * rx * plane
                for i in range(begin, begin + ry * rx * plane):
                    S[i] = 0
                source = x0 + n * x_pitch + c * H * W
                for fx in range(rx):
                    shift = fx - pw
                    first = min(max((sw - 1 - shift) // sw, 0), columns)
                    length = min((W - 1 - shift) // sw + 1, columns) - first
                    for fy in range(ry):
                        for y in range(rows):
                            h = (y0 + y) * sh + fy - ph
                            if h < 0 or h >= H:
                                continue
                            to = begin + (fy * rx + fx) * plane + y * columns + first
                            row = source + h * W + shift + first * sw
                            copy_strided(lanes, X, row, sw, S, to, length)

    ints = [_int] * 14
    return types.void(readonly(dtype), _int, _int, *ints[:13], vector(dtype), _int), run


@vectorized
def lay_out_columns(dtype, lanes):
    """Columns of an image for the channels [first, last): S[(((c*Hf + i)*Wf + j)*P + p)*Q + q] = cell p*sh + i - ph, q*sw + j - pw of channel c.

    0 outside of the image, which begins at X[x0].
    """

    def run(X, x0, first, last, H, W, Hf, Wf, sh, sw, ph, pw, P, Q, S):
        for c in range(first, last):
            for i in range(Hf):
                for j in range(Wf):
                    shift = j - pw
                    q0 = min(max((sw - 1 - shift) // sw, 0), Q)
                    length = max(min((W - 1 - shift) // sw + 1, Q) - q0, 0)
                    for p in range(P):
                        h = p * sh + i - ph
                        to = (((c * Hf + i) * Wf + j) * P + p) * Q
                        if h < 0 or h >= H:
                            for q in range(Q):
                                S[to + q] = 0
                            continue
                        for q in range(q0):
                            S[to + q] = 0
                        copy_strided(lanes, X, x0 + (c * H + h) * W + shift + q0 * sw, sw, S, to + q0, length)
                        for q in range(q0 + length, Q):
                            S[to + q] = 0

    i = _int
    return types.void(readonly(dtype), *[i] * 13, vector(dtype)), run


@vectorized
def pack_filters(dtype, lanes, height):
    """Filters as panels of `height` rows for the product, in blocks of `block` taps; the panels [first, last).

    Row i, tap k is W[row_step*i + taps[k]].  Panels of a block follow each other, padded with rows of zeros.
    """

    def run(W, size_of_W, row_step, rows, taps, depth, block, first, last, A):
        panels = (rows + height - 1) // height
        for k0 in range(0, depth, block):
            size = min(block, depth - k0)
            for panel in range(first, last):
                at = k0 * panels * height + panel * size * height
                valid = min(height, rows - panel * height)
                begin = panel * height * row_step
                k = 0
                while k < size:
                    source = begin + taps[k0 + k]
                    # `lanes` taps that lie side by side are transposed in registers; what that writes beyond is overwritten.
                    if (
                        k + 2 * lanes <= size
                        and taps[k0 + k + lanes - 1] == taps[k0 + k] + lanes - 1
                        and valid == height
                        and source + (height - 1) * row_step + lanes <= size_of_W
                    ):
                        interleave_block(height, lanes, W, source, row_step, height, A, at + k * height)
                        k += lanes
                        continue
                    if row_step == 1 and valid == height:
                        copy_row(lanes, W, source, A, at + k * height, height)
                    else:
                        for i in range(height):
                            A[at + k * height + i] = W[source + i * row_step] if i < valid else 0
                    k += 1

    i = _int
    return types.void(readonly(dtype), i, i, i, indexes, i, i, i, i, vector(dtype)), run


@vectorized
def multiply_panels(dtype, lanes, height):
    """out = filters * columns + bias for the pixels (P x Q) of a batch of images.

    Pixel (p, q) of image n sees S[s0 + n*s_pitch + p*s_row + q + taps[k]] through tap k, and its result for row f goes to
    out[o0 + n*o_pitch + f*o_plane + p*o_row + q*o_column].  A: from `pack_filters`.  Two vectors from the last pixel's cells on
    must be readable in S.  bias: filled up to whole tiles.  B: room for a panel and two vectors.  T: room for the results of
    `at_once` panels.  places: room for 4 * width + 2 numbers for each of those.  far: whether the taps of a pixel lie far from
    each other in memory that is not in cache.
    """
    width = 2 * lanes
    stride = 4 * width + 2

    def run(
        S, s0, s_pitch, s_row, images, P, Q, A, rows, taps, depth, block, bias,
        out, o0, o_pitch, o_plane, o_row, o_column, B, T, places, at_once, far,
    ):  # fmt: skip
        pixels = images * P * Q
        row_panels = (rows + height - 1) // height
        padded = row_panels * height
        joined = o_column == 1 and o_row == Q  # the pixels of an image are neighbours in the output
        for first in range(0, pixels, at_once * width):
            panels = min(at_once, (pixels - first + width - 1) // width)

            # Where the pixels of a panel are: (place in the panel, source) for each run of neighbouring cells, and
            # (place, target) for each run of neighbouring results.
            n = first // (P * Q)
            p = (first - n * P * Q) // Q
            q = first - (n * P + p) * Q
            for j in range(panels):
                sources = j * stride
                targets = sources + 2 * width + 1
                start = first + j * width
                end = min(start + width, pixels)
                count = 0
                joins = 0
                t = start
                while t < end:
                    places[sources + 1 + 2 * count] = t - start
                    places[sources + 2 + 2 * count] = s0 + n * s_pitch + p * s_row + q
                    count += 1
                    if not joined or t == start or (p == 0 and q == 0):
                        places[targets + 1 + 2 * joins] = t - start
                        places[targets + 2 + 2 * joins] = o0 + n * o_pitch + p * o_row + q * o_column
                        joins += 1
                    length = min(Q - q, end - t)
                    t += length
                    q += length
                    if q == Q:
                        q = 0
                        p += 1
                        if p == P:
                            p = 0
                            n += 1
                places[sources] = count
                places[targets] = joins

            for k0 in range(0, depth, block):
                size = min(block, depth - k0)
                for j in range(panels):
                    sources = j * stride
                    targets = sources + 2 * width + 1
                    count = places[sources]
                    source = places[sources + 2]
                    if count == 1:
                        for k in range(size):
                            copy_vectors(2, lanes, S, source + taps[k0 + k], B, k * width)
                    elif count == 2:
                        # Whole vectors here too: what a run writes beyond its end, the next run or tap overwrites.
                        second = places[sources + 4]
                        at = places[sources + 3]
                        for k in range(size):
                            copy_vectors(2, lanes, S, source + taps[k0 + k], B, k * width)
                            copy_vectors(2, lanes, S, second + taps[k0 + k], B, k * width + at)
                    else:
                        for k in range(size):
                            tap = taps[k0 + k]
                            for r in range(count):
                                copy_vectors(
                                    2,
                                    lanes,
                                    S,
                                    places[sources + 2 + 2 * r] + tap,
                                    B,
                                    k * width + places[sources + 1 + 2 * r],
                                )
                    # A panel whose results are neighbours is written by its tiles; only rows that fill no tile go through T.
                    # While a tile is computed, a share of the cells that the next panel reads and writes is asked for: the
                    # processor does not look ahead over such distances by itself.
                    whole = 0
                    target = places[targets + 2]
                    if o_column == 1 and places[targets] == 1 and first + (j + 1) * width <= pixels:
                        whole = rows // height
                    ahead = source + 2 * width - 1
                    share = (size + row_panels - 1) // row_panels if far else 0
                    for i in range(whole):
                        product_rows(
                            height, lanes, A, k0 * padded + i * size * height, B, 0, size,
                            out, target + i * height * o_plane, o_plane, bias, i * height, k0 > 0,
                        )  # fmt: skip
                        for r in range(height):
                            prefetch(out, target + (i * height + r) * o_plane + 2 * width - 1)
                        for k in range(i * share, min(i * share + share, size)):
                            prefetch(S, ahead + taps[k0 + k])
                    for i in range(whole, row_panels):
                        product_rows(
                            height, lanes, A, k0 * padded + i * size * height, B, 0, size,
                            T, (j * padded + i * height) * width, width, bias, i * height, k0 > 0,
                        )  # fmt: skip

            if depth == 0:
                for j in range(panels):
                    for f in range(rows):
                        for x in range(width):
                            T[(j * padded + f) * width + x] = bias[f]
            if o_column != 1:
                for f in range(rows):
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
                            for x in range(end - begin):
                                out[target + x * o_column] = T[source + begin + x]
                continue
            for j in range(panels):
                targets = j * stride + 2 * width + 1
                joins = places[targets]
                left = 0
                if depth > 0 and joins == 1 and first + (j + 1) * width <= pixels:
                    left = rows // height * height
                for r in range(joins):
                    begin = places[targets + 1 + 2 * r]
                    end = min(width, pixels - first - j * width)
                    if r + 1 < joins:
                        end = places[targets + 3 + 2 * r]
                    for f in range(left, rows):
                        source = (j * padded + f) * width + begin
                        copy_row(lanes, T, source, out, places[targets + 2 + 2 * r] + f * o_plane, end - begin)

    values = vector(dtype)
    return types.void(
        readonly(dtype), *[_int] * 6, values, _int, indexes, _int, _int, readonly(dtype),
        values, *[_int] * 5, values, values, indexes, _int, types.boolean,
    ), run  # fmt: skip


@vectorized
def finish_rows(dtype, lanes):
    """Scale, shift, sum and ReLU for the filters [first, last): out = max(0, out*scale + shift + more), where `add` and `cut` say so.

    The cells of filter f of image n are out[start + n*pitch + (f - first)*step] and the `length` - 1 behind; those of `more` are in the same places.
    """

    def run(out, start, images, pitch, step, first, last, scale, shift, more, add, cut, length):
        for n in range(images):
            for f in range(first, last):
                at = start + n * pitch + (f - first) * step
                a, b = scale[f], shift[f]
                if add and cut:
                    finish_row(lanes, 1, 1, out, at, a, b, more, length)
                elif add:
                    finish_row(lanes, 1, 0, out, at, a, b, more, length)
                elif cut:
                    finish_row(lanes, 0, 1, out, at, a, b, more, length)
                else:
                    finish_row(lanes, 0, 0, out, at, a, b, more, length)

    given = readonly(dtype)
    return types.void(
        vector(dtype), *[_int] * 6, given, given, given, types.boolean, types.boolean, _int
    ), run  # fmt: skip


@vectorized
def merge_residues(dtype, lanes):
    """Put planes together from their even and odd rows and columns.  H and W, the sizes of a plane, are even.

    Cell (2i + y, 2j + x) of plane c is R[begin[2y + x] + c*plane[2y + x] + i*row[2y + x] + j]; planes go to out[o0 ...].
    """

    def run(R, begin, plane, row, planes, H, W, out, o0):
        for c in range(planes):
            for y in range(H):
                k = y % 2 * 2
                even = begin[k] + c * plane[k] + y // 2 * row[k]
                odd = begin[k + 1] + c * plane[k + 1] + y // 2 * row[k + 1]
                alternate_row(lanes, R, even, odd, out, o0 + (c * H + y) * W, W // 2)

    values = vector(dtype)
    return types.void(values, indexes, indexes, indexes, _int, _int, _int, values, _int), run


@vectorized
def sum_over_pixels(dtype, lanes, height):
    """Sums over the pixels of `images` images of output gradient times image cells: for some rows and some taps.

    Pixel (p, q) of image n sees S[s0 + n*s_pitch + p*s_row + q + taps[k]]; its gradient for row f is D[d0 + n*d_pitch + f*P*Q + p*Q + q].
    The sums for the panels [first, last) of taps and [i0, i1) of rows go, or are added, to
    T[((panel*row_panels + i)*height + f)*width + k].

    Pixels are taken `block` at once, or those of `together` whole images.  Where rows of pixels are shorter than a vector, up to
    a vector beyond must be readable in S.  A: room for the gradients of i1 - i0 panels of rows, a_panel cells apart, which is
    at least height for each pixel, and a vector.  B: room for a row of a panel for each pixel, and for `lanes` more.
    taps: filled up to whole panels.
    """
    width = 2 * lanes

    def run(
        S, s0, s_pitch, s_row, P, Q, D, d0, d_pitch, images, rows, i0, i1, taps, first, last, block, together,
        A, a_panel, B, T, add,
    ):  # fmt: skip
        row_panels = (rows + height - 1) // height
        pixels = P * Q
        for n0 in range(0, images, together):
            count = min(together, images - n0)
            for t0 in range(0, pixels, block):
                size = min(block, pixels - t0)
                # A transposed block may be wider than the rows: then the cells beyond are overwritten by the next pixel.
                for i in range(i0, i1):
                    valid = min(height, rows - i * height)
                    for n in range(count):
                        source = d0 + (n0 + n) * d_pitch + i * height * pixels + t0
                        target = (i - i0) * a_panel + n * size * height
                        if size >= lanes:
                            for t in range(0, size - lanes, lanes):
                                interleave_block(height, lanes, D, source + t, pixels, valid, A, target + t * height)
                            # The last block ends with the row, so that nothing behind it is read.
                            t = size - lanes
                            interleave_block(height, lanes, D, source + t, pixels, valid, A, target + t * height)
                        else:
                            for t in range(size):
                                for r in range(height):
                                    A[target + t * height + r] = D[source + min(r, valid - 1) * pixels + t]
                for panel in range(first, last):
                    at = 0
                    for n in range(count):
                        p = t0 // Q
                        q = t0 - p * Q
                        t = 0
                        while t < size:
                            source = s0 + (n0 + n) * s_pitch + p * s_row + q
                            length = min(Q - q, size - t)
                            for x in range(0, length, lanes):
                                # The last block ends with the run; if that is shorter, what is written beyond is not used.
                                begin = max(min(x, length - lanes), 0)
                                to = (at + begin) * width
                                transpose_block(lanes, S, source + begin, taps, panel * width, B, to, width)
                                transpose_block(
                                    lanes, S, source + begin, taps, panel * width + lanes, B, to + lanes, width
                                )
                            at += length
                            t += length
                            q = 0
                            p += 1
                    for i in range(i0, i1):
                        product_tile(
                            height, lanes, A, (i - i0) * a_panel, 1, height, height, B, 0, count * size,
                            T, (panel * row_panels + i) * height * width, width, add or n0 > 0 or t0 > 0,
                        )  # fmt: skip

    values = vector(dtype)
    i = _int
    return types.void(
        readonly(dtype), *[i] * 5, readonly(dtype), *[i] * 6, indexes, *[i] * 4, values, i, values, values, types.boolean
    ), run  # fmt: skip


@vectorized
def gather_sums(dtype, lanes, height):
    """Add up `parts` results of `sum_over_pixels` for rows [first, last) and write them to the filters' gradient."""
    width = 2 * lanes
    rows_at_once = 32  # neighbours in T; read one by one they would be far apart

    def run(T, parts, part_size, rows, depth, first, last, dW):
        padded = (rows + height - 1) // height * height
        for f0 in range(first, last, rows_at_once):
            for k in range(0, depth, width):
                for f in range(f0, min(f0 + rows_at_once, last)):
                    at = (k // width * padded + f) * width
                    to = f * depth + k
                    if k + width <= depth:
                        copy_vectors(2, lanes, T, at, dW, to)
                        for part in range(1, parts):
                            add_vectors(2, lanes, T, at + part * part_size, dW, to)
                    else:
                        for x in range(depth - k):
                            total = T[at + x]
                            for part in range(1, parts):
                                total += T[at + x + part * part_size]
                            dW[to + x] = total

    return types.void(vector(dtype), *[_int] * 6, vector(dtype)), run

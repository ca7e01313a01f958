"""Winograd convolution: transforms of tiles, one product for each of the n*n points, transforms back.

Tiles of n x n input cells at distances of m = n - r + 1 give m x m results of a filter of r x r taps.  A strip is a row of
tiles of one image; strips are counted through the batch, `strips_per_image` to an image, `tiles_per_strip` tiles to a strip.
Tiles are transformed a vector at a time, with one tile (or one channel) to a lane.  Panels for the product are two vectors
wide, as in `convolution`.

All arrays are one-dimensional; offsets and pitches are in elements.  `lanes` and `height` are constants: the elements of a
vector and the rows of a product tile.

The transforms depend on the sizes of tiles and filters, and are long straight code; the rest does not.  So those of tiles are kernels
of their own, and the kernels around them call them by their address: they are compiled once for all sizes.  Their factories
take the sizes none the less, and give them to the kernel.  For filters it is all in one, as sharing would save nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types

from pydml.backends.cpu.compiled.simd import (
    add_row,
    address,
    call,
    copy_reversed,
    copy_row,
    indexes,
    interleave_block,
    product_tile,
    readonly,
    vector,
    winograd_forward,
    winograd_inverse,
)
from pydml.backends.cpu.jit import code_address, vectorized

_int = types.intp


@vectorized
def _forward(lanes, itemsize, n, k):
    """The transform of tiles of k x k cells, see `simd.winograd_forward`."""

    def run(source, offsets, s_row, target, t_point):
        winograd_forward(n, k, lanes, itemsize, source, offsets, s_row, target, t_point)

    return types.void(*[_int] * 5), run


@vectorized
def _inverse(lanes, itemsize, n, m):
    """The transform back to m x m cells, see `simd.winograd_inverse`."""

    def run(source, s_point, target, offsets, t_row, check):
        winograd_inverse(n, m, lanes, itemsize, source, s_point, target, offsets, t_row, check)

    return types.void(*[_int] * 6), run


def _with_transform(
    kernel: Callable[..., Any], transform: Callable[..., Any], dtype: Any, lanes: int, n: int, size: int
) -> Any:
    """A kernel that takes the address of a transform and the size of its cells first."""
    code = code_address(transform(lanes, np.dtype(dtype).itemsize, n, size))
    return functools.partial(kernel(dtype, lanes), code, size)


@vectorized
def transform_filters(dtype, lanes, n, r):
    """Points of the filters in rows [first, last): R[point*r_point + (row - first)*r_row + k] for k < depth.

    The r x r taps of (row, k) are W[row*w_row + k*w_depth ...], in reverse order if `rotated`; if not, w_depth must be r*r.  r_row is
    at least depth rounded up to whole vectors.  S: room for depth filters and a vector.
    """
    size = r * r
    itemsize = np.dtype(dtype).itemsize

    def run(W, w_row, w_depth, rotated, first, last, depth, R, r_point, r_row, S, offsets):
        for row in range(first, last):
            if rotated:
                for k in range(depth):
                    copy_reversed(lanes, W, row * w_row + k * w_depth, S, k * size, size)
            else:
                copy_row(lanes, W, row * w_row, S, 0, depth * size)
            for k in range(0, depth, lanes):
                for lane in range(lanes):
                    offsets[lane] = min(k + lane, depth - 1) * size
                to = address(R) + ((row - first) * r_row + k) * itemsize
                winograd_forward(n, r, lanes, itemsize, address(S), address(offsets), r, to, r_point)

    values = vector(dtype)
    return types.void(
        readonly(dtype), _int, _int, types.boolean, _int, _int, _int, values, _int, _int, values, indexes
    ), run  # fmt: skip


@vectorized
def interleave_rows(dtype, lanes, height):
    """A panel of rows for the product: V[v0 + point*v_point + k*height + i] = R[point*r_point + i*r_row + k] for k < depth.

    Of the `height` rows, those from `rows` on are of no use.  R and V have room for whole vectors of k, and V for one vector
    more behind the panel.  Without this the product would read six rows at once, and ran at 75 to 80 instead of 95 GFLOP/s.
    """

    def run(R, r_point, r_row, rows, depth, points, V, v0, v_point):
        for point in range(points):
            for k in range(0, depth, lanes):
                interleave_block(
                    height, lanes, R, point * r_point + k, r_row, rows, V, v0 + point * v_point + k * height
                )

    values = vector(dtype)
    return types.void(values, *[_int] * 5, values, _int, _int), run


@functools.cache
def transform_tiles(dtype, lanes, n, k):
    """Points of tiles of k x k cells at distances `step`, a tile to a lane, for channels [first, last).

    Tile t of channel c goes to U[(t // width)*u_panel + t % width + (c - first)*u_channel + point*u_point].  The tile at (0, 0) of an image
    begins at cell (-ph, -pw); cells outside of the image are 0.  S: room for k rows of each strip, (tiles_per_strip - 1)*step + k
    long, and a vector.  offsets: room for the tiles, rounded up to whole vectors.
    """
    return _with_transform(_transform_tiles, _forward, dtype, lanes, n, k)


@vectorized
def _transform_tiles(dtype, lanes):
    width = 2 * lanes
    itemsize = np.dtype(dtype).itemsize

    def run(
        transform, k, X, x_pitch, first, last, H, W, ph, pw, strip, strips, strips_per_image, tiles_per_strip, step,
        U, u_panel, u_channel, u_point, S, offsets,
    ):  # fmt: skip
        length = (tiles_per_strip - 1) * step + k
        left = min(pw, length)
        right = max(min(W + pw, length), left)
        tiles = strips * tiles_per_strip
        for t in range(tiles):
            offsets[t] = t // tiles_per_strip * k * length + t % tiles_per_strip * step
        for t in range(tiles, (tiles + lanes - 1) // lanes * lanes):
            offsets[t] = 0
        # The border is the same for all channels.
        for i in range(strips * k * length):
            S[i] = 0
        for c in range(first, last):
            for s in range(strips):
                image = (strip + s) // strips_per_image
                top = (strip + s - image * strips_per_image) * step - ph
                for y in range(max(-top, 0), min(H - top, k)):
                    row = image * x_pitch + (c * H + top + y) * W - pw
                    copy_row(lanes, X, row + left, S, (s * k + y) * length + left, right - left)
            for t in range(0, tiles, lanes):
                at = t // width * u_panel + t % width + (c - first) * u_channel
                call(transform, (address(S), address(offsets) + t * 8, length, address(U) + at * itemsize, u_point))

    values = vector(dtype)
    return types.void(_int, _int, readonly(dtype), *[_int] * 12, values, *[_int] * 3, values, indexes), run


@functools.cache
def transform_channels(dtype, lanes, n):
    """Points of input tiles, a channel to a lane, for panels [first, last) of channels.

    Tile t of channel c goes to U[(c // width)*u_panel + c % width + t*width + point*u_point].  Otherwise as `transform_tiles`; S has
    room for n rows of each channel of a panel, and a vector.
    """
    return _with_transform(_transform_channels, _forward, dtype, lanes, n, n)


@vectorized
def _transform_channels(dtype, lanes):
    width = 2 * lanes
    itemsize = np.dtype(dtype).itemsize

    def run(
        transform, n, X, x_pitch, first, last, C, H, W, ph, pw, strip, strips, strips_per_image, tiles_per_strip, step,
        U, u_panel, u_point, S, offsets,
    ):  # fmt: skip
        length = (tiles_per_strip - 1) * step + n
        left = min(pw, length)
        right = max(min(W + pw, length), left)
        for panel in range(first, last):
            channels = min(width, C - panel * width)
            for lane in range(width):
                offsets[lane] = min(lane, channels - 1) * n * length
            for s in range(strips):
                image = (strip + s) // strips_per_image
                row_of_tiles = strip + s - image * strips_per_image
                top = row_of_tiles * step - ph
                above, below = max(-top, 0), min(H - top, n)
                if s == 0 or above > 0 or below < n:  # else all rows are overwritten, and the columns beside are 0
                    for i in range(channels * n * length):
                        S[i] = 0
                for channel in range(channels):
                    plane = image * x_pitch + (panel * width + channel) * H * W
                    for y in range(above, below):
                        row = plane + (top + y) * W - pw
                        copy_row(lanes, X, row + left, S, (channel * n + y) * length + left, right - left)
                for tile in range(tiles_per_strip):
                    at = panel * u_panel + (s * tiles_per_strip + tile) * width
                    for half in range(0, width, lanes):
                        source = address(S) + tile * step * itemsize
                        to = address(U) + (at + half) * itemsize
                        call(transform, (source, address(offsets) + half * 8, length, to, u_point))

    values = vector(dtype)
    return types.void(_int, _int, readonly(dtype), *[_int] * 13, values, *[_int] * 2, values, indexes), run


@vectorized
def multiply_points(dtype, lanes, height):
    """Products for the points [first, last): M[panel*m_panel + row*m_row + point*width + lane] (+)= V * U.

    Row panel i of V begins at V[point*v_point + i*v_panel]; panel j of U is U[j*u_panel + point*u_point + k*width + lane].  M has
    room for rows rounded up to whole product tiles.  block: taps at once.  tiles_at_once: panels of V that stay in the
    second-level cache while all panels of U pass.
    """
    width = 2 * lanes

    def run(
        V, v_point, v_panel, rows, U, u_panel, u_point, panels, depth, block, tiles_at_once, first, last,
        M, m_panel, m_row, accumulate,
    ):  # fmt: skip
        row_panels = (rows + height - 1) // height
        for point in range(first, last):
            for i0 in range(0, row_panels, tiles_at_once):
                for k0 in range(0, depth, block):
                    size = min(block, depth - k0)
                    for j in range(panels):
                        for i in range(i0, min(i0 + tiles_at_once, row_panels)):
                            product_tile(
                                height, lanes, V, point * v_point + i * v_panel + k0 * height, 1, height, height,
                                U, j * u_panel + point * u_point + k0 * width, size,
                                M, j * m_panel + i * height * m_row + point * width, m_row, accumulate or k0 > 0,
                            )  # fmt: skip

    values = vector(dtype)
    return types.void(
        values, _int, _int, _int, values, *[_int] * 8, values, _int, _int, types.boolean
    ), run  # fmt: skip


@functools.cache
def gather_results(dtype, lanes, n, m):
    """Results of the tiles from their products M (see `multiply_points`), plus bias, for rows [first, last).

    Z: room for m rows of each strip, tiles_per_strip*m cells and a vector long (twice a vector where m is longer), and one such
    tile more.  offsets: room for the tiles, rounded up to whole vectors.  finite[0] becomes NaN if a result is not finite.
    """
    return _with_transform(_gather_results, _inverse, dtype, lanes, n, m)


@vectorized
def _gather_results(dtype, lanes):
    width = 2 * lanes
    itemsize = np.dtype(dtype).itemsize

    def run(
        transform, m, M, m_panel, m_row, first, last, strip, strips, strips_per_image, tiles_per_strip, bias,
        out, o_pitch, P, Q, Z, offsets, finite,
    ):  # fmt: skip
        length = tiles_per_strip * m + (m + lanes - 1) // lanes * lanes
        tiles = strips * tiles_per_strip
        for t in range(tiles):
            offsets[t] = t // tiles_per_strip * m * length + t % tiles_per_strip * m
        for t in range(tiles, (tiles + lanes - 1) // lanes * lanes):
            offsets[t] = strips * m * length
        for f in range(first, last):
            b = bias[f]
            for t in range(0, tiles, lanes):
                source = address(M) + (t // width * m_panel + t % width + f * m_row) * itemsize
                call(transform, (source, width, address(Z), address(offsets) + t * 8, length, address(finite)))
            for s in range(strips):
                image = (strip + s) // strips_per_image
                top = (strip + s - image * strips_per_image) * m
                for y in range(min(m, P - top)):
                    source = (s * m + y) * length
                    target = image * o_pitch + (f * P + top + y) * Q
                    add_row(lanes, Z, source, b, out, target, Q)
        for lane in range(1, lanes):
            finite[0] += finite[lane]

    values = vector(dtype)
    return types.void(
        _int, _int, values, *[_int] * 8, readonly(dtype), values, *[_int] * 3, values, indexes, values
    ), run  # fmt: skip


@vectorized
def gather_filter_gradient(dtype, lanes, n, r):
    """Gradient of the filters from its points M (see `multiply_points`; a panel holds channels), for rows [first, last).

    Z: room for r rows of r cells, each rounded up to whole vectors, for each lane.  finite as in `gather_results`.
    """
    width = 2 * lanes
    length = (r + lanes - 1) // lanes * lanes
    itemsize = np.dtype(dtype).itemsize

    def run(M, m_panel, m_row, first, last, C, dW, Z, offsets, finite):
        for lane in range(lanes):
            offsets[lane] = lane * r * length
        for f in range(first, last):
            for c0 in range(0, C, lanes):
                source = address(M) + (c0 // width * m_panel + c0 % width + f * m_row) * itemsize
                winograd_inverse(
                    n, r, lanes, itemsize, source, width, address(Z), address(offsets), length, address(finite)
                )
                for lane in range(min(lanes, C - c0)):
                    target = (f * C + c0 + lane) * r * r
                    for y in range(r):
                        for x in range(r):
                            dW[target + y * r + x] = Z[(lane * r + y) * length + x]
        for lane in range(1, lanes):
            finite[0] += finite[lane]

    values = vector(dtype)
    return types.void(values, *[_int] * 5, values, values, indexes, values), run

"""Winograd convolution for square filters with stride 1: sizes and tiles around `compiled.winograd`.

F(m x m, r x r) computes m x m results with n x n multiplications, n = m + r - 1, where the sum takes m*m*r*r.  Reference: Lavin &
Gray, Fast Algorithms for Convolutional Neural Networks, 2016.  The gradient of the images is the convolution of the output
gradient with the rotated filters; the gradient of the filters is F(r x r, m x m) with the output gradient as the filter.

Each function returns whether all results are finite.  If not, they may differ from the exact ones: the transforms spread an
infinity or NaN over a tile, so the caller computes them in another way.

Tiles of work follow from the sizes alone, and sums over tiles run in a fixed order, so results do not depend on the number of
threads.  A task computes a block of tiles, from the images to the results; where there are only a few blocks (few or small
images), all threads work on one larger block, step by step.  Buffers: the points of a block of tiles for each thread, or of
the larger block, and the points of the filters.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from pydml.backends.cpu.finishing import Finishing
from pydml.backends.cpu.jit import vector_shape
from pydml.backends.cpu.memory import buffer, flat
from pydml.backends.cpu.threads import parallel_for
from pydml.builtins.conv import ConvGeometry

# Points of the tiles for filters of r x r.  More choices cost compilation and win little: 8 points for 3x3 are at best 2 %
# faster than 6 or 7, and for 5x5 they are best at all sizes.
POINTS = {3: (4, 6, 7), 5: (8,)}
BLOCK_BYTES = 12 << 20  # points of the tiles of a block, for one thread
MOST_TILES, FEWEST_TILES = 160, 48  # tiles of a block: enough columns for the product
FEW_BLOCKS = 8  # with fewer, threads share a block, as they would wait for the one that has the last ...
SHARED_WORK_NS = 5_000_000  # ... of a call that is worth the regions of each step
SHARED_BLOCK_BYTES = 32 << 20  # points of the tiles of a block that all threads work on
SHARES = 16  # of the channels of such a block
DEPTH = 256  # taps at once in a product: a panel of them is half of a small first-level cache
CACHED_BYTES = 64 << 10  # rows at once in a product: they stay in the second-level cache
MULTIPLY_ADDS_PER_NS = 40  # of one core, to tell small work


def applies(g: ConvGeometry) -> bool:
    """Whether Winograd's method can compute this convolution and its gradients."""
    return g.Hf == g.Wf and g.Hf in POINTS and (g.sh, g.sw) == (1, 1) and g.ph < g.Hf and g.pw < g.Wf


@lru_cache(maxsize=512)
def _strips(strips: int, tiles_per_strip: int, bytes_of_tile: int, width: int) -> int:
    """How many strips make a block: many tiles, few unused columns in the last panel, at least some 16 blocks."""
    most = max(FEWEST_TILES, min(MOST_TILES, BLOCK_BYTES // bytes_of_tile, strips * tiles_per_strip // 16))
    best, best_cost = 1, float("inf")
    for count in range(1, strips + 1):
        tiles = count * tiles_per_strip
        if tiles > most and count > 1:
            break
        panels = -(-tiles // width)
        cost = (panels * width + 8) / tiles  # 8: what each block costs beside its panels
        if cost <= best_cost:
            best, best_cost = count, cost
    return best


def _block(depth: int) -> int:
    """Taps at once in a product: equal parts of at most DEPTH."""
    return -(-depth // -(-depth // DEPTH))


@lru_cache(maxsize=64)
def _no_bias(rows: int, dtype: Any) -> np.ndarray:
    return np.zeros(rows, dtype)


def _odd_lines(size: int, dtype: Any) -> int:
    """A pitch of at least `size` elements that is an odd number of cache lines: powers of two would fall on the same sets."""
    line = 64 // np.dtype(dtype).itemsize
    lines = -(-size // line)
    return (lines + 1 - lines % 2) * line


def _convolve(
    X: np.ndarray, C: int, H: int, W: int, ph: int, pw: int,
    filters: np.ndarray, w_row: int, w_depth: int, rotated: bool, F: int, r: int, bias: np.ndarray | None,
    out: np.ndarray, P: int, Q: int, n: int, dtype: Any, finish: Finishing | None = None,
) -> bool:  # fmt: skip
    """Convolution with stride 1; the gradient of the images is one as well."""
    from pydml.backends.cpu.compiled import winograd

    N = len(X)
    m = n - r + 1
    points = n * n
    lanes, height = vector_shape(dtype)
    width = 2 * lanes
    itemsize = np.dtype(dtype).itemsize
    images, pitch = flat(X, dtype)
    results = out.reshape(-1)
    shift = _no_bias(F, dtype) if bias is None else np.ascontiguousarray(bias, dtype).reshape(-1)

    row_panels = -(-F // height)
    r_row = -(-C // lanes) * lanes
    v_panel = r_row * height + lanes
    v_point = _odd_lines(row_panels * v_panel, dtype)
    V = buffer("filter points", points * v_point, dtype)
    transform_filters = winograd.transform_filters(dtype, lanes, n, r)
    interleave = winograd.interleave_rows(dtype, lanes, height)

    def filter_points(start: int, stop: int) -> None:
        S = buffer("cells", C * r * r + 2 * width, dtype)
        R = buffer("rows of points", points * height * r_row, dtype)
        offsets = buffer("offsets", lanes, np.int64)
        for panel in range(start, stop):
            first, last = panel * height, min(panel * height + height, F)
            transform_filters(filters, w_row, w_depth, rotated, first, last, C, R, height * r_row, r_row, S, offsets)
            interleave(R, height * r_row, r_row, last - first, C, points, V, panel * v_panel, v_point)

    parallel_for(filter_points, row_panels, F * C * points * 0.4)

    tile_rows, tile_columns = -(-P // m), -(-Q // m)
    strips = N * tile_rows
    padded = row_panels * height
    bytes_of_tile = points * (C + padded) * itemsize
    per_block = _strips(strips, tile_columns, bytes_of_tile, width)
    product_ns = strips * tile_columns * points * C * F / MULTIPLY_ADDS_PER_NS
    shared = strips <= (FEW_BLOCKS - 1) * per_block and product_ns >= SHARED_WORK_NS
    if shared:
        per_block = max(1, min(strips, SHARED_BLOCK_BYTES // (bytes_of_tile * tile_columns)))
    elif per_block < strips <= (FEW_BLOCKS - 1) * per_block:
        # Equal blocks, and not three of them, so that two threads end at the same time.
        blocks_wanted = -(-strips // per_block)
        per_block = -(-strips // (4 if blocks_wanted == 3 else blocks_wanted))
    panels = -(-per_block * tile_columns // width)
    u_point = _odd_lines(C * width, dtype)
    u_panel = points * u_point
    m_row = points * width
    m_panel = padded * m_row
    length = tile_columns * m + n
    depth = _block(C)
    at_once = max(1, CACHED_BYTES // (height * depth * itemsize))
    transform = winograd.transform_tiles(dtype, lanes, n, n)
    multiply = winograd.multiply_points(dtype, lanes, height)
    gather = winograd.gather_results(dtype, lanes, n, m)

    # The steps for a block of `count` strips from `first` on; each takes a range of channels, points or filters.
    def cells_and_offsets() -> tuple[np.ndarray, np.ndarray]:
        cells = buffer("cells", (per_block * n + m) * (length + 2 * lanes) + 2 * width, dtype)
        return cells, buffer("offsets", panels * width, np.int64)

    def to_points(first: int, count: int, start: int, stop: int, U: np.ndarray) -> None:
        transform(
            images, pitch, start, stop, H, W, ph, pw, first, count, tile_rows, tile_columns, m,
            U[start * width :], u_panel, width, u_point, *cells_and_offsets(),
        )  # fmt: skip

    def products(count: int, start: int, stop: int, U: np.ndarray, M: np.ndarray) -> None:
        used = -(-count * tile_columns // width)
        multiply(
            V, v_point, v_panel, F, U, u_panel, u_point, used, C, depth, at_once, start, stop, M, m_panel, m_row, False
        )

    def to_results(first: int, count: int, start: int, stop: int, M: np.ndarray, finite: np.ndarray) -> None:
        gather(
            M, m_panel, m_row, start, stop, first, count, tile_rows, tile_columns, shift,
            results, F * P * Q, P, Q, *cells_and_offsets(), finite,
        )  # fmt: skip
        if finish is not None and start < stop:
            for image in range(first // tile_rows, (first + count - 1) // tile_rows + 1):
                top = max(first - image * tile_rows, 0) * m
                bottom = min((first + count - image * tile_rows) * m, P)
                finish(results, image, start, stop, top * Q, (bottom - top) * Q)

    blocks = [(first, min(per_block, strips - first)) for first in range(0, strips, per_block)]
    if not shared:
        finite = np.zeros((len(blocks), lanes), dtype)

        def run(start: int, stop: int) -> None:
            U = buffer("points", panels * u_panel, dtype)
            M = buffer("products", panels * m_panel, dtype)
            for (first, count), ends in zip(blocks[start:stop], finite[start:stop], strict=True):
                to_points(first, count, 0, C, U)
                products(count, 0, points, U, M)
                to_results(first, count, 0, F, M, ends)

        parallel_for(run, len(blocks), product_ns)
        return not finite[:, 0].any()

    U = buffer("points", panels * u_panel, dtype)
    M = buffer("products", panels * m_panel, dtype)
    finite = np.zeros((len(blocks), F, lanes), dtype)
    channels, rows = -(-C // SHARES), -(-F // SHARES)  # of a share
    cells = points * tile_columns * 0.6

    def together(first: int, count: int, finite: np.ndarray) -> None:
        parallel_for(
            lambda start, stop: to_points(first, count, start * channels, min(stop * channels, C), U),
            -(-C // channels),
            count * cells * C,
        )
        parallel_for(lambda start, stop: products(count, start, stop, U, M), points, product_ns * count / strips)
        parallel_for(
            lambda start, stop: to_results(first, count, start * rows, min(stop * rows, F), M, finite[start]),
            -(-F // rows),
            count * cells * F,
        )

    for block, ends in zip(blocks, finite, strict=True):
        together(*block, ends)
    return not finite[..., 0].any()


def forward(
    X: np.ndarray,
    W: np.ndarray,
    bias: np.ndarray | None,
    g: ConvGeometry,
    dtype: Any,
    out: np.ndarray,
    n: int,
    finish: Finishing | None = None,
) -> bool:
    """out = images (N, C*H*W) convolved with filters (F, C*r*r), plus bias (F, 1) if given.  out: (N, F*P*Q), contiguous."""
    filters, pitch = flat(W, dtype)
    return _convolve(
        X,
        g.C,
        g.H,
        g.W,
        g.ph,
        g.pw,
        filters,
        pitch,
        g.Hf * g.Wf,
        False,
        g.F,
        g.Hf,
        bias,
        out,
        g.P,
        g.Q,
        n,
        dtype,
        finish,
    )


def data_gradient(W: np.ndarray, dout: np.ndarray, g: ConvGeometry, dtype: Any, dX: np.ndarray, n: int) -> bool:
    """dX = gradient of the images (N, C*H*W), contiguous, from filters (F, C*r*r) and output gradient (N, F*P*Q)."""
    filters, pitch = flat(W, dtype)
    return _convolve(
        dout, g.F, g.P, g.Q, g.Hf - 1 - g.ph, g.Wf - 1 - g.pw,
        filters, g.Hf * g.Wf, pitch, True, g.C, g.Hf, None, dX, g.H, g.W, n, dtype,
    )  # fmt: skip


def filter_gradient(X: np.ndarray, dout: np.ndarray, g: ConvGeometry, dtype: Any, dW: np.ndarray, n: int) -> bool:
    """dW = gradient of the filters (F, C*r*r), contiguous, from images (N, C*H*W) and output gradient (N, F*P*Q).

    For a block of tiles, first the points of images and gradients are computed, by panels of channels; then each point's
    products are added to those of the earlier blocks.
    """
    from pydml.backends.cpu.compiled import winograd

    r = g.Hf
    m = n - r + 1
    points = n * n
    lanes, height = vector_shape(dtype)
    width = 2 * lanes
    itemsize = np.dtype(dtype).itemsize
    images, pitch = flat(X, dtype)
    gradients, gradient_pitch = flat(dout, dtype)

    tile_rows, tile_columns = -(-g.P // m), -(-g.Q // m)
    strips = len(X) * tile_rows
    row_panels = -(-g.F // height)
    padded = row_panels * height
    panels = -(-g.C // width)
    tiles = max(tile_columns, min(SHARED_BLOCK_BYTES // (points * itemsize * (panels * width + g.F)), 2 * DEPTH))
    per_block = min(strips, tiles // tile_columns)
    tiles = per_block * tile_columns

    u_point = _odd_lines(tiles * width, dtype)
    u_panel = points * u_point
    U = buffer("points of images", panels * u_panel, dtype)
    r_row = -(-tiles // width) * width
    d_panel = r_row * height + lanes
    d_point = _odd_lines(row_panels * d_panel, dtype)
    D = buffer("points of gradients", points * d_point, dtype)
    m_row = points * width
    m_panel = padded * m_row
    M = buffer("points of filters", panels * m_panel, dtype)
    length = tile_columns * m + n
    at_once = max(1, CACHED_BYTES // (height * _block(tiles) * itemsize))
    image_points = winograd.transform_channels(dtype, lanes, n)
    gradient_points = winograd.transform_tiles(dtype, lanes, n, m)
    interleave = winograd.interleave_rows(dtype, lanes, height)
    multiply = winograd.multiply_points(dtype, lanes, height)

    for first in range(0, strips, per_block):
        count = min(per_block, strips - first)
        used = count * tile_columns

        def transform(start: int, stop: int, first: int = first, count: int = count) -> None:
            S = buffer("cells", max(width * n, per_block * m) * length + 2 * width, dtype)
            R = buffer("rows of points", points * height * r_row, dtype)
            offsets = buffer("offsets", max(width, tiles + width), np.int64)
            for task in range(start, stop):
                if task < panels:
                    image_points(
                        images, pitch, task, task + 1, g.C, g.H, g.W, g.ph, g.pw, first, count, tile_rows, tile_columns, m,
                        U, u_panel, u_point, S, offsets,
                    )  # fmt: skip
                else:
                    panel = task - panels
                    row, end = panel * height, min(panel * height + height, g.F)
                    gradient_points(
                        gradients, gradient_pitch, row, end, g.P, g.Q, 0, 0, first, count, tile_rows, tile_columns, m,
                        R, width, r_row, height * r_row, S, offsets,
                    )  # fmt: skip
                    interleave(
                        R, height * r_row, r_row, end - row, count * tile_columns, points, D, panel * d_panel, d_point
                    )

        def run(start: int, stop: int, first: int = first, used: int = used) -> None:
            multiply(
                D, d_point, d_panel, g.F, U, u_panel, u_point, panels, used, _block(used), at_once, start, stop,
                M, m_panel, m_row, first > 0,
            )  # fmt: skip

        parallel_for(transform, panels + row_panels, used * points * (g.C + g.F) * 0.4)
        parallel_for(run, points, used * points * g.C * g.F / MULTIPLY_ADDS_PER_NS)

    target = dW.reshape(-1)
    gather = winograd.gather_filter_gradient(dtype, lanes, n, r)
    finite = np.zeros((g.F, lanes), dtype)

    def finish(start: int, stop: int) -> None:
        Z = buffer("cells", lanes * r * 2 * width, dtype)
        gather(M, m_panel, m_row, start, stop, g.C, target, Z, buffer("offsets", lanes, np.int64), finite[start])

    parallel_for(finish, g.F, g.F * g.C * points * 0.4)
    return not finite[:, 0].any()

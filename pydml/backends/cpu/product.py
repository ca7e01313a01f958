"""Convolution as a product of panels, for any stride, padding and size: sizes, tables and tiles around `compiled.convolution`.

The three functions take and return matrices as `builtins.conv` describes them.  Tiles are groups of images, or bands of rows
of one image; they follow from the sizes alone, so results do not depend on the number of threads.  No buffer grows with the
batch except a layout of at most `GROUP_BYTES` and partial sums of at most `SUM_BYTES` of the filter gradient.
"""

from __future__ import annotations

import itertools
from functools import lru_cache
from typing import Any

import numpy as np

from pydml.backends.cpu.finishing import Finishing
from pydml.backends.cpu.jit import vector_shape
from pydml.backends.cpu.memory import buffer, flat
from pydml.backends.cpu.threads import parallel_for
from pydml.builtins.conv import ConvGeometry
from pydml.records import dataclass

TILE_WORK = 16_000_000  # multiply-adds of a tile: about 0.4 ms, long against handing it out
FEWEST_TILES = 16  # enough for machines with many cores, if the tiles do not get too small
SMALLEST_TILE_WORK = 2_000_000
PANEL_BYTES = 16 << 10  # a panel of columns: half of a small first-level cache
RESULT_BYTES = 256 << 10  # results of the panels at work: half of a small second-level cache
LEAST_PANELS = 8  # for which the filters are read once, even if the results do not fit in that cache then
PIECES, LEAST_PIECE = 64, 6  # tiles of a plain product, and panels of one: threads should end at the same time
SUM_BYTES = 8 << 20  # partial sums of the filter gradient
GROUP_BYTES = 16 << 20  # layout of a group of images in the filter gradient
MULTIPLY_ADDS_PER_NS = 40  # of one core, to tell small work


@lru_cache(maxsize=512)
def tiles(images: int, rows: int, columns: int, work: float, width: int) -> tuple[int, int]:
    """How to cut a batch: (images in a tile, rows of an image in a tile).

    rows, columns: pixels of an image.  work: multiply-adds of an image.  width: pixels of a panel.
    """
    group = int(max(1, min(images, TILE_WORK // max(work, 1))))
    while group > 1 and -(-images // group) < FEWEST_TILES and group * work > 2 * SMALLEST_TILE_WORK:
        group = (group + 1) // 2
    # Small images with many channels: fill whole panels, and read the filters for more than a few pixels.
    pixels = rows * columns
    while group * pixels < LEAST_PANELS * width and images > 4 * group:
        group *= 2
    if group > 1:
        return group, rows
    bands = 1
    while images * bands < FEWEST_TILES and work / bands > 2 * SMALLEST_TILE_WORK and bands < rows:
        bands *= 2
    return 1, -(-rows // bands)


@lru_cache(maxsize=512)
def _flattened(g: ConvGeometry, images: int) -> ConvGeometry:
    """A plain product has images of one long row; but few images are cut into bands of rows."""
    if images >= FEWEST_TILES and g.is_product:
        return ConvGeometry(g.C, 1, g.H * g.W, g.F, 1, 1)
    return g


def _indexes(values: Any) -> np.ndarray:
    return np.ascontiguousarray(values, np.int64).reshape(-1)


@dataclass(frozen=True)
class _Layout:
    """Images padded and split by the stride, for a band of output rows.

    residues: rows and columns modulo the stride that occur.  rows, columns: of one plane.  taps: place of each tap (c, i, j)
    relative to the pixel.  size: elements of one image.
    """

    residues: tuple[int, int]
    rows: int
    columns: int
    taps: np.ndarray
    size: int


@lru_cache(maxsize=256)
def _layout(g: ConvGeometry, band: int) -> _Layout:
    ry, rx = min(g.sh, g.Hf), min(g.sw, g.Wf)
    rows, columns = band + (g.Hf - 1) // g.sh, g.Q + (g.Wf - 1) // g.sw
    c, i, j = np.ogrid[: g.C, : g.Hf, : g.Wf]
    taps = ((c * ry + i % g.sh) * rx + j % g.sw) * rows * columns + i // g.sh * columns + j // g.sw
    return _Layout((ry, rx), rows, columns, _indexes(taps), g.C * ry * rx * rows * columns)


@lru_cache(maxsize=64)
def _unsplit_taps(g: ConvGeometry) -> np.ndarray:
    """Places of the taps in the images themselves: for stride 1 without padding no layout is needed."""
    c, i, j = np.ogrid[: g.C, : g.Hf, : g.Wf]
    return _indexes(c * g.H * g.W + i * g.W + j)


@dataclass(frozen=True)
class _PanelSizes:
    """How a product of `rows` x `depth` with panels is blocked."""

    lanes: int
    height: int
    padded: int  # rows, filled up to whole product tiles
    block: int  # taps at once
    at_once: int  # panels at once

    @staticmethod
    @lru_cache(maxsize=512)
    def of(dtype: Any, rows: int, depth: int) -> _PanelSizes:
        lanes, height = vector_shape(dtype)
        padded = -(-rows // height) * height
        width, size = 2 * lanes, np.dtype(dtype).itemsize
        longest = PANEL_BYTES // (width * size)
        blocks = max(1, -(-depth // longest))
        return _PanelSizes(
            lanes,
            height,
            padded,
            max(1, -(-depth // blocks)),
            max(LEAST_PANELS, min(64, RESULT_BYTES // (padded * width * size))),
        )

    def buffers(self, dtype: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of the calling thread: panel, results, places."""
        width = 2 * self.lanes
        return (
            buffer("panel", (self.block + 2) * width, dtype),
            buffer("panel results", self.at_once * self.padded * width, dtype),
            buffer("places", self.at_once * (4 * width + 2), np.int64),
        )


def _pack(
    filters: np.ndarray, row_step: int, rows: int, taps: np.ndarray, sizes: _PanelSizes, packed: np.ndarray
) -> None:
    """Filters as panels for the product, see `compiled.convolution.pack_filters`."""
    from pydml.backends.cpu.compiled import convolution

    dtype, depth = packed.dtype, len(taps)
    run = convolution.pack_filters(dtype.type, sizes.lanes, sizes.height)

    def panels(first: int, last: int) -> None:
        run(filters, filters.size, row_step, rows, taps, depth, sizes.block, first, last, packed)

    parallel_for(panels, sizes.padded // sizes.height, rows * depth * 0.5)


def _plain_product(
    packed: np.ndarray, rows: int, depth: int, sizes: _PanelSizes, shift: np.ndarray,
    images: np.ndarray, pitch: int, count: int, pixels: int, out: np.ndarray, finish: Finishing | None = None,
) -> None:  # fmt: skip
    """out (count, rows*pixels) = packed filters (rows, depth) times each of the images (count, depth*pixels), plus shift.

    A tile is some whole panels of an image.
    """
    from pydml.backends.cpu.compiled import convolution

    dtype, width = out.dtype.type, 2 * sizes.lanes
    panels = -(-pixels // width)
    pieces = min(-(-PIECES // count), panels // LEAST_PIECE, int(rows * depth * pixels / SMALLEST_TILE_WORK))
    step = -(-panels // max(1, pieces)) * width
    pieces = -(-pixels // step)
    taps = _range(depth) * pixels
    multiply = convolution.multiply_panels(dtype, sizes.lanes, sizes.height)

    def run(start: int, stop: int) -> None:
        B, T, places = sizes.buffers(dtype)
        for tile in range(start, stop):
            n, piece = divmod(tile, pieces)
            first, last = piece * step, min(piece * step + step, pixels)
            # Panels are read in whole vectors, which would run over the end of the last image.
            rest = last % width if tile == count * pieces - 1 else 0
            target = n * rows * pixels
            for begin, end in ((first, last - rest), (last - rest, last)):
                if begin == end:
                    continue
                source, s0, taps_of_source = images, n * pitch + begin, taps
                if end - begin == rest:
                    source, s0, taps_of_source = buffer("layout", depth * width, dtype), 0, _range(depth) * width
                    image = images[n * pitch : n * pitch + depth * pixels].reshape(depth, pixels)
                    source[: depth * width].reshape(depth, width)[:, :rest] = image[:, begin:end]
                multiply(
                    source, s0, 0, 0, 1, 1, end - begin, packed, rows, taps_of_source, depth, sizes.block, shift,
                    out, target + begin, 0, pixels, end - begin, 1, B, T, places, sizes.at_once, source is images,
                )  # fmt: skip
            if finish is not None:
                finish(out, n, 0, rows, first, last - first)

    parallel_for(run, count * pieces, count * float(rows) * depth * pixels / MULTIPLY_ADDS_PER_NS)


def forward(
    X: np.ndarray,
    W: np.ndarray,
    bias: np.ndarray | None,
    g: ConvGeometry,
    dtype: Any,
    out: np.ndarray,
    finish: Finishing | None = None,
) -> None:
    """out = images (N, C*H*W) convolved with filters (F, C*Hf*Wf), plus bias (F, 1) if given.  out: (N, F*P*Q), contiguous."""
    from pydml.backends.cpu.compiled import convolution

    N = len(X)
    g = _flattened(g, N)
    images, pitch = flat(X, dtype)
    filters, filter_pitch = flat(W, dtype)
    results = out.reshape(-1)
    sizes = _PanelSizes.of(dtype, g.F, g.filter_cols)
    shift = np.zeros(sizes.padded, dtype)
    if bias is not None:
        shift[: g.F] = bias[:, 0]
    packed = buffer("packed filters", sizes.padded * g.filter_cols, dtype)
    _pack(filters, filter_pitch, g.F, _range(g.filter_cols), sizes, packed)

    group, band = tiles(N, g.P, g.Q, g.multiply_adds, 2 * sizes.lanes)
    if group == 1 and g.is_product:
        _plain_product(packed, g.F, g.C, sizes, shift, images, pitch, N, g.P * g.Q, results, finish)
        return
    bands = -(-g.P // band)
    layout = _layout(g, band)
    in_place = (g.sh, g.sw, g.ph, g.pw) == (1, 1, 0, 0)
    split = convolution.split_images(dtype, sizes.lanes)
    multiply = convolution.multiply_panels(dtype, sizes.lanes, sizes.height)

    def run(start: int, stop: int) -> None:
        B, T, places = sizes.buffers(dtype)
        for tile in range(start, stop):
            n, p = tile // bands * group, tile % bands * band
            count, rows = min(group, N - n), min(band, g.P - p)
            # Panels are read in whole vectors, which would run over the end of the last image.
            if in_place and n + count < N:
                source, s0, s_pitch, s_row, taps = images, n * pitch + p * g.W, pitch, g.W, _unsplit_taps(g)
            else:
                source = buffer("layout", group * layout.size + 4 * sizes.lanes, dtype)
                s0, s_pitch, s_row, taps = 0, layout.size, layout.columns, layout.taps
                split(
                    images, n * pitch, pitch, count, g.C, g.H, g.W, g.sh, g.sw, g.ph, g.pw,
                    p, *layout.residues, layout.rows, layout.columns, source, s_pitch,
                )  # fmt: skip
            grid = (1, rows * g.Q) if s_row == g.Q else (rows, g.Q)  # rows that follow each other are one
            multiply(
                source, s0, s_pitch, s_row, count, *grid, packed, g.F, taps, g.filter_cols, sizes.block, shift,
                results, n * g.output_cols + p * g.Q, g.output_cols, g.P * g.Q, grid[1], 1, B, T, places, sizes.at_once,
                source is images,
            )  # fmt: skip
            if finish is not None:
                finish(results, n, 0, g.F, p * g.Q, rows * g.Q, count)

    parallel_for(run, -(-N // group) * bands, N * g.multiply_adds / MULTIPLY_ADDS_PER_NS)


@lru_cache(maxsize=64)
def _range(n: int) -> np.ndarray:
    return np.arange(n, dtype=np.int64)


@dataclass(frozen=True)
class _Residue:
    """The image cells whose row and column have the same residue modulo the stride; they see the same taps.

    A cell in row u*sh + a - ph, column v*sw + b - pw, with u from u0 to u1 - 1 and v from v0 to v1 - 1, is the sum over (f, i, j)
    of dout[f, u - i, v - j] * W[f, c, a + i*sh, b + j*sw].  taps: places in the padded dout.  weights: places in a filter matrix.
    """

    a: int
    b: int
    u0: int
    u1: int
    v0: int
    v1: int
    taps: np.ndarray
    weights: np.ndarray


@lru_cache(maxsize=256)
def _residues(g: ConvGeometry, rows: int, columns: int, filter_pitch: int) -> list[_Residue]:
    """rows, columns: of the padded planes of dout."""
    most_i, most_j = -(-g.Hf // g.sh), -(-g.Wf // g.sw)
    result = []
    for a in range(g.sh):
        for b in range(g.sw):
            u0, u1 = max(0, -(-(g.ph - a) // g.sh)), (g.H - 1 + g.ph - a) // g.sh + 1
            v0, v1 = max(0, -(-(g.pw - b) // g.sw)), (g.W - 1 + g.pw - b) // g.sw + 1
            f = np.arange(g.F)[:, None, None]
            i = np.arange(len(range(a, g.Hf, g.sh)))[:, None]
            j = np.arange(len(range(b, g.Wf, g.sw)))
            taps = (f * rows + most_i - 1 - i) * columns + most_j - 1 - j
            weights = f * filter_pitch + (a + i * g.sh) * g.Wf + b + j * g.sw
            if u0 < u1 and v0 < v1:
                result.append(_Residue(a, b, u0, u1, v0, v1, _indexes(taps), _indexes(weights)))
    return result


def data_gradient(W: np.ndarray, dout: np.ndarray, g: ConvGeometry, dtype: Any, dX: np.ndarray) -> None:
    """dX = gradient of the images (N, C*H*W), contiguous, from filters (F, C*Hf*Wf) and output gradient (N, F*P*Q)."""
    from pydml.backends.cpu.compiled import convolution

    N = len(dout)
    g = _flattened(g, N)
    gradients, pitch = flat(dout, dtype)
    filters, filter_pitch = flat(W, dtype)
    results = dX.reshape(-1)
    most_i, most_j = -(-g.Hf // g.sh), -(-g.Wf // g.sw)
    grid_rows, grid_columns = (g.H - 1 + g.ph) // g.sh + 1, (g.W - 1 + g.pw) // g.sw + 1
    lanes, height = vector_shape(dtype)
    group, band = tiles(N, grid_rows, grid_columns, g.multiply_adds, 2 * lanes)
    if group == 1 and g.is_product:
        of_all = _PanelSizes.of(dtype, g.C, g.F)
        packed = buffer("packed filters", of_all.padded * g.F, dtype)
        _pack(filters, 1, g.C, _range(g.F) * filter_pitch, of_all, packed)
        _plain_product(
            packed, g.C, g.F, of_all, np.zeros(of_all.padded, dtype), gradients, pitch, N, g.H * g.W, results
        )
        return
    bands = -(-grid_rows // band)
    rows, columns = band + most_i - 1, grid_columns + most_j - 1
    in_place = (g.Hf, g.Wf, g.ph, g.pw) == (1, 1, 0, 0) and bands == 1
    layout_size = g.F * rows * columns
    residues = _residues(g, rows, columns, filter_pitch)

    sizes = [_PanelSizes.of(dtype, g.C, len(r.taps)) for r in residues]
    starts = np.cumsum([0] + [s.padded * len(r.taps) for s, r in zip(sizes, residues, strict=True)]).tolist()
    packed = buffer("packed filters", starts[-1], dtype)
    filters_of = [packed[start:stop] for start, stop in itertools.pairwise(starts)]
    for s, r, A in zip(sizes, residues, filters_of, strict=True):
        _pack(filters, g.Hf * g.Wf, g.C, r.weights, s, A)
    merged = (g.sh, g.sw, g.H % 2, g.W % 2, bands) == (2, 2, 0, 0, 1)
    # Cells that no filter reaches, where the stride is larger than the filter
    if not merged and min(len(r.taps) for r in residues) == 0:
        planes = dX.reshape(N, g.C, g.H, g.W)
    else:
        planes = None
    residues_with_taps = [t for t in zip(sizes, residues, filters_of, strict=True) if len(t[1].taps)]
    no_shift = np.zeros(sizes[0].padded, dtype)
    split = convolution.split_images(dtype, lanes)
    multiply = convolution.multiply_panels(dtype, lanes, height)
    if merged:
        merge = convolution.merge_residues(dtype, lanes)
        quarter = g.H // 2 * (g.W // 2)
        # Where each residue is in a buffer; those without taps share a row of zeros at its end
        share = group * g.C * quarter
        zeros = len(residues_with_taps) * share
        places_of = np.array([[zeros] * 4, [0] * 4, [0] * 4])
        for i, (_, r, _) in enumerate(residues_with_taps):
            places_of[:, (r.a - g.ph) % 2 * 2 + (r.b - g.pw) % 2] = i * share, quarter, g.W // 2

    def run(start: int, stop: int) -> None:
        if merged:
            parts = buffer("residues", zeros + g.W, dtype)
            parts[zeros : zeros + g.W] = 0
        for tile in range(start, stop):
            n, u = tile // bands * group, tile % bands * band
            count = min(group, N - n)
            if in_place and n + count < N:
                source, origin, s_pitch = gradients, n * pitch, pitch
            else:
                source, origin, s_pitch = buffer("layout", group * layout_size + 4 * lanes, dtype), 0, layout_size
                split(
                    gradients, n * pitch, pitch, count, g.F, g.P, g.Q, 1, 1, most_i - 1, most_j - 1,
                    u, 1, 1, rows, columns, source, s_pitch,
                )  # fmt: skip
            if planes is not None:
                planes[n : n + count, :, max(0, u * g.sh - g.ph) : max(0, (u + band) * g.sh - g.ph)] = 0
            for i, (s, r, A) in enumerate(residues_with_taps):
                first, last = max(r.u0, u), min(r.u1, u + band)
                if first >= last:
                    continue
                B, T, places = s.buffers(dtype)
                target = n * g.image_cols + (first * g.sh + r.a - g.ph) * g.W + r.v0 * g.sw + r.b - g.pw
                grid = (last - first, r.v1 - r.v0)
                out: tuple[Any, ...] = results, target, g.image_cols, g.H * g.W, g.sh * g.W, g.sw
                if merged:
                    out = parts, i * share, g.C * quarter, quarter, grid[1], 1
                if grid[1] == columns == out[4]:  # rows that follow each other are one
                    grid = (1, grid[0] * columns)
                    out = (*out[:4], grid[1], 1)
                multiply(
                    source, origin + (first - u) * columns + r.v0, s_pitch, columns, count, *grid,
                    A, g.C, r.taps, len(r.taps), s.block, no_shift,
                    *out, B, T, places, s.at_once, source is gradients,
                )  # fmt: skip
            if merged:
                merge(parts, *places_of, count * g.C, g.H, g.W, results, n * g.image_cols)

    parallel_for(run, -(-N // group) * bands, N * g.multiply_adds / MULTIPLY_ADDS_PER_NS)


def filter_gradient(X: np.ndarray, dout: np.ndarray, g: ConvGeometry, dtype: Any, dW: np.ndarray) -> None:
    """dW = gradient of the filters (F, C*Hf*Wf), contiguous, from images (N, C*H*W) and output gradient (N, F*P*Q).

    A tile sums some rows of the result over the pixels of some images.  Where many images see small filters, each tile has an
    image or a few; the partial sums are added in a fixed order.  Where filters are large, tiles share out the rows and
    the taps instead.
    """
    from pydml.backends.cpu.compiled import convolution

    N = len(X)
    g = _flattened(g, FEWEST_TILES)
    images, pitch = flat(X, dtype)
    gradients, gradient_pitch = flat(dout, dtype)
    lanes, height = vector_shape(dtype)
    width = 2 * lanes
    pixels, depth = g.P * g.Q, g.filter_cols
    row_panels, panels = -(-g.F // height), -(-depth // width)
    itemsize = np.dtype(dtype).itemsize

    layout = _layout(g, g.P)
    plan = _SumPlan.of(dtype, g.F, depth, pixels, N)
    # Cells are read in whole vectors, which must not run over the end of the last image.
    ends = min(plan.block, pixels), pixels % plan.block or pixels
    in_place = (g.sh, g.sw, g.ph, g.pw) == (1, 1, 0, 0) and g.W == g.Q and min(ends) >= lanes
    joined = in_place or layout.columns == g.Q
    grid = (1, pixels) if joined else (g.P, g.Q)  # rows that follow each other are one
    group = N if in_place else max(1, min(N, GROUP_BYTES // (itemsize * layout.size)))
    if group < N:
        plan = _SumPlan.of(dtype, g.F, depth, pixels, group)
    taps = _unsplit_taps(g) if in_place else layout.taps
    taps = np.concatenate([taps, np.full(-depth % width, taps[-1])])
    part_size = panels * row_panels * height * width
    sums = buffer("filter gradient", plan.parts * part_size, dtype)
    split = convolution.split_images(dtype, lanes)
    sum_over_pixels = convolution.sum_over_pixels(dtype, lanes, height)
    longest = plan.together * min(plan.block, pixels)
    a_panel = longest * height + lanes
    if in_place:
        source, s_pitch, s_row = images, pitch, g.W
    else:
        source, s_pitch, s_row = (
            buffer("layout of a group", group * layout.size + 2 * width, dtype),
            layout.size,
            layout.columns,
        )

    for n in range(0, N, group):
        count = min(group, N - n)

        def lay_out(first: int, last: int, n: int = n) -> None:
            split(
                images, (n + first) * pitch, pitch, last - first, g.C, g.H, g.W, g.sh, g.sw, g.ph, g.pw,
                0, *layout.residues, layout.rows, layout.columns, source[first * layout.size :], layout.size,
            )  # fmt: skip

        def run(start: int, stop: int, n: int = n, count: int = count) -> None:
            A = buffer("gradients of a block", -(-row_panels // plan.row_tiles) * a_panel + lanes, dtype)
            B = buffer("panel", (longest + lanes) * width, dtype)
            for tile in range(start, stop):
                rest, tap_tile = divmod(tile, plan.tap_tiles)
                index, row_tile = divmod(rest, plan.row_tiles)
                first, last = index * plan.part, min(index * plan.part + plan.part, count)
                sum_over_pixels(
                    source, first * s_pitch, s_pitch, s_row, *grid, gradients, (n + first) * gradient_pitch, gradient_pitch,
                    last - first, g.F, *_share(row_panels, plan.row_tiles, row_tile),
                    taps, *_share(panels, plan.tap_tiles, tap_tile), plan.block, plan.together,
                    A, a_panel, B, sums[index * part_size :], n > 0,
                )  # fmt: skip

        if not in_place:
            parallel_for(lay_out, count, count * layout.size * 0.5)
        parallel_for(
            run,
            -(-count // plan.part) * plan.row_tiles * plan.tap_tiles,
            count * g.multiply_adds / MULTIPLY_ADDS_PER_NS,
        )

    target = dW.reshape(-1)
    finish = convolution.gather_sums(dtype, lanes, height)
    parallel_for(
        lambda first, last: finish(sums, plan.parts, part_size, g.F, depth, first, last, target),
        g.F,
        g.F * depth * plan.parts,
    )


def _share(whole: int, shares: int, index: int) -> tuple[int, int]:
    """Where share `index` of a range of `whole` begins and ends."""
    return whole * index // shares, whole * (index + 1) // shares


@dataclass(frozen=True)
class _SumPlan:
    """How sums over the pixels of a group of images are shared out.

    block: pixels of an image at once.  together: images at once, where they are smaller than a block.  part: images of a partial
    sum; parts: how many of these.  row_tiles, tap_tiles: into how many ranges rows and taps are cut.
    """

    block: int
    together: int
    part: int
    parts: int
    row_tiles: int
    tap_tiles: int

    @staticmethod
    @lru_cache(maxsize=512)
    def of(dtype: Any, rows: int, depth: int, pixels: int, images: int) -> _SumPlan:
        lanes, height = vector_shape(dtype)
        width, itemsize = 2 * lanes, np.dtype(dtype).itemsize
        longest = PANEL_BYTES // (width * itemsize)
        blocks = -(-pixels // longest)
        block = min(pixels, -(-pixels // blocks // lanes) * lanes) if blocks > 1 else pixels
        row_panels, panels = -(-rows // height), -(-depth // width)
        together = max(1, min(images, longest // pixels))
        row_tiles = -(-row_panels * height * block * together * itemsize // RESULT_BYTES)
        row_tiles = min(row_tiles, row_panels)
        most = max(1, SUM_BYTES // (row_panels * height * panels * width * itemsize))
        parts = max(1, min(images, -(-FEWEST_TILES // row_tiles), most))
        part = -(-images // parts)
        parts = -(-images // part)
        tap_tiles = min(-(-FEWEST_TILES // (row_tiles * parts)), max(1, panels // 4))
        return _SumPlan(block, together, part, parts, row_tiles, tap_tiles)

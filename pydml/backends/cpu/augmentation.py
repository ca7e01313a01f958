"""Kernels of the augmentations: tiles are images.

The random numbers of all images are drawn first, by the same functions as in the meanings; what a tile does follows from them alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pydml.backends.cpu.memory import buffer
from pydml.backends.cpu.threads import parallel_for
from pydml.builtins import augmentation
from pydml.builtins.registry import kernel
from pydml.values import to_dense

SMALL = 1 << 14  # cells up to which the meaning takes about a millisecond, and no Numba is needed
COPY_NS, RESIZE_NS, JITTER_NS = 0.5, 3.0, 15.0  # for a cell of the result, to tell small work


def _images(X: Any) -> np.ndarray:
    """The matrix as a dense one whose rows follow each other without gaps."""
    return np.ascontiguousarray(to_dense(X))


def _run(X: np.ndarray, cols: int, ns: float, tile: Any) -> np.ndarray:
    """The result (N, cols) of `tile(first, last, out)`, called for all images."""
    out = np.empty((len(X), cols), X.dtype)
    parallel_for(lambda first, last: tile(first, last, out), len(X), out.size * ns)
    return out


@kernel("random_crop", "*")
def _random_crop(ctx, X, C, H, W, out_h, out_w, padding, fill, seed):
    C, H, W, out_h, out_w, padding = map(int, (C, H, W, out_h, out_w, padding))
    X = _images(X)
    if len(X) * C * out_h * out_w <= SMALL:
        return augmentation.random_crop.meaning(ctx, X, C, H, W, out_h, out_w, padding, fill, seed)
    random = augmentation.uniforms(ctx, seed, len(X), 2)
    return _cut(X, augmentation.crop_corners(random, H, W, out_h, out_w, padding), C, H, W, out_h, out_w, fill)


def _cut(
    X: np.ndarray, corners: np.ndarray, C: int, H: int, W: int, out_h: int, out_w: int, fill: float = 0
) -> np.ndarray:
    from pydml.backends.cpu.compiled import augmentation as compiled

    run = compiled.crop(X.dtype.type)
    number = X.dtype.type(fill)

    def tile(first: int, last: int, out: np.ndarray) -> None:
        run(X, corners, first, last, C, H, W, out_h, out_w, number, out)

    return _run(X, C * out_h * out_w, COPY_NS, tile)


@kernel("center_crop", "*")
def _center_crop(X, C, H, W, out_h, out_w):
    C, H, W, out_h, out_w = map(int, (C, H, W, out_h, out_w))
    X = _images(X)
    if len(X) * C * out_h * out_w <= SMALL:
        return augmentation.center_crop.meaning(X, C, H, W, out_h, out_w)
    corners = np.tile(np.array([(H - out_h) // 2, (W - out_w) // 2]), (len(X), 1))
    return _cut(X, corners, C, H, W, out_h, out_w)


@kernel("random_resized_crop", "*")
def _random_resized_crop(ctx, X, C, H, W, out_h, out_w, min_scale, max_scale, min_ratio, max_ratio, seed):
    C, H, W, out_h, out_w = map(int, (C, H, W, out_h, out_w))
    X = _images(X)
    if len(X) * C * max(out_h * out_w, H * W) <= SMALL:
        meaning = augmentation.random_resized_crop.meaning
        return meaning(ctx, X, C, H, W, out_h, out_w, min_scale, max_scale, min_ratio, max_ratio, seed)
    from pydml.backends.cpu.compiled import augmentation as compiled

    random = augmentation.uniforms(ctx, seed, len(X), 2 + 2 * augmentation.TRIES)
    parts = augmentation.rectangles(random, H, W, (min_scale, max_scale), (min_ratio, max_ratio))
    dtype = X.dtype.type
    run = compiled.resized_crop(dtype)
    taps = int(2 * max(H / out_h, W / out_w, 1)) + 4

    def tile(first: int, last: int, out: np.ndarray) -> None:
        lines = buffer("lines", H * out_w, dtype)
        begins, counts = buffer("begins", out_h + out_w, np.int64), buffer("counts", out_h + out_w, np.int64)
        shares = buffer("shares", (out_h + out_w) * taps, np.float64)
        run(X, parts, first, last, C, H, W, out_h, out_w, taps, lines, begins, counts, shares, out)

    return _run(X, C * out_h * out_w, RESIZE_NS, tile)


@kernel("random_horizontal_flip", "*")
def _random_horizontal_flip(ctx, X, C, H, W, p, seed):
    C, H, W = map(int, (C, H, W))
    X = _images(X)
    if X.size <= SMALL:
        return augmentation.random_horizontal_flip.meaning(ctx, X, C, H, W, p, seed)
    from pydml.backends.cpu.compiled import augmentation as compiled

    flipped = augmentation.uniforms(ctx, seed, len(X), 1)[:, 0] < p
    run = compiled.flip(X.dtype.type)
    return _run(X, X.shape[1], COPY_NS, lambda first, last, out: run(X, flipped, first, last, C * H, W, out))


@kernel("color_jitter", "*")
def _color_jitter(ctx, X, C, H, W, brightness, contrast, saturation, hue, seed):
    C, H, W = map(int, (C, H, W))
    X = _images(X)
    if X.size <= SMALL:
        return augmentation.color_jitter.meaning(ctx, X, C, H, W, brightness, contrast, saturation, hue, seed)
    from pydml.backends.cpu.compiled import augmentation as compiled

    random = augmentation.uniforms(ctx, seed, len(X), 5)
    factors, order = augmentation.jitter_factors(random, brightness, contrast, saturation, hue)
    run = compiled.jitter(X.dtype.type, C)
    return _run(X, X.shape[1], JITTER_NS, lambda first, last, out: run(X, factors, order, first, last, H * W, out))


@kernel("normalize_images", "*")
def _normalize_images(X, C, mean, std):
    X, mean, std = _images(X), to_dense(mean), to_dense(std)
    if X.size <= SMALL:
        return augmentation.normalize_images.meaning(X, C, mean, std)
    from pydml.backends.cpu.compiled import augmentation as compiled

    run = compiled.normalize(X.dtype.type)
    centre, deviation = (np.ascontiguousarray(v.reshape(-1), X.dtype) for v in (mean, std))
    cells = X.shape[1] // int(C)
    return _run(X, X.shape[1], COPY_NS, lambda first, last, out: run(X, centre, deviation, first, last, cells, out))

"""Random changes of training images: crops, flips, colours; and the fixed ones that go with them: centre crop, normalisation.

Images are rows, channel by channel: X is (N, C*H*W).  The names and the distributions are those of torchvision's transforms (version
0.2x); each image of the batch is changed by its own random numbers.  These are row i of a table that a counter-based generator fills
from the seed of the call, so that the result depends on the seed alone, not on the number of threads, and the first images of a
batch are the same whatever the size of the batch.  The kernels in `backends.cpu.augmentation` use the same tables.

SystemDS has no such functions.  Its script img_crop and its kin change all images in the same way.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from pydml.builtins.registry import builtin
from pydml.builtins.shapes import constant_size
from pydml.diagnostics import fail
from pydml.types import Type, matrix_type
from pydml.values import arithmetic

TRIES = 10  # rectangles that random_resized_crop draws before it takes the centre
GREY = (0.2989, 0.587, 0.114)
ORDERS = np.array(list(itertools.permutations(range(4))))  # of brightness, contrast, saturation, hue


# ---- types


def _size(function: str, name: str, type: Type) -> int | None:
    size = constant_size(type)
    if size is not None and size < 1:
        fail("value", f"{function}: {name} must be at least 1, got {size}")
    return size


def _images(function: str, X: Type, **sizes: Type) -> list[int | None]:
    """C, H and W, checked against the columns of X."""
    known = [_size(function, name, type) for name, type in sizes.items()]
    if None not in known and X.cols is not None and X.cols != math.prod(known):
        text = " x ".join(map(str, known))
        fail("shape-mismatch", f"{function}: X has {X.cols} columns, images of {text} have {math.prod(known)}")
    return known


def _result(X: Type, C: int | None, height: int | None, width: int | None) -> Type:
    return matrix_type(X.rows, None if None in (C, height, width) else C * height * width)


def _range(function: str, name: str, type: Type, low: float, high: float) -> None:
    value = type.const
    if isinstance(value, (int, float)) and not low <= value <= high:
        limits = f"from {low:g} to {high:g}" if high < math.inf else f"at least {low:g}"
        fail("value", f"{function}: {name} must be {limits}, got {value:g}")


# ---- random numbers


def uniforms(ctx: Any, seed: Any, images: int, count: int) -> np.ndarray:
    """(images, count) numbers in [0, 1), row i for image i."""
    key = ctx.random.resolve(None if seed is None else arithmetic.to_int(seed))
    return np.random.Generator(np.random.Philox(key=key)).random((images, count))


# ---- crops


def _crop_type(function: str):
    def infer(X: Type, C: Type, H: Type, W: Type, height: Type, width: Type, padding: Type, *rest: Type) -> Type:
        c, h, w = _images(function, X, C=C, H=H, W=W)
        oh, ow = _size(function, "out_h", height), _size(function, "out_w", width)
        pad = constant_size(padding)
        if pad is not None and pad < 0:
            fail("value", f"{function}: padding must be at least 0, got {pad}")
        if None not in (h, w, oh, ow, pad) and (oh > h + 2 * pad or ow > w + 2 * pad):
            fail("value", f"{function}: {oh} x {ow} cannot be cut out of {h + 2 * pad} x {w + 2 * pad}")
        return _result(X, c, oh, ow)

    return infer


def crop_corners(random: np.ndarray, H: int, W: int, out_h: int, out_w: int, padding: int) -> np.ndarray:
    """(N, 2): top and left of each image's cut, in the image without its padding; uniform over all places.

    random: (N, 2).
    """
    places = np.array([H + 2 * padding - out_h + 1, W + 2 * padding - out_w + 1])
    return np.minimum((random * places).astype(np.int64), places - 1) - padding


def cut(image: np.ndarray, top: int, left: int, out_h: int, out_w: int, fill: float) -> np.ndarray:
    """The part of an image (C, H, W) from (top, left); cells outside of the image are `fill`."""
    C, H, W = image.shape
    rows, cols = np.arange(top, top + out_h), np.arange(left, left + out_w)
    out = np.full((C, out_h, out_w), fill, image.dtype)
    r, c = (rows >= 0) & (rows < H), (cols >= 0) & (cols < W)
    out[:, np.ix_(r, c)[0], np.ix_(r, c)[1]] = image[:, rows[r][:, None], cols[c]]
    return out


@builtin(
    "random_crop(X: matrix, C: number, H: number, W: number, out_h: number, out_w: number, padding: number = 0, "
    "fill: number = 0, seed: number = -1) -> matrix",
    infer=_crop_type("random_crop"),
    needs="context",
    effects=["random"],
)
def random_crop(ctx, X, C, H, W, out_h, out_w, padding, fill, seed):
    """Cut a part of out_h x out_w out of each image, at a place of its own.

    X: (N, C*H*W).  padding: as many rows and columns with the number `fill` are set around the image first.  All places are
    equally probable.  seed: the same seed gives the same cuts, on any number of threads; -1 draws a new one.
    Returns (N, C*out_h*out_w).

    Raises "value" where the part is larger than the padded image.  As torchvision's RandomCrop with constant padding, but every
    image has its own place.  random_crop(X, 3, 32, 32, 32, 32, 4) and a flip are the usual augmentation for CIFAR (He et al.,
    "Deep residual learning for image recognition", 2016, section 4.2).
    """
    C, H, W, out_h, out_w, padding = map(int, (C, H, W, out_h, out_w, padding))
    corners = crop_corners(uniforms(ctx, seed, len(X), 2), H, W, out_h, out_w, padding)
    images = X.reshape(-1, C, H, W)
    out = np.empty((len(X), C, out_h, out_w), X.dtype)
    for n, (top, left) in enumerate(corners):
        out[n] = cut(images[n], top, left, out_h, out_w, fill)
    return out.reshape(len(X), -1)


random_crop.case("random_crop(matrix(seq(1, 4), rows=1, cols=4), 1, 2, 2, 2, 2)", "1 2 3 4")
random_crop.case("sum(random_crop(matrix(1, rows=5, cols=2*16), 2, 4, 4, 3, 2, seed=3))", "60.0")
random_crop.case(
    "X = rand(rows=9, cols=3*20, seed=1); RESULT = sum(random_crop(X, 3, 4, 5, 4, 5, 2, 0.5, 8) != "
    "random_crop(X, 3, 4, 5, 4, 5, 2, 0.5, 8))",
    "0.0",
)
random_crop.fails("random_crop(matrix(1, rows=1, cols=16), 1, 4, 4, 5, 4)", "value", "5 x 4 cannot be cut out of 4 x 4")
random_crop.fails("random_crop(matrix(1, rows=1, cols=15), 1, 4, 4, 2, 2)", "shape-mismatch", "X has 15 columns")
random_crop.fails("random_crop(matrix(1, rows=1, cols=16), 1, 4, 4, 2, 2, -1)", "value", "padding must be at least 0")


def _center_type(X: Type, C: Type, H: Type, W: Type, height: Type, width: Type) -> Type:
    return _crop_type("center_crop")(X, C, H, W, height, width, Type("scalar", "int", const=0))


@builtin(
    "center_crop(X: matrix, C: number, H: number, W: number, out_h: number, out_w: number) -> matrix",
    infer=_center_type,
)
def center_crop(X, C, H, W, out_h, out_w):
    """The part of out_h x out_w around the centre of each image.  X: (N, C*H*W).  Returns (N, C*out_h*out_w).

    Where it cannot be centred, it is half a cell higher and further left.  Raises "value" where the part is larger than the image.
    As torchvision's CenterCrop, which rounds the half to the even number and enlarges small images by zeros.
    """
    C, H, W, out_h, out_w = map(int, (C, H, W, out_h, out_w))
    top, left = (H - out_h) // 2, (W - out_w) // 2
    part = X.reshape(-1, C, H, W)[:, :, top : top + out_h, left : left + out_w]
    return part.reshape(len(X), -1)


center_crop.case("center_crop(matrix(seq(1, 16), rows=1, cols=16), 1, 4, 4, 2, 2)", "6 7 10 11")
center_crop.case("center_crop(matrix(seq(1, 6), rows=1, cols=6), 1, 2, 3, 1, 2)", "1 2")
center_crop.fails("center_crop(matrix(1, rows=1, cols=16), 1, 4, 4, 5, 4)", "value", "cannot be cut out of 4 x 4")


# ---- crops of any size


def _resized_type(
    X: Type, C: Type, H: Type, W: Type, height: Type, width: Type, s0: Type, s1: Type, r0: Type, r1: Type, seed: Type
) -> Type:
    function = "random_resized_crop"
    c, _, _ = _images(function, X, C=C, H=H, W=W)
    for name, type in (("min_scale", s0), ("max_scale", s1)):
        _range(function, name, type, 0, 1)
    for low, high, names in ((s0, s1, "min_scale to max_scale"), (r0, r1, "min_ratio to max_ratio")):
        a, b = low.const, high.const
        if isinstance(a, (int, float)) and isinstance(b, (int, float)) and not 0 < a <= b:
            fail("value", f"{function}: {names} must be a range of positive numbers, got {a:g} to {b:g}")
    return _result(X, c, _size(function, "out_h", height), _size(function, "out_w", width))


def rectangles(
    random: np.ndarray, H: int, W: int, scale: tuple[float, float], ratio: tuple[float, float]
) -> np.ndarray:
    """(N, 4): top, left, height and width of the part of each image.

    random: (N, 2 + 2 * TRIES).  The area is uniform in `scale` (shares of the image), the logarithm of width / height uniform in that of
    `ratio`; the first of the tries that fits counts, at a uniform place.  Where none fits, it is the largest rectangle around the
    centre with a ratio in the range.
    """
    tries = random[:, 2:].reshape(-1, TRIES, 2)
    area = H * W * (scale[0] + (scale[1] - scale[0]) * tries[:, :, 0])
    shape = np.exp(np.log(ratio[0]) + (np.log(ratio[1]) - np.log(ratio[0])) * tries[:, :, 1])
    widths, heights = np.rint(np.sqrt(area * shape)).astype(int), np.rint(np.sqrt(area / shape)).astype(int)
    fits = (widths >= 1) & (widths <= W) & (heights >= 1) & (heights <= H)
    first = np.argmax(fits, axis=1)
    some = fits.any(axis=1)
    n = np.arange(len(random))
    fallback_h, fallback_w = _largest(H, W, ratio)
    height, width = np.where(some, heights[n, first], fallback_h), np.where(some, widths[n, first], fallback_w)
    top = np.where(some, np.floor(random[:, 0] * (H - height + 1)), (H - height) // 2)
    left = np.where(some, np.floor(random[:, 1] * (W - width + 1)), (W - width) // 2)
    return np.stack([top, left, height, width], axis=1).astype(np.int64)


def _largest(H: int, W: int, ratio: tuple[float, float]) -> tuple[int, int]:
    """Height and width of the largest part with a ratio in the range."""
    shape = W / H
    if shape < ratio[0]:
        return max(1, min(H, round(W / ratio[0]))), W
    if shape > ratio[1]:
        return H, max(1, min(W, round(H * ratio[1])))
    return H, W


def resize_weights(start: int, size: int, total: int, out: int) -> np.ndarray:
    """(out, total): the share that each of `total` cells of a line has in `out` new ones that cover size cells from `start`.

    A triangle around the middle of the new cell, half a new cell wide on each side of its borders but never less than one old cell;
    cells outside of the part have no share, the shares sum to 1.  So it is linear interpolation where the part is enlarged, and a
    weighted mean where it is reduced (as PIL, and torch with antialias=True).
    """
    scale = size / out
    support = max(scale, 1.0)
    middle = start + (np.arange(out) + 0.5) * scale
    cells = np.arange(total)
    weights = np.maximum(0, 1 - np.abs(cells + 0.5 - middle[:, None]) / support)
    weights[:, (cells < start) | (cells >= start + size)] = 0
    return weights / weights.sum(axis=1, keepdims=True)


@builtin(
    "random_resized_crop(X: matrix, C: number, H: number, W: number, out_h: number, out_w: number, "
    "min_scale: number = 0.08, max_scale: number = 1, min_ratio: number = 0.75, max_ratio: number = 1.3333333333333333, "
    "seed: number = -1) -> matrix",
    infer=_resized_type,
    needs="context",
    effects=["random"],
)
def random_resized_crop(ctx, X, C, H, W, out_h, out_w, min_scale, max_scale, min_ratio, max_ratio, seed):
    """Cut a part of random size, shape and place out of each image and resize it to out_h x out_w.

    X: (N, C*H*W).  min_scale, max_scale: area of the part as a share of the image's.  min_ratio, max_ratio: its width divided by its
    height.  Resizing is bilinear, over the area that a new cell covers where the part is reduced.  seed: the same seed gives the
    same parts, on any number of threads; -1 draws a new one.  Returns (N, C*out_h*out_w).

    As torchvision's RandomResizedCrop with antialias=True, but every image has its own part.  Source: Szegedy et al., "Going deeper
    with convolutions", 2015, section 6.
    """
    C, H, W, out_h, out_w = map(int, (C, H, W, out_h, out_w))
    random = uniforms(ctx, seed, len(X), 2 + 2 * TRIES)
    parts = rectangles(random, H, W, (min_scale, max_scale), (min_ratio, max_ratio))
    images = X.reshape(-1, C, H, W)
    out = np.empty((len(X), C, out_h, out_w), X.dtype)
    for n, (top, left, height, width) in enumerate(parts):
        out[n] = resize_weights(top, height, H, out_h) @ images[n] @ resize_weights(left, width, W, out_w).T
    return out.reshape(len(X), -1)


random_resized_crop.case("random_resized_crop(matrix(seq(1, 4), rows=1, cols=4), 1, 2, 2, 2, 2, 1, 1, 1, 1)", "1 2 3 4")
random_resized_crop.case(
    "random_resized_crop(matrix(seq(1, 4), rows=1, cols=4), 1, 2, 2, 4, 1, 1, 1, 1, 1)", "1.5 2 3 3.5"
)
random_resized_crop.case(
    "sum(random_resized_crop(matrix(2, rows=3, cols=3*30), 3, 5, 6, 4, 7, seed=1)) - 3*84*2", "0.0"
)
random_resized_crop.fails(
    "random_resized_crop(matrix(1, rows=1, cols=16), 1, 4, 4, 2, 2, 0.5, 0.2)", "value", "min_scale to max_scale"
)
random_resized_crop.fails("random_resized_crop(matrix(1, rows=1, cols=16), 1, 4, 4, 0, 2)", "value", "out_h must be")


# ---- flips


def _flip_type(X: Type, C: Type, H: Type, W: Type, p: Type, seed: Type) -> Type:
    _images("random_horizontal_flip", X, C=C, H=H, W=W)
    _range("random_horizontal_flip", "p", p, 0, 1)
    return matrix_type(X.rows, X.cols)


@builtin(
    "random_horizontal_flip(X: matrix, C: number, H: number, W: number, p: number = 0.5, seed: number = -1) -> matrix",
    infer=_flip_type,
    needs="context",
    effects=["random"],
)
def random_horizontal_flip(ctx, X, C, H, W, p, seed):
    """Mirror each image with probability p, left to right.  X: (N, C*H*W).  Returns the same size.

    seed: the same seed mirrors the same images, on any number of threads; -1 draws a new one.  As torchvision's
    RandomHorizontalFlip, for each image by itself.
    """
    C, H, W = map(int, (C, H, W))
    images = X.reshape(-1, C, H, W)
    flipped = uniforms(ctx, seed, len(X), 1)[:, 0] < p
    return np.where(flipped[:, None, None, None], images[:, :, :, ::-1], images).reshape(X.shape)


random_horizontal_flip.case("random_horizontal_flip(matrix(seq(1, 6), rows=1, cols=6), 1, 2, 3, 1)", "3 2 1 6 5 4")
random_horizontal_flip.case("random_horizontal_flip(matrix(seq(1, 6), rows=1, cols=6), 1, 2, 3, 0)", "1 2 3 4 5 6")
random_horizontal_flip.fails(
    "random_horizontal_flip(matrix(1, rows=1, cols=6), 1, 2, 3, 1.5)", "value", "p must be from 0 to 1"
)


# ---- colours


def _jitter_type(
    X: Type, C: Type, H: Type, W: Type, brightness: Type, contrast: Type, saturation: Type, hue: Type, seed: Type
) -> Type:
    c, _, _ = _images("color_jitter", X, C=C, H=H, W=W)
    if c not in (None, 1, 3):
        fail("value", f"color_jitter: images have 1 or 3 channels, got {c}")
    for name, type in (("brightness", brightness), ("contrast", contrast), ("saturation", saturation)):
        _range("color_jitter", name, type, 0, math.inf)
    _range("color_jitter", "hue", hue, 0, 0.5)
    return matrix_type(X.rows, X.cols)


def jitter_factors(
    random: np.ndarray, brightness: float, contrast: float, saturation: float, hue: float
) -> tuple[np.ndarray, np.ndarray]:
    """The factors (N, 4) of brightness, contrast, saturation and hue for each image, and the order (N, 4) in which they are applied.

    random: (N, 5).
    """
    strength = np.array([brightness, contrast, saturation])
    low, high = np.maximum(0, 1 - strength), 1 + strength
    factors = np.concatenate([low + (high - low) * random[:, :3], hue * (2 * random[:, 3:4] - 1)], axis=1)
    order = ORDERS[np.minimum((random[:, 4] * len(ORDERS)).astype(int), len(ORDERS) - 1)]
    return factors, order


def grey(image: np.ndarray) -> np.ndarray:
    """(C, cells) -> (cells,)"""
    return image[0] if len(image) == 1 else GREY[0] * image[0] + GREY[1] * image[1] + GREY[2] * image[2]


def shift_hue(image: np.ndarray, shift: float) -> np.ndarray:
    """An image (3, cells) with its hue moved by `shift` turns of the circle of colours; value and saturation stay."""
    high, low = image.max(axis=0), image.min(axis=0)
    spread = high - low
    safe = np.where(spread == 0, 1, spread)
    r, g, b = image
    sector = np.where(
        high == r, (g - b) / safe, np.where(high == g, 2 + (b - r) / safe, 4 + (r - g) / safe)
    )  # hue in sixths of the circle
    h = np.where(spread == 0, 0, sector) + 6 * shift
    # a channel is high around its colour and low opposite to it (Smith, "Color gamut transform pairs", 1978)
    channels = []
    for place in (5, 3, 1):
        k = np.mod(place + h, 6)
        channels.append(high - spread * np.clip(np.minimum(k, 4 - k), 0, 1))
    return np.stack(channels)


def jitter(image: np.ndarray, factors: np.ndarray, order: np.ndarray) -> np.ndarray:
    """An image (C, cells) of numbers from 0 to 1 after the four changes in their order."""
    for step in order:
        f = factors[step]
        if step == 0 and f != 1:
            image = np.clip(f * image, 0, 1)
        elif step == 1 and f != 1:
            image = np.clip(f * image + (1 - f) * grey(image).mean(), 0, 1)
        elif step == 2 and f != 1 and len(image) == 3:
            image = np.clip(f * image + (1 - f) * grey(image), 0, 1)
        elif step == 3 and f != 0 and len(image) == 3:
            image = np.clip(shift_hue(image, f), 0, 1)
    return image


@builtin(
    "color_jitter(X: matrix, C: number, H: number, W: number, brightness: number = 0, contrast: number = 0, "
    "saturation: number = 0, hue: number = 0, seed: number = -1) -> matrix",
    infer=_jitter_type,
    needs="context",
    effects=["random"],
)
def color_jitter(ctx, X, C, H, W, brightness, contrast, saturation, hue, seed):
    """Change brightness, contrast, saturation and hue of each image at random, in random order.

    X: (N, C*H*W) with cells from 0 to 1, as read(path, pixels="unit") gives them; C is 3, or 1, where saturation and hue have no
    effect.  Each of the first three is multiplied by a factor that is uniform in [max(0, 1 - s), 1 + s]: brightness scales the
    image, contrast its distance from its mean grey, saturation its distance from its own grey.  The hue moves by up to
    `hue` (at most 0.5) of the circle of colours either way.  Results are kept within 0 and 1.  seed: the same seed makes the
    same changes, on any number of threads; -1 draws a new one.  Returns the same size.

    As torchvision's ColorJitter, for each image by itself.  Source of the three factors: Howard, "Some improvements on deep
    convolutional neural network based image classification", 2013.
    """
    C, H, W = map(int, (C, H, W))
    factors, order = jitter_factors(uniforms(ctx, seed, len(X), 5), brightness, contrast, saturation, hue)
    images = X.reshape(-1, C, H * W)
    out = np.empty_like(images)
    for n in range(len(X)):
        out[n] = jitter(images[n], factors[n], order[n])
    return out.reshape(X.shape)


color_jitter.case('color_jitter(matrix("0.1 0.2 0.3", rows=1, cols=3), 3, 1, 1)', "0.1 0.2 0.3")
color_jitter.case("max(color_jitter(rand(rows=3, cols=12, seed=2), 3, 2, 2, 4, 1, 1, 0.5, 7)) <= 1", "TRUE")
color_jitter.fails("color_jitter(matrix(1, rows=1, cols=8), 2, 2, 2)", "value", "1 or 3 channels, got 2")
color_jitter.fails("color_jitter(matrix(1, rows=1, cols=12), 3, 2, 2, hue=0.6)", "value", "hue must be from 0 to 0.5")


# ---- normalisation


def _normalize_type(X: Type, C: Type, mean: Type, std: Type) -> Type:
    c = _size("normalize_images", "C", C)
    if c is not None:
        if X.cols is not None and X.cols % c:
            fail("shape-mismatch", f"normalize_images: {X.cols} columns of X are not a multiple of {c} channels")
        for name, type in (("mean", mean), ("std", std)):
            if None not in (type.rows, type.cols) and (type.rows * type.cols != c or 1 not in (type.rows, type.cols)):
                fail(
                    "shape-mismatch",
                    f"normalize_images: {name} needs a number for each of {c} channels, got {type.size_text()}",
                )
    return matrix_type(X.rows, X.cols)


@builtin("normalize_images(X: matrix, C: number, mean: matrix, std: matrix) -> matrix", infer=_normalize_type)
def normalize_images(X, C, mean, std):
    """(X - mean) / std for each channel.  X: (N, C*H*W).  mean, std: one number for each channel, (1, C) or (C, 1).

    Returns the same size.  For images that were read with pixels="unit" and augmented; `read` by itself gives normalised ones.
    As torchvision's Normalize, under another name: SystemDS has a script `normalize` that scales columns.
    """
    C = int(C)
    images = X.reshape(len(X), C, -1)
    centre, deviation = (v.reshape(1, C, 1).astype(X.dtype, copy=False) for v in (mean, std))
    return ((images - centre) / deviation).reshape(X.shape)


normalize_images.case(
    'normalize_images(matrix("1 2 3 4", rows=1, cols=4), 2, matrix("1 3", rows=1, cols=2), matrix("1 2", rows=2, cols=1))',
    "0 1 0 0.5",
)
normalize_images.fails(
    "normalize_images(matrix(1, rows=1, cols=4), 2, matrix(1, rows=1, cols=3), matrix(1, rows=1, cols=2))",
    "shape-mismatch",
    "mean needs a number for each of 2 channels, got 1 x 3",
)

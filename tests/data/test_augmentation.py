"""Augmentations: kernels against meanings in both precisions, against torch where it is installed, and the distributions."""

import math

import numpy as np
import pytest

import pydml
from pydml.backends.cpu import augmentation as kernels
from pydml.backends.cpu.threads import limit
from pydml.builtins import augmentation
from pydml.execution.context import Context

N, C, H, W = 6, 3, 37, 30
IMAGES = np.random.default_rng(2).random((N, C * H * W))
CALLS = {
    "random_crop": (C, H, W, 32, 28, 5, 0.25, 3),
    "random_resized_crop": (C, H, W, 24, 41, 0.08, 1.0, 0.75, 4 / 3, 4),
    "random_horizontal_flip": (C, H, W, 0.5, 5),
    "color_jitter": (C, H, W, 0.4, 0.4, 0.8, 0.5, 6),
}
FIXED = {
    "center_crop": (C, H, W, 30, 27),
    "normalize_images": (C, np.array([[0.4, 0.5, 0.6]]), np.array([[0.2], [0.3], [0.1]])),
}


@pytest.fixture(autouse=True)
def kernels_for_small_batches(monkeypatch):
    monkeypatch.setattr(kernels, "SMALL", 0)


def call(name, X, arguments, kernel):
    builtin = getattr(augmentation, name)
    function = builtin.kernels["*",] if kernel else builtin.meaning
    first = (Context(dtype=X.dtype),) if builtin.needs else ()
    return function(*first, X, *arguments)


@pytest.mark.parametrize("name", [*CALLS, *FIXED])
@pytest.mark.parametrize("dtype, tolerance", [(np.float64, 1e-13), (np.float32, 2e-5)])
def test_kernels_do_what_the_meaning_says(name, dtype, tolerance):
    arguments = CALLS.get(name) or FIXED[name]
    X = IMAGES.astype(dtype)
    got, expected = call(name, X, arguments, True), call(name, X, arguments, False)
    assert got.dtype == dtype and expected.dtype == dtype
    np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance)
    if dtype == np.float64:
        assert not np.array_equal(got[0], got[1])


@pytest.mark.parametrize("name", CALLS)
def test_results_depend_on_the_seed_alone(name):
    arguments = CALLS[name]
    with limit(1):
        alone = call(name, IMAGES, arguments, True)
    with limit(2):
        together = call(name, IMAGES, arguments, True)
    np.testing.assert_array_equal(alone, together)
    np.testing.assert_array_equal(call(name, IMAGES[:2], arguments, True), alone[:2])
    assert not np.array_equal(call(name, IMAGES, (*arguments[:-1], 77), True), alone)


def test_one_channel_has_brightness_and_contrast_only():
    X = IMAGES[:, : H * W]
    arguments = (1, H, W, 0.5, 0.5, 0.9, 0.4, 1)
    got = call("color_jitter", X, arguments, True)
    np.testing.assert_allclose(got, call("color_jitter", X, arguments, False), atol=1e-13)
    np.testing.assert_array_equal(call("color_jitter", X, (1, H, W, 0, 0, 0.9, 0.4, 1), True), X)


def test_crops_reach_every_place_equally():
    random = np.random.default_rng(3).random((60_000, 2))
    corners = augmentation.crop_corners(random, 8, 8, 8, 8, 1)
    assert corners.min() == -1 and corners.max() == 1
    counts = np.bincount((corners[:, 0] + 1) * 3 + corners[:, 1] + 1, minlength=9)
    assert abs(counts / 60_000 - 1 / 9).max() < 0.01


@pytest.mark.parametrize("H, W", [(40, 60), (10, 300), (300, 10)])
def test_parts_have_areas_and_shapes_of_the_range(H, W):
    random = np.random.default_rng(4).random((20_000, 2 + 2 * augmentation.TRIES))
    parts = augmentation.rectangles(random, H, W, (0.08, 1.0), (3 / 4, 4 / 3))
    top, left, height, width = parts.T
    assert (top >= 0).all() and (left >= 0).all() and (top + height <= H).all() and (left + width <= W).all()
    assert (height >= 1).all() and (width >= 1).all()
    shape = width / height
    assert (shape > 0.75 - 1 / height).all() and (shape < 4 / 3 + 2 / height).all()
    for numbers, part in zip(random[:300], parts[:300], strict=True):
        assert tuple(part) == one_by_one(numbers, H, W)


def one_by_one(numbers, H, W):
    """The rectangle of one image, try by try."""
    for k in range(augmentation.TRIES):
        area = H * W * (0.08 + 0.92 * numbers[2 + 2 * k])
        shape = math.exp(math.log(3 / 4) + math.log(16 / 9) * numbers[3 + 2 * k])
        width, height = round(math.sqrt(area * shape)), round(math.sqrt(area / shape))
        if 1 <= width <= W and 1 <= height <= H:
            return int(numbers[0] * (H - height + 1)), int(numbers[1] * (W - width + 1)), height, width
    if W > H:
        return 0, (W - round(H * 4 / 3)) // 2, H, round(H * 4 / 3)
    return (H - round(W * 4 / 3)) // 2, 0, round(W * 4 / 3), W


def test_resizing_is_that_of_torch():
    torch = pytest.importorskip("torch")
    image = torch.tensor(IMAGES[:1].reshape(1, C, H, W))
    for top, left, height, width, out_h, out_w in [(3, 2, 20, 25, 8, 9), (0, 0, H, W, 50, 70), (5, 5, 7, 3, 7, 20)]:
        part = image[:, :, top : top + height, left : left + width]
        expected = torch.nn.functional.interpolate(part, (out_h, out_w), mode="bilinear", antialias=True)
        rows = augmentation.resize_weights(top, height, H, out_h)
        cols = augmentation.resize_weights(left, width, W, out_w)
        np.testing.assert_allclose(rows @ image.numpy()[0] @ cols.T, expected[0].numpy(), atol=1e-12)


def test_hue_moves_colours_around_the_circle():
    import colorsys

    colours = np.random.default_rng(5).random((3, 50))
    colours[:, 0] = 0.3  # grey stays
    for shift in (-0.5, -0.1, 0.25):
        got = augmentation.shift_hue(colours, shift)
        for i in range(50):
            h, s, v = colorsys.rgb_to_hsv(*colours[:, i])
            np.testing.assert_allclose(got[:, i], colorsys.hsv_to_rgb((h + shift) % 1, s, v), atol=1e-12)


def test_factors_of_colours_by_hand():
    image = np.array([[0.2, 0.4], [0.6, 0.1], [0.3, 0.9]])
    mean = augmentation.grey(image).mean()
    none = np.array([1.0, 1, 1, 0])
    order = np.arange(4)
    for place, factor, expected in [
        (0, 1.5, np.minimum(1.5 * image, 1)),
        (1, 0.5, 0.5 * image + 0.5 * mean),
        (2, 0.0, np.tile(0.2989 * image[0] + 0.587 * image[1] + 0.114 * image[2], (3, 1))),
    ]:
        factors = none.copy()
        factors[place] = factor
        np.testing.assert_allclose(augmentation.jitter(image, factors, order), expected, rtol=1e-14)


def test_a_training_script_augments():
    text = """
    X = rand(rows=5, cols=3*16*16, seed=1)
    A = random_horizontal_flip(random_resized_crop(X, 3, 16, 16, 8, 8, seed=$seed), 3, 8, 8, seed=$seed + 1)
    B = color_jitter(A, 3, 8, 8, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, seed=$seed + 2)
    D = normalize_images(B, 3, matrix(0.5, rows=3, cols=1), matrix(0.2, rows=3, cols=1))
    """
    first = pydml.run(text, nvargs={"seed": 4}).D
    assert first.shape == (5, 3 * 64)
    np.testing.assert_array_equal(first, pydml.run(text, nvargs={"seed": 4}, threads=1).D)
    assert not np.array_equal(first, pydml.run(text, nvargs={"seed": 5}).D)

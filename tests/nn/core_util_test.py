"""nn/util.dml against NumPy and PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
from torch_optional import F, torch

import pydml

N, C, H, W = 3, 4, 5, 6


@pytest.fixture(scope="module")
def util():
    return pydml.source("nn/util.dml")


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(1).normal(size=(N, C * H * W))


def test_channel_sums(util, X):
    np.testing.assert_allclose(util.channel_sums(X, C, H, W), X.reshape(N, C, -1).sum((0, 2))[:, None])


@pytest.mark.parametrize("height, width", [(1, 1), (2, 3)])
def test_predict_class_is_the_largest_channel_at_each_place(util, height, width):
    scores = np.random.default_rng(2).normal(size=(N, C * height * width))
    expected = scores.reshape(N, C, -1).argmax(1) + 1
    np.testing.assert_array_equal(util.predict_class(scores, C, height, width), expected)


@pytest.mark.parametrize("stride", [(1, 1), (2, 3)])
def test_im2col_is_unfold_and_col2im_its_gradient(util, stride):
    image = np.random.default_rng(3).normal(size=(C, H * W))
    columns = np.asarray(util.im2col(image, H, W, 3, 2, *stride))
    x = torch.tensor(image.reshape(1, C, H, W), requires_grad=True)
    expected = F.unfold(x, (3, 2), stride=stride)
    np.testing.assert_array_equal(columns, expected.detach().numpy()[0])
    (expected**2).sum().backward()
    back = util.col2im(2 * columns, C, H, W, 3, 2, *stride, "add")
    np.testing.assert_allclose(back, x.grad.numpy().reshape(C, -1))


def test_col2im_without_reduction_restores_the_image(util):
    image = np.arange(C * H * W, dtype=float).reshape(C, H * W)
    columns = util.im2col(image, H, W, 2, 2, 1, 1)
    np.testing.assert_array_equal(util.col2im(columns, C, H, W, 2, 2, 1, 1, "none"), image)


def test_col2im_refuses_an_unknown_reduction(util):
    with pytest.raises(pydml.DMLError, match="reduction must be add or none"):
        util.col2im(np.ones((4, 4)), 1, 3, 3, 2, 2, 1, 1, "mean")


def test_pad_image_and_back(util):
    image = np.random.default_rng(4).normal(size=(C, H * W))
    padded = util.pad_image(image, H, W, 1, 2, 7.0)
    expected = np.pad(image.reshape(C, H, W), ((0, 0), (1, 1), (2, 2)), constant_values=7).reshape(C, -1)
    np.testing.assert_array_equal(padded, expected)
    np.testing.assert_array_equal(util.unpad_image(padded, H, W, 1, 2), image)


def test_threshold_is_strict(util):
    np.testing.assert_array_equal(util.threshold(np.array([[1.0, 2.0, 3.0]]), 2.0), [[0, 0, 1]])


def test_transpositions(util, X):
    np.testing.assert_array_equal(
        util.transpose_NCHW_to_CNHW(X, C), X.reshape(N, C, -1).transpose(1, 0, 2).reshape(C, -1)
    )
    np.testing.assert_array_equal(
        util.transpose_ABCD_to_ACBD(X, C, H), X.reshape(N, C, H, W).transpose(0, 2, 1, 3).reshape(N, -1)
    )


def test_top_k_takes_the_first_of_equal_values_and_copes_with_infinities(util):
    X = np.array([[3.0, 1, 3, 2], [-np.inf, 5, np.inf, -np.inf]])
    values, indices = util.top_k(X, 4)
    np.testing.assert_array_equal(values, [[3, 3, 2, 1], [np.inf, 5, -np.inf, -np.inf]])
    np.testing.assert_array_equal(indices, [[1, 3, 4, 2], [3, 2, 1, 4]])
    values, indices = util.top_k_row(X, 1, 2)
    np.testing.assert_array_equal(indices, [[1, 3]])


def test_top_k2d_looks_over_the_channels(util, X):
    values, indices = util.top_k2d(X, 2, C, H, W)
    x = X.reshape(N, C, H * W)
    order = np.argsort(-x, axis=1)[:, :2]
    np.testing.assert_array_equal(indices, order.reshape(N, -1) + 1)
    np.testing.assert_array_equal(values, np.take_along_axis(x, order, 1).reshape(N, -1))


@pytest.mark.parametrize("size", [(10, 9), (3, 4), (5, 6), (1, 1)])
def test_resize_images_is_bilinear_interpolation(util, X, size):
    expected = F.interpolate(torch.tensor(X.reshape(N, C, H, W)), size=size, mode="bilinear")
    actual = np.asarray(util.resize_images(X, C, H, W, *size))
    np.testing.assert_allclose(actual, expected.numpy().reshape(N, -1), rtol=1e-12, atol=1e-12)


def test_flip_images(util, X):
    expected = X.reshape(N, C, H, W)[..., ::-1].reshape(N, -1)
    np.testing.assert_array_equal(util.flip_images(X, C, H, W), expected)


def test_one_hot(util):
    np.testing.assert_array_equal(util.one_hot(np.array([[2.0], [0.0]]), 3), [[0, 0, 1], [1, 0, 0]])

"""Gradients of the neural-network builtins against central differences, for random sizes and inputs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pydml.builtins import registry

STEP = 1e-6


def call(name: str, *args):
    result = registry.get(name)(*args)
    return result if isinstance(result, tuple) else (result,)


def differences(loss: Callable[[np.ndarray], float], X: np.ndarray) -> np.ndarray:
    """The gradient of a number by central differences."""
    result = np.zeros_like(X)
    for place in np.ndindex(X.shape):
        changed = X.copy()
        changed[place] += STEP
        above = loss(changed)
        changed[place] -= 2 * STEP
        result[place] = (above - loss(changed)) / (2 * STEP)
    return result


def agree(gradients, loss: Callable[..., float], inputs) -> None:
    """gradients[k] is that of the loss by inputs[k]."""
    for k, gradient in enumerate(gradients):
        if gradient is None:
            continue
        expected = differences(lambda value, k=k: loss(*inputs[:k], value, *inputs[k + 1 :]), inputs[k])
        assert gradient.shape == inputs[k].shape
        np.testing.assert_allclose(gradient, expected, rtol=2e-6, atol=2e-8)


@pytest.mark.parametrize(("N", "T", "D", "M"), [(2, 3, 2, 3), (1, 1, 1, 1), (3, 2, 4, 2)])
@pytest.mark.parametrize("sequences", [True, False])
def test_lstm(N, T, D, M, sequences):
    rng = np.random.default_rng(N * T)
    X, W, b = rng.normal(size=(N, T * D)), rng.normal(size=(D + M, 4 * M)), rng.normal(size=(1, 4 * M))
    out0, c0 = rng.normal(size=(N, M)), rng.normal(size=(N, M))
    dout, dc = rng.normal(size=(N, T * M if sequences else M)), rng.normal(size=(N, M))

    def loss(*inputs) -> float:
        out, c, *_ = call("lstm", *inputs, sequences)
        return float((out * dout).sum() + (c * dc).sum())

    inputs = [X, W, b, out0, c0]
    caches = call("lstm", *inputs, sequences)[2:]
    agree(call("lstm_backward", *inputs, sequences, dout, dc, *caches), loss, inputs)


@pytest.mark.parametrize(("N", "C", "size"), [(3, 2, 4), (2, 1, 6), (4, 3, 1)])
def test_batch_norm2d(N, C, size):
    rng = np.random.default_rng(N)
    X, dout = rng.normal(size=(N, C * size)), rng.normal(size=(N, C * size))
    gamma, beta = rng.normal(size=(C, 1)), rng.normal(size=(C, 1))
    running = rng.normal(size=(C, 1)), rng.uniform(0.5, 2, (C, 1))

    def loss(*inputs) -> float:
        return float((call("batch_norm2d", *inputs, *running, "train", 1e-3, 0.9)[0] * dout).sum())

    *_, mean, inverse = call("batch_norm2d", X, gamma, beta, *running, "train", 1e-3, 0.9)
    agree(call("batch_norm2d_backward", X, dout, gamma, 1e-3, mean, inverse), loss, [X, gamma, beta])


SHAPES = [((2, 2, 4, 5), (3, 2, 2, 3), (1, 1), (1, 1)), ((1, 1, 5, 4), (2, 1, 3, 2), (2, 1), (0, 1))]


@pytest.mark.parametrize(("images", "filters", "stride", "padding"), SHAPES)
def test_conv2d(images, filters, stride, padding):
    rng = np.random.default_rng(1)
    X, W = (
        rng.normal(size=(images[0], int(np.prod(images[1:])))),
        rng.normal(size=(filters[0], int(np.prod(filters[1:])))),
    )
    shapes = images, filters, stride, padding
    (out,) = call("conv2d", X, W, *shapes)
    dout = rng.normal(size=out.shape)
    gradients = [*call("conv2d_backward_data", W, dout, *shapes), *call("conv2d_backward_filter", X, dout, *shapes)]
    agree(gradients, lambda X, W: float((call("conv2d", X, W, *shapes)[0] * dout).sum()), [X, W])


@pytest.mark.parametrize("kind", ["max", "avg"])
@pytest.mark.parametrize(("images", "filters", "stride", "padding"), SHAPES)
def test_pooling(kind, images, filters, stride, padding):
    rng = np.random.default_rng(2)
    X = rng.normal(size=(images[0], int(np.prod(images[1:]))))
    shapes = images, filters[2:], stride, padding
    (out,) = call(f"{kind}_pool", X, *shapes)
    dout = rng.normal(size=out.shape)
    agree(
        call(f"{kind}_pool_backward", X, dout, *shapes),
        lambda X: float((call(f"{kind}_pool", X, *shapes)[0] * dout).sum()),
        [X],
    )

"""The core layers: forward against PyTorch in double, gradients against PyTorch and against central differences."""

from __future__ import annotations

from typing import Any

import core_layers
import numpy as np
import pytest
from core_layers import LAYERS, Layer
from torch_optional import torch

import pydml
from pydml.testing.gradcheck import gradcheck, numeric_gradient

rows = pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.title)


def inputs_of(layer: Layer) -> dict[str, Any]:
    return layer.inputs(np.random.default_rng(5))


def run_forward(layer: Layer, inputs: dict[str, Any]) -> dict[str, Any]:
    result = getattr(pydml.source(f"nn/{layer.file}"), layer.forward)(**inputs)
    names = layer.outputs.split()
    return dict(zip(names, result if len(names) > 1 else [result], strict=True))


@rows
def test_gradients_are_those_of_central_differences(layer):
    functions = pydml.source(f"nn/{layer.file}")
    for backward in layer.backward:
        errors = gradcheck(getattr(functions, layer.forward), getattr(functions, backward.function), **inputs_of(layer))
        assert set(errors) == set(backward.gradients.split())


@pytest.mark.parametrize("layer", [row for row in LAYERS if row.reference], ids=lambda layer: layer.title)
def test_forward_and_gradients_are_those_of_pytorch(layer):
    inputs = inputs_of(layer)
    wanted = layer.backward[0].gradients.split()
    tensors = {n: torch.tensor(v, requires_grad=n in wanted) if np.ndim(v) else v for n, v in inputs.items()}
    expected = layer.reference(**tensors)
    outputs = run_forward(layer, inputs)
    np.testing.assert_allclose(outputs[layer.differentiable], expected.detach().numpy(), rtol=1e-11, atol=1e-12)

    dout = np.random.default_rng(6).normal(size=tuple(expected.shape))
    (expected * torch.tensor(dout)).sum().backward()
    scale = dout if expected.dim() == 0 else 1.0
    backward = getattr(pydml.source(f"nn/{layer.file}"), layer.backward[0].function)
    arguments = [outputs.get(n, inputs.get(n, dout)) for n in layer.backward[0].arguments.split()]
    result = backward(*arguments)
    for name, gradient in zip(wanted, result if len(wanted) > 1 else [result], strict=True):
        expected_gradient = tensors[name].grad.numpy()
        atol = 1e-12 * max(1.0, np.abs(expected_gradient).max())
        np.testing.assert_allclose(scale * np.asarray(gradient), expected_gradient, rtol=1e-10, atol=atol)


@pytest.mark.parametrize("file", ["batch_norm1d", "batch_norm2d"])
def test_batch_norm_moves_the_averages_by_mean_and_biased_variance(file):
    layer = next(row for row in LAYERS if file in row.file)
    inputs = inputs_of(layer)
    outputs = run_forward(layer, inputs)
    X = inputs["X"] if file == "batch_norm1d" else inputs["X"].reshape(3, 2, 6).transpose(0, 2, 1).reshape(18, 2)
    for name, value in (("mean", X.mean(0)), ("var", X.var(0))):
        expected = 0.9 * np.ravel(inputs[f"ema_{name}"]) + 0.1 * value
        np.testing.assert_allclose(np.ravel(outputs[f"ema_{name}_upd"]), expected, rtol=1e-12)


def test_batch_norm2d_in_mode_test_uses_the_averages_and_keeps_them():
    inputs = core_layers.batch_norm2d_inputs(np.random.default_rng(1)) | {"mode": "test"}
    layer = next(row for row in LAYERS if row.file == "layers/batch_norm2d.dml")
    outputs = run_forward(layer, inputs)
    tensors = {n: torch.tensor(v) if np.ndim(v) else v for n, v in inputs.items()}
    np.testing.assert_allclose(outputs["out"], core_layers.batch_norm2d(**tensors).numpy(), rtol=1e-12)
    np.testing.assert_array_equal(outputs["ema_var_upd"], inputs["ema_var"])


def test_an_unknown_mode_is_refused():
    inputs = core_layers.batch_norm2d_inputs(np.random.default_rng(1)) | {"mode": "training"}
    with pytest.raises(pydml.DMLError, match="mode must be train or test"):
        pydml.source("nn/layers/batch_norm2d.dml").forward(**inputs)


def test_dropout_keeps_the_given_share_and_the_expected_value():
    X = np.full((200, 100), 3.0)
    out, mask = pydml.source("nn/layers/dropout.dml").forward(X, 0.8, 1)
    # 20,000 draws: the share has a standard deviation of 0.003
    assert np.mean(mask) == pytest.approx(0.8, abs=0.015)
    np.testing.assert_allclose(out, X * np.asarray(mask) / 0.8)


def test_the_gradient_of_dropout_is_that_of_central_differences():
    # the same seed gives the same mask, so that differences work
    dropout = pydml.source("nn/layers/dropout.dml")
    rng = np.random.default_rng(5)
    X, dout = rng.normal(size=(6, 5)), rng.normal(size=(6, 5))
    _, mask = dropout.forward(X, 0.7, 11)
    difference = numeric_gradient(lambda v: float(np.sum(dout * np.asarray(dropout.forward(v, 0.7, 11)[0]))), X)
    dX = np.asarray(dropout.backward(dout, X, 0.7, mask))
    for cell, value in difference.items():
        assert dX[cell] == pytest.approx(value, abs=1e-8)


def test_cross_entropy_of_a_class_held_impossible_is_finite():
    loss = pydml.source("nn/layers/cross_entropy_loss.dml")
    pred, y = np.array([[0.0, 1.0]]), np.array([[1.0, 0.0]])
    assert loss.forward(pred, y) == pytest.approx(-np.log(1e-10))
    assert np.isfinite(loss.backward(pred, y)).all()


def test_softmax_of_large_scores_is_finite():
    probs = pydml.source("nn/layers/softmax.dml").forward(np.array([[1000.0, 1000.0, -1000.0]]))
    np.testing.assert_allclose(probs, [[0.5, 0.5, 0.0]])


@pytest.mark.parametrize("file, sizes, fan_in", [("affine", (400, 50), 400), ("conv2d", (50, 8, 5, 5), 200)])
def test_initial_weights_have_the_variance_of_he(file, sizes, fan_in):
    init = pydml.source(f"nn/layers/{file}.dml").init
    W, b = map(np.asarray, init(*sizes, 3))
    again, _ = init(*sizes, 3)
    other, _ = init(*sizes, 4)
    # W has at least 10,000 entries: the variance is known to about 1.4 %
    assert W.var() == pytest.approx(2 / fan_in, rel=0.06)
    assert abs(W.mean()) < 4 * np.sqrt(2 / fan_in / W.size)
    assert not b.any()
    np.testing.assert_array_equal(W, again)
    assert (np.asarray(other) != W).any()

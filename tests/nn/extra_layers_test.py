"""The layers of `extra_layers.py`: forward and gradients against PyTorch in double, gradients against central differences."""

from __future__ import annotations

from typing import Any

import extra_layers
import numpy as np
import pytest
from extra_layers import LAYERS, Layer
from torch_optional import torch

import pydml
from pydml.testing.gradcheck import numeric_gradient

rows = pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.title)


class Run:
    """One pass through a layer: its inputs, outputs, random gradients of the outputs, and the gradients that it returns."""

    def __init__(self, layer: Layer):
        self.layer = layer
        self.library = pydml.source(f"nn/{layer.file}")
        self.inputs = layer.inputs(np.random.default_rng(5))
        self.outputs = self.forward(self.inputs)
        rng = np.random.default_rng(6)
        # a loss layer gets no gradient: its output is the loss
        self.weights = {
            name: np.asarray(1.0) if np.ndim(self.outputs[name]) == 0 else rng.normal(size=np.shape(self.outputs[name]))
            for name in layer.differentiable.split()
        }
        self.gradients: dict[str, np.ndarray] = {}
        values = self.inputs | self.outputs | {"d" + name: value for name, value in self.weights.items()} | layer.extra
        for backward in layer.backward:
            names = backward.gradients.split()
            result = getattr(self.library, backward.function)(*[values[name] for name in backward.arguments.split()])
            for name, value in zip(names, result if len(names) > 1 else [result], strict=True):
                if name != "-":
                    self.gradients[name] = dense(value)

    def forward(self, inputs: dict[str, Any]) -> dict[str, Any]:
        result = getattr(self.library, self.layer.forward)(*inputs.values())
        names = self.layer.outputs.split()
        return dict(zip(names, result if len(names) > 1 else [result], strict=True))

    def loss(self, inputs: dict[str, Any]) -> float:
        outputs = self.forward(inputs)
        return float(sum((weight * dense(outputs[name])).sum() for name, weight in self.weights.items()))

    @property
    def scale(self) -> float:
        """The largest gradient: some are exactly zero in mathematics, such as those of a key's bias in an attention."""
        return max(float(np.abs(gradient).max()) for gradient in self.gradients.values())


def dense(value: Any) -> np.ndarray:
    return value.toarray() if hasattr(value, "toarray") else np.asarray(value, dtype=np.float64)


@rows
def test_gradients_are_those_of_central_differences(layer):
    run = Run(layer)
    for name, gradient in run.gradients.items():
        value = run.inputs[name]
        assert gradient.shape == value.shape
        differences = numeric_gradient(lambda x, name=name: run.loss(run.inputs | {name: x}), value, cells=40)
        for cell, difference in differences.items():
            assert gradient[cell] == pytest.approx(difference, abs=1e-6 * run.scale), f"d{name}{cell}"


@pytest.mark.parametrize("layer", [row for row in LAYERS if row.reference], ids=lambda layer: layer.title)
def test_forward_and_gradients_are_those_of_pytorch(layer):
    run = Run(layer)
    tensors = {
        name: torch.tensor(value, dtype=torch.float64, requires_grad=name in run.gradients)
        if isinstance(value, np.ndarray)
        else value
        for name, value in run.inputs.items()
    }
    expected = layer.reference(**tensors)
    expected = expected if isinstance(expected, tuple) else (expected,)
    for name, value in zip(run.weights, expected, strict=True):
        np.testing.assert_allclose(
            dense(run.outputs[name]), value.detach().numpy(), rtol=1e-10, atol=1e-12, err_msg=name
        )
    sum(
        (value * torch.tensor(run.weights[name])).sum() for name, value in zip(run.weights, expected, strict=True)
    ).backward()
    for name, gradient in run.gradients.items():
        np.testing.assert_allclose(
            gradient, tensors[name].grad.numpy(), rtol=1e-10, atol=1e-10 * run.scale, err_msg=f"d{name}"
        )


def test_attention_drops_weights_with_the_given_probability_and_differentiates_that():
    layer = pydml.source("nn/layers/multi_attention.dml")
    rng = np.random.default_rng(1)
    N, H, T, D, p = 20, 2, 5, 3, 0.3
    Q, K, V, dcontext = (rng.normal(size=(N, T * H * D)) for _ in range(4))
    context, attention, mask = layer.forward(Q, K, V, H, T, D, p)
    # 1000 draws: the share has a standard deviation of 0.0145
    assert dense(mask).mean() == pytest.approx(1 - p, abs=0.06)
    tensors = [torch.tensor(x, requires_grad=True) for x in (Q, K, V)]
    expected = extra_layers.multi_attention(*tensors, H, T, D, p, torch.tensor(dense(mask)).reshape(N, H, T, T))
    np.testing.assert_allclose(context, expected.detach().numpy(), rtol=1e-10, atol=1e-12)
    (expected * torch.tensor(dcontext)).sum().backward()
    for actual, tensor in zip(layer.backward(dcontext, mask, attention, Q, K, V, H, T, D, p), tensors, strict=True):
        np.testing.assert_allclose(actual, tensor.grad.numpy(), rtol=1e-10, atol=1e-10)


def test_the_bert_layer_with_dropout_is_pytorchs_with_the_same_masks():
    row = next(row for row in LAYERS if row.title == "bert_layer_gelu")
    inputs = extra_layers.bert_inputs(np.random.default_rng(2), "gelu", 0.2)
    layer = pydml.source("nn/layers/bert_layer.dml")
    outputs = dict(zip(row.outputs.split(), layer.forward(*inputs.values()), strict=True))
    B, T, H, C = 2, inputs["T"], inputs["H"], inputs["H"] * inputs["d"]
    shapes = [(B, H, T, T), (B, T, C), (B, T, C)]
    kept = [
        torch.tensor(dense(outputs[name])).reshape(shape)
        for name, shape in zip(extra_layers.BERT_MASKS.split(), shapes, strict=True)
    ]
    assert any((mask == 0).any() for mask in kept)
    tensors = {n: torch.tensor(v, requires_grad=True) if np.ndim(v) else v for n, v in inputs.items()}
    expected = extra_layers.bert_layer(kept=kept, **tensors)
    np.testing.assert_allclose(outputs["out_states"], expected.detach().numpy(), rtol=1e-10, atol=1e-12)
    dout = np.random.default_rng(3).normal(size=tuple(expected.shape))
    (expected * torch.tensor(dout)).sum().backward()
    values = inputs | outputs | {"dout_states": dout}
    gradients = layer.backward(*[values[name] for name in row.backward[0].arguments.split()])
    for name, gradient in zip(row.backward[0].gradients.split(), gradients, strict=True):
        np.testing.assert_allclose(gradient, tensors[name].grad.numpy(), rtol=1e-9, atol=1e-10, err_msg=name)


def test_an_unknown_activation_of_the_bert_layer_is_refused():
    inputs = extra_layers.bert_inputs(np.random.default_rng(2), "swish")
    with pytest.raises(pydml.DMLError, match="activation must be gelu, tanh, relu or linear, not swish"):
        pydml.source("nn/layers/bert_layer.dml").forward(*inputs.values())


def test_the_padding_token_of_an_embedding_does_not_learn():
    backward = pydml.source("nn/layers/embedding.dml").backward
    indices, dout = np.array([[2.0], [3.0], [2.0]]), np.arange(1.0, 7.0).reshape(3, 2)
    np.testing.assert_array_equal(dense(backward(dout, indices, 3, 3)), [[0, 0], [6, 8], [0, 0]])
    np.testing.assert_array_equal(dense(backward(dout, indices, 3, -1)), [[0, 0], [6, 8], [3, 4]])


def test_attention_of_one_query_is_an_average_of_the_values():
    rng = np.random.default_rng(4)
    value = rng.normal(size=(1, 4 * 2))
    attention = pydml.source("nn/layers/attention.dml").forward(
        rng.normal(size=(1, 2)), value, rng.normal(size=(1, 8)), 2, np.zeros((1, 1))
    )
    assert (attention >= value.reshape(4, 2).min(0)).all() and (attention <= value.reshape(4, 2).max(0)).all()


def test_sure_predictions_cost_nothing_when_right_and_everything_when_wrong():
    log_loss = pydml.source("nn/layers/log_loss.dml")
    pred = np.array([[0.0], [1.0]])
    assert log_loss.forward(pred, pred) == 0
    np.testing.assert_array_equal(log_loss.backward(pred, pred), [[0.5], [-0.5]])
    assert log_loss.forward(pred, 1 - pred) == np.inf


def test_losses_of_large_errors_and_logits_are_finite():
    assert pydml.source("nn/layers/logcosh_loss.dml").forward(np.array([[1000.0]]), np.array([[0.0]])) == pytest.approx(
        1000 - np.log(2)
    )
    loss = pydml.source("nn/layers/softmax_cross_entropy_loss.dml")
    logits, y = np.array([[0.0, 2000.0]]), np.array([[1.0, 0.0]])
    assert loss.forward(logits, y) == 2000
    np.testing.assert_allclose(loss.backward(logits, y), [[-1.0, 1.0]])


@pytest.mark.parametrize("name", ["elu", "selu", "gelu", "silu", "sigmoid"])
def test_activations_of_extreme_numbers_are_finite(name):
    layer = pydml.source(f"nn/layers/{name}.dml")
    more = [1] if name == "elu" else []
    X = np.array([[-1e4, -800.0, 0.0, 800.0, 1e4]])
    assert np.isfinite(dense(layer.forward(X, *more))).all()
    assert np.isfinite(dense(layer.backward(np.ones((1, 5)), X, *more))).all()


@pytest.mark.parametrize("K", [1, 2, 3, 4, 5, 6])
def test_bilinear_filters_are_symmetric_and_keep_a_constant_image(K):
    layer = pydml.source("nn/layers/conv2d_transpose.dml")
    W, b = map(dense, layer.init_bilinear(2, K))
    own = W.reshape(2, 2, K, K)
    np.testing.assert_array_equal(own[0, 1], 0)
    np.testing.assert_allclose(own[0, 0], own[0, 0][::-1, ::-1])
    stride = (K + 1) // 2
    out, H, Wd = layer.forward(np.ones((1, 2 * 5 * 5)), W, b, 2, 5, 5, K, K, stride, stride, 0, 0, 0, 0)
    inner = dense(out).reshape(2, H, Wd)[:, K : H - K, K : Wd - K]
    np.testing.assert_allclose(inner, inner[0, 0, 0])


@pytest.mark.parametrize(
    "file, sizes, index, deviation",
    [
        ("low_rank_affine", (400, 50, 60), 0, np.sqrt(2 / 400)),
        ("low_rank_affine", (400, 300, 60), 1, np.sqrt(2 / 60)),
        ("conv2d_depthwise", (200, 5, 10, 5), 0, np.sqrt(2 / 50)),
        ("conv2d_transpose", (30, 40, 10, 5), 0, np.sqrt(2 / 2000)),
        ("conv2d_transpose_depthwise", (400, 8, 10, 5), 0, np.sqrt(2 / 400)),
        ("rnn", (1, 100, 200), 0, np.sqrt(6 / 500 / 3)),
        ("lstm", (1, 100, 50), 0, np.sqrt(6 / 350 / 3)),
        ("embedding", (400, 50, -1), 0, 1.0),
        ("fm", (400, 50), 2, 0.1),
    ],
)
def test_initial_weights_have_the_documented_deviation(file, sizes, index, deviation):
    result = pydml.source(f"nn/layers/{file}.dml").init(*sizes)
    W = dense(result[index] if isinstance(result, tuple) else result)
    # at least 18,000 numbers: the deviation is known to 0.6 %
    assert W.std() == pytest.approx(deviation, rel=0.03)
    assert abs(W.mean()) < 5 * deviation / np.sqrt(W.size)


def test_feed_forward_keeps_everything_and_drops_units_only_in_training():
    library = pydml.source("nn/layers/feedForward.dml")
    rng = np.random.default_rng(7)
    X = rng.normal(size=(50, 3))
    model = {"W1": rng.normal(size=(3, 40)), "b1": rng.normal(size=(1, 40)), "W2": rng.normal(size=(40, 2))}
    model |= {"b2": rng.normal(size=(1, 2)), "activation": "softmax"}
    cache = {name: dense(value) for name, value in library.feedForward(X, model, True).items()}
    hidden = np.maximum(X @ model["W1"] + model["b1"], 0)
    expected = torch.softmax(torch.tensor(hidden @ model["W2"] + model["b2"]), 1).numpy()
    np.testing.assert_allclose(cache["outs2"], expected, rtol=1e-12)
    np.testing.assert_array_equal(cache["maskd1"], 1)
    cache = {name: dense(value) for name, value in library.feedForward(X, model, False).items()}
    # 2000 draws: the share has a standard deviation of 0.011
    assert cache["maskd1"].mean() == pytest.approx(0.35, abs=0.05)
    np.testing.assert_allclose(cache["outd1"], hidden * cache["maskd1"] / 0.35)


@pytest.mark.parametrize("name", ["relu", "lrelu", "sigmoid", "tanh", "softmax", "logits"])
def test_feed_forward_knows_its_activations(name):
    X = np.random.default_rng(8).normal(size=(3, 4))
    expected = {
        "relu": torch.relu,
        "lrelu": torch.nn.functional.leaky_relu,
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
        "softmax": lambda x: torch.softmax(x, 1),
        "logits": lambda x: x,
    }[name](torch.tensor(X))
    library = pydml.source("nn/layers/feedForward.dml")
    np.testing.assert_allclose(library.apply_activation(X, name), expected.numpy(), rtol=1e-12)
    with pytest.raises(pydml.DMLError, match="not swish"):
        library.apply_activation(X, "swish")


def test_lenet_forward_is_pytorchs():
    rng = np.random.default_rng(9)
    C, H, W, F1, F2, M, K = 2, 8, 6, 2, 3, 4, 3
    shapes = {"W1": (F1, C * 25), "b1": (F1, 1), "W2": (F2, F1 * 25), "b2": (F2, 1)}
    shapes |= {"W3": (F2 * 2, M), "b3": (1, M), "W4": (M, K), "b4": (1, K)}
    model = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    X = rng.normal(size=(3, C * H * W))
    cache = pydml.source("nn/layers/lenetForwardPass.dml").lenetForward(X, C, H, W, model, True)
    t = {name: torch.tensor(value) for name, value in model.items()}
    x = torch.tensor(X).reshape(3, C, H, W)
    for i, F in (("1", F1), ("2", F2)):
        x = torch.nn.functional.conv2d(x, t["W" + i].reshape(F, -1, 5, 5), t["b" + i].reshape(-1), padding=2)
        x = torch.nn.functional.max_pool2d(torch.relu(x), 2)
    probs = torch.softmax(torch.relu(x.reshape(3, -1) @ t["W3"] + t["b3"]) @ t["W4"] + t["b4"], 1)
    np.testing.assert_allclose(cache["probs"], probs.numpy(), rtol=1e-10)
    assert (cache["Houtp1"], cache["Woutp1"], cache["Houtp2"], cache["Woutp2"]) == (4, 3, 2, 1)


def mbconv_model(rng: np.random.Generator, Fin: int, Fout: int, E: int, S: int, cells: int) -> list[np.ndarray]:
    def norm(channels: int) -> list[np.ndarray]:
        return [*(rng.normal(size=(channels, 1)) for _ in range(3)), rng.uniform(0.5, 1, size=(channels, 1))]

    def matrices(*shapes: tuple[int, int]) -> list[np.ndarray]:
        return [rng.normal(size=shape) for shape in shapes]

    expansion = [*matrices((E, Fin), (E, 1)), *norm(E)] if Fin != E else [np.zeros((0, 0))] * 6
    depthwise = [*matrices((E, cells), (E, 1)), *norm(E)]
    gate = matrices((S, E), (S, 1), (E, S), (E, 1))
    return [*expansion, *depthwise, *gate, *matrices((Fout, E), (Fout, 1)), *norm(Fout)]


def torch_mbconv(X, P, Fin, Fout, H, W, size, stride, padding, skip, expansion, mode):
    F = torch.nn.functional
    E = expansion * Fin

    def norm(x, i):
        gamma, beta, mean, var = (p.reshape(-1) for p in P[i : i + 4])
        return F.batch_norm(x, mean.detach().clone(), var.detach().clone(), gamma, beta, mode == "train", 0.1, 1e-5)

    def conv(x, i, **options):
        return F.conv2d(
            x, P[i].reshape(P[i].shape[0], -1, *options.pop("size", (1, 1))), P[i + 1].reshape(-1), **options
        )

    x = X.reshape(-1, Fin, H, W)
    a = x if expansion == 1 else F.silu(norm(conv(x, 0), 2))
    a = F.silu(norm(conv(a, 6, size=size, stride=stride, padding=padding, groups=E), 8))
    a = a * torch.sigmoid(conv(F.silu(conv(a.mean((2, 3), keepdim=True), 12)), 14))
    a = norm(conv(a, 16), 18)
    return (a + x if skip else a).reshape(X.shape[0], -1)


@pytest.mark.parametrize(
    "expansion, skip, stride, mode", [(3, False, 2, "train"), (1, True, 1, "train"), (2, True, 1, "test")]
)
def test_mbconv_is_pytorchs(expansion, skip, stride, mode):
    rng = np.random.default_rng(10)
    N, Fin, H, W, S = 3, 4, 5, 4, 2
    Fout, E = Fin if skip else 3, expansion * Fin
    model = mbconv_model(rng, Fin, Fout, E, S, 3 * 3)
    X = rng.normal(size=(N, Fin * H * W))
    P = [torch.tensor(p, requires_grad=True) for p in model]
    x = torch.tensor(X, requires_grad=True)
    expected = torch_mbconv(x, P, Fin, Fout, H, W, (3, 3), stride, 1, skip, expansion, mode)
    layer = pydml.source("nn/layers/mbconv.dml")
    sizes = [Fin, Fout, H, W, 3, 3, stride, stride, 1, 1, skip, expansion, mode, S / E]
    out, intermediate, updates, Hout, Wout = layer.forward(X, model, *sizes)
    np.testing.assert_allclose(out, expected.detach().numpy(), rtol=1e-9, atol=1e-11)
    assert (Hout, Wout) == ((H - 1) // stride + 1, (W - 1) // stride + 1)
    assert (len(intermediate), len(updates)) == (14, 12)
    if mode == "test":
        return
    dout = rng.normal(size=np.shape(out))
    (expected * torch.tensor(dout)).sum().backward()
    dX, gradients = layer.backward(dout, X, model, intermediate, updates, *sizes)
    np.testing.assert_allclose(dX, x.grad.numpy(), rtol=1e-8, atol=1e-10)
    order = [18, 19, 16, 17, 14, 15, 12, 13, 8, 9, 6, 7, 2, 3, 0, 1]
    for i, gradient in zip(order, gradients, strict=True):
        if model[i].size:
            np.testing.assert_allclose(gradient, P[i].grad.numpy(), rtol=1e-8, atol=1e-9, err_msg=f"entry {i + 1}")
        else:
            assert np.shape(gradient) == (0, 0)


def test_mbconv_cannot_add_what_has_another_shape():
    rng = np.random.default_rng(11)
    model = mbconv_model(rng, 2, 2, 2, 1, 9)
    with pytest.raises(pydml.DMLError, match="a skip connection needs Fin = Fout and stride 1"):
        pydml.source("nn/layers/mbconv.dml").forward(
            np.ones((1, 2 * 4)), model, 2, 2, 2, 2, 3, 3, 2, 2, 1, 1, True, 1, "train", 0.5
        )


def test_mbconv_starts_with_different_weights_in_every_layer():
    layer = pydml.source("nn/layers/mbconv.dml")
    first, second = (layer.init(4, 4, 1, 1, 1, 1.0, 3) for _ in range(2))
    # E = S = Fin = Fout = 4 and filters of one cell: the three 1x1 layers have the same shape
    assert [np.shape(p) for p in first[:6]] == [(0, 0)] * 6
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    matrices = [dense(first[i]) for i in (12, 14, 16)]
    assert all(m.shape == (4, 4) for m in matrices)
    assert not np.array_equal(matrices[0], matrices[1]) and not np.array_equal(matrices[1], matrices[2])

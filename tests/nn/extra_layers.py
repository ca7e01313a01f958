"""Layers of scripts/nn beyond the core ones, as a table: inputs, what to differentiate, and PyTorch's version of the layer.

`extra_layers_test.py` runs every row three ways: forward against PyTorch in double, gradients against PyTorch's, and gradients
against central differences of the layer's own forward.  A new layer costs one row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.random import Generator


@dataclass(frozen=True)
class Backward:
    """One gradient function: its arguments by name, and the inputs whose gradients it returns, in order.

    An argument named `d<output>` is the gradient wrt that output of forward; other names are outputs or inputs of forward.
    """

    arguments: str
    gradients: str
    function: str = "backward"


@dataclass(frozen=True)
class Layer:
    """One row of the table.

    inputs: rng -> arguments of `forward`, in order; outputs: names of its results; differentiable: those that carry gradients.
    reference: takes the inputs by name (matrices as tensors) and returns the differentiable outputs as DML lays them out;
    None where PyTorch has no such layer.
    """

    file: str
    inputs: Callable[[Generator], dict[str, Any]]
    backward: tuple[Backward, ...]
    outputs: str = "out"
    differentiable: str = "out"
    reference: Callable[..., Any] | None = None
    forward: str = "forward"
    name: str = field(default="")

    @property
    def title(self) -> str:
        return self.name or self.file.rsplit("/", 1)[-1].removesuffix(".dml")


def normal(rng: Generator, *shape: int) -> np.ndarray:
    return rng.normal(size=shape)


def away_from_zero(rng: Generator, *shape: int) -> np.ndarray:
    """Values at least 0.1 from 0, where layers with a kink there can be checked by differences."""
    return rng.uniform(0.1, 2, size=shape) * rng.choice([-1, 1], size=shape)


def one_hot(rng: Generator, rows: int, classes: int) -> np.ndarray:
    return np.eye(classes)[rng.integers(classes, size=rows)]


def images(x: torch.Tensor, C: int, H: int, W: int) -> torch.Tensor:
    return x.reshape(-1, C, H, W)


def rows(x: torch.Tensor) -> torch.Tensor:
    return x.reshape(x.shape[0], -1)


def activation(file: str, reference: Callable[..., Any], extra: dict[str, Any] | None = None) -> Layer:
    more = extra or {}
    return Layer(
        f"layers/{file}.dml",
        lambda rng: {"X": away_from_zero(rng, 4, 5), **more},
        (Backward(" ".join(["dout", "X", *more]), "X"),),
        reference=reference,
    )


def loss(
    file: str, inputs: Callable[[Generator], dict[str, Any]], reference: Callable[..., Any], first: str = "pred"
) -> Layer:
    names = " ".join(inputs(np.random.default_rng(0)))
    return Layer(
        f"layers/{file}.dml",
        inputs,
        (Backward(names, first),),
        outputs="loss",
        differentiable="loss",
        reference=reference,
    )


def probabilities(rng: Generator, rows_: int, columns: int) -> np.ndarray:
    return rng.uniform(0.05, 0.95, size=(rows_, columns))


def per_pixel(flat: np.ndarray, images_: int) -> np.ndarray:
    """(images*pixels, classes) -> (images, classes*pixels)."""
    return flat.reshape(images_, -1, flat.shape[1]).transpose(0, 2, 1).reshape(images_, -1)


ACTIVATIONS = [
    activation("sigmoid", lambda X: torch.sigmoid(X)),
    activation("tanh", lambda X: torch.tanh(X)),
    activation("leaky_relu", lambda X: F.leaky_relu(X)),
    activation("elu", lambda X, alpha: F.elu(X, float(alpha)), {"alpha": 2}),
    activation("selu", lambda X: F.selu(X)),
    activation("gelu", lambda X: F.gelu(X, approximate="tanh")),
    activation("silu", lambda X: F.silu(X)),
    Layer(
        "layers/softmax2d.dml",
        lambda rng: {"scores": normal(rng, 2, 3 * 4), "C": 3},
        (Backward("dprobs scores C", "scores"),),
        outputs="probs",
        differentiable="probs",
        reference=lambda scores, C: rows(torch.softmax(scores.reshape(2, C, -1), 1)),
    ),
]

LOSSES = [
    loss(
        "l1_loss",
        lambda rng: {"pred": (y := normal(rng, 4, 3)) + away_from_zero(rng, 4, 3), "y": y},
        lambda pred, y: (pred - y).abs().sum() / 4,
    ),
    loss(
        "l2_loss",
        lambda rng: {"pred": normal(rng, 4, 3), "y": normal(rng, 4, 3)},
        lambda pred, y: F.mse_loss(pred, y, reduction="sum") / 2 / 4,
    ),
    loss(
        "l1_reg",
        lambda rng: {"X": away_from_zero(rng, 4, 3), "lambda": 0.3},
        lambda X, **k: k["lambda"] * X.abs().sum(),
        "X",
    ),
    loss(
        "log_loss",
        lambda rng: {"pred": probabilities(rng, 5, 2), "y": rng.integers(0, 2, size=(5, 2)).astype(float)},
        lambda pred, y: F.binary_cross_entropy(pred, y, reduction="sum") / 5,
    ),
    loss(
        "logcosh_loss",
        lambda rng: {"pred": normal(rng, 4, 3), "y": normal(rng, 4, 3)},
        lambda pred, y: torch.log(torch.cosh(pred - y)).sum() / 4,
    ),
    loss(
        "cross_entropy_loss2d",
        lambda rng: {"pred": probabilities(rng, 2, 12), "y": per_pixel(one_hot(rng, 8, 3), 2), "C": 3},
        lambda pred, y, C: F.nll_loss(torch.log(pred + 1e-10).reshape(2, C, 4), y.reshape(2, C, 4).argmax(1)),
    ),
    loss(
        "softmax_cross_entropy_loss",
        lambda rng: {"logits": normal(rng, 5, 4), "y": one_hot(rng, 5, 4)},
        lambda logits, y: F.cross_entropy(logits, y),
        "logits",
    ),
]


def conv2d_depthwise(X, W, b, Hin, Win, M, Hf, Wf, strideh, stridew, padh, padw):
    C = W.shape[0]
    out = F.conv2d(
        images(X, C, Hin, Win), W.reshape(C * M, 1, Hf, Wf), b.reshape(-1), (strideh, stridew), (padh, padw), groups=C
    )
    return rows(out)


def conv2d_transpose(X, W, b, C, Hin, Win, Hf, Wf, strideh, stridew, padh, padw, out_padh, out_padw):
    filters = W.reshape(C, b.shape[0], Hf, Wf)
    out = F.conv_transpose2d(
        images(X, C, Hin, Win), filters, b.reshape(-1), (strideh, stridew), (padh, padw), (out_padh, out_padw)
    )
    return rows(out)


def conv2d_transpose_depthwise(X, W, b, C, Hin, Win, M, Hf, Wf, strideh, stridew, padh, padw, out_padh, out_padw):
    filters = W.reshape(C, 1, Hf, Wf)
    stride, padding, more = (strideh, stridew), (padh, padw), (out_padh, out_padw)
    return rows(
        F.conv_transpose2d(images(X, C, Hin, Win), filters, b.reshape(-1), stride, padding, more, groups=C // M)
    )


SHAPED = "Hout Wout"
CONV = "Hf Wf strideh stridew padh padw"
CONVOLUTIONS = [
    Layer(
        "layers/conv1d.dml",
        lambda rng: {
            "input": normal(rng, 2, 3 * 7),
            "filter": normal(rng, 4, 3 * 3),
            **{
                "pad": 1,
                "stride": 2,
                "numInput": 2,
                "numChannels": 3,
                "inputWidth": 7,
                "numFilters": 4,
                "filterSize": 3,
            },
        },
        (
            Backward(
                "filter dout pad stride numInput numChannels inputWidth numFilters filterSize", "input", "backward_data"
            ),
            Backward(
                "input dout pad stride numInput numChannels inputWidth numFilters filterSize",
                "filter",
                "backward_filter",
            ),
        ),
        reference=lambda input, filter, pad, stride, **_: rows(  # noqa: A002 - the DML names
            F.conv1d(input.reshape(2, 3, 7), filter.reshape(4, 3, 3), stride=stride, padding=pad)
        ),
    ),
    Layer(
        "layers/conv2d_depthwise.dml",
        lambda rng: {
            "X": normal(rng, 2, 3 * 5 * 4),
            "W": normal(rng, 3, 2 * 3 * 2),
            "b": normal(rng, 3 * 2, 1),
            **{"Hin": 5, "Win": 4, "M": 2, "Hf": 3, "Wf": 2, "strideh": 2, "stridew": 1, "padh": 1, "padw": 1},
        },
        (Backward(f"dout Hout Wout X W b Hin Win M {CONV}", "X W b"),),
        outputs="out Hout Wout",
        reference=conv2d_depthwise,
    ),
    Layer(
        "layers/conv2d_transpose.dml",
        lambda rng: {
            "X": normal(rng, 2, 3 * 3 * 2),
            "W": normal(rng, 3, 2 * 3 * 4),
            "b": normal(rng, 2, 1),
            **{"C": 3, "Hin": 3, "Win": 2, "Hf": 3, "Wf": 4, "strideh": 2, "stridew": 3, "padh": 1, "padw": 1},
            **{"out_padh": 1, "out_padw": 2},
        },
        (Backward(f"dout Hout Wout X W b C Hin Win {CONV}", "X W b"),),
        outputs="out Hout Wout",
        reference=conv2d_transpose,
    ),
    Layer(
        "layers/conv2d_transpose_depthwise.dml",
        lambda rng: {
            "X": normal(rng, 2, 4 * 3 * 2),
            "W": normal(rng, 2, 2 * 3 * 2),
            "b": normal(rng, 2, 1),
            **{"C": 4, "Hin": 3, "Win": 2, "M": 2, "Hf": 3, "Wf": 2, "strideh": 2, "stridew": 2, "padh": 1, "padw": 0},
            **{"out_padh": 1, "out_padw": 0},
        },
        (Backward(f"dout Hout Wout X W b C Hin Win M {CONV}", "X W b"),),
        outputs="out Hout Wout",
        reference=conv2d_transpose_depthwise,
    ),
    Layer(
        "layers/avg_pool2d_builtin.dml",
        lambda rng: {
            "X": normal(rng, 2, 3 * 5 * 4),
            **{"C": 3, "Hin": 5, "Win": 4, "Hf": 3, "Wf": 2, "strideh": 2, "stridew": 2, "padh": 1, "padw": 1},
        },
        (Backward(f"dout Hout Wout X C Hin Win {CONV}", "X"),),
        outputs="out Hout Wout",
        reference=lambda X, C, Hin, Win, Hf, Wf, strideh, stridew, padh, padw: rows(
            F.avg_pool2d(images(X, C, Hin, Win), (Hf, Wf), (strideh, stridew), (padh, padw))
        ),
    ),
    Layer(
        "layers/global_avg_pool2d.dml",
        lambda rng: {"X": normal(rng, 2, 3 * 4 * 2), "C": 3, "Hin": 4, "Win": 2},
        (Backward("dout X C Hin Win", "X"),),
        outputs="out Hout Wout",
        reference=lambda X, C, Hin, Win: images(X, C, Hin, Win).mean((2, 3)),
    ),
    Layer(
        "layers/upsample2d.dml",
        lambda rng: {"X": normal(rng, 2, 3 * 2 * 3), "C": 3, "Hin": 2, "Win": 3, "size_h": 3, "size_w": 2},
        (Backward("dout C Hin Win size_h size_w", "X"),),
        reference=lambda X, C, Hin, Win, size_h, size_w: rows(
            F.interpolate(images(X, C, Hin, Win), scale_factor=(size_h, size_w), mode="nearest")
        ),
    ),
]

DENSE = [
    Layer(
        "layers/low_rank_affine.dml",
        lambda rng: {"X": normal(rng, 4, 5), "U": normal(rng, 5, 2), "V": normal(rng, 2, 3), "b": normal(rng, 1, 3)},
        (Backward("dout X U V b", "X U V b"),),
        reference=lambda X, U, V, b: F.linear(X, (U @ V).T, b.reshape(-1)),
    ),
    Layer(
        "layers/layer_norm.dml",
        lambda rng: {"X": normal(rng, 3, 5), "gamma": normal(rng, 1, 5), "beta": normal(rng, 1, 5), "epsilon": 1e-3},
        (Backward("dout cache_mean cache_var cache_norm X gamma beta epsilon", "X gamma beta"),),
        outputs="out cache_mean cache_var cache_norm",
        reference=lambda X, gamma, beta, epsilon: F.layer_norm(X, (5,), gamma.reshape(-1), beta.reshape(-1), epsilon),
    ),
]

LAYERS = [*ACTIVATIONS, *LOSSES, *CONVOLUTIONS, *DENSE]

"""The core layers of scripts/nn as a table: inputs, what to differentiate, and PyTorch's version of the layer.

Rows have the form of `extra_layers.py`, and `core_layers_test.py` runs them in the same three ways.
"""

from __future__ import annotations

from typing import Any

from extra_layers import CONV, Backward, Layer, away_from_zero, images, normal, one_hot, probabilities, rows
from numpy.random import Generator
from torch_optional import F, torch


def conv2d(X, W, b, C, Hin, Win, Hf, Wf, strideh, stridew, padh, padw):
    out = F.conv2d(images(X, C, Hin, Win), W.reshape(-1, C, Hf, Wf), b.reshape(-1), (strideh, stridew), (padh, padw))
    return rows(out)


def conv2d_inputs(rng: Generator, **sizes: int) -> dict[str, Any]:
    s = {"C": 3, "Hin": 6, "Win": 5, "Hf": 3, "Wf": 2, "strideh": 1, "stridew": 1, "padh": 0, "padw": 0} | sizes
    filter_cells = s["C"] * s["Hf"] * s["Wf"]
    parameters = {"W": normal(rng, 4, filter_cells), "b": normal(rng, 4, 1)}
    return {"X": normal(rng, 2, s["C"] * s["Hin"] * s["Win"]), **parameters, **s}


def conv2d_row(file: str, name: str, **sizes: int) -> Layer:
    return Layer(
        f"layers/{file}.dml",
        lambda rng: conv2d_inputs(rng, **sizes),
        (Backward(f"dout Hout Wout X W b C Hin Win {CONV}", "X W b"),),
        outputs="out Hout Wout",
        reference=conv2d,
        name=name,
    )


def max_pool2d(X, C, Hin, Win, Hf, Wf, strideh, stridew, padh, padw):
    return rows(F.max_pool2d(images(X, C, Hin, Win), (Hf, Wf), (strideh, stridew), (padh, padw)))


def max_pool2d_row(file: str, name: str, shift: float, **sizes: int) -> Layer:
    s = {"C": 2, "Hin": 5, "Win": 6, "Hf": 2, "Wf": 2, "strideh": 2, "stridew": 2, "padh": 0, "padw": 0} | sizes

    def inputs(rng: Generator) -> dict[str, Any]:
        # distinct values well apart: a difference step must not change which one is the largest
        cells = 2 * s["C"] * s["Hin"] * s["Win"]
        return {"X": (rng.permutation(cells) / cells + shift).reshape(2, -1), **s}

    return Layer(
        f"layers/{file}.dml",
        inputs,
        (Backward(f"dout Hout Wout X C Hin Win {CONV}", "X"),),
        outputs="out Hout Wout",
        reference=max_pool2d,
        name=name,
    )


def batch_norm1d(X, gamma, beta, mode, ema_mean, ema_var, mu, epsilon):
    mean, var = ema_mean.reshape(-1).clone(), ema_var.reshape(-1).clone()
    return F.batch_norm(X, mean, var, gamma.reshape(-1), beta.reshape(-1), mode == "train", 1 - mu, epsilon)


def batch_norm1d_row(mode: str) -> Layer:
    caches = "ema_mean_upd ema_var_upd cache_mean cache_var cache_norm"
    inputs = "X gamma beta mode ema_mean ema_var mu epsilon"
    return Layer(
        "layers/batch_norm1d.dml",
        lambda rng: {
            "X": 2 + normal(rng, 5, 3),
            "gamma": normal(rng, 1, 3),
            "beta": normal(rng, 1, 3),
            "mode": mode,
            "ema_mean": normal(rng, 1, 3),
            "ema_var": rng.uniform(0.5, 2, size=(1, 3)),
            "mu": 0.9,
            "epsilon": 1e-3,
        },
        (Backward(f"dout out {caches} {inputs}", "X gamma beta"),),
        outputs=f"out {caches}",
        reference=batch_norm1d,
        name=f"batch_norm1d {mode}",
    )


def batch_norm2d(X, gamma, beta, C, Hin, Win, mode, ema_mean, ema_var, mu, epsilon):
    mean, var = ema_mean.reshape(-1).clone(), ema_var.reshape(-1).clone()
    x = images(X, C, Hin, Win)
    return rows(F.batch_norm(x, mean, var, gamma.reshape(-1), beta.reshape(-1), mode == "train", 1 - mu, epsilon))


def batch_norm2d_inputs(rng: Generator) -> dict[str, Any]:
    return {
        "X": 2 + normal(rng, 3, 2 * 3 * 2),
        "gamma": normal(rng, 2, 1),
        "beta": normal(rng, 2, 1),
        "C": 2,
        "Hin": 3,
        "Win": 2,
        "mode": "train",
        "ema_mean": normal(rng, 2, 1),
        "ema_var": rng.uniform(0.5, 2, size=(2, 1)),
        "mu": 0.9,
        "epsilon": 1e-3,
    }


def batch_norm2d_row(file: str) -> Layer:
    return Layer(
        f"layers/{file}.dml",
        batch_norm2d_inputs,
        (Backward("dout cache_mean cache_inv_var X gamma C Hin Win epsilon", "X gamma beta"),),
        outputs="out ema_mean_upd ema_var_upd cache_mean cache_inv_var",
        reference=batch_norm2d,
    )


def local_response_norm(X, C, Hin, Win, N, alpha, beta, K):
    # PyTorch divides alpha by the window, which is N rounded up to odd in the paper's formula
    size = 2 * (N // 2) + 1
    return rows(F.local_response_norm(images(X, C, Hin, Win), size, alpha * size, beta, K))


def lrn_row(neighbours: int) -> Layer:
    sizes = {"C": 6, "Hin": 2, "Win": 3, "N": neighbours, "alpha": 0.3, "beta": 0.75, "K": 2.0}
    return Layer(
        "layers/lrn.dml",
        lambda rng: {"X": normal(rng, 2, 6 * 2 * 3), **sizes},
        (Backward("dY X C Hin Win N alpha beta K", "X"),),
        outputs="Y",
        differentiable="Y",
        reference=local_response_norm,
        name=f"lrn over {neighbours}",
    )


LAYERS = [
    Layer(
        "layers/affine.dml",
        lambda rng: {"X": normal(rng, 4, 5), "W": normal(rng, 5, 3), "b": normal(rng, 1, 3)},
        (Backward("dout X W b", "X W b"),),
        reference=lambda X, W, b: X @ W + b,
    ),
    conv2d_row("conv2d", "conv2d"),
    conv2d_row("conv2d", "conv2d padded, strided", strideh=2, stridew=3, padh=1, padw=1),
    conv2d_row("conv2d", "conv2d with stride above filter", Hf=1, Wf=1, strideh=2, stridew=2),
    conv2d_row("conv2d_builtin", "conv2d_builtin", padh=1, padw=0),
    max_pool2d_row("max_pool2d", "max_pool2d", 0),
    max_pool2d_row("max_pool2d", "max_pool2d overlapping, padded, negative", -5, Hf=3, Wf=3, padh=1, padw=1),
    max_pool2d_row("max_pool2d_builtin", "max_pool2d_builtin", 0, Hf=3, Wf=2, strideh=1),
    Layer(
        "layers/relu.dml",
        lambda rng: {"X": away_from_zero(rng, 4, 5)},
        (Backward("dout X", "X"),),
        reference=lambda X: torch.relu(X),
    ),
    Layer(
        "layers/softmax.dml",
        lambda rng: {"scores": normal(rng, 4, 5)},
        (Backward("dprobs scores", "scores"),),
        outputs="probs",
        differentiable="probs",
        reference=lambda scores: torch.softmax(scores, 1),
    ),
    Layer(
        "layers/cross_entropy_loss.dml",
        lambda rng: {"pred": probabilities(rng, 5, 4), "y": one_hot(rng, 5, 4)},
        (Backward("pred y", "pred"),),
        outputs="loss",
        differentiable="loss",
        reference=lambda pred, y: F.nll_loss(torch.log(pred + 1e-10), y.argmax(1)),
    ),
    Layer(
        "layers/l2_reg.dml",
        lambda rng: {"X": normal(rng, 4, 3), "lambda": 0.3},
        (Backward("X lambda", "X"),),
        outputs="reg_loss",
        differentiable="reg_loss",
        reference=lambda X, **k: k["lambda"] * (X**2).sum() / 2,
    ),
    lrn_row(5),
    lrn_row(4),
    Layer(
        "layers/scale_shift1d.dml",
        lambda rng: {"X": normal(rng, 4, 3), "gamma": normal(rng, 1, 3), "beta": normal(rng, 1, 3)},
        (Backward("dout out X gamma beta", "X gamma beta"),),
        reference=lambda X, gamma, beta: X * gamma + beta,
    ),
    Layer(
        "layers/scale_shift2d.dml",
        lambda rng: {
            "X": normal(rng, 3, 2 * 3 * 2),
            "gamma": normal(rng, 2, 1),
            "beta": normal(rng, 2, 1),
            "C": 2,
            "Hin": 3,
            "Win": 2,
        },
        (Backward("dout out X gamma beta C Hin Win", "X gamma beta"),),
        reference=lambda X, gamma, beta, C, Hin, Win: rows(
            images(X, C, Hin, Win) * gamma[None, :, :, None] + beta[None, :, :, None]
        ),
    ),
    batch_norm1d_row("train"),
    batch_norm1d_row("test"),
    batch_norm2d_row("batch_norm2d"),
    batch_norm2d_row("batch_norm2d_old"),
]

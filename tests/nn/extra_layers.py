"""Layers of scripts/nn beyond the core ones, as a table: inputs, what to differentiate, and PyTorch's version of the layer.

`extra_layers_test.py` runs every row three ways: forward against PyTorch in double, gradients against PyTorch's, and gradients
against central differences of the layer's own forward.  A new layer costs one row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.random import Generator
from torch_optional import F, torch


@dataclass(frozen=True)
class Backward:
    """One gradient function: its arguments by name, and the inputs whose gradients it returns, in order.

    An argument named `d<output>` is the gradient wrt that output of forward; other names are outputs or inputs of forward, or
    keys of the row's `extra`.  A `-` among the gradients is a result that is no input's gradient.
    """

    arguments: str
    gradients: str
    function: str = "backward"


@dataclass(frozen=True)
class Layer:
    """One row of the table.

    inputs: rng -> arguments of `forward`, in order; outputs: names of its results; differentiable: those that carry gradients.
    reference: takes the inputs by name (matrices as tensors) and returns the differentiable outputs as DML lays them out;
    None where PyTorch has no such layer.  extra: further arguments of the gradient functions.
    """

    file: str
    inputs: Callable[[Generator], dict[str, Any]]
    backward: tuple[Backward, ...]
    outputs: str = "out"
    differentiable: str = "out"
    reference: Callable[..., Any] | None = None
    forward: str = "forward"
    name: str = ""
    extra: dict[str, Any] = field(default_factory=dict)

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
        reference=lambda input, filter, pad, stride, **_: rows(
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
    # more than the 16 channels that go through one convolution
    Layer(
        "layers/conv2d_depthwise.dml",
        lambda rng: {
            "X": normal(rng, 1, 18 * 3 * 3),
            "W": normal(rng, 18, 2 * 2 * 2),
            "b": normal(rng, 18 * 2, 1),
            **{"Hin": 3, "Win": 3, "M": 2, "Hf": 2, "Wf": 2, "strideh": 1, "stridew": 1, "padh": 0, "padw": 0},
        },
        (Backward(f"dout Hout Wout X W b Hin Win M {CONV}", "X W b"),),
        outputs="out Hout Wout",
        reference=conv2d_depthwise,
        name="conv2d_depthwise_18_channels",
    ),
    Layer(
        "layers/conv2d_transpose_depthwise.dml",
        lambda rng: {
            "X": normal(rng, 1, 34 * 2 * 2),
            "W": normal(rng, 17, 2 * 2 * 2),
            "b": normal(rng, 17, 1),
            **{"C": 34, "Hin": 2, "Win": 2, "M": 2, "Hf": 2, "Wf": 2, "strideh": 2, "stridew": 2, "padh": 0, "padw": 0},
            **{"out_padh": 0, "out_padw": 0},
        },
        (Backward(f"dout Hout Wout X W b C Hin Win M {CONV}", "X W b"),),
        outputs="out Hout Wout",
        reference=conv2d_transpose_depthwise,
        name="conv2d_transpose_depthwise_17_groups",
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
    *(
        Layer(
            "layers/adaptive_avg_pool2d.dml",
            lambda rng, h=h, w=w, i=i, j=j: {
                "X": normal(rng, 2, 3 * h * w),
                "C": 3,
                "Hin": h,
                "Win": w,
                "Hout": i,
                "Wout": j,
            },
            (Backward("dout C Hin Win Hout Wout", "X"),),
            reference=lambda X, C, Hin, Win, Hout, Wout: rows(
                F.adaptive_avg_pool2d(images(X, C, Hin, Win), (Hout, Wout))
            ),
            name=f"adaptive_avg_pool2d {h}x{w} to {i}x{j}",
        )
        for h, w, i, j in [(7, 5, 3, 2), (4, 6, 4, 6), (2, 3, 5, 1), (1, 1, 3, 3)]
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


def steps(x: torch.Tensor, T: int) -> torch.Tensor:
    """(N, T*D) -> (N, T, D)."""
    return x.reshape(x.shape[0], T, -1)


def rnn(X, W, b, T, D, return_sequences, out0):
    out, outputs = out0, []
    for x in steps(X, T).unbind(1):
        out = torch.tanh(torch.cat([x, out], 1) @ W + b)
        outputs.append(out)
    return torch.cat(outputs, 1) if return_sequences else out


def torch_lstm(x: torch.Tensor, W: torch.Tensor, b: torch.Tensor, out0: torch.Tensor, c0: torch.Tensor):
    """PyTorch's LSTM of x (N, T, D) with our weights: its gates are in the order i, f, g, o."""
    D = x.shape[2]
    M = W.shape[1] // 4
    order = torch.cat([torch.arange(M), torch.arange(M, 2 * M), torch.arange(3 * M, 4 * M), torch.arange(2 * M, 3 * M)])
    weights = [W[:D, order].T, W[D:, order].T, b[0, order], torch.zeros(4 * M, dtype=torch.float64)]
    out, _, c = torch.lstm(x, [out0[None], c0[None]], weights, True, 1, 0.0, False, False, True)
    return out, c[0]


def lstm(X, W, b, T, D, return_sequences, out0, c0):
    out, c = torch_lstm(steps(X, T), W, b, out0, c0)
    return (rows(out) if return_sequences else out[:, -1]), c


def bilstm(X, W, W_reverse, b, b_reverse, T, D, seq, out0, c0):
    N = X.shape[0]
    forward, c_forward = torch_lstm(steps(X, T), W, b, out0[:N], c0[:N])
    backward, c_backward = torch_lstm(steps(X, T).flip(1), W_reverse, b_reverse, out0[N:], c0[N:])
    backward = backward.flip(1)
    out = rows(torch.cat([forward, backward], 2)) if seq else torch.cat([forward[:, -1], backward[:, 0]], 1)
    return out, torch.cat([c_forward, c_backward])


def attention(query, value, key, D, attention):  # the last one is not used, as in the layer
    q, k, v = (x.reshape(x.shape[0], -1, D) for x in (query, key if key.numel() else value, value))
    return rows(F.scaled_dot_product_attention(q, k, v))


def multi_attention(Q, K, V, H, T, D, dropout_p, kept=None):
    """kept: (N, H, T, T), 1 where a weight survives dropout; None without dropout."""
    q, k, v = (x.reshape(-1, T, H, D).transpose(1, 2) for x in (Q, K, V))
    weights = torch.softmax(q @ k.transpose(2, 3) / D**0.5, 3)
    if kept is not None:
        weights = weights * kept / (1 - dropout_p)
    return rows((weights @ v).transpose(1, 2))


def bert_layer(states, H, T, d, I, kept=(None, None, None), **a):
    """kept: what survives the dropouts of the attention (B, H, T, T) and of the two outputs (B, T, C)."""
    C, x = H * d, steps(states, T)
    activate = {
        "gelu": lambda y: F.gelu(y, approximate="tanh"),
        "tanh": torch.tanh,
        "relu": F.relu,
        "linear": lambda y: y,
    }

    def linear(y, name):
        return y @ a["W_" + name] + a["b_" + name]

    def norm(y, number):
        return F.layer_norm(y, (C,), a[f"gamma_ln{number}"][0], a[f"beta_ln{number}"][0], a["epsilon_ln"])

    def drop(y, mask):
        return y if mask is None else y * mask / (1 - a["dropout_p_output"])

    projections = (rows(linear(x, name)) for name in "QKV")
    context = multi_attention(*projections, H, T, d, a["dropout_p_attention"], kept[0])
    inner = norm(x + drop(linear(steps(context, T), "context"), kept[1]), 1)
    expanded = linear(activate[a["activation"]](linear(inner, "intermediate")), "out")
    return rows(norm(inner + drop(expanded, kept[2]), 2))


def bert_inputs(rng: Generator, activation_: str = "gelu", dropout_p: float = 0.0) -> dict[str, Any]:
    B, H, T, d, inner = 2, 2, 3, 2, 3
    C = H * d
    inputs: dict[str, Any] = {"states": normal(rng, B, T * C), "H": H, "T": T, "d": d, "I": inner}
    for name, D, M in [
        ("Q", C, C),
        ("K", C, C),
        ("V", C, C),
        ("context", C, C),
        ("intermediate", C, inner),
        ("out", inner, C),
    ]:
        inputs["W_" + name] = normal(rng, D, M)
        inputs["b_" + name] = normal(rng, 1, M)
    inputs |= {"dropout_p_attention": dropout_p, "dropout_p_output": dropout_p, "epsilon_ln": 1e-3}
    inputs |= {name: normal(rng, 1, C) for name in ("gamma_ln1", "beta_ln1", "gamma_ln2", "beta_ln2")}
    return inputs | {"activation": activation_}


BERT_CACHES = " ".join(f"cache_{what}_ln{number}" for number in (1, 2) for what in ("mean", "var", "norm"))
BERT_MASKS = "dropout_mask_attention dropout_mask_output_1 dropout_mask_output_2"
BERT_NAMES = " ".join(bert_inputs(np.random.default_rng(0)))
BERT_GRADIENTS = " ".join(
    name for name, value in bert_inputs(np.random.default_rng(0)).items() if isinstance(value, np.ndarray)
)


def bert(activation_: str) -> Layer:
    return Layer(
        "layers/bert_layer.dml",
        lambda rng: bert_inputs(rng, activation_),
        (Backward(f"dout_states {BERT_MASKS} {BERT_CACHES} outputs {BERT_NAMES}", BERT_GRADIENTS),),
        outputs=f"out_states attention outputs {BERT_MASKS} {BERT_CACHES}",
        differentiable="out_states",
        reference=bert_layer,
        name=f"bert_layer_{activation_}",
    )


def recurrent_inputs(rng: Generator, gates: int, sequences: bool, c0: bool, N: int = 2) -> dict[str, Any]:
    T, D, M = 3, 2, 3
    inputs: dict[str, Any] = {
        "X": normal(rng, N, T * D),
        "W": normal(rng, D + M, gates * M),
        "b": normal(rng, 1, gates * M),
    }
    inputs |= {"T": T, "D": D, "return_sequences": sequences, "out0": normal(rng, N, M)}
    return inputs | ({"c0": normal(rng, N, M)} if c0 else {})


def bilstm_inputs(rng: Generator, sequences: bool) -> dict[str, Any]:
    N, T, D, M = 2, 3, 2, 2
    inputs: dict[str, Any] = {
        "X": normal(rng, N, T * D),
        "W": normal(rng, D + M, 4 * M),
        "W_reverse": normal(rng, D + M, 4 * M),
    }
    inputs |= {"b": normal(rng, 1, 4 * M), "b_reverse": normal(rng, 1, 4 * M), "T": T, "D": D, "seq": sequences}
    return inputs | {"out0": normal(rng, 2 * N, M), "c0": normal(rng, 2 * N, M)}


def recurrent(sequences: bool) -> list[Layer]:
    suffix = "_sequences" if sequences else "_last"
    caches = "cache_out cache_c cache_ifog"
    return [
        Layer(
            "layers/rnn.dml",
            lambda rng: recurrent_inputs(rng, 1, sequences, False),
            (Backward("dout X W b T D return_sequences out0 cache_out", "X W b out0"),),
            outputs="out cache_out",
            reference=rnn,
            name="rnn" + suffix,
        ),
        Layer(
            "layers/lstm.dml",
            lambda rng: recurrent_inputs(rng, 4, sequences, True),
            (Backward(f"dout dc X W b T D return_sequences out0 c0 {caches}", "X W b out0 c0"),),
            outputs=f"out c {caches}",
            differentiable="out c",
            reference=lstm,
            name="lstm" + suffix,
        ),
        Layer(
            "layers/bilstm.dml",
            lambda rng: bilstm_inputs(rng, sequences),
            (
                Backward(
                    f"dout dc X W W_reverse b b_reverse T D seq out0 c0 {caches}", "X W b W_reverse b_reverse out0 c0"
                ),
            ),
            outputs=f"out c {caches}",
            differentiable="out c",
            reference=bilstm,
            name="bilstm" + suffix,
        ),
    ]


def attention_inputs(rng: Generator, own_keys: bool) -> dict[str, Any]:
    N, Tq, Tv, D = 2, 3, 4, 2
    key = np.zeros((0, 0)) if own_keys else normal(rng, N, Tv * D)
    return {
        "query": normal(rng, N, Tq * D),
        "value": normal(rng, N, Tv * D),
        "key": key,
        "D": D,
        "attention": np.zeros((1, 1)),
    }


SEQUENCES = [
    *recurrent(True),
    *recurrent(False),
    Layer(
        "layers/embedding.dml",
        lambda rng: {"indices": np.array([[2], [5], [2], [1]]), "embedding_dict": normal(rng, 5, 3)},
        (Backward("dembeddings indices v padding_idx", "embedding_dict"),),
        outputs="embeddings",
        differentiable="embeddings",
        reference=lambda indices, embedding_dict: F.embedding(indices.reshape(-1).long() - 1, embedding_dict),
        extra={"v": 5, "padding_idx": -1},
    ),
    Layer(
        "layers/attention.dml",
        lambda rng: attention_inputs(rng, False),
        (Backward("dattention query value key D dattention dattention dattention", "query value key"),),
        outputs="attention",
        differentiable="attention",
        reference=attention,
    ),
    Layer(
        "layers/attention.dml",
        lambda rng: attention_inputs(rng, True),
        (Backward("dattention query value key D dattention dattention dattention", "query value -"),),
        outputs="attention",
        differentiable="attention",
        reference=attention,
        name="attention_own_keys",
    ),
    Layer(
        "layers/multi_attention.dml",
        lambda rng: {**{n: normal(rng, 2, 3 * 2 * 2) for n in "QKV"}, "H": 2, "T": 3, "D": 2, "dropout_p": 0.0},
        (Backward("dcontext dropout_mask attention Q K V H T D dropout_p", "Q K V"),),
        outputs="context attention dropout_mask",
        differentiable="context",
        reference=multi_attention,
    ),
    *[bert(activation_) for activation_ in ("gelu", "tanh", "relu", "linear")],
]

OTHERS = [
    Layer(
        "layers/fm.dml",
        lambda rng: {"X": normal(rng, 4, 3), "w0": normal(rng, 1, 1), "W": normal(rng, 3, 1), "V": normal(rng, 3, 2)},
        (Backward("dout X w0 W V", "w0 W V"),),
        reference=lambda X, w0, W, V: (
            w0
            + X @ W
            + sum((X[:, i] * X[:, j] * (V[i] @ V[j])).reshape(-1, 1) for i in range(3) for j in range(i + 1, 3))
        ),
    ),
]

LAYERS = [*ACTIVATIONS, *LOSSES, *CONVOLUTIONS, *DENSE, *SEQUENCES, *OTHERS]

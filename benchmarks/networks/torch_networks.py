"""The networks of `scripts/nn/networks` in PyTorch, with weights taken from a DML model.  Used by the benchmarks beside."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn


def flat(model: Any) -> list[np.ndarray]:
    """The matrices of a nested list, in order."""
    if isinstance(model, np.ndarray):
        return [model]
    return [matrix for entry in model for matrix in flat(entry)]


def _load(parameter: Any, values: np.ndarray) -> None:
    with torch.no_grad():
        parameter.copy_(torch.tensor(values).reshape(parameter.shape))


def _affine(W: np.ndarray, b: np.ndarray, dtype: Any) -> nn.Linear:
    layer = nn.Linear(*W.shape, dtype=dtype)
    _load(layer.weight, np.ascontiguousarray(W.T))
    _load(layer.bias, b)
    return layer


def alexnet(model: list[np.ndarray], dtype: Any) -> nn.Module:
    """W, b, gamma, beta, ema_mean, ema_var of five convolutions, then W and b of three affine layers."""
    sizes = [(11, 4, 2), (5, 1, 2), (3, 1, 1), (3, 1, 1), (3, 1, 1)]
    layers: list[nn.Module] = []
    for i, (size, stride, padding) in enumerate(sizes):
        W, b, gamma, beta, mean, var = model[6 * i : 6 * i + 6]
        F, C = W.shape[0], W.shape[1] // size**2
        conv = nn.Conv2d(C, F, size, stride, padding, dtype=dtype)
        norm = nn.BatchNorm2d(F, eps=1e-5, momentum=0.01, dtype=dtype)
        for parameter, values in (
            (conv.weight, W),
            (conv.bias, b),
            (norm.weight, gamma),
            (norm.bias, beta),
            (norm.running_mean, mean),
            (norm.running_var, var),
        ):
            _load(parameter, values)
        layers += [conv, norm, nn.ReLU(inplace=True)]
        if i in (0, 1, 4):
            layers.append(nn.MaxPool2d(3, 2))
    layers.append(nn.Flatten())
    for i in range(3):
        layers.append(_affine(model[30 + 2 * i], model[31 + 2 * i], dtype))
        if i < 2:
            layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


def lenet(model: list[np.ndarray], dtype: Any) -> nn.Module:
    """W1, b1, ..., W5, b5."""
    layers: list[nn.Module] = []
    for i, (C, F, padding) in enumerate([(1, 6, 2), (6, 16, 0)]):
        conv = nn.Conv2d(C, F, 5, padding=padding, dtype=dtype)
        _load(conv.weight, model[2 * i])
        _load(conv.bias, model[2 * i + 1])
        layers += [conv, nn.ReLU(inplace=True), nn.MaxPool2d(2)]
    layers.append(nn.Flatten())
    for i in range(2, 5):
        layers.append(_affine(model[2 * i], model[2 * i + 1], dtype))
        if i < 4:
            layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


class _Block(nn.Module):
    """A residual block.  sizes: (filter, stride) of its convolutions."""

    def __init__(self, C: int, widths: list[int], sizes: list[tuple[int, int]], dtype: Any):
        super().__init__()
        layers: list[nn.Module] = []
        channels, strides = C, 1
        for F, (size, stride) in zip(widths, sizes, strict=True):
            layers += [_convolution(channels, F, size, stride, dtype), nn.BatchNorm2d(F, dtype=dtype)]
            layers.append(nn.ReLU(inplace=True))
            channels, strides = F, strides * stride
        self.main = nn.Sequential(*layers[:-1])
        self.shortcut = nn.Sequential()
        if strides != 1 or channels != C:
            self.shortcut = nn.Sequential(
                _convolution(C, channels, 1, strides, dtype), nn.BatchNorm2d(channels, dtype=dtype)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu_(self.main(x).add_(self.shortcut(x)))


def _convolution(C: int, F: int, size: int, stride: int, dtype: Any) -> nn.Conv2d:
    return nn.Conv2d(C, F, size, stride, size // 2, bias=False, dtype=dtype)


def resnet(model: list[Any], averages: list[Any], dtype: Any) -> nn.Module:
    """The stages and blocks are read off the nested lists."""
    layers: list[nn.Module] = [
        _convolution(3, 64, 7, 2, dtype),
        nn.BatchNorm2d(64, dtype=dtype),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2, 1),
    ]
    C = 64
    for s, stage in enumerate(model[3:-2]):
        for i, block in enumerate(stage):
            stride = 2 if s > 0 and i == 0 else 1
            bottleneck = block[3].shape[1] == 9 * block[0].shape[0] and block[0].shape[1] == C
            if bottleneck:
                widths = [block[0].shape[0], block[3].shape[0], block[6].shape[0]]
                sizes = [(1, 1), (3, stride), (1, 1)]
            else:
                widths = [block[0].shape[0], block[3].shape[0]]
                sizes = [(3, stride), (3, 1)]
            layers.append(_Block(C, widths, sizes, dtype))
            C = widths[-1]
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), _affine(model[-2], model[-1], dtype)]
    network = nn.Sequential(*layers)
    values = iter(flat(model[:-2]))
    means = iter(flat(averages))
    for module in _in_order(network):
        if isinstance(module, nn.Conv2d):
            _load(module.weight, next(values))
        elif isinstance(module, nn.BatchNorm2d):
            _load(module.weight, next(values))
            _load(module.bias, next(values))
            _load(module.running_mean, next(means))
            _load(module.running_var, next(means))
    return network


def _in_order(network: nn.Module) -> Iterator[nn.Module]:
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.BatchNorm2d):
            yield module


def random(name: str, dtype: Any) -> nn.Module:
    """A network with random weights that nobody else holds."""
    rng = np.random.default_rng(1)

    def norm(F: int) -> list[np.ndarray]:
        return [np.ones((F, 1), np.float32), np.zeros((F, 1), np.float32)]

    def weights(rows: int, cols: int) -> np.ndarray:
        return rng.standard_normal((rows, cols), np.float32) * np.float32((2 / cols) ** 0.5)

    def affine(inputs: int, outputs: int) -> list[np.ndarray]:
        return [weights(inputs, outputs), np.zeros((1, outputs), np.float32)]

    if name == "alexnet":
        model: list[Any] = []
        C = 3
        for F, size in [(96, 11), (256, 5), (384, 3), (384, 3), (256, 3)]:
            model += [weights(F, C * size**2), np.zeros((F, 1)), *norm(F), np.zeros((F, 1)), np.ones((F, 1))]
            C = F
        model += affine(9216, 4096) + affine(4096, 4096) + affine(4096, 1000)
        return alexnet(model, dtype)
    if name == "lenet":
        model = [weights(6, 25), np.zeros((6, 1)), weights(16, 150), np.zeros((16, 1))]
        return lenet(model + affine(400, 120) + affine(120, 84) + affine(84, 10), dtype)
    depth = {"resnet18": (2, 2, 2, 2), "resnet50": (3, 4, 6, 3)}[name]
    expansion = 4 if name == "resnet50" else 1
    C, stages = 64, []
    averages: list[Any] = [np.zeros((64, 1)), np.ones((64, 1))]
    for s, blocks in enumerate(depth):
        base, stage = 64 * 2**s, []
        for i in range(blocks):
            sizes = [(base, 1), (base, 3), (4 * base, 1)] if expansion == 4 else [(base, 3), (base, 3)]
            block, channels = [], C
            for F, size in sizes:
                block += [weights(F, channels * size**2), *norm(F)]
                averages += [np.zeros((F, 1)), np.ones((F, 1))]
                channels = F
            if i == 0 and (s > 0 or channels != C):
                block += [weights(channels, C), *norm(channels)]
                averages += [np.zeros((channels, 1)), np.ones((channels, 1))]
            stage.append(block)
            C = channels
        stages.append(stage)
    return resnet([weights(64, 147), *norm(64), *stages, *affine(C, 1000)], averages, dtype)

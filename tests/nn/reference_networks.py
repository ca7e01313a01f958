"""PyTorch's versions of the networks: LeNet, AlexNet as published, and torchvision's AlexNet and ResNets with their names.

Widths are arguments: a narrow network shows as much as a wide one.  `load` puts one of our models in.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import nn


def torchvision_alexnet(filters: tuple[int, ...], units: int, classes: int) -> Any:
    a, b, c, d, e = filters
    network = nn.Module()
    network.features = nn.Sequential(
        nn.Conv2d(3, a, 11, 4, 2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(a, b, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(b, c, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(c, d, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(d, e, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
    )
    network.avgpool = nn.AdaptiveAvgPool2d((6, 6))
    network.classifier = nn.Sequential(
        nn.Dropout(0.0),
        nn.Linear(e * 36, units),
        nn.ReLU(),
        nn.Dropout(0.0),
        nn.Linear(units, units),
        nn.ReLU(),
        nn.Linear(units, classes),
    )
    network.forward = lambda x: network.classifier(torch.flatten(network.avgpool(network.features(x)), 1))
    return network


class Block(nn.Module):
    """A basic block or a bottleneck, with torchvision's names."""

    def __init__(self, block_type: str, C_in: int, C_base: int, stride: int):
        super().__init__()
        sizes, strided, expansion = {"basic": ((3, 3), 0, 1), "bottleneck": ((1, 3, 1), 1, 4)}[block_type]
        C, self.depth = C_in, len(sizes)
        for k, size in enumerate(sizes):
            C_out = C_base * (expansion if k == self.depth - 1 else 1)
            conv = nn.Conv2d(C, C_out, size, stride if k == strided else 1, (size - 1) // 2, bias=False)
            self.add_module(f"conv{k + 1}", conv)
            self.add_module(f"bn{k + 1}", nn.BatchNorm2d(C_out))
            C = C_out
        self.downsample = None
        if stride > 1 or C_in != C:
            self.downsample = nn.Sequential(nn.Conv2d(C_in, C, 1, stride, bias=False), nn.BatchNorm2d(C))

    def forward(self, x: Any) -> Any:
        a = x
        for k in range(1, self.depth + 1):
            a = getattr(self, f"bn{k}")(getattr(self, f"conv{k}")(a))
            a = a.relu() if k < self.depth else a
        return (a + (x if self.downsample is None else self.downsample(x))).relu()


class ResNet(nn.Module):
    def __init__(self, block_type: str, layer_sizes: list[int], width: int, classes: int):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        C_in, expansion = width, 4 if block_type == "bottleneck" else 1
        for s, blocks in enumerate(layer_sizes):
            stage = []
            for i in range(blocks):
                stage.append(Block(block_type, C_in, width * 2**s, 2 if s > 0 and i == 0 else 1))
                C_in = width * 2**s * expansion
            self.add_module(f"layer{s + 1}", nn.Sequential(*stage))
        self.stages = len(layer_sizes)
        self.fc = nn.Linear(C_in, classes)

    def forward(self, x: Any) -> Any:
        x = nn.functional.max_pool2d(self.bn1(self.conv1(x)).relu(), 3, 2, 1)
        for s in range(self.stages):
            x = getattr(self, f"layer{s + 1}")(x)
        return self.fc(x.mean((2, 3)))


def lenet(C: int, H: int, W: int, classes: int) -> Any:
    features = nn.Sequential(
        nn.Conv2d(C, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)
    )
    cells = 16 * ((H // 2 - 4) // 2) * ((W // 2 - 4) // 2)
    return nn.Sequential(
        features, nn.Flatten(), nn.Linear(cells, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, classes)
    )


def alexnet_with_lrn(C: int, filters: Iterable[int], cells: int, units: int, classes: int) -> Any:
    """AlexNet of the paper in one tower; PyTorch divides alpha by the size of the window."""
    a, b, c, d, e = filters
    lrn = lambda: nn.LocalResponseNorm(5, 5e-4, 0.75, 2.0)  # noqa: E731
    return nn.Sequential(
        *(nn.Conv2d(C, a, 11, 4, 2), nn.ReLU(), lrn(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(a, b, 5, padding=2), nn.ReLU(), lrn(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(b, c, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(c, d, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(d, e, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Flatten()),
        *(nn.Linear(e * cells, units), nn.ReLU(), nn.Linear(units, units), nn.ReLU(), nn.Linear(units, classes)),
    )


def load(network: Any, model: Iterable[Any]) -> Any:
    """The network in double with the numbers of our model, whose entries come in the order of PyTorch's parameters."""
    network.double()
    with torch.no_grad():
        for parameter, ours in zip(network.parameters(), model, strict=True):
            parameter.copy_(torch.tensor(as_torch(ours, parameter)))
    return network


def as_torch(ours: Any, parameter: Any) -> np.ndarray:
    """An entry of our model, or its gradient, in the shape of PyTorch's parameter: weights of affine layers are transposed."""
    value = np.asarray(ours)
    return value.T.copy() if parameter.ndim == 2 else value.reshape(tuple(parameter.shape))

"""AlexNet-BN in PyTorch: the same network as `scripts/nn/networks/alexnet.dml`, with weights taken from a DML model."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn


def build(model: list[np.ndarray], dtype: Any = torch.float64) -> nn.Module:
    """The network with the weights of a DML model of 36 entries (W, b, gamma, beta, ema_mean, ema_var of five convolutions, then
    W and b of three affine layers)."""
    sizes = [(11, 4, 2), (5, 1, 2), (3, 1, 1), (3, 1, 1), (3, 1, 1)]
    layers: list[nn.Module] = []
    channels = model[0].shape[1] // (11 * 11)
    for i, (size, stride, padding) in enumerate(sizes):
        W, b, gamma, beta, mean, var = (torch.tensor(p) for p in model[6 * i : 6 * i + 6])
        filters = W.shape[0]
        conv = nn.Conv2d(channels, filters, size, stride, padding, dtype=dtype)
        norm = nn.BatchNorm2d(filters, eps=1e-5, momentum=0.01, dtype=dtype)
        with torch.no_grad():
            conv.weight.copy_(W.reshape(conv.weight.shape))
            conv.bias.copy_(b[:, 0])
            norm.weight.copy_(gamma[:, 0])
            norm.bias.copy_(beta[:, 0])
            norm.running_mean.copy_(mean[:, 0])
            norm.running_var.copy_(var[:, 0])
        layers += [conv, norm, nn.ReLU(inplace=True)]
        if i in (0, 1, 4):
            layers.append(nn.MaxPool2d(3, 2))
        channels = filters
    layers.append(nn.Flatten())
    for i in range(3):
        W, b = (torch.tensor(p) for p in model[30 + 2 * i : 32 + 2 * i])
        linear = nn.Linear(*W.shape, dtype=dtype)
        with torch.no_grad():
            linear.weight.copy_(W.T)
            linear.bias.copy_(b[0])
        layers.append(linear)
        if i < 2:
            layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)

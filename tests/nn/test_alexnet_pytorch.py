"""AlexNet with batch normalisation trains as the same network in PyTorch does: losses and weights of 20 steps in double."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import pydml

torch = pytest.importorskip("torch")

ROOT = Path(__file__).parents[2]
NETWORKS = ROOT / "benchmarks" / "networks"

INIT = """
source("nn/networks/alexnet.dml") as alexnet
[model, emas] = alexnet::init_sized(C, H, W, K, width, units, TRUE, 7)
state = alexnet::init_sgd_momentum_optim_params(model)
"""

STEP = """
source("nn/layers/cross_entropy_loss.dml") as cross_entropy_loss
source("nn/networks/alexnet.dml") as alexnet
[out, cached, emas] = alexnet::forward_with_bn(X, C, H, W, model, "train", 1.0)
loss = cross_entropy_loss::forward(out, Y)
[dX, gradients] = alexnet::network_backward(cross_entropy_loss::backward(out, Y), cached, model, FALSE)
[model, state] = alexnet::update_params_with_sgd_momentum(model, gradients, lr, 0.9, state)
model = alexnet::update_emas(model, emas)
"""


def test_twenty_steps_of_sgd_with_momentum_agree():
    sys.path.insert(0, str(NETWORKS))
    try:
        import torch_networks
    finally:
        sys.path.remove(str(NETWORKS))
    C, H, W, K, N, lr = 3, 67, 71, 10, 8, 0.01
    start = pydml.run(INIT, C=C, H=H, W=W, K=K, width=0.25, units=64, outputs=["model", "state"])
    model, state = start["model"], start["state"]
    network = torch_networks.alexnet(model, torch.float64)
    optimizer = torch.optim.SGD(network.parameters(), lr=lr, momentum=0.9)
    step = pydml.compile(
        STEP,
        inputs=["X", "Y", "model", "state", "C", "H", "W", "lr"],
        outputs=["model", "state", "loss"],
    )
    rng = np.random.default_rng(3)
    for i in range(20):
        X = rng.normal(size=(N, C * H * W))
        labels = rng.integers(0, K, size=N)
        result = step(X=X, Y=np.eye(K)[labels], model=model, state=state, C=C, H=H, W=W, lr=lr)
        model, state = result["model"], result["state"]
        optimizer.zero_grad()
        probabilities = torch.softmax(network(torch.tensor(X.reshape(N, C, H, W))), 1)
        # the DML loss adds 1e-10 to each probability, see nn/layers/cross_entropy_loss.dml
        loss = -torch.log(probabilities[torch.arange(N), torch.tensor(labels)] + 1e-10).mean()
        loss.backward()
        optimizer.step()
        assert result["loss"] == pytest.approx(loss.item(), rel=1e-8), f"step {i + 1}"
    first = network[0].weight.detach().numpy()
    np.testing.assert_allclose(np.asarray(model[0]), first.reshape(first.shape[0], -1), rtol=1e-6, atol=1e-9)

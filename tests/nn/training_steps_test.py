"""Training steps of each network equal PyTorch's in double.

AlexNet with batch normalisation is in `test_alexnet_pytorch.py` with 20 steps, EfficientNet and U-Net are in `extra_networks_test.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pydml

torch = pytest.importorskip("torch")

from reference_networks import ResNet, alexnet_with_lrn, as_torch, lenet, load  # noqa: E402

RATE, MOMENTUM, DECAY = 0.05, 0.9, 1e-3


def flat(model: Any) -> list[np.ndarray]:
    return [p for entry in model for p in (flat(entry) if isinstance(entry, list) else [dense(entry)])]


def dense(value: Any) -> np.ndarray:
    return value.toarray() if hasattr(value, "toarray") else np.asarray(value)


def check_step(network: Any, result: Any, X: np.ndarray, labels: np.ndarray, added: float) -> None:
    """Two steps of momentum with weight decay in PyTorch; `result` has the losses and the model after ours.

    added: what our loss adds to the probabilities.
    """
    decayed = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim == 1]
    groups = [{"params": decayed, "weight_decay": DECAY}, {"params": others}]
    optimizer = torch.optim.SGD(groups, lr=RATE, momentum=MOMENTUM)
    for step in range(2):
        probabilities = torch.softmax(network(torch.tensor(X)), 1)
        loss = -torch.log(probabilities[torch.arange(len(X)), torch.tensor(labels)] + added).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        assert result.losses[step, 0] == pytest.approx(loss.item(), rel=1e-8)
    for ours, parameter in zip(flat(result.model), network.parameters(), strict=True):
        expected = parameter.detach().numpy()
        np.testing.assert_allclose(as_torch(ours, parameter), expected, rtol=1e-8, atol=1e-8 * np.abs(expected).max())


LENET = """
source("nn/networks/lenet.dml") as lenet
state = lenet::init_optim_params(model)
losses = matrix(0, rows=2, cols=1)
for (i in 1:2) {
  [gradients, loss] = lenet::parameter_gradients(X, Y, 2, 20, 24, model)
  losses[i, 1] = loss
  [model, state] = lenet::update_params_with_sgd_momentum(model, gradients, rate, mu, decay, state)
}
"""


def data(N: int, cells: int, K: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(N)
    labels = rng.integers(0, K, size=N)
    return rng.normal(size=(N, cells)), np.eye(K)[labels], labels


def test_lenet_steps_as_pytorchs_does():
    X, Y, labels = data(6, 2 * 20 * 24, 4)
    model = pydml.source("nn/networks/lenet.dml").init(2, 20, 24, 4, 1)
    given = {"X": X, "Y": Y, "model": model, "rate": RATE, "mu": MOMENTUM, "decay": DECAY}
    r = pydml.run(LENET, **given, outputs=["losses", "model"])
    check_step(load(lenet(2, 20, 24, 4), model), r, X.reshape(-1, 2, 20, 24), labels, 1e-10)


ALEXNET = """
source("nn/networks/alexnet.dml") as alexnet
source("nn/examples/imagenet_alexnet.dml") as imagenet
state = alexnet::init_sgd_momentum_optim_params(model)
losses = matrix(0, rows=2, cols=1)
for (i in 1:2) {
  [gradients, emas, loss] = alexnet::batch_gradients(X, Y, 3, 67, 71, model, micro_batch, 1, 0.9)
  losses[i, 1] = loss
  decayed = imagenet::add_weight_decay(gradients, model, decay)
  [model, state] = alexnet::update_params_with_sgd_momentum(model, decayed, rate, mu, state)
}
"""


@pytest.mark.parametrize("micro_batch", [0, 3], ids=["whole", "pieces"])
def test_alexnet_with_lrn_steps_as_pytorchs_does(micro_batch):
    X, Y, labels = data(7, 3 * 67 * 71, 5)
    model, _ = pydml.source("nn/networks/alexnet.dml").init_sized(3, 67, 71, 5, 0.1, 20, False, 1)
    given = {"X": X, "Y": Y, "model": model, "rate": RATE, "mu": MOMENTUM, "decay": DECAY, "micro_batch": micro_batch}
    r = pydml.run(ALEXNET, **given, outputs=["losses", "model"])
    filters = [dense(W).shape[0] for W in model[:10:2]]
    network = alexnet_with_lrn(3, filters, dense(model[10]).shape[0] // filters[-1], 20, 5)
    check_step(load(network, model), r, X.reshape(-1, 3, 67, 71), labels, 1e-10)


RESNET = """
source("nn/networks/resnet.dml") as resnet
source("nn/networks/resnet_training.dml") as t
[model, emas] = resnet::init_sized(4, block_type, sizes, 3, 4, 1)
start = model
state = resnet::zeros_like(model)
losses = matrix(0, rows=2, cols=1)
for (i in 1:2) {
  [gradients, emas, loss] = t::batch_gradients(X, Y, 40, 37, block_type, sizes, model, emas, 0)
  losses[i, 1] = loss
  gradients = t::add_weight_decay(gradients, model, decay)
  [model, state] = resnet::update_params_with_sgd_momentum(model, gradients, rate, mu, state)
}
"""


@pytest.mark.parametrize("block_type, sizes", [("basic", [2, 2, 2, 2]), ("bottleneck", [3, 4, 6, 3])], ids=["18", "50"])
def test_resnet_steps_as_pytorchs_does(block_type, sizes):
    X, Y, labels = data(5, 3 * 40 * 37, 4)
    given = {"X": X, "Y": Y, "rate": RATE, "mu": MOMENTUM, "decay": DECAY, "block_type": block_type, "sizes": sizes}
    r = pydml.run(RESNET, **given, outputs=["losses", "model", "start"])
    check_step(load(ResNet(block_type, sizes, 4, 4), flat(r.start)), r, X.reshape(-1, 3, 40, 37), labels, 0.0)

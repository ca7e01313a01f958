"""One training step of each network equals PyTorch's in double; micro-batches add up to the batch; 32 real images are learned.

AlexNet with batch normalisation is in `test_alexnet_pytorch.py` with 20 steps, EfficientNet and U-Net are in `extra_networks_test.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pydml

torch = pytest.importorskip("torch")

from torch_networks import ResNet, alexnet_with_lrn, as_torch, lenet, load  # noqa: E402

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


# ---- micro-batches

LENET_PIECES = """
source("nn/networks/lenet.dml") as lenet
model = lenet::init(1, 14, 14, 3, 1)
[whole, loss1, acc1] = lenet::train(X, Y, X, Y, 1, 14, 14, model, optimizer, 2, 8, 0, 0.05, 0, 2.0, 0.9, 1e-3, 0.1, 3, 0)
[pieces, loss2, acc2] = lenet::train(X, Y, X, Y, 1, 14, 14, model, optimizer, 2, 8, 3, 0.05, 0, 2.0, 0.9, 1e-3, 0.1, 3, 0)
"""


@pytest.mark.parametrize("optimizer", ["lars", "lamb", "momentum"])
def test_lenet_trained_in_pieces_is_lenet_trained_in_whole_batches(optimizer):
    X, Y, _ = data(16, 14 * 14, 3)
    r = pydml.run(LENET_PIECES, X=X, Y=Y, optimizer=optimizer, outputs=["whole", "pieces", "loss1", "loss2"])
    np.testing.assert_allclose(r.loss2, r.loss1, rtol=1e-9)
    for a, b in zip(r.whole, r.pieces, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-7, atol=1e-9)


# ---- real images

IMAGES = """
source("nn/util.dml") as util
folder = "scripts/nn/examples/data/fashion-mnist"
X = read(folder + "/train-images-idx3-ubyte.gz", format="idx")
y = read(folder + "/train-labels-idx1-ubyte.gz", format="idx")
X = X[1:32, ] / 255
Y = util::one_hot(y[1:32, ], 10)
X = (X - mean(X)) / sd(X)
"""

LEARNERS = {
    "lenet": """
source("nn/networks/lenet.dml") as lenet
model = lenet::init(1, 28, 28, 10, 3)
[model, losses, accs] = lenet::train(X, Y, X, Y, 1, 28, 28, model, "lars", 25, 32, 0, 0.3, 2, 2.0, 0.9, 1e-4, 0.05, 7, 0)
accuracy = as.scalar(accs[25, 1])
""",
    "alexnet": """
source("nn/networks/alexnet.dml") as alexnet
X = util::resize_images(X, 1, 28, 28, 64, 64)
[model, emas] = alexnet::init_sized(1, 64, 64, 10, 0.2, 64, FALSE, 7)
[model, losses, accs] = alexnet::train(X, Y, X, Y, 1, 64, 64, model, 30, 32, 0, 0.07, 32, 3, 2, 0.9, 5e-4, 0.1, 1, 7, 0, FALSE)
accuracy = as.scalar(accs[30, 1])
""",
    "alexnet_bn": """
source("nn/networks/alexnet.dml") as alexnet
X = util::resize_images(X, 1, 28, 28, 64, 64)
[model, emas] = alexnet::init_sized(1, 64, 64, 10, 0.125, 64, TRUE, 7)
[model, losses, accs] = alexnet::train(X, Y, X, Y, 1, 64, 64, model, 40, 32, 0, 0.2, 32, 3, 2, 0.9, 5e-4, 0.1, 1, 7, 0, TRUE)
accuracy = as.scalar(accs[40, 1])
""",
    "efficientnet": """
source("nn/networks/efficientnet.dml") as net
source("nn/layers/softmax_cross_entropy_loss.dml") as loss_layer
blocks = matrix("1 8 3 1 2 8 3 2 2 8 3 1", rows=3, cols=4)
model = net::init(10, 1, blocks, 8, 32, 4)
state = net::zeros_like(model)
losses = matrix(0, rows=40, cols=1)
for (i in 1:40) {
  [scores, cache, updates] = net::forward(X, 1, 28, 28, model, blocks, "train")
  losses[i, 1] = loss_layer::forward(scores, Y)
  [dX, gradients] = net::backward(loss_layer::backward(scores, Y), cache, updates, 1, 28, 28, model, blocks)
  [model, state] = net::update_params_with_rmsprop(model, gradients, 0.01, 0.9, 1e-8, state)
}
[scores, cache, updates] = net::forward(X, 1, 28, 28, model, blocks, "train")
accuracy = mean(rowIndexMax(scores) == rowIndexMax(Y))
""",
    "unet": """
source("nn/networks/unet.dml") as unet
# which pixels belong to the piece of clothing?
mask = X > 0
Y = cbind(1 - mask, mask)
model = unet::init(2, 1, 2, 4, 5)
[m, v] = unet::init_adam_optim_params(model)
losses = matrix(0, rows=30, cols=1)
for (t in 1:30) {
  [gradients, loss] = unet::loss_gradients(X, Y, 28, 28, 2, model)
  losses[t, 1] = loss
  [model, m, v] = unet::update_params_with_adam(model, gradients, 0.02, 0.9, 0.999, 1e-8, t - 1, m, v)
}
accuracy = mean(unet::predict(X, 28, 28, 2, model) == 1 + mask)
""",
}
for _name, _type, _sizes in (("resnet18", "basic", "2, 2, 2, 2"), ("resnet50", "bottleneck", "3, 4, 6, 3")):
    LEARNERS[_name] = f"""
source("nn/networks/resnet.dml") as resnet
source("nn/networks/resnet_training.dml") as t
X = util::resize_images(X, 1, 28, 28, 32, 32)
sizes = list({_sizes})
[model, emas] = resnet::init_sized(10, "{_type}", sizes, 1, 4, 7)
[model, emas, metrics] = t::train(X, Y, X, Y, 32, 32, "{_type}", sizes, model, emas, "lars", 25, 32, 0, 1.0, 32, 3, 2, 0.9, 1e-4,
                                  0.05, 7, 0, FALSE)
losses = metrics[, 2]
[scores, e, c, m] = resnet::resnet_forward(X, 32, 32, "{_type}", sizes, model, "train", emas)
accuracy = mean(rowIndexMax(scores) == rowIndexMax(Y))
"""


@pytest.mark.parametrize("name", LEARNERS)
def test_thirty_two_real_images_are_learned_by_heart(name):
    r = pydml.run(IMAGES + LEARNERS[name], outputs=["losses", "accuracy"])
    assert r.losses[-1, 0] < 0.3 * r.losses[0, 0]
    assert r.accuracy > 0.96

"""What training loops promise, without PyTorch: micro-batches add up to the batch, 32 real images are learned by heart, and models
come back from files.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pydml

# ---- micro-batches

LENET_PIECES = """
source("nn/networks/lenet.dml") as lenet
model = lenet::init(1, 14, 14, 3, 1)
[whole, loss1, acc1] = lenet::train(X, Y, X, Y, 1, 14, 14, model, optimizer, 2, 8, 0, 0.05, 0, 2.0, 0.9, 1e-3, 0.1, 3, 0)
[pieces, loss2, acc2] = lenet::train(X, Y, X, Y, 1, 14, 14, model, optimizer, 2, 8, 3, 0.05, 0, 2.0, 0.9, 1e-3, 0.1, 3, 0)
"""


@pytest.mark.parametrize("optimizer", ["lars", "lamb", "momentum"])
def test_lenet_trained_in_pieces_is_lenet_trained_in_whole_batches(optimizer):
    rng = np.random.default_rng(16)
    X, Y = rng.normal(size=(16, 14 * 14)), np.eye(3)[rng.integers(0, 3, size=16)]
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
[model, emas, metrics] = t::train(X, Y, X, Y, 32, 32, "{_type}", sizes, model, emas, "lars", 30, 32, 0, 1.0, 32, 3, 2, 0.9, 1e-4,
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


# ---- models in files


def test_a_missing_weight_is_named():
    library = pydml.source("nn/networks/torchvision.dml")
    with pytest.raises(pydml.DMLError, match=r"features\.0\.weight"):
        library.alexnet_from_state({"conv1.weight": np.eye(2)})


MODELS = """
source("nn/networks/resnet.dml") as resnet
[model, emas] = resnet::init_sized(3, "bottleneck", list(1, 2), 1, 2, 7)
write(list(model=model, emas=emas), $path, format=$format)
saved = read($path)
model_again = as.list(saved["model"])
emas_again = as.list(saved["emas"])
"""


@pytest.mark.parametrize("format", ["binary", "csv"])
def test_nested_models_come_back_from_a_folder(tmp_path, format):
    arguments = {"path": str(tmp_path / "model"), "format": format}
    r = pydml.run(MODELS, nvargs=arguments, outputs=["model", "emas", "model_again", "emas_again"])

    def same(a: Any, b: Any) -> None:
        if isinstance(a, list):
            assert len(a) == len(b)
            for x, y in zip(a, b, strict=True):
                same(x, y)
        else:
            a, b = (v.toarray() if hasattr(v, "toarray") else np.asarray(v) for v in (a, b))
            np.testing.assert_array_equal(a, b)

    same(list(r.model), list(r.model_again))
    same(list(r.emas), list(r.emas_again))

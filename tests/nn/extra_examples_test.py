"""The example scripts run, with small numbers, and learn what they say."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pydml

EXAMPLES = Path(__file__).parents[2] / "scripts" / "nn" / "examples"
DATA = str(EXAMPLES / "data" / "fashion-mnist")


def output_of(name: str, **arguments: Any) -> str:
    out = io.StringIO()
    pydml.Script(EXAMPLES / name, nvargs=arguments, stdout=out, seed=1).run(outputs=[])
    return out.getvalue()


def last(pattern: str, text: str) -> float:
    return float(re.findall(pattern, text)[-1])


SUBSET = """
names = list("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
sizes = list(256, 256, 64, 64)
for (i in 1:4) {
  name = "/" + as.scalar(names[i]) + "-ubyte.gz"
  A = read($data + name, format="idx")
  write(A[1:as.integer(as.scalar(sizes[i])), ], $folder + name, format="idx")
}
"""


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with 256 training and 64 test images of Fashion-MNIST."""
    folder = str(tmp_path_factory.mktemp("few"))
    pydml.run(SUBSET, nvargs={"data": DATA, "folder": folder}, outputs=[])
    return folder


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, as a user of the installed package may have it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_factorization_machine_finds_the_interactions():
    text = output_of("fm-regression-dummy-data.dml")
    assert last(r"linear model on the test examples: ([\d.]+)", text) > 1
    assert last(r"test ([\d.]+)", text) < 0.01


def test_factorization_machine_knows_who_likes_what():
    assert last(r"test loss [\d.]+, accuracy ([\d.]+)", output_of("fm-binclass-dummy-data.dml", epochs=5)) > 90


def test_attention_finds_the_key_tokens():
    # one of four classes by chance: 25 %
    assert last(r"test accuracy ([\d.]+)", output_of("AttentionExample.dml", epochs=6, T=8)) > 95


def test_softmax_classifier_learns_the_shipped_images_from_any_folder(elsewhere):
    text = output_of("Example-MNIST_Softmax.dml", epochs=1)
    assert last(r"test images: loss [\d.]+, accuracy ([\d.]+)", text) > 65
    assert np.loadtxt("softmax_model_W.csv", delimiter=",").shape == (784, 10)
    again = output_of("Example-MNIST_Softmax-predict.dml")
    accuracy = last(r"test accuracy: ([\d.]+)", again)
    assert accuracy == last(r"accuracy ([\d.]+) %\n", text)
    predictions = np.loadtxt("predictions.csv", delimiter=",")
    assert predictions.shape == (1000, 2) and set(predictions[:, 0]) <= set(range(10))


def test_alexnet_bn_with_lars_and_its_predictions(few, elsewhere):
    small = {"data": few, "width": 0.0625, "units": 32, "micro_batch": 16}
    text = output_of("Example-AlexNet_BN_LARS.dml", epochs=4, batch_size=32, **small)
    losses = [float(x) for x in re.findall(r"training loss ([\d.]+)", text)]
    assert len(losses) == 4 and losses[-1] < losses[0]
    assert "256 training and 64 test images of 28 x 28 pixels" in text
    assert "batch 32 in pieces of 16" in text
    assert re.search(r"step 8/8  loss [\d.]+  rate [\d.]+  [\d.]+ images/s  \d+ s left", text)
    top = {k: last(rf"top-{k} accuracy: ([\d.]+)", text) for k in (1, 5)}
    images = {"images": f"{few}/t10k-images-idx3-ubyte.gz", "labels": f"{few}/t10k-labels-idx1-ubyte.gz"}
    again = output_of("Example-AlexNet_BN_LARS-predict.dml", **images)
    assert top == {k: last(rf"top-{k} accuracy: ([\d.]+)", again) for k in (1, 5)}
    assert np.loadtxt("predictions.csv", delimiter=",").shape == (64, 2)


def test_alexnet_bn_debug_prints_every_layer(few):
    text = output_of("Example-AlexNet_BN_LARS_debug.dml", data=few, images=32, epochs=1, batch_size=16)
    # two updates, and the model before and after them
    assert len(re.findall(r"^  layer 8  weights", text, re.M)) == 2
    assert len(re.findall(r"^entry 36 ", text, re.M)) == 2
    assert len(re.findall(r"^conv5 after ReLU ", text, re.M)) == 2


@pytest.mark.parametrize("optimizer, rate", [("lars", 1.0), ("lamb", 0.1)])
def test_lenet_and_its_predictions(few, elsewhere, optimizer, rate):
    small = {"data": few, "optimizer": optimizer, "base_lr": rate, "epochs": 8, "batch_size": 32, "micro_batch": 16}
    text = output_of("Example-MNIST_LeNet_LARS.dml", **small)
    accuracy, training = last(r"test accuracy: ([\d.]+)", text), last(r"training accuracy: ([\d.]+)", text)
    # ten classes
    assert training > 50 and accuracy > 40
    assert last(r"generalisation error: (-?[\d.]+)", text) == pytest.approx(training - accuracy, abs=0.011)
    images = {"images": f"{few}/t10k-images-idx3-ubyte.gz", "labels": f"{few}/t10k-labels-idx1-ubyte.gz"}
    again = output_of("Example-MNIST_LeNet_LARS-predict.dml", **images)
    assert last(r"test accuracy: ([\d.]+)", again) == accuracy


def test_resnet_on_mnist_and_its_predictions(few, elsewhere):
    text = output_of("Example-MNIST_ResNet.dml", data=few, epochs=3, batch_size=32, micro_batch=16, width=4)
    losses = [float(x) for x in re.findall(r"training loss ([\d.]+)", text)]
    assert len(losses) == 3 and losses[-1] < losses[0]
    images = {"images": f"{few}/t10k-images-idx3-ubyte.gz", "labels": f"{few}/t10k-labels-idx1-ubyte.gz"}
    again = output_of("Example-MNIST_ResNet-predict.dml", **images)
    assert last(r"test accuracy: ([\d.]+)", again) == last(r"accuracy ([\d.]+) %\nmodel written", text)
    assert "test accuracy" not in output_of("Example-MNIST_ResNet-predict.dml", **images | {"labels": "none"})


@pytest.mark.parametrize("name, lines", [("test_data_loading", 9), ("test_alexnet_bn_lars_simple", 9)])
def test_examples_that_check_themselves(elsewhere, name, lines):
    text = output_of(f"{name}.dml")
    assert len(re.findall("^  ok: ", text, re.M)) == lines
    assert "passed" in text.splitlines()[-1]


def test_the_demonstration_learns(elsewhere):
    text = output_of("test_simple_lars_demo.dml")
    assert len(re.findall(r"update +\d+: rate", text)) == 5
    assert last(r"success: loss [\d.]+, accuracy ([\d.]+)", text) >= 0.9


def run_with(name: str, *arguments: str) -> str:
    out = io.StringIO()
    pydml.run(EXAMPLES / name, args=arguments, stdout=out, outputs=[])
    return out.getvalue()


def test_data_sets_are_described_copied_and_refused(elsewhere):
    made = run_with("imagenet_loader.dml")
    assert "train  40 images of 3 x 64 x 64, pixels from 0." in made
    copied = run_with("imagenet_loader.dml", "imagenet_sample", "copy")
    assert copied.splitlines()[:4] == made.splitlines()[1:]
    assert run_with("test_data_loading.dml", "copy").rstrip().endswith("all checks passed")
    np.savetxt("copy/shape.csv", [[3, 64, 64, 3]], fmt="%d", delimiter=",")
    with pytest.raises(pydml.DMLError, match="labels must be whole numbers from 1 to 3"):
        run_with("imagenet_loader.dml", "copy")
    np.savetxt("copy/shape.csv", [[3, 64, 60, 10]], fmt="%d", delimiter=",")
    with pytest.raises(pydml.DMLError, match="12288 numbers each, but 3 x 64 x 60 are 11520"):
        run_with("test_data_loading.dml", "copy")


PARALLEL = """
source("nn/examples/mnist_lenet_distrib_sgd.dml") as d
source("nn/networks/lenet.dml") as lenet
model = lenet::init(1, 28, 28, 10, 1)
[G, loss] = d::parallel_gradients(X, Y, 1, 28, 28, 6, 4, model)
[gradients, whole_loss] = lenet::parameter_gradients(X, Y, 1, 28, 28, model)
whole = d::flat(gradients)
again = d::flat(d::from_flat(whole, model))
"""


def test_gradients_of_parallel_batches_average_to_that_of_the_whole():
    rng = np.random.default_rng(1)
    X, Y = rng.normal(size=(24, 784)), np.eye(10)[rng.integers(10, size=24)]
    r = pydml.run(PARALLEL, X=X, Y=Y, outputs=["G", "loss", "whole", "whole_loss", "again"])
    assert r.G.shape == (4, 61706)
    np.testing.assert_allclose(r.G.mean(0, keepdims=True), r.whole, rtol=1e-9, atol=1e-12)
    assert r.loss == pytest.approx(r.whole_loss)
    np.testing.assert_array_equal(r.again, r.whole)


def test_parallel_batches_learn_fashion_mnist():
    text = output_of("mnist_lenet_distrib_sgd-train.dml", data=DATA, epochs=1)
    assert last(r"test images: loss [\d.]+, accuracy ([\d.]+)", text) > 65


def test_alexnet_with_five_optimizers():
    text = output_of(
        "Example-ImageNet_AlexNet_Optimizers.dml", images=64, epochs=1, batch_size=16, width=0.0625, units=32, classes=3
    )
    rows = re.findall(r"^(\w+) +([\d.]+) +([\d.]+) +([\d.]+) %", text, re.M)
    assert [row[0] for row in rows] == ["sgd", "momentum", "adam", "lars", "lamb"]
    assert all(0 < float(row[1]) < 10 for row in rows)


def test_alexnet_with_growing_batches():
    text = output_of(
        "Example-ImageNet_AlexNet_LARS.dml", images=64, epochs=1, width=0.0625, units=32, classes=3, sizes=2
    )
    rows = re.findall(r"^ *(\d+) +(\w+) +([\d.]+) +([\d.]+) ", text, re.M)
    # square root and linear scaling of the rates 0.08 and 0.4 per 256 images
    assert [row[:3] for row in rows] == [
        ("16", "momentum", "0.0200"),
        ("16", "lars", "0.0250"),
        ("32", "momentum", "0.0283"),
        ("32", "lars", "0.0500"),
    ]


IMAGENET = """
source("nn/examples/imagenet_alexnet.dml") as imagenet
[X, Y] = imagenet::generate_dummy_data(48, 1, 64, 64, 3, 1)
[model, metrics] = imagenet::train_sized(X, rowIndexMax(Y), X, Y, 1, 64, 64, 6, "momentum", 0.02, 8, 0, 0.0625, 32, 1.0,
                                         0.05, 3, 0)
probs = imagenet::predict(X, 1, 64, 64, model)
[loss, top1, top5] = imagenet::eval(probs, rowIndexMax(Y))
"""


def test_alexnet_takes_class_numbers_and_one_hot_targets():
    r = pydml.run(IMAGENET, outputs=["metrics", "probs", "top1", "top5", "loss"])
    assert r.metrics.shape == (6, 5)
    assert r.metrics[-1, 1] < 0.3 * r.metrics[0, 1]
    assert (r.metrics[-1, 3], r.metrics[-1, 2]) == (pytest.approx(r.top1), pytest.approx(r.loss))
    assert r.top1 > 0.9 and r.top5 == 1


def test_an_unknown_optimizer_is_refused():
    with pytest.raises(pydml.DMLError, match="optimizer must be sgd, momentum, adam, lars or lamb, not lion"):
        pydml.run(IMAGENET.replace("momentum", "lion"))


RESTORE = """
source("nn/networks/resnet50_LARS.dml") as resnet50
saved = read($path)
[model, emas] = resnet50::restored_parameters(saved, 1, 4, 10)
again = resnet50::flat_parameters(model, emas)
X = rand(rows=2, cols=32*32, seed=1)
Y = table(seq(1, 2), matrix("1 2", rows=2, cols=1), 2, 10)
[top1, top5] = resnet50::test_accuracy(X, Y, 32, 32, model, emas)
"""


def test_resnet50_trains_and_its_model_comes_back_from_the_file(tmp_path):
    path = str(tmp_path / "model")
    options = {
        "images": 96,
        "test_images": 40,
        "epochs": 1,
        "batch_size": 32,
        "image_size": 32,
        "width": 4,
        "model": path,
    }
    text = output_of("Example-ResNet50_LARS.dml", data=DATA, **options)
    assert 0 <= last(r"top-1 accuracy: ([\d.]+)", text) <= last(r"top-5 accuracy: ([\d.]+)", text)
    r = pydml.run(RESTORE, nvargs={"path": path}, outputs=["saved", "again", "model", "emas"])
    assert (len(r.saved), len(r.model), len(r.emas)) == (161 + 106, 9, 6)
    for a, b in zip(r.saved, r.again, strict=True):
        np.testing.assert_array_equal(a, b)


def test_resnet50_debug_prints_every_layer():
    text = output_of(
        "Example-ResNet50_LARS_debug.dml", data=DATA, images=16, epochs=1, batch_size=8, image_size=32, width=2
    )
    assert "entry 161" in text
    # 54 weight matrices, printed in two single steps and two updates
    assert len(re.findall(r"^  layer 54 ", text, re.M)) == 4

"""AlexNet and LeNet: gradients against central differences, lists, training, and the example scripts that check themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pydml

EXAMPLES = Path(__file__).parents[2] / "scripts" / "nn" / "examples"

# One loss and its gradients; dropout is off, so that differences work.
ALEXNET_LOSS = """
source("nn/networks/alexnet.dml") as alexnet
[probs, cached_out] = alexnet::forward(X, 1, 63, 65, model, "train", 1)
loss = sum(R * probs)
[dX, gradients] = alexnet::backward(R, cached_out, model, 1, 63, 65, 1)
"""

LENET_LOSS = """
source("nn/networks/lenet.dml") as lenet
[probs, cached_out] = lenet::forward(X, 2, 13, 14, model)
loss = sum(R * probs)
[dX, gradients] = lenet::backward(R, cached_out, model, 2, 13, 14)
"""


def random_model(model, rng):
    """The same shapes, with biases, scales and shifts away from their initial 0 and 1."""
    return [np.asarray(p) + 0.1 * rng.random(np.shape(p)) * (np.ptp(p) == 0) for p in model]


def check_gradients(script, model, X, R, rng, cells=2):
    run = pydml.compile(script, inputs=["X", "R", "model"], outputs=["loss", "dX", "gradients"])
    result = run(X=X, R=R, model=model)
    gradients = [np.asarray(result["dX"]), *(np.asarray(g) for g in result["gradients"])]
    assert len(gradients) == len(model) + 1
    values = [X, *model]
    for k, (value, gradient) in enumerate(zip(values, gradients, strict=True)):
        assert gradient.shape == value.shape
        # the largest gradients: small ones drown in the rounding of the loss
        for flat in np.argsort(-np.abs(gradient), axis=None)[:cells]:
            cell, losses = np.unravel_index(flat, value.shape), []
            for h in (1e-6, -1e-6):
                moved = [v.copy() for v in values]
                moved[k][cell] += h
                losses.append(run(X=moved[0], R=R, model=moved[1:])["loss"])
            difference = (losses[0] - losses[1]) / 2e-6
            assert gradient[cell] == pytest.approx(difference, rel=1e-4, abs=1e-7), f"entry {k}, cell {cell}"


@pytest.mark.parametrize("with_bn", [False, True], ids=["LRN", "BN"])
def test_alexnet_gradients(with_bn):
    rng = np.random.default_rng(1)
    alexnet = pydml.source("nn/networks/alexnet.dml")
    model, emas = alexnet.init_sized(1, 63, 65, 3, 0.03, 5, with_bn, 4)
    assert (len(model), len(emas)) == ((36, 10) if with_bn else (16, 0))
    check_gradients(ALEXNET_LOSS, random_model(model, rng), rng.normal(size=(3, 63 * 65)), rng.normal(size=(3, 3)), rng)


def test_lenet_gradients():
    rng = np.random.default_rng(2)
    model = pydml.source("nn/networks/lenet.dml").init(2, 13, 14, 3, 4)
    check_gradients(
        LENET_LOSS, random_model(model, rng), rng.normal(size=(3, 2 * 13 * 14)), rng.normal(size=(3, 3)), rng
    )


def test_alexnet_of_full_size_has_the_shapes_of_the_paper():
    alexnet = pydml.source("nn/networks/alexnet.dml")
    assert alexnet.calculate_conv_output_size(224, 224) == alexnet.calculate_conv_output_size(227, 227) == 9216
    assert alexnet.calculate_conv_output_size(64, 64) == 256
    shapes = [np.shape(p) for p in alexnet.init(3, 64, 64, 10, 1)]
    assert shapes[::2] == [
        (96, 363),
        (256, 2400),
        (384, 2304),
        (384, 3456),
        (256, 3456),
        (256, 4096),
        (4096, 4096),
        (4096, 10),
    ]
    # with fc6 and fc8 for 224 x 224 images of 1000 classes: the number of one tower without groups
    of_the_paper = [*shapes[:10], (9216, 4096), *shapes[11:14], (4096, 1000), (1, 1000)]
    assert sum(rows * columns for rows, columns in of_the_paper) == 62_378_344
    assert shapes[1::2] == [(96, 1), (256, 1), (384, 1), (384, 1), (256, 1), (1, 4096), (1, 4096), (1, 10)]


def test_images_below_63_pixels_are_refused():
    with pytest.raises(pydml.DMLError, match="at least 63 x 63"):
        pydml.source("nn/networks/alexnet.dml").calculate_conv_output_size(62, 200)


def test_equal_layers_start_out_different():
    lenet = pydml.source("nn/networks/lenet.dml")
    first, second = (lenet.init(1, 28, 28, 84, seed) for seed in (1, 2))
    again = lenet.init(1, 28, 28, 84, 1)
    for i in range(0, 10, 2):
        np.testing.assert_array_equal(first[i], again[i])
        assert not np.array_equal(first[i], second[i])
    assert sum(np.size(p) for p in lenet.init(1, 28, 28, 10, 1)) == 61706


OPTIMIZERS = ("sgd", "momentum", "adam", "lars", "variant", "lamb")
UPDATES = """
source("nn/networks/alexnet.dml") as alexnet
sgd = alexnet::update_params_with_sgd(model, gradients, 0.1)
[momentum, v] = alexnet::update_params_with_sgd_momentum(model, gradients, 0.1, 0.9,
                                                         alexnet::init_sgd_momentum_optim_params(model))
[adam, moments] = alexnet::update_params_with_adam(model, gradients, 0.1, 0.9, 0.999, 1e-8, 0,
                                                   alexnet::init_adam_optim_params(model))
[lars, u] = alexnet::update_params_with_lars(model, gradients, 0.1, 0.9, 0.5, 0.001, alexnet::init_lars_optim_params(model))
[variant, u] = alexnet::update_params_with_lars(model, gradients, 0.1, 0.9, 0.5, 0.001, alexnet::init_lars_optim_params(model),
                                                TRUE)
[lamb, moments] = alexnet::update_params_with_lamb(model, gradients, 0.1, 0.9, 0.999, 1e-8, 0.5, 0,
                                                   alexnet::init_lamb_optim_params(model))
"""


@pytest.mark.parametrize("with_bn", [False, True], ids=["LRN", "BN"])
def test_updates_train_everything_but_the_moving_averages(with_bn):
    alexnet = pydml.source("nn/networks/alexnet.dml")
    model, _ = alexnet.init_sized(1, 63, 63, 3, 0.03, 5, with_bn, 4)
    model = [np.asarray(p) for p in model]
    # gradients of averages are zero by contract; even others must not move them
    gradients = [np.full(p.shape, 0.3) for p in model]
    result = pydml.run(UPDATES, model=model, gradients=gradients, outputs=list(OPTIMIZERS))
    kinds = [alexnet.parameter_kind(i + 1, len(model)) for i in range(len(model))]
    assert kinds.count("weight") == 8 and kinds.count("average") == (10 if with_bn else 0)
    for i, (p, kind) in enumerate(zip(model, kinds, strict=True)):
        if kind == "average":
            for name in OPTIMIZERS:
                np.testing.assert_array_equal(result[name][i], p)
            continue
        np.testing.assert_allclose(result["sgd"][i], p - 0.03)
        np.testing.assert_allclose(result["momentum"][i], p - 0.03)
        np.testing.assert_allclose(result["adam"][i], p - 0.1, rtol=0, atol=2e-7)
        steps = {"lars": 0.03, "variant": 0.03, "lamb": 0.1}
        if kind == "weight":
            norm = np.linalg.norm(p)
            for name, of in (("lars", gradients[i]), ("variant", gradients[i] + 0.5 * p)):
                steps[name] = 0.1 * 0.001 * norm / (np.linalg.norm(of) + 0.5 * norm) * (0.3 + 0.5 * p)
            steps["lamb"] = 0.1 * norm / np.linalg.norm(1 + 0.5 * p) * (1 + 0.5 * p)
        for name, step in steps.items():
            np.testing.assert_allclose(result[name][i], p - step, atol=1e-7, err_msg=f"{name}, {kind} {i + 1}")


def test_a_batch_in_pieces_has_the_same_gradients_without_batch_norm():
    alexnet = pydml.source("nn/networks/alexnet.dml")
    rng = np.random.default_rng(3)
    model, _ = alexnet.init_sized(1, 63, 63, 3, 0.03, 5, False, 4)
    X, Y = rng.normal(size=(5, 63 * 63)), np.eye(3)[rng.integers(3, size=5)]
    whole, _, loss = alexnet.batch_gradients(X, Y, 1, 63, 63, model, 0, 1.0, 0.9)
    pieces, _, loss_of_pieces = alexnet.batch_gradients(X, Y, 1, 63, 63, model, 2, 1.0, 0.9)
    assert loss == pytest.approx(loss_of_pieces)
    for a, b in zip(whole, pieces, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_batch_norm_averages_are_fed_back_and_serve_evaluation():
    alexnet = pydml.source("nn/networks/alexnet.dml")
    rng = np.random.default_rng(4)
    X, Y = rng.normal(size=(8, 64 * 64)), np.eye(4)[np.arange(8) % 4]
    start, _ = alexnet.init_sized(1, 64, 64, 4, 0.0625, 32, True, 4)
    options = (15, 8, 0, 0.05, 8, 2.0, 2.0, 0.9, 5e-4, 0.1, 1.0, 1, 0)
    model, losses, accuracies = alexnet.train(X, Y, X, Y, 1, 64, 64, start, *options)
    losses = np.ravel(losses)
    assert losses[-1] < 0.2 * losses[0]
    for i in range(4, 30, 6):
        assert not np.array_equal(model[i], start[i]) and not np.array_equal(model[i + 1], start[i + 1])
        assert (np.asarray(model[i + 1]) > 0).all()
    assert np.ravel(accuracies)[-1] > 0.5


def test_top_k_accuracy_counts_ties_against_the_network():
    alexnet = pydml.source("nn/networks/alexnet.dml")
    scores = np.array([[0.1, 0.2, 0.7], [0.2, 0.2, 0.6], [0.5, 0.3, 0.2]])
    truth = np.eye(3)[[1, 0, 0]]
    assert alexnet.top_k_accuracy(scores, truth, 1) == pytest.approx(1 / 3)
    assert alexnet.top_k_accuracy(scores, truth, 2) == pytest.approx(2 / 3)
    assert alexnet.top_k_accuracy(scores, truth, 3) == 1
    assert alexnet.top_k_accuracy(np.full((3, 3), np.nan), truth, 3) == 0


@pytest.mark.parametrize("optimizer, rate", [("lars", 0.2), ("lamb", 0.03), ("momentum", 0.05)])
def test_lenet_learns_twenty_random_images_by_heart(optimizer, rate):
    lenet = pydml.source("nn/networks/lenet.dml")
    rng = np.random.default_rng(5)
    X, Y = rng.random((20, 784)), np.eye(10)[np.arange(20) % 10]
    start = lenet.init(1, 28, 28, 10, 3)
    _, losses, accuracies = lenet.train(
        X, Y, X, Y, 1, 28, 28, start, optimizer, 30, 20, 8, rate, 1, 1.0, 0.9, 1e-4, 0.02, 7, 0
    )
    assert np.ravel(accuracies)[-1] == 1
    assert np.ravel(losses)[-1] < 0.2


def test_a_training_that_diverges_says_so():
    lenet = pydml.source("nn/networks/lenet.dml")
    rng = np.random.default_rng(5)
    X, Y = rng.random((20, 784)), np.eye(10)[np.arange(20) % 10]
    start = lenet.init(1, 28, 28, 10, 3)
    with pytest.raises(pydml.DMLError, match="diverged, try a lower rate"):
        lenet.train(X, Y, X, Y, 1, 28, 28, start, "momentum", 20, 20, 0, 1e200, 0, 1.0, 0.9, 0, 0.02, 7, 0)


def test_lenet_refuses_an_unknown_optimizer():
    lenet = pydml.source("nn/networks/lenet.dml")
    X, Y = np.zeros((2, 784)), np.eye(10)[:2]
    with pytest.raises(pydml.DMLError, match="lars, lamb or momentum"):
        lenet.train(X, Y, X, Y, 1, 28, 28, lenet.init(1, 28, 28, 10, 3), "sgd", 1, 2, 0, 0.1, 0, 1.0, 0.9, 0, 0.1, 1, 0)


@pytest.mark.parametrize("name", ["test_lars", "test_alexnet_bn_lars_minimal", "alexnet_lars_tests"])
def test_example_checks_itself(name, capsys):
    pydml.run(EXAMPLES / f"{name}.dml")
    assert "passed" in capsys.readouterr().out

"""The optimizers and schedules against their formulas and PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from torch_optional import torch

import pydml

RNG = np.random.default_rng(7)
X0 = RNG.normal(size=(4, 3))
GRADIENTS = RNG.normal(size=(50, 4, 3))


def source(name):
    return pydml.source(f"nn/optim/{name}.dml")


def torch_steps(build):
    p = torch.nn.Parameter(torch.tensor(X0))
    optimizer = build([p])
    for gradient in GRADIENTS:
        p.grad = torch.tensor(gradient)
        optimizer.step()
    return p.detach().numpy()


def steps(update, *state):
    X = X0
    for t, gradient in enumerate(GRADIENTS):
        X, *state = update(X, gradient, t, *state)
    return np.asarray(X)


def test_sgd_is_pytorchs():
    actual = steps(lambda X, dX, t: [source("sgd").update(X, dX, 0.1)])
    np.testing.assert_allclose(actual, torch_steps(lambda p: torch.optim.SGD(p, 0.1)), rtol=1e-10)


def test_momentum_is_pytorchs():
    momentum = source("sgd_momentum")
    actual = steps(lambda X, dX, t, v: momentum.update(X, dX, 0.1, 0.9, v), momentum.init(X0))
    np.testing.assert_allclose(
        actual, torch_steps(lambda p: torch.optim.SGD(p, 0.1, momentum=0.9)), rtol=1e-10, atol=1e-12
    )


def test_nesterov_is_pytorchs():
    nesterov = source("sgd_nesterov")
    actual = steps(lambda X, dX, t, v: nesterov.update(X, dX, 0.1, 0.9, v), nesterov.init(X0))
    expected = torch_steps(lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, nesterov=True))
    np.testing.assert_allclose(actual, expected, rtol=1e-10, atol=1e-12)


def test_adam_is_pytorchs_where_epsilon_does_not_matter():
    adam = source("adam")
    actual = steps(lambda X, dX, t, m, v: adam.update(X, dX, 0.1, 0.9, 0.999, 1e-16, t, m, v), *adam.init(X0))
    np.testing.assert_allclose(actual, torch_steps(lambda p: torch.optim.Adam(p, 0.1, eps=1e-16)), rtol=1e-10)


def test_adam_adds_epsilon_to_the_uncorrected_root():
    X, _, _ = source("adam").update(X0, GRADIENTS[0], 0.1, 0.9, 0.999, 0.5, 0, 0 * X0, 0 * X0)
    m, v = 0.1 * GRADIENTS[0], 0.001 * GRADIENTS[0] ** 2
    np.testing.assert_allclose(X, X0 - 0.1 * np.sqrt(0.001) / 0.1 * m / (np.sqrt(v) + 0.5), rtol=1e-12)


def lars_reference(X, dX, v, adapt=True, decayed_norm=False):
    lr, mu, decay, trust = 0.5, 0.9, 0.01, 0.02
    norms = np.linalg.norm(X), np.linalg.norm(dX + decay * X if decayed_norm else dX)
    local = trust * norms[0] / (norms[1] + decay * norms[0]) if adapt and min(norms) > 0 else 1.0
    v = mu * v + lr * local * (dX + decay * X)
    return X - v, v


@pytest.mark.parametrize("decayed_norm", [False, True])
def test_lars_is_the_papers_rule_and_its_variant(decayed_norm):
    lars = source("lars")
    actual = steps(lambda X, dX, t, v: lars.update(X, dX, 0.5, 0.9, v, 0.01, 0.02, decayed_norm), lars.init(X0))
    X, v = X0, 0 * X0
    for gradient in GRADIENTS:
        X, v = lars_reference(X, gradient, v, decayed_norm=decayed_norm)
    np.testing.assert_allclose(actual, X, rtol=1e-10)
    other, _ = lars_reference(X0, GRADIENTS[0], 0 * X0, decayed_norm=not decayed_norm)
    assert not np.allclose(
        lars.update(X0, GRADIENTS[0], 0.5, 0.9, 0 * X0, 0.01, 0.02, decayed_norm)[0], other, rtol=1e-6
    )


@pytest.mark.parametrize("shape", [(1, 12), (12, 1)])
def test_lars_gives_vectors_the_global_rate_unless_told_to_adapt(shape):
    lars, X, dX = source("lars"), X0.reshape(shape), GRADIENTS[0].reshape(shape)
    plain, _ = lars.update(X, dX, 0.5, 0.9, 0 * X, 0.01, 0.02)
    np.testing.assert_allclose(plain, lars_reference(X, dX, 0 * X, adapt=False)[0], rtol=1e-12)
    adapted, _ = lars.update_layer(X, dX, 0.5, 0.9, 0 * X, 0.01, 0.02, True)
    np.testing.assert_allclose(adapted, lars_reference(X, dX, 0 * X)[0], rtol=1e-12)


@pytest.mark.parametrize("X, dX", [(0 * X0, GRADIENTS[0]), (X0, 0 * X0)], ids=["weights", "gradient"])
def test_lars_takes_the_global_rate_where_a_norm_is_zero(X, dX):
    assert source("lars").local_rate(X, dX, 0.01, 0.02) == 1.0
    updated, _ = source("lars").update(X, dX, 0.5, 0.9, 0 * X, 0.01, 0.02)
    np.testing.assert_allclose(updated, X - 0.5 * (dX + 0.01 * X), rtol=1e-12)


def test_lars_without_trust_ratio_and_decay_is_momentum():
    lars, momentum = source("lars"), source("sgd_momentum")
    actual = steps(lambda X, dX, t, v: lars.update_layer(X, dX, 0.1, 0.9, v, 0.0, 0.001, False), lars.init(X0))
    expected = steps(lambda X, dX, t, v: momentum.update(X, dX, 0.1, 0.9, v), momentum.init(X0))
    np.testing.assert_allclose(actual, expected, rtol=1e-12)


def test_lamb_is_the_papers_rule():
    lamb = source("lamb")
    actual = steps(lambda X, dX, t, m, v: lamb.update(X, dX, 0.1, 0.9, 0.99, 1e-6, 0.01, t, m, v), *lamb.init(X0))
    X, m, v = X0, 0 * X0, 0 * X0
    for t, g in enumerate(GRADIENTS, 1):
        m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g**2
        r = (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.99**t)) + 1e-6) + 0.01 * X
        X = X - 0.1 * np.linalg.norm(X) / np.linalg.norm(r) * r
    np.testing.assert_allclose(actual, X, rtol=1e-12)


def test_lamb_of_a_vector_and_of_zeros_is_adam_with_decay():
    lamb, x = source("lamb"), X0.reshape(1, -1)
    g = GRADIENTS[0].reshape(1, -1)
    updated, _, _ = lamb.update(x, g, 0.1, 0.9, 0.99, 1e-6, 0.01, 0, 0 * x, 0 * x)
    np.testing.assert_allclose(updated, x - 0.1 * (g / (np.abs(g) + 1e-6) + 0.01 * x), rtol=1e-12)
    zeros = 0 * X0
    updated, _, _ = lamb.update(zeros, GRADIENTS[0], 0.1, 0.9, 0.99, 1e-6, 0.01, 0, zeros, zeros)
    np.testing.assert_allclose(updated, -0.1 * np.sign(GRADIENTS[0]), rtol=1e-4)


@pytest.mark.parametrize(
    "epoch, iteration, expected",
    [(1, 1, 0.0128), (5, 2, 0.5376), (5, 10, 0.64), (100, 10, 0.0)],
)
def test_the_rate_of_lars_warms_up_linearly_and_decays_quadratically(epoch, iteration, expected):
    rate = source("lars_util").get_lr_with_warmup(0.02, epoch, iteration, 100, 10, 8192, 256, 5, 2)
    assert rate == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_without_warmup_the_rate_starts_to_decay_at_once():
    assert source("lars_util").get_lr_with_warmup(0.02, 1, 5, 1, 10, 256, 256, 0, 2) == pytest.approx(0.02 * 0.25)


SCHEDULES = [
    ("linear_scaling", (0.1, 8192, 256), 3.2),
    ("sqrt_scaling", (0.1, 1024, 256), 0.2),
    ("linear_warmup", (2.0, 3, 10), 0.6),
    ("linear_warmup", (2.0, 11, 10), 2.0),
    ("linear_warmup", (2.0, 1, 0), 2.0),
    ("polynomial", (1.0, 25, 100, 2, 0), 0.5625),
    ("polynomial", (1.0, 200, 100, 2, 0.1), 0.1),
    ("imagenet_steps", (1.0, 29), 1.0),
    ("imagenet_steps", (1.0, 60), 0.01),
    ("imagenet_steps", (1.0, 89), 0.001),
    ("exponential", (1.0, 20, 10, 0.5), 0.25),
    ("inverse_time", (0.01, 5000, 1, 1e-4), 0.01 / 1.5),
    ("cosine", (1.0, 0, 10, 0.2), 1.0),
    ("cosine", (1.0, 5, 10, 0.2), 0.6),
    ("cosine", (1.0, 10, 10, 0.2), 0.2),
    ("one_cycle", (1.0, 0, 100, 0.3, 25, 1e4), 0.04),
    ("one_cycle", (1.0, 30, 100, 0.3, 25, 1e4), 1.0),
    ("one_cycle", (1.0, 100, 100, 0.3, 25, 1e4), 4e-6),
    ("alexnet_lars_rate", (512,), 0.04),
    ("alexnet_lars_rate", (1024,), 0.08),
    ("alexnet_lars_rate", (4096,), 0.32),
    ("alexnet_lars_rate", (8192,), 0.64),
    ("resnet50_lars_rate", (256,), 0.1),
    ("resnet50_lars_rate", (1024,), 0.4),
    ("resnet50_lars_rate", (8192,), 3.2),
    ("resnet50_lars_rate", (32768,), 12.8),
    ("resnet50_warmup_epochs", (1024,), 5),
    ("resnet50_warmup_epochs", (256,), 5),
    ("resnet50_warmup_epochs", (8192,), 10),
    ("resnet50_warmup_epochs", (32768,), 25),
]


@pytest.mark.parametrize("name, arguments, expected", SCHEDULES, ids=lambda v: str(v))
def test_schedule(name, arguments, expected):
    assert getattr(source("schedules"), name)(*arguments) == pytest.approx(expected, rel=1e-12)


# batch size, LARS (linear), the others (square root); base 0.01 at 256
IMAGENET_RATES = [
    (256, 0.01, 0.01),
    (1024, 0.04, 0.02),
    (4096, 0.16, 0.04),
    (8192, 0.32, 0.01 * 32**0.5),
    (16384, 0.64, 0.08),
    (32768, 1.28, 0.01 * 128**0.5),
]


@pytest.mark.parametrize("batch_size, linear, root", IMAGENET_RATES)
def test_rates_of_alexnet_on_imagenet(batch_size, linear, root):
    lr_for = pydml.source("nn/examples/imagenet_alexnet.dml").lr_for
    assert lr_for("lars", 0.01, batch_size) == pytest.approx(linear, rel=1e-12)
    for optimizer in ("sgd", "momentum", "adam", "lamb"):
        assert lr_for(optimizer, 0.01, batch_size) == pytest.approx(root, rel=1e-12)


@pytest.mark.parametrize(
    "use_bn, batch_size, expected",
    [
        (True, 512, (0.02, 5, 100)),
        (True, 8192, (0.02, 5, 100)),
        (True, 32768, (0.02, 5, 200)),
        (False, 512, (0.01, 2, 100)),
    ],
)
def test_settings_of_alexnet_with_lars(use_bn, batch_size, expected):
    assert pydml.source("nn/networks/alexnet.dml").get_lars_hyperparams(batch_size, use_bn) == expected


@pytest.mark.parametrize("epoch, iteration, expected", [(1, 1, 0.0128), (5, 2, 0.5376), (5, 10, 0.64)])
def test_the_network_has_the_schedule_of_lars(epoch, iteration, expected):
    rate = pydml.source("nn/networks/alexnet.dml").get_lr_with_warmup(
        0.02, epoch, iteration, 100, 10, 8192, 256, 5, 2.0
    )
    assert rate == pytest.approx(expected, rel=1e-12)


def test_one_cycle_is_pytorchs():
    p = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([p], 0.1)
    # PyTorch counts from 0 and reaches the top at pct_start * total_steps - 1, here 10 of 40
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2.0, total_steps=41, pct_start=11 / 41)
    one_cycle = source("schedules").one_cycle
    for step in range(41):
        assert one_cycle(2.0, step, 40, 0.25, 25, 1e4) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-6)
        optimizer.step()
        scheduler.step()

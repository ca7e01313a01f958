"""ResNet, EfficientNet and U-Net: against PyTorch, parameter counts, optimizers over nested lists, learning by heart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from torch_optional import F, torch

import pydml

# ---- nested lists


def tree_map(function: Callable[[Any], Any], tree: Any) -> Any:
    return [tree_map(function, x) for x in tree] if isinstance(tree, list) else function(tree)


def leaves(tree: Any) -> Iterator[Any]:
    if isinstance(tree, list):
        for branch in tree:
            yield from leaves(branch)
    else:
        yield tree


def array(value: Any) -> np.ndarray:
    return value.toarray() if hasattr(value, "toarray") else np.asarray(value)


def test_parameter_lists_flatten_and_rebuild():
    library = pydml.source("nn/networks/param_list.dml")
    a, b, c, d, e, f = (np.full((i + 1, 2), float(i)) for i in range(6))
    nested, depths = [a, [b, c], [[d, e], [f]], [[]]], np.array([[0, 1, 2, 2]])
    flat = library.flatten(nested, depths)
    for value, expected in zip(flat, (a, b, c, d, e, f), strict=True):
        np.testing.assert_array_equal(value, expected)
    again = library.rebuild([2 * array(x) for x in flat], nested, depths)
    assert tree_map(lambda x: array(x).tolist(), again) == tree_map(lambda x: (2 * x).tolist(), nested)
    assert library.count(flat) == sum(x.size for x in (a, b, c, d, e, f))
    with pytest.raises(pydml.DMLError, match="needs as many depths, not 2"):
        library.flatten(nested, np.zeros((1, 2)))
    with pytest.raises(pydml.DMLError, match="has 6 matrices, the flat one 7"):
        library.rebuild([*flat, a], nested, depths)
    with pytest.raises(pydml.DMLError, match="only 5 matrices, fewer"):
        library.rebuild(flat[:5], nested, depths)


# ---- ResNet

BLOCKS = {"basic": ((3, 3), 0, 1), "bottleneck": ((1, 3, 1), 1, 4)}


def resnet_shapes(block_type: str, sizes: list[int], width: int, channels: int, classes: int) -> tuple[list, list]:
    """Shapes of the model and of its moving averages, nested."""
    filters, _, expansion = BLOCKS[block_type]
    norm = [(width, 1), (width, 1)]
    model: list[Any] = [(width, channels * 49), *norm]
    averages: list[Any] = [*norm]
    C_in = width
    for s, blocks in enumerate(sizes):
        C_base, stage, stage_averages = width * 2**s, [], []
        for i in range(blocks):
            C, block = C_in, []
            for k, size in enumerate(filters):
                C_out = C_base * (expansion if k == len(filters) - 1 else 1)
                block += [(C_out, C * size * size), (C_out, 1), (C_out, 1)]
                C = C_out
            if i == 0 and (s > 0 or C_in != C):
                block += [(C, C_in), (C, 1), (C, 1)]
            stage.append(block)
            stage_averages.append([shape for k in range(1, len(block), 3) for shape in block[k : k + 2]])
            C_in = C
        model.append(stage)
        averages.append(stage_averages)
    return [*model, (C_in, classes), (1, classes)], averages


def torch_resnet(X, H, W, block_type, sizes, P, averages, train):
    filters, strided, _ = BLOCKS[block_type]

    def norm(x, gamma, beta, mean, var):
        flat = [p.reshape(-1) for p in (mean, var, gamma, beta)]
        return F.batch_norm(x, *flat, train, 0.1, 1e-5)

    def conv(x, weights, size, stride):
        return F.conv2d(x, weights.reshape(weights.shape[0], -1, size, size), stride=stride, padding=(size - 1) // 2)

    x = X.reshape(X.shape[0], -1, H, W)
    x = F.max_pool2d(F.relu(norm(conv(x, P[0], 7, 2), *P[1:3], *averages[:2])), 3, 2, 1)
    n = len(filters)
    for s, blocks in enumerate(sizes):
        for i in range(blocks):
            p, e = P[3 + s][i], averages[2 + s][i]
            a, stride = x, 2 if i == 0 and s > 0 else 1
            for k, size in enumerate(filters):
                a = norm(
                    conv(a, p[3 * k], size, stride if k == strided else 1),
                    *p[3 * k + 1 : 3 * k + 3],
                    *e[2 * k : 2 * k + 2],
                )
                a = F.relu(a) if k < n - 1 else a
            if len(p) > 3 * n:
                x = norm(conv(x, p[3 * n], 1, stride), *p[3 * n + 1 :], *e[2 * n :])
            x = F.relu(a + x)
    return x.mean((2, 3)) @ P[-2] + P[-1]


RESNET = """
source("nn/networks/resnet.dml") as resnet
[out, emas_upd, cache, means_vars] = resnet::resnet_forward(X, H, W, block_type, sizes, model, mode, emas)
[dX, gradients] = resnet::resnet_backward(dout, cache, block_type, sizes, model, means_vars)
only_gradients = resnet::parameter_gradients(dout, cache, block_type, sizes, model, means_vars)
"""


@pytest.mark.parametrize("block_type, sizes, width", [("basic", [2, 1], 3), ("bottleneck", [1, 2, 1], 2)])
def test_resnet_is_pytorchs(block_type, sizes, width):
    rng = np.random.default_rng(1)
    N, C, H, W, K = 3, 2, 69, 50, 3
    shapes, ema_shapes = resnet_shapes(block_type, sizes, width, C, K)
    model = tree_map(lambda shape: 0.5 * rng.normal(size=shape), shapes)
    emas = tree_map(lambda shape: rng.uniform(0.5, 1.5, size=shape), ema_shapes)
    X, dout = rng.normal(size=(N, C * H * W)), rng.normal(size=(N, K))
    given = {
        "X": X,
        "H": H,
        "W": W,
        "block_type": block_type,
        "sizes": sizes,
        "model": model,
        "emas": emas,
        "dout": dout,
    }

    x, P = torch.tensor(X, requires_grad=True), tree_map(lambda p: torch.tensor(p, requires_grad=True), model)
    for mode in ("train", "test"):
        averages = tree_map(lambda e: torch.tensor(e.copy()), emas)
        expected = torch_resnet(x, H, W, block_type, sizes, P, averages, mode == "train")
        result = pydml.run(RESNET, **given, mode=mode, outputs=["out", "emas_upd", "dX", "gradients", "only_gradients"])
        np.testing.assert_allclose(result.out, expected.detach().numpy(), rtol=1e-10)
        # the means; PyTorch averages unbiased variances
        for actual, average in zip(list(leaves(result.emas_upd))[::2], list(leaves(averages))[::2], strict=True):
            np.testing.assert_allclose(actual, average.numpy(), rtol=1e-10, atol=1e-12)
        if mode == "train":
            (expected * torch.tensor(dout)).sum().backward()
            np.testing.assert_allclose(result.dX, x.grad.numpy(), rtol=1e-8, atol=1e-10 * float(x.grad.abs().max()))
            scale = max(float(p.grad.abs().max()) for p in leaves(P))
            for gradients in (result.gradients, result.only_gradients):
                for actual, p in zip(leaves(gradients), leaves(P), strict=True):
                    np.testing.assert_allclose(actual, p.grad.numpy(), rtol=1e-8, atol=1e-12 * scale)


@pytest.mark.parametrize(
    "depth, parameters",
    # those of torchvision's networks
    [(18, 11_689_512), (34, 21_797_672), (50, 25_557_032), (101, 44_549_160), (152, 60_192_808)],
)
def test_resnets_have_the_published_number_of_parameters(depth, parameters):
    script = f"""
source("nn/networks/resnet{depth}.dml") as net
source("nn/networks/resnet.dml") as resnet
[model, emas] = net::init(1000, 3)
n = resnet::parameter_count(model)
"""
    assert pydml.run(script, outputs=["n"]).n == parameters


def test_layers_of_one_shape_start_out_different():
    resnet = pydml.source("nn/networks/resnet.dml")
    model, _ = resnet.init_sized(4, "bottleneck", [3, 2], 1, 4, 7)
    again, _ = resnet.init_sized(4, "bottleneck", [3, 2], 1, 4, 7)
    weights = [array(p) for p in leaves(model) if p.shape[1] > 1]
    for a, b in zip(leaves(model), leaves(again), strict=True):
        np.testing.assert_array_equal(a, b)
    for i, a in enumerate(weights):
        for b in weights[:i]:
            assert a.shape != b.shape or not np.array_equal(a, b)


UPDATES = {
    # name: arguments between lr and the state, first step of a gradient of 0.3 from a state of zeros with lr 0.1
    "sgd_momentum": ("0.9", lambda p: 0.03),
    "sgd_nesterov": ("0.9", lambda p: 0.03 * 1.9),
    "adagrad": ("1e-8", lambda p: 0.1),
    "rmsprop": ("0.9, 1e-8", lambda p: 0.1 / np.sqrt(0.1)),
    "adam": ("0.9, 0.999, 1e-8, 0", lambda p: 0.1),
    "lamb": ("0.9, 0.999, 1e-8, 0.5, 0", lambda p: 0.1),
}


@pytest.mark.parametrize("name", [*UPDATES, "sgd", "lars"])
def test_optimizers_update_every_parameter_of_a_nested_model(name):
    # two stages of ResNet-18's kind suffice; the functions of resnet18.dml are those of resnet.dml with a fixed description
    arguments = UPDATES[name][0] if name in UPDATES else "0.9, 0.5, 0.001"
    script = f"""
source("nn/networks/resnet.dml") as resnet
state = resnet::{"adam_state_like" if name in ("adam", "lamb") else "zeros_like"}(model)
{"" if name == "sgd" else "[upd, state] ="} resnet::update_params_with_{name}(model, gradients, 0.1{"" if name == "sgd" else f", {arguments}, state"})
"""
    if name == "sgd":
        script = script.replace(" resnet::update", "upd = resnet::update")
    shapes, _ = resnet_shapes("basic", [2, 1], 3, 2, 4)
    rng = np.random.default_rng(2)
    model = tree_map(lambda shape: rng.normal(size=shape), shapes)
    gradients = tree_map(lambda shape: np.full(shape, 0.3), shapes)
    result = pydml.run(script, model=model, gradients=gradients, outputs=["upd", "state"])
    flat = list(leaves(result.upd))
    assert tree_map(lambda p: array(p).shape, result.upd) == tree_map(lambda p: p.shape, model)
    for i, (actual, p) in enumerate(zip(flat, leaves(model), strict=True)):
        step: Any = 0.03
        weight = (i % 3 == 0 and i < len(flat) - 1) or i == len(flat) - 2
        if name == "lamb" and weight:
            direction = 1 + 0.5 * p
            step = 0.1 * np.linalg.norm(p) / np.linalg.norm(direction) * direction
        elif name in UPDATES:
            step = UPDATES[name][1](p)
        elif name == "lars" and weight:
            norm = np.linalg.norm(p)
            step = 0.1 * 0.001 * norm / (np.linalg.norm(np.full(p.shape, 0.3)) + 0.5 * norm) * (0.3 + 0.5 * p)
        np.testing.assert_allclose(actual, p - step, atol=1e-6, err_msg=f"{name}, entry {i + 1}")


RESNET18 = """
source("nn/networks/resnet18.dml") as net
[model, emas] = net::init(10, 1)
X = rand(rows=2, cols=3*33*32, pdf="normal", seed=2)
[out, emas_upd, cache, means_vars] = net::forward(X, 33, 32, model, "train", emas)
[dX, gradients] = net::backward(out, cache, model, means_vars)
state = net::init_adam_optim_params(10)
[model1, state1] = net::update_params_with_adam(model, gradients, 0.01, 0.9, 0.999, 1e-8, 0, state)
velocity = net::init_lars_optim_params(10)
[model2, velocity2] = net::update_params_with_lars(model, gradients, 0.01, 0.9, 1e-4, 0.001, velocity)
moments = net::init_lamb_optim_params(10)
[model3, moments3] = net::update_params_with_lamb(model, gradients, 0.01, 0.9, 0.999, 1e-6, 1e-4, 0, moments)
"""


def test_resnet18_through_its_own_file():
    names = "model model1 model2 model3 state1 moments3 velocity2 out dX emas_upd"
    result = pydml.run(RESNET18, outputs=names.split())
    assert result.out.shape == (2, 10) and result.dX.shape == (2, 3 * 33 * 32)
    shapes, ema_shapes = resnet_shapes("basic", [2, 2, 2, 2], 64, 3, 10)
    for name in ("model", "model1", "model2", "model3", "velocity2"):
        assert tree_map(lambda p: array(p).shape, result[name]) == shapes
    assert tree_map(lambda p: array(p).shape, result.emas_upd) == ema_shapes
    for name in ("state1", "moments3"):
        assert tree_map(lambda p: array(p).shape, result[name]) == tree_map(lambda shape: [shape, shape], shapes)
    assert all(not np.array_equal(a, b) for a, b in zip(leaves(result.model), leaves(result.model1), strict=True))


PIECES = """
source("nn/networks/resnet_training.dml") as t
source("nn/networks/resnet.dml") as resnet
[model, emas] = resnet::init_sized(3, "basic", list(1), 1, 3, 5)
[whole, e1, loss1] = t::batch_gradients(X, Y, 32, 32, "basic", list(1), model, emas, 0)
[first, e2, loss2] = t::batch_gradients(X[1:4,], Y[1:4,], 32, 32, "basic", list(1), model, emas, 0)
[second, e3, loss3] = t::batch_gradients(X[5:6,], Y[5:6,], 32, 32, "basic", list(1), model, e2, 0)
[pieces, e4, loss4] = t::batch_gradients(X, Y, 32, 32, "basic", list(1), model, emas, 4)
"""


def test_a_batch_in_pieces_adds_the_gradients_and_moves_the_averages_piece_by_piece():
    rng = np.random.default_rng(3)
    X, Y = rng.normal(size=(6, 32 * 32)), np.eye(3)[rng.integers(3, size=6)]
    r = pydml.run(PIECES, X=X, Y=Y, outputs=["first", "second", "pieces", "e3", "e4", "loss2", "loss3", "loss4"])
    assert r.loss4 == pytest.approx((4 * r.loss2 + 2 * r.loss3) / 6)
    for a, b, c in zip(leaves(r.first), leaves(r.second), leaves(r.pieces), strict=True):
        np.testing.assert_allclose(c, (4 * array(a) + 2 * array(b)) / 6, rtol=1e-9, atol=1e-12)
    for a, b in zip(leaves(r.e3), leaves(r.e4), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


LEARN = """
source("nn/networks/resnet_training.dml") as t
source("nn/networks/resnet.dml") as resnet
X = rand(rows=12, cols=32*32, pdf="normal", seed=1)
Y = table(seq(1, 12), matrix("1 2 3 1 2 3 1 2 3 1 2 3", rows=12, cols=1), 12, 3)
sizes = list(1, 1)
[model, emas] = resnet::init_sized(3, "basic", sizes, 1, 6, 5)
[model, emas, metrics] = t::train(X, Y, X, Y, 32, 32, "basic", sizes, model, emas, optimizer, 60, 12, 0, rate, 12, 3, 2, 0.9,
                                  1e-4, 0.02, 7, 0)
emas = t::settle_averages(X, 32, 32, "basic", sizes, model, emas, 12, 50)
[loss, top1, top5] = t::evaluate(X, Y, 32, 32, "basic", sizes, model, emas, 5)
"""


@pytest.mark.parametrize("optimizer, rate", [("lamb", 0.02), ("momentum", 0.05)])
def test_resnet_learns_twelve_random_images_by_heart(optimizer, rate):
    r = pydml.run(LEARN, optimizer=optimizer, rate=rate, outputs=["metrics", "top1", "top5", "loss"])
    losses = r.metrics[:, 1]
    assert losses[-1] < 0.1 * losses[0]
    assert (r.top1, r.top5) == (1, 1)
    assert r.loss < 0.5
    np.testing.assert_array_equal(r.metrics[:, 0], np.arange(1, 61))


def test_an_unknown_optimizer_and_block_are_refused():
    with pytest.raises(pydml.DMLError, match="optimizer must be lars, lamb or momentum, not adam"):
        pydml.run(LEARN, optimizer="adam", rate=0.1)
    with pytest.raises(pydml.DMLError, match="block_type must be basic or bottleneck, not wide"):
        pydml.source("nn/networks/resnet.dml").init(10, "wide", [1], 1)


@pytest.mark.parametrize("file", ["resnet50_LARS"])
def test_quick_tests_pass(file):
    pydml.run(f'source("nn/networks/{file}.dml") as net\nnet::quick_test()\n')


def test_resnet50_can_be_trained_without_data():
    script = """
source("nn/networks/resnet50_LARS.dml") as net
[model, metrics] = net::train_resnet50_lars(batch_size=4, epochs=2, base_lr=0.1, C=1, Hin=32, Win=32, classes=3, width=2,
                                            seed=1, verbosity=0)
"""
    r = pydml.run(script, outputs=["metrics", "model"])
    assert r.metrics.shape == (2, 4) and np.isfinite(r.metrics).all()
    assert len(r.model) == 9


# ---- EfficientNet

EFFICIENTNET = """
source("nn/networks/efficientnet.dml") as net
[out, cache, updates] = net::forward(X, 2, 17, 14, model, blocks, mode)
[dX, gradients] = net::backward(dout, cache, updates, 2, 17, 14, model, blocks)
updated = net::update_emas(model, updates)
[stepped, state] = net::update_params_with_sgd_momentum(model, gradients, 0.01, 0.9, net::zeros_like(model))
"""


def torch_mbconv(x, P, size, stride, skip, mode):
    def norm(x, i):
        gamma, beta, mean, var = (p.reshape(-1) for p in P[i : i + 4])
        return F.batch_norm(x, mean.detach().clone(), var.detach().clone(), gamma, beta, mode == "train", 0.1, 1e-5)

    def conv(x, i, k=1, **options):
        return F.conv2d(x, P[i].reshape(P[i].shape[0], -1, k, k), P[i + 1].reshape(-1), **options)

    a = F.silu(norm(conv(x, 0), 2)) if P[0].numel() else x
    a = F.silu(norm(conv(a, 6, size, stride=stride, padding=(size - 1) // 2, groups=a.shape[1]), 8))
    a = a * torch.sigmoid(conv(F.silu(conv(a.mean((2, 3), keepdim=True), 12)), 14))
    a = norm(conv(a, 16), 18)
    return a + x if skip else a


@pytest.mark.parametrize("mode", ["train", "test"])
def test_efficientnet_is_pytorchs(mode):
    rng = np.random.default_rng(1)
    blocks = np.array([[1, 4, 3, 1], [2, 6, 3, 2], [3, 6, 5, 1]])
    model = pydml.source("nn/networks/efficientnet.dml").init(3, 2, blocks, 4, 5, 1)
    model = tree_map(lambda p: array(p) + rng.uniform(0.1, 0.6, size=array(p).shape), model)
    X, dout = rng.normal(size=(3, 2 * 17 * 14)), rng.normal(size=(3, 3))
    x, P = torch.tensor(X, requires_grad=True), tree_map(lambda p: torch.tensor(p, requires_grad=True), model)

    def norm(x, gamma, beta, mean, var):
        flat = [p.reshape(-1) for p in (mean.detach().clone(), var.detach().clone(), gamma, beta)]
        return F.batch_norm(x, *flat, mode == "train", 0.1, 1e-5)

    a = F.conv2d(x.reshape(3, 2, 17, 14), P[0].reshape(4, 2, 3, 3), P[1].reshape(-1), stride=2, padding=1)
    a = F.silu(norm(a, *P[2:6]))
    for parameters, (_, Fout, size, stride) in zip(P[6], blocks, strict=True):
        a = torch_mbconv(a, parameters, int(size), int(stride), stride == 1 and a.shape[1] == Fout, mode)
    a = F.silu(norm(F.conv2d(a, P[7][:, :, None, None], P[8].reshape(-1)), *P[9:13]))
    expected = a.mean((2, 3)) @ P[13] + P[14]

    script = EFFICIENTNET
    if mode == "test":
        script = "\n".join(line for line in script.splitlines() if "gradients" not in line)
    result = pydml.run(script, X=X, dout=dout, model=model, blocks=blocks, mode=mode)
    np.testing.assert_allclose(result.out, expected.detach().numpy(), rtol=1e-9)
    if mode == "test":
        for a, b in zip(leaves(result.updated), leaves(model), strict=True):
            np.testing.assert_array_equal(a, b)
        return
    (expected * torch.tensor(dout)).sum().backward()
    np.testing.assert_allclose(result.dX, x.grad.numpy(), rtol=1e-7, atol=1e-9 * float(x.grad.abs().max()))
    scale = max(float(p.grad.abs().max()) for p in leaves(P) if p.grad is not None)
    library = pydml.source("nn/networks/efficientnet.dml")
    flat, averages = list(leaves(P)), 0
    for i, (gradient, p) in enumerate(zip(leaves(result.gradients), flat, strict=True)):
        assert array(gradient).shape == tuple(p.shape)
        if library.is_average(i + 1, len(flat)):
            averages += 1
            assert p.grad is None and not array(gradient).any()
        elif p.numel():
            np.testing.assert_allclose(
                gradient, p.grad.numpy(), rtol=1e-7, atol=1e-10 * scale, err_msg=f"entry {i + 1}"
            )
    assert averages == 2 * (1 + 3 * len(blocks) + 1)
    trained = [p for p in flat if p.grad is not None]
    torch.optim.SGD(trained, lr=0.01, momentum=0.9).step()
    for ours, p in zip(leaves(result.stepped), flat, strict=True):
        expected = p.detach().numpy()
        np.testing.assert_allclose(ours, expected, rtol=1e-8, atol=1e-8 * max(1.0, scale))
    changed = [
        not np.array_equal(a, b) for a, b in zip(leaves(result.updated), leaves(model), strict=True) if array(a).size
    ]
    assert sum(changed) == averages - 2  # the first block has no expansion


def test_efficientnet_b0_has_the_published_size():
    library = pydml.source("nn/networks/efficientnet.dml")
    blocks, stem, head = library.b0()
    blocks = array(blocks)
    assert blocks.shape == (16, 4) and (stem, head) == (32, 1280)
    model = library.init(1000, 3, blocks, stem, head, 1)
    # torchvision's network has no biases before a normalisation
    biases = stem + head
    channels = stem
    for expansion, filters, _, _ in blocks:
        biases += int(expansion * channels * (2 if expansion != 1 else 1) + filters)
        channels = filters
    assert library.parameter_count(model) - biases == 5_288_548
    # the published B4: 48 filters in the stem, 32 blocks, the last with 448 filters
    blocks, stem, head = library.scaled(1.4, 1.8)
    assert (array(blocks).shape, stem, head, array(blocks)[-1, 1]) == ((32, 4), 48, 1792, 448)


EFFICIENTNET_LEARNS = """
source("nn/networks/efficientnet.dml") as net
source("nn/layers/softmax_cross_entropy_loss.dml") as loss_layer
X = rand(rows=12, cols=16*16, pdf="normal", seed=1)
Y = table(seq(1, 12), matrix("1 2 3 1 2 3 1 2 3 1 2 3", rows=12, cols=1), 12, 3)
blocks = matrix("1 8 3 1 2 8 3 2 2 8 3 1", rows=3, cols=4)
model = net::init(3, 1, blocks, 8, 16, 4)
state = net::zeros_like(model)
losses = matrix(0, rows=15, cols=1)
for (i in 1:15) {
  [scores, cache, updates] = net::forward(X, 1, 16, 16, model, blocks, "train")
  losses[i, 1] = loss_layer::forward(scores, Y)
  [dX, gradients] = net::backward(loss_layer::backward(scores, Y), cache, updates, 1, 16, 16, model, blocks)
  [model, state] = net::update_params_with_rmsprop(model, gradients, 0.005, 0.9, 1e-8, state)
  model = net::update_emas(model, updates)
}
[model2, state2] = net::update_params_with_sgd_momentum(model, gradients, 0.5, 0.9, net::zeros_like(model))
"""


def test_the_optimizers_of_efficientnet():
    r = pydml.run(EFFICIENTNET_LEARNS, outputs=["losses", "model", "model2", "gradients"])
    assert r.losses[-1, 0] < 0.7 * r.losses[0, 0]
    for p, q, g in zip(leaves(r.model), leaves(r.model2), leaves(r.gradients), strict=True):
        np.testing.assert_allclose(q, array(p) - 0.5 * array(g), rtol=1e-9, atol=1e-12)


# ---- U-Net

UNET = """
source("nn/networks/unet.dml") as unet
[out, cache] = unet::forward(X, 8, 12, model)
[dX, gradients] = unet::backward(dout, cache, 8, 12, model)
[m, v] = unet::init_adam_optim_params(model)
[loss_gradients, loss] = unet::loss_gradients(X, Y, 8, 12, 3, model)
[stepped, m, v] = unet::update_params_with_adam(model, loss_gradients, 0.01, 0.9, 0.999, 1e-18, 0, m, v)
"""


@pytest.mark.parametrize("depth", [1, 2])
def test_unet_is_pytorchs(depth):
    rng = np.random.default_rng(2)
    N, C, H, W, K, width = 2, 2, 8, 12, 3, 3
    model = pydml.source("nn/networks/unet.dml").init(K, C, depth, width, 1)
    # small scores: the loss adds 1e-10 to probabilities, its gradient here does not
    model = [0.4 * (array(p) + rng.uniform(0, 0.2, size=array(p).shape)) for p in model]
    X, dout = rng.normal(size=(N, C * H * W)), rng.normal(size=(N, K * H * W))
    x, P = torch.tensor(X, requires_grad=True), [torch.tensor(p, requires_grad=True) for p in model]

    def convs(x, i):
        for j in (i, i + 2):
            x = F.relu(F.conv2d(x, P[j].reshape(P[j].shape[0], -1, 3, 3), P[j + 1].reshape(-1), padding=1))
        return x

    a, skips = x.reshape(N, C, H, W), []
    for level in range(depth):
        skips.append(convs(a, 4 * level))
        a = F.max_pool2d(skips[-1], 2)
    a = convs(a, 4 * depth)
    for i, skip in zip(range(4 * depth + 4, len(P), 6), reversed(skips), strict=False):
        up = F.conv_transpose2d(a, P[i].reshape(P[i].shape[0], -1, 2, 2), P[i + 1].reshape(-1), stride=2)
        a = convs(torch.cat([skip, up], 1), i + 2)
    expected = F.conv2d(a, P[-2][:, :, None, None], P[-1].reshape(-1)).reshape(N, -1)
    labels = rng.integers(0, K, size=(N, H, W))
    Y = np.eye(K)[labels].transpose(0, 3, 1, 2).reshape(N, -1)
    r = pydml.run(UNET, X=X, Y=Y, dout=dout, model=model, outputs=["out", "dX", "gradients", "loss", "stepped"])
    np.testing.assert_allclose(r.out, expected.detach().numpy(), rtol=1e-10, atol=1e-12)
    (expected * torch.tensor(dout)).sum().backward(retain_graph=True)
    np.testing.assert_allclose(r.dX, x.grad.numpy(), rtol=1e-9, atol=1e-10)
    for i, (gradient, p) in enumerate(zip(r.gradients, P, strict=True)):
        np.testing.assert_allclose(gradient, p.grad.numpy(), rtol=1e-9, atol=1e-10, err_msg=f"entry {i + 1}")

    optimizer = torch.optim.Adam(P, 0.01, eps=1e-18)
    optimizer.zero_grad()
    probabilities = torch.softmax(expected.reshape(N, K, H, W), 1)
    loss = F.nll_loss(torch.log(probabilities + 1e-10), torch.tensor(labels))
    loss.backward()
    optimizer.step()
    assert r.loss == pytest.approx(loss.item(), rel=1e-8)
    for i, (ours, p) in enumerate(zip(r.stepped, P, strict=True)):
        np.testing.assert_allclose(ours, p.detach().numpy(), rtol=1e-8, atol=1e-8, err_msg=f"entry {i + 1}")


def test_unet_wants_sizes_that_halve_evenly():
    library = pydml.source("nn/networks/unet.dml")
    model = library.init(2, 1, 2, 2, 1)
    assert library.depth_of(model) == 2
    with pytest.raises(pydml.DMLError, match="divisible by 4, not 6 x 8"):
        library.forward(np.zeros((1, 48)), 6, 8, model)


def test_unet_of_the_paper_has_its_size():
    model = pydml.source("nn/networks/unet.dml").init(2, 1, 4, 64, 1)
    # the usual implementations of the paper count 31 million
    assert sum(array(p).size for p in model) == 31_030_658


UNET_LEARNS = """
source("nn/networks/unet.dml") as unet
# bright squares on a dark ground, in noise: which pixels belong to a square?
N = 6
side = 16
mask = matrix(0, rows=N, cols=side*side)
for (n in 1:N) {
  square = matrix(0, rows=side, cols=side)
  square[n + 2:n + 7, 2 * n - 1:2 * n + 4] = matrix(1, rows=6, cols=6)
  mask[n, ] = matrix(square, rows=1, cols=side*side)
}
X = mask + 0.3 * rand(rows=N, cols=side*side, pdf="normal", seed=3)
Y = cbind(1 - mask, mask)
model = unet::init(2, 1, 2, 4, 5)
[m, v] = unet::init_adam_optim_params(model)
losses = matrix(0, rows=40, cols=1)
for (t in 1:40) {
  [gradients, loss] = unet::loss_gradients(X, Y, side, side, 2, model)
  losses[t, 1] = loss
  [model, m, v] = unet::update_params_with_adam(model, gradients, 0.01, 0.9, 0.999, 1e-8, t - 1, m, v)
}
labels = unet::predict(X, side, side, 2, model)
accuracy = mean(labels == 1 + mask)
"""


def test_unet_learns_to_find_squares():
    r = pydml.run(UNET_LEARNS, outputs=["losses", "accuracy"])
    assert r.losses[-1, 0] < 0.2 * r.losses[0, 0]
    assert r.accuracy > 0.97

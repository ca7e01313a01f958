"""The weights of torchvision's AlexNet and ResNets, read from files, give PyTorch's outputs here, and go back.

torchvision itself is not needed: `reference_networks.py` has its architectures, with the names of their state dictionaries.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pydml

torch = pytest.importorskip("torch")
torch_files = pytest.importorskip("safetensors.torch", reason="the safetensors package is not installed")

from reference_networks import ResNet, torchvision_alexnet  # noqa: E402


def randomised(network: Any) -> Any:
    """In double precision, every parameter and average away from its initial 0 or 1."""
    generator = torch.Generator().manual_seed(1)
    network.double().eval()
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            noise = torch.rand(value.shape, generator=generator, dtype=torch.double)
            value += 0.1 * (noise if "var" in name else noise - 0.5)
    return network


def save(network: Any, folder: Any, format: str) -> str:
    path = folder / f"weights.{format}"
    state = network.state_dict()
    if format == "safetensors":
        torch_files.save_file(state, path)
    else:
        np.savez(path, **{name: value.numpy() for name, value in state.items()})
    return str(path)


ALEXNET = """
source("nn/networks/torchvision.dml") as torchvision
source("nn/layers/softmax_cross_entropy_loss.dml") as loss
state = read($path, data_type="list")
model = torchvision::alexnet_from_state(state)
[probs, cached_out] = torchvision::alexnet_forward(X, 3, H, W, model, "train", 1)
last = as.list(cached_out[8])
scores = as.matrix(last["scores"])
predicted = torchvision::alexnet_predict(X, 3, H, W, model, 2)
[dX, gradients] = torchvision::alexnet_backward(R, cached_out, model)
write(torchvision::alexnet_to_state(model), $path + ".safetensors", format="safetensors",
      tensors=torchvision::alexnet_tensors(model))
"""


@pytest.mark.parametrize("format, H, W", [("safetensors", 224, 224), ("npz", 131, 150), ("safetensors", 63, 80)])
def test_alexnet_of_torchvision(tmp_path, format, H, W):
    network = randomised(torchvision_alexnet((8, 12, 10, 9, 6), 14, 5))
    path = save(network, tmp_path, format)
    rng = np.random.default_rng(2)
    X, R = rng.normal(size=(3, 3 * H * W)), rng.normal(size=(3, 5))
    outputs = ["scores", "probs", "predicted", "dX", "gradients"]
    r = pydml.run(ALEXNET, nvargs={"path": path}, X=X, R=R, H=H, W=W, outputs=outputs)

    x = torch.tensor(X.reshape(3, 3, H, W), requires_grad=True)
    expected = network.forward(x)
    probabilities = torch.softmax(expected, 1)
    np.testing.assert_allclose(r.scores, expected.detach().numpy(), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(r.probs, probabilities.detach().numpy(), rtol=1e-8)
    np.testing.assert_allclose(r.predicted, r.probs, rtol=1e-10)
    (probabilities * torch.tensor(R)).sum().backward()
    np.testing.assert_allclose(r.dX, x.grad.numpy().reshape(3, -1), rtol=1e-7, atol=1e-12)
    for actual, (name, parameter) in zip(r.gradients, network.named_parameters(), strict=True):
        gradient = parameter.grad.numpy()
        gradient = gradient.reshape(len(gradient), -1)
        if name.startswith("classifier"):
            gradient = gradient.T
        np.testing.assert_allclose(actual, gradient, rtol=1e-7, atol=1e-12)

    # and back: PyTorch takes the written file as it is
    written = torch_files.load_file(path + ".safetensors")
    network.load_state_dict(written)
    np.testing.assert_array_equal(network.forward(x).detach().numpy(), expected.detach().numpy())


def test_the_networks_are_torchvisions():
    # the numbers in torchvision's documentation
    with torch.device("meta"):
        networks = {
            61_100_840: torchvision_alexnet((64, 192, 384, 256, 256), 4096, 1000),
            11_689_512: ResNet("basic", [2, 2, 2, 2], 64, 1000),
            25_557_032: ResNet("bottleneck", [3, 4, 6, 3], 64, 1000),
        }
    for parameters, network in networks.items():
        assert sum(p.numel() for p in network.parameters()) == parameters


RESNET = """
source("nn/networks/torchvision.dml") as torchvision
source("nn/networks/resnet.dml") as resnet
state = read($path, data_type="list")
[model, emas] = torchvision::resnet_from_state(state, block_type, sizes)
[scores, e, c, m] = resnet::resnet_forward(X, 64, 65, block_type, sizes, model, "test", emas)
parameters = resnet::parameter_count(model)
write(torchvision::resnet_to_state(model, emas), $path + ".safetensors", format="safetensors",
      tensors=torchvision::resnet_tensors(model, block_type, sizes))
"""


@pytest.mark.parametrize(
    "block_type, sizes, width, format",
    [
        ("bottleneck", [3, 4, 6, 3], 4, "safetensors"),
        ("basic", [2, 2, 2, 2], 4, "npz"),
        ("bottleneck", [1, 1], 3, "safetensors"),
    ],
)
def test_resnet_of_torchvision(tmp_path, block_type, sizes, width, format):
    network = randomised(ResNet(block_type, sizes, width, 5))
    path = save(network, tmp_path, format)
    X = np.random.default_rng(3).normal(size=(2, 3 * 64 * 65))
    given = {"X": X, "block_type": block_type, "sizes": sizes}
    r = pydml.run(RESNET, nvargs={"path": path}, **given, outputs=["scores", "parameters"])
    x = torch.tensor(X.reshape(2, 3, 64, 65))
    expected = network(x).detach().numpy()
    np.testing.assert_allclose(r.scores, expected, rtol=1e-6, atol=1e-9)
    assert r.parameters == sum(p.numel() for p in network.parameters())

    network.load_state_dict(torch_files.load_file(path + ".safetensors"))
    np.testing.assert_array_equal(network(x).detach().numpy(), expected)

"""The networks as contestants: actions that do training steps or predictions, for pydml, PyTorch and SystemDS."""

from __future__ import annotations

import io
import re
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
SCRIPTS = HERE.parents[1] / "scripts"

BLOCKS = {"resnet18": ("basic", [2, 2, 2, 2]), "resnet50": ("bottleneck", [3, 4, 6, 3])}

_INIT = {
    "alexnet": """
        source("nn/networks/alexnet.dml") as net
        [model, averages] = net::init_with_bn(3, S, S, K, 7)
        """,
    "resnet": """
        source("nn/networks/resnet.dml") as net
        [model, averages] = net::init(K, block, blocks, 7)
        """,
    "lenet": """
        source("nn/networks/lenet.dml") as net
        model = net::init(1, S, S, K, 7)
        averages = list()
        """,
}


class Network:
    """A network with its first weights and a batch of random images; the methods make contestants of it."""

    def __init__(self, name: str, batch: int, precision: str, size: int = 0, classes: int = 0, threads: int = 2):
        self.name, self.batch, self.precision, self.threads = name, batch, precision, threads
        self.kind = "resnet" if name.startswith("resnet") else name
        self.size = size or (28 if name == "lenet" else 224)
        self.classes = classes or (10 if name == "lenet" else 1000)
        self.dtype = np.float32 if precision == "single" else np.float64
        self.inputs: dict[str, Any] = {"S": self.size}
        if self.kind == "resnet":
            block, blocks = BLOCKS[name]
            self.inputs.update(block=block, blocks=blocks)
        rng = np.random.default_rng(0)
        channels = 1 if name == "lenet" else 3
        self.shape = (batch, channels, self.size, self.size)
        self.X = rng.random((batch, channels * self.size**2), np.float32).astype(self.dtype) * 2 - 1
        self.labels = rng.integers(0, self.classes, batch)

    @classmethod
    def without_images(cls, name: str, batch: int, precision: str, size: int = 0, threads: int = 2) -> Network:
        """For `ours` alone, whose script makes its own images and weights: nothing else takes memory."""
        network = cls.__new__(cls)
        network.name, network.batch, network.precision, network.threads = name, batch, precision, threads
        network.size = size or (28 if name == "lenet" else 224)
        network.classes = 10 if name == "lenet" else 1000
        return network

    def start(self) -> tuple[Any, Any]:
        """Model and moving averages before the first step, from the DML library."""
        import pydml

        result = pydml.run(
            _INIT[self.kind],
            **(self.inputs | {"K": self.classes}),
            outputs=["model", "averages"],
            precision=self.precision,
            threads=self.threads,
        )
        return result["model"], result["averages"]

    def ours(self, steps: int = 1) -> Training:
        """The script that trains, `steps` steps at a time."""
        return Training(self, steps)

    def torch_network(self) -> Any:
        import torch
        import torch_networks

        torch.set_num_threads(self.threads)
        model, averages = self.start()
        dtype = torch.float32 if self.precision == "single" else torch.float64
        if self.kind == "resnet":
            return torch_networks.resnet(model, averages, dtype)
        return getattr(torch_networks, self.kind)(model, dtype)

    def torch(self, steps: int = 1, channels_last: bool = False, compiled: bool = False) -> Callable[[], float]:
        """An action that does steps of PyTorch with SGD and momentum, which is less work than LARS."""
        import torch

        network = self.torch_network()
        images = torch.from_numpy(self.X.reshape(self.shape))
        if channels_last:
            network = network.to(memory_format=torch.channels_last)
            images = images.to(memory_format=torch.channels_last)
        optimizer = torch.optim.SGD(network.parameters(), lr=1e-5, momentum=0.9)
        labels = torch.from_numpy(self.labels)
        forward = torch.compile(network) if compiled else network

        def run() -> float:
            for _ in range(steps):
                optimizer.zero_grad()
                loss = torch.nn.functional.cross_entropy(forward(images), labels)
                loss.backward()
                optimizer.step()
            return loss.item()

        return run

    def ours_predict(self, calls: int = 1) -> Callable[[], np.ndarray]:
        """An action that predicts the same batch `calls` times; it returns the probabilities."""
        import pydml

        pydml.keep_freed_memory()  # as the command line does
        model, averages = self.start()
        script = pydml.compile(
            HERE / f"{self.kind}_predict.dml",
            inputs=["X", "model", "averages", *self.inputs],
            outputs=["out"],
            precision=self.precision,
            threads=self.threads,
        )

        def run() -> np.ndarray:
            for _ in range(calls):
                out = script(X=self.X, model=model, averages=averages, **self.inputs)["out"]
            return out

        return run

    def torch_predict(
        self, calls: int = 1, channels_last: bool = False, compiled: bool = False
    ) -> Callable[[], np.ndarray]:
        import torch

        network = self.torch_network().eval()
        images = torch.from_numpy(self.X.reshape(self.shape))
        if channels_last:
            network = network.to(memory_format=torch.channels_last)
            images = images.to(memory_format=torch.channels_last)
        forward = torch.compile(network) if compiled else network

        def run() -> np.ndarray:
            with torch.inference_mode():
                for _ in range(calls):
                    out = torch.softmax(forward(images), 1)
                return out.numpy()

        return run


def contestant(
    network: dict[str, Any], method: str, *arguments: Any, keep: bool = False, **settings: Any
) -> Callable[[], Any]:
    """The action of a method of `Network`, made in a process of its own.

    network: what makes the network.  keep: the process keeps the memory that it frees.
    """
    if keep:
        import pydml

        pydml.keep_freed_memory()
    return getattr(Network(**network), method)(*arguments, **settings)


class Training(io.TextIOBase):
    """The training script of a network.  It trains as it does for a user, with all its variables inside; after each call's
    number of steps it passes control on by the line that it prints, so that others can take their turns.
    """

    def __init__(self, network: Network, steps: int):
        import pydml

        pydml.keep_freed_memory()  # as the command line does
        self.steps = steps
        self.script = pydml.Script(
            HERE / f"{network.name}.dml",
            nvargs={"batch": network.batch, "size": network.size, "classes": network.classes, "steps": 1_000_000},
            precision=network.precision,
            threads=network.threads,
            stdout=self,
        )

    def write(self, text: str) -> int:
        if text.startswith("step"):
            self.done += 1
            if self.done % self.steps == 0 and not self.after():
                raise _Enough
        return len(text)

    def run(self, after: Callable[[], bool]) -> None:
        """after is called after each `steps` steps; the script ends when it returns False."""
        self.after, self.done = after, 0
        try:
            self.script.run([])
        except _Enough:
            pass


class _Enough(BaseException):
    """Ends a script from within."""


def systemds_seconds(name: str, jars: str, batch: int, size: int, classes: int, steps: int, skip: int) -> list[float]:
    """Seconds of each training step in a fresh SystemDS process, which computes in double; the first `skip` warm up.

    jars: the folder with SystemDS.jar and lib.
    """
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "nn").symlink_to(SCRIPTS / "nn")
        command = [
            *("java", "-Xmx12g", "-Xms4g", "--add-modules=jdk.incubator.vector"),
            *("-cp", f"{jars}/SystemDS.jar:{jars}/lib/*"),
            *("org.apache.sysds.api.DMLScript", "-exec", "singlenode", "-f", str(HERE / f"{name}.dml")),
            *("-nvargs", f"batch={batch}", f"size={size}", f"classes={classes}", f"steps={steps}"),
        ]
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=1800)
    seconds = [float(s) for s in re.findall(r"seconds (\S+)", result.stdout)]
    if len(seconds) != steps:
        raise SystemExit("SystemDS failed:\n" + result.stdout[-2000:])
    return seconds[skip:]

"""Time of a training step of AlexNet-BN: pydml, PyTorch and SystemDS in one run, interleaved.  See README.md.

python benchmarks/train_step/bench.py --precision single --batch 64
python benchmarks/train_step/bench.py --precision double --batch 32 --systemds SITE_PACKAGES/systemds
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
SCRIPTS = HERE.parents[1] / "scripts"


def pydml_step(args):
    """A function that does one step and returns the loss, and the model it started from."""
    import pydml

    start = pydml.run(
        """
        source("nn/networks/alexnet.dml") as alexnet
        [model, emas] = alexnet::init_with_bn(3, S, S, K, 7)
        state = alexnet::init_lars_optim_params(model)
        """,
        S=args.size,
        K=args.classes,
        outputs=["model", "state"],
        precision=args.precision,
        threads=args.threads,
    )
    step = pydml.compile(
        HERE / "alexnet_bn_step.dml",
        inputs=["X", "Y", "model", "state", "C", "H", "W", "lr", "lars"],
        outputs=["model", "state", "loss"],
        precision=args.precision,
        threads=args.threads,
    )
    state = {"model": start["model"], "state": start["state"]}
    first = [np.array(p) for p in start["model"]]
    dtype = np.float32 if args.precision == "single" else np.float64

    def run(X, labels):
        Y = np.eye(args.classes, dtype=dtype)[labels]
        S = args.size
        result = step(X=X, Y=Y, C=3, H=S, W=S, lr=0.01, lars=True, **state)
        state.update(model=result["model"], state=result["state"])
        return result["loss"]

    return run, first


def torch_step(args, model, channels_last=False):
    import alexnet_torch
    import torch

    torch.set_num_threads(args.threads)
    network = alexnet_torch.build(model, torch.float32 if args.precision == "single" else torch.float64)
    if channels_last:
        network = network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-5, momentum=0.9)

    def run(X, labels):
        images = torch.from_numpy(X.reshape(-1, 3, args.size, args.size))
        if channels_last:
            images = images.to(memory_format=torch.channels_last)
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(network(images), torch.from_numpy(labels))
        loss.backward()
        optimizer.step()
        return loss.item()

    return run


def systemds_seconds(args, steps):
    """Seconds of each step in a fresh SystemDS process (the first is warm-up)."""
    jars = f"{args.systemds}/SystemDS.jar:{args.systemds}/lib/*"
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "nn").symlink_to(SCRIPTS / "nn")
        command = [
            *("java", "-Xmx12g", "-Xms8g", "--add-modules=jdk.incubator.vector", "-cp", jars),
            *("org.apache.sysds.api.DMLScript", "-exec", "singlenode", "-f", str(HERE / "systemds_steps.dml")),
            *("-nvargs", f"batch={args.batch}", f"size={args.size}", f"classes={args.classes}", f"steps={steps}"),
        ]
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    seconds = [float(s) for s in re.findall(r"seconds (\S+)", result.stdout)]
    if len(seconds) != steps:
        raise SystemExit("SystemDS failed:\n" + result.stdout[-2000:])
    return seconds[1:]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--precision", choices=["single", "double"], default="single")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--systemds", help="folder of SystemDS.jar and lib/, to compare with it too")
    parser.add_argument(
        "--channels-last", action="store_true", help="PyTorch with channels_last as a further contestant"
    )
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    dtype = np.float32 if args.precision == "single" else np.float64
    X = rng.normal(size=(args.batch, 3 * args.size**2)).astype(dtype)
    labels = rng.integers(0, args.classes, args.batch)

    ours, model = pydml_step(args)
    contestants = {"pydml": ours, "PyTorch": torch_step(args, model)}
    if args.channels_last:
        contestants["PyTorch channels_last"] = torch_step(args, model, channels_last=True)
    for name, run in contestants.items():
        start = time.perf_counter()
        loss = run(X, labels)
        print(f"{name}: first step {time.perf_counter() - start:.2f} s, loss {loss:.6f}", flush=True)
    seconds = {name: [] for name in contestants}
    for _ in range(args.rounds):
        for name, run in contestants.items():
            start = time.perf_counter()
            run(X, labels)
            seconds[name].append(time.perf_counter() - start)
    if args.systemds:
        seconds["SystemDS"] = systemds_seconds(args, 3)
    print(f"AlexNet-BN, 3x{args.size}x{args.size}, batch {args.batch}, {args.precision}, {args.threads} threads")
    print(f"{'':24}{'best s':>8}{'median s':>10}{'images/s':>10}{'pydml is':>10}")
    for name, times in seconds.items():
        ratio = statistics.median(times) / statistics.median(seconds["pydml"])
        print(
            f"{name:24}{min(times):8.3f}{statistics.median(times):10.3f}"
            f"{args.batch / statistics.median(times):10.2f}{ratio:9.2f}x"
        )


if __name__ == "__main__":
    main()

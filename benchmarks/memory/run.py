"""Peak resident memory of training steps, each in a fresh process: pydml against PyTorch.  See README.md.

python benchmarks/memory/run.py
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[1] / "networks"), str(HERE.parents[2])]

import measure  # noqa: E402

# name: (network, batch, precision)
CASES = {
    "alexnet single 64": ("alexnet", 64, "single"),
    "resnet50 single 16": ("resnet50", 16, "single"),
    "resnet50 single 32": ("resnet50", 32, "single"),
    "lenet single 256": ("lenet", 256, "single"),
    "alexnet double 64": ("alexnet", 64, "double"),
    "resnet50 double 16": ("resnet50", 16, "double"),
    "lenet double 256": ("lenet", 256, "double"),
}
QUICK = {"lenet single 256": ("lenet", 256, "single")}
PEERS = {"pydml": "", "PyTorch eager": "", "PyTorch channels_last": "channels_last"}
STEPS = 2  # the second has all that there is, the state of the optimizer too


def peak_mib():
    """Of this process, from the system (VmHWM)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise SystemExit("this system does not tell the peak of memory")


def child(name, batch, precision, peer, threads):
    """Train in this process and print the peak and the memory before the first step.

    Neither side holds more than a training script has to: ours is the DML script alone; PyTorch's network has its own random
    weights, as weights handed over from DML would count as well.
    """
    if peer == "pydml":
        from contestants import Network

        network = Network.without_images(name, batch, precision, threads=threads)
        left = iter(range(STEPS - 1))
        network.ours().run(lambda: next(left, None) is not None)
    else:
        import torch
        import torch_networks

        torch.set_num_threads(threads)
        dtype = torch.float32 if precision == "single" else torch.float64
        network = torch_networks.random(name, dtype)
        size, channels, classes = (28, 1, 10) if name == "lenet" else (224, 3, 1000)
        images = torch.rand(batch, channels, size, size, dtype=dtype)
        if PEERS[peer] == "channels_last":
            network, images = (
                network.to(memory_format=torch.channels_last),
                images.to(memory_format=torch.channels_last),
            )
        labels = torch.randint(0, classes, (batch,))
        optimizer = torch.optim.SGD(network.parameters(), lr=1e-5, momentum=0.9)
        for _ in range(STEPS):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(network(images), labels)
            loss.backward()
            optimizer.step()
    print("peak", peak_mib())


def measured(case, peer, threads):
    command = [sys.executable, str(HERE), "--child", peer, "--threads", str(threads), *map(str, case)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode or "peak" not in result.stdout:
        raise SystemExit(f"{peer} failed:\n{result.stderr[-2000:]}")
    return float(result.stdout.split()[-1])


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="the smallest case alone")
    parser.add_argument("--json", help="write the rows to this file")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("case", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        name, batch, precision = options.case
        return child(name, int(batch), precision, options.child, options.threads)
    found = []
    print("| case | peer | ours, MiB | peer, MiB | ratio |\n|---|---|---|---|---|")
    for name, case in (QUICK if options.quick else CASES).items():
        if options.only not in name:
            continue
        peaks = {peer: measured(case, peer, options.threads) for peer in PEERS}
        for peer in PEERS:
            if peer != "pydml":
                row = {
                    "suite": "memory",
                    "case": name,
                    "peer": peer,
                    "ratio": peaks[peer] / peaks["pydml"],
                    "unit": "MiB",
                    "ours_mib": peaks["pydml"],
                    "peer_mib": peaks[peer],
                }
                found.append(row)
                print(
                    f"| {name} | {peer} | {row['ours_mib']:.0f} | {row['peer_mib']:.0f} | {row['ratio']:.2f} |",
                    flush=True,
                )
    measure.write(options.json, found)


if __name__ == "__main__":
    main()

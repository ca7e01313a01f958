"""Convolution and pooling against PyTorch, layer by layer.  `python benchmarks/conv/run.py --help`; see README.md."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "networks"), str(Path(__file__).resolve().parents[2])]

import measure  # noqa: E402

from pydml.backends.cpu import conv, pool, threads  # noqa: E402
from pydml.builtins.conv import ConvGeometry  # noqa: E402

# name: (batch, C, H, F, filter, stride, padding)
CONVOLUTIONS = {
    "AlexNet conv1": (64, 3, 224, 96, 11, 4, 2),
    "AlexNet conv2": (64, 96, 27, 256, 5, 1, 2),
    "AlexNet conv3": (64, 256, 13, 384, 3, 1, 1),
    "AlexNet conv4": (64, 384, 13, 384, 3, 1, 1),
    "AlexNet conv5": (64, 384, 13, 256, 3, 1, 1),
    "ResNet 7x7": (16, 3, 224, 64, 7, 2, 3),
    "ResNet 56 3x3": (16, 64, 56, 64, 3, 1, 1),
    "ResNet 28 3x3": (16, 128, 28, 128, 3, 1, 1),
    "ResNet 14 3x3": (16, 256, 14, 256, 3, 1, 1),
    "ResNet 7 3x3": (16, 512, 7, 512, 3, 1, 1),
    "ResNet 56 3x3 stride 2": (16, 128, 56, 128, 3, 2, 1),
    "ResNet 56 1x1 64-256": (16, 64, 56, 256, 1, 1, 0),
    "ResNet 56 1x1 256-64": (16, 256, 56, 64, 1, 1, 0),
    "ResNet 56 1x1 stride 2": (16, 256, 56, 512, 1, 2, 0),
    "ResNet 14 1x1 1024-256": (16, 1024, 14, 256, 1, 1, 0),
    "ResNet 7 1x1 512-2048": (16, 512, 7, 2048, 1, 1, 0),
    "LeNet conv1": (256, 1, 28, 6, 5, 1, 2),
    "LeNet conv2": (256, 6, 14, 16, 5, 1, 0),
    "one image, 56 3x3": (1, 64, 56, 64, 3, 1, 1),
    "one image, 14 3x3": (1, 256, 14, 256, 3, 1, 1),
}
QUICK = {
    "3x3": (4, 16, 28, 32, 3, 1, 1),
    "1x1": (4, 64, 14, 32, 1, 1, 0),
    "5x5 stride 2": (4, 3, 32, 8, 5, 2, 2),
}
# name: (batch, C, H, pool, stride, padding)
POOLS = {
    "AlexNet pool1": (64, 96, 55, 3, 2, 0),
    "AlexNet pool2": (64, 256, 27, 3, 2, 0),
    "AlexNet pool5": (64, 256, 13, 3, 2, 0),
    "ResNet pool": (16, 64, 112, 3, 2, 1),
    "ResNet average": (16, 2048, 7, 7, 1, 0),
    "LeNet pool1": (256, 6, 28, 2, 2, 0),
}


class Timer:
    """Least time of each named action over rounds in which the actions take turns."""

    def __init__(self, clock):
        self.clock = clock
        self.best = {}

    def __call__(self, name, action):
        start = self.clock()
        result = action()
        self.best[name] = min(self.best.get(name, float("inf")), self.clock() - start)
        return result


def images(rng, dtype, *shape):
    return rng.standard_normal((shape[0], int(np.prod(shape[1:])))).astype(dtype)


def convolution(sizes, dtype, rounds, clock):
    N, C, H, F, r, s, p = sizes
    g = ConvGeometry(C, H, H, F, r, r, s, s, p, p)
    rng = np.random.default_rng(0)
    X, W, dout = images(rng, dtype, N, C, H, H), images(rng, dtype, F, C, r, r), images(rng, dtype, N, F, g.P, g.Q)
    b = np.zeros((F, 1), dtype)
    x, w = torch.from_numpy(X).view(N, C, H, H), torch.from_numpy(W).view(F, C, r, r)
    d, bias = torch.from_numpy(dout).view(N, F, g.P, g.Q), torch.from_numpy(b[:, 0])

    def torch_gradient(data, filters):
        mask = [data, filters, False]
        return torch.ops.aten.convolution_backward(d, x, w, [F], [s, s], [p, p], [1, 1], False, [0, 0], 1, mask)

    timer = None
    for i in range(rounds + 1):
        if i <= 1:  # the first round warms up
            timer = Timer(clock)
        theirs = timer("torch output", lambda: torch.nn.functional.conv2d(x, w, bias, s, p))
        ours = timer("output", lambda: conv.forward(X, W, g, b))
        timer("torch data", lambda: torch_gradient(True, False))
        timer("data", lambda: conv.data_gradient(W, dout, g))
        timer("torch filter", lambda: torch_gradient(False, True))
        timer("filter", lambda: conv.filter_gradient(X, dout, g))
    scale = np.abs(ours).max()
    error = np.abs(ours.reshape(theirs.shape) - theirs.numpy()).max() / scale
    algorithms = {part: str(conv.choose(g, dtype, N, part)) for part in ("output", "data", "filter")}
    return timer.best, N * g.multiply_adds, algorithms, error


def pooling(sizes, dtype, rounds, clock, average):
    N, C, H, r, s, p = sizes
    g = ConvGeometry(C, H, H, C, r, r, s, s, p, p)
    rng = np.random.default_rng(0)
    X, dout = images(rng, dtype, N, C, H, H), images(rng, dtype, N, C, g.P, g.Q)
    x, d = torch.from_numpy(X).view(N, C, H, H), torch.from_numpy(dout).view(N, C, g.P, g.Q)
    aten = torch.ops.aten
    timer = None
    for i in range(rounds + 1):
        if i <= 1:
            timer = Timer(clock)
        if average:
            timer("torch output", lambda: torch.nn.functional.avg_pool2d(x, r, s, p))
            timer("output", lambda: pool.average_pool(X, g))
            timer("torch data", lambda: aten.avg_pool2d_backward(d, x, [r, r], [s, s], [p, p], False, True, None))
            timer("data", lambda: pool.average_pool_gradient(dout, g))
        else:
            _, places = timer("torch output", lambda: aten.max_pool2d_with_indices(x, [r, r], [s, s], [p, p]))
            timer("output", lambda: pool.max_pool(X, g))
            timer(
                "torch data",
                lambda places=places: aten.max_pool2d_with_indices_backward(
                    d, x, [r, r], [s, s], [p, p], [1, 1], False, places
                ),
            )
            timer("data", lambda: pool.max_pool_gradient(X, dout, g))
    return timer.best


def cell(best, part):
    """Our milliseconds and how many times longer PyTorch takes."""
    return f"{best[part] * 1e3:.1f} ({best['torch ' + part] / best[part]:.2f})"


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=threads.available_cores())
    parser.add_argument("--double", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="layers whose name contains this")
    parser.add_argument("--quick", action="store_true", help="small layers, a few seconds in all")
    parser.add_argument("--json", help="write a row for each layer to this file")
    options = parser.parse_args(arguments)
    rows = []

    def row(name, best, parts, **more):
        ours, theirs = (sum(best[prefix + p] for p in parts) for prefix in ("", "torch "))
        rows.append(
            {
                "suite": "conv",
                "case": f"{name} {np.dtype(dtype).name}",
                "peer": "PyTorch eager",
                "ratio": theirs / ours,
                "ours_s": ours,
                "peer_s": theirs,
                **more,
            }
        )
        return theirs / ours

    threads.set_threads(options.threads)
    torch.set_num_threads(options.threads)
    # With one thread, its processor time: other work on the machine disturbs it least.
    clock = time.thread_time if options.threads == 1 else time.perf_counter
    dtype = np.float64 if options.double else np.float32
    print(f"{np.dtype(dtype)}, {options.threads} threads, PyTorch {torch.__version__}\n")
    print("| convolution | output, ms (ratio) | data gradient | filter gradient | all three | algorithms |")
    print("|---|---|---|---|---|---|")
    for name, sizes in (QUICK if options.quick else CONVOLUTIONS).items():
        if options.only not in name:
            continue
        best, _, algorithms, error = convolution(sizes, dtype, options.rounds, clock)
        assert error < (1e-4 if dtype == np.float32 else 1e-12), (name, error)
        parts = ("output", "data", "filter")
        whole = row(name, best, parts, algorithms=algorithms, error=float(error))
        names = "; ".join(dict.fromkeys(algorithms.values()))
        print(f"| {name} | {' | '.join(cell(best, p) for p in parts)} | {whole:.2f} | {names} |", flush=True)
    print("\n| pooling | output, ms (ratio) | gradient | both |")
    print("|---|---|---|---|")
    for name, sizes in POOLS.items():
        if options.only not in name or options.quick:
            continue
        best = pooling(sizes, dtype, options.rounds, clock, "average" in name)
        whole = row(name, best, ("output", "data"))
        print(f"| {name} | {cell(best, 'output')} | {cell(best, 'data')} | {whole:.2f} |", flush=True)
    measure.write(options.json, rows)


if __name__ == "__main__":
    main()

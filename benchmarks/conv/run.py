"""Convolution and pooling against PyTorch, layer by layer.  `python benchmarks/conv/run.py --help`; see README.md."""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "networks"), str(Path(__file__).resolve().parents[2])]

import measure  # noqa: E402

import pydml  # noqa: E402
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


def matrices(sizes, dtype, output):
    """Random matrices of a layer; output: the shape of an image of the result."""
    rng = np.random.default_rng(0)
    return [rng.standard_normal((shape[0], int(np.prod(shape[1:])))).astype(dtype) for shape in (sizes, output)]


def best_times(parts, rounds, clock):
    """Least seconds of each part over rounds in which they take turns, after one that warms up."""
    best = {}
    for i in range(rounds + 1):
        for name, action in parts.items():
            start = clock()
            action()
            seconds = clock() - start
            best[name] = min(best.get(name, seconds), seconds) if i > 1 else seconds
    return best


def geometry(sizes):
    _, C, H, F, r, s, p = sizes
    return ConvGeometry(C, H, H, F, r, r, s, s, p, p)


def our_convolution(sizes, dtype):
    """The parts of a layer as actions."""
    N, C, H, F, r, _, _ = sizes
    g = geometry(sizes)
    X, dout = matrices((N, C, H, H), dtype, (N, F, g.P, g.Q))
    W = matrices((F, C, r, r), dtype, (1, 1))[0]
    b = np.zeros((F, 1), dtype)
    return {
        "output": lambda: conv.forward(X, W, g, b),
        "data": lambda: conv.data_gradient(W, dout, g),
        "filter": lambda: conv.filter_gradient(X, dout, g),
    }


def their_convolution(sizes, dtype):
    import torch

    N, C, H, F, r, s, p = sizes
    g = geometry(sizes)
    X, dout = matrices((N, C, H, H), dtype, (N, F, g.P, g.Q))
    W = matrices((F, C, r, r), dtype, (1, 1))[0]
    x, w, bias = torch.from_numpy(X).view(N, C, H, H), torch.from_numpy(W).view(F, C, r, r), torch.zeros(F)
    d, bias = torch.from_numpy(dout).view(N, F, g.P, g.Q), bias.to(x.dtype)

    def gradient(data, filters):
        mask = [data, filters, False]
        return torch.ops.aten.convolution_backward(d, x, w, [F], [s, s], [p, p], [1, 1], False, [0, 0], 1, mask)

    return {
        "output": lambda: torch.nn.functional.conv2d(x, w, bias, s, p),
        "data": lambda: gradient(True, False),
        "filter": lambda: gradient(False, True),
    }


def pool_case(sizes):
    N, C, H, r, s, p = sizes
    return (N, C, H, C, r, s, p)


def our_pooling(sizes, dtype, average):
    g = geometry(pool_case(sizes))
    N, C, H = sizes[:3]
    X, dout = matrices((N, C, H, H), dtype, (N, C, g.P, g.Q))
    if average:
        return {"output": lambda: pool.average_pool(X, g), "data": lambda: pool.average_pool_gradient(dout, g)}
    return {"output": lambda: pool.max_pool(X, g), "data": lambda: pool.max_pool_gradient(X, dout, g)}


def their_pooling(sizes, dtype, average):
    import torch

    g = geometry(pool_case(sizes))
    N, C, H, r, s, p = sizes
    X, dout = matrices((N, C, H, H), dtype, (N, C, g.P, g.Q))
    x, d = torch.from_numpy(X).view(N, C, H, H), torch.from_numpy(dout).view(N, C, g.P, g.Q)
    aten = torch.ops.aten
    if average:
        return {
            "output": lambda: torch.nn.functional.avg_pool2d(x, r, s, p),
            "data": lambda: aten.avg_pool2d_backward(d, x, [r, r], [s, s], [p, p], False, True, None),
        }
    _, places = aten.max_pool2d_with_indices(x, [r, r], [s, s], [p, p])
    return {
        "output": lambda: aten.max_pool2d_with_indices(x, [r, r], [s, s], [p, p]),
        "data": lambda: aten.max_pool2d_with_indices_backward(d, x, [r, r], [s, s], [p, p], [1, 1], False, places),
    }


MAKERS = {
    ("convolution", "pydml"): our_convolution,
    ("convolution", "PyTorch"): their_convolution,
    ("pooling", "pydml"): our_pooling,
    ("pooling", "PyTorch"): their_pooling,
}


def contestant(kind, side, arguments, rounds, count):
    """An action for a process of its own: least seconds of each part of a layer, and the result for the first image."""
    if side == "PyTorch":
        import torch

        torch.set_num_threads(count)
    else:
        pydml.keep_freed_memory()  # as the command line does
        threads.set_threads(count)
    parts = MAKERS[kind, side](*arguments)
    # With one thread, its processor time: other work on the machine disturbs it least.
    clock = time.thread_time if count == 1 else time.perf_counter

    def run():
        best = best_times(parts, rounds, clock)
        out = parts["output"]()
        return best, np.asarray(out[0] if isinstance(out, tuple) else out)[:1].reshape(-1)

    return run


def layer(kind, arguments, options):
    """(least seconds of ours, of PyTorch, error of ours relative to the largest result), each side twice, in turn."""
    sides = {
        side: measure.Elsewhere(contestant, kind, side, arguments, options.rounds, options.threads)
        for side in ("pydml", "PyTorch")
    }
    found = {side: [] for side in sides}
    with ExitStack() as stack:
        for side in sides.values():
            stack.enter_context(side)
        for _ in range(2):
            for name, side in sides.items():
                found[name].append(side.turn()[2])
    least = {
        name: {part: min(best[part] for best, _ in turns) for part in turns[0][0]} for name, turns in found.items()
    }
    ours, theirs = (found[name][0][1].astype(np.float64) for name in ("pydml", "PyTorch"))
    return least["pydml"], least["PyTorch"], float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def cell(ours, theirs, part):
    """Our milliseconds and how many times longer PyTorch takes."""
    return f"{ours[part] * 1e3:.1f} ({theirs[part] / ours[part]:.2f})"


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

    def row(name, ours, theirs, **more):
        ours_s, peer_s = sum(ours.values()), sum(theirs.values())
        case = f"{name} {np.dtype(dtype).name}"
        rows.append(
            {
                "suite": "conv",
                "case": case,
                "peer": "PyTorch eager",
                "ratio": peer_s / ours_s,
                "ours_s": ours_s,
                "peer_s": peer_s,
                **more,
            }
        )
        return peer_s / ours_s

    dtype = np.float64 if options.double else np.float32
    print(f"{np.dtype(dtype)}, {options.threads} threads\n")
    print("| convolution | output, ms (ratio) | data gradient | filter gradient | all three | algorithms |")
    print("|---|---|---|---|---|---|")
    for name, sizes in (QUICK if options.quick else CONVOLUTIONS).items():
        if options.only not in name:
            continue
        ours, theirs, error = layer("convolution", (sizes, dtype), options)
        assert error < (1e-4 if dtype == np.float32 else 1e-12), (name, error)
        g, parts = geometry(sizes), ("output", "data", "filter")
        algorithms = {part: str(conv.choose(g, dtype, sizes[0], part)) for part in parts}
        whole = row(name, ours, theirs, algorithms=algorithms, error=error)
        names = "; ".join(dict.fromkeys(algorithms.values()))
        print(f"| {name} | {' | '.join(cell(ours, theirs, p) for p in parts)} | {whole:.2f} | {names} |", flush=True)
    print("\n| pooling | output, ms (ratio) | gradient | both |")
    print("|---|---|---|---|")
    for name, sizes in POOLS.items():
        if options.only not in name or options.quick:
            continue
        ours, theirs, _ = layer("pooling", (sizes, dtype, "average" in name), options)
        whole = row(name, ours, theirs)
        print(f"| {name} | {cell(ours, theirs, 'output')} | {cell(ours, theirs, 'data')} | {whole:.2f} |", flush=True)
    measure.write(options.json, rows)


if __name__ == "__main__":
    main()

"""Time of a training step: pydml with LARS against PyTorch and SystemDS.  See README.md.

python benchmarks/train_step/run.py
python benchmarks/train_step/run.py --only resnet50 --peers eager
python benchmarks/train_step/run.py --systemds SITE_PACKAGES/systemds
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "networks"), str(Path(__file__).resolve().parents[2])]

import measure  # noqa: E402
from contestants import Network, systemds_seconds  # noqa: E402

# name: (network, batch, precision, steps of a call)
CASES = {
    "alexnet single 64": ("alexnet", 64, "single", 1),
    "resnet50 single 16": ("resnet50", 16, "single", 1),
    "resnet50 single 32": ("resnet50", 32, "single", 1),
    "lenet single 256": ("lenet", 256, "single", 20),
    "alexnet double 64": ("alexnet", 64, "double", 1),
    "resnet50 double 16": ("resnet50", 16, "double", 1),
    "lenet double 256": ("lenet", 256, "double", 20),
}
SYSTEMDS = {
    "alexnet double 32": ("alexnet", 32, 4, 1),
    "resnet18 double 16": ("resnet18", 16, 4, 1),
    "lenet double 256": ("lenet", 256, 400, 200),
}
QUICK = {
    "alexnet single 2": ("alexnet", 2, "single", 1),
    "resnet18 single 2": ("resnet18", 2, "single", 1),
    "lenet double 64": ("lenet", 64, "double", 2),
}


def against_torch(case, options):
    name, batch, precision, steps = case
    network = Network(
        name, batch, precision, size=64 if options.quick and name != "lenet" else 0, threads=options.threads
    )
    contestants = {}
    for peer in options.peers.split(","):
        if peer == "eager" or precision == "single":
            label, settings = measure.PEERS[peer]
            contestants[label] = network.torch(steps, **settings)
    return measure.in_turn_with_script(network.ours(steps), contestants, options.rounds, options.seconds), steps


def against_systemds(case, options):
    name, batch, steps, skip = case
    network = Network(name, batch, "double", threads=options.threads)
    ours = measure.in_turn_with_script(network.ours(), {}, min(steps, 20))["pydml"]
    theirs = measure.Times()
    theirs.wall = systemds_seconds(name, options.systemds, batch, network.size, network.classes, steps, skip)
    theirs.cpu = [0.0]
    again = measure.in_turn_with_script(network.ours(), {}, min(steps, 20))["pydml"]  # as they cannot take turns
    ours.wall += again.wall
    ours.cpu += again.cpu
    return {"pydml": ours, "SystemDS": theirs}


def main(arguments=None):
    parser = measure.arguments(__doc__, peers="eager,channels_last,compiled", rounds=5, seconds=60)
    parser.add_argument("--systemds", help="folder of SystemDS.jar and lib/, to compare with it, too")
    parser.add_argument("--quick", action="store_true", help="small cases, a few seconds in all")
    options = parser.parse_args(arguments)
    if options.quick:
        options.peers, options.rounds = "eager", 2
    found = []
    print(measure.HEADER)
    for name, case in (QUICK if options.quick else CASES).items():
        if options.only in name:
            times, steps = against_torch(case, options)
            rows = measure.rows(
                "train_step",
                name,
                times,
                units=steps,
                images_per_s=case[1] * steps / statistics.median(times["pydml"].wall),
            )
            found += rows
            for row in rows:
                print(measure.line(row), flush=True)
    for name, case in SYSTEMDS.items():
        if options.systemds and options.only in name and not options.quick:
            times = against_systemds(case, options)
            rows = measure.rows(
                "train_step", name, times, images_per_s=case[1] / statistics.median(times["pydml"].wall)
            )
            found += rows
            for row in rows:
                print(measure.line(row | {"cpu_ratio": None}), flush=True)
    measure.write(options.json, found)


if __name__ == "__main__":
    main()

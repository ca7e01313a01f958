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
from contestants import Network, contestant, systemds_seconds  # noqa: E402

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
AT_ONCE = 3  # processes of PyTorch beside ours
QUICK = {
    "alexnet single 2": ("alexnet", 2, "single", 1),
    "resnet18 single 2": ("resnet18", 2, "single", 1),
    "lenet double 64": ("lenet", 64, "double", 2),
}


def against_torch(case, options):
    """Times of pydml and of its peers, and the steps of a turn, for some peers after the other: memory does not hold all at once."""
    name, batch, precision, steps = case
    size = 64 if options.quick and name != "lenet" else 0
    network = {"name": name, "batch": batch, "precision": precision, "size": size, "threads": options.threads}
    peers = options.peers.split(",")
    if precision == "double":
        peers = [peer for peer in peers if peer.startswith("eager")]
    for some in (peers[i : i + AT_ONCE] for i in range(0, len(peers), AT_ONCE)):
        contestants = {}
        for peer in some:
            label, settings = measure.PEERS[peer]
            contestants[label] = measure.Elsewhere(contestant, network, "torch", steps, **settings)
        training = Network.without_images(**network).ours(steps)
        yield measure.in_turn_with_script(training, contestants, options.rounds, options.seconds), steps


def against_systemds(case, options):
    name, batch, steps, skip = case
    network = Network.without_images(name, batch, "double", threads=options.threads)
    ours = measure.in_turn_with_script(network.ours(), {}, min(steps, 20))["pydml"]
    theirs = measure.Times()
    theirs.wall = systemds_seconds(name, options.systemds, batch, network.size, network.classes, steps, skip)
    theirs.cpu = [0.0]
    again = measure.in_turn_with_script(network.ours(), {}, min(steps, 20))["pydml"]  # as they cannot take turns
    ours.wall += again.wall
    ours.cpu += again.cpu
    return {"pydml": ours, "SystemDS": theirs}


def main(arguments=None):
    parser = measure.arguments(__doc__, peers=",".join(measure.PEERS), rounds=5, seconds=40)
    parser.add_argument("--systemds", help="folder of SystemDS.jar and lib/, to compare with it, too")
    parser.add_argument("--quick", action="store_true", help="small cases, a few seconds in all")
    options = parser.parse_args(arguments)
    if options.quick:
        options.peers, options.rounds = "eager", 2
    found = []
    print(measure.HEADER)
    for name, case in (QUICK if options.quick else CASES).items():
        if options.only not in name:
            continue
        for times, steps in against_torch(case, options):
            speed = case[1] * steps / statistics.median(times["pydml"].wall)
            rows = measure.rows("train_step", name, times, units=steps, images_per_s=speed)
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

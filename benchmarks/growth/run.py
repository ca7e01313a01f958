"""Cost of an image by size of the batch and of the data set.  See README.md.

python benchmarks/growth/run.py
python benchmarks/growth/run.py --only lenet
"""

from __future__ import annotations

import argparse
import io
import re
import statistics
import sys
from pathlib import Path

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[1] / "networks"), str(HERE.parents[2])]

import measure  # noqa: E402
from contestants import Network  # noqa: E402

import pydml  # noqa: E402

# name: (network, side of the images, images of a round where a batch has fewer, batch sizes), single precision; the middle size is what the
# others are compared with
BATCHES = {
    "lenet": ("lenet", 28, 1024, (8, 16, 32, 64, 128, 256, 512)),
    "alexnet": ("alexnet", 224, 32, (8, 32, 64, 128, 512)),
    "resnet18, 64 x 64": ("resnet18", 64, 64, (8, 32, 64, 128, 512)),
}
DATA_SIZES = (2_048, 8_192, 16_384, 32_768, 65_536)
QUICK_BATCHES = {"lenet": ("lenet", 28, 8, (8, 16, 32)), "resnet18, 64 x 64": ("resnet18", 64, 1, (1, 2, 4))}
QUICK_SIZES = (256, 512, 1_024)


def by_batch(name, side, images, batches, options):
    """Seconds per image of a training step, by batch size: median of steps in rising and then in falling order of the sizes."""
    seconds = {batch: [] for batch in batches}
    for batch in [*batches, *reversed(batches)]:
        network = Network.without_images(name, batch, "single", side, options.threads)
        per_turn = max(1, images // batch)
        times = measure.in_turn_with_script(network.ours(per_turn), {}, options.rounds, options.seconds)["pydml"]
        seconds[batch] += [s / (per_turn * batch) for s in times.wall]
    return {batch: statistics.median(found) for batch, found in seconds.items()}


def by_data_size(sizes, options):
    """Seconds per image of an epoch of LeNet with batches of 256, by number of images; each size twice, as above."""
    seconds = {n: [] for n in sizes}
    script = (HERE.parent / "epoch.dml").read_text()
    for n in [*sizes, *reversed(sizes)]:
        printed = io.StringIO()
        pydml.run(
            script,
            outputs=[],
            nvargs={"images": n, "epochs": 2},
            precision="single",
            threads=options.threads,
            stdout=printed,
        )
        # the first epoch compiles
        seconds[n].append(float(re.findall(r"seconds (\S+)", printed.getvalue())[-1]) / n)
    return {n: statistics.median(found) for n, found in seconds.items()}


def rows(case, unit, cost):
    """A row for each size, compared with the middle one: a ratio above 1 means that an image costs less than there."""
    middle = list(cost)[len(cost) // 2]
    return [
        {
            "suite": "growth",
            "case": f"{case}, {unit.format(size)}",
            "peer": f"an image at {unit.format(middle)}",
            "ratio": cost[middle] / seconds,
            "ours_s": seconds,
            "peer_s": cost[middle],
        }
        for size, seconds in cost.items()
    ]


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20, help="no further round of a size after this time")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="small sizes, a few seconds in all")
    parser.add_argument("--json", help="write the rows to this file")
    options = parser.parse_args(arguments)
    if options.quick:
        options.rounds = 2
    pydml.keep_freed_memory()  # as the command line does
    found = []
    print("| case | seconds per image | ratio |\n|---|---|---|")

    def show(some):
        for row in some:
            print(f"| {row['case']} | {row['ours_s']:.3g} | {row['ratio']:.2f} |", flush=True)
        found.extend(some)

    for case, sizes in (QUICK_BATCHES if options.quick else BATCHES).items():
        if options.only in case:
            show(rows(case, "batch {:,}", by_batch(*sizes, options)))
    if options.only in "epoch of lenet":
        show(rows("epoch of lenet", "{:,} images", by_data_size(QUICK_SIZES if options.quick else DATA_SIZES, options)))
    measure.write(options.json, found)


if __name__ == "__main__":
    main()

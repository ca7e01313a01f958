"""Time of a prediction: pydml against PyTorch.  See README.md.

python benchmarks/inference/run.py
python benchmarks/inference/run.py --only "resnet50 1" --peers eager
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "networks"), str(Path(__file__).resolve().parents[2])]

import measure  # noqa: E402
import numpy as np  # noqa: E402
from contestants import Network  # noqa: E402

CASES = {
    "alexnet 1": ("alexnet", 1),
    "alexnet 32": ("alexnet", 32),
    "resnet50 1": ("resnet50", 1),
    "resnet50 32": ("resnet50", 32),
}


def main(arguments=None):
    parser = measure.arguments(__doc__, peers="eager,channels_last", rounds=20, seconds=30)
    parser.add_argument("--quick", action="store_true", help="small images, a few seconds in all")
    options = parser.parse_args(arguments)
    if options.quick:
        options.peers, options.rounds = "eager", 2
    found = []
    print(measure.HEADER)
    for case, (name, batch) in CASES.items():
        if options.only not in case or (options.quick and batch > 1):
            continue
        network = Network(name, batch, "single", size=64 if options.quick else 0, threads=options.threads)
        contestants = {"pydml": network.ours_predict()}
        for peer in options.peers.split(","):
            label, settings = measure.PEERS[peer]
            contestants[label] = network.torch_predict(**settings)
        results = [action() for action in contestants.values()]
        for other in results[1:]:
            assert np.allclose(results[0], other, rtol=1e-3, atol=1e-4), case
        times = measure.in_turn(contestants, options.rounds, options.seconds)
        rows = measure.rows("inference", case, times)
        found += rows
        for row in rows:
            print(measure.line(row), flush=True)
    measure.write(options.json, found)


if __name__ == "__main__":
    main()

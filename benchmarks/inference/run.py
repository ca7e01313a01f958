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
from contestants import contestant  # noqa: E402

# name: (network, batch, predictions of a turn)
CASES = {
    "alexnet 1": ("alexnet", 1, 10),
    "alexnet 32": ("alexnet", 32, 1),
    "resnet50 1": ("resnet50", 1, 10),
    "resnet50 32": ("resnet50", 32, 1),
}


def main(arguments=None):
    parser = measure.arguments(
        __doc__, peers="eager,channels_last,eager_kept,channels_last_kept", rounds=20, seconds=30
    )
    parser.add_argument("--quick", action="store_true", help="small images, a few seconds in all")
    options = parser.parse_args(arguments)
    if options.quick:
        options.peers, options.rounds = "eager", 2
    found = []
    print(measure.HEADER)
    for case, (name, batch, calls) in CASES.items():
        if options.only not in case or (options.quick and batch > 1):
            continue
        size = 64 if options.quick else 0
        network = {"name": name, "batch": batch, "precision": "single", "size": size, "threads": options.threads}
        contestants = {"pydml": measure.Elsewhere(contestant, network, "ours_predict", calls)}
        for peer in options.peers.split(","):
            label, settings = measure.PEERS[peer]
            contestants[label] = measure.Elsewhere(contestant, network, "torch_predict", calls, **settings)
        times = measure.in_turn(contestants, options.rounds, options.seconds)
        for other in times.values():
            assert np.allclose(times["pydml"].result, other.result, rtol=1e-3, atol=1e-4), case
        rows = measure.rows("inference", case, times, units=calls)
        found += rows
        for row in rows:
            print(measure.line(row), flush=True)
    measure.write(options.json, found)


if __name__ == "__main__":
    main()

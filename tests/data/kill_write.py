"""Kills `write` of DML at random moments; called by test_kill.py with folder, number of kills, seed.

Two matrices take turns in one file.  After each kill the file must hold one of them, whole, and nothing else is left
that a reader would take for data.  Prints how often the kill hit a write in progress.
"""

import os
import random
import signal
import sys
import time

import numpy as np

from pydml.io.load import read_value
from pydml.io.save import write_value

FORMATS = ("csv", "text", "mm", "binary", "npy")


def main(root, kills, seed):
    chance = random.Random(seed)
    values = [np.random.default_rng(k).random((300 + k, 40)) for k in range(2)]
    paths = {f: os.path.join(root, f"X.{f}") for f in FORMATS}
    length = {}
    for f, path in paths.items():
        write_value(values[0], path, {"format": f})
        start = time.monotonic()
        write_value(values[0], path, {"format": f})
        length[f] = time.monotonic() - start
    hits = 0
    for k in range(kills):
        f = FORMATS[k % len(FORMATS)]
        new = values[k // len(FORMATS) % 2]
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                write_value(new, paths[f], {"format": f})
                code = 0
            finally:
                os._exit(code)
        time.sleep(chance.random() * length[f] * 1.2)
        os.kill(pid, signal.SIGKILL)
        hits += os.WIFSIGNALED(os.waitpid(pid, 0)[1])
        found = np.asarray(read_value(paths[f], {}))
        assert any(np.array_equal(found, v) for v in values), (
            f"kill {k}: {paths[f]} is neither the old nor the new matrix"
        )
    left = set(os.listdir(root)) - {os.path.basename(p) + e for p in paths.values() for e in ("", ".mtd")}
    assert all(name.startswith(".") and name.endswith((".tmp", ".exchange")) for name in left), left
    print(hits)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))

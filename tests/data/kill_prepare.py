"""Kills `prepare` at random moments, again and again; called by test_kill.py with folder, number of kills, seed.

Each process is a fork of this one, so that a kill costs no start of Python.  After each kill the result must be the old or the new
data set, whole; after some kills the work is finished and must have the SHA-256 of uninterrupted work.  Prints how often the kill hit
work in progress.
"""

import os
import random
import signal
import sys
import time
from functools import partial

from pydml.data.images import photographs
from pydml.data.prepare import prepare
from pydml.data.verify import verify


def work(photos, folder, seed):
    return prepare(photographs(photos, resize=40, size=32, seed=seed), folder, shard_bytes=6 * 3072).sha256


def in_child(function):
    """The process that runs it; it exits with 1 if that fails."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            function()
            code = 0
        finally:
            os._exit(code)
    return pid


def main(root, kills, seed):
    chance = random.Random(seed)
    photos, folder = os.path.join(root, "photos"), os.path.join(root, "set")
    start = time.monotonic()
    whole = {0: work(photos, os.path.join(root, "whole0"), 0), 1: work(photos, os.path.join(root, "whole1"), 1)}
    length = (time.monotonic() - start) / 2
    current, hits = None, 0
    for k in range(kills):
        job = chance.randrange(2)
        for _ in range(chance.randrange(1, 4)):
            pid = in_child(partial(work, photos, folder, job))
            time.sleep(chance.random() ** 2 * length)
            os.kill(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            hits += os.WIFSIGNALED(status)
            if os.path.exists(folder):
                found = verify(folder)
                assert not found.faults, found.faults
                assert found.sha256 in (current, whole[job]), f"kill {k}: neither the old nor the new data set"
                current = found.sha256
            else:
                assert current is None, f"kill {k}: the old data set is gone"
        if chance.random() < 0.4:
            _, status = os.waitpid(in_child(partial(work, photos, folder, job)), 0)
            assert status == 0 and verify(folder).sha256 == whole[job], f"kill {k}: the resumed work differs"
            current = whole[job]
            assert set(os.listdir(root)) == {"photos", "set", "whole0", "whole1"}, os.listdir(root)
    print(hits)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))

"""Checkpoints come back bit by bit, and a kill at any moment leaves the old or the new one."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import pydml

ROOT = Path(__file__).parents[2]

# a state is whole if the hash inside it is that of its matrix
WRITER = """
import sys, hashlib, itertools
import numpy as np
from pydml.io.checkpoints import write_checkpoint
from pydml.values import List
print("ready", flush=True)
for k in itertools.count(1):
    A = np.random.default_rng(k).normal(size=(300, 500))
    write_checkpoint(sys.argv[1], List([k, A, hashlib.sha256(A).hexdigest()], ["step", "A", "hash"]))
"""


def run(text, **options):
    return pydml.run(text, **options)


def test_all_kinds_of_values_come_back_as_they_were(tmp_path):
    r = run(
        """
        A = rand(rows=3, cols=5, pdf="normal", seed=1)
        S = rand(rows=40, cols=30, sparsity=0.05, seed=2)
        checkpoint($folder, list(model=list(A, list(S, -0.1)), step=7, name="x y", yes=TRUE, none=list()))
        state = restore($folder)
        model = as.list(state["model"])
        inner = as.list(model[2])
        A2 = as.matrix(model[1])
        S2 = as.matrix(inner[1])
        x = as.scalar(inner[2])
        step = as.scalar(state["step"])
        name = as.scalar(state["name"])
        yes = as.scalar(state["yes"])
        none = length(as.list(state["none"]))
        """,
        nvargs={"folder": str(tmp_path / "new" / "ck")},
    )
    assert np.array_equal(r.A, r.A2)
    assert abs(r.S - r.S2).sum() == 0
    assert (r.x, r.step, r.name, r.yes, r.none) == (-0.1, 7, "x y", True, 0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.0, 5e-324, 1e308])
def test_special_numbers_keep_their_bits(tmp_path, value):
    r = run(
        "checkpoint($f, list(X, x))\ns = restore($f)\nY = as.matrix(s[1])\ny = as.scalar(s[2])",
        X=np.full((1, 1), value),
        x=float(value),
        nvargs={"f": str(tmp_path)},
    )
    assert r.Y.tobytes() == np.full((1, 1), value).tobytes()
    assert np.float64(r.y).tobytes() == np.float64(value).tobytes()


def test_without_a_checkpoint_the_state_is_empty(tmp_path):
    assert run("n = length(restore($f))", nvargs={"f": str(tmp_path / "none")}).n == 0


def test_a_damaged_file_is_an_error(tmp_path):
    run("checkpoint($f, list(matrix(1, rows=9, cols=9)))", nvargs={"f": str(tmp_path)})
    path = tmp_path / "state"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(pydml.DMLError, match="damaged"):
        run("s = restore($f)", nvargs={"f": str(tmp_path)})
    path.write_bytes(b"something else")
    with pytest.raises(pydml.DMLError, match="not a checkpoint"):
        run("s = restore($f)", nvargs={"f": str(tmp_path)})


def test_single_precision_stays_single(tmp_path):
    r = run(
        "X = rand(rows=4, cols=4, seed=3)\ncheckpoint($f, list(X))\ns = restore($f)\nY = as.matrix(s[1])",
        nvargs={"f": str(tmp_path)},
        precision="single",
    )
    assert r.Y.dtype == np.float32
    assert r.X.tobytes() == r.Y.tobytes()


def test_the_run_s_stream_starts_again_with_setSeed():
    r = run("setSeed(5)\nA = rand(rows=3, cols=3)\nB = rand(rows=3, cols=3)\nsetSeed(5)\nC = rand(rows=3, cols=3)")
    assert np.array_equal(r.A, r.C)
    assert not np.array_equal(r.A, r.B)
    assert np.array_equal(r.A, run("setSeed(5)\nA = rand(rows=3, cols=3)", seed=99).A)


def test_a_kill_at_any_moment_leaves_a_whole_state(tmp_path, kills):
    """`--kills N` on the command line of pytest: how many."""
    rng = np.random.default_rng(1)
    folder = tmp_path / "ck"
    last = 0
    for _ in range(kills):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        process.stdout.readline()
        time.sleep(rng.uniform(0, 0.1))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        r = run("s = restore($f)\nn = length(s)", nvargs={"f": str(folder)})
        if r.n:
            state = run('s = restore($f)\nA = as.matrix(s["A"])\nh = as.scalar(s["hash"])', nvargs={"f": str(folder)})
            assert hashlib.sha256(np.ascontiguousarray(state.A)).hexdigest() == state.h
            last += 1
    assert last > 0, "no state was written between the kills"
    remains = [p.name for p in folder.iterdir() if p.name != "state"]
    assert len(remains) <= 1, "remains of killed processes are cleaned up"

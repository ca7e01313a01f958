"""Training on a data set five times the memory limit stays within 1.25 times the limit."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pydml.io.dataset import Manifest, Shard
from pydml.io.formats.idx import labels_idx

ROOT = Path(__file__).parents[2]
LIMIT_MB = 256
C, SIZE, SHARD_ROWS, SHARDS = 3, 64, 2800, 40

SCRIPT = """
source("nn/layers/affine.dml") as affine
source("nn/layers/softmax.dml") as softmax
source("nn/layers/cross_entropy_loss.dml") as cross_entropy_loss

X = read($data + "/train")
y = read($data + "/train.labels")
n = nrow(X)
[W, b] = affine::init(ncol(X), 2, 1)
W = W * 0
order = sample(n, n, FALSE, 7)
steps = n %/% 200
losses = matrix(0, rows=steps, cols=1)
for (i in 1:steps) {
  beg = (i - 1) * 200 + 1
  end = i * 200
  if (i <= steps / 2) { X_batch = X[beg:end,]; y_batch = y[beg:end,] }
  else { X_batch = batchOf(X, order, beg, end); y_batch = batchOf(y, order, beg, end) }
  X_batch = random_horizontal_flip(X_batch, 3, 64, 64, seed=i)
  Y_batch = table(seq(1, 200), y_batch, 200, 2)
  scores = affine::forward(X_batch, W, b)
  p = softmax::forward(scores)
  losses[i,1] = cross_entropy_loss::forward(p, Y_batch)
  [dX, dW, db] = affine::backward(softmax::backward(cross_entropy_loss::backward(p, Y_batch), scores), X_batch, W, b)
  W = W - 0.0001 * dW; b = b - 0.0001 * db
}
print(as.scalar(losses[1,1]) + " " + mean(losses[(steps - 9):steps,]))
"""


@pytest.fixture
def large(tmp_path):
    """1.3 GiB of images: the shards are 40 names of one file, as the memory of the reader does not depend on what is in them.

    Images of class 2 are brighter.
    """
    random = np.random.default_rng(1)
    cells = random.integers(0, 200, (SHARD_ROWS, C, SIZE, SIZE), np.uint8)
    labels = random.integers(1, 3, SHARD_ROWS)
    cells[labels == 2] += 50
    folder = tmp_path / "large" / "train"
    folder.mkdir(parents=True)
    (folder / "shard-00000.bin").write_bytes(cells.tobytes())
    for k in range(1, SHARDS):
        os.link(folder / "shard-00000.bin", folder / f"shard-{k:05d}.bin")
    shards = tuple(Shard(f"shard-{k:05d}.bin", SHARD_ROWS, "") for k in range(SHARDS))
    manifest = Manifest(C, SIZE, SIZE, 2, (0.44,) * 3, (0.25,) * 3, shards)
    assert manifest.rows * manifest.cols > 5 * LIMIT_MB << 20
    (folder / "manifest.json").write_text(manifest.text())
    (tmp_path / "large" / "train.labels").write_bytes(labels_idx(np.tile(labels, SHARDS)))
    return tmp_path / "large"


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs /proc")
def test_training_stays_within_the_limit(large, tmp_path):
    script = tmp_path / "train.dml"
    script.write_text(SCRIPT)
    first, second, peak = train(script, large)
    assert second < 0.5 < first  # it learns
    assert peak < 1.25 * (LIMIT_MB << 20), f"{peak >> 20} MiB"


# The peak of the process itself: getrusage would count what the tests before held when they started it.
PROGRAM = """
import sys
from pydml.cli import main
status = main(sys.argv[1:])
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")))
sys.exit(status)
"""


def train(script, folder):
    """The first and the last losses, and the peak of the resident memory."""
    options = ["--mem", f"{LIMIT_MB}m", "--precision", "single", "--threads", "1", "-nvargs", f"data={folder}"]
    command = [sys.executable, "-c", PROGRAM, str(script), *options]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    first, second, _, kilobytes, _ = result.stdout.split()
    return float(first), float(second), int(kilobytes) << 10


@pytest.mark.parametrize("text, size", [("1g", 1 << 30), ("1.5M", 3 << 19), ("64KiB", 1 << 16), ("2TB", 1 << 41)])
def test_sizes_of_the_option(text, size):
    from pydml.cli import parse_arguments

    assert parse_arguments(["-e", "x = 1", "--mem", text]).memory == size


def test_mem_without_a_size_is_that_of_systemds():
    from pydml.cli import UsageError, parse_arguments

    options = parse_arguments(["-mem", "train.dml"])
    assert options.memory is None and options.file == "train.dml" and "no effect" in options.remarks[0]
    with pytest.raises(UsageError, match="greater than 0"):
        parse_arguments(["-e", "x = 1", "--mem", "0g"])

"""A prepare or a write that is killed leaves the old or the new files, whole, and prepare goes on to the same bytes.

KILLS=200 in the environment makes as many rounds; without it there are few.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parent

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def killed(script, root, kills):
    """Run a script that kills; how many kills met work in progress."""
    result = subprocess.run(
        [sys.executable, str(FOLDER / script), str(root), str(kills), "1"],
        cwd=FOLDER.parents[1],
        env={**os.environ, "PYTHONPATH": str(FOLDER.parents[1])},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return int(result.stdout)


def test_prepare(tmp_path):
    Image = pytest.importorskip("PIL.Image", reason="decoding photographs needs Pillow")
    random = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for k in range(25):
            cells = random.integers(0, 256, (50, 60, 3), np.uint8)
            Image.fromarray(cells).save(tmp_path / "photos" / name / f"{k}.png")
    (tmp_path / "photos" / "a" / "broken.png").write_bytes(b"\x89PNG")
    kills = int(os.environ.get("KILLS", "10"))
    assert killed("kill_prepare.py", tmp_path, kills) > kills // 3  # most kills met work in progress


def test_write(tmp_path):
    kills = int(os.environ.get("KILLS", "40"))
    assert killed("kill_write.py", tmp_path, kills) > kills // 3

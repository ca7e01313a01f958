"""A prepare that is killed leaves the old or the new data set, whole, and goes on to the same bytes.

KILLS=200 in the environment makes as many rounds; without it there are few.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

Image = pytest.importorskip("PIL.Image", reason="decoding photographs needs Pillow")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_at_random_moments(tmp_path):
    random = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for k in range(25):
            cells = random.integers(0, 256, (50, 60, 3), np.uint8)
            Image.fromarray(cells).save(tmp_path / "photos" / name / f"{k}.png")
    (tmp_path / "photos" / "a" / "broken.png").write_bytes(b"\x89PNG")
    kills = int(os.environ.get("KILLS", "12"))
    script = Path(__file__).with_name("kill_prepare.py")
    result = subprocess.run(
        [sys.executable, str(script), str(tmp_path), str(kills), "1"],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) > kills // 3  # most kills met work in progress

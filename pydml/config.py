"""Settings of a run: where they come from, and what they are.

`Config` is frozen and is handed down from the command line or from `script`; nothing below asks for anything else.  This
module and `cache` (the place of the cache folder) are the only readers of the environment.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydml.diagnostics import fail

PRECISIONS = ("double", "single")


@dataclass(frozen=True)
class Config:
    """precision: "double" or "single", the floating-point numbers of matrices.  threads: how many threads a run may use;
    None: all cores that the process may use.  seed: start of the random numbers of calls without a seed of their own;
    None: another one in each run.  path: folders where source() looks before the scripts shipped with the package.
    optimized: False runs programs as they are written, without any rewrite.
    """

    precision: str = "double"
    threads: int | None = None
    seed: int | None = None
    path: tuple[str, ...] = ()
    optimized: bool = True

    @property
    def dtype(self) -> Any:
        import numpy as np

        return np.float32 if self.precision == "single" else np.float64

    @property
    def search(self) -> tuple[Path, ...]:
        """Folders where source() looks, in their order."""
        return (*map(Path, self.path), bundled_scripts())


def make_config(
    *,
    precision: str = "double",
    threads: int | None = None,
    seed: int | None = None,
    path: Sequence[str | os.PathLike[str]] | str | os.PathLike[str] = (),
    optimized: bool = True,
) -> Config:
    """A checked Config; what is not given comes from the environment.  Raises DMLError "value".

    SYSTEMDS_NUM_THREADS: number of threads.  PYDML_PATH: further folders for source(), separated as in PATH.
    """
    if precision not in PRECISIONS:
        fail("value", f"the precision must be double or single, got {precision!r}")
    if threads is None and os.environ.get("SYSTEMDS_NUM_THREADS"):
        text = os.environ["SYSTEMDS_NUM_THREADS"]
        if not text.isdecimal() or int(text) < 1:
            fail("value", f"SYSTEMDS_NUM_THREADS must be a positive number, got {text!r}")
        threads = int(text)
    if threads is not None and (type(threads) is not int or threads < 1):
        fail("value", f"the number of threads must be a positive int, got {threads!r}")
    if seed is not None and (type(seed) is not int or not 0 <= seed < 2**64):
        fail("value", f"the seed must be an int from 0 to 2^64-1, got {seed!r}")
    folders = [path] if isinstance(path, (str, os.PathLike)) else list(path)
    folders += [p for p in os.environ.get("PYDML_PATH", "").split(os.pathsep) if p]
    return Config(precision, threads, seed, tuple(os.fspath(p) for p in folders), optimized)


def bundled_scripts() -> Path:
    """The folder of the DML scripts that come with pydml: `scripts/` of a checkout, `pydml/scripts` where installed."""
    package = Path(__file__).parent
    installed = package / "scripts"
    return installed if installed.is_dir() else package.parent / "scripts"


def use_color() -> bool:
    """Whether messages to a terminal may be coloured (NO_COLOR and TERM=dumb say no)."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

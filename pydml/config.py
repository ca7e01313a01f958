"""Settings of a run: where they come from, and what they are.

`Config` is frozen and is handed down from the command line or from `script`; nothing below asks for anything else.  This
module and `cache` (the place of the cache folder) are the only readers of the environment.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydml.diagnostics import fail
from pydml.records import dataclass

PRECISIONS = ("double", "single")


# What BLAS libraries read when they are loaded.
_BLAS_VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
blas_starts_single = False


def start_blas_single() -> None:
    """Let BLAS start without threads of its own, which pydml does not use: for a process that pydml has for itself.

    Nothing happens if NumPy is loaded or the user has set a number.
    """
    global blas_starts_single
    if "numpy" not in sys.modules and not any(name in os.environ for name in _BLAS_VARIABLES):
        os.environ.update(dict.fromkeys(_BLAS_VARIABLES, "1"))
        blas_starts_single = True


@dataclass(frozen=True)
class Config:
    """precision: "double" or "single", the floating-point numbers of matrices.  threads: how many threads a run may use;
    None: all cores that the process may use.  seed: start of the random numbers of calls without a seed of their own;
    None: another one in each run.  path: folders where source() looks before the scripts shipped with the package.
    systemds_scripts: the folder of the scripts of an installed SystemDS, or None.  optimized: False runs programs as they
    are written, without any rewrite.  deterministic: the last bits of decompositions do not depend on the number of threads.
    """

    precision: str = "double"
    threads: int | None = None
    seed: int | None = None
    path: tuple[str, ...] = ()
    optimized: bool = True
    deterministic: bool = False
    systemds_scripts: str | None = None

    @property
    def dtype(self) -> Any:
        import numpy as np

        return np.float32 if self.precision == "single" else np.float64

    @property
    def search(self) -> tuple[Path, ...]:
        """Folders of scripts: where source() and calls of builtins written in DML look, in their order."""
        installed = [self.systemds_scripts] if self.systemds_scripts is not None else []
        return (*map(Path, [*self.path, *installed]), bundled_scripts())


def make_config(
    *,
    precision: str = "double",
    threads: int | None = None,
    seed: int | None = None,
    path: Sequence[str | os.PathLike[str]] | str | os.PathLike[str] = (),
    optimized: bool = True,
    deterministic: bool = False,
    systemds_root: str | os.PathLike[str] | None = None,
) -> Config:
    """A checked Config; what is not given comes from the environment.  Raises DMLError "value".

    systemds_root: a SystemDS whose scripts can be used, see `systemds_scripts`.
    SYSTEMDS_NUM_THREADS: number of threads.  SYSTEMDS_ROOT: the same as systemds_root.  PYDML_PATH: further folders for
    source(), separated as in PATH.
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
    scripts = None
    if systemds_root is not None:
        scripts = systemds_scripts(systemds_root)
    elif os.environ.get("SYSTEMDS_ROOT"):
        scripts = systemds_scripts(os.environ["SYSTEMDS_ROOT"], "SYSTEMDS_ROOT: ")
    return Config(precision, threads, seed, tuple(os.fspath(p) for p in folders), optimized, deterministic, scripts)


def systemds_scripts(root: str | os.PathLike[str], source: str = "") -> str:
    """The folder with the DML scripts of a SystemDS installation.

    root: a checkout or an unpacked release (with the folder scripts/), SystemDS.jar, or a folder that holds the jar, such
    as the Python package `systemds` or the folder of packages around it.  The scripts of a jar are unpacked into the cache.
    source: begins the message of the DMLError "value" for a place without SystemDS.
    """
    path = Path(root).expanduser()
    for folder in (path / "scripts", path):
        if (folder / "builtin").is_dir():
            return os.path.abspath(folder)
    jars = [path] if path.suffix == ".jar" else [path / p for p in _JARS]
    jar = next((p for p in jars if p.is_file()), None)
    if jar is None and path.is_dir():
        jar = next(iter(sorted(path.glob("systemds-*.jar"))), None)
    if jar is None:
        what = "there is nothing at" if not path.exists() else "there is no SystemDS in"
        fail(
            "value",
            f"{source}{what} {path}",
            help="name a checkout of SystemDS, SystemDS.jar, or a folder that holds it, such as site-packages/systemds",
        )
    from pydml import cache

    try:
        folder = Path(cache.unpacked(str(jar), "scripts/", ".dml"), "scripts")
    except (OSError, ValueError) as error:
        fail("value", f"{source}cannot read {jar}: {error}")
    if not (folder / "builtin").is_dir():
        fail("value", f"{source}{jar} holds no DML scripts")
    return str(folder)


# Where a folder holds the jar: the Python package, the folder around it, a built checkout.
_JARS = ("SystemDS.jar", "systemds/SystemDS.jar", "target/SystemDS.jar")


def bundled_scripts() -> Path:
    """The folder of the DML scripts that come with pydml: `scripts/` of a checkout, `pydml/scripts` where installed."""
    package = Path(__file__).parent
    installed = package / "scripts"
    return installed if installed.is_dir() else package.parent / "scripts"


def use_color() -> bool:
    """Whether messages to a terminal may be coloured (NO_COLOR and TERM=dumb say no)."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

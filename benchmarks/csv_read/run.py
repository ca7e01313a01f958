"""Reading and writing text files: pydml, pandas and pyarrow, one after the other in one process.

python benchmarks/csv_read/run.py --size 1000 --folder /tmp
python benchmarks/csv_read/run.py --size 200 --formats csv text libsvm mm binary hdf5
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pydml.backends.cpu.threads import set_threads
from pydml.builtins import registry
from pydml.io.load import read_value
from pydml.io.save import write_value
from pydml.values import Sparse, to_dense

# bytes of a cell in each format, about
CELL = {"csv": 12, "text": 21, "mm": 21, "libsvm": 16, "binary": 8, "hdf5": 8, "npy": 8}
COLUMNS = 100


def cells(rows: int, style: str) -> np.ndarray:
    """style "digits": six decimals, as most files have; "full": all digits of a double; "counts": small whole numbers."""
    rng = np.random.default_rng(1)
    if style == "counts":
        return rng.integers(1, 256, (rows, COLUMNS)).astype(float)
    values = rng.random((rows, COLUMNS))
    return values if style == "full" else np.round(values, 6)


def processor_time() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def measured(what: str, megabytes: float, repeats: int, work: Callable[[], Any]) -> tuple[float, float, Any]:
    """The shortest wall time, the shortest processor time, and what the work gave at last.  The first call is not counted."""
    best_wall = best_used = float("inf")
    result = work()
    for _ in range(repeats):
        del result  # its memory is there for the next
        wall, used = time.perf_counter(), processor_time()
        result = work()
        wall, used = time.perf_counter() - wall, processor_time() - used
        best_wall, best_used = min(best_wall, wall), min(best_used, used)
    speed = f"{megabytes / best_wall:8.0f} MB/s {megabytes / best_used:8.0f} MB per processor second"
    print(f"{what:30} {megabytes:6.0f} MB {speed}", flush=True)
    return best_wall, best_used, result


def readers(format: str, path: Path) -> dict[str, Callable[[], Any]]:
    """What else reads the format."""
    found: dict[str, Callable[[], Any]] = {}
    if format != "csv":
        return found
    try:
        import pandas

        found["pandas"] = lambda: pandas.read_csv(path, header=None).to_numpy()
    except ImportError:
        pass
    try:
        from pyarrow import csv

        options = csv.ReadOptions(autogenerate_column_names=True)
        found["pyarrow"] = lambda: csv.read_csv(path, read_options=options)
    except ImportError:
        pass
    return found


def run(format: str, style: str, megabytes: float, folder: Path, share: float, repeats: int) -> list[dict[str, Any]]:
    """The rows of one format; the file is removed at the end."""
    rows = max(1, int(megabytes * 1e6 / (CELL[format] * COLUMNS)))
    value: Any = cells(rows, style)
    if share < 1:
        from scipy.sparse import csr_matrix

        value = Sparse(csr_matrix(np.where(np.random.default_rng(2).random(value.shape) < share, value, 0)))
    path = folder / f"data.{format}"
    options = {"format": format}
    try:
        write_value(value, str(path), options)
        size = path.stat().st_size / 1e6
        measured(f"{format} {style} write", size, repeats, lambda: write_value(value, str(path), options))
        arguments = {} if Path(f"{path}.mtd").exists() else options
        wall, used, read = measured(f"{format} {style} read", size, repeats, lambda: read_value(str(path), arguments))
        assert read.shape[0] == rows
        assert np.array_equal(to_dense(read), to_dense(value))
        del read
        found = []
        for peer, work in readers(format, path).items():
            peer_wall, peer_used, _ = measured(f"{format} {style} read by {peer}", size, repeats, work)
            row = {"suite": "csv_read", "case": f"{format} {style}, {size:.0f} MB", "peer": peer}
            row |= {"ratio": peer_wall / wall, "ours_s": wall, "peer_s": peer_wall, "cpu_ratio": peer_used / used}
            found.append(row)
        return found
    finally:
        path.unlink(missing_ok=True)
        Path(f"{path}.mtd").unlink(missing_ok=True)


def main(arguments: list[str] | None = None) -> list[dict[str, Any]]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=float, default=200, help="megabytes of each file, about")
    parser.add_argument("--formats", nargs="*", default=["csv"], choices=CELL)
    parser.add_argument("--styles", nargs="*", default=["digits", "full", "counts"])
    parser.add_argument("--share", type=float, default=1.0, help="share of the cells that are not 0")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--threads", type=int)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="small files, to see that all of it runs")
    parser.add_argument("--json", metavar="FILE", help="write the rows to FILE")
    options = parser.parse_args(arguments)
    if options.quick:
        options.size, options.repeats = 0.5, 1
    set_threads(options.threads)
    registry.all_builtins()  # loads the backends
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    found = []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for format in options.formats:
            for style in options.styles:
                found += run(format, style, options.size, Path(folder), options.share, options.repeats)
    if options.json:
        Path(options.json).write_text(json.dumps(found, indent=1) + "\n")
    return found


if __name__ == "__main__":
    main()

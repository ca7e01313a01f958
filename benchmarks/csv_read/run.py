"""Speed of reading and writing text files: pydml, and what else is installed, in one run.

python benchmarks/csv_read/run.py --size 1000 --folder /tmp
python benchmarks/csv_read/run.py --size 200 --formats csv text libsvm mm --others

Prints megabytes per second of wall time and of processor time.  On a busy machine the second says more: per second of one core.  The
files are made once and removed at the end.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pydml.backends.cpu.threads import set_threads
from pydml.builtins import registry
from pydml.io.load import read_value
from pydml.io.save import write_value
from pydml.values import Sparse, kind_of, to_dense

# bytes of a cell of each format, about
CELL = {"csv": 9, "text": 21, "mm": 21, "libsvm": 13, "binary": 8, "hdf5": 8, "npy": 8}


def cells(rows: int, cols: int, style: str) -> np.ndarray:
    """style "digits": six decimals, as most files have; "full": all digits of a double; "counts": small whole numbers."""
    rng = np.random.default_rng(1)
    if style == "counts":
        return rng.integers(1, 256, (rows, cols)).astype(float)
    values = rng.random((rows, cols))
    return values if style == "full" else np.round(values, 6)


def processor_time() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def measured(what: str, megabytes: float, work: Callable[[], Any]) -> Any:
    wall, used = time.perf_counter(), processor_time()
    result = work()
    wall, used = time.perf_counter() - wall, processor_time() - used
    print(
        f"{what:32} {megabytes / wall:8.0f} MB/s  {megabytes / used:8.0f} MB per processor second  ({wall:.1f} s)",
        flush=True,
    )
    return result


def run(format: str, style: str, megabytes: float, folder: Path, others: bool, share: float) -> None:
    cols = 100
    rows = max(1, int(megabytes * 1e6 / (CELL[format] * cols)))
    value: Any = cells(rows, cols, style)
    if share < 1:
        from scipy.sparse import csr_matrix

        value = Sparse(csr_matrix(np.where(np.random.default_rng(2).random(value.shape) < share, value, 0)))
    path = folder / f"data.{format}"
    try:
        size = 0.0
        for attempt in ("first", "again"):
            begin = time.perf_counter()
            write_value(value, str(path), {"format": format})
            size = path.stat().st_size / 1e6
            seconds = time.perf_counter() - begin
            print(f"{format + ' ' + style + ' write, ' + attempt:32} {size / seconds:8.0f} MB/s", flush=True)
        arguments = {} if Path(f"{path}.mtd").exists() else {"format": format}
        for attempt in ("first", "again"):
            read = measured(f"{format} {style} read, {attempt}", size, lambda: read_value(str(path), arguments))
        if format == "libsvm":  # the .mtd of SystemDS counts the features
            assert read.shape[0] == rows
        else:
            assert kind_of(read) is not None and np.array_equal(to_dense(read), to_dense(value))
        del read
        if others and format == "csv":
            read_by_others(path, size, style)
    finally:
        path.unlink(missing_ok=True)
        Path(f"{path}.mtd").unlink(missing_ok=True)


def read_by_others(path: Path, size: float, style: str) -> None:
    try:
        import pandas

        measured(f"pandas {style} read", size, lambda: pandas.read_csv(path, header=None).to_numpy())
    except ImportError:
        print("pandas is not installed")
    try:
        from pyarrow import csv

        options = csv.ReadOptions(autogenerate_column_names=True)
        measured(f"pyarrow {style} read", size, lambda: csv.read_csv(path, read_options=options))
    except ImportError:
        print("pyarrow is not installed")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=float, default=200, help="megabytes of each file")
    parser.add_argument("--formats", nargs="*", default=["csv"], choices=CELL)
    parser.add_argument("--styles", nargs="*", default=["digits", "full", "counts"])
    parser.add_argument("--share", type=float, default=1.0, help="share of the cells that are not 0")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--threads", type=int)
    parser.add_argument("--others", action="store_true", help="pandas and pyarrow too")
    options = parser.parse_args()
    set_threads(options.threads)
    registry.all_builtins()  # load the backends
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for format in options.formats:
            for style in options.styles:
                run(format, style, options.size, Path(folder), options.others, options.share)


if __name__ == "__main__":
    main()

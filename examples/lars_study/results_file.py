"""The results of the study as a csv file: one row per finished run, replaced as a whole after every run."""

from __future__ import annotations

import csv
import os
from pathlib import Path

from plan import Outcome, Results, Run

COLUMNS = [*Run._fields, *Outcome._fields]


def read_results(path: Path) -> Results:
    """The runs of a file; none where it does not exist yet."""
    if not path.exists():
        return {}
    results: Results = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            run = Run(
                row["setting"],
                row["optimizer"],
                int(row["batch_size"]),
                float(row["rate"]),
                int(row["seed"]),
                int(row["epochs"]),
                int(row["steps"]),
            )
            results[run] = Outcome(
                int(row["updates"]),
                row["diverged"] == "True",
                float(row["loss"]),
                float(row["train_accuracy"]),
                float(row["test_accuracy"]),
                float(row["seconds"]),
            )
    return results


def write_results(path: Path, results: Results) -> None:
    """The file is written beside the old one, which it replaces in one step: a kill leaves the old or the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for run, outcome in results.items():
            rounded = [f"{v:.6g}" if isinstance(v, float) else v for v in outcome]
            writer.writerow([*run, *rounded])
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)

"""Reading the records of training runs; `pydml.io.run_records` says what they hold."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

from pydml.diagnostics import fail


class Record:
    """A record that was read.

    name: of the folder.  info: what `run.json` holds.  curve, epochs: columns by name; empty where there is no table.
    """

    def __init__(self, name: str, info: dict[str, Any], curve: dict[str, list[float]], epochs: dict[str, list[float]]):
        self.name = name
        self.info = info
        self.curve = curve
        self.epochs = epochs


def read_record(folder: str | os.PathLike[str]) -> Record:
    """Read a record.  Raises DMLError "file" where the folder is none."""
    path = Path(folder)
    if not (path / "run.json").is_file() and not (path / "curve.csv").is_file():
        fail("file", f"{path} is not the record of a run: it has neither run.json nor curve.csv")
    info: dict[str, Any] = {}
    if (path / "run.json").is_file():
        try:
            info = json.loads((path / "run.json").read_text(encoding="utf-8"))
        except ValueError as error:
            fail("file", f"{path / 'run.json'} is not JSON: {error}")
        if not isinstance(info, dict):
            fail("file", f"{path / 'run.json'} does not hold an object")
    return Record(path.resolve().name, info, _read_table(path / "curve.csv"), _read_table(path / "epochs.csv"))


def _read_table(path: Path) -> dict[str, list[float]]:
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    if not rows:
        return {}
    names, *body = rows
    columns: dict[str, list[float]] = {name: [] for name in names}
    for number, row in enumerate(body, 2):
        if len(row) != len(names):
            fail("file", f"{path}, line {number}: {len(row)} values under {len(names)} names")
        for name, text in zip(names, row, strict=True):
            try:
                columns[name].append(float(text))
            except ValueError:
                fail("file", f"{path}, line {number}: {text!r} is not a number")
    return columns

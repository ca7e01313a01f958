"""The record of a training run: a folder with a JSON file and two tables.

    run.json      program, arguments, versions, time of the end, summary of the result
    curve.csv     a row per update: step, loss, rate, ...; columns `trust_NAME` are the local rates of LARS
    epochs.csv    a row per epoch: epoch, loss, validation_loss, top1, top5, images_per_second, ... as far as known

Written by the builtin `record` and by Python programs that train; read by `pydml.plot`.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydml.io.atomic import cannot_write

Table = tuple[Sequence[str], Any]  # names of the columns, rows of numbers


def versions() -> dict[str, str]:
    """What a result depends on: pydml, Python, NumPy and the kind of machine."""
    import numpy

    from pydml import __version__

    return {
        "pydml": __version__,
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "machine": f"{platform.system()} {platform.machine()}",
    }


def write_record(
    folder: str | os.PathLike[str],
    *,
    program: str,
    arguments: Mapping[str, Any],
    summary: Mapping[str, Any] | None = None,
    curve: Table | None = None,
    epochs: Table | None = None,
) -> None:
    """Write a record; each of its files replaces an older one as a whole.  Makes the folder where it is missing."""
    path = Path(folder)
    text = json.dumps(
        {
            "program": program,
            "arguments": dict(arguments),
            "versions": versions(),
            "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "summary": dict(summary or {}),
        },
        indent=2,
    )
    try:
        path.mkdir(parents=True, exist_ok=True)
        if curve is not None:
            _replace(path / "curve.csv", table_text(*curve))
        if epochs is not None:
            _replace(path / "epochs.csv", table_text(*epochs))
        _replace(path / "run.json", text + "\n")
    except OSError as error:
        cannot_write(str(path), error)


def table_text(names: Sequence[str], rows: Any) -> str:
    """A csv text with a header; numbers with 7 digits, whole ones without a point."""
    lines = [",".join(names)]
    lines += [",".join(_number(value) for value in row) for row in rows]
    return "\n".join(lines) + "\n"


def _number(value: Any) -> str:
    value = float(value)
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.7g}"


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)

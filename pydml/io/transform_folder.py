"""Metadata of transformencode in the folders that older releases of SystemDS wrote: for the builtin transformmeta.

column.names               the names of the columns, on one line
Recode/NAME.map            for each text: "text",code,count       Recode/NAME.ndistinct   their number
Bin/NAME.bin               number,lowest,highest,width,bins
Impute/NAME.impute         number,text for missing cells
"""

from __future__ import annotations

import itertools
import os
import re
from typing import Any

from pydml.diagnostics import fail
from pydml.io.paths import existing_path, local_path, read_bytes, unreadable
from pydml.transform.encoders import SEPARATOR
from pydml.transform.specification import Specification
from pydml.values.columns import STRING, Column, object_array
from pydml.values.frame import Frame
from pydml.values.text import double_text

_RECODE = re.compile(r'(?:"((?:[^"]|"")*)"|(.*?)),(\d+)(?:,\d+)?')


def read_transform_folder(path: str, entries: dict[str, Any], sep: str, what: str) -> Frame:
    """The metadata as a frame.  entries: of the specification.  Raises DMLError "file" or "data-format"."""
    path = existing_path(local_path(path))
    names = _lines(os.path.join(path, "column.names"))
    if not names:
        fail("data-format", f"{path}: the file column.names is empty")
    columns = [name.strip() for name in names[0].split(sep)]
    specification = Specification.of(entries, columns, what)
    cells: list[list[str]] = []
    imputed: list[str | None] = []
    for j, name in enumerate(columns):
        kind = specification.encoder.get(j)
        if kind == "recode":
            cells.append(_recode(os.path.join(path, "Recode", f"{name}.map")))
        elif kind == "bin":
            cells.append(_bins(os.path.join(path, "Bin", f"{name}.bin")))
        elif kind == "hash":
            cells.append([str(specification.K)])
        else:
            cells.append([])
        text = None
        if j in specification.impute:
            place = os.path.join(path, "Impute", f"{name}.impute")
            text = _fields(place, _lines(place), 2)[1]
        imputed.append(text)
    rows = max(map(len, cells))
    made = [Column(STRING, object_array([*found, *[None] * (rows - len(found))])) for found in cells]
    counts = [len(found) if specification.encoder.get(j) in ("recode", "bin") else -1 for j, found in enumerate(cells)]
    return Frame(made, columns, rows, imputed, counts)


def _lines(file: str) -> list[str]:
    try:
        return read_bytes(file).decode().splitlines()
    except OSError as error:
        unreadable(file, error)
    except UnicodeDecodeError as error:
        fail("data-format", f"{file} is not UTF-8 text: {error.reason} at byte {error.start}")


def _fields(file: str, lines: list[str], count: int) -> list[str]:
    fields = [f.strip() for f in lines[0].split(",")] if lines else []
    if len(fields) < count:
        fail("data-format", f"{file}: expected a line of {count} fields, found {len(fields)}")
    return fields


def _recode(file: str) -> list[str]:
    cells = []
    for number, line in enumerate(_lines(file), 1):
        match = _RECODE.fullmatch(line.strip())
        if match is None:
            fail("data-format", f'{file}: line {number}: expected "text",code,count')
        quoted, plain, code = match.groups()
        text = plain if quoted is None else quoted.replace('""', '"')
        cells.append(f"{text}{SEPARATOR}{code}")
    return cells


def _bins(file: str) -> list[str]:
    fields = _fields(file, _lines(file), 5)
    try:
        low, width, bins = float(fields[1]), float(fields[3]), int(fields[4])
    except ValueError:
        fail("data-format", f"{file}: expected number,lowest,highest,width,bins")
    bounds = [low + i * width for i in range(bins + 1)]
    return [f"{double_text(a)}{SEPARATOR}{double_text(b)}" for a, b in itertools.pairwise(bounds)]


__all__ = ["read_transform_folder"]

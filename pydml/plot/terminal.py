"""Plots made of characters: dots of Braille, two by four in a cell, where there is one series; letters where there are several."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from pydml.plot.series import Panel, Series

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # bit of the dot at (row, column) of a cell
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_MARGIN = 11  # characters left of the vertical axis


def plot_text(panel: Panel, width: int = 78, height: int = 12) -> str:
    """A panel as lines of text, at most `width` characters wide, with `height` lines for the curves."""
    series = [s for s in panel.series if s.x and not s.faint]
    columns = max(10, width - _MARGIN - 1)
    if not series:
        return f"{panel.title}: no points\n"
    log = panel.log and all(y > 0 for s in series for y in s.y)
    transform = math.log10 if log else float
    low_x, high_x = _range([x for s in series for x in s.x])
    low_y, high_y = _range([transform(y) for s in series for y in s.y])
    if panel.percent:
        low_y, high_y = 0.0, 1.0
    cells = [[" "] * columns for _ in range(height)]

    def place(x: float, y: float, across: int, down: int) -> tuple[int, int]:
        column = round((x - low_x) / (high_x - low_x) * (across - 1))
        row = round((high_y - transform(y)) / (high_y - low_y) * (down - 1))
        return max(0, min(across - 1, column)), max(0, min(down - 1, row))

    lines = [panel.title]
    if len(series) == 1:
        dots = [[0] * columns for _ in range(height)]
        for x, y in _dense(series[0], columns * 2):
            column, row = place(x, y, columns * 2, height * 4)
            dots[row // 4][column // 2] |= _DOTS[row % 4][column % 2]
        cells = [[chr(0x2800 + bits) if bits else " " for bits in row] for row in dots]
        if series[0].label:
            lines[0] += f": {series[0].label}"
    else:
        letters = [_LETTERS[k % len(_LETTERS)] for k in range(len(series))]
        for letter, s in zip(letters, series, strict=True):
            for x, y in _dense(s, columns) if not s.marks else zip(s.x, s.y, strict=True):
                column, row = place(x, y, columns, height)
                cells[row][column] = letter if cells[row][column] in (" ", letter) else "*"
        lines += _legend(letters, series, width)
    for row in range(height):
        value = high_y - (high_y - low_y) * row / (height - 1)
        label = ""
        if row in (0, height // 2, height - 1):
            label = f"{value:.0%}" if panel.percent else f"{10**value if log else value:.4g}"
        lines.append(f"{label:>{_MARGIN - 1}} ┤" + "".join(cells[row]).rstrip())
    lines.append(" " * _MARGIN + "└" + "─" * columns)
    left, right = f"{low_x:.4g}", f"{high_x:.4g} {panel.x_label}"
    lines.append(" " * (_MARGIN + 1) + left + right.rjust(columns - len(left)))
    return "\n".join(lines) + "\n"


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    if low == high:
        return low - 0.5, high + 0.5
    return low, high


def _dense(series: Series, columns: int) -> list[tuple[float, float]]:
    """Points close enough to each other to look like a line."""
    points = list(zip(series.x, series.y, strict=True))
    if len(points) < 2:
        return points
    steps = max(1, -(-2 * columns // (len(points) - 1)))
    dense = []
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        dense += [(x0 + (x1 - x0) * k / steps, y0 + (y1 - y0) * k / steps) for k in range(steps)]
    return [*dense, points[-1]]


def _legend(letters: Sequence[str], series: Sequence[Series], width: int) -> list[str]:
    lines, line = [], " "
    for letter, s in zip(letters, series, strict=True):
        item = f" {letter} {s.label} "
        if len(line) + len(item) > width and line.strip():
            lines.append(line.rstrip())
            line = " "
        line += item
    return [*lines, line.rstrip()]

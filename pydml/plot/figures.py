"""Figures of training runs by matplotlib, which the extra `plot` brings along and which is loaded on first use."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydml.diagnostics import fail
from pydml.plot.record import Record
from pydml.plot.series import Panel, panels

# Okabe and Ito's colours, which people with any colour vision can tell apart
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#A0A000")


def load_matplotlib() -> Any:
    """matplotlib for files, without a window.  Raises DMLError "not-supported" where it is not installed."""
    try:
        import matplotlib
    except ImportError:
        fail(
            "not-supported",
            "figures need matplotlib, which is not installed",
            help='pip install "pydml[plot]"; plots in the terminal (pydml plot --terminal) do without it',
        )
    matplotlib.use("Agg")
    # texts stay texts, and the same data give the same file
    matplotlib.rcParams.update(
        {"svg.fonttype": "none", "svg.hashsalt": "pydml", "axes.spines.top": False, "axes.spines.right": False}
    )
    return matplotlib


def run_figure(records: Sequence[Record]) -> Any:
    """All panels of the records as one figure."""
    load_matplotlib()
    from matplotlib.figure import Figure

    shown = panels(records)
    if not shown:
        fail("value", "there is nothing to draw: the records have neither a curve nor epochs")
    columns = min(2, len(shown))
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(6 * columns, 3.6 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for panel, ax in zip(shown, axes.flat, strict=False):
        _draw(panel, ax)
    for ax in list(axes.flat)[len(shown) :]:
        ax.remove()
    return figure


def panel_figure(panel: Panel) -> Any:
    """One panel as a figure."""
    load_matplotlib()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    _draw(panel, figure.subplots())
    return figure


def _draw(panel: Panel, ax: Any) -> None:
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    # many layers: one colour from light to dark for each, in their order
    many = len(panel.series) > len(COLORS) and panel.log
    for k, series in enumerate(panel.series):
        color: Any = COLORS[series.run % len(COLORS)]
        if many:
            import matplotlib

            color = matplotlib.colormaps["viridis"](k / (len(panel.series) - 1))
        style: dict[str, Any] = {"color": color, "label": series.label or None, "linewidth": 1.5}
        if series.faint:
            style.update(alpha=0.25, linewidth=0.8)
        if series.marks:
            style.update(marker="o", markersize=4, linestyle="--" if "training" in _labels(panel) else "-")
        ax.plot(series.x, series.y, **style)
    ax.set_title(panel.title, fontsize=11, loc="left")
    ax.set_xlabel(panel.x_label)
    ax.grid(True, color="#e6e6e6", linewidth=0.8)
    ax.set_axisbelow(True)
    # whole steps and epochs, unless less than two of them are shown
    long = max((x for series in panel.series for x in series.x), default=0.0) >= 2
    ax.xaxis.set_major_locator(MaxNLocator(8, integer=long, steps=[1, 2, 5, 10]))
    if panel.log and all(y > 0 for s in panel.series for y in s.y):
        ax.set_yscale("log")
    if panel.percent:
        ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        ax.set_ylim(0, 1.02)
    named = [s for s in panel.series if s.label]
    if many:
        ax.legend(handles=[ax.lines[0], ax.lines[-1]], frameon=False, fontsize=8)
    elif len(named) > 1:
        ax.legend(frameon=False, fontsize=8)


def _labels(panel: Panel) -> str:
    return " ".join(series.label for series in panel.series)


def save(figure: Any, stem: Path, formats: Sequence[str]) -> list[Path]:
    """Write a figure as STEM.png, STEM.svg ...; returns the paths."""
    paths = []
    for kind in formats:
        path = stem.with_name(f"{stem.name}.{kind}")
        options: dict[str, Any] = {"dpi": 130} if kind == "png" else {"metadata": {"Date": None}}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            figure.savefig(path, **options)
        except OSError as error:
            fail("file", f"cannot write {path}: {error.strerror or error}")
        paths.append(path)
    return paths


def svg_text(figure: Any) -> str:
    """A figure as SVG to be put into a page, without the XML declaration."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]

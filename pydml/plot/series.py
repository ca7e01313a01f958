"""What is drawn of a record, whatever draws it: panels with a title, axes and series of points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import field

from pydml.plot.record import Record
from pydml.records import dataclass


@dataclass
class Series:
    """Points to be joined by a line, or drawn one by one where `marks` says so.  Points with NaN or infinity are left out."""

    label: str
    x: list[float]
    y: list[float]
    run: int = 0  # number of the run, which decides the colour
    marks: bool = False
    faint: bool = False  # a noisy curve behind its running mean

    def __post_init__(self) -> None:
        points = [(a, b) for a, b in zip(self.x, self.y, strict=True) if math.isfinite(a) and math.isfinite(b)]
        self.x = [a for a, _ in points]
        self.y = [b for _, b in points]


@dataclass
class Panel:
    """One diagram.  percent: the values are shares from 0 to 1.  log: the vertical axis is logarithmic."""

    title: str
    x_label: str
    series: list[Series] = field(default_factory=list)
    percent: bool = False
    log: bool = False


def panels(records: Sequence[Record]) -> list[Panel]:
    """Loss, accuracy, rate, and for each run of LARS its local rates; diagrams without any point are left out."""
    x_label = "epoch" if all(_epochs_known(r) for r in records) else "step"
    loss = Panel("loss", x_label)
    accuracy = Panel("validation accuracy", x_label, percent=True)
    rate = Panel("learning rate", x_label)
    trust: list[Panel] = []
    several = len(records) > 1
    labels = short_names([record.name for record in records])
    for k, (record, label) in enumerate(zip(records, labels, strict=True)):
        x = curve_positions(record, x_label)
        losses = record.curve.get("loss", [])
        if len(losses) > 60:
            loss.series.append(Series("", x, losses, k, faint=True))
        if losses:
            loss.series.append(Series(_join(label, "training"), x, running_mean(losses, len(losses) // 60), k))
        at = epoch_positions(record, x_label)
        if "validation_loss" in record.epochs:
            loss.series.append(Series(_join(label, "validation"), at, record.epochs["validation_loss"], k, marks=True))
        for name in ("top1", "top5"):
            if name in record.epochs and not (name == "top5" and several):
                shown = {"top1": "top-1", "top5": "top-5"}[name]
                accuracy.series.append(
                    Series(_join(label, shown), at, record.epochs[name], k + (name == "top5"), marks=True)
                )
        if "rate" in record.curve:
            rate.series.append(Series(label, x, record.curve["rate"], k))
        layers = [name for name in record.curve if name.startswith("trust_")]
        if layers:
            panel = Panel(_join("local rates of LARS", label), x_label, log=True)
            for layer, name in enumerate(layers):
                rates = running_mean(record.curve[name], len(x) // 60)
                panel.series.append(Series(name.removeprefix("trust_"), x, rates, layer))
            trust.append(panel)
    # rates of LARS and of momentum differ by orders of magnitude
    highest = [max(s.y) for s in rate.series if s.y]
    rate.log = bool(highest) and min(highest) > 0 and max(highest) > 20 * min(highest)
    return [panel for panel in (loss, accuracy, rate, *trust) if any(s.x for s in panel.series)]


def short_names(names: Sequence[str]) -> list[str]:
    """The names without the words, between dashes, that all of them begin or end with; of a single name nothing is left."""
    words = [name.split("-") for name in names]
    shortest = min(len(w) for w in words)
    first = next((k for k in range(shortest) if len({w[k] for w in words}) > 1), shortest)
    last = next((k for k in range(shortest - first) if len({w[-1 - k] for w in words}) > 1), shortest - first)
    short = ["-".join(w[first : len(w) - last]) for w in words]
    return short if len(set(short)) == len(names) else [f"{k} {name}" for k, name in enumerate(names, 1)]


def _join(a: str, b: str) -> str:
    return f"{a}, {b}" if a and b else a or b


def _epochs_known(record: Record) -> bool:
    return bool(record.epochs.get("epoch")) or "epoch" in record.curve


def curve_positions(record: Record, x_label: str) -> list[float]:
    """Where the rows of the curve stand on the horizontal axis."""
    curve = record.curve
    if x_label == "epoch":
        if "epoch" in curve:
            return curve["epoch"]
        # the images that were seen, or the steps, tell how far the training was
        done = curve.get("images") or curve.get("step", [])
        epochs = record.epochs["epoch"][-1]
        return [value / done[-1] * epochs for value in done] if done else []
    steps = curve.get("step")
    return steps if steps is not None else [float(k) for k in range(1, 1 + len(next(iter(curve.values()), [])))]


def epoch_positions(record: Record, x_label: str) -> list[float]:
    """Where the rows of the table of epochs stand on the horizontal axis."""
    epochs = record.epochs.get("epoch", [])
    steps = record.curve.get("step", [])
    if x_label == "epoch" or not epochs or not steps:
        return epochs
    return [epoch / epochs[-1] * steps[-1] for epoch in epochs]


def running_mean(values: Sequence[float], width: int) -> list[float]:
    """The mean of each value and up to `width` before it."""
    means = []
    total = 0.0
    for k, value in enumerate(values):
        total += value
        if k > width:
            total -= values[k - width - 1]
        means.append(total / min(k + 1, width + 1))
    # differences of large numbers and NaN would go on for ever
    if not all(math.isfinite(value) for value in values):
        return list(values)
    return means

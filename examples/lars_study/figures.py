"""The figures and tables of the study, from a file of results: accuracy and generalisation error over the batch size."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from plan import Outcome, Results, Run
from results_file import read_results

from pydml.plot.figures import COLORS, load_matplotlib, save

NAMES = {"momentum": "SGD with momentum", "lars": "LARS", "lamb": "LAMB"}
LABELS = {
    "recommended": ", warm-up and decay, best rate",
    "paper": ", the paper's rate of 0.01",
    "constant": ", the paper's schedule, other rates",
}
QUANTITIES: dict[str, tuple[str, Callable[[Outcome], float]]] = {
    "test_accuracy": ("test accuracy", lambda o: o.test_accuracy),
    "train_accuracy": ("training accuracy", lambda o: o.train_accuracy),
    "generalisation_error": (
        "generalisation error (training - test accuracy)",
        lambda o: o.train_accuracy - o.test_accuracy,
    ),
}


def chosen_rates(results: Results) -> dict[tuple[str, str, int], float]:
    """The rate that is shown for each setting, optimizer and batch size: the one most seeds ran with; of several, that with the
    lowest training loss of the first seed."""
    found: dict[tuple[str, str, int], dict[float, list[tuple[int, float]]]] = {}
    for run, outcome in results.items():
        rates = found.setdefault((run.setting, run.optimizer, run.batch_size), {})
        rates.setdefault(run.rate, []).append((run.seed, outcome.loss))
    return {key: min(rates, key=lambda rate: (-len(rates[rate]), min(rates[rate])[1])) for key, rates in found.items()}


def outcomes(results: Results, setting: str, optimizer: str) -> dict[int, list[Outcome]]:
    """By batch size, the outcomes of all seeds at the rate that is shown."""
    rates = chosen_rates(results)
    grouped: dict[int, list[Outcome]] = {}
    for run, outcome in results.items():
        if (run.setting, run.optimizer) == (setting, optimizer) and run.rate == rates[
            setting, optimizer, run.batch_size
        ]:
            grouped.setdefault(run.batch_size, []).append(outcome)
    return dict(sorted(grouped.items()))


def draw(results_path: Path, folder: Path, name: str) -> list[Path]:
    """The three figures as PNG and SVG, one of the sweep, and the tables as text; returns the paths."""
    results = read_results(results_path)
    if not results:
        return []
    load_matplotlib()
    paths = []
    for file, (title, quantity) in QUANTITIES.items():
        paths += save(_over_batch_size(results, title, quantity), folder / f"{name}_{file}", ("png", "svg"))
    if any(len(rates) > 2 for rates in _sweep(results).values()):
        paths += save(_sweep_figure(results), folder / f"{name}_sweep", ("png", "svg"))
    tables = folder / f"{name}.md"
    tables.write_text(tables_text(results), encoding="utf-8")
    return [*paths, tables]


def _over_batch_size(results: Results, title: str, quantity: Callable[[Outcome], float]) -> Any:
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    figure = Figure(figsize=(7, 4.8), layout="constrained")
    ax = figure.subplots()
    # at equal distances: on any scale of numbers the largest sizes would lie on each other
    sizes = sorted({run.batch_size for run in results if run.setting != "equal steps"})
    for color, optimizer in zip(COLORS, NAMES, strict=False):
        for setting, style in (("recommended", "-"), ("paper", ":"), ("constant", "--")):
            grouped = outcomes(results, setting, optimizer)
            if not grouped:
                continue
            batches = list(grouped)
            places = [sizes.index(b) for b in batches]
            values = [[quantity(o) for o in grouped[b]] for b in batches]
            means = [statistics.fmean(v) for v in values]
            label = NAMES[optimizer] + LABELS[setting]
            ax.plot(places, means, style, color=color, marker="o", markersize=4, linewidth=1.6, label=label)
            low, high = [min(v) for v in values], [max(v) for v in values]
            # from the lowest to the highest seed
            ax.vlines(places, low, high, color=color, linewidth=5, alpha=0.25)
    ax.set_xticks(range(len(sizes)), [f"{b:,}" for b in sizes], fontsize=9)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0 if "accuracy" in title[:20] else 1))
    if title in ("test accuracy", "training accuracy"):
        ax.set_ylim(0, 1.02)
    else:
        ax.axhline(0, color="#999999", linewidth=0.8)
    ax.set_xlabel("batch size")
    ax.set_title(title, fontsize=11, loc="left")
    ax.grid(True, color="#e6e6e6", linewidth=0.8)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8, handlelength=3.2)
    return figure


def _sweep(results: Results) -> dict[tuple[str, int], dict[float, Outcome]]:
    """The runs of the first seed with the recommended schedule, by rate."""
    first = min(run.seed for run in results)
    found: dict[tuple[str, int], dict[float, Outcome]] = {}
    for run, outcome in results.items():
        if run.setting == "recommended" and run.seed == first:
            found.setdefault((run.optimizer, run.batch_size), {})[run.rate] = outcome
    return {key: dict(sorted(rates.items())) for key, rates in found.items()}


def _sweep_figure(results: Results) -> Any:
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, PercentFormatter

    swept = {key: rates for key, rates in _sweep(results).items() if len(rates) > 2}
    optimizers = [name for name in NAMES if any(key[0] == name for key in swept)]
    sizes = sorted({batch for _, batch in swept})
    colors = matplotlib.colormaps["viridis"]
    figure = Figure(figsize=(3.6 * len(optimizers), 4), layout="constrained")
    for ax, optimizer in zip(figure.subplots(1, len(optimizers), squeeze=False)[0], optimizers, strict=True):
        mine = sorted((batch, rates) for (name, batch), rates in swept.items() if name == optimizer)
        for batch, rates in mine:
            color = colors(0.95 * sizes.index(batch) / max(1, len(sizes) - 1))
            values = [outcome.train_accuracy for outcome in rates.values()]
            ax.plot(list(rates), values, color=color, marker="o", markersize=4, label=f"{batch:,}")
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda rate, _: f"{rate:g}"))
        ax.minorticks_off()
        ax.set_ylim(0, 1.02)
        ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        ax.set_xlabel("rate after warm-up")
        ax.set_title(f"{NAMES[optimizer]}: training accuracy", fontsize=10, loc="left")
        ax.grid(True, color="#e6e6e6", linewidth=0.8)
    handles = {line.get_label(): line for ax in figure.axes for line in ax.lines}
    named = [f"{batch:,}" for batch in sizes]
    figure.legend(
        [handles[name] for name in named],
        named,
        title="batch size",
        loc="outside lower center",
        ncols=9,
        frameon=False,
        fontsize=8,
    )
    return figure


# ---- tables


def tables_text(results: Results) -> str:
    """All results as Markdown tables: mean of the seeds, and the lowest and highest where there are several."""
    parts = []
    for setting, title in (
        ("recommended", "Best rate, warm-up and quadratic decay"),
        ("paper", "The paper's rate, 0.01 / (1 + 1e-4 * updates)"),
        ("constant", "The paper's schedule with other rates"),
        ("equal steps", "Equal numbers of updates"),
    ):
        table = _table(results, setting)
        if table:
            parts += [f"### {title}", table]
    return "\n\n".join(parts) + "\n"


def _table(results: Results, setting: str) -> str:
    rates = chosen_rates(results)
    columns = [(name, outcomes(results, setting, name)) for name in NAMES]
    columns = [(name, grouped) for name, grouped in columns if grouped]
    if not columns:
        return ""
    head = ["batch size", "updates"]
    for name, _ in columns:
        head += [f"{NAMES[name]}: rate", "training", "test"]
    lines = [" | ".join(head), " | ".join(["---"] * len(head))]
    for batch in sorted({b for _, grouped in columns for b in grouped}):
        present = next(grouped[batch] for _, grouped in columns if batch in grouped)
        cells = [f"{batch:,}", f"{present[0].updates:,}"]
        for name, grouped in columns:
            if batch not in grouped:
                cells += ["", "", ""]
                continue
            cells.append(f"{rates[setting, name, batch]:g}")
            cells.append(_spread([o.train_accuracy for o in grouped[batch]]))
            cells.append(_spread([o.test_accuracy for o in grouped[batch]]))
        lines.append(" | ".join(cells))
    return "\n".join(f"| {line} |" for line in lines)


def _spread(values: Sequence[float]) -> str:
    mean = 100 * statistics.fmean(values)
    if len(values) == 1:
        return f"{mean:.1f}"
    return f"{mean:.1f} ({100 * min(values):.1f} to {100 * max(values):.1f})"


__all__ = ["Run", "draw", "tables_text"]

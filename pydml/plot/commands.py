"""The commands `pydml plot` and `pydml report`."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pydml.diagnostics import DMLError
from pydml.plot.record import Record, read_record


def plot_main(argv: Sequence[str]) -> int:
    """`pydml plot RUN ... [options]`; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="pydml plot",
        description="Draws loss, accuracy, learning rate and, for LARS, the local rates of the layers of training runs.",
    )
    parser.add_argument("runs", metavar="RUN", nargs="+", type=Path, help="folder with the record of a run")
    parser.add_argument(
        "--out", type=Path, metavar="NAME", help="path of the figures without ending (default: RUN/curves)"
    )
    parser.add_argument("--type", choices=["png", "svg", "both"], default="both", help="form of the figures")
    parser.add_argument("--terminal", action="store_true", help="only plots made of characters, without matplotlib")
    parser.add_argument("--width", type=int, help="characters in a line (default: those of the terminal)")
    options = parser.parse_args(list(argv))
    return _guarded(lambda: _plot(options))


def report_main(argv: Sequence[str]) -> int:
    """`pydml report RUN ... [options]`; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="pydml report", description="Writes the report of a training run as one HTML file."
    )
    parser.add_argument("runs", metavar="RUN", nargs="+", type=Path, help="folder with the record of a run")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="path of the report, for one run (default: RUN/report.html)"
    )
    options = parser.parse_args(list(argv))
    if options.out is not None and len(options.runs) > 1:
        parser.error("--out names one report; leave it out for several runs")
    return _guarded(lambda: _report(options))


def _plot(options: argparse.Namespace) -> None:
    from pydml.plot.series import panels
    from pydml.plot.terminal import plot_text

    records = _records(options.runs)
    width = options.width or min(110, shutil.get_terminal_size((78, 24)).columns)
    for panel in panels(records):
        print(plot_text(panel, width))
    if options.terminal:
        return
    from pydml.plot.figures import run_figure, save

    stem = options.out if options.out is not None else options.runs[0] / "curves"
    formats = ("png", "svg") if options.type == "both" else (options.type,)
    for path in save(run_figure(records), stem, formats):
        print(f"wrote {path}")


def _report(options: argparse.Namespace) -> None:
    from pydml.plot.report import write_report

    for folder, record in zip(options.runs, _records(options.runs), strict=True):
        path = options.out if options.out is not None else folder / "report.html"
        write_report(record, path)
        print(f"wrote {path}")


def _records(folders: Sequence[Path]) -> list[Record]:
    return [read_record(folder) for folder in folders]


def _guarded(command: Callable[[], None]) -> int:
    try:
        command()
        return 0
    except DMLError as error:
        print(error, file=sys.stderr)
        return 1

"""The report of a training run: one HTML file with everything in it, to be kept or sent."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

from pydml.diagnostics import fail
from pydml.plot.figures import panel_figure, svg_text
from pydml.plot.record import Record
from pydml.plot.series import panels

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.sub { color: #666; margin-top: .2rem; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(26rem, 1fr)); gap: 1rem; }
.figures svg { width: 100%; height: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .8rem; text-align: right; border-bottom: 1px solid #e6e6e6; } th { font-weight: 600; }
td:first-child, th:first-child { text-align: left; padding-left: 0; }
.pairs { columns: 2; } .pairs div { break-inside: avoid; } .pairs b { display: inline-block; min-width: 11rem; font-weight: 600; }
.key { display: flex; gap: 2.5rem; flex-wrap: wrap; } .key div { font-size: 1.5rem; } .key span { display: block; color: #666; font-size: .85rem; }
"""

_NAMES = {
    "top1": "top-1",
    "top5": "top-5",
    "loss": "training loss",
    "validation_loss": "validation loss",
    "images_per_second": "images/s",
    "majority": "most frequent class",
}
_SHARES = {"top1", "top5", "majority", "train_accuracy", "test_accuracy"}


def report_text(record: Record) -> str:
    """The HTML of a report.  Needs matplotlib for the diagrams."""
    info = record.info
    versions = info.get("versions", {})
    program = str(info.get("program", ""))
    parts = [
        "<!DOCTYPE html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{_text(record.name)}</title>',
        f"<style>{_STYLE}</style></head><body>",
        f"<h1>{_text(record.name)}</h1>",
        f'<p class="sub">{_text(program)}{" · finished " + _text(info["finished"]) if "finished" in info else ""}</p>',
    ]
    summary = _object(info.get("summary"))
    if "of" in summary and "step" in summary:
        summary = {"updates": f"{summary['step']} of {summary['of']}"} | summary
        del summary["step"], summary["of"]
    if summary:
        cells = "".join(f"<div>{_value(k, v)}<span>{_name(k)}</span></div>" for k, v in summary.items())
        parts.append(f'<div class="key">{cells}</div>')
    shown = panels([record])
    if shown:
        drawings = "".join(f"<div>{_unique(svg_text(panel_figure(p)), k)}</div>" for k, p in enumerate(shown))
        parts.append(f'<h2>Curves</h2><div class="figures">{drawings}</div>')
    if record.epochs:
        names = list(record.epochs)
        rows = zip(*record.epochs.values(), strict=True)
        head = "".join(f"<th>{_name(n)}</th>" for n in names)
        body = "".join(
            "<tr>" + "".join(f"<td>{_value(n, v)}</td>" for n, v in zip(names, row, strict=True)) + "</tr>"
            for row in rows
        )
        parts.append(f"<h2>Epochs</h2><table><tr>{head}</tr>{body}</table>")
    for title, values in (("Arguments", info.get("arguments")), ("Versions", versions)):
        pairs = _object(values)
        if pairs:
            lines = "".join(f"<div><b>{_name(k)}</b> {_text(v)}</div>" for k, v in pairs.items())
            parts.append(f'<h2>{title}</h2><div class="pairs">{lines}</div>')
    return "\n".join([*parts, "</body></html>\n"])


def write_report(record: Record, path: Path) -> None:
    """Write the report of a record to a file.  Raises DMLError "file"."""
    text = report_text(record)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        fail("file", f"cannot write {path}: {error.strerror or error}")


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return html.escape(str(value))


def _name(key: str) -> str:
    return _text(_NAMES.get(key, key.replace("_", " ")))


def _value(key: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return _text(value)
    if key in _SHARES:
        return f"{value:.2%}"
    return str(int(value)) if float(value).is_integer() else f"{value:.5g}"


def _unique(svg: str, number: int) -> str:
    """Names inside of a drawing belong to it alone: several drawings in one page must not share them."""
    for before in ('id="', 'xlink:href="#', "url(#"):
        svg = svg.replace(before, f"{before}p{number}_")
    return svg

"""Records of runs are drawn in the terminal, as figures and as a page."""

import math
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import numpy as np
import pytest

import pydml
from pydml.diagnostics import DMLError
from pydml.io.run_records import write_record
from pydml.plot.commands import plot_main, report_main
from pydml.plot.record import read_record
from pydml.plot.series import Panel, Series, panels, running_mean, short_names
from pydml.plot.terminal import plot_text


@pytest.fixture
def run(tmp_path):
    """The record of a run of LARS with three layers and two epochs."""
    steps = np.arange(1, 101.0)
    curve = np.column_stack(
        [steps, steps / 50, 2 * np.exp(-steps / 40), steps / 100, *(0.001 * steps for _ in range(3))]
    )
    epochs = np.array([[1, 1.5, 1.2, 0.5, 0.9], [2, 0.7, 0.6, 0.75, 1.0]])
    folder = tmp_path / "first-run"
    write_record(
        folder,
        program="train <x>.dml",
        arguments={"optimizer": "lars", "rate": 0.5},
        summary={"top1": 0.75, "step": 100, "of": 120},
        curve=("step epoch loss rate trust_W1 trust_W2 trust_W3".split(), curve),
        epochs=("epoch loss validation_loss top1 top5".split(), epochs),
    )
    return folder


def test_a_record_comes_back(run):
    record = read_record(run)
    assert record.info["arguments"] == {"optimizer": "lars", "rate": 0.5}
    assert set(record.info["versions"]) == {"pydml", "python", "numpy", "machine"}
    assert record.curve["step"] == [float(k) for k in range(1, 101)]
    assert record.epochs["top1"] == [0.5, 0.75]
    assert math.isclose(record.curve["loss"][9], 2 * math.exp(-10 / 40), rel_tol=1e-6)


def test_panels_are_loss_accuracy_rate_and_local_rates(run):
    shown = panels([read_record(run)])
    assert [p.title for p in shown] == ["loss", "validation accuracy", "learning rate", "local rates of LARS"]
    assert [s.label for s in shown[3].series] == ["W1", "W2", "W3"]
    assert {p.x_label for p in shown} == {"epoch"}
    assert shown[2].series[0].x[-1] == 2.0


def test_a_builtin_writes_what_is_read(tmp_path):
    pydml.run(
        'record(folder=$f, program="p", arguments=list(n=3, name="x"), summary=list(top1=0.5), curve=C, '
        'columns="step loss", epochs=matrix(1, rows=1, cols=1), epoch_columns="epoch")',
        C=np.array([[1, 2.5], [2, np.nan]]),
        nvargs={"f": str(tmp_path / "a" / "b")},
    )
    record = read_record(tmp_path / "a" / "b")
    assert record.info["summary"] == {"top1": 0.5}
    assert record.curve["loss"][0] == 2.5
    assert math.isnan(record.curve["loss"][1])
    assert panels([record])[0].series[0].y == [2.5]


@pytest.mark.parametrize(
    "content, message",
    [
        ("step,loss\n1,2\n3\n", "line 3: 1 values under 2 names"),
        ("step,loss\n1,x\n", "line 2: 'x' is not a number"),
    ],
)
def test_a_broken_table_names_the_line(tmp_path, content, message):
    (tmp_path / "curve.csv").write_text(content)
    with pytest.raises(DMLError, match=re.escape(message)):
        read_record(tmp_path)


def test_a_folder_that_is_no_record_is_an_error(tmp_path, capsys):
    assert plot_main([str(tmp_path)]) == 1
    assert "is not the record of a run" in capsys.readouterr().err


def test_a_line_rises_from_left_to_right_in_the_terminal():
    lines = plot_text(Panel("t", "step", [Series("up", [0, 1, 2], [0, 1, 2])]), 40, 6).splitlines()
    assert lines[0] == "t: up"
    body = [line.split("┤")[1] for line in lines if "┤" in line]
    first = [next(k for k, c in enumerate(line) if c != " ") for line in body]
    assert first == sorted(first, reverse=True)
    assert first[-1] == 0
    assert len(body[0]) == 40 - 12
    assert lines[1].split()[0] == "2"
    assert lines[6].split()[0] == "0"


def test_several_series_have_letters_and_a_legend():
    series = [Series("one", [0, 1], [0, 0]), Series("two", [0, 1], [1, 1])]
    text = plot_text(Panel("t", "step", series), 60, 5)
    assert "a one" in text and "b two" in text
    rows = [line.split("┤")[1] for line in text.splitlines() if "┤" in line]
    assert set(rows[0]) == {"b"} and set(rows[-1]) == {"a"}


@pytest.mark.parametrize("y", [[], [math.nan, math.inf], [3.0], [3.0, 3.0]])
def test_few_and_strange_points_can_be_drawn(y):
    assert "t" in plot_text(Panel("t", "step", [Series("", list(range(len(y))), y)]), 30, 4)


def test_running_mean():
    assert running_mean([1, 2, 3, 4], 1) == [1, 1.5, 2.5, 3.5]
    assert running_mean([1, 2], 0) == [1, 2]


def test_short_names_are_what_differs():
    assert short_names(["mnist-lars-8-seed1", "mnist-sgd-8-seed1"]) == ["lars", "sgd"]
    assert short_names(["a"]) == [""]
    assert len(set(short_names(["a-b", "a-b"]))) == 2


def test_terminal_plots_need_no_matplotlib(run):
    program = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from pydml.plot.commands import plot_main\n"
        f"assert plot_main([{str(run)!r}, '--terminal', '--width', '60']) == 0\n"
        f"assert plot_main([{str(run)!r}]) == 1\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "local rates of LARS" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 110
    assert 'pip install "pydml[plot]"' in done.stderr


def test_figures_are_written(run, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    assert plot_main([str(run), "--out", str(tmp_path / "new" / "fig"), "--width", "60"]) == 0
    png = (tmp_path / "new" / "fig.png").read_bytes()
    assert png.startswith(b"\x89PNG")
    svg = ET.parse(tmp_path / "new" / "fig.svg").getroot()
    texts = " ".join("".join(e.itertext()) for e in svg.iter() if e.tag.endswith("text"))
    for title in ("loss", "validation accuracy", "learning rate", "local rates of LARS"):
        assert title in texts
    assert "wrote" in capsys.readouterr().out


def test_the_same_record_gives_the_same_figure(run, tmp_path):
    pytest.importorskip("matplotlib")
    for name in ("a", "b"):
        plot_main([str(run), "--out", str(tmp_path / name), "--type", "svg"])
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


class Page(HTMLParser):
    """Collects the texts, ids and references of a page."""

    def __init__(self):
        super().__init__()
        self.texts, self.ids, self.references = [], [], []

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name == "id":
                self.ids.append(value)
            if name in ("src", "href", "xlink:href"):
                self.references.append(value)

    def handle_data(self, data):
        self.texts.append(data)


def test_the_report_has_everything_inside(run, capsys):
    pytest.importorskip("matplotlib")
    assert report_main([str(run)]) == 0
    page = Page()
    page.feed((run / "report.html").read_text())
    text = " ".join(page.texts)
    for expected in ("first-run", "75.00%", "100 of 120", "train <x>.dml", "optimizer", "learning rate", "numpy"):
        assert expected in text
    assert all(r.startswith("#") for r in page.references), "the page refers to nothing outside"
    assert len(page.ids) == len(set(page.ids))


def test_the_command_line_knows_plot_and_report(run, capsys):
    from pydml.cli import main

    assert main(["plot", str(run), "--terminal"]) == 0
    assert "learning rate" in capsys.readouterr().out
    assert main(["report", str(run / "none")]) == 1

"""The benchmarks run: small sizes, without time limits and without peers that are not installed."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

import pydml

ROOT = Path(__file__).resolve().parents[1]
BENCHMARKS = ROOT / "benchmarks"


def load(name: str):
    """A script of the benchmarks as a module."""
    path = BENCHMARKS / name
    spec = spec_from_file_location("benchmark_" + name.replace("/", "_").removesuffix(".py"), path)
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


linear_algebra, algorithms, scripting = (load(f"{s}/run.py") for s in ("linear_algebra", "algorithms", "scripting"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("files")
    linear_algebra.prepare(path, quick=True)
    return path


@pytest.mark.parametrize("case", linear_algebra.cases(True).values(), ids=list(linear_algebra.cases(True)))
def test_linear_algebra(case, folder):
    output = io.StringIO()
    pydml.run(linear_algebra.script(case, True), outputs=[], nvargs={"folder": f"{folder}/"}, stdout=output)
    assert output.getvalue().count("seconds ") == 3


def test_linear_algebra_has_the_same_cases_in_full_size():
    assert list(linear_algebra.cases(False)) == list(linear_algebra.cases(True))


@pytest.mark.parametrize("share", [1.0, 0.05], ids=["dense", "sparse"])
@pytest.mark.parametrize("name", algorithms.CALLS)
def test_algorithms(name, share):
    output = io.StringIO()
    pydml.run(algorithms.script(*algorithms.CALLS[name], 300, 12, share), outputs=[], stdout=output)
    assert "seconds " in output.getvalue() and "result " in output.getvalue()


@pytest.mark.parametrize("name", scripting.PROGRAMS)
def test_scripting_computes_the_same_as_python(name):
    program = scripting.PROGRAMS[name]
    size = max(program.size // 1000, 8)
    output = io.StringIO()
    pydml.run(scripting.dml(program, size, 2), outputs=[], stdout=output)
    by_hand = subprocess.run(
        [sys.executable, "-c", scripting.python(program, size, 2)], capture_output=True, text=True, check=True
    )
    scripting.check(name, output.getvalue(), by_hand.stdout)


def test_a_suite_as_a_command(tmp_path):
    command = [sys.executable, str(BENCHMARKS / "scripting" / "run.py"), "--quick", "--systemds", ""]
    command += ["--only", "recursion", "--json", str(tmp_path / "rows.json")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads((tmp_path / "rows.json").read_text())
    assert {"suite", "case", "peer", "ratio", "ours_s", "peer_s"} <= row.keys()
    assert row["suite"] == "scripting" and row["ratio"] > 0


@pytest.mark.parametrize("suite", ["linear_algebra", "algorithms", "scripting", "start", "deterministic"])
def test_every_suite_tells_its_question(suite):
    readme = (BENCHMARKS / suite / "README.md").read_text()
    assert "run.py" in readme


def test_summary_has_every_row_and_marks_losses(monkeypatch, tmp_path):
    run_all = load("run_all.py")
    monkeypatch.setattr(run_all, "RESULTS", tmp_path)
    rows = [
        {"suite": "s", "case": "won", "peer": "P", "ratio": 4.0, "ours_s": 1.0, "peer_s": 4.0},
        {"suite": "s", "case": "lost", "peer": "P", "ratio": 0.25, "ours_s": 4.0, "peer_s": 1.0, "cpu_ratio": 0.5},
    ]
    (tmp_path / "s.json").write_text(json.dumps({"machine": run_all.machine(), "minutes": 1, "rows": rows}))
    text = run_all.summary()
    assert "geometric mean 1.00, slower in 1" in text
    assert "| won | 1 | P | 4 | 4.00 |" in text and "| lost | 4 | P | 1 | **0.25** | 0.50 |" in text


def test_cases_that_are_measured_again_replace_their_rows_alone():
    def row(case, ratio, peer="P"):
        return {"case": case, "peer": peer, "ratio": ratio}

    merged = load("run_all.py").merged([row("a", 1), row("b", 1), row("b", 2, "Q")], [row("b", 3), row("c", 3)])
    assert merged == [row("a", 1), row("b", 3), row("b", 2, "Q"), row("c", 3)]


def test_summary_tells_memory_in_mib(monkeypatch, tmp_path):
    run_all = load("run_all.py")
    monkeypatch.setattr(run_all, "RESULTS", tmp_path)
    row = {"suite": "memory", "case": "c", "peer": "P", "ratio": 2.0, "ours_mib": 1234.0, "peer_mib": 2468.0}
    (tmp_path / "memory.json").write_text(json.dumps({"machine": run_all.machine(), "minutes": 1, "rows": [row]}))
    assert "| case | pydml, MiB | peer | peer, MiB |" in run_all.summary()
    assert "| c | 1234 | P | 2468 | 2.00 |" in run_all.summary()


def test_growth(tmp_path, capsys):
    load("growth/run.py").main(["--quick", "--only", "epoch", "--json", str(tmp_path / "rows.json")])
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert [r["case"] for r in rows] == [f"epoch of lenet, {n} images" for n in ("256", "512", "1,024")]
    assert rows[1]["ratio"] == 1 and all(r["ours_s"] > 0 for r in rows)


def test_what_deterministic_costs(tmp_path, capsys):
    load("deterministic/run.py").main(["--quick", "--only", "solve", "--json", str(tmp_path / "rows.json")])
    (row,) = json.loads((tmp_path / "rows.json").read_text())
    assert row["peer"] == "pydml --deterministic" and row["ratio"] > 0


def test_reading_files(tmp_path, capsys):
    formats = ["csv", "text", "mm", "libsvm", "binary", "npy"]
    rows = load("csv_read/run.py").main(
        ["--quick", "--styles", "counts", "--folder", str(tmp_path), "--formats", *formats]
    )
    assert capsys.readouterr().out.count("read ") >= len(formats)
    assert {row["peer"] for row in rows} <= {"pandas", "pyarrow"}
    assert not list(tmp_path.iterdir())

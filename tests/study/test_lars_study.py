"""The LARS study: its plan, its files, and a reduced run of all of it."""

import math
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STUDY = ROOT / "examples" / "lars_study"


@pytest.fixture(scope="module", autouse=True)
def modules():
    """The study is a program: its modules lie beside it, not in a package."""
    sys.path.insert(0, str(STUDY))
    yield
    sys.path.remove(str(STUDY))


def outcome(loss):
    from plan import Outcome

    return Outcome(12, False, loss, 0.5, 0.4, 1.0)


def complete(plan, loss_of):
    """The results of a study whose losses are given by a function."""
    results = {}
    while (run := plan.next_run(results)) is not None:
        assert len(results) < 400
        results[run] = outcome(loss_of(run))
    return results


def test_the_climb_finds_the_best_rate_and_stops_behind_it():
    from plan import Plan, interpolated

    def loss(run):
        best = {"momentum": 0.24, "lars": 5.0, "lamb": 0.03}[run.optimizer]
        return abs(math.log2(run.rate / best))

    results = complete(Plan(), loss)
    swept = sorted(
        r.rate
        for r in results
        if (r.optimizer, r.batch_size, r.seed) == ("momentum", 16000, 1) and r.setting == "recommended"
    )
    assert swept == [0.03, 0.06, 0.12, 0.24, 0.48]
    swept = sorted(
        r.rate
        for r in results
        if (r.optimizer, r.batch_size, r.seed) == ("lars", 16000, 1) and r.setting == "recommended"
    )
    assert swept == [2.5, 5.0, 10.0, 20.0, 40.0]
    assert interpolated({("lars", 1000): 1.0, ("lars", 100000): 100.0}, "lars", 10000) == 10.0
    assert interpolated({("lars", 1000): 1.0}, "lars", 4000) == 2.0


def test_every_batch_size_and_seed_is_in_the_plan_once():
    from plan import BATCH_SIZES, SEEDS, Plan

    results = complete(Plan(), lambda run: abs(math.log2(run.rate / 0.12)))
    for optimizer in ("momentum", "lars"):
        for batch in BATCH_SIZES:
            for seed in SEEDS:
                runs = [
                    r
                    for r in results
                    if (r.setting, r.optimizer, r.batch_size, r.seed) == ("recommended", optimizer, batch, seed)
                ]
                assert runs
                assert len(runs) == 1 or seed == SEEDS[0]
        paper = [r for r in results if (r.setting, r.optimizer) == ("paper", optimizer)]
        assert {r.rate for r in paper} == {0.01}
        assert {r.batch_size for r in paper} == set(Plan().paper_batch_sizes)
        assert len(paper) == len(set(paper))


def test_the_rates_of_another_data_set():
    from plan import Plan

    other = complete(Plan(), lambda run: abs(math.log2(run.rate / 0.12)))
    results = complete(Plan(rates_from=other, seeds=(1,)), lambda run: 1.0)
    assert len(results) == 8 + 4
    assert {r.batch_size for r in results} == {16000, 1024, 32000, 8000}
    assert sum(r.setting == "constant" for r in results) == 4


def test_results_come_back(tmp_path):
    from plan import Plan
    from results_file import read_results, write_results

    results = complete(Plan(), lambda run: 1.5)
    write_results(tmp_path / "new" / "r.csv", results)
    assert read_results(tmp_path / "new" / "r.csv") == results
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["r.csv"]
    assert read_results(tmp_path / "none.csv") == {}


def test_the_reduced_study_goes_on_where_it_was_stopped(tmp_path):
    pytest.importorskip("matplotlib")
    data = ROOT / "scripts" / "nn" / "examples" / "data" / "fashion-mnist"
    command = [sys.executable, str(STUDY / "run"), "--data", str(data), "--name", "small", "--small", "--threads", "1"]
    command += ["--out", str(tmp_path), "--records", str(tmp_path / "records")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = (tmp_path / "small.csv").read_text().splitlines()
    assert len(rows) == 1 + 13
    for name in ("test_accuracy", "train_accuracy", "generalisation_error"):
        assert (tmp_path / f"small_{name}.png").read_bytes().startswith(b"\x89PNG")
        assert "<svg" in (tmp_path / f"small_{name}.svg").read_text()
    assert len(list((tmp_path / "records" / "small").iterdir())) == 13
    # a study that was stopped: the last run is missing
    (tmp_path / "small.csv").write_text("\n".join(rows[:-1]) + "\n")
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert len(re.findall(r"runs  ", again.stdout)) == 1
    without_seconds = [row.rpartition(",")[0] for row in rows]
    assert [row.rpartition(",")[0] for row in (tmp_path / "small.csv").read_text().splitlines()] == without_seconds


def test_a_missing_folder_is_an_error(tmp_path):
    done = subprocess.run(
        [sys.executable, str(STUDY / "run"), "--data", str(tmp_path), "--small", "--out", str(tmp_path / "out")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "error[file]" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_committed_tables_are_those_of_the_results():
    """The tables are made again from the csv and must be those beside it."""
    pytest.importorskip("matplotlib")
    from figures import tables_text
    from results_file import read_results

    for path in (STUDY / "results").glob("*.csv"):
        assert path.with_suffix(".md").read_text() == tables_text(read_results(path))

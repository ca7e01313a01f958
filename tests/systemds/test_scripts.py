"""SystemDS's own scripts: the commands that check them, on a small installation made up here, and on a real one if there is one.

With $SYSTEMDS_ROOT (a checkout, SystemDS.jar or a folder that holds it), all programs of scripts/ are run and compared with what
SystemDS printed for them.
"""

from __future__ import annotations

import os
import re

import check_scripts
import compare_scripts
import pytest
from cases import HERE, read_cases

ROOT = os.environ.get("SYSTEMDS_ROOT")
CASES = [case for path in compare_scripts.all_programs() for case in read_cases(path)]


@pytest.fixture
def installation(tmp_path):
    files = {
        "builtin/twice.dml": "m_twice = function(matrix[double] X) return (matrix[double] Y) { Y = 2 * X }",
        "builtin/wrong.dml": "m_wrong = function(matrix[double] X) return (matrix[double] Y) { Y = twice(Z) }",
        "builtin/odd.dml": "m_odd = function(matrix[double] X) return (matrix[double] X) { if (X) X = X + 1 }",
        "builtin/lost.dml": 'source("scripts/nowhere.dml") as n\nm_lost = function(int x) return (int y) { y = n::f(x) }',
        "utils/run.dml": "f = $in\nX = read(f)\nY = twice(X) * $n\nprint(sum(Y))",
    }
    for name, text in files.items():
        path = tmp_path / "scripts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_every_script_is_compiled(installation, capsys):
    assert check_scripts.main(["--systemds-root", str(installation), "--all"]) == 1
    found = re.findall(r"^(\w+)[a-z ]* (\w+/\w+\.dml)", capsys.readouterr().out, re.M)
    states = {path: state for state, path in found}
    assert states == {
        "builtin/lost.dml": "import",
        "builtin/odd.dml": "has",
        "builtin/twice.dml": "compiles",
        "builtin/wrong.dml": "does",
        "utils/run.dml": "reads",
    }
    (installation / "scripts" / "builtin" / "wrong.dml").unlink()
    assert check_scripts.main(["--systemds-root", str(installation)]) == 0


def test_programs_are_compared(installation, capsys, monkeypatch, tmp_path):
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setattr(compare_scripts, "PROGRAMS", programs)
    monkeypatch.chdir(HERE / "library")
    text = "--- twice\nprint(sum(twice(matrix(1, 1, 2))))\n#> {}\n"
    (programs / "a.dml").write_text(text.format("4.000000000001"))
    assert compare_scripts.main(["--systemds-root", str(installation)]) == 0
    (programs / "a.dml").write_text(text.format("4.0001"))
    assert compare_scripts.main(["--systemds-root", str(installation)]) == 1
    assert "twice: line 1: '4.0', expected '4.0001'" in capsys.readouterr().out


@pytest.mark.skipif(not ROOT, reason="SYSTEMDS_ROOT names no SystemDS")
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_scripts_of_systemds_give_its_numbers(case, monkeypatch):
    monkeypatch.chdir(HERE / "library")
    assert compare_scripts.verdict(case, *compare_scripts.run_pydml(case, ROOT)) == ""

"""What docs/frames.md shows is what happens."""

import re
from pathlib import Path

import pytest
from frame_testing import run

PAGE = (Path(__file__).parents[2] / "docs" / "frames.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)
    return found


def test_dml(tmp_path, monkeypatch):
    pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    Path("people.csv").write_text("name,city,age\nAnn,Rome,31\nBob,Oslo,\nAnn,Rome,25\n")
    matrix, decoded = run(block("r"), ["X", "G"])
    assert matrix.tolist() == [[1, 1, 0, 31], [2, 0, 1, 28], [1, 1, 0, 25]]
    assert decoded["name"].tolist() == ["Ann", "Bob", "Ann"] and decoded["age"].tolist() == [31, 28, 25]
    assert Path("people.meta").read_text().startswith("name,city,age\n#Meta")


def test_python(capsys):
    pytest.importorskip("pandas")
    exec(block("python"), {})
    output = capsys.readouterr().out
    assert output.startswith("[[ 1. 31.]\n [ 2. nan]\n [ 1. 25.]]") and "Oslo\xb72" in output


def test_all_keys_are_there():
    from pydml.transform.specification import KEYS

    missing = [key for key in KEYS if not re.search(rf"\b{key}\b", PAGE)]
    assert missing == ["word_embedding", "udf"]  # pydml doc transformapply and transformencode tell of these

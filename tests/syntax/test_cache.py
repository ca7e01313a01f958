"""The cache of parser tables and trees: found again, private, and never in the way."""

from __future__ import annotations

import os
import pickle
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pydml import cache
from pydml.diagnostics import SourceFile
from pydml.syntax import parse

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    path = tmp_path / "a" / "cache"
    monkeypatch.setenv("PYDML_CACHE_DIR", str(path))
    return path


def entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.exists() else []


def test_what_is_stored_is_found(folder):
    assert cache.load("k", "a") is None
    cache.store("k", "a", {"x": (1, 2)})
    cache.store("k", "b", 3)
    cache.store("other", "a", 4)
    assert cache.load("k", "a") == {"x": (1, 2)}
    assert (cache.load("k", "b"), cache.load("other", "a"), cache.load("k", "c")) == (3, 4, None)
    cache.store("k", "a", 5)
    assert cache.load("k", "a") == 5
    assert len(entries(folder)) == 3


def test_another_version_does_not_find_it(folder, monkeypatch):
    cache.store("k", "a", 1)
    monkeypatch.setattr(sys.modules["pydml"], "__version__", "0.0.other", raising=False)
    assert cache.load("k", "a") is None


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="modes of POSIX")
def test_directory_and_files_are_private(folder):
    cache.store("k", "a", 1)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in entries(folder)] == [0o600]


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="modes of POSIX")
def test_what_others_can_write_is_not_read(folder):
    cache.store("k", "a", 1)
    (entry,) = entries(folder)
    entry.chmod(0o666)
    assert cache.load("k", "a") is None
    entry.chmod(0o600)
    assert cache.load("k", "a") == 1
    folder.chmod(0o770)
    assert cache.directory() is None
    assert cache.load("k", "a") is None
    cache.store("k", "b", 1)
    assert entries(folder) == [entry]


@pytest.mark.parametrize("damage", [b"", b"x" * 100, None, pickle.dumps(3)])
def test_damaged_entries_are_ignored_and_replaced(folder, damage):
    cache.store("k", "a", list(range(100)))
    (entry,) = entries(folder)
    content = entry.read_bytes()
    entry.write_bytes(content[:-7] + b"\0" * 7 if damage is None else damage)
    assert cache.load("k", "a") is None
    cache.store("k", "a", 2)
    assert cache.load("k", "a") == 2


def test_an_entry_of_a_class_that_is_gone_is_ignored(folder):
    name = "_Gone"
    globals()[name] = type(name, (), {"__module__": __name__, "__qualname__": name})
    cache.store("k", "a", globals()[name]())
    assert cache.load("k", "a") is not None
    del globals()[name]
    assert cache.load("k", "a") is None


def test_no_cache_where_it_cannot_be(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    for place in ("", "relative", str(tmp_path / "file"), str(tmp_path / "file" / "below"), "/proc/none"):
        monkeypatch.setenv("PYDML_CACHE_DIR", place)
        assert cache.directory() is None
        cache.store("k", "a", 1)
        assert cache.load("k", "a") is None
    assert not os.path.exists("relative")


def test_default_directory(tmp_path, monkeypatch):
    monkeypatch.delenv("PYDML_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.directory() == str(tmp_path / "xdg" / "pydml")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache.directory() == str(tmp_path / "home" / ".cache" / "pydml")


def test_values_that_cannot_be_stored_are_left_out(folder):
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    for value in (lambda: 1, threading.Lock(), deep):
        cache.store("k", "a", value)
        assert cache.load("k", "a") is None
    while deep:  # freed from the outside, one by one
        deep = deep[0]


def test_old_entries_go_and_other_files_stay(folder, monkeypatch):
    monkeypatch.setattr(cache, "_MOST_ENTRIES", 10)
    cache.store("k", "first", 0)
    (folder / "notes.txt").write_text("mine")
    for number in range(30):
        cache.store("k", str(number), number)
        os.utime(max(entries(folder), key=lambda p: p.stat().st_mtime), (number, number))
    assert (folder / "notes.txt").exists()
    assert len(entries(folder)) <= 11
    assert cache.load("k", "29") == 29


def test_many_writers_at_once(folder):
    errors = []

    def work(number: int) -> None:
        for _ in range(20):
            cache.store("k", "a", [number] * 1000)
            value = cache.load("k", "a")
            if value is None or value != [value[0]] * 1000:
                errors.append(value)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(entries(folder)) == 1


def test_a_parsed_text_is_found_again(folder):
    file = SourceFile("t.dml", "# Doc.\nx = f(1, NaN)[q] = g(2)\nf = function() { y = 'a' }".replace(")[q]", ")\n[q]"))
    first = parse(file)
    second = parse(SourceFile(file.name, file.text))
    assert first.file is file and second.file is not file
    assert first == second and second.doc == "Doc."
    assert second.statements[0].value.span.file is second.file
    assert second.file.text == file.text and str(second.statements[1].span) == "t.dml:3:1"
    assert parse(SourceFile("other.dml", file.text)).file.name == "other.dml"


def test_a_known_text_needs_no_lark(folder):
    code = "import sys; from pydml.syntax import parse; from pydml.diagnostics import SourceFile\n"
    code += "parse(SourceFile('t.dml', 'print(\"hello\")')); print('lark' in sys.modules)"

    def run() -> str:
        return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert run() == "True\n"
    assert len(entries(folder)) == 2
    assert run() == "False\n"
    for entry in entries(folder):
        entry.write_bytes(b"damaged")
    assert run() == "True\n"


def test_parsing_works_without_a_cache(monkeypatch):
    monkeypatch.setenv("PYDML_CACHE_DIR", "")
    assert parse(SourceFile("t.dml", "x = 1")) == parse(SourceFile("t.dml", "x = 1"))

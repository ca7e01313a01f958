"""Results replace old files as a whole, whatever happens on the way."""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from io_testing import error, read, read_dense, same_bits, write

from pydml.io import atomic
from pydml.values import List, to_dense

OLD, NEW = np.eye(2), np.full((3, 3), 7.0)


@pytest.fixture(params=["exchange", "renames"])
def both_ways(request, monkeypatch):
    """With the system's exchange of two names, and without it."""
    if request.param == "renames":
        monkeypatch.setattr(atomic, "swap", lambda a, b: False)


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def test_parent_folders_are_made(tmp_path):
    write(OLD, tmp_path / "a" / "b" / "x.csv", format="csv")
    assert same_bits(read_dense(tmp_path / "a" / "b" / "x.csv"), OLD)
    assert names(tmp_path / "a" / "b") == ["x.csv", "x.csv.mtd"]


def test_files_folders_and_lists_replace_each_other(tmp_path, both_ways):
    path = tmp_path / "x"
    for _ in range(2):
        write(OLD, path)
        assert same_bits(read_dense(path), OLD)
        write(List([1, List([2])]), path)
        assert read(path).items[1].items == (2,)
        write(List([5], ["k"]), path)
        assert read(path).items == (5,)
        write("text", path)
        assert read(path) == "text"
    assert names(tmp_path) == ["x", "x.mtd"]


def test_failure_while_writing_leaves_the_old_state(tmp_path, both_ways):
    path = tmp_path / "x"
    write(OLD, path, description="old")
    before = path.read_bytes(), (tmp_path / "x.mtd").read_bytes()
    error(write, List([NEW, np.zeros((0, 1))]), path)
    error(write, NEW, path, format="csv", sep="")
    assert (path.read_bytes(), (tmp_path / "x.mtd").read_bytes()) == before
    assert names(tmp_path) == ["x", "x.mtd"]


@pytest.mark.parametrize("value", [NEW, List([NEW])])
@pytest.mark.parametrize("old", [None, OLD, List([OLD])])
@pytest.mark.parametrize("format", ["text", "mm"])
def test_failure_of_the_exchange_is_undone(tmp_path, both_ways, monkeypatch, old, value, format):
    path = tmp_path / "x"
    if old is not None:
        write(old, path)
    before = {str(p): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    real_replace, real_swap = os.replace, atomic.swap
    for failing in range(8):
        count = 0

        def fault(real, *args, failing=failing):
            nonlocal count
            count += 1
            if count == failing + 1:
                raise OSError(28, "No space left on device")
            return real(*args)

        monkeypatch.setattr(os, "replace", lambda *args: fault(real_replace, *args))
        monkeypatch.setattr(atomic, "swap", lambda *args: fault(real_swap, *args))
        try:
            write(value, path, format=format)
        except Exception as problem:
            assert "No space left on device" in str(problem)
            assert {str(p): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before
        else:
            assert failing > 0  # at least one step was made to fail
            break
    else:
        pytest.fail("the exchange has more steps than expected")


def test_the_metadata_follows_the_data(tmp_path, monkeypatch, both_ways):
    path = tmp_path / "x"
    write(OLD, path)
    order = []
    real_replace, real_swap = os.replace, atomic.swap
    monkeypatch.setattr(os, "replace", lambda a, b: (order.append(b), real_replace(a, b))[1])
    monkeypatch.setattr(atomic, "swap", lambda a, b: (order.append(b), real_swap(a, b))[1])
    write(NEW, path)
    targets = [os.path.basename(b) for b in order if not os.path.basename(b).startswith(".")]
    assert list(dict.fromkeys(targets)) == ["x", "x.mtd"]


def test_links_and_permissions_stay(tmp_path):
    write(OLD, tmp_path / "real")
    (tmp_path / "link").symlink_to("real")
    os.chmod(tmp_path / "real", 0o640)
    write(NEW, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert os.stat(tmp_path / "real").st_mode & 0o777 == 0o640
    assert (tmp_path / "real").read_text().startswith("1 1 7.0\n")


def test_a_pipe_is_written_to(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()))
    reader.start()
    write(OLD, pipe, format="csv")
    reader.join()
    assert got == ["1.0,0\n0,1.0\n"]
    assert names(tmp_path) == ["pipe"]


def test_refusals_name_the_path(tmp_path):
    (tmp_path / "file").write_text("x")
    found = error(write, OLD, tmp_path / "file" / "x")
    assert found.id == "file"
    assert found.message.startswith(f"cannot write {tmp_path}/file/x: ")


def test_threads_write_side_by_side(tmp_path):
    def work(k):
        for _ in range(5):
            write(np.full((2, 2), float(k)), tmp_path / "same", format="csv")
            write(np.full((2, 2), float(k)), tmp_path / f"own{k}", format="csv")

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(np.unique(read_dense(tmp_path / "same"))) == 1
    for k in range(4):
        assert (read_dense(tmp_path / f"own{k}") == k).all()
    assert not [n for n in names(tmp_path) if n.startswith(".")]


WRITER = """
import sys, itertools
import numpy as np
from pydml.io.save import write_value
from pydml.values import List, to_dense
print("ready", flush=True)
for k in itertools.count(1):
    block = np.full((40, 50), float(k))
    write_value(List([block, block]) if sys.argv[2] == "list" else block, sys.argv[1], {"format": "csv"})
"""


@pytest.mark.parametrize("kind", ["matrix", "list"])
@pytest.mark.parametrize("signal_", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_writer_leaves_a_whole_result(tmp_path, kind, signal_):
    path = tmp_path / "x"
    for wait in (0.05, 0.11):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(path), kind], stdout=subprocess.PIPE)
        process.stdout.readline()
        while not (tmp_path / "x.mtd").exists():
            time.sleep(0.01)
        time.sleep(wait)
        process.send_signal(signal_)
        process.wait()
        process.stdout.close()
        items = read(path).items if kind == "list" else [read_dense(path, format="csv")]
        assert len(np.unique(np.concatenate(items))) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("old", ["matrix", "list", "nothing"])
@pytest.mark.parametrize("new", ["matrix", "list", "scalar"])
def test_a_process_killed_at_any_step_of_the_exchange_leaves_old_or_new(tmp_path, both_ways, monkeypatch, old, new):
    values = {"matrix": (OLD, NEW), "list": (List([1, 2]), List([3])), "scalar": ("old", "new")}
    steps = 0
    while True:
        path = tmp_path / str(steps) / "x"
        if old != "nothing":
            write(values[old][0], path, format="csv")
        steps += 1
        child = os.fork()
        if child == 0:
            kill_at_step(steps)
            with contextlib.suppress(BaseException):
                write(values[new][1], path, format="text")
            os._exit(0)
        done = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        if path.exists() or path.with_name(".x.exchange").exists():
            found = read(path)
            is_old = not done and old in values and same(found, values[old][0])
            assert is_old or same(found, values[new][1]), f"killed before step {steps}"
            write("later", path)
            assert read(path) == "later"
        else:
            assert old == "nothing"
            assert not done
        if done:
            break
    assert steps > 3


def same(a, b):
    if isinstance(b, List):
        return isinstance(a, List) and a.items == b.items
    if isinstance(b, str):
        return a == b
    return not isinstance(a, (List, str)) and np.array_equal(to_dense(a), b)


def kill_at_step(last):
    """End this process before the step of that number; a step is any renaming, exchange or removal."""
    count = itertools.count(1)

    def counted(action):
        def act(*arguments):
            if next(count) == last:
                os._exit(1)
            return action(*arguments)

        return act

    os.replace, os.unlink = counted(os.replace), counted(os.unlink)
    atomic.swap = counted(atomic.swap)


def test_an_unfinished_exchange_does_not_touch_what_was_written_later(tmp_path):
    path = tmp_path / "x"
    write(OLD, path)
    child = os.fork()
    if child == 0:
        kill_at_step(2)
        write(NEW, path)
        os._exit(0)
    os.waitpid(child, 0)
    assert (tmp_path / ".x.exchange").exists()
    path.write_text("1 1 5\n")
    (tmp_path / "x.mtd").write_text('{"data_type": "matrix", "format": "text", "rows": 1, "cols": 1}')
    assert read_dense(path).tolist() == [[5]]
    assert not (tmp_path / ".x.exchange").exists()


def test_the_plan_of_a_working_process_is_left_alone(tmp_path):
    path = tmp_path / "x"
    write(OLD, path)
    with atomic._planned(str(path), [(None, str(path))]):
        atomic.finish_exchange(str(path))
        assert path.exists()
    assert names(tmp_path) == ["x", "x.mtd"]

"""The pool covers every tile once, shares its budget, and survives whatever calls it."""

import os
import subprocess
import sys
import threading
import time
import weakref

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from pydml.backends.cpu import conv, threads
from pydml.builtins.conv import ConvGeometry


@pytest.fixture(autouse=True)
def four_threads():
    threads.set_threads(4)
    yield
    threads.set_threads(None)


def blas_threads():
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


@pytest.mark.parametrize("tiles", [0, 1, 3, 64, 1001])
@pytest.mark.parametrize("grain", [None, 1, 7, 5000])
def test_every_tile_runs_once(tiles, grain):
    counts = np.zeros(tiles, int)
    lock = threading.Lock()

    def run(start, stop):
        with lock:
            counts[start:stop] += 1

    threads.parallel_for(run, tiles, grain=grain)
    assert (counts == 1).all()


def test_small_work_stays_on_the_calling_thread():
    names = set()
    threads.parallel_for(lambda start, stop: names.add(threading.get_ident()), 100, work_ns=1000)
    assert names == {threading.get_ident()}


def test_large_work_uses_several_threads():
    names = set()

    def run(start, stop):
        names.add(threading.get_ident())
        time.sleep(0.01)

    threads.parallel_for(run, 16, grain=1)
    assert len(names) == 4


@pytest.mark.skipif(threads._cpu_function() is None or threads.available_cores() < 2, reason="needs two processors")
def test_threads_do_not_wake_on_the_processor_of_the_caller():
    current = threads._cpu_function()
    allowed = os.sched_getaffinity(0)
    threads.parallel_for(lambda start, stop: time.sleep(0.001), 8, grain=1)
    time.sleep(0.01)
    workers = threads._pool.workers
    os.sched_setaffinity(0, {current()})  # so that the caller stays where it is
    try:
        for worker in workers:
            worker.cpu = current()
        threads._pool.spread()
        for worker in workers:
            assert current() not in os.sched_getaffinity(worker.thread)
        test_every_tile_runs_once(64, 1)
    finally:
        os.sched_setaffinity(0, allowed)
    for _ in range(20):  # until each of them had its turn
        threads.parallel_for(lambda start, stop: time.sleep(0.001), 8, grain=1)
        if not any(worker.kept_away for worker in workers):
            break
    time.sleep(0.01)
    for worker in workers:
        assert os.sched_getaffinity(worker.thread) == allowed


@pytest.mark.parametrize("failing", [0, 15])
def test_exception_of_a_tile_reaches_the_caller(failing):
    def run(start, stop):
        if start <= failing < stop:
            raise ValueError("tile")
        time.sleep(0.001)

    with pytest.raises(ValueError, match="tile"):
        threads.parallel_for(run, 16, grain=1)
    test_every_tile_runs_once(64, 1)  # the pool still works


def test_nested_regions_run_on_the_thread_that_enters_them():
    seen = []

    def inner(start, stop):
        seen.append(threading.get_ident())

    def outer(start, stop):
        before = threading.get_ident()
        if threads.budget() == 1:  # a pool thread
            seen.clear()
            threads.parallel_for(inner, 8)
            assert set(seen) == {before}
        else:
            time.sleep(0.02)

    threads.parallel_for(outer, 2, grain=1)


def test_arrays_are_free_while_pool_threads_have_not_looked_yet():
    """A machine under load wakes them late; invitations of regions that are over must not keep arrays alive."""
    threads.set_threads(2)
    busy, over = threading.Event(), threading.Event()

    def hold(start, stop):
        if threading.current_thread().name.startswith("pydml"):
            busy.set()
        over.wait(20)

    helpers = threads._pool.threads or 1
    holders = [threading.Thread(target=threads.parallel_for, args=(hold, 2)) for _ in range(helpers)]
    for holder in holders:
        holder.start()
    assert busy.wait(20)
    late = threads._pool.regions.qsize
    deadline = time.monotonic() + 20
    while late() and time.monotonic() < deadline:  # until each pool thread holds
        time.sleep(0.001)
    try:
        values = np.ones(10)
        watched = weakref.ref(values)
        threads.parallel_for(lambda start, stop, values=values: values.sum(), 4)
        assert late() == 1
        del values
        assert watched() is None
    finally:
        over.set()
        for holder in holders:
            holder.join(20)


def test_callers_in_many_threads_get_the_same_result():
    g = ConvGeometry(8, 24, 24, 16, 3, 3, 1, 1, 1, 1)
    rng = np.random.default_rng(0)
    X, W = rng.standard_normal((16, g.image_cols)), rng.standard_normal((16, g.filter_cols))
    expected = conv.forward(X, W, g)
    wrong = []

    def call():
        for _ in range(5):
            if not np.array_equal(conv.forward(X, W, g), expected):
                wrong.append(1)

    callers = [threading.Thread(target=call) for _ in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(timeout=60)
        assert not caller.is_alive()
    assert not wrong


def test_limit_holds_for_kernels_and_blas_and_ends():
    before = blas_threads()
    with threads.limit(2):
        assert threads.budget() == 2
        assert all(n <= 2 for n in blas_threads())
        with threads.limit(1):
            assert threads.budget() == 1
            assert set(blas_threads()) == {1}
        with threads.limit(9):
            assert threads.budget() == 2
        assert all(n <= 2 for n in blas_threads())
    assert threads.budget() == 4
    assert blas_threads() == before


def test_the_smallest_of_limits_in_several_threads_holds_for_blas():
    inside, leave = threading.Event(), threading.Event()

    def other():
        with threads.limit(1):
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with threads.limit(3):
        thread.start()
        inside.wait(10)
        assert set(blas_threads()) == {1}
        assert threads.budget() == 3
        leave.set()
        thread.join(10)
        assert set(blas_threads()) == {3}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_pool_works_in_a_forked_child():
    code = """
import os, time
from pydml.backends.cpu import threads
threads.set_threads(3)
threads.parallel_for(lambda a, b: time.sleep(0.001), 8)
pid = os.fork()
count = []
threads.parallel_for(lambda a, b: (count.append(b - a), time.sleep(0.001)), 8)
assert sum(count) == 8
if pid == 0:
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=60)


def test_kernels_are_registered_without_numba_and_scipy():
    code = """
import sys
from pydml.builtins import registry
import numpy as np
conv2d = registry.get("conv2d")
assert conv2d.kernels
conv2d(np.ones((2, 9)), np.ones((1, 4)), (2, 1, 3, 3), (1, 1, 2, 2), (1, 1), (0, 0))
registry.get("max_pool")(np.ones((2, 9)), (2, 1, 3, 3), (2, 2), (1, 1), (0, 0))
assert not {"numba", "scipy", "llvmlite", "threadpoolctl"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)

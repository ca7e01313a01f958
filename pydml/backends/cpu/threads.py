"""The sole owner of threads: one pool, one budget, shared by our kernels, parfor and BLAS.

Who may spawn: only `parallel_for`, which hands tiles of a kernel that releases the GIL to the pool.  How many: at most
`budget()` threads work for a caller, the calling thread among them.  The budget is that of the process (`set_threads`, at
first all cores the process may use) unless the calling thread is inside `limit(n)`; a parfor worker runs inside
`limit(share)`, and a pool worker has a budget of one, so regions that nest run on the thread they are called from.

BLAS: a run gives it one thread (`one_blas_thread`), as kernels split large products themselves (`gemm`).  Decompositions of
LAPACK get the caller's budget for their time (`blas_threads`), unless the run is deterministic: BLAS splits its work by the
number of its threads, which shows in the last bits.

Deadlock: the caller works on its own tiles and, in the end, waits only for helpers that have begun one.  It never waits for
a helper to start, so any number of threads may call at once, workers too.

Results: the tiles of a kernel follow from the sizes alone, and each tile writes its own part of the result.  So a result does
not depend on the number of threads, nor on which thread takes which tile.

Waiting: threads sleep.  Looking out for the next region in a compiled loop, without the interpreter's lock, did not make regions
faster: a helper needs the lock in the end, and starts after 50 microseconds either way.

A ThreadPoolExecutor costs about twice as much per region (a future and a condition for each task).
"""

from __future__ import annotations

import functools
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import Any, cast

from pydml import config

# A region that takes less than this on one thread stays there: a helper wakes after 30 microseconds or more, and then waits for the
# interpreter; below 200 two threads were not faster (predictions of ResNet-50 for one image, two cores).
SMALL_WORK_NS = 200_000


class _ThreadState(threading.local):
    limit = 0  # 0: no limit of its own, the budget of the process applies


_state = _ThreadState()
_lock = threading.Lock()
_process_budget = 0  # 0: not yet set


def available_cores() -> int:
    """Cores that this process may use: its affinity, and the quota of its control group."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        cores = os.cpu_count() or 1
    try:
        with open("/sys/fs/cgroup/cpu.max") as file:
            quota, period = file.read().split()
        if quota != "max":
            cores = min(cores, max(1, round(int(quota) / int(period))))
    except (OSError, ValueError):
        pass
    return cores


def set_threads(n: int | None) -> None:
    """Set the budget of the process, for BLAS too; None: all available cores."""
    global _process_budget
    _process_budget = available_cores() if n is None else max(1, n)
    _blas.set_default(None if n is None else _process_budget)


def budget() -> int:
    """How many threads a region entered by this thread may use."""
    global _process_budget
    if _state.limit:
        return _state.limit
    if _process_budget == 0:
        _process_budget = available_cores()
    return _process_budget


@contextmanager
def limit(n: int) -> Iterator[None]:
    """Within the block, regions entered by this thread use at most n threads (and no more than its budget).

    BLAS libraries are set to n threads too.  Their setting belongs to the process: while several blocks are active, in any
    threads, the smallest n holds.
    """
    before = _state.limit
    n = max(1, min(n, budget()))
    _state.limit = n
    try:
        with _blas.limited(n):
            yield
    finally:
        _state.limit = before


# ---- BLAS


@contextmanager
def one_blas_thread(deterministic: bool = False) -> Iterator[None]:
    """Around a run.  deterministic: `blas_threads` does nothing meanwhile."""
    with _blas.limited(1):
        if not deterministic:
            yield
            return
        _blas.fixed += 1
        try:
            yield
        finally:
            _blas.fixed -= 1


@contextmanager
def blas_threads() -> Iterator[None]:
    """Around a call that leaves threads to BLAS: it may use the caller's budget."""
    n = budget()
    if n == 1 or _blas.fixed:
        yield
        return
    with _blas.raised(n):
        yield


class _Blas:
    """The thread counts of the loaded BLAS libraries, through threadpoolctl.

    Limits are counted: the first of a smaller size sets the libraries, the last one to end restores them.  NumPy and SciPy
    bring a library each, with a pool of threads each; all of them are set.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._limits: dict[int, int] = {}  # size -> number of active blocks
        self._default: int | None = None  # what set_threads asked for
        self.fixed = 0  # runs that do not let BLAS use threads
        self._raised: list[int] = []  # sizes that calls at work asked for
        self._original: dict[str, int] = {}  # by path of the library
        self._current: int | None = None  # what the libraries were set to; None: their own choice
        self._libraries: list[Any] = []
        self._seen = -1  # how many modules were imported when the libraries were looked up

    def set_default(self, n: int | None) -> None:
        with self._lock:
            self._default = n
            self._apply()

    @contextmanager
    def limited(self, n: int) -> Iterator[None]:
        with self._lock:
            self._limits[n] = self._limits.get(n, 0) + 1
            self._apply()
        try:
            yield
        finally:
            with self._lock:
                self._limits[n] -= 1
                if not self._limits[n]:
                    del self._limits[n]
                self._apply()

    @contextmanager
    def raised(self, n: int) -> Iterator[None]:
        with self._lock:
            self._raised.append(n)
            self._apply()
        try:
            yield
        finally:
            with self._lock:
                self._raised.remove(n)
                self._apply()

    def _apply(self) -> None:
        wanted = max(self._raised) if self._raised else min(self._limits, default=self._default)
        if self._current is None and (wanted is None or (wanted == 1 and config.blas_starts_single)):
            return
        # SciPy's library appears with the first import of scipy.linalg.  Looking them up takes 2 ms, too long for each tile of parfor.
        if self._seen != len(sys.modules):
            from threadpoolctl import ThreadpoolController  # 5 ms, and most runs never come here

            self._libraries = ThreadpoolController().select(user_api="blas").lib_controllers
            self._seen = len(sys.modules)
        # They are set even if the number is the same, as those that use OpenMP have one for each calling thread.
        for library in self._libraries:
            original = self._original.setdefault(library.filepath, library.num_threads)
            # threadpoolctl lets the first thread that sets a number own it and ignores all others.  The owner is this class.
            release = getattr(library, "clear_controlling_thread", lambda force: None)
            release(force=True)
            library.set_num_threads(original if wanted is None else wanted)
            release(force=True)
        self._current = wanted


_blas = _Blas()


# ---- the pool


class _Region:
    """One call of parallel_for: the tiles that are left, and who is at work."""

    __slots__ = ("active", "closed", "error", "finished", "grain", "lock", "next", "run", "shares", "tiles")

    def __init__(self, run: Callable[[int, int], Any], tiles: int, grain: int | None, threads: int):
        self.run = run
        self.tiles = tiles
        self.grain = grain
        self.shares = 2 * threads
        self.next = 0
        self.active = 0  # helpers at work
        self.closed = False  # the caller takes no more helpers
        self.error: BaseException | None = None
        self.lock = threading.Lock()
        self.finished = threading.Lock()

    def work(self) -> None:
        """Take tiles until none is left.  An exception ends the region and is kept for the caller.

        Without a grain, a thread takes its share of half of what is left: few calls, and short ones at the end.
        """
        try:
            while True:
                with self.lock:
                    start = self.next
                    left = self.tiles - start
                    stop = self.next = start + min(self.grain or -(-left // self.shares), left)
                if start >= stop:
                    return
                self.run(start, stop)
        except BaseException as error:
            with self.lock:
                self.next = self.tiles
                if self.error is None:
                    self.error = error

    def help(self) -> None:
        """The part of a pool thread."""
        with self.lock:
            if self.closed or self.next >= self.tiles:
                return
            self.active += 1
        self.work()
        with self.lock:
            self.active -= 1
            if self.closed and self.active == 0:
                self.finished.release()

    def close(self) -> None:
        """Wait until no helper is at work."""
        with self.lock:
            self.closed = True
            if self.active:
                self.finished.acquire()
                waiting = True
            else:
                waiting = False
        if waiting:
            # An interrupt may not leave while helpers write into the caller's arrays.
            interrupt: BaseException | None = None
            while True:
                try:
                    self.finished.acquire()
                    break
                except BaseException as error:
                    interrupt = error
                    with self.lock:
                        self.next = self.tiles
            if interrupt is not None:
                raise interrupt
        del self.run  # a thread that has not woken yet still has the region in its queue, but its arrays are free


@functools.cache
def _cpu_function() -> Callable[[], int] | None:
    """A function that tells the processor which the calling thread runs on; None where threads cannot be kept away from one."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    import ctypes

    try:
        return cast(
            Callable[[], int], ctypes.PyDLL(None).sched_getcpu
        )  # PyDLL: keeps the interpreter's lock, a microsecond
    except (OSError, AttributeError):  # another C library
        return None


class _Worker:
    """A pool thread as `_Pool.spread` sees it."""

    __slots__ = ("allowed", "cpu", "idle", "kept_away", "thread")

    def __init__(self) -> None:
        self.thread = threading.get_native_id()
        self.cpu = -1  # where it ran last
        self.idle = True
        self.kept_away = False  # it may not run on all processors that are allowed
        self.allowed = os.sched_getaffinity(0) if _cpu_function() else set()

    def begin(self) -> None:
        self.idle = False
        if self.kept_away:  # it runs now, and the system may move it as it likes
            self.kept_away = False
            with suppress(OSError):  # the allowed processors have changed
                os.sched_setaffinity(0, self.allowed)

    def end(self) -> None:
        current_cpu = _cpu_function()
        if current_cpu:
            self.cpu = current_cpu()
        self.idle = True


class _Pool:
    """Daemon threads that wait for regions.  They are started when first needed and stay."""

    def __init__(self) -> None:
        self.regions: SimpleQueue[_Region] = SimpleQueue()
        self.workers: list[_Worker] = []
        self.threads = 0
        self.lock = threading.Lock()

    def invite(self, region: _Region, helpers: int) -> None:
        if self.threads < helpers:
            with self.lock:
                while self.threads < helpers:
                    self.threads += 1
                    threading.Thread(target=self._serve, name=f"pydml-{self.threads}", daemon=True).start()
        self.spread()
        for _ in range(helpers):
            self.regions.put(region)

    def spread(self) -> None:
        """See to it that the threads do not wake on the caller's processor, nor two of them on one.

        Linux wakes a thread where it ran last if it takes the machine for busy, even when another processor is idle; there it
        waited for the caller for tens of milliseconds, and regions ran on one thread for whole training steps.
        """
        current_cpu = _cpu_function()
        if current_cpu is None:
            return
        taken = {current_cpu()}
        for worker in self.workers:
            if worker.cpu not in taken:
                taken.add(worker.cpu)
            elif worker.idle and not worker.kept_away and (free := worker.allowed - taken):
                worker.kept_away = True
                try:
                    os.sched_setaffinity(worker.thread, free)
                except OSError:  # the allowed processors have changed
                    worker.kept_away = False

    def _serve(self) -> None:
        _state.limit = 1
        worker = _Worker()
        self.workers.append(worker)
        while True:
            region = self.regions.get()
            worker.begin()
            region.help()
            del region  # its arrays must not live until the next region comes
            worker.end()


_pool = _Pool()


def _after_fork() -> None:
    """Threads do not survive a fork; the child starts its own."""
    global _pool
    _pool = _Pool()
    _blas._lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def parallel_for(run: Callable[[int, int], Any], tiles: int, work_ns: float = 1e9, grain: int | None = None) -> None:
    """Call run(start, stop) so that all of range(tiles) is covered once, on several threads if that pays.

    run: must release the GIL for most of its time and write no cell that another tile writes.  work_ns: about how long all
    tiles take on one thread; small work stays on the calling thread.  grain: how many tiles are taken at once; None: many at first,
    and one at the end.  An exception of a tile ends the region and is raised here.
    """
    if tiles <= 0:
        return
    helpers = min(budget(), tiles, int(work_ns / SMALL_WORK_NS) + 1) - 1
    if helpers <= 0:
        run(0, tiles)
        return
    region = _Region(run, tiles, grain, helpers + 1)
    _pool.invite(region, helpers)
    region.work()
    region.close()
    if region.error is not None:
        raise region.error

"""The execution context of one run: precision, output, random streams, functions for eval, statistics.

Emitted functions get it as their first argument; builtins that declare `needs="context"` get it too.  One context belongs
to one run; several runs of one program may go on in several threads, each with its own.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Any, TextIO

import numpy as np


class RandomStreams:
    """Seeds for the random builtins of one run.

    An unseeded call takes the next seed of a stream that starts from the run's seed (drawn from the system if none was
    given), so that `--seed` makes a run reproducible.  Generators are counter based (Philox): a value depends on the seed
    and its position alone.
    """

    def __init__(self, seed: int | None = None):
        self._lock = threading.Lock()
        self.restart(int.from_bytes(os.urandom(16), "little") if seed is None else seed)

    def restart(self, seed: int) -> None:
        """Begin again, as a new stream with this seed."""
        self._key = str(seed).encode()
        self._count = 0

    def next_seed(self) -> int:
        """The next seed of the stream, 0 <= seed < 2**63."""
        with self._lock:
            self._count += 1
            count = self._count
        return _hash(self._key + b"/%d" % count) >> 1

    def resolve(self, seed: int | None) -> int:
        """The seed of a call: the given one, or the next of the stream for None and -1."""
        return self.next_seed() if seed is None or seed == -1 else seed & (2**64 - 1)

    def generator(self, seed: int | None = None) -> np.random.Generator:
        """A generator for one call with `seed` (None or -1: unseeded)."""
        return np.random.Generator(np.random.Philox(key=self.resolve(seed)))

    def fork(self, index: int) -> RandomStreams:
        """Independent streams for iteration `index` of a parfor loop, the same for any number of threads."""
        streams = RandomStreams.__new__(RandomStreams)
        streams._key = self._key + b"/%d.%d" % (self._count, index)
        streams._lock = threading.Lock()
        streams._count = 0
        return streams


def _hash(key: bytes) -> int:
    """64 bits that look random, the same for the same key everywhere."""
    from hashlib import blake2b

    return int.from_bytes(blake2b(key, digest_size=8).digest(), "little")


class Context:
    """State of one run.

    dtype: numpy.float64 or numpy.float32, the precision of new matrices.  out: where print writes.  random: RandomStreams.
    functions: finds a DML function by name for eval.
    """

    def __init__(
        self,
        *,
        dtype: Any = np.float64,
        out: TextIO | None = None,
        seed: int | None = None,
        functions: Callable[[str], Any] | None = None,
        statistics: Any = None,
        warn: Callable[[str], None] | None = None,
    ):
        self.dtype = np.dtype(dtype).type
        self.out = out
        self.random = RandomStreams(seed)
        self.functions = functions
        self.statistics = statistics
        self.writes: list[
            tuple[str, tuple[int, int, int, int]]
        ] = []  # cells written by a parfor iteration, if recorded
        self.loop_work = 0.0  # nanoseconds, estimated, of loops so far, see `loops`
        self.loops_given_up: set[Any] = set()  # loops that stay with Python in this run
        self.warn = warn or (lambda message: print(message, file=sys.stderr))

    def write(self, text: str) -> None:
        """Write to the run's output."""
        (self.out or sys.stdout).write(text)

    def fork(self, index: int) -> Context:
        """The context of iteration `index` of a parfor loop."""
        child = Context.__new__(Context)
        child.__dict__.update(self.__dict__)
        child.random = self.random.fork(index)
        child.writes = []
        return child

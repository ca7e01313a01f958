"""Which runs the study consists of, in order of importance; `run` asks for the next one until none is left.

`next_run` is a function of the results alone, so a study that was stopped goes on where it was.  The sweep is a climb: a rate, the
double, and on in the better direction for as long as the loss on the *training* images falls.  Test images decide nothing.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

BATCH_SIZES = (128, 512, 1024, 4096, 8000, 16000, 24000, 28000, 32000)
SEEDS = (1, 2, 3)


class Run(NamedTuple):
    """The settings of one run, and its name in the results."""

    setting: str  # "recommended", "paper", "constant" (the paper's schedule with other rates) or "equal steps"
    optimizer: str  # "momentum", "lars" or "lamb"
    batch_size: int
    rate: float
    seed: int
    epochs: int
    steps: int = 0  # updates, where these and not the epochs are fixed

    @property
    def schedule(self) -> str:
        return "paper" if self.setting in ("paper", "constant") else "warmup"

    @property
    def bias_rule(self) -> str:
        return "global" if self.setting == "paper" else "layer"

    @property
    def name(self) -> str:
        length = f"{self.steps}-steps" if self.steps else f"{self.epochs}-epochs"
        setting = self.setting.replace(" ", "-")
        return f"{setting}-{self.optimizer}-{self.batch_size}-{self.rate:g}-{length}-seed{self.seed}"


class Outcome(NamedTuple):
    """What came out of a run; accuracies from 0 to 1, those of a diverged run are the ones of guessing."""

    updates: int
    diverged: bool
    loss: float  # of the trained network, on the training images
    train_accuracy: float
    test_accuracy: float
    seconds: float


Results = dict[Run, Outcome]


@dataclass(frozen=True)
class Plan:
    """The extent of a study."""

    epochs: int = 3
    batch_sizes: Sequence[int] = BATCH_SIZES
    seeds: Sequence[int] = SEEDS
    # where the climb is made, in this order (each begins near the best rate of the nearest before it); elsewhere the rate is
    # interpolated
    swept: Sequence[int] = (16000, 32000, 1024, 8000, 4096, 28000, 24000, 512, 128)
    # the other seeds begin with these
    important: Sequence[int] = (16000, 1024, 32000, 8000)
    paper_batch_sizes: Sequence[int] = (1024, 16000, 32000, 128, 8000, 28000)
    # where the paper's schedule, without warm-up and almost constant, is tried with the rates that suit LARS
    constant_batch_sizes: Sequence[int] = (16000, 32000)
    lamb_batch_sizes: Sequence[int] = (16000, 32000, 1024, 8000, 28000, 4096, 24000, 512, 128)
    lamb_swept: Sequence[int] = (16000, 32000, 1024)
    equal_steps: int = 12
    climb: bool = True  # False: only the first rate of each climb, for the reduced version
    # the results of another data set, whose best rates are used without a climb, at the batch sizes that matter most
    rates_from: Results | None = None

    first_rates = {"momentum": 0.03, "lars": 20.0, "lamb": 0.03}

    def next_run(self, results: Results) -> Run | None:
        """The most important run that is missing, or None."""
        return next((run for run in self.runs(results) if run not in results), None)

    def runs(self, results: Results) -> Iterator[Run]:
        """The runs as far as the results tell them: the rates that follow a missing run of a climb are not known yet."""
        best: dict[tuple[str, int], float] = {}
        if self.rates_from is not None:
            for _ in self._climbs(self.rates_from, best):
                pass  # the climbs of the other data set, for what they enter in `best`
            yield from self._best_constant(self.rates_from, self.seeds[:1])
            for seed in self.seeds:
                for batch in self.important:
                    for optimizer in ("momentum", "lars"):
                        yield self._at_best(optimizer, batch, seed, best)
            return
        yield from self._climbs(results, best)
        if self._known("momentum", self.swept, best) and self._known("lars", self.swept, best):
            yield from self._main_runs(results, best)
        for batch in self.lamb_swept:
            yield from self._climb("lamb", batch, self.lamb_swept, results, best)
        if self._known("lamb", self.lamb_swept, best):
            for batch in self.lamb_batch_sizes:
                yield self._at_best("lamb", batch, self.seeds[0], best)
        if self._known("momentum", self.swept, best) and self._known("lars", self.swept, best):
            yield from self._further_runs(best)
        if self._known("lamb", self.lamb_swept, best):
            for seed in self.seeds[1:]:
                for batch in self.lamb_batch_sizes:
                    yield self._at_best("lamb", batch, seed, best)

    def _climbs(self, results: Results, best: dict[tuple[str, int], float]) -> Iterator[Run]:
        for batch in self.swept:
            for optimizer in ("momentum", "lars"):
                yield from self._climb(optimizer, batch, self.swept, results, best)

    def _main_runs(self, results: Results, best: dict[tuple[str, int], float]) -> Iterator[Run]:
        """What a study that is cut short should have: the large batches first, then more seeds and batch sizes in turn."""
        yield from self._at_all_seeds((28000, 8000, 4096), (0,), best)
        for batch in (16000, 1024, 32000):
            yield from self._paper(batch)
        for batch in self.constant_batch_sizes:
            for optimizer, rates in (("lars", (10.0, 5.0)), ("momentum", (0.02,))):
                for rate in rates:
                    yield Run("constant", optimizer, batch, rate, self.seeds[0], self.epochs)
        yield from self._best_constant(results, self.seeds[1:])
        yield from self._at_all_seeds((16000, 32000, 8000), (1, 2), best)
        yield from self._at_all_seeds(self.batch_sizes, (0,), best)
        yield from self._at_all_seeds(self.important, (1, 2), best)

    def _paper(self, batch: int) -> Iterator[Run]:
        if batch in self.paper_batch_sizes:
            for optimizer in ("momentum", "lars"):
                yield Run("paper", optimizer, batch, 0.01, self.seeds[0], self.epochs)

    def _best_constant(self, results: Results, seeds: Sequence[int]) -> Iterator[Run]:
        """The paper's schedule at the best of the rates that were tried with it, where LARS has one rate for each layer."""
        for batch in self.constant_batch_sizes:
            for seed in seeds:
                for optimizer in ("momentum", "lars"):
                    tried = {
                        run.rate: outcome.loss
                        for run, outcome in results.items()
                        if (run.optimizer, run.batch_size, run.seed) == (optimizer, batch, self.seeds[0])
                        and (run.setting == "constant" or (run.setting == "paper" and optimizer == "momentum"))
                    }
                    if tried:
                        rate = min(tried, key=lambda rate: tried[rate])
                        yield Run("constant", optimizer, batch, rate, seed, self.epochs)

    def _at_all_seeds(
        self, batches: Sequence[int], seeds: Sequence[int], best: dict[tuple[str, int], float]
    ) -> Iterator[Run]:
        for seed in seeds:
            for batch in batches:
                if batch in self.batch_sizes and seed < len(self.seeds):
                    for optimizer in ("momentum", "lars"):
                        yield self._at_best(optimizer, batch, self.seeds[seed], best)

    def _further_runs(self, best: dict[tuple[str, int], float]) -> Iterator[Run]:
        """Equal numbers of updates; the other seeds; the paper's parameters at the other batch sizes."""
        for batch in self.batch_sizes:
            for optimizer in ("momentum", "lars", "lamb"):
                if self.equal_steps and any(name == optimizer for name, _ in best):
                    rate = interpolated(best, optimizer, 16000)
                    yield Run("equal steps", optimizer, batch, rate, self.seeds[0], 0, self.equal_steps)
        for seed in self.seeds[1:]:
            for batch in reversed(self.batch_sizes):
                for optimizer in ("momentum", "lars"):
                    yield self._at_best(optimizer, batch, seed, best)
        for batch in self.paper_batch_sizes:
            yield from self._paper(batch)
        # LARS hardly moves with this rate, whatever the seed
        for seed in self.seeds[1:]:
            for batch in self.paper_batch_sizes:
                if batch >= 8000:
                    yield Run("paper", "momentum", batch, 0.01, seed, self.epochs)

    def _known(self, optimizer: str, swept: Sequence[int], best: dict[tuple[str, int], float]) -> bool:
        return all((optimizer, batch) in best for batch in swept)

    def _at_best(self, optimizer: str, batch: int, seed: int, best: dict[tuple[str, int], float]) -> Run:
        return Run("recommended", optimizer, batch, interpolated(best, optimizer, batch), seed, self.epochs)

    def _climb(
        self, optimizer: str, batch: int, swept: Sequence[int], results: Results, best: dict[tuple[str, int], float]
    ) -> Iterator[Run]:
        """The runs of one climb; enters the best rate in `best` when all of them are there."""

        def at(rate: float) -> Run:
            return Run("recommended", optimizer, batch, rounded(rate), self.seeds[0], self.epochs)

        def height(rate: float) -> float:
            return -results[at(rate)].loss

        start = self.first_rates[optimizer]
        if batch != swept[0]:
            # the nearest batch size of those before it, and the rule of the square root
            done = swept[: list(swept).index(batch)]
            near = min(done, key=lambda other: abs(math.log(other / batch)))
            if (optimizer, near) not in best:
                return
            start = best[optimizer, near] * math.sqrt(batch / near)
        start = rounded(start)
        rates = [start]
        yield at(start)
        if at(start) not in results:
            return
        if self.climb:
            for factor in (2.0, 0.5):
                rate = start
                while True:
                    following = rounded(rate * factor)
                    yield at(following)
                    if at(following) not in results:
                        return
                    rates.append(following)
                    if height(following) <= height(rate):
                        break
                    rate = following
                if rate != start:  # better than the start: nothing to look for on the other side
                    break
        best[optimizer, batch] = max(rates, key=height)


def rounded(rate: float) -> float:
    """Two digits: rates are compared as numbers when results are looked up."""
    return float(f"{rate:.2g}")


def interpolated(best: dict[tuple[str, int], float], optimizer: str, batch: int) -> float:
    """The best rate at a batch size: as found; between its neighbours on logarithmic axes; by the square root beyond the ends."""
    known = sorted((size, rate) for (name, size), rate in best.items() if name == optimizer)
    for size, rate in (known[0], known[-1]):
        if (size == known[0][0] and batch <= size) or (size == known[-1][0] and batch >= size):
            return rounded(rate * math.sqrt(batch / size))
    for (low, low_rate), (high, high_rate) in itertools.pairwise(known):
        if low <= batch <= high:
            share = math.log(batch / low) / math.log(high / low)
            return rounded(low_rate * (high_rate / low_rate) ** share)
    raise AssertionError("the batch size is neither inside nor outside")

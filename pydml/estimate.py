"""`pydml estimate`: what a training script needs in memory and arithmetic, for any batch size, without training.

The script runs with its real control flow, but on matrices that have only a size: every operation gives a result of the size that
its rule says, which holds no cells.  While that goes on, the sizes of all matrices that are alive are added up, so what the numbers
say follows from the program as it runs: dropped variables, fused operations and left-out gradients are seen.  A step is what happens
between two executions of the operation with the most arithmetic.  Two small batches are tried; memory and arithmetic grow in a
straight line with the batch.

Not counted: the working memory of kernels (blocks of convolutions, some megabytes for each thread), Python itself and what the
allocator keeps.
"""

from __future__ import annotations

import argparse
import itertools
import re
import sys
import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Any

import numpy as np

from pydml.diagnostics import DMLError, fail
from pydml.records import dataclass
from pydml.types import ANY, DOUBLE, LIST, MATRIX

# matrices of fewer cells keep their cells: the order of the images, schedules, tables of results
_SMALL = 1024
_STEPS = 3
_MOST_OPERATIONS = 200_000
_VIEWS = {"[]", "matrix", "as.matrix", "t"}
_REAL = {
    "nrow",
    "ncol",
    "length",
    "as.scalar",
    "as.result",
    "as.parameter",
    "as.list",
    "list",
    "append",
    "cbind",
    "exists",
}
# Python, the libraries, their threads and the working memory of kernels, as measured beside an estimate of 477 MiB for ResNet-18
_OVERHEAD = 300 * 2**20
_SILENT = {"print", "write", "checkpoint", "record"}


# an operation, where its call and the calls around it stand in the emitted code, and the sizes of its matrices
_Place = tuple[Any, ...]


class _Enough(BaseException):
    """The dry run has seen its steps.  Not an Exception: nothing on the way may take it for a mistake of the script."""


@dataclass
class _Event:
    """One operation: where it stands, its floating-point operations, and the bytes alive after it."""

    place: _Place
    flops: float
    moved: float
    alive: int


@dataclass
class DryRun:
    """Stands in for the statistics of a run (`Context.statistics`): wraps every builtin."""

    dtype: Any
    events: list[_Event] = field(default_factory=list)
    alive: int = 0
    drawn: list[tuple[int, int]] = field(
        default_factory=list
    )  # (operations before it, cells) of matrices of random numbers

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._counts: dict[_Place, int] = {}  # of products and convolutions, in the order of their first execution
        self._cells = np.zeros((1, 1), self.dtype)

    def wrap(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function` on matrices without cells."""
        from pydml.builtins import registry

        builtin = registry.get(name)
        skip = 1 if builtin.needs else 0

        def dry(*args: Any) -> Any:
            if name in _SILENT:
                return None
            values = args[skip:]
            if name in _REAL or "read" in builtin.effects or "seed" in builtin.effects:
                return function(*args)
            results = self._results(name, builtin, values)
            if results is None:
                done = function(*args)
                if name == "rand":
                    self._drawn(done)
                return done
            self._record(name, _place(name, sys._getframe(1), values), values, results)
            return results[0] if len(results) == 1 else results

        return dry

    def _results(self, name: str, builtin: Any, values: Sequence[Any]) -> tuple[Any, ...] | None:
        """Results of the right sizes, or None where the operation is done: it is small, or its size follows from its cells."""
        from pydml.values import is_matrix, type_of

        def known(value: Any) -> Any:
            found = type_of(value)
            # what is no DML value, such as the steps of a fused operation, is its own type
            return found._replace(const=value) if found == ANY else found

        types = builtin.apply_rule([known(v) for v in values])
        large = any(is_matrix(v) and v.shape[0] * v.shape[1] > _SMALL for v in values)
        if any(t.data == MATRIX and t.shape_known and t.rows * t.cols > _SMALL for t in types):
            large = True
        if not large or any(t.data == LIST for t in types):
            return None
        if any(t.data == MATRIX and not t.shape_known for t in types):
            return None
        results: list[Any] = []
        for t in types:
            if t.data == MATRIX:
                results.append(self._matrix(t.rows, t.cols, values if _is_view(name, values) else None))
            elif t.is_scalar and t.value in (DOUBLE, "unknown"):
                results.append(1.0)
            else:
                return None
        return tuple(results)

    def _matrix(self, rows: int, cols: int, base: Any) -> np.ndarray:
        """A matrix of this size without cells of its own.  base: what it is a view of, and keeps alive; it costs nothing then."""
        result = np.broadcast_to(self._cells, (rows, cols))
        cost = 0 if base is not None else rows * cols * self._cells.itemsize
        with self._lock:
            self.alive += cost
        weakref.finalize(result, self._dropped, cost, base).atexit = False
        return result

    def _dropped(self, cost: int, base: Any) -> None:
        with self._lock:
            self.alive -= cost

    def _record(self, name: str, place: tuple[str, str, int], values: Sequence[Any], results: Sequence[Any]) -> None:
        flops = flops_of(name, values, results)
        cells = sum(v.shape[0] * v.shape[1] for v in (*values, *results) if hasattr(v, "shape"))
        moved = 0 if _is_view(name, values) else cells * self._cells.itemsize
        with self._lock:
            if name == "rand":
                self._drawn(results[0])
            self.events.append(_Event(place, flops, moved, self.alive - self._reused(name, values, results)))
            if flops:
                count = self._counts[place] = self._counts.get(place, 0) + 1
                # the first layer on the images of a batch; where something else came first, whatever is repeated
                if count > _STEPS and (place == next(iter(self._counts)) or count > 20 * _STEPS):
                    raise _Enough
            if len(self.events) > _MOST_OPERATIONS:
                raise _Enough

    def _drawn(self, matrix: Any) -> None:
        """A matrix of random numbers: weights, if the steps have not begun; a column orders the images."""
        if min(matrix.shape) > 1:
            self.drawn.append((len(self.events), matrix.shape[0] * matrix.shape[1]))

    def _reused(self, name: str, values: Sequence[Any], results: Sequence[Any]) -> int:
        """Bytes of the result of a fused operation that lie in the memory of an input that nobody needs any more."""
        if name != "fused steps" or not hasattr(results[0], "shape"):
            return 0
        dying = [values[2 + k] for k in values[1] if hasattr(values[2 + k], "shape")]
        same = any(v.shape == results[0].shape for v in dying)
        return results[0].size * self._cells.itemsize if same else 0

    def step(self) -> Step:
        """The shortest step of the run: one without a validation at its end."""
        if not self._counts:
            fail(
                "value",
                "the script has no matrix product and no convolution on matrices of some size: nothing to estimate",
            )
        marker = next((place for place, count in self._counts.items() if count > 1), None)
        at = [k for k, event in enumerate(self.events) if event.place == marker]
        steps = [self.events[beg:end] for beg, end in itertools.pairwise(at)] or [self.events]
        window = min(steps, key=len)
        return Step(
            flops=sum(event.flops for event in window),
            moved=sum(event.moved for event in window),
            alive=np.array([event.alive for event in window], float),
            weights=sum(cells for before, cells in self.drawn if not at or before <= at[0]),
        )


@dataclass
class Step:
    """What one training step needs: floating-point operations, bytes read and written, the bytes alive after each operation; and how
    many weights were drawn at random at the start."""

    flops: float
    moved: float
    alive: np.ndarray
    weights: int


def _is_view(name: str, values: Sequence[Any]) -> bool:
    """Whether the result lies in the memory of the first argument; `matrix(0, ...)` makes a new one."""
    return name in _VIEWS and hasattr(values[0], "shape")


def _place(name: str, frame: Any, values: Sequence[Any]) -> _Place:
    chain: list[Any] = []
    while frame is not None and frame.f_code.co_filename.endswith((".dml", ">")) and len(chain) < 12:
        chain += (frame.f_code.co_filename, frame.f_lasti)
        frame = frame.f_back
    return (name, tuple(v.shape for v in values if hasattr(v, "shape")), *chain)


def flops_of(name: str, values: Sequence[Any], results: Sequence[Any]) -> float:
    """Floating-point operations (two for each multiply-add) of products and convolutions; 0 for the rest, which moves memory."""
    matrices = [v for v in values if hasattr(v, "shape") and len(v.shape) == 2]
    if name in ("%*%", "sampled steps") and len(matrices) >= 2:
        return 2.0 * matrices[0].shape[0] * matrices[0].shape[1] * matrices[1].shape[1]
    if not name.startswith("conv2d") or len(matrices) < 2:
        return 0.0
    first, second = matrices[:2]
    if name == "conv2d_backward_filter":  # images, gradient -> filters (F, C*Hf*Wf)
        return 2.0 * second.shape[0] * second.shape[1] * results[0].shape[1]
    if name == "conv2d_backward_data":  # filters, gradient -> images
        return 2.0 * second.shape[0] * second.shape[1] * first.shape[1]
    return 2.0 * results[0].shape[0] * results[0].shape[1] * second.shape[1]


@dataclass
class Estimate:
    """Straight lines through two dry runs, `fixed + per_image * batch`: one for the arithmetic, one for the bytes that are alive after
    each operation of a step.  So the fullest moment may be another one for other batches: with few images it is in the update, which
    knows no images, with many at the end of the forward pass."""

    small: int
    large: int
    first: Step
    second: Step
    itemsize: int

    def _at(self, low: Any, high: Any, batch: float) -> Any:
        return low + (high - low) / (self.large - self.small) * (batch - self.small)

    def alive(self, batch: float) -> np.ndarray:
        """Bytes of all matrices that are alive, after each operation of a step."""
        return self._at(self.first.alive, self.second.alive, batch)

    def kept(self) -> float:
        """Bytes that stay from step to step: weights, averages, state of the optimizer."""
        return float(self.alive(0).min())

    def peak(self, batch: int) -> float:
        """Bytes of all matrices alive at the fullest moment of a step."""
        return float(self.alive(batch).max())

    def activations(self, batch: int) -> float:
        """Bytes that grow with the batch, at the moment when they are the most."""
        return float((self.alive(batch) - self.alive(0)).max())

    def flops(self, batch: int) -> float:
        """Floating-point operations of a step."""
        return float(self._at(self.first.flops, self.second.flops, batch))

    def moved(self, batch: int) -> float:
        """Bytes that the operations of a step read and write."""
        return float(self._at(self.first.moved, self.second.moved, batch))

    def fitting(self, memory: float, most: int) -> int:
        """The largest batch of 1, 2, 4, ... up to `most` whose step fits in `memory` bytes; 0 if not even one image does."""
        best, batch = 0, 1
        while batch <= most:
            if self.peak(batch) <= memory:
                best = batch
            batch *= 2
        return best


def estimate(script: Any, batch: str, small: int = 8, large: int = 16) -> Estimate:
    """Dry runs of a `pydml.script.Script`.

    batch: name of the parameter with the batch size; a parameter `micro_batch` gets the same value, and the script keeps no checkpoint
    and no record.  Raises DMLError where the script does not read the parameter.
    """
    first, second = (_dry_run(script, batch, size) for size in (small, large))
    if len(first.alive) != len(second.alive) or first.flops == second.flops:
        fail(
            "value",
            f"a step does not grow with ${batch}: with {small} images it has {len(first.alive)} operations, with {large} it has "
            f"{len(second.alive)}",
            help=f"the data must have at least {3 * large} training images",
        )
    return Estimate(small, large, first, second, np.dtype(script.config.dtype).itemsize)


def _dry_run(script: Any, batch: str, size: int) -> Step:
    params = dict(script.params)
    script.params.update({batch: size, "micro_batch": size, "checkpoint": "", "record": "", "model": ""})
    try:
        executable = script.executable(outputs=[])
        if batch not in executable.used_params:
            fail("parameter", f"the script does not read ${batch}", help="name its batch size by --batch NAME")
        dry = DryRun(script.config.dtype)
        script.statistics = dry
        try:
            with script.running():
                executable.run(script.context(), {})
        except _Enough:
            pass
        finally:
            script.statistics = None
        return dry.step()
    finally:
        script.params.clear()
        script.params.update(params)


# ---- the command


def main(argv: Sequence[str]) -> int:
    """`pydml estimate SCRIPT [options]`; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="pydml estimate",
        description="Memory and arithmetic of a training step by batch size, from a run of the script on matrices without cells.",
    )
    parser.add_argument("script", metavar="SCRIPT", help="a DML script that trains in batches")
    parser.add_argument("-args", "--args", nargs="+", default=[], metavar="NAME=VALUE", help="parameters of the script")
    parser.add_argument("--precision", choices=["single", "double"], default="double")
    parser.add_argument(
        "--batch", default="batch_size", metavar="NAME", help="parameter with the batch size (batch_size)"
    )
    parser.add_argument("--mem", help="memory for the training, such as 500m or 4g")
    parser.add_argument("--path", action="append", default=[], metavar="DIR", help="where source() looks first")
    options = parser.parse_args(list(argv))
    memory = _bytes(options.mem) if options.mem else None
    if options.mem and memory is None:
        parser.error(f"--mem needs a size such as 500m or 4g, got {options.mem}")
    sys.setrecursionlimit(max(sys.getrecursionlimit(), 10_000))
    try:
        print(_report(options, memory), end="")
        return 0
    except DMLError as error:
        print(error, file=sys.stderr)
        return 1


def _bytes(text: str) -> float | None:
    match = re.fullmatch(r"(\d+\.?\d*)([kmgt])b?", text, re.IGNORECASE)
    return float(match[1]) * 2 ** (10 * (1 + "kmgt".index(match[2].lower()))) if match else None


def _report(options: argparse.Namespace, memory: float | None) -> str:
    from pathlib import Path

    from pydml.config import make_config
    from pydml.script import Script, load_source
    from pydml.values.convert import parameter_values

    config = make_config(precision=options.precision, path=options.path)
    script = Script(load_source(Path(options.script), config.search), config=config)
    script.params.update(parameter_values(options.args, {}))
    result = estimate(script, options.batch)
    speed, bandwidth = machine_speed(config.dtype)
    lines = [
        f"weights drawn at random    {result.first.weights:,} ({_size(result.first.weights * result.itemsize)})",
        f"kept from step to step     {_size(result.kept())}: weights, averages, state of the optimizer",
        f"this machine               {speed / 1e9:.0f} GFLOP/s in matrix products, {bandwidth / 1e9:.0f} GB/s",
        "",
        "  batch   activations        total   GFLOP/step   about s/step   images/s",
    ]
    for batch in (1, 8, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768):
        seconds = result.flops(batch) / speed + result.moved(batch) / bandwidth
        lines.append(
            f"{batch:>7} {_size(result.activations(batch)):>13} {_size(result.peak(batch)):>12} "
            f"{result.flops(batch) / 1e9:>12.4g} {seconds:>14.3g} {batch / seconds:>10.4g}"
        )
    if memory is not None:
        spare = memory - _OVERHEAD
        best = result.fitting(spare, 1 << 20)
        if best:
            lines += ["", f"in {options.mem}: micro_batch={best}, with {_size(result.peak(best) + _OVERHEAD)}"]
        else:
            lines += ["", f"in {options.mem}: not even one image fits; it takes {_size(result.peak(1) + _OVERHEAD)}"]
    return "\n".join(lines) + "\n"


def machine_speed(dtype: Any) -> tuple[float, float]:
    """Floating-point operations per second of a matrix product and bytes per second of an addition, measured in a moment."""
    from time import perf_counter

    A = np.ones((768, 768), dtype)
    B = np.ones(4 << 20, dtype)
    C = np.empty_like(B)
    A @ A
    np.add(B, B, out=C)

    def fastest(work: Callable[[], Any]) -> float:
        times = []
        for _ in range(5):
            start = perf_counter()
            work()
            times.append(perf_counter() - start)
        return min(times)

    product = 2.0 * 768**3 / fastest(lambda: A @ A)
    return product, 2.0 * B.nbytes / fastest(lambda: np.add(B, B, out=C))


def _size(count: float) -> str:
    """A number of bytes with a unit, three digits."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(count) < 1024:
            return f"{count:.3g} {unit}" if count < 1000 else f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.3g} TiB"

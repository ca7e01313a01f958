"""Random matrices: rand and sample.

Cells are drawn in blocks of a fixed number of cells, each with its own generator, keyed by the seed of the call and the
number of the block: a value depends on nothing else, so that threads may fill blocks in any order
(`backends.cpu.random`).  Values differ from those of SystemDS for the same seed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pydml.builtins.construct import checked_size
from pydml.builtins.registry import builtin
from pydml.diagnostics import fail
from pydml.types import BOOLEAN, Type, matrix_type
from pydml.values import Sparse, arithmetic
from pydml.values.storage import SPARSITY_TURN_POINT, check_dense_size

BLOCK = 1 << 18
GROUP_PLACES = 1 << 16
_NS_PER_CELL, _NS_PER_PLACE = 5, 20
PDFS = ("uniform", "normal", "poisson")


def _rand_type(
    rows: Type, cols: Type, minimum: Type, maximum: Type, pdf: Type, sparsity: Type, seed: Type, rate: Type
) -> Type:
    r, c = checked_size("rand", "rows", rows), checked_size("rand", "cols", cols)
    if isinstance(pdf.const, str) and pdf.const.lower() not in PDFS:
        fail("value", f"rand: there is no pdf {pdf.const!r}", help=f"known are {', '.join(PDFS)}")
    if isinstance(sparsity.const, (int, float)) and not 0 <= sparsity.const <= 1:
        fail("value", f"rand: sparsity must be from 0 to 1, got {sparsity.const}", help="it is the share of non-zeros")
    if pdf.const == "poisson" and isinstance(rate.const, (int, float)) and not rate.const > 0:
        fail("value", f"rand: lambda must be greater than 0, got {rate.const}")
    return matrix_type(r, c)


@builtin(
    "rand(rows: number = 1, cols: number = 1, min: number = 0, max: number = 1, pdf: string = 'uniform', "
    "sparsity: number = 1, seed: number = -1, lambda: number = 1) -> matrix",
    infer=_rand_type,
    needs="context",
    effects=["random"],
    aliases=["Rand", "RAND"],
)
def rand(ctx, rows, cols, minimum, maximum, pdf, sparsity, seed, rate, spread=None):
    """A matrix of random numbers.

    pdf: "uniform" in [min, max); "normal" with mean 0 and variance 1; "poisson" with mean lambda.  min == max gives
    that constant.  sparsity: the share of cells that are drawn, the others are 0; min and max are those of the drawn
    ones. seed: the same seed gives the same matrix, on any number of threads; -1 draws a new one.  rows, cols, seed:
    doubles are truncated.  As SystemDS `rand`, with other random numbers.
    """
    rows, cols, cells = int(rows), int(cols), int(rows) * int(cols)
    draw = _drawing(pdf.lower(), float(minimum), float(maximum), float(rate))
    seed = ctx.random.resolve(arithmetic.to_int(seed))
    spread = spread or each_block
    if sparsity >= 1:
        check_dense_size(rows, cols, np.dtype(ctx.dtype).itemsize)
        out = np.empty((rows, cols), ctx.dtype)
        _fill(out.reshape(-1), draw, seed, spread)
        return out
    blocks = _SparseBlocks(rows, cols, sparsity)
    values = np.empty(blocks.total, ctx.dtype)
    _fill(values, draw, seed, spread)
    if sparsity < SPARSITY_TURN_POINT and cols > 1 and cells >= 4096:
        col, starts = blocks.structure(seed, spread)
        return _sparse(rows, cols, values, col, starts)
    out = np.zeros((rows, cols), ctx.dtype)
    out.reshape(-1)[blocks.positions(seed)] = values
    return out


rand.case("sum(rand(rows=3, cols=2, min=4, max=4))", "24.0")
rand.case("nrow(rand(rows=3.9))", "3")
rand.case("sum(rand(rows=50, cols=40, sparsity=0.1, min=1, max=1))", "200.0")
rand.case('sum(rand(rows=9, cols=9, seed=3, pdf="normal") - rand(rows=9, cols=9, seed=3, pdf="normal"))', "0.0")
rand.fails('rand(rows=2, cols=2, pdf="gamma")', "value", "there is no pdf 'gamma'")
rand.fails("rand(rows=-2, cols=2)", "value", "rows must not be negative")
rand.fails("rand(rows=2, cols=2, sparsity=1.5)", "value", "sparsity must be from 0 to 1")
rand.case("sum(rand(rows=9, cols=9, seed=3.7) - rand(rows=9, cols=9, seed=3))", "0.0")
rand.fails('rand(rows=2, cols=2, pdf="poisson", lambda=0)', "value", "lambda must be greater than 0")


def each_block(run, blocks: int, work_ns: float) -> None:
    """Call run(block) for each block; a backend does it in threads.  work_ns: about how long all blocks take."""
    for block in range(blocks):
        run(block)


def _fill(out: np.ndarray, draw, seed: int, spread) -> None:
    """Draw the cells of the flat array `out`, block by block.  spread: as `each_block`."""

    def run(block: int) -> None:
        draw(_generator(seed, block), out[block * BLOCK : (block + 1) * BLOCK])

    spread(run, -(-len(out) // BLOCK), len(out) * _NS_PER_CELL)


def _generator(seed: int, block: int, use: int = 0) -> np.random.Generator:
    """The generator of one block.  use: 0 for values, 1 for positions."""
    return np.random.Generator(np.random.Philox(key=seed | (block << 65) | (use << 64)))


def _restart(generator: np.random.Generator, seed: int, block: int, use: int = 0) -> None:
    """Make of any generator that of `_generator`, in a tenth of the time of a new one."""
    key = seed | (block << 65) | (use << 64)
    state = {"counter": _NO_WORDS, "key": np.array([key & (2**64 - 1), key >> 64], np.uint64)}
    generator.bit_generator.state = {
        "bit_generator": "Philox", "state": state, "buffer": _NO_WORDS, "buffer_pos": 4, "has_uint32": 0, "uinteger": 0
    }  # fmt: skip


_NO_WORDS = np.zeros(4, np.uint64)


def _drawing(pdf: str, minimum: float, maximum: float, rate: float):
    """A function draw(generator, part) that fills the flat array `part`."""

    def uniform(generator, part):
        if minimum == maximum:
            part[:] = minimum
            return
        generator.random(dtype=part.dtype, out=part)
        if (minimum, maximum) != (0.0, 1.0):
            part *= maximum - minimum
            part += minimum

    def normal(generator, part):
        generator.standard_normal(dtype=part.dtype, out=part)

    def poisson(generator, part):
        part[:] = generator.poisson(rate, len(part))

    return {"uniform": uniform, "normal": normal, "poisson": poisson}[pdf]


class _SparseBlocks:
    """The places of round(sparsity * cells) cells, drawn block by block so that each block has its share."""

    def __init__(self, rows: int, cols: int, sparsity: float):
        self.rows, self.cols, self.cells, self.sparsity = rows, cols, rows * cols, sparsity
        # blocks of very sparse matrices are larger: each has some thousand places then
        self.size = BLOCK if sparsity * 50 >= 1 else max(BLOCK, int(min(2**62, 2**13 / max(sparsity, 2.0**-50))))
        self.count = -(-self.cells // self.size)
        self.total = self.first(self.count)

    def first(self, block: int) -> int:
        """How many places the blocks before this one have."""
        return round(self.sparsity * min(self.cells, block * self.size))

    def places(self, seed: int, begin: int, end: int) -> np.ndarray:
        """The sorted places in blocks begin:end, counted from the first cell of these.

        In each block cells are drawn until there are as many different ones as wanted.
        """
        cells = min(self.cells, end * self.size) - begin * self.size
        dtype = np.int32 if cells < 2**31 else np.int64
        ends = [self.first(block) - self.first(begin) for block in range(begin, end + 1)]
        places = np.empty(ends[-1], dtype)
        generator = _generator(seed, begin, use=1)
        draws = [self._draw(generator, seed, block) for block in range(begin, end)]
        for i, drawn in enumerate(draws):
            part = places[ends[i] : ends[i + 1]]
            np.add(drawn[: part.size], i * self.size, out=part, casting="unsafe")
            part.sort()
        first = np.ones(places.size, bool)
        np.not_equal(places[1:], places[:-1], out=first[1:])
        if first.all():
            return places
        # Few meet: those that are missing are found among themselves, and merged with the others once.
        wanted = missing = np.bincount(places[~first] // self.size, minlength=end - begin)
        used = np.diff(ends)
        places, added = places[first], np.empty(0, dtype)
        while missing.any():
            more = [added]
            for i in np.flatnonzero(missing):
                stop = int(used[i] + missing[i])
                if stop > draws[i].size:
                    draws[i] = self._draw(generator, seed, begin + int(i), 2 * stop)
                more.append((draws[i][used[i] : stop] + i * self.size).astype(dtype))
            used += missing
            added = np.unique(np.concatenate(more))
            added = added[places[np.minimum(np.searchsorted(places, added), places.size - 1)] != added]
            missing = wanted - np.bincount(added // self.size, minlength=end - begin)
        return np.insert(places, np.searchsorted(places, added), added)

    def _draw(self, generator: np.random.Generator, seed: int, block: int, count: int = 0) -> np.ndarray:
        """Places in a block as its generator draws them, at least `count` where they may meet.  generator: any, which becomes this one.

        A generator gives the same numbers however many are asked for at once, so that those for meetings are drawn with the others.
        """
        length = min(self.cells, (block + 1) * self.size) - block * self.size
        wanted = self.first(block + 1) - self.first(block)
        _restart(generator, seed, block, use=1)
        if wanted > length // 16:
            return generator.choice(length, wanted, replace=False, shuffle=False)
        count = max(count, wanted + wanted * wanted // length + 8)  # about twice as many as will meet
        return generator.integers(0, length, count, np.int32 if length < 2**31 else np.int64)

    @property
    def group(self) -> int:
        """How many blocks are worked on at once: whole vectors of NumPy, and numbers of 32 bits."""
        each = max(1, self.total // max(1, self.count))
        return max(1, min(GROUP_PLACES // each, 2**31 // self.size - 1))

    def positions(self, seed: int) -> np.ndarray:
        """The sorted places in the whole matrix, row after row."""
        parts = [
            np.add(self.places(seed, begin, min(begin + self.group, self.count)), begin * self.size, dtype=np.int64)
            for begin in range(0, self.count, self.group)
        ]
        return np.concatenate(parts) if parts else np.empty(0, np.int64)

    def structure(self, seed: int, spread: Any) -> tuple[np.ndarray, np.ndarray]:
        """(columns, starts of the rows) of the compressed rows.  spread: as `each_block`."""
        dtype = np.int32 if max(self.total, self.cols) < 2**31 else np.int64
        col, starts = np.empty(self.total, dtype), np.zeros(self.rows + 1, dtype)
        cols, size, group = self.cols, self.size, self.group

        def run(number: int) -> None:
            begin, last = number * group, min((number + 1) * group, self.count)
            start, stop = begin * size, min(self.cells, last * size)
            places, before = self.places(seed, begin, last), self.first(begin)
            inner = start % cols  # cells of the first row that lie in the block before
            wide = np.int64 if stop - start + cols >= 2**31 else places.dtype
            places = places + np.asarray(inner, wide)
            row = places // cols  # NumPy divides by a number faster than it finds the remainder
            np.subtract(places, row * cols, out=col[before : before + places.size], casting="unsafe")
            # the rows that begin in these blocks
            top, bottom = start // cols, -(-stop // cols)
            if inner == 0:
                starts[top] = before
            starts[top + 1 : bottom] = before + np.cumsum(np.bincount(row, minlength=bottom - top)[:-1])

        spread(run, -(-self.count // group), self.total * _NS_PER_PLACE)
        starts[-1] = self.total
        return col, starts


def _sparse(rows: int, cols: int, values: np.ndarray, col: np.ndarray, starts: np.ndarray) -> Sparse:
    from scipy.sparse import csr_matrix

    if not values.all():  # a value may be 0 by chance, or always
        row = np.repeat(np.arange(rows, dtype=col.dtype), np.diff(starts))
        kept = values != 0
        values, col = values[kept], col[kept]
        starts = np.concatenate(([0], np.cumsum(np.bincount(row[kept], minlength=rows)))).astype(starts.dtype)
    matrix = csr_matrix((values, col, starts), shape=(rows, cols), copy=False)
    matrix.has_sorted_indices = matrix.has_canonical_format = True
    return Sparse(matrix)


def _sample_type(population: Type, size: Type, replace: Type, seed: Type) -> Type:
    count = checked_size("sample", "size", size)
    limit = checked_size("sample", "range", population)
    if limit == 0:
        fail("value", "sample: range must be at least 1")
    with_replacement = replace.value == BOOLEAN and replace.const is not False
    if limit is not None and count is not None and count > limit and not with_replacement:
        fail("value", f"sample: {count} of {limit} numbers cannot be drawn without replacement")
    return matrix_type(count, 1)


@builtin(
    "sample(range: number, size: number, replace: boolean|int = FALSE, seed: int = NULL) -> matrix",
    infer=_sample_type,
    needs="context",
    effects=["random"],
)
def sample(ctx, population, size, replace, seed):
    """`size` numbers drawn from 1..range, in random order.  Returns (size, 1).

    replace: whether a number may come again; a number in its place is the seed.  The same seed gives the same numbers.
    As SystemDS `sample`, with other random numbers.
    """
    population, size = int(population), int(size)
    if type(replace) is not bool:
        replace, seed = False, replace
    generator = ctx.random.generator(seed)
    if replace:
        chosen = generator.integers(1, population + 1, size)
    else:
        chosen = generator.choice(population, size, replace=False) + 1
    return chosen.astype(ctx.dtype).reshape(size, 1)


sample.case("sum(sample(100, 100))", "5050.0")
sample.case("max(sample(3, 50, TRUE)) <= 3", "TRUE")
sample.case("sum(abs(sample(1000, 10, 7) - sample(1000, 10, FALSE, 7)))", "0.0")
sample.fails("sample(5, 7)", "value", "7 of 5 numbers cannot be drawn without replacement")
sample.fails("sample(0, 1)", "value", "range must be at least 1")

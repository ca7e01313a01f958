"""Reading and writing large text files by the kernels: tiles of lines on all threads, and the rest in Python.

Each function here stands in for the one of the same name in `pydml.io.formats` and gives the same result, bytes and messages, or
NotImplemented where the files so far are too small to earn the loading of Numba, or one is made in a way that the kernels do not know.
Tiles follow from the size of the file alone.
"""

from __future__ import annotations

import functools
import itertools
import re
import sys
from typing import Any

import numpy as np

from pydml.backends.cpu.threads import budget, parallel_for
from pydml.diagnostics import DMLError
from pydml.io.formats import csv as csv_format
from pydml.io.formats import libsvm as libsvm_format
from pydml.io.formats import text as text_format
from pydml.io.numbers import fast, parse_cell
from pydml.io.triples import count_nonzero, nonzero_cells, row_blocks
from pydml.values.storage import check_dense_size
from pydml.values.text import double_text

_TILE_BYTES = 1 << 20
_TILE_CELLS = 1 << 15
_SPECIAL_CELLS = 4096
_LONGEST = 25  # characters of a double, at most

# What Python takes: nanoseconds for a byte that is read, and for a cell that is written.
_BYTE_NS = 20.0
_CELL_NS = 850.0
_TRIPLE_NS = 1200.0
# Loading Numba and a kernel, or a kernel alone; as much has been lost by waiting when it is done.  A loaded kernel starts some tiles.
_LOADING_NS = 5e8
_KERNEL_NS = 2e8
_START_NS = 5e6

_used: set[str] = set()
_waited = 0.0  # nanoseconds of the files so far that were left to Python


def _worth(name: str, ns: float) -> bool:
    """Whether a file that takes Python so long, and those before it, earn the kernel."""
    global _waited
    if name in _used:
        return ns >= _START_NS
    if _waited + ns < (_KERNEL_NS if "numba" in sys.modules else _LOADING_NS):
        _waited += ns
        return False
    _used.add(name)
    _waited = 0.0
    return True


@functools.cache
def _tables() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    from pydml.backends.text import compiled

    return compiled.powers_of_five(), 10.0 ** np.arange(23), compiled.powers_of_ten()


def _tiles(data: bytes, start: int, stop: int) -> list[int]:
    """The ends of tiles of whole lines, with `start` before them.  data[stop - 1] is a line end."""
    ends = [start]
    while ends[-1] < stop:
        ends.append(data.index(b"\n", min(ends[-1] + _TILE_BYTES, stop - 1)) + 1)
    return ends


def _for_tiles(run: Any, count: int, work_ns: float) -> None:
    """Call run(tile) for each tile on all threads; of several errors, that of the first tile is raised."""
    errors: dict[int, DMLError] = {}

    def some(first: int, last: int) -> None:
        for tile in range(first, last):
            try:
                run(tile)
            except DMLError as error:
                errors[tile] = error

    parallel_for(some, count, work_ns=work_ns, grain=1)
    if errors:
        raise errors[min(errors)]


def _line_counts(buffer: np.ndarray, ends: list[int]) -> list[int]:
    from pydml.backends.text import compiled

    count_lines = compiled.count_lines()
    counts = [0] * (len(ends) - 1)

    def run(tile: int) -> None:
        counts[tile] = count_lines(buffer, ends[tile], ends[tile + 1])

    _for_tiles(run, len(counts), work_ns=len(buffer) / 4)
    return counts


def _without_last_lines(data: bytes, start: int) -> tuple[int, bytes]:
    """Where the whole lines end, empty ones at the end left out, and a last line without its end."""
    stop = data.rfind(b"\n") + 1
    rest = data[max(stop, start) :]
    if rest.strip():
        return stop, rest
    while stop > start:
        line = data.rfind(b"\n", 0, stop - 1) + 1
        if data[line:stop].strip():
            break
        stop = line
    return stop, b""


# ---- csv


@fast("parse_csv")
def parse_csv(file: str, data: bytes, dialect: Any, header: bool, cols: int | None, dtype: Any) -> Any:
    if not _worth("parse_csv", len(data) * _BYTE_NS):
        return NotImplemented
    try:
        return _parse_csv(file, data, dialect, header, cols, dtype)
    except DMLError:
        if re.search(rb"\r(?!\n)", data):  # lines may end in a return alone
            return NotImplemented
        raise


def _parse_csv(file: str, data: bytes, dialect: Any, header: bool, cols: int | None, dtype: Any) -> Any:
    from pydml.backends.text import compiled

    start = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    if header:
        start = data.find(b"\n", start) + 1
        if re.search(rb"\r(?!\n)", data[:start]):
            return NotImplemented
    first_line = 2 if header else 1
    stop, rest = _without_last_lines(data, start)
    if stop <= start:
        return NotImplemented
    sep = dialect.sep
    if cols is None:
        cols = data.count(sep, start, data.index(b"\n", start)) + 1
    buffer = np.frombuffer(data, np.uint8)
    ends = _tiles(data, start, stop)
    rows = np.cumsum([0, *_line_counts(buffer, ends)]).tolist()
    total = rows[-1] + bool(rest)
    if total * cols > stop - start + len(rest) + 1:  # a cell takes a character at least: lines differ
        return NotImplemented
    check_dense_size(total, cols, np.dtype(dtype).itemsize)
    out = np.empty(total * cols, dtype)
    kernel = compiled.parse_csv(np.dtype(dtype).type, len(sep) == 1)
    fives, exact, _ = _tables()
    numbers = [parse_cell(text) for text in dialect.missing]
    numeric = np.array([n for n in numbers if n is not None and n == n], np.float64)
    separator = np.frombuffer(sep, np.uint8)

    def run(tile: int) -> None:
        state = np.array([ends[tile], rows[tile], 0], np.int64)
        special = np.empty((_SPECIAL_CELLS, 4), np.int64)
        status = compiled.FULL
        while status == compiled.FULL:
            status, found = kernel(
                *(buffer, ends[tile + 1], separator, cols, dialect.fill, dialect.default, numeric),
                *(fives, exact, state, out, special),
            )
            for row, col, position, length in special[:found].tolist():
                if row == state[1] and status in (compiled.WRONG_COUNT, compiled.EMPTY_LINE):
                    break  # the line as a whole is worse than its cells
                cell = data[position : position + length]
                out[row * cols + col] = csv_format.read_cell(file, row + first_line, col + 1, cell, dialect)
        if status != compiled.DONE:
            row = int(state[1])
            line = data[data.rfind(b"\n", 0, int(state[0])) + 1 : data.index(b"\n", int(state[0]))].rstrip(b"\r")
            csv_format.wrong_line(file, row + first_line, line, cols, sep)

    _for_tiles(run, len(ends) - 1, work_ns=(stop - start) * 2.0)
    if rest:
        row = csv_format.parse_row(file, rows[-1] + first_line, rest.rstrip(b"\r"), cols, dialect)
        out[rows[-1] * cols :] = row
    return out.reshape(total, cols)


@fast("write_csv")
def write_csv(out: Any, value: Any, sep: bytes, zero: bytes) -> Any:
    rows, cols = value.shape
    if not _worth("write_csv", rows * cols * _CELL_NS):
        return NotImplemented
    from pydml.backends.text import compiled

    kernel = compiled.format_csv()
    separator, zero_text = np.frombuffer(sep, np.uint8), np.frombuffer(zero, np.uint8)
    _, _, tens = _tables()

    def run(block: np.ndarray) -> np.ndarray:
        values = np.ascontiguousarray(block, np.float64).reshape(-1)
        texts, ends = _special_texts(values)
        text = np.empty(len(values) * (_LONGEST + max(len(sep), 1) + len(zero)), np.uint8)
        return text[: kernel(values, cols, separator, zero_text, tens, texts, ends, text)]

    _write_tiles(out, row_blocks(value, _TILE_CELLS), run)
    return True


def _special_texts(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The texts of the special values among these, one after the other, and where each starts and ends."""
    from pydml.backends.text import compiled

    marks = np.empty(len(values), np.bool_)
    compiled.mark_special()(values, marks)
    texts = [double_text(v).encode() for v in values[marks].tolist()]
    ends = np.cumsum([0, *map(len, texts)])
    return np.frombuffer(b"".join(texts), np.uint8), ends


def _write_tiles(out: Any, blocks: Any, run: Any) -> None:
    """Write what `run` makes of each block, some blocks at a time on all threads."""
    size = 4 * budget()
    group: list[Any] = []
    results: list[Any] = []

    def tile(k: int) -> None:
        results[k] = run(group[k])

    def flush() -> None:
        nonlocal results
        results = [None] * len(group)
        _for_tiles(tile, len(group), work_ns=len(group) * _TILE_CELLS * 100.0)
        for text in results:
            out.write(text)
        group.clear()

    for block in blocks:
        group.append(block)
        if len(group) == size:
            flush()
    flush()


# ---- triples


@fast("parse_triples")
def parse_triples(file: str, data: bytes, first_line: int, rows: int, cols: int, pattern: bool) -> Any:
    if not _worth("parse_triples", len(data) * _BYTE_NS):
        return NotImplemented
    if re.search(rb"\r(?!\n)", data):
        return NotImplemented
    from pydml.backends.text import compiled

    stop, rest = _without_last_lines(data, 0)
    if stop == 0:
        return NotImplemented
    buffer = np.frombuffer(data, np.uint8)
    ends = _tiles(data, 0, stop)
    lines = np.cumsum([0, *_line_counts(buffer, ends)]).tolist()
    i, j, values = np.empty(lines[-1], np.int64), np.empty(lines[-1], np.int64), np.empty(lines[-1])
    kernel = compiled.parse_triples()
    fives, exact, _ = _tables()
    counts = [0] * (len(ends) - 1)

    def run(tile: int) -> None:
        part = slice(lines[tile], lines[tile + 1])
        arrays = i[part], j[part], values[part]
        state = np.array([ends[tile], 0], np.int64)
        while kernel(buffer, ends[tile + 1], pattern, rows, cols, fives, exact, state, *arrays) != compiled.DONE:
            start = int(state[0])
            end = data.index(b"\n", start) + 1
            number = first_line + lines[tile] + data.count(b"\n", ends[tile], start)
            cells = text_format.parse_lines(file, data[start:end], number, rows, cols, pattern)
            for array, cell in zip(arrays, cells, strict=True):
                array[state[1] : state[1] + len(cell)] = cell
            state[0] = end
            state[1] += len(cells[0])
        counts[tile] = int(state[1])

    _for_tiles(run, len(counts), work_ns=stop * 2.0)
    last = text_format.parse_lines(file, rest, first_line + lines[-1], rows, cols, pattern)
    if counts == [b - a for a, b in itertools.pairwise(lines)] and not len(last[0]):
        return i, j, values
    pieces = [slice(start, start + n) for start, n in zip(lines, counts, strict=False)]
    return tuple(
        np.concatenate([*(array[piece] for piece in pieces), more])
        for array, more in zip((i, j, values), last, strict=True)
    )


@fast("write_triples")
def write_triples(out: Any, value: Any) -> Any:
    count = count_nonzero(value)
    if not _worth("write_triples", count * _TRIPLE_NS):
        return NotImplemented
    from pydml.backends.text import compiled

    kernel = compiled.format_triples()
    _, _, tens = _tables()

    def run(cells: tuple[np.ndarray, np.ndarray, np.ndarray]) -> np.ndarray:
        i, j = (np.ascontiguousarray(index, np.int64) for index in cells[:2])
        values = np.ascontiguousarray(cells[2], np.float64)
        texts, ends = _special_texts(values)
        text = np.empty(len(values) * (_LONGEST + 2 * 20 + 3), np.uint8)
        return text[: kernel(i, j, values, tens, texts, ends, text)]

    _write_tiles(out, nonzero_cells(value), run)
    return count


# ---- libsvm


@fast("parse_libsvm")
def parse_libsvm(file: str, data: bytes, features: int, sep: bytes | None, index_sep: bytes) -> Any:
    one_character = len(index_sep) == 1 and (sep is None or len(sep) == 1)
    # digits, signs and remarks as separators are for the slow way
    if (
        not one_character
        or set(b"+-.#0123456789eE\r") & {*index_sep, *(sep or b"")}
        or not _worth("parse_libsvm", len(data) * _BYTE_NS)
    ):
        return NotImplemented
    if re.search(rb"\r(?!\n)", data):
        return NotImplemented
    from pydml.backends.text import compiled

    stop = data.rfind(b"\n") + 1
    rest = data[stop:]
    if stop == 0:
        return NotImplemented
    buffer = np.frombuffer(data, np.uint8)
    ends = _tiles(data, 0, stop)
    line_counts = _line_counts(buffer, ends)
    # a label for each line, and a value behind each separator
    room = [n + data.count(index_sep, *part) for n, part in zip(line_counts, itertools.pairwise(ends), strict=True)]
    starts = np.cumsum([0, *room]).tolist()
    lines = np.cumsum([0, *line_counts]).tolist()
    i, j, values = np.empty(starts[-1], np.int64), np.empty(starts[-1], np.int64), np.empty(starts[-1])
    kernel = compiled.parse_libsvm()
    fives, exact, _ = _tables()
    counts, rows = [0] * len(room), [0] * len(room)
    separators = -1 if sep is None else sep[0], index_sep[0]

    def run(tile: int) -> None:
        part = slice(starts[tile], starts[tile + 1])
        arrays = i[part], j[part], values[part]
        state = np.array([ends[tile], 0, 0], np.int64)
        while kernel(buffer, ends[tile + 1], *separators, features, fives, exact, state, *arrays) != compiled.DONE:
            start = int(state[0])
            end = data.index(b"\n", start) + 1
            number = 1 + lines[tile] + data.count(b"\n", ends[tile], start)
            *cells, count = libsvm_format.parse_lines(file, data[start:end], number, features, sep, index_sep)
            for array, cell in zip(arrays, cells, strict=True):
                array[state[1] : state[1] + len(cell)] = cell
            arrays[0][state[1] : state[1] + len(cells[0])] += state[2]
            state += [end - start, len(cells[0]), count]
        counts[tile], rows[tile] = int(state[1]), int(state[2])

    _for_tiles(run, len(room), work_ns=stop * 2.0)
    *last, count = libsvm_format.parse_lines(file, rest, 1 + lines[-1], features, sep, index_sep)
    first_rows = np.cumsum([0, *rows])
    pieces = [slice(start, start + n) for start, n in zip(starts, counts, strict=False)]
    for piece, first in zip(pieces, first_rows, strict=False):
        i[piece] += first
    last[0] = last[0] + first_rows[-1]
    parts = [[*(array[piece] for piece in pieces), more] for array, more in zip((i, j, values), last, strict=True)]
    return *(np.concatenate(part) for part in parts), int(first_rows[-1]) + count


@fast("write_libsvm")
def write_libsvm(out: Any, value: Any, sep: bytes, index_sep: bytes) -> Any:
    cols = value.shape[1]
    if not _worth("write_libsvm", count_nonzero(value) * _TRIPLE_NS):
        return NotImplemented
    from pydml.backends.text import compiled

    kernel = compiled.format_libsvm()
    separators = np.frombuffer(sep, np.uint8), np.frombuffer(index_sep, np.uint8)
    _, _, tens = _tables()

    def run(block: tuple[np.ndarray, np.ndarray, np.ndarray]) -> np.ndarray:
        starts, indices = (np.ascontiguousarray(index, np.int64) for index in block[:2])
        values = np.ascontiguousarray(block[2], np.float64)
        texts, ends = _special_texts(values)
        size = len(values) * (_LONGEST + 20 + len(sep) + len(index_sep)) + 4 * len(starts)
        text = np.empty(size, np.uint8)
        return text[: kernel(starts, indices, values, cols, *separators, tens, texts, ends, text)]

    _write_tiles(out, libsvm_format.compressed_blocks(value, _TILE_CELLS), run)
    return True

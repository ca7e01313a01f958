"""Data sets of images in files: their manifest, and a matrix that reads its rows when they are asked for.

`pydml.data` writes the folders, `io.formats.images` declares them as a format of `read`, `backends.cpu.stored` has the kernels of
the storage.  docs/data.md describes the files.

The rows are read by `readinto`, not mapped: pages of a mapped file count as memory of the process, so that reading a large data set
once would look, to the user and to the limits of a container, as if it had been loaded.
"""

from __future__ import annotations

import copy
import os
import threading
from typing import Any, NoReturn

import numpy as np

from pydml.diagnostics import fail
from pydml.io.paths import MANIFEST, unreadable
from pydml.records import dataclass
from pydml.values.storage import check_dense_size, memory_limit, register_storage

SPLIT_FORMAT = "pydml-images"
VERSION = 1
HEAD = b'{\n  "format": "pydml-images"'
PIXELS = ("normalized", "unit", "bytes")


@dataclass(frozen=True)
class Shard:
    """One file of rows: its name in the folder, how many rows it has, and its SHA-256."""

    file: str
    rows: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What `manifest.json` in the folder of a split says.

    A pixel is a byte b of channel c, which stands for (b / 255 - mean[c]) / std[c].  classes: the number of classes.
    """

    channels: int
    height: int
    width: int
    classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    shards: tuple[Shard, ...]

    @property
    def rows(self) -> int:
        return sum(s.rows for s in self.shards)

    @property
    def cols(self) -> int:
        return self.channels * self.height * self.width

    def text(self) -> str:
        """The content of the file; `HEAD` is how it begins."""
        import json

        content: dict[str, Any] = {"format": SPLIT_FORMAT, "version": VERSION, "rows": self.rows}
        content.update({k: getattr(self, k) for k in ("channels", "height", "width", "classes", "mean", "std")})
        content["shards"] = [{"file": s.file, "rows": s.rows, "sha256": s.sha256} for s in self.shards]
        return json.dumps(content, indent=2) + "\n"


def load_manifest(folder: str) -> Manifest:
    """The manifest of a split.  Raises DMLError "file" or "data-format"."""
    import json

    path = os.path.join(folder, MANIFEST)
    try:
        with open(path, encoding="utf-8") as stream:
            content = json.load(stream)
    except OSError as error:
        unreadable(path, error)
    except ValueError as error:
        fail("data-format", f"{path} is not JSON: {error}")
    try:
        return _checked(path, content)
    except (KeyError, TypeError, ValueError) as error:
        _malformed(path, f"{type(error).__name__} {error}")


def _malformed(path: str, what: str) -> NoReturn:
    fail("data-format", f"{path} is not the manifest of a data set: {what}", help="prepare the data set again")


def _checked(path: str, content: Any) -> Manifest:
    if content.get("format") != SPLIT_FORMAT:
        _malformed(path, "it does not say so")
    if content["version"] != VERSION:
        fail("not-supported", f"{path} is of version {content['version']}; this pydml reads version {VERSION}")
    shards = tuple(Shard(str(s["file"]), int(s["rows"]), str(s["sha256"])) for s in content["shards"])
    channels, height, width, classes = (int(content[k]) for k in ("channels", "height", "width", "classes"))
    mean, std = (tuple(float(v) for v in content[k]) for k in ("mean", "std"))
    found = Manifest(channels, height, width, classes, mean, std, shards)
    if min(channels, height, width, classes) < 1 or any(
        s.rows < 1 or os.path.basename(s.file) != s.file for s in shards
    ):
        _malformed(path, "a size is not positive, or a shard is not in the folder")
    if len(mean) != found.channels or len(std) != found.channels or not all(s > 0 for s in std):
        _malformed(path, "mean and std need one number for each channel, std a positive one")
    if found.rows != content["rows"]:
        _malformed(path, f"its shards have {found.rows} rows, it says {content['rows']}")
    return found


def pixel_table(manifest: Manifest, pixels: str, dtype: Any) -> np.ndarray:
    """(channels, 256): the number that each byte stands for, computed in double precision and rounded once.

    pixels: "normalized", "unit" (b / 255) or "bytes" (b).
    """
    values = np.arange(256, dtype=np.float64)
    if pixels == "bytes":
        rows = [values] * manifest.channels
    elif pixels == "unit":
        rows = [values / 255] * manifest.channels
    else:
        rows = [(values / 255 - m) / s for m, s in zip(manifest.mean, manifest.std, strict=True)]
    return np.array(rows).astype(dtype)


class Stored:
    """A matrix whose rows are in the shards of a data set; the storage "stored".

    shape and dtype are known without reading.  `block` and `gather` read rows as bytes, `convert` makes numbers of them.  Several
    threads may read at once.

    A read that continues where the one before ended makes the next block of the same size be read in the background; so does
    `gather` with the rows that come after.  One block is held in advance, unless it is larger than a share of the memory limit.
    """

    def __init__(self, folder: str, manifest: Manifest, dtype: Any, pixels: str = "normalized"):
        self.folder = folder
        self.manifest = manifest
        self.dtype = np.dtype(dtype)
        self.shape = (manifest.rows, manifest.cols)
        self.table = pixel_table(manifest, pixels, dtype)
        self._starts = np.concatenate(([0], np.cumsum([s.rows for s in manifest.shards], dtype=np.int64)))
        self._first = 0  # the row of the data set that is row 0 here
        self._last = 0  # where the last block ended
        self._ahead: _Ahead | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Stored({self.shape[0]} x {self.shape[1]}, {self.folder})"

    def part(self, first: int, last: int) -> Stored:
        """Rows first..last (0-based, half open) as a matrix that is in files, too."""
        result = copy.copy(self)
        result.shape = (last - first, self.shape[1])
        result._first = self._first + first
        result._last, result._ahead, result._lock = 0, None, threading.Lock()
        return result

    # ---- numbers

    def to_dense(self) -> np.ndarray:
        """All rows, in memory.  Raises DMLError "memory" where they are larger than the limit."""
        rows, cols = self.shape
        check_dense_size(rows, cols, self.dtype.itemsize)
        out = np.empty(self.shape, self.dtype)
        step = max(1, (16 << 20) // cols)
        for first in range(0, rows, step):
            last = min(first + step, rows)
            out[first:last] = self.convert(self._read(np.arange(first, last)))
        return out

    def item(self, row: int, col: int) -> float:
        """One cell, 0-based.  Raises IndexError."""
        if not (row < self.shape[0] and col < self.shape[1]):
            raise IndexError(row, col)
        return float(self.convert(self.block(row, row + 1))[0, col])

    def convert(self, block: np.ndarray) -> np.ndarray:
        """The numbers that rows of bytes (n, cols) stand for."""
        check_dense_size(len(block), self.shape[1], self.dtype.itemsize)
        out = np.empty(block.shape, self.dtype)
        plane = self.manifest.height * self.manifest.width
        for channel, numbers in enumerate(self.table):
            cells = slice(channel * plane, (channel + 1) * plane)
            out[:, cells] = numbers[block[:, cells]]
        return out

    # ---- bytes

    def block(self, first: int, last: int) -> np.ndarray:
        """Rows first..last (0-based, half open) as bytes, (last - first, cols).  The caller must not write into them."""
        result = self._take(np.arange(first, last))
        with self._lock:
            sequential = first == self._last
            self._last = last if last < self.shape[0] else 0
            start = self._last
        if sequential and last - first < self.shape[0]:
            self._prepare(np.arange(start, min(start + last - first, self.shape[0])))
        return result

    def gather(self, rows: np.ndarray, following: np.ndarray | None = None) -> np.ndarray:
        """These rows (0-based, in range) as bytes, in this order.  following: the rows that will probably be wanted next."""
        result = self._take(rows)
        if following is not None and len(following):
            self._prepare(following)
        return result

    def _take(self, rows: np.ndarray) -> np.ndarray:
        with self._lock:
            ahead, self._ahead = self._ahead, None
        if ahead is not None and np.array_equal(ahead.rows, rows):
            ready = ahead.result()
            if ready is not None:
                return ready
        elif ahead is not None:
            ahead.drop()
        return self._read(rows)

    def _prepare(self, rows: np.ndarray) -> None:
        if len(rows) * self.shape[1] > memory_limit() // 16:
            return
        with self._lock:
            if self._ahead is None:  # else another thread, in a parfor loop, was faster
                self._ahead = _Ahead(self, rows)

    def _read(self, rows: np.ndarray) -> np.ndarray:
        """Read rows in the order of the file; neighbours by one call."""
        cols = self.shape[1]
        rows = rows + self._first
        out = np.empty((len(rows), cols), np.uint8)
        if not len(rows):
            return out
        steps = np.diff(rows)
        if (steps == 1).all():  # a block goes to its place
            self._read_range(int(rows[0]), out)
            return out
        order = np.argsort(rows, kind="stable")
        before, at = -1, -1  # the row that was read last, and its place
        for shard, places in self._by_shard(rows, order):
            file = self.manifest.shards[shard]
            with self._open(file) as stream:
                for place in places:
                    row = int(rows[place])
                    if row != before:
                        stream.seek((row - int(self._starts[shard])) * cols)
                        _fill(stream, out[place : place + 1], file)
                        before, at = row, int(place)
                    else:  # drawn twice
                        out[place] = out[at]
        return out

    def _by_shard(self, rows: np.ndarray, order: np.ndarray) -> Any:
        """(shard, places in `rows` of its rows, ascending by row) of each shard that is needed."""
        shards = np.searchsorted(self._starts, rows[order], side="right") - 1
        cuts = np.flatnonzero(np.diff(shards)) + 1
        for part in np.split(np.arange(len(order)), cuts):
            yield int(shards[part[0]]), order[part]

    def _read_range(self, first: int, out: np.ndarray) -> None:
        """Fill `out` with the rows from `first` on."""
        shard = int(np.searchsorted(self._starts, first, side="right")) - 1
        done = 0
        while done < len(out):
            file = self.manifest.shards[shard]
            begin = first + done - int(self._starts[shard])
            count = min(len(out) - done, file.rows - begin)
            with self._open(file) as stream:
                stream.seek(begin * self.shape[1])
                _fill(stream, out[done : done + count], file)
            done += count
            shard += 1

    def _open(self, shard: Shard) -> Any:
        path = os.path.join(self.folder, shard.file)
        try:
            stream = open(path, "rb", buffering=0)  # noqa: SIM115  (the caller closes it)
        except OSError as error:
            unreadable(path, error)
        size = os.fstat(stream.fileno()).st_size
        if size != shard.rows * self.shape[1]:
            stream.close()
            fail(
                "data-format",
                f"{path} has {size} bytes, the manifest says {shard.rows} rows of {self.shape[1]}",
                help="prepare the data set again",
            )
        return stream


def _fill(stream: Any, out: np.ndarray, shard: Shard) -> None:
    """Read exactly as many bytes as `out` holds."""
    view = out.data.cast("B")
    while len(view):
        count = stream.readinto(view)
        if not count:
            fail("data-format", f"{shard.file} ended while it was read")
        view = view[count:]


class _Ahead:
    """A block that a thread of its own reads: it waits for the disk, so it is none of the threads that compute."""

    def __init__(self, matrix: Stored, rows: np.ndarray):
        self.rows = rows
        self._block: np.ndarray | None = None
        self._thread = threading.Thread(target=self._run, args=(matrix,), name="pydml-read-ahead", daemon=True)
        self._thread.start()

    def _run(self, matrix: Stored) -> None:
        try:
            self._block = matrix._read(self.rows)
        except Exception:  # the read that wants these rows meets the same error and reports it
            self._block = None

    def result(self) -> np.ndarray | None:
        """The block; None if it could not be read."""
        self._thread.join()
        return self._block

    def drop(self) -> None:
        """Nobody wants the block.  Wait for the thread, so that never more than one reads ahead."""
        self._thread.join()
        self._block = None


register_storage(Stored, "stored")

__all__ = ["HEAD", "MANIFEST", "PIXELS", "VERSION", "Manifest", "Shard", "Stored", "load_manifest", "pixel_table"]

"""Writing a data set: in shards, so that work that was killed goes on where it was, and as a whole, so that a reader never sees a part.

All files are made in a working folder beside the result, `.NAME.preparing`.  A shard is a temporary file that is flushed to the disk
and renamed; then its record, made the same way, says that it is done.  When all records are there, the small files are written, the
manifest of the data set last, and the working folder takes the place of the result in one step.  Started again with the same
arguments, the command finds the records and goes on; started with other arguments, it begins anew.  What comes out does not depend
on interruptions nor on the number of threads.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import shutil
import time
from collections.abc import Callable, Iterator
from typing import Any, TextIO

import numpy as np

from pydml.data.source import Skipped, Source
from pydml.diagnostics import fail
from pydml.io.atomic import cannot_write, swap
from pydml.io.dataset import MANIFEST, VERSION, Manifest, Shard
from pydml.io.formats.idx import labels_idx
from pydml.records import dataclass
from pydml.values.storage import size_text

SET_FORMAT = "pydml-dataset"
JOB, RECORDS, LOCK = ".job.json", ".records", ".lock"
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
SHARD_BYTES = 64 << 20


@dataclass(frozen=True)
class Prepared:
    """What `prepare` made.  sha256: of the whole content.  rows: by split.  done_before: whether it had been made already."""

    folder: str
    sha256: str
    rows: dict[str, int]
    skipped: list[Skipped]
    done_before: bool = False


def prepare(
    source: Source,
    folder: str,
    *,
    normalize: str = "computed",
    shard_bytes: int = SHARD_BYTES,
    progress: TextIO | None = None,
    free_bytes: Callable[[str], int] = lambda path: shutil.disk_usage(path).free,
) -> Prepared:
    """Write the data set `folder` from `source`; an older data set there is replaced when the new one is complete.

    normalize: where mean and deviation in the manifest come from: "computed" from the training pixels, "imagenet", or "none" (0 and 1).
    progress: where to report, for example sys.stderr.  Raises DMLError "file" where the disk is too small, where another process
    prepares the same folder, and where `folder` holds something else.
    """
    folder = os.path.realpath(folder)
    if normalize not in ("computed", "imagenet", "none"):
        fail("value", f"normalize must be computed, imagenet or none, got {normalize!r}")
    if normalize == "imagenet" and source.channels != 3:
        fail("value", f"the numbers of ImageNet are for 3 channels, these images have {source.channels}")
    if not any(split.name == "train" and split.items for split in source.splits):
        fail("file", "there are no training images")
    settings = {**source.settings, "normalize": normalize, "shard_bytes": shard_bytes}
    key = _digest(
        json.dumps([source.kind, settings, source.classes]).encode()
        + "\n".join(source.listing).encode(errors="surrogateescape")
    )
    _check_target(folder)
    work = os.path.join(os.path.dirname(folder), f".{os.path.basename(folder)}.preparing")
    try:
        with _locked(work):
            found = _finished(folder, key)
            if found is None:
                if _content(work).get("key") != key:
                    _begin(work, key)
                    _write_all(source, settings, key, work, Report(progress, source), free_bytes)
                _put_in_place(work, folder)
            discard(work)
    except OSError as error:
        cannot_write(folder, error)
    return found or _finished(folder, key, fresh=True)  # type: ignore[return-value]


# ---- files that are there whole or not at all


def write_file(path: str, *parts: bytes | memoryview) -> str:
    """Write a file: under another name, to the disk, then renamed.  Returns its SHA-256."""
    digest = hashlib.sha256()
    temporary = path + ".tmp"
    with open(temporary, "wb") as out:
        for part in parts:
            digest.update(part)
            out.write(part)
        out.flush()
        os.fsync(out.fileno())
    os.replace(temporary, path)
    return digest.hexdigest()


def _flush_folder(path: str) -> None:
    """Have the names in a folder on the disk."""
    if os.name == "posix":
        number = os.open(path, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def discard(folder: str) -> None:
    """Remove a working folder; its manifest first, so that what is left by a kill is not taken for a complete data set."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(folder, MANIFEST))
        _flush_folder(folder)
    shutil.rmtree(folder, ignore_errors=True)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@contextlib.contextmanager
def _locked(work: str) -> Iterator[None]:
    """Hold the working folder; a killed process holds it no longer."""
    try:
        import fcntl
    except ImportError:  # no such lock on this system
        yield
        return
    path = work + LOCK
    with open(path, "ab") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.stat(path).st_ino != os.fstat(stream.fileno()).st_ino:
                raise BlockingIOError  # the process that held it was removing it
        except (BlockingIOError, FileNotFoundError):
            fail("file", f"another process is preparing this data set (it holds {path})")
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                os.unlink(path)


# ---- states


def _content(folder: str) -> dict[str, Any]:
    """The manifest of the data set in a folder, or nothing."""
    try:
        with open(os.path.join(folder, MANIFEST), encoding="utf-8") as stream:
            content = json.load(stream)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) and content.get("format") == SET_FORMAT else {}


def _check_target(folder: str) -> None:
    if not os.path.isdir(os.path.dirname(folder)):
        try:
            os.makedirs(os.path.dirname(folder), exist_ok=True)
        except OSError as error:
            cannot_write(folder, error)
    if os.path.lexists(folder) and not _content(folder) and not (os.path.isdir(folder) and not os.listdir(folder)):
        fail("file", f"{folder} is there already and is no data set", help="name another folder, or remove it")
    if os.path.ismount(folder):  # nothing can be renamed to it
        fail("file", f"{folder} is a mount point", help=f"name a folder in it, such as {os.path.join(folder, 'data')}")


def _finished(folder: str, key: str, fresh: bool = False) -> Prepared | None:
    content = _content(folder)
    if content.get("key") != key:
        return None
    rows = {name: split["rows"] for name, split in content["splits"].items()}
    skipped = [Skipped(*item) for item in content["skipped"]]
    return Prepared(folder, content["sha256"], rows, skipped, not fresh)


def _begin(work: str, key: str) -> None:
    """Make the working folder ready: what is there of the same job stays."""
    job = os.path.join(work, JOB)
    try:
        with open(job, encoding="utf-8") as stream:
            if json.load(stream)["key"] == key:
                return
    except (OSError, ValueError, KeyError, TypeError):
        pass
    discard(work)
    os.makedirs(os.path.join(work, RECORDS))
    write_file(job, json.dumps({"key": key}).encode())
    _flush_folder(work)


def _put_in_place(work: str, folder: str) -> None:
    """Make the complete data set in the working folder the result; the old one goes to the working folder."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(work, JOB))
    shutil.rmtree(os.path.join(work, RECORDS), ignore_errors=True)
    if not os.path.lexists(folder):
        os.rename(work, folder)
    elif not swap(work, folder):
        # without an exchange in one step there is a moment without a data set; the next start goes on from it
        aside = work + ".old"
        shutil.rmtree(aside, ignore_errors=True)
        os.rename(folder, aside)
        os.rename(work, folder)
        shutil.rmtree(aside, ignore_errors=True)
    _flush_folder(os.path.dirname(folder))


# ---- the work


def _shards(source: Source, shard_bytes: int) -> list[tuple[Any, int, int, int]]:
    """(split, number, first, last): the items of every shard.  They follow from the listing alone."""
    step = max(1, shard_bytes // source.row_bytes)
    return [
        (split, number, first, min(first + step, split.items))
        for split in source.splits
        for number, first in enumerate(range(0, split.items, step))
    ]


def _write_all(
    source: Source, settings: dict[str, Any], key: str, work: str, report: Report, free_bytes: Callable[[str], int]
) -> None:
    plan = _shards(source, settings["shard_bytes"])
    records: dict[tuple[str, int], dict[str, Any]] = {}
    for split, number, first, last in plan:
        found = _record(work, split.name, number)
        if found is not None:
            records[split.name, number] = found
            report.add(last - first, len(found["skipped"]), before=True)
    left = sum(last - first for split, number, first, last in plan if (split.name, number) not in records)
    _check_space(work, left * (source.row_bytes + 8) + (1 << 20), free_bytes)
    for split in source.splits:
        os.makedirs(os.path.join(work, split.name), exist_ok=True)
    for split, number, first, last in plan:
        if (split.name, number) not in records:
            records[split.name, number] = _write_shard(source, work, split, number, first, last)
            report.add(last - first, len(records[split.name, number]["skipped"]))
    report.end()
    _write_small_files(source, settings, key, work, plan, records)


def _check_space(work: str, needed: int, free_bytes: Callable[[str], int]) -> None:
    free = free_bytes(work)
    if needed > free:
        fail(
            "file",
            f"{os.path.dirname(work)} has {size_text(free)} left, the data set needs {size_text(needed)} more",
            help="choose a disk with more space, or smaller images",
        )


def _shard_name(number: int) -> str:
    return f"shard-{number:05d}.bin"


def _record(work: str, split: str, number: int) -> dict[str, Any] | None:
    """What is known of a shard that is done."""
    try:
        with open(os.path.join(work, RECORDS, f"{split}-{number:05d}.json"), encoding="utf-8") as stream:
            return json.load(stream)
    except FileNotFoundError:
        return None


def _write_shard(source: Source, work: str, split: Any, number: int, first: int, last: int) -> dict[str, Any]:
    block = split.block(first, last)
    pixels = np.ascontiguousarray(block.pixels)
    record: dict[str, Any] = {"rows": len(pixels), "labels": block.labels.tolist()}
    record["skipped"] = [list(item) for item in block.skipped]
    record["sums"], record["squares"] = _moments(pixels, source.channels)
    if len(pixels):
        record["sha256"] = write_file(os.path.join(work, split.name, _shard_name(number)), pixels.data.cast("B"))
        _flush_folder(os.path.join(work, split.name))
    write_file(os.path.join(work, RECORDS, f"{split.name}-{number:05d}.json"), json.dumps(record).encode())
    _flush_folder(os.path.join(work, RECORDS))
    return record


def _moments(pixels: np.ndarray, channels: int) -> tuple[list[int], list[int]]:
    """Sums of the bytes and of their squares by channel, exact."""
    values = np.arange(256)
    sums, squares = [], []
    for plane in np.split(pixels, channels, axis=1):
        counts = np.zeros(256, np.int64)
        step = max(1, (1 << 20) // plane.shape[1])  # bincount makes ints of its argument
        for first in range(0, len(plane), step):
            counts += np.bincount(plane[first : first + step].reshape(-1), minlength=256)
        sums.append(int((counts * values).sum()))
        squares.append(int((counts * values**2).sum()))
    return sums, squares


def _normalization(
    how: str, source: Source, records: dict[tuple[str, int], dict[str, Any]]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel, of pixels from 0 to 1."""
    if how == "imagenet":
        return IMAGENET
    if how == "none":
        return (0.0,) * source.channels, (1.0,) * source.channels
    train = [r for (split, _), r in sorted(records.items()) if split == "train"]
    cells = sum(r["rows"] for r in train) * source.height * source.width
    mean, std = [], []
    for c in range(source.channels):
        total, squares = sum(r["sums"][c] for r in train), sum(r["squares"][c] for r in train)
        mean.append(total / cells / 255)
        # whole numbers up to the division: no cancellation
        std.append(math.sqrt((cells * squares - total * total) / cells**2) / 255 or 1.0)
    return tuple(mean), tuple(std)


def _write_small_files(
    source: Source, settings: dict[str, Any], key: str, work: str, plan: list, records: dict[tuple[str, int], dict]
) -> None:
    """Labels, manifests, the files with sizes and names; the manifest of the data set last."""
    if not any(r["rows"] for (split, _), r in records.items() if split == "train"):
        fail("file", "none of the training images can be read", notes=_reasons(records))
    mean, std = _normalization(settings["normalize"], source, records)
    files: dict[str, str] = {}
    splits: dict[str, dict[str, Any]] = {}
    skipped: list[list[str]] = []

    def write(name: str, content: bytes) -> None:
        files[name] = write_file(os.path.join(work, name), content)

    def write_matrix(name: str, rows: list[list[Any]]) -> None:
        write(name, "".join(",".join(map(repr, row)) + "\n" for row in rows).encode())
        size = {"data_type": "matrix", "value_type": "double", "rows": len(rows), "cols": len(rows[0])}
        write(name + ".mtd", (json.dumps({**size, "format": "csv", "header": False}, indent=4) + "\n").encode())

    for split in source.splits:
        own = [(number, records[split.name, number]) for s, number, _, _ in plan if s.name == split.name]
        shards = tuple(Shard(_shard_name(n), r["rows"], r["sha256"]) for n, r in own if r["rows"])
        manifest = Manifest(source.channels, source.height, source.width, len(source.classes), mean, std, shards)
        skipped += [item for _, r in own for item in r["skipped"]]
        splits[split.name] = {"rows": manifest.rows, "skipped": sum(len(r["skipped"]) for _, r in own)}
        if not manifest.rows:
            del splits[split.name]
            shutil.rmtree(os.path.join(work, split.name))
            continue
        write(f"{split.name}/{MANIFEST}", manifest.text().encode())
        _flush_folder(os.path.join(work, split.name))
        labels = np.array([label for _, r in own for label in r["labels"]], np.int32)
        write(f"{split.name}.labels", labels_idx(labels))
    write_matrix("shape.csv", [[source.channels, source.height, source.width, len(source.classes)]])
    write_matrix("normalization.csv", [list(mean), list(std)])
    write("classes.txt", "".join(name + "\n" for name in source.classes).encode(errors="surrogateescape"))
    content: dict[str, Any] = {"format": SET_FORMAT, "version": VERSION, "sha256": content_digest(files), "key": key}
    content.update(
        source=source.kind, settings=settings, classes=source.classes, splits=splits, files=files, skipped=skipped
    )
    _flush_folder(work)
    write_file(os.path.join(work, MANIFEST), (json.dumps(content, indent=2) + "\n").encode())
    _flush_folder(work)


def _reasons(records: dict[tuple[str, int], dict[str, Any]]) -> list[str]:
    return [f"{file}: {reason}" for r in records.values() for file, reason in r["skipped"]][:5]


def content_digest(files: dict[str, str]) -> str:
    """The SHA-256 of a data set, from those of its files; the manifests among them hold those of the shards."""
    return _digest("".join(f"{sha256} {name}\n" for name, sha256 in sorted(files.items())).encode())


# ---- progress


class Report:
    """Lines about the progress: images, speed, remaining time.  A terminal gets one line that changes, a file a line every ten seconds."""

    def __init__(self, stream: TextIO | None, source: Source, clock: Callable[[], float] = time.monotonic):
        self.stream, self.clock = stream, clock
        self.total = sum(split.items for split in source.splits)
        self.done = self.skipped = self.before = 0
        self.start = self.shown = clock()
        self.terminal = bool(stream is not None and stream.isatty())

    def add(self, images: int, skipped: int, before: bool = False) -> None:
        """before: done by an earlier process; does not count for the speed."""
        self.done += images
        self.skipped += skipped
        if before:
            self.before += images
        elif self.clock() - self.shown >= (0.5 if self.terminal else 10):
            self._show()

    def end(self) -> None:
        self._show()
        if self.terminal:
            print(file=self.stream)

    def text(self) -> str:
        seconds = self.clock() - self.start
        speed = (self.done - self.before) / seconds if seconds > 0 else 0.0
        parts = [f"{self.done} of {self.total} images ({self.done / self.total:.0%})", f"{speed:.0f}/s"]
        if self.done < self.total and speed > 0:
            parts.append(f"{_duration((self.total - self.done) / speed)} left")
        if self.before:
            parts.append(f"{self.before} were there before")
        if self.skipped:
            parts.append(f"{self.skipped} skipped")
        return ", ".join(parts)

    def _show(self) -> None:
        if self.stream is None:
            return
        self.shown = self.clock()
        if self.terminal:
            print("\r\x1b[K" + self.text(), end="", flush=True, file=self.stream)
        else:
            print(self.text(), flush=True, file=self.stream)


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 60} min {whole % 60} s" if whole >= 60 else f"{whole} s"

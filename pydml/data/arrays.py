"""Images that are arrays already, idx files (MNIST and its successors) and CIFAR's binary files, as sources of a data set."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

import numpy as np

from pydml.data.source import Block, Source, listed
from pydml.diagnostics import fail
from pydml.io.formats.idx import parse_idx
from pydml.io.paths import read_bytes

_IDX = re.compile(r"(?P<prefix>.*?)(?P<part>train|t10k|test|val)-(?P<what>images|labels)[-.]idx\d-ubyte(\.gz)?")
_PARTS = {"train": "train", "t10k": "val", "test": "val", "val": "val"}


class Rows:
    """A split whose items are rows of files: (pixels (n, C*H*W), labels (n,) from 1) of each file, in this order.

    Files are read when the first of their rows is wanted; one is kept.
    """

    def __init__(self, name: str, counts: Sequence[int], read):
        self.name = name
        self.items = sum(counts)
        self._ends = np.cumsum(counts)
        self._read = read
        self._file = -1
        self._content: tuple[np.ndarray, np.ndarray] = (np.empty(0), np.empty(0))

    def block(self, first: int, last: int) -> Block:
        parts = []
        while first < last:
            file = int(np.searchsorted(self._ends, first, side="right"))
            if file != self._file:
                self._content, self._file = self._read(file), file
            begin = int(self._ends[file - 1]) if file else 0
            stop = min(last, int(self._ends[file]))
            parts.append([cells[first - begin : stop - begin] for cells in self._content])
            first = stop
        return Block(np.concatenate([p for p, _ in parts]), np.concatenate([y for _, y in parts]).astype(np.int32), [])


def idx_files(folder: str, prefix: str | None = None) -> Source:
    """The idx files of a folder: `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, and `t10k-` (or `test-`, `val-`), also as `.gz`.

    prefix: what stands before these names where several data sets share the folder, such as `emnist-letters-`.  Labels count from 0
    in the files and become classes from 1.  Raises DMLError "file" or "data-format".
    """
    if not os.path.isdir(folder):
        fail("file", f"there is no folder {folder}")
    found: dict[str, dict[tuple[str, str], str]] = {}
    for name in sorted(os.listdir(folder), reverse=True):  # an unpacked file comes after its .gz and counts
        match = _IDX.fullmatch(name)
        if match is not None:
            found.setdefault(match["prefix"], {})[_PARTS[match["part"]], match["what"]] = name
    if prefix is None and len(found) > 1:
        fail("file", f"{folder} has several data sets", help=f"choose by --prefix: {', '.join(sorted(found))}")
    files = found.get(prefix, {}) if prefix is not None else next(iter(found.values()), {})
    if ("train", "images") not in files:
        fail("file", f"there is no file {prefix or ''}train-images-idx3-ubyte or its .gz in {folder}")
    arrays, splits = {}, []
    for part in ("train", "val"):
        if (part, "images") not in files:
            continue
        if (part, "labels") not in files:
            fail("file", f"{folder} has {files[part, 'images']}, but not its labels")
        images, labels = (_idx(os.path.join(folder, files[part, what])) for what in ("images", "labels"))
        if images.ndim not in (3, 4) or labels.ndim != 1 or len(images) != len(labels) or not len(images):
            fail(
                "data-format",
                f"{folder}: {images.shape} images and {labels.shape} labels of {part} do not fit together",
            )
        arrays[part] = images, labels
    shape = arrays["train"][0].shape[1:]
    if any(images.shape[1:] != shape for images, _ in arrays.values()):
        fail("data-format", f"{folder}: the training and the validation images have different sizes")
    for part, (images, labels) in arrays.items():
        content = (images.reshape(len(images), -1), labels.astype(np.int32) + 1)
        splits.append(Rows(part, [len(images)], lambda file, content=content: content))
    count = max(int(labels.max()) for _, labels in arrays.values()) + 1
    channels, height, width = (1, *shape) if len(shape) == 2 else shape
    listing = [listed(folder, files[key]) for key in sorted(files)]
    return Source(
        "idx", {"prefix": prefix or ""}, listing, tuple(map(str, range(count))), channels, height, width, splits
    )


def _idx(path: str) -> np.ndarray:
    array = parse_idx(path, read_bytes(path))
    if array.dtype != np.uint8:
        fail("data-format", f"{path} holds {array.dtype}, not bytes", help="read it as a matrix: read(path)")
    return array


def cifar_files(folder: str) -> Source:
    """CIFAR's binary version: `data_batch_1.bin` to `data_batch_5.bin` and `test_batch.bin` (10 classes), or `train.bin` and `test.bin`
    (100 classes, of which the fine ones count).

    A record is the label (CIFAR-100: coarse and fine label) and 3 x 32 x 32 bytes.  Reference: Krizhevsky, "Learning multiple layers
    of features from tiny images", 2009.  Raises DMLError "file" or "data-format".
    """
    if not os.path.isdir(folder):
        fail("file", f"there is no folder {folder}")
    names = set(os.listdir(folder))
    batches = sorted(n for n in names if re.fullmatch(r"data_batch_\d+\.bin", n))
    if batches:
        parts, before, classes_file, count = {"train": batches, "val": ["test_batch.bin"]}, 1, "batches.meta.txt", 10
    elif "train.bin" in names:
        parts, before, classes_file, count = (
            {"train": ["train.bin"], "val": ["test.bin"]},
            2,
            "fine_label_names.txt",
            100,
        )
    else:
        fail("file", f"there is neither data_batch_1.bin nor train.bin in {folder}")
    record = before + 3 * 32 * 32
    splits = []
    for part, files in parts.items():
        paths = [os.path.join(folder, f) for f in files if f in names]
        counts = []
        for path in paths:
            size = os.path.getsize(path)
            if size % record or not size:
                fail("data-format", f"{path} has {size} bytes, which are no records of {record}")
            counts.append(size // record)
        if paths:
            splits.append(Rows(part, counts, lambda file, paths=paths: _records(paths[file], record, before, count)))
    classes = [str(k) for k in range(count)]
    if classes_file in names:
        text = read_bytes(os.path.join(folder, classes_file)).decode("utf-8", "replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if len(lines) != count:
            fail("data-format", f"{folder}/{classes_file} names {len(lines)} classes, not {count}")
        classes = lines
    listing = [listed(folder, f) for files in parts.values() for f in (*files, classes_file) if f in names]
    return Source("cifar", {}, listing, tuple(classes), 3, 32, 32, splits)


def _records(path: str, record: int, before: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    rows = np.frombuffer(read_bytes(path), np.uint8).reshape(-1, record)
    labels = rows[:, before - 1].astype(np.int32)
    if labels.max() >= classes:
        fail(
            "data-format",
            f"{path}: record {int(labels.argmax()) + 1} has the label {labels.max()}, labels go to {classes - 1}",
        )
    return rows[:, before:], labels + 1

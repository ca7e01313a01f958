"""Photographs in class folders as the source of a data set.  Decoding needs Pillow, which comes with the extra `images`.

Each picture is turned as its EXIF data say, laid on white where it is transparent, resized (bilinear over the area that a pixel
covers) so that its shorter side has the wanted length, and cropped around its centre.  A JPEG file that is much larger is decoded at
a half, a quarter or an eighth of its size, never below the wanted one.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from pydml.backends.cpu.threads import parallel_for
from pydml.data.source import Block, Skipped, Source, listed
from pydml.diagnostics import fail

EXTENSIONS = (".jpg", ".jpeg", ".png")
VALIDATION_NAMES = ("val", "validation", "test")


def photographs(
    folder: str,
    *,
    resize: int = 256,
    size: int = 224,
    channels: int = 3,
    validation: float = 0.1,
    seed: int = 0,
) -> Source:
    """The pictures below `folder`.

    folder: class folders, or `train` and `val` (`validation`, `test`) with the same class folders each.  A class folder may have
    folders in it.  resize: length of the shorter side.  size: of the square that is cut out.  channels: 3, or 1 for grey.
    validation: share of each class that becomes the split val where the folder has none; chosen by the seed and the names, so that
    added pictures move no others.  seed: also of the order in which the training pictures are stored.

    Raises DMLError "file" or "value".
    """
    if not os.path.isdir(folder):
        fail("file", f"there is no folder {folder}")
    if not 1 <= size <= resize:
        fail("value", f"the size {size} must be from 1 to the length of the shorter side, {resize}")
    if not 0 <= validation < 1:
        fail("value", f"the share of the validation pictures must be at least 0 and less than 1, got {validation:g}")
    _pillow()
    remarks: list[str] = []
    train_folder = os.path.join(folder, "train")
    if os.path.isdir(train_folder):
        classes, train = _class_folders(folder, "train", remarks)
        name = next((n for n in VALIDATION_NAMES if os.path.isdir(os.path.join(folder, n))), None)
        val: list[tuple[str, int]] = []
        if name is not None:
            names, found = _class_folders(folder, name, remarks)
            unknown = [n for n in names if n not in classes]
            if unknown:
                fail("file", f"{folder}/{name} has the class {unknown[0]}, which {train_folder} does not have")
            number = {name: k for k, name in enumerate(classes, 1)}
            val = [(file, number[names[label - 1]]) for file, label in found]
    else:
        classes, everything = _class_folders(folder, "", remarks)
        train, val = _divided(everything, validation, seed)
    train.sort(key=lambda item: _shuffled(seed, "order", item[0]))
    settings: dict[str, Any] = {
        "resize": resize,
        "size": size,
        "channels": channels,
        "validation": validation,
        "seed": seed,
    }
    settings["decoder"] = _decoder()
    splits = [Photographs(folder, n, items, resize, size, channels) for n, items in (("train", train), ("val", val))]
    listing = [listed(folder, file) + f"\0{split.name}\0{label}" for split in splits for file, label in split.files]
    used = [split for split in splits if split.items]
    return Source("images", settings, listing, tuple(classes), channels, size, size, used, remarks)


def _class_folders(folder: str, part: str, remarks: list[str]) -> tuple[list[str], list[tuple[str, int]]]:
    """Names of the classes, and (path below `folder`, class) of their pictures, sorted."""
    top = os.path.join(folder, part) if part else folder
    classes = sorted(e.name for e in os.scandir(top) if e.is_dir() and not e.name.startswith("."))
    if not classes:
        fail("file", f"{top} has no class folders", help="each class is a folder with its JPEG and PNG files")
    files: list[tuple[str, int]] = []
    others: Counter[str] = Counter()
    for number, name in enumerate(classes, 1):
        for place, folders, names in os.walk(os.path.join(top, name)):
            folders[:] = sorted(f for f in folders if not f.startswith("."))
            for file in names:
                if file.lower().endswith(EXTENSIONS):
                    files.append((os.path.relpath(os.path.join(place, file), folder), number))
                else:
                    others[os.path.splitext(file)[1].lower() or "no extension"] += 1
    if not files:
        fail("file", f"the class folders of {top} have no JPEG or PNG files")
    if others:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(others.items()))
        remarks.append(f"{top}: files that are no JPEG or PNG pictures are left out: {kinds}")
    empty = sorted(set(range(1, len(classes) + 1)) - {label for _, label in files})
    if empty:
        remarks.append(f"{top}: no pictures in {', '.join(classes[k - 1] for k in empty)}")
    return classes, sorted(files)


def _shuffled(seed: int, use: str, file: str) -> bytes:
    """A key to sort by: the same for the same seed and file, whatever else there is."""
    return hashlib.blake2b(f"{seed}/{use}/{file}".encode(errors="surrogateescape"), digest_size=16).digest()


def _divided(files: list[tuple[str, int]], share: float, seed: int) -> tuple[list, list]:
    """Training and validation pictures: of each class its share, but never all of it."""
    by_class: dict[int, list[tuple[str, int]]] = {}
    for item in files:
        by_class.setdefault(item[1], []).append(item)
    train, val = [], []
    for own in by_class.values():
        own.sort(key=lambda item: _shuffled(seed, "validation", item[0]))
        count = min(round(share * len(own)), len(own) - 1)
        val += own[:count]
        train += own[count:]
    return train, sorted(val)


def _pillow() -> Any:
    try:
        from PIL import Image, ImageOps
    except ImportError:
        fail("not-supported", "photographs need the package Pillow", help='install it by: pip install "pydml[images]"')
    warnings.filterwarnings("ignore", module="PIL")
    return Image, ImageOps


def _decoder() -> str:
    """The versions on which the pixels depend."""
    import PIL
    from PIL import features

    return f"Pillow {PIL.__version__}, libjpeg {features.version('jpg')}"


class Photographs:
    """A split whose items are files.  files: (path below folder, class)."""

    def __init__(self, folder: str, name: str, files: Sequence[tuple[str, int]], resize: int, size: int, channels: int):
        self.folder, self.name, self.files = folder, name, files
        self.items = len(files)
        self.resize, self.size, self.channels = resize, size, channels

    def block(self, first: int, last: int) -> Block:
        files = self.files[first:last]
        pixels = np.empty((len(files), self.channels * self.size * self.size), np.uint8)
        reasons: list[str | None] = [None] * len(files)

        def tile(begin: int, end: int) -> None:
            for i in range(begin, end):
                try:
                    pixels[i] = decode(os.path.join(self.folder, files[i][0]), self.resize, self.size, self.channels)
                except Exception as error:  # decoders raise nearly anything for a broken file
                    reasons[i] = _reason(error)

        parallel_for(tile, len(files), grain=1)
        kept = np.array([reason is None for reason in reasons], bool)
        skipped = [Skipped(f[0], reason) for f, reason in zip(files, reasons, strict=True) if reason is not None]
        if not kept.all():
            pixels = pixels[kept]
        return Block(pixels, np.array([label for _, label in files], np.int32)[kept], skipped)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = str(error) or type(error).__name__
    return "not a picture that Pillow knows" if text.startswith("cannot identify image file") else text


def decode(path: str, resize: int, size: int, channels: int = 3) -> np.ndarray:
    """The pixels of a picture, (channels * size * size,) bytes, channel after channel.  Raises what Pillow raises."""
    Image, ImageOps = _pillow()
    mode = "RGB" if channels == 3 else "L"
    with Image.open(path) as opened:
        if opened.format not in ("JPEG", "MPO", "PNG"):
            raise ValueError(f"a file of format {opened.format}, not JPEG or PNG")
        opened.draft(mode, (resize, resize))
        picture = ImageOps.exif_transpose(opened)
        picture.load()
    if picture.mode.startswith("I"):  # 16 bits
        picture = Image.fromarray((np.asarray(picture).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, (255, 255, 255, 255))
        picture = Image.alpha_composite(white, picture)
    picture = picture.convert(mode)
    width, height = picture.size
    short = min(width, height)
    new = (max(1, width * resize // short), max(1, height * resize // short))
    if new != picture.size:
        picture = picture.resize(new, Image.Resampling.BILINEAR)
    left, top = (new[0] - size) // 2, (new[1] - size) // 2
    cells = np.asarray(picture.crop((left, top, left + size, top + size)))
    return cells.transpose(2, 0, 1).reshape(-1) if channels == 3 else cells.reshape(-1)

"""What a data set is made from: the interface between the readers of original files and `prepare`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import Any, NamedTuple, Protocol

import numpy as np

from pydml.records import dataclass


class Skipped(NamedTuple):
    """An original image that could not be used: its path below the input folder, and why."""

    file: str
    reason: str


class Block(NamedTuple):
    """Consecutive items of a split: their pixels (n, C*H*W) as bytes, their classes (n,) from 1, and what was skipped."""

    pixels: np.ndarray
    labels: np.ndarray
    skipped: list[Skipped]


class Split(Protocol):
    """The items of one split, in the order in which they are stored.

    name: "train" or "val".  items: how many there are, broken ones included.  `block` reads those from `first` up to `last`; the same
    items give the same bytes whenever and by however many threads they are read.
    """

    name: str
    items: int

    def block(self, first: int, last: int) -> Block: ...


@dataclass
class Source:
    """Original files, listed and checked but not yet read.

    kind: of the original, as on the command line.  settings: what else decides the result; goes into the manifest.  listing: the
    original files, with their sizes and times, one line each: where it changes, work that was begun is begun anew.  classes: names,
    class k is number k from 1.  remarks: what the user should know before.
    """

    kind: str
    settings: dict[str, Any]
    listing: Sequence[str]
    classes: tuple[str, ...]
    channels: int
    height: int
    width: int
    splits: Sequence[Split]
    remarks: list[str] = field(default_factory=list)

    @property
    def row_bytes(self) -> int:
        return self.channels * self.height * self.width


def listed(root: str, name: str) -> str:
    """The line of the listing for a file below `root`."""
    import os

    found = os.stat(os.path.join(root, name))
    return f"{name}\0{found.st_size}\0{found.st_mtime_ns}"


__all__ = ["Block", "Skipped", "Source", "Split", "listed"]

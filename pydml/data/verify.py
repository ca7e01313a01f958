"""Checking a data set: every file against its SHA-256, sizes, labels; and its description."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import field

import numpy as np

from pydml.data.prepare import SET_FORMAT, content_digest
from pydml.diagnostics import DMLError, fail
from pydml.io.dataset import MANIFEST, load_manifest
from pydml.io.formats.idx import parse_idx
from pydml.io.paths import missing, read_bytes, unreadable
from pydml.records import dataclass


@dataclass
class Verified:
    """What `verify` found.  faults: one sentence each; none for a good data set."""

    folder: str
    kind: str
    sha256: str
    classes: list[str]
    rows: dict[str, int] = field(default_factory=dict)
    counts: dict[str, list[int]] = field(default_factory=dict)
    shapes: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    skipped: int = 0
    bytes: int = 0
    faults: list[str] = field(default_factory=list)


def verify(folder: str, progress: Callable[[str], None] = lambda name: None) -> Verified:
    """Read all of a data set and compare it with its manifests.

    progress: called with the name of each shard.  Raises DMLError "file" or "data-format" where `folder` is no data set; what is wrong
    with one is in the result.
    """
    content = load_set(folder)
    found = Verified(folder, str(content.get("source")), str(content["sha256"]), list(content["classes"]))
    found.skipped = len(content["skipped"])
    for name, expected in content["files"].items():
        _check_file(found, name, expected)
    if content_digest(content["files"]) != found.sha256:
        found.faults.append(f"{MANIFEST}: its SHA-256 is not that of its list of files")
    for split, about in content["splits"].items():
        _check_split(found, split, int(about["rows"]), progress)
    return found


def load_set(folder: str) -> dict:
    """The manifest of a data set.  Raises DMLError."""
    path = os.path.join(folder, MANIFEST)
    if not os.path.isdir(folder):
        missing(folder)
    try:
        with open(path, encoding="utf-8") as stream:
            content = json.load(stream)
    except FileNotFoundError:
        fail("data-format", f"{folder} is no data set: it has no {MANIFEST}", help="pydml data prepare makes one")
    except OSError as error:
        unreadable(path, error)
    except ValueError as error:
        fail("data-format", f"{path} is not JSON: {error}")
    wanted = {"sha256": str, "classes": list, "files": dict, "splits": dict, "skipped": list}
    if not isinstance(content, dict) or content.get("format") != SET_FORMAT:
        fail("data-format", f"{path} is not the manifest of a data set")
    for name, kind in wanted.items():
        if not isinstance(content.get(name), kind):
            fail("data-format", f"{path}: {name} is missing or malformed")
    return content


def _sha256(found: Verified, name: str) -> str | None:
    """Of a file of the data set; None, with a fault, where it cannot be read."""
    digest = hashlib.sha256()
    try:
        with open(os.path.join(found.folder, name), "rb") as stream:
            while part := stream.read(1 << 20):
                digest.update(part)
                found.bytes += len(part)
    except OSError as error:
        found.faults.append(f"{name}: {error.strerror or error}")
        return None
    return digest.hexdigest()


def _check_file(found: Verified, name: str, expected: str) -> None:
    actual = _sha256(found, name)
    if actual is not None and actual != expected:
        found.faults.append(
            f"{name}: its content has changed (SHA-256 {actual[:16]}..., the manifest says {expected[:16]}...)"
        )


def _check_split(found: Verified, split: str, rows: int, progress: Callable[[str], None]) -> None:
    try:
        manifest = load_manifest(os.path.join(found.folder, split))
        file = os.path.join(found.folder, f"{split}.labels")
        labels = parse_idx(file, read_bytes(file))
    except DMLError as error:
        found.faults += [d.message for d in error.diagnostics]
        return
    found.rows[split] = manifest.rows
    found.shapes[split] = (manifest.channels, manifest.height, manifest.width)
    if manifest.rows != rows:
        found.faults.append(f"{split}: {manifest.rows} rows in its manifest, {rows} in that of the data set")
    if labels.ndim != 1 or len(labels) != manifest.rows:
        found.faults.append(f"{split}.labels: {len(labels)} labels for {manifest.rows} images")
    elif labels.min() < 1 or labels.max() > len(found.classes):
        found.faults.append(
            f"{split}.labels: labels from {labels.min()} to {labels.max()}, {len(found.classes)} classes"
        )
    else:
        found.counts[split] = np.bincount(labels, minlength=len(found.classes) + 1)[1:].tolist()
    for shard in manifest.shards:
        name = f"{split}/{shard.file}"
        progress(name)
        before = found.bytes
        _check_file(found, name, shard.sha256)
        if 0 < found.bytes - before != shard.rows * manifest.cols:
            found.faults.append(f"{name}: {found.bytes - before} bytes for {shard.rows} rows of {manifest.cols}")

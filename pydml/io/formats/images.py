"""Prepared data sets of images: a folder of shards of bytes with a manifest, whose rows are read when they are asked for.

`pydml data prepare` makes them; docs/data.md describes the files.  SystemDS has no such format.
"""

from __future__ import annotations

from typing import Any

from pydml.diagnostics import fail
from pydml.io.dataset import HEAD, PIXELS, Stored, load_manifest
from pydml.io.registry import Format, Option


def read_images(path: str, options: dict[str, Any], metadata: Any, dtype: Any) -> Stored:
    pixels = options["pixels"]
    if pixels not in PIXELS:
        fail("value", f"read: pixels must be {', '.join(PIXELS[:-1])} or {PIXELS[-1]}, got {pixels!r}")
    manifest = load_manifest(path)
    metadata.check_size(manifest.rows, manifest.cols)
    return Stored(path, manifest, dtype, pixels)


def size_images(path: str, options: dict[str, Any], metadata: Any) -> tuple[int, int]:
    manifest = load_manifest(path)
    return manifest.rows, manifest.cols


FORMAT = Format(
    name="images",
    summary="a split of a prepared data set of images; rows are read from the disk when they are used",
    read=read_images,
    options=(
        Option(
            "pixels",
            "string",
            "normalized",
            "numbers that the bytes become: normalized as the manifest says, unit (0 to 1) or bytes (0 to 255)",
            uses=("read",),
        ),
    ),
    metadata=False,
    size=size_images,
    sniff=lambda head: head.startswith(HEAD),
)

"""The command line `pydml data prepare images|idx|cifar` and `pydml data verify`; also behind the two scripts in scripts/nn/examples."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from pydml.data.prepare import SHARD_BYTES, Prepared, prepare
from pydml.data.source import Source
from pydml.data.verify import Verified, verify
from pydml.diagnostics import DMLError, fail
from pydml.diagnostics.render import render_text
from pydml.values.storage import size_text

SHOWN = 20  # skipped pictures that are named one by one on the terminal; the manifest has all


def main(argv: Sequence[str]) -> int:
    """Run `pydml data ARGV`; returns the exit status: 0, 1 for an error or a damaged data set, 2 for wrong usage."""
    return _run(_parser(), argv)


def prepare_main(argv: Sequence[str]) -> int:
    """The program prepare_imagenet_for_systemds.py: `pydml data prepare images`."""
    parser = argparse.ArgumentParser(
        prog="prepare_imagenet_for_systemds.py",
        description="Make a data set for DML programs from class folders of JPEG and PNG files, such as ImageNet.",
    )
    _images_arguments(parser)
    return _run(parser, argv)


def verify_main(argv: Sequence[str]) -> int:
    """The program verify_imagenet_data.py: `pydml data verify`."""
    parser = argparse.ArgumentParser(prog="verify_imagenet_data.py", description="Check a prepared data set.")
    _verify_arguments(parser)
    return _run(parser, argv)


def _run(parser: argparse.ArgumentParser, argv: Sequence[str]) -> int:
    try:
        arguments = parser.parse_args(list(argv))
    except SystemExit as stop:  # argparse has printed the help or the mistake
        return int(stop.code or 0)
    for stream in (sys.stdout, sys.stderr):  # names of files need not be text
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        return arguments.action(arguments)
    except KeyboardInterrupt:
        print("\ninterrupted; the same command goes on from here", file=sys.stderr)
        return 130
    except DMLError as error:
        for diagnostic in error.diagnostics:
            print(render_text(diagnostic, sys.stderr.isatty()), file=sys.stderr)
        return 1


# ---- arguments


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pydml data", description="Data sets of images for DML programs.")
    commands = parser.add_subparsers(required=True, metavar="prepare|verify")
    kinds = commands.add_parser("prepare", help="make a data set").add_subparsers(
        required=True, metavar="images|idx|cifar"
    )
    _images_arguments(kinds.add_parser("images", help="from class folders of JPEG and PNG files"))
    idx = kinds.add_parser("idx", help="from idx files, such as MNIST's")
    _common_arguments(idx, _prepare_idx)
    idx.add_argument("--prefix", metavar="TEXT", help="what stands before train-images... in the names of the files")
    _common_arguments(kinds.add_parser("cifar", help="from CIFAR's binary files"), _prepare_cifar)
    _verify_arguments(commands.add_parser("verify", help="check a data set"))
    return parser


def _option(parser: argparse.ArgumentParser, name: str, **more: Any) -> None:
    """An option that may be written with `_` or `-`."""
    parser.add_argument(f"--{name}", *({f"--{name.replace('_', '-')}"} - {f"--{name}"}), **more)


def _common_arguments(parser: argparse.ArgumentParser, action: Any) -> None:
    parser.set_defaults(action=action)
    _option(parser, "input_dir", required=True, metavar="DIR", help="folder of the original files")
    _option(parser, "output_dir", required=True, metavar="DIR", help="folder of the data set")
    _option(
        parser,
        "normalize",
        default="computed",
        choices=["computed", "imagenet", "none"],
        help="mean and deviation for read(): of the training images (default), those of ImageNet, or none",
    )
    _option(parser, "shard_mb", type=int, default=SHARD_BYTES >> 20, metavar="N", help="size of a file in MiB (64)")
    parser.add_argument("--threads", type=int, metavar="N", help="threads that decode (all cores)")
    parser.add_argument("--quiet", action="store_true", help="show no progress")


def _images_arguments(parser: argparse.ArgumentParser) -> None:
    _common_arguments(parser, _prepare_images)
    parser.add_argument("--resize", type=int, default=256, metavar="N", help="length of the shorter side (256)")
    parser.add_argument("--size", type=int, default=224, metavar="N", help="of the square cut out of the centre (224)")
    parser.add_argument("--grey", action="store_true", help="one channel instead of three")
    _option(
        parser,
        "validation",
        type=float,
        default=0.1,
        metavar="SHARE",
        help="share of each class for validation, where there is no folder val (0.1)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of that choice and of the order (0)")


def _verify_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(action=_verify)
    _option(parser, "data_dir", required=True, metavar="DIR", help="folder of the data set")


# ---- actions


def _prepare_images(arguments: argparse.Namespace) -> int:
    from pydml.data.images import photographs

    source = photographs(
        arguments.input_dir,
        resize=arguments.resize,
        size=arguments.size,
        channels=1 if arguments.grey else 3,
        validation=arguments.validation,
        seed=arguments.seed,
    )
    return _prepare(arguments, source)


def _prepare_idx(arguments: argparse.Namespace) -> int:
    from pydml.data.arrays import idx_files

    return _prepare(arguments, idx_files(arguments.input_dir, arguments.prefix))


def _prepare_cifar(arguments: argparse.Namespace) -> int:
    from pydml.data.arrays import cifar_files

    return _prepare(arguments, cifar_files(arguments.input_dir))


def _prepare(arguments: argparse.Namespace, source: Source) -> int:
    if arguments.shard_mb < 1:
        fail("value", f"--shard_mb must be at least 1, got {arguments.shard_mb}")
    if arguments.threads is not None:
        if arguments.threads < 1:
            fail("value", f"--threads must be at least 1, got {arguments.threads}")
        from pydml.backends.cpu.threads import set_threads

        set_threads(arguments.threads)
    for remark in source.remarks:
        print(f"note: {remark}", file=sys.stderr)
    made = prepare(
        source,
        arguments.output_dir,
        normalize=arguments.normalize,
        shard_bytes=arguments.shard_mb << 20,
        progress=None if arguments.quiet else sys.stderr,
    )
    _describe(made, source)
    return 0


def _describe(made: Prepared, source: Source) -> None:
    if made.skipped:
        print(f"warning: {len(made.skipped)} broken images were skipped:", file=sys.stderr)
        for file, reason in made.skipped[:SHOWN]:
            print(f"  {file}: {reason}", file=sys.stderr)
        if len(made.skipped) > SHOWN:
            print(f"  and {len(made.skipped) - SHOWN} more: see manifest.json", file=sys.stderr)
    if made.done_before:
        print("this data set had been prepared before from the same files")
    rows = ", ".join(f"{count} {split}" for split, count in made.rows.items())
    shape = f"{source.channels} x {source.height} x {source.width}"
    print(f"{made.folder}: {rows} images of {shape}, {len(source.classes)} classes\nsha256 {made.sha256}")


def _verify(arguments: argparse.Namespace) -> int:
    def progress(name: str) -> None:
        if sys.stderr.isatty():
            print(f"\r\x1b[K{name}", end="", flush=True, file=sys.stderr)

    found = verify(arguments.data_dir, progress)
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr)
    for line in report(found):
        print(line)
    for fault in found.faults:
        print(f"error[data-format]: {fault}", file=sys.stderr)
    return 1 if found.faults else 0


def report(found: Verified) -> list[str]:
    """The description of a data set, for people."""
    lines = [f"{found.folder}: from {found.kind}, {len(found.classes)} classes, {size_text(found.bytes)}"]
    for split, rows in found.rows.items():
        line = f"{split}: {rows} images of {' x '.join(map(str, found.shapes[split]))}"
        counts = found.counts.get(split)
        if counts:
            most = counts.index(max(counts))
            line += f"; {min(counts)} to {max(counts)} in a class, the largest is {found.classes[most]} ({max(counts) / rows:.1%})"
        lines.append(line)
    if found.skipped:
        lines.append(f"{found.skipped} broken images were skipped; manifest.json names them")
    state = "damaged" if found.faults else "all files are as they were written"
    lines.append(f"sha256 {found.sha256}: {state}")
    return lines

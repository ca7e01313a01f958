"""Let SystemDS check pydml's own layers, networks and optimizers: each file of scripts/nn is imported by a program.

    python tests/systemds/check_library.py --systemds FOLDER            layers, networks, optimizers
    python tests/systemds/check_library.py --systemds FOLDER --all      examples too

FOLDER: the Python package `systemds` 3.4.0 or an unpacked release.  SystemDS checks all functions of a file that it imports, also
those that nobody calls.  Examples that use what only pydml has (data sets of images, checkpoints, random_crop and its kin) are in
ONLY_PYDML.  The exit status is 1 if SystemDS refuses any other file.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from oracle import Oracle

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"

ONLY_PYDML = {  # and what they need
    "nn/examples/imagenet_loader.dml": "paths that are computed, of prepared images",
    "nn/examples/predict_images.dml": "paths that are computed, of prepared images",
    "nn/examples/test_data_loading.dml": "paths that are computed, of prepared images",
    "nn/examples/train_loop.dml": "random_crop, checkpoint, record",
    "nn/examples/train_alexnet_bn.dml": "train_loop.dml",
    "nn/examples/train_resnet.dml": "train_loop.dml",
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systemds", required=True, help="folder with SystemDS.jar")
    parser.add_argument("--all", action="store_true", help="examples too")
    options = parser.parse_args(arguments)
    accepted, refused = 0, 0
    with Oracle(options.systemds) as oracle:
        for path in sorted((SCRIPTS / "nn").rglob("*.dml")):
            name = path.relative_to(SCRIPTS).as_posix()
            if name in ONLY_PYDML or ("/examples/" in name and not options.all):
                continue
            if oracle.process is None:
                oracle.start()
                assert oracle.work is not None
                os.symlink(
                    SCRIPTS / "nn", Path(oracle.work, "nn")
                )  # found before the files of the same names in the jar
            answer = oracle.run(f'source("{name}") as file\nprint("checked")\n')
            if answer.output.strip() == "checked" and not answer.error:
                accepted += 1
            else:
                refused += 1
                print(f"{name}: {answer.error.strip()}")
    print(f"{accepted} files are accepted, {refused} are refused")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Make a data set for DML programs from class folders of photographs, such as ImageNet: the same as `pydml data prepare images`.

python prepare_imagenet_for_systemds.py --input_dir imagenet --output_dir imagenet224
"""

import sys
from pathlib import Path

try:
    from pydml.data.commands import prepare_main
except ModuleNotFoundError:  # in a checkout that is not installed
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
    from pydml.data.commands import prepare_main

if __name__ == "__main__":
    sys.exit(prepare_main(sys.argv[1:]))

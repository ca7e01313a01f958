#!/usr/bin/env python3
"""Check every file of a prepared data set against its checksum: the same as `pydml data verify`.

python verify_imagenet_data.py --data_dir imagenet224
"""

import sys
from pathlib import Path

try:
    from pydml.data.commands import verify_main
except ModuleNotFoundError:  # in a checkout that is not installed
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
    from pydml.data.commands import verify_main

if __name__ == "__main__":
    sys.exit(verify_main(sys.argv[1:]))

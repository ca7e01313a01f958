#!/usr/bin/env python3
"""Check every file of a prepared data set against its checksum: the same as `pydml data verify`.

python verify_imagenet_data.py --data_dir imagenet224
"""

import sys

from pydml.data.commands import verify_main

if __name__ == "__main__":
    sys.exit(verify_main(sys.argv[1:]))

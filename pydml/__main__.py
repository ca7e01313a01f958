"""`python -m pydml`: the command line, see `cli`."""

import sys

if __name__ == "__main__":
    try:
        from pydml.cli import main

        status = main(sys.argv[1:])
    except KeyboardInterrupt:  # while pydml itself was being loaded
        status = 130
    sys.exit(status)

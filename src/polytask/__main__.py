"""Entry point of `python -m polytask`: the command line."""

import sys

if not sys.flags.safe_path:
    del sys.path[0]  # `-m` puts the working folder there; files next to the data must not be imported as modules

from polytask.cli import main

if __name__ == "__main__":
    main()

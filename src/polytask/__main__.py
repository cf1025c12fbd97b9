"""`python -m polytask` is the command line."""

import sys

if not sys.flags.safe_path:
    del sys.path[0]  # the working folder, which `-m` has put there: what lies beside the data is no program

from polytask.cli import main

if __name__ == "__main__":
    main()

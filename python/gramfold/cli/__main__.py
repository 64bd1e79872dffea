"""``python -m gramfold.cli`` is the command `gramfold`."""

import sys

from . import main

if __name__ == "__main__":
    sys.exit(main())

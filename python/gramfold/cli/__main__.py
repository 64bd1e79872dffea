"""``python -m gramfold.cli`` is the command `gramfold`."""

import sys

from . import main

sys.exit(main())

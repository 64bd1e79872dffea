"""`gramfold.images.restore` by its public name."""

import sys

from .images import restore

sys.modules[__name__] = restore

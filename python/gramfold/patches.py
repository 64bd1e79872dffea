"""`gramfold.images.patches` by its public name."""

import sys

from .images import patches

sys.modules[__name__] = patches

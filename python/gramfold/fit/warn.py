"""Warnings that point at the line of the user's which led to them."""

import sys
import warnings
from pathlib import Path

import sklearn

# What lies between a user's line and the place that warns: this package, and scikit-learn around its methods
INSIDE = (str(Path(__file__).parents[1]), str(Path(sklearn.__file__).parent / "utils" / "_set_output.py"))


def warn(message: str, category: type[Warning]) -> None:
    """Warn of the nearest line outside of this package, as `skip_file_prefixes` does from Python 3.12 on."""
    depth = 2  # the caller of this function
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(INSIDE):
        frame, depth = frame.f_back, depth + 1
    warnings.warn(message, category, stacklevel=depth)

"""Files that can be read flat: one array of plain numbers."""

import os
from typing import Any

import numpy as np

ENDINGS = (".npy", ".npz", ".dat")


def flat(given: Any) -> Any:
    """The array that a path of such a file stands for; it is read where it is used."""
    path = os.fspath(given)
    if not path.endswith(".npy"):
        raise ValueError(f"{path}: of flat files only .npy can be read by its path; pass a numpy.memmap")
    return np.load(path, mmap_mode="r")

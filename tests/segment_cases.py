"""Rows cut into segments, for the tests of every family."""

import itertools

import numpy as np

import gramfold as gf

SIZES = [1, 7, 48, 1000, "unequal"]


def cut(X, size):
    """Blocks of `size` rows each, or unequal ones, with empty ones among them."""
    rows = X.shape[0]
    starts = [*range(0, rows, size), rows] if size != "unequal" else [0, 0, 3, 130, 130, 131, 700, rows, rows]
    return gf.blocks([X[a:b] for a, b in itertools.pairwise(np.minimum(starts, rows))])

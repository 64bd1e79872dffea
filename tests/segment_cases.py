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


class Kept:
    """Rows that are read by x[a:b] alone, and how they were."""

    def __init__(self, rows):
        self.rows, self.shape, self.dtype, self.reads = rows, rows.shape, rows.dtype, []

    def __getitem__(self, at):
        self.reads.append((at.start, at.stop))
        return self.rows[at].copy()


def read(X, size):
    """Blocks of `size` rows each that are read when they are come to."""
    row = X.shape[1] * X.dtype.itemsize
    return gf.blocks(Kept(X), memory=8 * size * row)

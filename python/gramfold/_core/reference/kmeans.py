"""The NumPy twins of the k-means kernels; see cpp/kmeans/assign.hpp and cpp/kmeans/seed.hpp."""

import numpy as np
import scipy.sparse as sp

from ..floats import reads_floats
from ..results import Assigned

SEED_BLOCK = 96


def _dense(x):
    """Give X as a float64 array; the twin may take the room."""
    if isinstance(x, tuple):
        data, indices, indptr, cols = x
        x = sp.csr_matrix((data, indices, indptr), shape=(len(indptr) - 1, cols)).toarray()
    return x.astype(np.float64)


def _distances(x, centers):
    """Squared distances (rows, k) from the differences, a few rows at a time."""
    out = np.empty((len(x), len(centers)))
    step = max(1, 2**22 // max(1, centers.size))
    for i in range(0, len(x), step):
        out[i : i + step] = np.square(x[i : i + step, None] - centers).sum(axis=2)
    return out


@reads_floats
def assign(
    *, x, centers, weights, labels, lower, order, moved, n_far, distances, sums, search, wide, n_threads
):
    """Find the nearest centroid of each row; overwrites labels, lower, distances, and
    sums with what the weighted sums of the clusters gained since `labels`.

    Returns the weight of each cluster, the inertia, how many labels changed, how many rows were searched
    and how many of those had to be looked at again.
    """
    x, c = _dense(x), centers.astype(np.float64)
    w = np.ones(len(x)) if weights is None else weights.astype(np.float64)
    rows = np.arange(len(x))
    old = labels.copy()
    if search:
        squares = _distances(x, c)
        labels[:] = squares.argmin(axis=1)
        own = squares[rows, labels]
        if lower is not None:
            squares[rows, labels] = np.inf
            order = np.arange(len(c)) if order is None else order
            starts = len(c) * np.arange(lower.shape[1]) // lower.shape[1]
            nearest = np.sqrt(np.minimum.reduceat(squares[:, order], starts, axis=1))
            lower[:] = nearest * (1 - 8 * np.finfo(lower.dtype).eps)
    else:
        own = np.square(x - c[labels]).sum(axis=1)
    with np.errstate(over="ignore"):
        own = own.astype(centers.dtype).astype(np.float64)
    if distances is not None:
        distances[:] = own
    if sums is not None:
        sums[:] = 0
        came = labels != old
        went = came & (old >= 0)
        np.add.at(sums, labels[came], (x * w[:, None])[came])
        np.subtract.at(sums, old[went], (x * w[:, None])[went])
    counts = np.bincount(labels, w, len(c))
    return Assigned(
        counts.astype(np.float64),
        float(own @ w),
        int(np.sum(labels != old)),
        float(len(x)) if search else 0.0,
        0,
    )


@reads_floats
def distances(*, x, centers, out, n_threads):
    """Overwrite out with the distance of each row to each centroid."""
    out[:] = np.sqrt(_distances(_dense(x), centers.astype(np.float64)))


@reads_floats
def seed(*, x, candidates, closest, weights, out, sums, codes, errors, shift, step, n_threads):
    """Distances of the rows to the nearer of `closest` and each candidate, and their sums by blocks.

    Returns how many rows were read; with a sketch (codes, errors, shift, step) they may be fewer than all.
    """
    out[:] = _distances(_dense(x), candidates.astype(np.float64)).T
    if closest is not None:
        np.minimum(out, closest, out=out)
    weighted = out.astype(np.float64) * (1 if weights is None else weights)
    starts = np.arange(0, out.shape[1], SEED_BLOCK)
    sums[:] = np.add.reduceat(weighted, starts, axis=1).T
    return out.shape[1]


@reads_floats
def sketch(*, x, shift, step, codes, errors, n_threads):
    """Overwrite codes with x in steps, in the level's own order, and errors with bounds of what is lost."""
    cols = x.shape[1]
    steps = np.zeros((len(errors), -(-cols // 4) * 4))
    steps[: len(x), :cols] = (x.astype(np.float64) - shift) / step
    rounded = np.clip(np.rint(steps), -127, 127)
    codes[:] = rounded.astype(np.int8).view(np.int32).ravel()
    errors[:] = np.linalg.norm(steps - rounded, axis=1) * (1 + 1e-6)

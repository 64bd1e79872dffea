"""The NumPy twins of the k-means kernels; see cpp/kmeans/assign.hpp and cpp/kmeans/seed.hpp."""

import numpy as np
import scipy.sparse as sp

from ..floats import reads_floats
from ..results import Assigned, Drawn

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
    *,
    x,
    centers,
    weights,
    labels,
    lower,
    upper,
    order,
    moved,
    n_far,
    look,
    loose,
    distances,
    sums,
    search,
    wide,
    n_threads,
):
    """Find the nearest centroid of each row; overwrites labels, lower, upper, distances,
    and sums with what the weighted sums of the clusters gained since `labels`.

    Returns the weight of each cluster, the inertia, what changes of labels add to it, how many changed,
    how many rows were searched and how many of those had to be looked at again.
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
    if upper is not None:
        upper[:] = np.sqrt(own) * (1 + 8 * np.finfo(upper.dtype).eps)
    went = (labels != old) & (old >= 0)
    gained = w[went] @ (own[went] - np.square(x[went] - c[old[went]]).sum(axis=1))
    counts = np.bincount(labels, w, len(c))
    return Assigned(
        counts.astype(np.float64),
        float(own @ w),
        float(gained),
        int(np.sum(labels != old)),
        float(len(x)) if search else 0.0,
        0,
    )


@reads_floats
def distances(*, x, centers, out, n_threads):
    """Overwrite out with the distance of each row to each centroid."""
    out[:] = np.sqrt(_distances(_dense(x), centers.astype(np.float64)))


@reads_floats
def seed(*, x, candidates, closest, weights, out, sums, marks, bits, n_threads):
    """Distances of the rows to the nearer of `closest` and each candidate, and their sums by blocks.

    With marks, only rows with the bit of a candidate are overwritten in out, and sums without one are NaN.
    Returns how many rows were read.
    """
    distances = _distances(_dense(x), candidates.astype(np.float64)).T
    starts = np.arange(0, out.shape[1], SEED_BLOCK)
    if marks is None:
        out[:] = distances if closest is None else np.minimum(distances, closest)
        nearest, marked = out, np.ones(out.shape, bool)
    else:
        marked = (marks >> bits[:, None] & 1).astype(bool)
        out[marked] = np.minimum(distances, closest)[marked]
        nearest = np.where(marked, out, closest)
    weighted = nearest.astype(np.float64) * (1 if weights is None else weights)
    sums[:] = np.add.reduceat(weighted, starts, axis=1).T
    sums[~np.logical_or.reduceat(marked, starts, axis=1).T] = np.nan
    return int(np.count_nonzero(marked.any(axis=0)))


@reads_floats
def sketch(*, x, shift, scale, order, codes, known, balls, n_threads):
    """Overwrite codes with rows in bytes and known with units, errors and squared norms: rows, no panels."""
    y = (x.astype(np.float64) - shift)[order] / scale
    units = np.abs(y).max(axis=1, initial=0) / 127
    rounded = np.rint(y / np.where(units > 0, units, 1)[:, None])
    four = np.zeros((codes.shape[0], 4 * codes.shape[1]), np.uint8)
    four[: len(y), : y.shape[1]] = rounded + 128
    codes[:] = four.view(np.int32)
    known[:] = 0
    kept = rounded * units[:, None]
    known[:3, : len(y)] = units, np.linalg.norm(y - kept, axis=1), np.square(kept).sum(axis=1)
    balls[:] = np.inf


def sift(*, candidates, closest, weights, shift, scale, order, codes, known, balls, marks, gains, n_threads):
    """Set bit l of the marks of rows that may be nearer to candidate l than `closest`, all squared.

    Overwrites gains with bounds of what the candidates save, at least and at most. Returns how many balls of
    rows were looked into.
    """
    units, errors, squares = (a[: len(order), None].astype(np.float64) for a in known[:3])
    rounded = codes[: len(order)].view(np.uint8)[:, : candidates.shape[1]] - 128.0
    points = (candidates.astype(np.float64) - shift) / scale
    apart = np.sqrt(_distances(rounded * units, points))
    off = errors + 1e-6 * (np.sqrt(squares) + np.linalg.norm(points, axis=1))
    far = closest[order, None] / np.float64(scale) ** 2
    most = far - np.square(np.maximum(apart - off, 0))
    least = far - np.square(apart + off)
    marked = most > -1e-3 * far
    marks[order] |= (marked << np.arange(len(points))).sum(axis=1).astype(np.uint16)
    weight = 1 if weights is None else weights[order, None]
    for gain, sums in zip((least, most + 1e-3 * far), gains, strict=True):
        sums[:] = (np.maximum(gain, 0) * weight).sum(axis=0) * scale**2
    return balls.shape[1]


@reads_floats
def draw_seeds(
    *, x, uniform, closest, weights, labels, first, sums, shift, scale, order, codes, known, balls, marks,
    rounding, chosen, n_threads,
):  # fmt: skip
    """Draw a seed in each round of greedy k-means++, of candidates (rounds, trials) drawn by `uniform`.

    `closest`, `labels` and `sums` are those of the seeds so far; the next seed's label is `first`. Overwrites
    chosen with the rows that are seeds, as many as there are rounds. Ends where nothing is left to draw from.
    Without `order` no row is sifted, and labels are not kept.
    """
    looked = read = 0
    mass = 1.0 if weights is None else weights.astype(np.float64)
    for done, values in enumerate(uniform):
        running = np.cumsum(sums)
        if not 0 < running[-1] < np.inf:
            return Drawn(done, looked, read)
        blocks = np.minimum(np.searchsorted(running, values * running[-1]), len(sums) - 1)
        rows = []
        for block, value in zip(blocks, values * running[-1], strict=True):
            some = slice(block * SEED_BLOCK, (block + 1) * SEED_BLOCK)
            up_to = np.cumsum((closest.astype(np.float64) * mass)[some]) + (
                running[block - 1] if block else 0
            )
            rows.append(min(some.start + np.count_nonzero(up_to < value), len(closest) - 1))
        candidates, gains = x[rows].astype(closest.dtype), np.empty((2, len(rows)))
        if order is None:
            out, found = np.empty((len(rows), len(closest)), closest.dtype), np.empty((len(sums), len(rows)))
            read += seed(
                x=x, candidates=candidates, closest=closest, weights=weights, out=out, sums=found, marks=None,
                bits=None, n_threads=n_threads,
            )  # fmt: skip
            best = int(np.argmin(np.cumsum(found, axis=0)[-1]))
            closest[:], sums[:], chosen[done] = out[best], found[:, best], rows[best]
            continue
        marks[:] = 0
        looked = sift(
            candidates=candidates, closest=closest, weights=weights, shift=shift, scale=scale, order=order,
            codes=codes, known=known, balls=balls, marks=marks, gains=gains, n_threads=n_threads,
        )  # fmt: skip
        least, most = gains
        bits = np.flatnonzero(most * (1 + 1e-6) + rounding * running[-1] >= least.max() * (1 - 1e-6)).astype(
            np.int32
        )
        out, found = np.empty((len(bits), len(closest)), closest.dtype), np.empty((len(sums), len(bits)))
        read += seed(
            x=x, candidates=candidates[bits], closest=closest, weights=weights, out=out, sums=found,
            marks=marks, bits=bits, n_threads=n_threads,
        )  # fmt: skip
        found = np.where(np.isnan(found), sums[:, None], found)
        best = int(np.argmin(np.cumsum(found, axis=0)[-1]))
        nearer = ((marks >> bits[best] & 1) != 0) & (out[best] < closest)
        closest[nearer], labels[nearer] = out[best, nearer], first + done
        sums[:], chosen[done] = found[:, best], rows[bits[best]]
    return Drawn(len(uniform), looked, read)


def move_centers(*, centers, sums, counts, mean, ridge, frozen, unit, out, steps):
    """Move centroids to where the sums of their rows put them, and tell what the inertia gains.

    Overwrites out with the centroids and steps with how far each goes, squared. One without weight goes where
    that with most rows goes, or if `unit` stays; the first `frozen` stay.
    """
    old = centers.astype(np.float64)
    weights = counts + ridge
    pulled = sums if mean is None else sums + ridge * mean
    if unit:
        weights = np.sqrt(np.square(pulled).sum(axis=1))
    new = pulled / np.where(weights > 0, weights, 1)[:, None]
    most = np.argmax(counts)
    new[~(weights > 0)] = 0
    for j in np.flatnonzero(~(weights > 0)):
        new[j] = old[j] if unit or not weights[most] > 0 else new[most]
    new[:frozen] = old[:frozen]
    out[:] = new
    by = out.astype(np.float64) - old
    steps[:] = np.square(by).sum(axis=1)
    return float(np.sum(by * (counts[:, None] * (by + 2 * old) - 2 * sums)))

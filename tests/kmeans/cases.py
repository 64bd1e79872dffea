"""What the tests of kmeans share."""

import warnings

import numpy as np
from kernel_cases import by_name
from sklearn.datasets import make_blobs
from sklearn.exceptions import ConvergenceWarning


def points(rows, cols, k, dtype, seed=0, offset=0.0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, cols)) * (rng.random((rows, cols)) < 0.6)
    if rows > 2 and cols > 2:
        x[rows // 2], x[:, cols // 2] = 0, 0
    c = rng.standard_normal((k, cols))
    return (x + offset).astype(dtype), (c + offset).astype(dtype), rng.random(rows).astype(dtype)


def run_assign(
    kernels,
    x,
    c,
    *,
    weights=None,
    labels=None,
    lower=None,
    upper=None,
    order=None,
    moved=None,
    n_far=0,
    look=True,
    loose=False,
    search=True,
    wide=False,
    n_threads=2,
):
    rows = len(x) if isinstance(x, np.ndarray) else len(x[2]) - 1
    labels = np.full(rows, -1, np.int32) if labels is None else labels.copy()
    distances = np.full(rows, np.nan, c.dtype) if upper is None else None
    sums = np.full(c.shape, np.nan)
    result = kernels.assign(
        x=x,
        centers=c,
        weights=weights,
        labels=labels,
        lower=lower,
        upper=upper,
        order=order,
        moved=moved,
        n_far=n_far,
        look=look and moved is not None,
        loose=loose,
        distances=distances,
        sums=sums,
        search=search,
        wide=wide,
        n_threads=n_threads,
    )
    return labels, distances, sums, result


def exact_labels(x, c):
    """Labels and squared distances in float64 from differences."""
    squares = np.square(x.astype(np.float64)[:, None] - c.astype(np.float64)).sum(axis=2)
    return squares.argmin(axis=1), squares


def run_seed(kernels, x, candidates, closest, weights, marks=None, bits=None, n_threads=2):
    rows = len(x) if isinstance(x, np.ndarray) else len(x[2]) - 1
    out = np.full((len(candidates), rows), np.nan, candidates.dtype)
    sums = np.full((-(-rows // 96), len(candidates)), np.nan)
    read = by_name(kernels.seed, x, candidates, closest, weights, out, sums, marks, bits, n_threads)
    return out, sums, read


def make_sketch(kernels, x, order=None, n_threads=2):
    """The arrays of a sketch of all rows, in an order."""
    rows, cols = x.shape
    mean = np.asarray(x, np.float64).mean(axis=0)
    length = np.sqrt(np.square(x - mean).mean())
    balls = -(-rows // 48)
    places = (balls + -(-balls // 48)) * 48
    arrays = {
        "shift": mean.astype(x.dtype),
        "scale": float(np.exp2(np.round(np.log2(length)))) if length > 0 else 1.0,
        "order": np.arange(rows, dtype=np.int32) if order is None else order.astype(np.int32),
        "codes": np.full((places, -(-cols // 4)), -1, np.int32),
        "known": np.full((4, places), np.nan, np.float32),
        "balls": np.full((2, balls), np.nan, np.float32),
    }
    kernels.sketch(x=x, **arrays, n_threads=n_threads)
    return arrays


def run_sift(kernels, sketch, candidates, closest, weights, n_threads=2):
    marks, gains = np.zeros(len(closest), np.uint16), np.full((2, len(candidates)), np.nan)
    looked = kernels.sift(
        candidates=candidates, closest=closest, weights=weights, **sketch, marks=marks, gains=gains,
        n_threads=n_threads,
    )  # fmt: skip
    return marks, gains, looked


def blobs(n=2000, d=6, dtype=np.float64, offset=0.0, std=2.0):
    X, _ = make_blobs(n, d, centers=15, cluster_std=std, random_state=0)
    return (X + offset).astype(dtype)


def quiet(model, X, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, **options)

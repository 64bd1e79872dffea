"""The NumPy twin of the mixtures' kernels: see `reference`."""

import numpy as np
import scipy.sparse as sp
from scipy.special import gammaln

from ..floats import reads_floats
from ..results import Counted, GaussianSums, PoissonSums

NEGLIGIBLE = -80.0  # responsibilities below exp of this times the largest count as 0
UNSEEN = {np.dtype(np.float32): -16.7, np.dtype(np.float64): -36.8}  # the same where few components are
IMPOSSIBLE = -1e199  # as a logit of counts; see log_of_zero in cpp/mixture/poisson.hpp


def _softmax(
    logits, weights, given, resp, score, labels, impossible=-np.inf, negligible=NEGLIGIBLE
):  # fmt: skip
    """Responsibilities times weights, and the weighted log-likelihood; see cpp/mixture/softmax.hpp."""
    n, dtype = len(logits), logits.dtype
    weights = np.ones(n) if weights is None else weights
    if given is not None:
        r, likelihood = given, 0.0
    else:
        if labels is not None:
            labels[:] = logits.argmax(axis=1)
        top = logits.max(axis=1)
        possible = top > impossible
        below = logits - np.where(possible, top, 0)[:, None]
        r = np.where(below > negligible, np.exp(below.clip(negligible, 0)), 0)
        total = np.where(possible, r.sum(axis=1), 1)
        r = r / total[:, None]
        found = np.where(possible, top + np.log(total), -np.inf)
        if score is not None:
            score[:] = found
        likelihood = float(np.sum(weights[weights != 0] * found[weights != 0], dtype=float))
    if resp is not None:
        resp[:] = r
    r = r * weights[:, None]
    return np.where(r < np.finfo(dtype).tiny, 0, r).astype(dtype), likelihood


@reads_floats
def poisson_mixture(*, x, f, bias, slope, exposure, weights, given, sums, resp, score, labels, n_threads):
    """One EM pass over counts, in double; f: log rates (cols, k), slope: sums of rates (poisson.hpp).

    Returns sum w r and sum w r s (k,), and the log-likelihood without what all components share.
    """
    if isinstance(x, tuple):
        data, indices, indptr, cols = x
        x = sp.csr_matrix((data.astype(float), indices, indptr), shape=(len(indptr) - 1, cols))
    else:
        x = x.astype(float)
    s = np.ones(x.shape[0]) if exposure is None else exposure
    with np.errstate(over="ignore"):
        logits = x @ f + (bias - s[:, None] * slope)
    r, likelihood = _softmax(logits, weights, given, resp, score, labels, IMPOSSIBLE)
    if sums is not None:
        sums[:] = x.T @ r
    return PoissonSums(r.sum(axis=0, dtype=float), (r * s[:, None]).sum(axis=0, dtype=float), likelihood)


@reads_floats
def count_rows(*, x, totals, factorials, n_threads):
    """Overwrite with the sums of x and of log x! over rows; returns the least entry, and if all are whole."""
    if isinstance(x, tuple):
        data, indices, indptr, cols = x
        values = data[: indptr[-1]]
        shape = len(indptr) - 1, cols
        for out, term in ((totals, values), (factorials, gammaln(values.clip(0).astype(float) + 1))):
            out[:] = sp.csr_array((term.astype(float), indices, indptr), shape=shape).sum(axis=1)
    else:
        values = x
        totals[:] = x.sum(axis=1, dtype=float)
        factorials[:] = gammaln(x.clip(0).astype(float) + 1).sum(axis=1)
    return Counted(float(values.min(initial=np.inf)), bool((values == np.floor(values)).all()))


def _quadratic(x, kind, centers, factor):
    """|(x - c) U|^2 for every row and component (Murphy 2012, section 4.1)."""
    if kind == "tied":
        x = x @ np.triu(factor)
    for t, c in enumerate(centers):
        y = x - c
        if kind == "full":
            y = y @ np.triu(factor[t])
        elif kind in ("diag", "spherical"):
            y = y * factor[t]
        yield (y * y).sum(axis=1)


@reads_floats
def gaussian_mixture(
    *, x, kind, shift, scale, centers, factor, constants, about, weights, given, first, second, resp, score,
    labels, n_threads,
):  # fmt: skip
    """One EM pass of a Gaussian mixture; centers, about (k, d) and rows are about shift and times scale.

    factor: U of shape (k, d, d), (d, d), (k, d) or (k,) by kind, U U' being the inverse covariance; centers
    of kind 'tied' are times U. first (k, d) and second (k, d), (k, d, d) or, for all components together,
    (1, d, d) are overwritten with sum r (x - about) and its squares, or None. Returns sum w r (k,) and the
    log-likelihood. x of float32 is taken as float64 if all else is.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        x = (x - shift) * scale
        squares = np.stack(list(_quadratic(x, kind, centers, factor)), axis=1)
    logits = (constants.astype(x.dtype) - x.dtype.type(0.5) * squares).astype(x.dtype)
    r, likelihood = _softmax(logits, weights, given, resp, score, labels)
    return _gaussian_sums(x, r, likelihood, about, first, second)


@reads_floats
def truncated_mixture(
    *, x, kind, shift, scale, centers, factor, constants, about, weights, groups, lists, first, second,
    labels, n_threads,
):  # fmt: skip
    """As `gaussian_mixture`, each row having responsibilities among the components lists[its group] alone.

    groups (n,), lists (k, c): int32; labels (n,) are overwritten with the best components in the lists.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        x = (x - shift) * scale
        squares = np.stack(list(_quadratic(x, kind, centers, factor)), axis=1)
    logits = (constants.astype(x.dtype) - x.dtype.type(0.5) * squares).astype(x.dtype)
    listed = lists[groups]
    best = np.empty(len(x), np.int64)
    few, likelihood = _softmax(
        np.take_along_axis(logits, listed, axis=1), weights, None, None, None, best,
        negligible=UNSEEN[x.dtype],
    )  # fmt: skip
    if labels is not None:
        labels[:] = np.take_along_axis(listed, best[:, None], axis=1)[:, 0]
    r = np.zeros_like(logits)
    np.put_along_axis(r, listed, few, axis=1)
    return _gaussian_sums(x, r, likelihood, about, first, second)


def _gaussian_sums(x, r, likelihood, about, first, second):
    """Counts, and moments about some points of rows with responsibilities r."""
    if first is None:
        return GaussianSums(np.zeros(len(about)), likelihood)
    pooled = second is not None and second.ndim == 3 and len(second) < len(about)
    if pooled:
        second[:] = 0
    for t, a in enumerate(about):
        kept = r[:, t] > 0
        y, share = (x[kept] - a).astype(float), r[kept, t, None].astype(float)
        first[t] = (share * y).sum(axis=0)
        if second is None:
            continue
        root = np.sqrt(share) * y
        if pooled:
            second[0] += root.T @ root
        else:
            second[t] = root.T @ root if second.ndim == 3 else (root * root).sum(axis=0)
    return GaussianSums(r.sum(axis=0, dtype=float), likelihood)

"""Standard errors of a Poisson mixture, from the observed information."""

from contextlib import suppress

import numpy as np

from ..fold.source import Array
from .base import Double
from .poisson_model import Counts, PoissonParameters

BLOCK = 2**12  # rows whose scores are held at once


def standard_errors(
    counts: Counts, theta: PoissonParameters, resp: Array, prior: tuple[float, float]
) -> PoissonParameters:
    """Standard errors of weights and rates; NaN where a parameter is 0 or the information is singular.

    The observed information is what complete data would tell less what the missing labels hide (Louis 1982,
    Finding the observed information matrix when using the EM algorithm, eq. 3.2'):

        I = sum_n E[B_n | x_n] - E[S_n S_n' | x_n] + E[S_n | x_n] E[S_n | x_n]'

    with the score S_n and curvature B_n of a labelled row, in the rates and all weights but the last.
    """
    weights, rates = theta.weights, theta.rates
    k, d = rates.shape
    free = np.concatenate([np.full(k - 1, True), (rates > 0).ravel()])
    rates = np.where(rates > 0, rates, 1)
    information = np.zeros((len(free), len(free)))
    n = counts.source.rows
    for start in range(0, n, BLOCK):
        rows = slice(start, min(start + BLOCK, n))
        x = counts.source.take(rows).astype(np.float64)
        s = np.ones(len(x)) if counts.exposure is None else counts.exposure[rows]
        w = np.ones(len(x)) if counts.weights is None else counts.weights[rows]
        information += _information(x, s, w, resp[rows].astype(np.float64), weights, rates)
    shape, _ = prior
    extra = np.ldexp(shape - 1, -counts.exponent)
    np.einsum("ii->i", information)[k - 1 :] += extra / rates.ravel() ** 2
    errors = np.full(len(free), np.nan)
    covariance = np.full((free.sum(), free.sum()), np.nan)
    with suppress(np.linalg.LinAlgError):
        covariance = np.ldexp(np.linalg.inv(information[np.ix_(free, free)]), -counts.exponent)
    with np.errstate(invalid="ignore"):
        errors[free] = np.sqrt(np.diagonal(covariance))
        last = np.sqrt(covariance[: k - 1, : k - 1].sum())
    return PoissonParameters(np.append(errors[: k - 1], last), errors[k - 1 :].reshape(k, d))


def _information(x: Double, s: Double, w: Double, r: Double, weights: Double, rates: Double) -> Double:
    """What some rows add to the observed information."""
    k, d = rates.shape
    # The score of a row labelled t has entries for the weights, and for the rates of t alone.
    by_weight = np.zeros((k, k - 1))
    with np.errstate(divide="ignore"):
        inverse = 1 / weights
    by_weight[np.arange(k - 1), np.arange(k - 1)] = inverse[:-1]
    by_weight[-1] = -inverse[-1]
    by_rate = x[:, None] / rates - s[:, None, None]
    expected = np.concatenate([r @ by_weight, (r[:, :, None] * by_rate).reshape(len(x), -1)], axis=1)
    information = (w[:, None] * expected).T @ expected
    # In the weights alone the curvature of a labelled row is the square of its score: they cancel.
    rw = w[:, None] * r
    for t in range(k):
        here = slice(k - 1 + t * d, k - 1 + (t + 1) * d)
        weighted = rw[:, t, None] * by_rate[:, t]
        information[here, here] -= weighted.T @ by_rate[:, t]
        cross = np.outer(by_weight[t], weighted.sum(axis=0))
        information[: k - 1, here] -= cross
        information[here, : k - 1] -= cross.T
        np.einsum("ii->i", information[here, here])[:] += (rw[:, t] @ x) / rates[t] ** 2
    return information

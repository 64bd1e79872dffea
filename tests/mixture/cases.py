"""Rows and fits that the tests of the mixtures share."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

import gramfold as gf

KINDS = ["full", "tied", "diag", "spherical"]
ATTRIBUTES = ["weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_"]


def overlapping():
    """1500 rows of overlapping components, with their exposures."""
    rng = np.random.default_rng(0)
    rates = rng.gamma(2.0, 1.0, (3, 6))
    labels = rng.integers(3, size=1500)
    s = 0.5 + rng.random(1500)
    return rng.poisson(rates[labels] * s[:, None]).astype(float), s


def fitted_poisson(X, *arguments, n_components=2, sample_weight=None, exposure=None, **options):
    """A fit of as many iterations as asked for, converged or not."""
    model = gf.PoissonMixture(n_components, *arguments, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, sample_weight=sample_weight, exposure=exposure)


def overlapping_points():
    """900 rows of five overlapping Gaussians with their own covariances, not at the origin."""
    rng = np.random.default_rng(0)
    parts = [rng.normal(size=(180, 4)) @ rng.normal(size=(4, 4)) + 4 * rng.normal(size=4) for _ in range(5)]
    return rng.permutation(np.vstack(parts)) + 10


def fitted_gaussian(X, mixture=gf.GaussianMixture, sample_weight=None, **options):
    """A fit of five components for as many iterations as asked for, converged or not."""
    model = mixture(**{"n_components": 5, "random_state": 3, **options})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X) if sample_weight is None else model.fit(X, sample_weight=sample_weight)

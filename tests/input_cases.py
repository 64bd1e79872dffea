"""The ways by which X reaches a factorisation, for the tests of what may be given."""

import numpy as np
import pytest

import gramfold as gf

K = 3


def matrix():
    rng = np.random.default_rng(0)
    return rng.random((30, 8)) * (rng.random((30, 8)) < 0.6)


def nmf(**options):
    # One sweep per product: the budget of sweeps counts what an entry costs, and differs between formats.
    defaults = {"init": "nndsvda", "tol": 0, "max_iter": 8, "max_sweeps": 1, "random_state": 0}
    return gf.NMF(K, **{**defaults, **options})


def fit(X):
    return nmf().fit_transform(X)


def fit_custom(X):
    n, m = np.shape(X)
    return nmf(init="custom").fit_transform(X, W=np.ones((n, K)), H=np.eye(K, m) + 0.1)


def transform(X):
    return nmf().fit(np.eye(9, 8) + 0.2).transform(X)


def encode(X):
    return gf.encode(X, np.eye(K, 8) + 0.2)


ENTRIES = pytest.mark.parametrize("entry", [fit, fit_custom, transform, encode])

"""What the tests of fold share."""

import numpy as np

import gramfold as gf


def data(dtype=np.float64, rows=3000, cols=40):
    rng = np.random.default_rng(0)
    return (rng.random((rows, cols)) * (rng.random((rows, cols)) < 0.5)).astype(dtype)


def fit(X, **options):
    return gf.NMF(5, **{"tol": 0, "max_iter": 10, "random_state": 0, **options}).fit(X)

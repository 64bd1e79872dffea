"""Rows and learners that the tests of dictionary learning share."""

import numpy as np

import gramfold as gf

BOTH = [gf.DictionaryLearning, gf.MiniBatchDictionaryLearning]
ALGORITHMS = {
    "cd": {"alpha": 0.3},
    "omp": {"transform_n_nonzero_coefs": 3},
    "ksvd": {"transform_n_nonzero_coefs": 3},
    "soup_l1": {"alpha": 0.3},
    "soup_l0": {"alpha": 0.5},
}
UNIT = ("ksvd", "soup_l1", "soup_l0")


def planted(n=2000, m=20, k=30, size=3, seed=0, positive=False):
    rng = np.random.default_rng(seed)
    D = rng.standard_normal((k, m))
    D = np.abs(D) if positive else D
    D /= np.linalg.norm(D, axis=1, keepdims=True)
    Z = np.zeros((n, k))
    for z in Z:
        on = rng.choice(k, size, replace=False)
        z[on] = rng.uniform(1, 3, size) * (1 if positive else rng.choice([-1, 1], size))
    return Z @ D, D


def rows_of(X, count, seed=1):
    start = X[np.random.default_rng(seed).choice(len(X), count, replace=False)]
    return start / np.linalg.norm(start, axis=1, keepdims=True)


def learn(X, algorithm, k=12, **options):
    options = {"tol": 0, "max_iter": 15, "random_state": 0} | ALGORITHMS[algorithm] | options
    return gf.DictionaryLearning(k, fit_algorithm=algorithm, **options).fit(X)


def found(model, D):
    """The share of the atoms of D that were found."""
    unit = model.components_ / np.linalg.norm(model.components_, axis=1, keepdims=True)
    return np.mean(np.abs(D @ unit.T).max(axis=1) > 0.98)


def total(X, Z, D, alpha=0.3, l1=0.0, l2=0.0):
    penalty = alpha * np.abs(Z).sum() + l1 * np.abs(D).sum() + 0.5 * l2 * np.sum(D**2)
    return 0.5 * np.sum((X - Z @ D) ** 2) + penalty

"""Rows and learners that the tests of dictionary learning share."""

import numpy as np

import gramfold as gf

BOTH = [gf.DictionaryLearning, gf.MiniBatchDictionaryLearning]


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

"""The solvers for beta divergences on a start that is given, without an estimator around them."""

import numpy as np

from gramfold.fit.monitor import Monitor
from gramfold.fold.source import Source
from gramfold.least_squares.rows import Penalty
from gramfold.nmf.beta import Multiplicative
from gramfold.nmf.kl import KullbackLeibler
from gramfold.nmf.start import Start

NONE = (Penalty(), Penalty())


def make(n, m, k, seed=0, *, positive=False, density=0.4, dtype=np.float64):
    """X >= 0 and a positive start."""
    rng = np.random.default_rng(seed)
    X = rng.gamma(1.0, 2.0, (n, m)) * (rng.random((n, m)) < density) + 0.1 * positive
    W, H = 0.1 + rng.random((n, k)), 0.1 + rng.random((m, k))
    return X.astype(dtype), W.astype(dtype), H.astype(dtype)


def run(solver, max_iter, tol=0.0):
    monitor = Monitor(max_iter, 0, None, None)
    W, H, n_iter, converged = solver.run(monitor, tol)
    return W, H, n_iter, converged, monitor.history


def multiplicative(X, W, H, beta, penalties=NONE, n_threads=2):
    return Multiplicative(Start(Source(X, n_threads), W, H, *penalties), beta=beta)


def kullback_leibler(X, W, H, penalties=NONE, n_threads=2, max_sweeps=None, extrapolate=True):
    start = Start(Source(X, n_threads), W, H, *penalties)
    return KullbackLeibler(start, max_sweeps=max_sweeps, extrapolate=extrapolate)

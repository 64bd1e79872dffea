"""Ridge regression with coefficients of at least 0."""

import numpy as np

from .fold import Penalty, Sweeps, solve_rows
from .ridge_data import Double
from .ridge_direct import EPS, Singular, Solve, definite_or_not, positive_definite

MOST_SWEEPS, POLISH = 10_000, 8
MANY = 512  # columns of which the kernel takes long for a row, and is not interrupted within it
MOST_FACES, PATIENCE = 200, 3


def nonnegative(gram: Double, linear: Double, alpha: Double) -> tuple[Double, bool]:
    """Minimise over b >= 0, exactly; also whether all targets ended."""
    p, t = linear.shape
    B, ended = np.empty((p, t)), True
    for value in np.unique(alpha):
        same = np.flatnonzero(alpha == value)
        left = []
        for target in same:
            found = pivoting(gram, linear[:, target], value) if p > MANY else None
            if found is None:
                left.append(target)
            else:
                B[:, target] = found
        if left:
            products = np.ascontiguousarray(linear[:, left].T)
            sweeps = Sweeps(MOST_SWEEPS, tol=1e-12, polish=POLISH)
            result = solve_rows(
                None, np.zeros((0, p)), gram, Penalty(l2=float(value)), sweeps, products=products, n_threads=1
            )
            B[:, left] = result.factor.T
            ended = ended and not result.open
    return B, ended


def pivoting(gram: Double, linear: Double, alpha: float) -> Double | None:
    """Block principal pivoting (Kim & Park 2011) for one target; None where a face is singular."""
    p = len(linear)
    sizes = np.sqrt(gram.diagonal() + alpha)
    rounding = p * EPS * sizes * np.max(np.divide(np.abs(linear), sizes, out=np.zeros(p), where=sizes > 0))
    on = linear > 0
    fewest, patience = p + 1, PATIENCE
    for _ in range(MOST_FACES):
        b = np.zeros(p)
        try:
            inverse, _ = positive_definite(gram[np.ix_(on, on)], np.array([alpha]))
        except Singular:
            return None
        b[on] = inverse(linear[on])
        wrong = np.where(on, b < 0, gram @ b - linear < -rounding)
        count = int(np.count_nonzero(wrong))
        if count == 0:
            return b
        if count < fewest:
            fewest, patience = count, PATIENCE
        elif patience:
            patience -= 1
        else:
            wrong = np.arange(p) == np.flatnonzero(wrong)[-1]
        on ^= wrong
    return None


def on_faces(gram: Double, alpha: Double, B: Double) -> Solve:
    """What solves (X'X + alpha I) d = g where B > 0, d = 0 elsewhere."""

    def solve(g: Double) -> Double:
        d = np.zeros_like(B)
        for t in range(len(alpha)):
            on = B[:, t] > 0
            if on.any():
                inverse = definite_or_not(gram[np.ix_(on, on)], alpha[t : t + 1])[0]
                d[on, t] = np.maximum(inverse(g[on, t : t + 1])[:, 0], -B[on, t])
        return d

    return solve

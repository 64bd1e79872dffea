"""What kernels give back, by name: the same of every level."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Double = NDArray[np.float64]


class Scan(NamedTuple):
    """Sums over the entries of an array."""

    sum: float
    squares: float
    least: float
    most: float


class Swept(NamedTuple):
    """Rows Z swept with one Gram matrix: Z'Z, Z' start, and sums over the rows.

    violation: |projected gradient| and step: |step|, met in the first sweep; objective: with the penalty,
    less |x|^2 / 2; residual: the squared KKT residual at the end; unconverged: rows that were not done.
    """

    gram: Double | None
    cross: Double | None
    violation: float
    step: float
    objective: float
    residual: float
    unconverged: float


class OwnSwept(NamedTuple):
    """Rows swept with a Gram matrix each, as `Swept`; before: the squared KKT residual at the start."""

    violation: float
    step: float
    objective: float
    residual: float
    unconverged: float
    before: float


class Multiplied(NamedTuple):
    """Rows Z after multiplicative updates: sum Z, and sums over the rows.

    loss_start, loss_end: the divergence; residual, size: what the KKT residual is made of.
    """

    total: Double
    loss_start: float
    loss_end: float
    residual: float
    size: float
    unconverged: float


class Descended(NamedTuple):
    """Rows Z after coordinate descent on the Kullback-Leibler divergence, as `Multiplied`."""

    total: Double
    loss_start: float
    loss_end: float
    residual_start: float
    residual_end: float
    unconverged: float


class Compressed(NamedTuple):
    """Rows by their entries other than 0: those of row i are starts[i] to starts[i + 1]."""

    values: Array
    columns: Array
    starts: Array


class Coded(NamedTuple):
    """Codes Z of rows, unless they were written to `out`; Z'Z if sums were wanted, and sums over the rows."""

    codes: Compressed | None
    gram: Double | None
    objective: float
    unconverged: float


class Drawn(NamedTuple):
    """Seeds, one a round; balls of rows that the last round looked into; rows that were read for all."""

    rounds: int
    looked: int
    read: int


class Assigned(NamedTuple):
    """Rows given to their nearest centroids; searched, undecided: rows searched, and searched once more.

    `inertia` is that of rows that were read: of all, but where `upper` and `moved` are given. With them
    `gained` is what rows that changed their cluster add to the inertia: w (|x - new|^2 - |x - old|^2).
    """

    counts: Double
    inertia: float
    gained: float
    changed: int
    searched: float
    undecided: int


class PoissonSums(NamedTuple):
    """sum w r and sum w r exposure of each component, and the log-likelihood."""

    counts: Double
    exposure: Double
    likelihood: float


class Counted(NamedTuple):
    """The least entry of X, and whether all are whole."""

    least: float
    whole: bool

    def plus(self, other: "Counted") -> "Counted":
        """The same of these entries and others."""
        return Counted(min(self.least, other.least), self.whole and other.whole)


class GaussianSums(NamedTuple):
    """sum w r of each component, and the log-likelihood."""

    counts: Double
    likelihood: float


class Moments(NamedTuple):
    """Products of (X, 1) with (X, Y, 1), and the squares of each target's."""

    products: Double
    squares: Double


class Misfit(NamedTuple):
    """Of residuals R = Y - X B: X'R, the squares of each target's, and their sums."""

    pull: Double
    squares: Double
    sums: Double


class ShrinkSums(NamedTuple):
    """Sums of a pass of robust PCA over the observed entries, for the given L and the new Y, S and T = S + N.

    misfit: lam |X - L|_1; dot: <Y, X>; multipliers: |Y|^2; moved: |T - T_old|^2 (with what L moved by,
    unobserved); unmet: |X - L - T|^2; noise: |X - L - S|^2; outlying: lam |S|_1; unexplained:
    lam |X - L - S|_1; outliers: entries of S that are not 0, or entries in such rows.
    """

    misfit: float
    dot: float
    multipliers: float
    moved: float
    unmet: float
    noise: float
    outlying: float
    unexplained: float
    outliers: float

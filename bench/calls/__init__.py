"""Whole default calls, beside everybody who has the model: what a user waits for."""

from bench.calls.cases import cases
from bench.calls.contest import BOUNDS, NEAR, SLACK

LEGEND = f"""\
Whole calls of estimators that are given n_components or n_clusters and random_state alone (mixtures: the
covariance type as well), ours and the peers' in turn. A peer more than {NEAR:g} times slower than the fastest
is timed once; one that may not end, in a process of its own, until it has decided the case or {BOUNDS[1]:g} s
are over (">": stopped). Where a start or batches are drawn, each repeat takes another seed, and medians of
seconds and qualities count.
Columns of peers: seconds, and "worse" or "better" where the quality differs from ours by more than {SLACK:g}
of it. peer: the yardstick, the fastest whose quality is no worse than ours; where there is none, the best.
met: the ratio is at_least so much, or X is read at the share of the bandwidth that is asked for (PCA, Ridge:
80 %), in the time allowed (one row: 60 us), and no peer is better.
Objectives, in float64 by NumPy from what was fitted: NMF, PCA, SVD: squared error as a share of |X|^2 (PCA:
centred), W by the model's own transform; k-means: squared distances to the nearest centroid; mixtures: minus
the mean log-likelihood; dictionaries: the lasso's objective of 20,000 rows; sparse_encode, Ridge, robust
PCA: their own. transform and predict, of a model fitted on 2,000 rows: the same squared error (NMF,
dictionaries: all have our components), else 1 + what is missed of the best for the model's own parameters.
% FMA: the flop of the iterations that our fit reports (KMeans 2ndk, NMF 4nmk, full Gaussians 2nkd(d+1), PCA
and Ridge: half of the Gram matrix, products with targets) at our seconds, of the measured peak. % read: one
read of X, likewise."""

COLUMNS = {
    "case": None, "dtype": None, "ours s": None, "scikit-learn": None, "sklearnex": None, "faiss": None,
    "superkmeans": None, "spams": None, "pyrpca": None, "pomegranate": None, "peer": None, "ratio": None,
    "at_least": None, "met": {True: "yes", False: "NO"}.get, "% FMA": None, "% read": None,
    "our objective": "{:.6g}".format, "target objective": "{:.6g}".format, "note": None,
}  # fmt: skip

__all__ = ["COLUMNS", "LEGEND", "cases"]

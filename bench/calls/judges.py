"""The quality of a fit, or of what was transformed or predicted (less is better), and its flop."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial.distance import cdist

from bench.calls.contest import Data
from bench.objective import (
    half_squared_error,
    inertia,
    joint_log_likelihood,
    lasso,
    minus_log_likelihood,
    pursuit,
    ridge,
    unexplained,
)

ROUNDING = 1e-6  # shares of |X|^2 below this are rounding of float32
JUDGED_ROWS = 20_000  # of which learned atoms are judged by their codes


def _norm(X: Any) -> float:
    values = (X.data if sparse.issparse(X) else X).astype(np.float64)
    return float(np.vdot(values, values))


def factors(data: Data, model: Any) -> float:
    """The same with W by the model's transform of all rows."""
    return factored(data, (model, model.transform(data[0])))


def factored(data: Data, result: Any) -> float:
    """Squared error of W H, as a share of |X|^2."""
    model, W = result
    X = data[0][: W.shape[0]]
    return max(2 * half_squared_error(X, W, model.components_) / _norm(X), ROUNDING)


def _mean(model: Any) -> Any:
    mean = getattr(model, "mean_", None)
    return np.float64(0) if mean is None else mean.astype(np.float64)


def components(data: Data, model: Any) -> float:
    """What the projection on the components leaves, as a share of the squares of X - mean."""
    return max(unexplained(data[0], model.components_, _mean(model)), ROUNDING)


def projected(data: Data, result: Any) -> float:
    """1 + the squared error of the scores, as a share of them: what a model gives for its own components."""
    model, scores = result
    X = data[0][: len(scores)].astype(np.float64)
    V = model.components_.astype(np.float64).T
    return _miss(scores, X @ V - np.dot(np.broadcast_to(_mean(model), X.shape[1]), V))


def _miss(given: Any, exact: NDArray[np.float64]) -> float:
    return 1 + float(np.sum((given - exact) ** 2) / max(np.sum(exact**2), np.finfo(float).tiny))


def centroids(data: Data, model: Any) -> float:
    """Squared distances to the nearest centroid."""
    return inertia(data[0], model.cluster_centers_)


def assigned(data: Data, result: Any) -> float:
    """Squared distances to the centroids that were named, by those to the nearest."""
    model, labels = result
    X = data[0][: len(labels)].astype(np.float64)
    return float(np.sum((X - model.cluster_centers_[labels]) ** 2)) / inertia(X, model.cluster_centers_)


def apart(data: Data, result: Any) -> float:
    """1 + the squared error of the distances to the centroids, as a share of them."""
    model, distances = result
    X = data[0][: len(distances)].astype(np.float64)
    return _miss(distances, cdist(X, model.cluster_centers_.astype(np.float64)))


def likelihood(kind: str, data: Data, model: Any) -> float:
    """Minus the mean log-likelihood of a row."""
    return minus_log_likelihood(data[0], model, kind)


def chosen(kind: str, data: Data, result: Any) -> float:
    """1 + how much less likely the components that were named are than the likeliest, in the mean."""
    model, labels = result
    joint = joint_log_likelihood(data[0][: len(labels)], model, kind)
    return 1 + float(np.mean(joint.max(axis=1) - joint[np.arange(len(labels)), labels]))


def low_rank(data: Data, model: Any) -> float:
    """The objective of principal component pursuit."""
    X = data[0]
    return pursuit(X, model.complete(), 1 / np.sqrt(max(X.shape)))


def atoms(data: Data, model: Any) -> float:
    """The lasso's objective of some rows, their codes solved for these atoms in float64."""
    import gramfold as gf

    X, D = data[0][:JUDGED_ROWS].astype(np.float64), model.components_.astype(np.float64)
    return lasso(X, D, gf.sparse_encode(X, D, algorithm="lasso_cd", alpha=1.0, output="csr", tol=1e-6), 1.0)


def pursued(data: Data, result: Any) -> float:
    """Squared error of the codes."""
    return 2 * half_squared_error(data[0][: result[1].shape[0]], result[1], result[0].components_)


def coded(data: Data, result: Any) -> float:
    """The lasso's objective of the codes, at the penalty that everybody has by default."""
    X, D = data
    return lasso(X[: result[1].shape[0]], D, result[1], 1.0)


def coefficients(data: Data, model: Any) -> float:
    """Ridge regression's objective at the penalty that everybody has by default."""
    return ridge(*data, model.coef_, model.intercept_)


def predicted(data: Data, result: Any) -> float:
    """1 + the squared error of the predictions, as a share of them."""
    model, found = result
    X = data[0][: len(found)].astype(np.float64)
    return _miss(found, X @ model.coef_.T.astype(np.float64) + model.intercept_)


def _entries(X: Any) -> int:
    return int(X.nnz if sparse.issparse(X) else X.size)


def nmf_work(data: Data, model: Any) -> float:
    """Both products with X, an iteration."""
    return 4.0 * _entries(data[0]) * len(model.components_) * model.n_iter_


def lloyd_work(data: Data, model: Any) -> float:
    """The products of rows and centroids, an iteration and once at the end."""
    return 2.0 * _entries(data[0]) * len(model.cluster_centers_) * (model.n_iter_ + 1)


def full_work(data: Data, model: Any) -> float:
    """The triangular products and the weighted squares, a step."""
    n, d = data[0].shape
    return 2.0 * n * d * (d + 1) * len(model.weights_) * model.n_iter_


def gram_work(data: Data, model: Any) -> float:
    """Half of the Gram matrix of the shorter side, and the products with the targets, if there are any."""
    targets = sum(y.size // len(y) for y in data[1:])
    return float(_entries(data[0]) * (min(data[0].shape) + 1 + 2 * targets))

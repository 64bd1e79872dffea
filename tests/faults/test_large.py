"""More than 2^31 entries: the last rows are treated as they are alone. Takes 2.5 GiB and minutes."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import gramfold as gf

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]
ROWS, COLS, LAST = 1_100_000, 2000, 500
ONE = {"max_iter": 1, "random_state": 0}


@pytest.fixture(scope="module")
def X():
    x = np.random.default_rng(0).integers(0, 256, (ROWS, COLS), dtype=np.uint8)
    assert x.size > 2**31
    return x


def unit(rows, cols):
    d = np.random.default_rng(1).standard_normal((rows, cols)).astype(np.float32)
    return d / np.linalg.norm(d, axis=1, keepdims=True)


# What a model says of rows: of all, and of the last ones.
SAID = {
    "KMeans": lambda x, fit: gf.KMeans(3, init="random", **ONE).fit(fit).predict(x),
    "NMF": lambda x, fit: gf.NMF(2, init="random", tol=0, **ONE).fit(fit).transform(x),
    "NMF, KL": lambda x, fit: gf.NMF(
        2, init="random", tol=0, beta_loss="kullback-leibler", solver="mu", **ONE
    ).fit(fit).transform(x),
    "PoissonMixture": lambda x, fit: gf.PoissonMixture(2, **ONE).fit(fit).predict(x),
    "GaussianMixture": lambda x, fit: gf.GaussianMixture(
        2, covariance_type="diag", init_params="random_from_data", **ONE
    ).fit(fit).predict(x),
    "PCA": lambda x, fit: gf.PCA(2).fit(fit).transform(x),
    "Ridge": lambda x, fit: gf.Ridge().fit(fit, fit[:, 0].astype(float)).predict(x),
    "sparse_encode": lambda x, fit: gf.sparse_encode(
        x, unit(4, COLS), algorithm="omp", n_nonzero_coefs=1
    ),
}  # fmt: skip

BY_BLAS = ("PCA", "Ridge")  # whose roundings depend on how many rows there are


@pytest.mark.parametrize("name", SAID)
def test_the_last_rows_of_many_are_as_they_are_alone(X, name):
    few = X[:3000]
    found, alone = SAID[name](X, few), SAID[name](X[-LAST:], few)
    assert found.shape[0] == ROWS
    if name in BY_BLAS:
        assert_allclose(found[-LAST:], alone, rtol=0, atol=1e-5 * np.abs(alone).max())
    else:
        assert_array_equal(found[-LAST:], alone)


def test_sums_over_all_rows_are_right(X):
    """The covariance of some columns, and the mean of all, which NumPy adds up in integers."""
    model = gf.PCA(2, svd_solver="covariance_eigh").fit(X[:, :200])
    means = np.sum(X[:, :200], axis=0, dtype=np.int64) / ROWS
    assert_allclose(model.mean_, means, rtol=1e-6)
    labels = gf.KMeans(1, max_iter=1, init=X[:1].astype(np.float32)).fit(X)
    assert_allclose(labels.cluster_centers_[0, :200], means, rtol=1e-5)

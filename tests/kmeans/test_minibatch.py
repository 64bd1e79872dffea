"""MiniBatchKMeans: scikit-learn's steps, partial_fit, priors, stopping."""

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.cluster as peer
from kmeans.cases import blobs
from numpy.testing import assert_allclose, assert_array_equal
from peer import VERSION

import gramfold as gf


@pytest.fixture
def X():
    return blobs(3000)


@pytest.mark.skipif(VERSION < (1, 9), reason="scikit-learn drew other rows before 1.9")
@pytest.mark.parametrize("form", [np.array, sp.csr_array], ids=["dense", "csr"])
@pytest.mark.parametrize("k", [3, 30])
def test_the_same_seed_gives_scikit_learns_fit(X, form, k):
    options = {"random_state": 3, "batch_size": 256, "tol": 1e-6}
    ours, theirs = (m(k, **options).fit(form(X)) for m in (gf.MiniBatchKMeans, peer.MiniBatchKMeans))
    assert (ours.n_steps_, ours.n_iter_) == (theirs.n_steps_, theirs.n_iter_)
    assert_allclose(ours.cluster_centers_, theirs.cluster_centers_, rtol=1e-9)
    assert_allclose(ours.inertia_, theirs.inertia_, rtol=1e-9)
    assert_array_equal(ours.labels_, theirs.labels_)


def test_partial_fits_are_scikit_learns(X):
    weights = np.random.default_rng(0).random(len(X))
    ours, theirs = (
        m(10, random_state=0, init=X[:10], n_init=1) for m in (gf.MiniBatchKMeans, peer.MiniBatchKMeans)
    )
    for begin in range(0, 3000, 500):
        part = slice(begin, begin + 500)
        for model in (ours, theirs):
            model.partial_fit(X[part], sample_weight=weights[part])
        assert_allclose(ours.cluster_centers_, theirs.cluster_centers_, rtol=1e-9)
        assert_array_equal(ours.labels_, theirs.labels_)
    assert ours.n_steps_ == 6


def test_the_centroid_of_all_batches_is_the_ridge_mean_of_all_rows(X):
    model = gf.MiniBatchKMeans(1, init=X[:1], ridge=7.0, prior_mean=np.arange(6.0), reassignment_ratio=0.0)
    for begin in range(0, 3000, 300):
        model.partial_fit(X[begin : begin + 300])
    expected = (7 * np.arange(6) + X.sum(axis=0)) / (7 + len(X))
    assert_allclose(model.cluster_centers_[0], expected, rtol=1e-10)


def test_frozen_centroids_stay(X):
    model = gf.MiniBatchKMeans(6, frozen=X[:2], random_state=0).fit(X)
    assert_array_equal(model.cluster_centers_[:2], X[:2])


def test_a_fit_may_leave_the_labels_out(X):
    model = gf.MiniBatchKMeans(5, random_state=0, compute_labels=False).fit(X)
    assert not hasattr(model, "labels_")
    assert_allclose(model.inertia_, -model.score(X), rtol=0.2)


def test_the_callback_stops_the_fit(X):
    model = gf.MiniBatchKMeans(5, random_state=0, callback=lambda info: info.iteration == 4).fit(X)
    assert model.n_steps_ == 4 == len(model.history_["objective"])
    assert not model.converged_


def test_cosine_centroids_have_norm_one(X):
    model = gf.MiniBatchKMeans(5, metric="cosine", random_state=0).fit(X)
    assert_allclose(np.linalg.norm(model.cluster_centers_, axis=1), 1)


@pytest.mark.parametrize(("name", "value"), [
    ("batch_size", 0), ("compute_labels", 1), ("reassignment_ratio", -1), ("max_no_improvement", 0),
    ("init_size", 0), ("n_clusters", 0), ("ridge", -1), ("metric", "l1"),
])  # fmt: skip
def test_a_wrong_parameter_is_named(X, name, value):
    with pytest.raises(ValueError, match=name):
        gf.MiniBatchKMeans(3).set_params(**{name: value}).fit(X)

"""Where k-means starts: scikit-learn's draws, in proportion to distances, and what spares reads of X."""

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.cluster as peer
from kmeans.cases import blobs, quiet
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import make_blobs

import gramfold as gf
from gramfold.fold.source import Source
from gramfold.kmeans import seeding


@pytest.fixture
def X():
    return blobs()


def test_a_sketch_of_the_rows_changes_no_draw_of_kmeans_plusplus(monkeypatch):
    X = make_blobs(20_000, 32, centers=40, cluster_std=3, random_state=0)[0]
    shares = []
    monkeypatch.setattr(seeding.Sketch, "learn", lambda self, share: shares.append(share))
    drawn = [gf.kmeans_plusplus(X, 120, random_state=1, n_threads=n)[1] for n in (1, 2, 3)]
    assert min(shares) < 0.5
    assert len(shares) == 3 * 119
    monkeypatch.setattr(seeding, "SKETCH_SEEDS", 10**6)
    plain = gf.kmeans_plusplus(X, 120, random_state=1)[1]
    assert len(shares) == 3 * 119
    for rows in drawn:
        assert_array_equal(rows, plain)


def test_kmeans_plusplus_draws_scikit_learns_rows(X):
    weights = np.random.default_rng(0).random(len(X))
    for options in ({}, {"sample_weight": weights}, {"n_local_trials": 1}):
        centers, rows = gf.kmeans_plusplus(X, 60, random_state=3, **options)
        assert_array_equal(rows, peer.kmeans_plusplus(X, 60, random_state=3, **options)[1])
        assert_array_equal(centers, X[rows])
        assert_array_equal(gf.kmeans_plusplus(sp.csr_array(X), 60, random_state=3, **options)[1], rows)


def test_rows_are_drawn_in_proportion_to_their_squared_distance():
    X = np.array([[0.0], [0.0], [1.0], [2.0], [3.0]])
    drawn = [gf.kmeans_plusplus(X, 2, random_state=i, n_local_trials=1, sample_weight=[1, 0, 0, 0, 0])[1][1]
             for i in range(20)]  # fmt: skip
    assert set(drawn) == {0}
    fixed = [seeding.plus_plus(Source(X, 1), None, 1, np.random.RandomState(i), n_local_trials=1,
                                  fixed=np.zeros((1, 1)))[1][0] for i in range(3000)]  # fmt: skip
    found = np.bincount(fixed, minlength=5) / 3000
    # Three standard errors of a share of 9/14.
    assert_allclose(found, np.array([0, 0, 1, 4, 9]) / 14, atol=0.027)


def test_k_means_parallel_seeds_as_well_as_k_means_plus_plus():
    X = blobs(4000, std=0.5)
    inertia = [
        np.mean([quiet(gf.KMeans(15, init=init, max_iter=1, random_state=i), X).inertia_ for i in range(8)])
        for init in ("k-means++", "k-means||", "random")
    ]
    assert inertia[1] < 1.5 * inertia[0]
    assert inertia[1] < 0.5 * inertia[2]

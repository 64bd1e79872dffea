"""Where k-means starts: scikit-learn's draws, in proportion to distances, and what spares reads of X."""

from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.cluster as peer
from kmeans.cases import blobs, quiet
from numpy.testing import assert_allclose, assert_array_equal
from segment_cases import cut
from sklearn.base import clone

import gramfold as gf
from gramfold.fold.source import Source
from gramfold.kmeans import potential, seeding, sieve


@pytest.fixture
def X():
    return blobs()


def plain(X, k, monkeypatch, **options):
    """The rows drawn where nothing is spared, a seed at a time."""
    with monkeypatch.context() as patched:
        patched.setattr(potential.Sieve, "worth", staticmethod(lambda *_: False))
        patched.setattr(potential, "MOST", 0)
        return gf.kmeans_plusplus(X, k, random_state=1, **options)[1]


def _rows(kind, n=6000, d=24):
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((n, d))
    if kind == "noise":
        return noise
    if kind == "far from the origin":
        return noise + 3e4
    if kind == "copies":
        return noise[rng.integers(n // 20, size=n)]
    if kind == "one row far out":
        noise[7] *= 1e6
        return noise
    return noise + 4 * rng.standard_normal((40, d))[rng.integers(40, size=n)]


@pytest.fixture
def eager(monkeypatch):
    """However little it spares."""
    monkeypatch.setattr(sieve, "WORTH", 1)
    monkeypatch.setattr(sieve, "SLOW", 1)


KINDS = ["clusters", "noise", "copies", "far from the origin", "one row far out"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "form", [np.array, np.asfortranarray, lambda X: cut(X, 1500)], ids=["C", "F", "segments"]
)
@pytest.mark.usefixtures("eager")
def test_the_sieve_changes_no_draw(kind, form, dtype, monkeypatch):
    X = form(_rows(kind).astype(dtype))
    weights = np.random.default_rng(0).integers(3, size=6000).astype(float)
    for options in ({}, {"sample_weight": weights}, {"n_local_trials": 16}):
        expected = plain(X, 90, monkeypatch, **options)
        for n_threads in (1, 3):
            drawn = gf.kmeans_plusplus(X, 90, random_state=1, n_threads=n_threads, **options)[1]
            assert_array_equal(drawn, expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", [1, 1e-20, 1e18])
def test_rounds_of_one_call_draw_the_same(kind, scale, dtype, monkeypatch):
    """Copies of 40 rows leave nothing to draw from after as many seeds."""
    monkeypatch.setattr(potential.Sieve, "worth", staticmethod(lambda *_: False))
    X = (_rows(kind, 800) * scale).astype(dtype)
    weights = np.random.default_rng(0).integers(3, size=800).astype(float)
    for options in ({}, {"sample_weight": weights}, {"n_local_trials": 1}, {"n_local_trials": 16}):
        expected = plain(X, 60, monkeypatch, **options)
        for n_threads in (1, 3):
            drawn = gf.kmeans_plusplus(X, 60, random_state=1, n_threads=n_threads, **options)[1]
            assert_array_equal(drawn, expected)


@pytest.mark.parametrize("scale", [1e-20, 1e20])
@pytest.mark.usefixtures("eager")
def test_the_sieve_changes_no_draw_at_any_scale(scale, dtype, monkeypatch):
    X = (_rows("clusters") * scale).astype(dtype)
    assert_array_equal(gf.kmeans_plusplus(X, 60, random_state=1)[1], plain(X, 60, monkeypatch))


@pytest.mark.usefixtures("eager")
def test_the_sieve_changes_no_draw_of_as_many_seeds_as_rows(dtype, monkeypatch):
    X = _rows("clusters", 1100, 64).astype(dtype)
    assert_array_equal(gf.kmeans_plusplus(X, 1100, random_state=1)[1], plain(X, 1100, monkeypatch))


@pytest.mark.usefixtures("eager")
def test_the_sieve_changes_no_draw_beside_frozen_seeds_and_few_rows_that_count(dtype, monkeypatch):
    X, weights = _rows("noise").astype(dtype), np.zeros(6000)
    weights[::90] = 1
    models = [gf.KMeans(50, frozen=X[:12], random_state=0, max_iter=2)]
    models.append(clone(models[0]))
    assert_array_equal(gf.kmeans_plusplus(X, 70, random_state=1, sample_weight=weights)[1],
                       plain(X, 70, monkeypatch, sample_weight=weights))  # fmt: skip
    quiet(models[0], X)
    monkeypatch.setattr(potential.Sieve, "worth", staticmethod(lambda *_: False))
    assert_array_equal(quiet(models[1], X).cluster_centers_, models[0].cluster_centers_)


@pytest.mark.parametrize("kind", ["clusters", "noise"])
@pytest.mark.usefixtures("eager")
def test_the_sieve_spares_most_rows(kind, monkeypatch):
    X = Source(_rows(kind, 12_000, 64), 2)
    read, kernels = [], sieve.kernels

    def drawn(**arguments):
        done = kernels.draw_seeds(**arguments)
        read.append((done.rounds, done.read))
        return done

    monkeypatch.setattr(sieve, "kernels", SimpleNamespace(draw_seeds=drawn, sketch=kernels.sketch))
    seeding.plus_plus(X, None, 200, np.random.RandomState(0))
    rounds, rows = np.sum(read, axis=0)
    assert rounds == 199
    assert rows < 0.14 * 200 * X.rows


@pytest.mark.usefixtures("eager")
def test_rows_of_one_and_of_several_segments_give_the_same_seeds(dtype):
    X = _rows("clusters").astype(dtype)
    expected = gf.kmeans_plusplus(gf.blocks([X]), 90, random_state=1)[1]
    assert_array_equal(gf.kmeans_plusplus(gf.blocks([X[:2016], X[2016:]]), 90, random_state=1)[1], expected)


@pytest.mark.usefixtures("eager")
def test_a_new_order_leaves_out_balls_of_rows(monkeypatch):
    made = []

    class Kept(sieve.Sieve):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            made.append((self, self._sketches))

    monkeypatch.setattr(potential, "Sieve", Kept)
    seeding.plus_plus(Source(_rows("clusters", 12_000, 16), 1), None, 300, np.random.RandomState(0))
    ((last, at_first),) = made
    assert last._sketches is not at_first
    assert_array_equal(np.sort(last._sketches[0]._arguments["order"]), np.arange(12_000))
    assert last._looked < 0.5


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

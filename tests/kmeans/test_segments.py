"""k-means on rows in segments: what the whole gives, whatever the segments."""

import pickle
from functools import partial

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from segment_cases import SIZES, cut

import gramfold as gf
from gramfold.fold.engine import run
from gramfold.fold.segments import Segments
from gramfold.kmeans import passes
from gramfold.kmeans.lloyd import Assigner


def rows(sparse=False, n=1100, d=12):
    rng = np.random.default_rng(5)
    X = rng.normal(size=(n, d)) + 3 * rng.integers(0, 4, size=(n, 1))
    return sp.csr_array(np.where(rng.random(X.shape) < 0.5, X, 0)) if sparse else X


MODELS = {
    "KMeans": lambda **o: gf.KMeans(6, random_state=0, **o),
    "KMeans, many": lambda **o: gf.KMeans(40, random_state=0, max_iter=20, tol=0, **o),
    "KMeans, k-means||": lambda **o: gf.KMeans(6, init="k-means||", random_state=0, **o),
    "KMeans, random": lambda **o: gf.KMeans(6, init="random", n_init=2, random_state=0, **o),
    "KMeans, ridge and cosine": lambda **o: gf.KMeans(5, ridge=3.0, metric="cosine", random_state=0, **o),
    "MiniBatchKMeans": lambda **o: gf.MiniBatchKMeans(6, random_state=0, batch_size=200, max_iter=5, **o),
}


def compare(model, whole, X, parts):
    assert_allclose(model.cluster_centers_, whole.cluster_centers_, rtol=1e-10, atol=1e-12)
    assert_array_equal(model.labels_, whole.labels_)
    assert_allclose(model.inertia_, whole.inertia_, rtol=1e-10)
    assert_array_equal(model.predict(parts), whole.predict(X))
    assert_allclose(model.transform(parts), whole.transform(X), rtol=1e-10, atol=1e-12)
    assert_allclose(model.score(parts), whole.score(X), rtol=1e-10)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "CSR"])
def test_kmeans_on_segments_is_kmeans_on_the_whole(sparse, size):
    X = rows(sparse)
    compare(MODELS["KMeans"]().fit(cut(X, size)), MODELS["KMeans"]().fit(X), X, cut(X, size))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "CSR"])
def test_every_start_and_variant_takes_segments(name, sparse):
    X = rows(sparse)
    compare(MODELS[name]().fit(cut(X, "unequal")), MODELS[name]().fit(X), X, cut(X, "unequal"))


@pytest.mark.parametrize("name", MODELS)
def test_the_number_of_threads_changes_no_bit(name):
    X = cut(rows(), "unequal")
    one, three = (MODELS[name](n_threads=n).fit(X) for n in (1, 3))
    assert_array_equal(one.cluster_centers_, three.cluster_centers_)
    assert_array_equal(one.labels_, three.labels_)
    assert one.inertia_ == three.inertia_


def test_weights_and_the_seeds_of_segments_are_those_of_the_whole():
    X, w = rows(), np.random.default_rng(2).integers(0, 3, 1100).astype(float)
    parts = cut(X, "unequal")
    seeds, chosen = gf.kmeans_plusplus(X, 20, sample_weight=w, random_state=1)
    found, indices = gf.kmeans_plusplus(parts, 20, sample_weight=w, random_state=1)
    assert_array_equal(indices, chosen)
    assert_array_equal(found, seeds)
    whole = gf.KMeans(6, random_state=0).fit(X, sample_weight=w)
    compare(gf.KMeans(6, random_state=0).fit(parts, sample_weight=w), whole, X, parts)


def test_mini_batches_may_come_in_segments():
    X = rows()
    model, whole = (gf.MiniBatchKMeans(5, random_state=0) for _ in range(2))
    for begin in range(0, 1100, 275):
        batch = X[begin : begin + 275]
        model.partial_fit(gf.blocks([batch[:100], batch[100:100], batch[100:]]))
        whole.partial_fit(batch)
    assert_allclose(model.cluster_centers_, whole.cluster_centers_, rtol=1e-10)


def test_an_empty_cluster_takes_the_same_row_of_segments():
    X = rows()
    start = np.vstack([X[:3], np.full((2, 12), 1e3)])
    with pytest.warns(match="init"):
        whole = gf.KMeans(5, init=start, n_init=2).fit(X)
    parts = cut(X, 48)
    compare(gf.KMeans(5, init=start, n_init=1).fit(parts), whole, X, parts)


@pytest.mark.parametrize("name", MODELS)
def test_rows_are_never_copied_together(name, monkeypatch):
    def refuse(self):
        raise AssertionError("the rows were copied together")

    monkeypatch.setattr(Segments, "x", property(refuse))
    MODELS[name]().fit(cut(rows(), "unequal")).predict(cut(rows(), 48))


def test_passes_are_picklable():
    X = rows()
    x, centers = Segments(cut(X, 48).parts, 2), X[:7].copy()
    assign = partial(passes.assign, sums=True, wide=False)
    state = {"weights": None, "labels": np.full(1100, -1, np.int32), "lower": None, "upper": None}
    shared = {"centers": centers, **passes.UNBOUNDED}
    found, gain = run(pickle.loads(pickle.dumps(assign)), x, shared, state)
    expected = Assigner(x, None)(centers)
    assert_array_equal(found.counts, expected.counts)
    assert_array_equal(gain, expected.sums)


def test_a_pass_with_sums_cannot_follow_one_without():
    assign = Assigner(Segments([rows()], 1), None)
    assign(rows()[:3], sums=False)
    with pytest.raises(RuntimeError, match="cannot follow"):
        assign(rows()[:3])

"""Mixtures of rows in segments: what the whole gives, whatever the segments."""

import pickle
from functools import partial

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from segment_cases import cut

import gramfold as gf
from gramfold.fold.engine import run
from gramfold.fold.segments import Segments
from gramfold.mixture import passes

N, D, K = 1100, 8, 3


def points():
    rng = np.random.default_rng(3)
    return rng.normal(size=(N, D)) + 4 * rng.integers(0, K, size=(N, 1)) + 100


def counts(sparse=False):
    rng = np.random.default_rng(4)
    X = rng.poisson(np.array([0.5, 3, 8])[rng.integers(0, K, N)][:, None] * rng.random(D)).astype(float)
    return sp.csr_array(X) if sparse else X


MODELS = {
    **{
        kind: (
            lambda kind=kind, **o: gf.GaussianMixture(K, covariance_type=kind, random_state=0, **o),
            points,
        )
        for kind in ("full", "tied", "diag", "spherical")
    },
    **{
        f"full, {init}": (
            lambda init=init, **o: gf.GaussianMixture(K, init_params=init, random_state=0, tol=1e-6, **o),
            points,
        )
        for init in ("k-means++", "random_from_data")
    },
    "Poisson": (lambda **o: gf.PoissonMixture(K, random_state=0, **o), counts),
    "Poisson, CSR": (lambda **o: gf.PoissonMixture(K, random_state=0, **o), partial(counts, sparse=True)),
}


def fitted(model):
    names = ("weights_", "means_", "covariances_", "rates_", "lower_bounds_")
    return {name: np.asarray(getattr(model, name)) for name in names if hasattr(model, name)}


def compare(model, whole, X, parts):
    for name, expected in fitted(whole).items():
        assert_allclose(fitted(model)[name], expected, rtol=1e-10, atol=1e-12, err_msg=name)
    assert_array_equal(model.predict(parts), whole.predict(X))
    assert_allclose(model.predict_proba(parts), whole.predict_proba(X), rtol=1e-8, atol=1e-12)
    assert_allclose(model.score_samples(parts), whole.score_samples(X), rtol=1e-10)
    assert_allclose(model.bic(parts), whole.bic(X), rtol=1e-10)


@pytest.mark.parametrize("name", MODELS)
def test_every_mixture_takes_segments(name):
    make, data = MODELS[name]
    X = data()
    compare(make().fit(cut(X, "unequal")), make().fit(X), X, cut(X, "unequal"))


@pytest.mark.parametrize("size", [1, 7, 48, 1000])
@pytest.mark.parametrize("name", ["full", "Poisson, CSR"])
def test_the_size_of_segments_does_not_matter(name, size):
    make, data = MODELS[name]
    X = data()[: 150 if size == 1 else N]
    compare(make(max_iter=20).fit(cut(X, size)), make(max_iter=20).fit(X), X, cut(X, size))


@pytest.mark.parametrize("name", MODELS)
def test_the_number_of_threads_changes_no_bit(name):
    make, data = MODELS[name]
    one, three = (fitted(make(n_threads=n).fit(cut(data(), "unequal"))) for n in (1, 3))
    for key, value in one.items():
        assert_array_equal(value, three[key])


def test_weights_and_exposures_are_cut_with_the_rows():
    X, w = points(), np.random.default_rng(2).integers(0, 3, N).astype(float)
    whole = gf.GaussianMixture(K, random_state=0).fit(X, sample_weight=w)
    compare(
        gf.GaussianMixture(K, random_state=0).fit(cut(X, "unequal"), sample_weight=w),
        whole,
        X,
        cut(X, "unequal"),
    )
    X, exposure = counts(), 0.5 + np.random.default_rng(1).random(N)
    model, whole = (gf.PoissonMixture(K, random_state=0, max_iter=30) for _ in range(2))
    whole.fit(X, sample_weight=w, exposure=exposure)
    model.fit(cut(X, "unequal"), sample_weight=w, exposure=exposure)
    assert_allclose(model.rates_, whole.rates_, rtol=1e-10)
    for name, (some, all_) in enumerate(
        zip(
            model.standard_errors(cut(X, "unequal"), sample_weight=w, exposure=exposure),
            whole.standard_errors(X, sample_weight=w, exposure=exposure),
            strict=True,
        )
    ):
        assert_allclose(some, all_, rtol=1e-7, err_msg=str(name))


@pytest.mark.parametrize("name", ["full", "tied", "Poisson", "Poisson, CSR"])
def test_rows_are_never_copied_together(name, no_copy):
    make, data = MODELS[name]
    make().fit(cut(data(), "unequal")).predict(cut(data(), 48))


def test_passes_are_picklable():
    X = counts()
    step = partial(passes.poisson, sums=True)
    shared = {"f": np.zeros((D, K)), "bias": np.zeros(K), "slope": np.ones(K)}
    state = {"exposure": None, "weights": None}
    found, sums = run(pickle.loads(pickle.dumps(step)), Segments(cut(X, 48).parts, 2), shared, state)
    assert_allclose(found.counts, np.full(K, N / K), rtol=1e-12)
    assert_allclose(sums, np.repeat(X.sum(axis=0)[:, None] / K, K, axis=1), rtol=1e-12)


def test_a_block_that_is_not_of_counts_is_found_wherever_it_lies():
    X = counts()
    X[900, 2] = -1
    with pytest.raises(ValueError, match="holds -1, not a count"):
        gf.PoissonMixture(K).fit(cut(X, 48))
    X[900, 2] = 0.5
    with pytest.raises(ValueError, match="not whole"):
        gf.PoissonMixture(K).fit(cut(X, 48))

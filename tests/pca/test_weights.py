"""Row weights of PCA: counts, reliabilities, at any scale; what memory wide and tall matrices take."""

import tracemalloc

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse as sp
from numpy.testing import assert_allclose
from pca.cases import FORMS

import gramfold as gf


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", [(90, 12), (12, 90)], ids=str)
@pytest.mark.parametrize("scale", [1e300, 1e-300, 1e-3, 1])
def test_only_ratios_of_reliabilities_matter(scale, shape, form, dtype):
    rng = np.random.default_rng(0)
    X, weights = rng.standard_normal(shape).astype(dtype) + 3, rng.random(shape[0])
    weights[::3] = 0
    V1, wide = weights.sum(), X.astype(np.float64)
    mean = weights @ wide / V1
    s = scipy.linalg.svd(np.sqrt(weights)[:, None] * (wide - mean), compute_uv=False)[:4]
    for solver in ("auto", "arpack", "full" if form == "dense" else "covariance_eigh", "randomized"):
        model = gf.PCA(4, svd_solver=solver).fit(FORMS[form](X), sample_weight=scale * weights)
        rtol = 1e-5 if dtype == np.float32 else 1e-12
        assert_allclose(model.mean_, mean, rtol=rtol)
        assert_allclose(model.explained_variance_, s**2 / (V1 - weights @ weights / V1), rtol=rtol)
        assert_allclose(model.singular_values_ / np.sqrt(scale), s, rtol=rtol)
        off = wide - model.mean_.astype(np.float64)
        assert_allclose(model.transform(FORMS[form](X)), off @ model.components_.T, atol=1e3 * rtol)


def test_fractional_weights_drop_no_components():
    X = np.random.default_rng(0).standard_normal((100, 60))
    for n_components in (None, 0.99, 40, "mle"):
        model = gf.PCA(n_components).fit(X, sample_weight=np.full(100, 0.25))
        plain = gf.PCA(n_components).fit(X)
        assert model.n_components_ == plain.n_components_
        assert_allclose(model.explained_variance_, plain.explained_variance_, rtol=1e-12)
        assert_allclose(model.noise_variance_, plain.noise_variance_, rtol=1e-9, atol=1e-15)
        assert_allclose(model.singular_values_, plain.singular_values_ / 2, rtol=1e-12)


def test_whole_weights_are_counts():
    rng = np.random.default_rng(0)
    X, counts = rng.standard_normal((20, 6)), rng.integers(0, 4, 20)
    model, repeated = gf.PCA(3).fit(X, sample_weight=counts), gf.PCA(3).fit(np.repeat(X, counts, axis=0))
    for name in ("explained_variance_", "singular_values_", "noise_variance_", "mean_", "components_"):
        assert_allclose(getattr(model, name), getattr(repeated, name), atol=1e-12)


@pytest.mark.parametrize("weight", [0.3, 1])
def test_the_weight_of_one_row_is_refused(weight):
    with pytest.raises(ValueError, match="sample_weight must stand for more than one row"):
        gf.PCA(1).fit(np.eye(4), sample_weight=[weight, 0, 0, 0])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", [(30, 9000), (9000, 30)], ids=str)
def test_no_model_needs_the_square_of_the_longer_side(shape, form):
    rng = np.random.default_rng(0)
    at = rng.integers(0, shape[0], 2700), rng.integers(0, shape[1], 2700)
    X = sp.csr_array((rng.standard_normal(2700), at), shape=shape)
    X, weights = X.toarray() if form == "dense" else X, rng.random(shape[0])
    calls = {
        "svd": lambda: gf.TruncatedSVD(5).fit(X),
        "svd, weighted": lambda: gf.TruncatedSVD(5, algorithm="gram").fit(X, sample_weight=weights),
        "pca": lambda: gf.PCA(5).fit(X),
        "pca, weighted": lambda: gf.PCA(5).fit(X, sample_weight=weights),
        "pca, a share": lambda: gf.PCA(0.5).fit(X),
        "pca, Krylov": lambda: gf.PCA(2, svd_solver="randomized", iterated_power=1, n_oversamples=1).fit(X),
        "batches": lambda: gf.IncrementalPCA(5, batch_size=15).fit(X),
        "score": lambda: gf.PCA(5).fit(X).score(X),
    }
    if form == "dense":
        calls["pca by LAPACK"] = lambda: gf.PCA(5, svd_solver="full").fit(X)
    whole = 8 * shape[0] * shape[1]  # the square of the longer side is 300 times this
    for name, call in calls.items():
        tracemalloc.start()
        call()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 14 * whole, name


@pytest.mark.parametrize("shape", [(20, 300), (300, 20), (50, 50)], ids=str)
def test_rows_have_the_density_of_the_covariance(shape):
    X = np.random.default_rng(0).standard_normal(shape)
    model = gf.PCA(4).fit(X)
    C, off = model.get_covariance(), X - model.mean_
    log_det = np.linalg.slogdet(2 * np.pi * C)[1]
    expected = [-0.5 * (row @ scipy.linalg.solve(C, row) + log_det) for row in off]
    assert_allclose(model.score_samples(X), expected, rtol=1e-9)
    assert_allclose(model.score_samples(sp.csr_array(X)), expected, rtol=1e-9)
    assert_allclose(model.get_precision() @ C, np.eye(shape[1]), atol=1e-9)


@pytest.mark.parametrize("most_features", [4096, 5])
def test_first_batches_may_be_smaller_than_the_components(most_features, monkeypatch):
    monkeypatch.setattr("gramfold.pca.incremental.MOST_FEATURES", most_features)
    X = np.random.default_rng(0).standard_normal((40, 12)) + 1e3
    model = gf.IncrementalPCA(5)
    for batch, rows in ((X[:1], 1), (X[1:3], 3), (X[3:4], 4), (X[4:], 5)):
        assert model.partial_fit(batch).transform(X).shape == (40, rows)
    if most_features > 12:
        assert_allclose(model.components_, gf.PCA(5).fit(X).components_, atol=1e-10)
    with pytest.raises(ValueError, match="n_components must be at most the 4 rows"):
        gf.IncrementalPCA(5).fit(X[:4])
    with pytest.raises(ValueError, match=r"whole, got 0\.5"):
        gf.IncrementalPCA(0.5).fit(X)
    with pytest.raises(ValueError, match="features"):
        model.partial_fit(X[:, :5])


@pytest.mark.parametrize("form", [sp.csr_array, sp.csc_array, sp.coo_array])
@pytest.mark.parametrize("model", [gf.PCA(2, whiten=True), gf.TruncatedSVD(2), gf.IncrementalPCA(2)], ids=str)
def test_sparse_input_is_left_alone(model, form):
    X = form(np.random.default_rng(0).standard_normal((20, 6)) + 1e6)
    parts = ("data", "row", "col") if form is sp.coo_array else ("data", "indices", "indptr")
    before = [getattr(X, part).copy() for part in parts]
    model.fit(X).transform(X)
    if hasattr(model, "score"):
        model.score(X)
    for part, old in zip(parts, before, strict=True):
        assert np.array_equal(getattr(X, part), old)


def test_nan_is_refused_with_what_to_do():
    X = np.ones((6, 3))
    X[2, 1] = np.nan
    models = gf.PCA(2), gf.TruncatedSVD(2), gf.IncrementalPCA(2)
    cases = [(model, given) for model in models for given in (X, sp.csr_array(X))]
    for model, given in [*cases, (gf.PCA(2, svd_solver="full"), X)]:
        with pytest.raises(ValueError, match="missing='mask'"):
            model.fit(given)

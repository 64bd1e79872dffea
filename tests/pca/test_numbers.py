"""PCA where numbers are hard: far from the origin, at any scale, nearly dependent, without variance."""

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from pca.cases import FORMS, graded
from sklearn.base import clone
from sklearn.datasets import load_digits

import gramfold as gf
from gramfold.pca.rows import Rows

SOLVERS = ["auto", "full", "covariance_eigh", "randomized"]
CASES = [(solver, form) for solver in SOLVERS for form in FORMS if (solver, form) != ("full", "csr")]
SHAPES = [(200, 8), (8, 60), (60, 60)]


def values(X, weights=None, centre=True):
    """Singular values in float64 of what is centred in longdouble."""
    X = X.astype(np.longdouble)
    w = np.ones(len(X)) if weights is None else np.asarray(weights, np.longdouble)
    mean = (w[:, None] * X).sum(axis=0) / w.sum() if centre else 0
    return scipy.linalg.svd((np.sqrt(w)[:, None] * (X - mean)).astype(np.float64), compute_uv=False)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("solver", "form"), CASES)
def test_a_mean_of_1e8_costs_only_its_rounding(solver, shape, form):
    X = np.random.default_rng(0).standard_normal(shape) + 1e8
    given, expected = FORMS[form](X), values(X)
    model = gf.PCA(4, svd_solver=solver).fit(given)
    assert_allclose(model.singular_values_, expected[:4], rtol=1e-8)
    batches = gf.IncrementalPCA(4, batch_size=min(shape[0], 57)).fit(given)
    assert_allclose(batches.singular_values_, expected[:4], rtol=1e-7)
    off = X.astype(np.longdouble) - X.astype(np.longdouble).mean(axis=0)
    assert_allclose(model.transform(given), off @ model.components_.T, atol=3e-7)


def test_csr_in_float32_is_centred_exactly():
    X = np.array([[1e4 + 1, 1e4], [1e4, 1e4 + 1]], np.float32)
    model = gf.PCA().fit(sp.csr_array(X))
    assert_allclose(model.singular_values_, [1, 0], atol=1e-6)
    codes = model.transform(sp.csr_array(X))
    assert_allclose(np.abs(codes[:, 0]), np.sqrt(0.5), rtol=1e-5)
    assert codes.dtype == np.float32


@pytest.mark.parametrize("transposed", [False, True])
def test_a_sparse_column_may_be_far_away_and_not_all_stored(transposed):
    rng = np.random.default_rng(0)
    X = (rng.random((300, 12)) < 0.1) * rng.standard_normal((300, 12))
    X[:, 3] = 1e7 + rng.standard_normal(300)
    weights = np.ones(300)
    for least in (0, 1e-13):
        X[:2, 3], weights[:2] = 0, least
        expected = values(X.T if transposed else X, None if transposed else weights)[:10]
        if transposed:
            model = gf.PCA(10).fit(sp.csr_array(X.T))
        else:
            model = gf.PCA(10).fit(sp.csr_array(X), sample_weight=weights)
        assert_allclose(model.singular_values_, expected, rtol=1e-7)


@pytest.mark.parametrize("shape", [(60, 12), (12, 60)], ids=str)
@pytest.mark.parametrize(
    ("model", "form"),
    [
        *((gf.PCA(3, svd_solver=solver, random_state=0), form) for solver, form in CASES),
        (gf.PCA(0.9), "csr"), (gf.PCA(3, whiten=True), "dense"), (gf.TruncatedSVD(3), "csr"),
        (gf.TruncatedSVD(3, algorithm="gram"), "dense"), (gf.IncrementalPCA(3, batch_size=7), "csr"),
        (gf.PCA(2, missing="mask", tol=0.01), "dense"),
    ],
    ids=str,
)  # fmt: skip
def test_scaled_rows_have_scaled_singular_values(model, form, shape, dtype):
    rng = np.random.default_rng(0)
    X = (rng.standard_normal(shape) * np.logspace(0, -2, shape[1]) + 0.5).astype(dtype)
    if getattr(model, "missing", None) == "mask":
        X[2, 3] = np.nan
    rtol, most = (1e-4, 60) if dtype == np.float32 else (1e-10, 498)
    one = clone(model).fit(FORMS[form](X))
    for power in (-most, most):
        scaled = FORMS[form](np.ldexp(X, power))
        other = clone(model).fit(scaled)
        assert_allclose(np.ldexp(other.singular_values_, -power), one.singular_values_, rtol=rtol)
        assert_allclose(other.explained_variance_ratio_, one.explained_variance_ratio_, rtol=rtol)
        assert_allclose(other.components_, one.components_, atol=100 * rtol)
        codes = other.transform(scaled)
        codes = codes if getattr(model, "whiten", False) else np.ldexp(codes, -power)
        assert_allclose(codes, one.transform(FORMS[form](X)), atol=100 * rtol)


@pytest.mark.parametrize("power", [-140, 70])
def test_variances_out_of_the_range_of_the_type_are_refused(power):
    X = np.ldexp(np.random.default_rng(0).standard_normal((20, 5)).astype(np.float32), power)
    for model in (gf.PCA(2), gf.PCA(2, svd_solver="full"), gf.TruncatedSVD(2), gf.IncrementalPCA(2)):
        with pytest.raises(ValueError, match="X is too"):
            model.fit(X)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("small_side", [3000, 100])  # below which the Gram matrix takes over
@pytest.mark.parametrize("shape", [(150, 100), (210, 200), (200, 210)], ids=str)
def test_truncated_svd_does_not_square_the_condition(shape, small_side, form, monkeypatch):
    monkeypatch.setattr("gramfold.pca.krylov.SMALL_SIDE", small_side)
    X = graded(*shape, 10.5, 8)
    for algorithm in ("randomized", "gram"):
        model = gf.TruncatedSVD(8, algorithm=algorithm, random_state=0).fit(FORMS[form](X))
        assert_allclose(model.singular_values_, np.logspace(0, -10.5, 8), rtol=1e-4)
        assert_allclose(model.components_ @ model.components_.T, np.eye(8), atol=1e-12)


@pytest.mark.parametrize("decades", [6, 9, 12])
@pytest.mark.parametrize("shape", [(150, 40), (40, 150), (70, 70)], ids=str)
def test_singular_values_are_as_exact_as_lapacks(shape, decades):
    X = graded(*shape, decades, min(shape))
    expected = values(X)[: min(shape) - 1]
    for model in (gf.PCA(), gf.IncrementalPCA(batch_size=70), gf.PCA(svd_solver="full")):
        found = model.fit(X).singular_values_[: len(expected)]
        assert_allclose(found, expected, rtol=0, atol=4e-16 * np.sqrt(len(expected)) * expected[0])


@pytest.mark.parametrize("solver", SOLVERS)
def test_float32_rows_have_the_singular_values_of_their_numbers(solver):
    X = graded(320, 300, 5, 12, np.float32)
    model = gf.PCA(12, svd_solver=solver, random_state=0).fit(X)
    assert_allclose(model.singular_values_, values(X)[:12], rtol=1e-5)


@pytest.mark.parametrize(("shape", "k"), [((30, 27), 6), ((60, 40), 5), ((19, 30), 3)], ids=str)
def test_randomized_is_exact_where_blocks_are_not_small(shape, k):
    X = np.random.default_rng(0).standard_normal(shape)
    model = gf.PCA(k, svd_solver="randomized", random_state=0).fit(X)
    assert_allclose(model.singular_values_, values(X)[:k], rtol=1e-12)


@pytest.mark.parametrize("shape", [(700, 620), (620, 700)], ids=str)
def test_auto_is_exact_on_a_slowly_falling_spectrum(shape):
    X = np.random.default_rng(0).standard_normal(shape) * np.linspace(2, 1, shape[1])
    model = gf.PCA(15, random_state=0).fit(X)
    assert_allclose(model.singular_values_, values(X)[:15], rtol=1e-8)
    assert model.residuals_.max() <= 1e-5


@pytest.mark.parametrize("sparse", [False, True])
def test_residuals_bound_the_distance_to_a_singular_value(sparse):
    X = np.random.default_rng(0).standard_normal((350, 330)) * np.logspace(0, -1, 330)
    given, exact = sp.csr_array(X) if sparse else X, values(X)
    for model in (
        gf.PCA(5, svd_solver="randomized", iterated_power=2, random_state=0),
        gf.PCA(5, svd_solver="randomized", tol=1e-3, random_state=0),
    ):
        s, r = model.fit(given).singular_values_, model.residuals_
        assert np.all(np.abs(exact - s[:, None]).min(axis=1) <= r * s)
        off = X - X.mean(axis=0)
        back = off.T @ (off @ model.components_.T) / s
        assert_allclose(r, np.linalg.norm(back - model.components_.T * s, axis=0) / s, rtol=1e-6)
    assert 0 < r.max() <= 1e-3


def test_the_dimension_of_digits_is_their_rank():
    X = load_digits().data
    for scale in (1, 1e-20, 1e20):
        assert gf.PCA("mle").fit(scale * X).n_components_ == 61 == np.linalg.matrix_rank(X - X.mean(axis=0))


@pytest.mark.parametrize("mean", [0, 1e3])
@pytest.mark.parametrize(
    ("model", "form"),
    [
        *((gf.PCA(10, whiten=True, svd_solver=solver), form) for solver, form in CASES),
        *((gf.IncrementalPCA(10, whiten=True), form) for form in FORMS),
    ],
    ids=str,
)
def test_directions_without_variance_are_whitened_to_0(model, mean, form, dtype):
    rng = np.random.default_rng(0)
    X = (rng.standard_normal((200, 9)) @ rng.standard_normal((9, 10)) + mean).astype(dtype)
    codes = clone(model).fit(FORMS[form](X)).transform(FORMS[form](X))
    assert_allclose(codes[:, :9].std(axis=0, ddof=1), 1, rtol=1e-2)
    assert_array_equal(codes[:, 9], 0)
    fitted = clone(model).fit(FORMS[form](X))
    for call in (fitted.get_precision, lambda: fitted.score(X)):
        with pytest.raises(ValueError, match="n_components below 9"):
            call()


@pytest.mark.parametrize("shape", [(400, 40), (40, 400)], ids=str)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("model", [gf.PCA(), gf.PCA(38), gf.IncrementalPCA(38)], ids=str)
def test_sums_in_double_tell_what_sums_in_float32_do_not(model, form, shape, monkeypatch):
    def refuse(self, q):
        raise AssertionError("rows were read again")

    monkeypatch.setattr("gramfold.pca.rows.Rows.projected_gram", refuse)
    monkeypatch.setattr("gramfold.pca.sparse_rows.SparseRows.projected_gram", refuse)
    X = graded(*shape, 3, dtype=np.float32)
    expected = values(X)
    found = clone(model).fit(FORMS[form](X))
    assert found.singular_values_.dtype == np.float32
    k = min(len(found.singular_values_), len(expected) - (shape == (40, 400)))
    assert_allclose(found.singular_values_[:k], expected[:k], rtol=1e-6)
    assert_allclose(found.components_ @ found.components_.T, np.eye(len(found.components_)), atol=1e-6)


@pytest.mark.parametrize("shape", [(400, 40), (40, 400)], ids=str)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("last", [1e-3, 3e-5])
def test_all_components_of_float32_that_lacks_rank(last, form, shape):
    rng = np.random.default_rng(0)
    n, m = shape
    X = (rng.standard_normal((n, 9)) * np.geomspace(1, last, 9)) @ rng.standard_normal((9, m))
    X = FORMS[form](np.repeat(X[:, : m // 2].astype(np.float32), 2, axis=1))
    expected = values(X.toarray() if sp.issparse(X) else X)
    found = gf.PCA().fit(X).singular_values_
    assert_allclose(found[:9], expected[:9], rtol=1e-6, atol=1e-9 * expected[0])  # CSR is centred in float32
    assert np.all(found[np.flatnonzero(expected < 1e-8 * expected[0])] == 0)


@pytest.mark.parametrize(("power", "reads"), [(0, 1), (-60, 2), (60, 2)])
def test_wide_rows_are_measured_once_at_each_scale(power, reads, monkeypatch):
    total, calls = Rows._total, []
    monkeypatch.setattr(Rows, "_total", lambda self, shift: calls.append(0) or total(self, shift))
    X = graded(40, 400, 3, dtype=np.float32)
    model = gf.PCA().fit(np.ldexp(X, power))
    assert len(calls) == reads
    assert_allclose(np.ldexp(model.singular_values_, -power)[:39], values(X)[:39], rtol=1e-6)
    assert_allclose(np.ldexp(model.mean_, -power), X.mean(axis=0), atol=1e-6)


@pytest.mark.parametrize(("last", "graded"), [(0.5, False), (1e-3, True), (0.0, True)])
@pytest.mark.parametrize("power", [0, -60])
def test_columns_show_that_float32_tells_not_the_last_component(last, graded, power, monkeypatch):
    summed, gram = [], Rows.gram
    monkeypatch.setattr(Rows, "gram", lambda self, exact=False: summed.append(exact) or gram(self, exact))
    X = np.random.default_rng(0).standard_normal((2000, 256)) * np.linspace(1, last, 256)
    X = np.ldexp((X + 3).astype(np.float32), power)
    model = gf.PCA().fit(X)
    assert (False in summed) != graded
    expected = values(X)
    assert_allclose(model.singular_values_[:255], expected[:255], rtol=1e-5, atol=1e-6 * expected[0])
    weights = np.ones(2000)
    weights[::7] = 0
    some, kept = gf.PCA().fit(X, sample_weight=weights), gf.PCA().fit(X[weights > 0])
    assert_allclose(some.singular_values_, kept.singular_values_, rtol=1e-5, atol=1e-6 * expected[0])

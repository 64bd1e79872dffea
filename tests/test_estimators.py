"""NMF as an estimator: scikit-learn's battery, containers in and out, pipelines and searches."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import gramfold as gf

SPARSE = [
    getattr(sp, f"{form}_{kind}")
    for form in ("csr", "csc", "coo", "lil", "dok", "bsr", "dia")
    for kind in ("array", "matrix")
]
VARIANTS = [
    gf.NMF(max_iter=2000),
    gf.NMF(max_iter=2000, solver="hals", init="random", random_state=0),
    gf.NMF(2, init="random", random_state=0, max_iter=5000, max_sweeps=1, extrapolate=False, shuffle=True),
    gf.NMF(2, max_iter=2000, alpha_W=0.01, l1_ratio=0.5),
    # Without a penalty a signed factor of arbitrary data may grow without end.
    gf.NMF(2, max_iter=5000, alpha_W=0.01, W_nonneg=False),
    gf.NMF(2, max_iter=5000, alpha_W=0.01, H_nonneg=False),
    gf.NMF(2, max_iter=5000, alpha_W=0.01, W_nonneg=False, H_nonneg=False),
]


@pytest.fixture
def X():
    rng = np.random.default_rng(0)
    return rng.random((30, 8)) * (rng.random((30, 8)) < 0.6)


@pytest.fixture
def model():
    # One sweep per product: the budget of sweeps counts what an entry costs, and differs between formats.
    return gf.NMF(3, tol=0, max_iter=20, max_sweeps=1, random_state=0)


def not_to_expect(estimator):
    """Checks of weights against repeated rows: starts are made of the rows as they are; and see `NMF.fit`."""
    two = [f"check_sample_weight_equivalence_on_{form}_data" for form in ("dense", "sparse")]
    reasons = dict.fromkeys(two, "a start of repeated rows is another one")
    if estimator.l1_ratio:
        names = ("pandas_series", "not_an_array", "list", "shape", "not_overwritten")
        names = ["check_all_zero_sample_weights_error", *(f"check_sample_weights_{name}" for name in names)]
        reasons |= dict.fromkeys((*names, *two), "weights do not go with an L1 penalty on W")
    return reasons


@parametrize_with_checks(VARIANTS, expected_failed_checks=not_to_expect)
def test_scikit_learns_checks_pass(estimator, check):
    check(estimator)


@pytest.mark.parametrize("form", SPARSE, ids=lambda form: form.__name__)
def test_every_sparse_format_gives_the_dense_fit(X, model, form, dtype):
    X = X.astype(dtype)
    model.max_iter = 10  # before the objective falls by no more than its rounding, which chooses steps then
    W = clone(model).fit_transform(X)
    sparse = form(X)
    found = model.fit_transform(sparse)
    assert found.dtype == dtype
    # Ten iterations enlarge the different rounding of the two products.
    assert_allclose(found, W, atol=2000 * np.finfo(dtype).eps * W.max())
    assert_array_equal(model.transform(sparse), found)
    assert_array_equal(gf.encode(sparse, model.components_), found)


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_read_only_memory_map_is_read_in_place(tmp_path, X, model, order):
    np.save(tmp_path / "x.npy", np.asarray(X, order=order))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    found = model.fit_transform(mapped)
    assert_array_equal(found, clone(model).fit_transform(np.asarray(X, order=order)))
    assert_array_equal(model.transform(mapped), found)


def test_a_pandas_frame_gives_its_names_and_set_output_its_index(X, model):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcdefgh"), index=np.arange(30) + 100)
    model.set_output(transform="pandas")
    found = model.fit_transform(frame)
    assert list(found.columns) == ["nmf0", "nmf1", "nmf2"]
    assert list(found.index) == list(frame.index)
    assert list(model.feature_names_in_) == list("abcdefgh")
    assert list(model.get_feature_names_out()) == list(found.columns)
    assert_array_equal(model.transform(frame), found)
    with pytest.raises(ValueError, match="feature names"):
        model.transform(frame[list("hgfedcba")])


def test_a_polars_frame_goes_in_and_comes_out(X, model):
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(X, schema=list("abcdefgh"))
    model.set_output(transform="polars")
    found = model.fit_transform(frame)
    assert isinstance(found, polars.DataFrame)
    assert found.columns == ["nmf0", "nmf1", "nmf2"]
    assert list(model.feature_names_in_) == list("abcdefgh")
    plain = clone(model).set_output(transform="default").fit_transform(X)
    assert_allclose(found.to_numpy(), plain, rtol=1e-9, atol=1e-12)


def test_nullable_pandas_columns_are_numbers(X, model):
    pandas = pytest.importorskip("pandas")
    whole = np.round(10 * X)
    frame = pandas.DataFrame(whole).astype("Int64")
    # The columns may come in another order of memory, and so of additions.
    found, expected = model.fit_transform(frame), clone(model).fit_transform(whole)
    assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_nmf_is_a_step_of_a_pipeline_and_a_search(X):
    y = X[:, 0] > np.median(X[:, 0])
    pipeline = make_pipeline(
        MinMaxScaler(clip=True), gf.NMF(tol=0, max_iter=20, random_state=0), LogisticRegression()
    )
    search = GridSearchCV(
        pipeline, {"nmf__n_components": [2, 4], "nmf__alpha_W": [0, 1e-3]}, cv=3, error_score="raise"
    )
    search.fit(X, y)
    assert search.best_estimator_["nmf"].components_.shape[0] in (2, 4)
    assert search.predict(X).shape == (30,)


def test_a_search_over_the_error_of_held_out_rows_prefers_more_components(X):
    def score(model, X, y=None):
        return -np.linalg.norm(X - model.inverse_transform(model.transform(X)))

    search = GridSearchCV(
        gf.NMF(tol=0, max_iter=50, random_state=0), {"n_components": [1, 6]}, scoring=score, cv=3
    )
    assert search.fit(X).best_params_ == {"n_components": 6}


def test_inverse_transform_gives_w_times_h_and_refuses_other_widths(X, model):
    W = model.fit_transform(X)
    assert_array_equal(model.inverse_transform(W), W @ model.components_)
    with pytest.raises(ValueError, match="X must have 3 columns, as many as components, got 2"):
        model.inverse_transform(W[:, :2])

"""Robust PCA as an estimator: scikit-learn's checks, how a fit ends, degenerate X and what is refused."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from rpca.cases import dense, error, planted
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

import gramfold as gf


@parametrize_with_checks(
    [
        gf.RobustPCA(tol=1e-3),
        gf.RobustPCA(penalty="l21", tol=1e-3),
        gf.RobustPCA(noise="sqrt", tol=1e-3),
    ]
)
def test_scikit_learns_checks_pass(estimator, check):
    check(estimator)


@pytest.mark.parametrize("level_options", [{}, {"noise": "sqrt"}, {"penalty": "l21"}], ids=str)
def test_results_are_the_same_bits_for_any_number_of_threads(level_options):
    X, _, _ = planted(900, 150, 5, 0.05, observed=0.8)
    models = [gf.RobustPCA(n_threads=n, max_iter=12, tol=0, **level_options).fit(X) for n in (1, 2, 5)]
    for model in models[1:]:
        assert_array_equal(model.complete(), models[0].complete())
        assert_array_equal(model.dual_, models[0].dual_)
        assert model.dual_gap_ == models[0].dual_gap_


def test_float32_stays_float32():
    X, L, _ = planted(200, 120, 4, 0.05)
    model = gf.RobustPCA(tol=1e-5).fit(X.astype(np.float32))
    for a in (
        model.components_,
        model.sparse_,
        model.dual_,
        model.complete(),
        model.transform(X[:3].astype("f")),
    ):
        assert a.dtype == np.float32
    assert model.dual_gap_ <= 1e-5
    assert error(model, L) <= 1e-4


def test_x_is_not_modified_and_a_read_only_x_is_taken():
    X, _, _ = planted(60, 40, 3, 0.05, observed=0.8)
    before = X.copy()
    X.flags.writeable = False
    gf.RobustPCA().fit(X)
    assert_array_equal(X, before)


def test_callback_time_and_iterations_end_a_fit():
    X, _, _ = planted(60, 40, 3, 0.05)
    seen = []
    model = gf.RobustPCA(callback=lambda info: seen.append(info) or len(seen) == 3).fit(X)
    assert model.n_iter_ == 3 == len(model.history_["objective"])
    assert not model.converged_
    assert np.isfinite(model.dual_gap_)
    assert gf.RobustPCA(max_time=0.0).fit(X).n_iter_ == 1
    with pytest.warns(ConvergenceWarning, match="Maximum number of iterations 2"):
        gf.RobustPCA(max_iter=2).fit(X)


def test_zero_has_rank_zero():
    for X in (np.zeros((6, 4)), sp.csr_array((np.zeros(3), ([0, 1, 2], [0, 1, 2])), shape=(6, 4))):
        model = gf.RobustPCA().fit(X)
        assert (model.rank_, model.dual_gap_, model.converged_) == (0, 0.0, True)
        assert_array_equal(model.complete(), np.zeros((6, 4)))
        assert model.transform(X).shape == (6, 0)


@pytest.mark.parametrize(
    "X", [np.ones((5, 1)), np.ones((1, 5)), [[3.0]], np.arange(12).reshape(4, 3)], ids=repr
)
def test_small_matrices_are_split_with_a_certificate(X):
    model = gf.RobustPCA().fit(X)
    assert model.dual_gap_ <= 1e-6
    assert_allclose(model.complete() + dense(model.sparse_), X, atol=1e-4)


def test_one_huge_outlier_is_an_outlier():
    X, L, _ = planted(60, 50, 2, 0.0)
    X[3, 4] = 1e8
    model = gf.RobustPCA(tol=1e-12, max_iter=20000).fit(X)
    assert_allclose(model.complete(), L, atol=1e-5)


@pytest.mark.parametrize("axis", [0, 1])
def test_a_row_or_column_of_nothing_is_warned_of_and_zero(axis):
    X, _, _ = planted(60, 50, 2, 0.05)
    X = X if axis == 0 else X.T.copy()
    np.moveaxis(X, axis, 0)[5] = np.nan
    with pytest.warns(UserWarning, match=f"1 {('row', 'column')[axis]}"):
        model = gf.RobustPCA().fit(X)
    assert_allclose(np.moveaxis(model.complete(), axis, 0)[5], 0, atol=1e-8)


@pytest.mark.parametrize("options", [{}, {"penalty": "l21"}, {"noise": "sqrt"}, {"noise": 0.01}], ids=str)
@pytest.mark.parametrize("form", ["dense", "csr"])
def test_the_solution_scales_with_x_to_the_bit(form, options, dtype):
    X = planted(40, 30, 2, 0.05, observed=0.9, seed=3)[0]
    seen = ~np.isnan(X)

    def fit(exponent):
        x = np.ldexp(X, exponent).astype(dtype)
        if form == "csr":
            x = sp.coo_array((x[seen], np.nonzero(seen)), shape=x.shape).tocsr()
        scaled = {"noise": np.ldexp(0.01, exponent)} if options.get("noise") == 0.01 else options
        model = gf.RobustPCA(tol=1e-4, **scaled).fit(x)
        assert model.converged_
        parts = model.complete(), dense(model.sparse_), model.singular_values_
        return [np.ldexp(np.asarray(a, np.float64), -exponent) for a in (*parts, model.objective_)], model

    expected, plain = fit(0)
    for exponent in (-100, -60, 60, 100) if dtype == np.float32 else (-1000, -500, -90, 90, 500, 1000):
        found, model = fit(exponent)
        for one, other in zip(found, expected, strict=True):
            assert_array_equal(one, other)
        assert_array_equal(dense(model.dual_), dense(plain.dual_))
        assert model.history_["objective"][-1] == model.objective_


def test_what_leaves_the_range_is_refused(dtype):
    X = np.full((50, 40), np.finfo(dtype).max / 2, dtype)
    with pytest.raises(ValueError, match="X is too large for float"):
        gf.RobustPCA().fit(X)


def test_rows_of_any_scale_are_coded_alike():
    X, _, _ = planted(60, 40, 3, 0.05)
    model = gf.RobustPCA().fit(X)
    expected = model.transform(X)
    for exponent in (-1000, -600, 600, 900):
        assert_array_equal(np.ldexp(model.transform(np.ldexp(X, exponent)), -exponent), expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lam": 0.0}, "lam must be above 0"), ({"lam": -1.0}, "lam"), ({"lam": "x"}, "lam must be 'auto'"),
        ({"lam": np.ones((2, 2))}, "lam must have the shape of X"),
        ({"lam": -np.ones((6, 4))}, "lam must be finite"),
        ({"lam": np.ones((6, 4)), "penalty": "l21"}, "lam must be a number"),
        ({"penalty": "l2"}, "penalty"),
        ({"noise": "x"}, "noise"), ({"noise": 0.0}, "noise must be above 0"), ({"max_rank": 0}, "max_rank"),
        ({"tol": -1}, "tol"), ({"max_iter": 0}, "max_iter"), ({"callback": 3}, "callback"),
        ({"n_threads": 0}, "n_threads"), ({"warm_start": 1}, "warm_start"),
    ],
    ids=str,
)  # fmt: skip
def test_a_wrong_parameter_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        gf.RobustPCA(**options).fit(np.ones((6, 4)))


@pytest.mark.parametrize(
    "changed", ["shape", "dtype", "scale", "zero", "mask", "csr", "pattern", "lam", "penalty"]
)
def test_a_warm_start_after_anything_has_changed_is_right(changed):
    X, _, _ = planted(50, 40, 2, 0.05)
    pattern = sp.csr_array(np.where(np.random.default_rng(0).random(X.shape) < 0.8, X, 0))
    first = pattern if changed == "pattern" else X
    given = {
        "shape": X[:30], "dtype": X.astype(np.float32), "scale": 1e200 * X, "zero": 0 * X,
        "mask": np.where(np.random.default_rng(0).random(X.shape) < 0.8, X, np.nan), "csr": sp.csr_array(X),
        "pattern": sp.csr_array(X),
    }.get(changed, X)  # fmt: skip
    options = {"lam": {"lam": np.full(X.shape, 0.2)}, "penalty": {"penalty": "l21"}}.get(changed, {})
    model = gf.RobustPCA(warm_start=True, tol=1e-5).fit(first).set_params(**options).fit(given)
    cold = gf.RobustPCA(tol=1e-5, **options).fit(given)
    assert model.converged_
    assert_allclose(model.objective_, cold.objective_, rtol=2e-5)
    assert model.fit(first).converged_


def test_masked_arrays_are_not_taken_for_what_they_hide():
    X, seen = np.ones((6, 4)), np.ma.masked_array(np.ones((6, 4), bool), np.eye(6, 4, dtype=bool))
    with pytest.raises(ValueError, match="mask is a masked array"):
        gf.RobustPCA().fit(X, mask=seen)
    with pytest.raises(ValueError, match="lam is a masked array"):
        gf.RobustPCA(lam=np.ma.masked_array(X, np.eye(6, 4))).fit(X)


def test_a_csr_matrix_in_any_order_gives_the_sorted_ones_result():
    X = sp.csr_array(planted(60, 40, 3, 0.05, observed=0.7)[0] * (planted(60, 40, 3, 0, seed=1)[0] > 0))
    X.data[np.isnan(X.data)] = 0
    turned = X[:, ::-1][:, ::-1]
    doubled = sp.csr_array((np.repeat(X.data / 2, 2), np.repeat(X.indices, 2), 2 * X.indptr), shape=X.shape)
    expected = gf.RobustPCA(tol=1e-8).fit(X)
    for given in (sp.csr_array((X.data.copy(), X.indices, X.indptr), shape=X.shape), turned, doubled):
        before = given.data.copy(), given.indices.copy(), given.indptr.copy()
        model = gf.RobustPCA(tol=1e-8).fit(given)
        assert_allclose(model.complete(), expected.complete(), atol=1e-7)
        for part, was in zip((given.data, given.indices, given.indptr), before, strict=True):
            assert_array_equal(part, was)


def test_infinity_and_sparse_nan_are_refused():
    X = np.ones((6, 4))
    X[2, 2] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        gf.RobustPCA().fit(X)
    X[2, 2] = np.nan
    with pytest.raises(ValueError, match="NaN or infinity"):
        gf.RobustPCA().fit(sp.csr_array(X))
    with pytest.raises(ValueError, match="no observed entry"):
        gf.RobustPCA().fit(np.full((3, 3), np.nan))
    with pytest.raises(ValueError, match="mask must be boolean"):
        gf.RobustPCA().fit(np.ones((3, 3)), mask=np.full((3, 3), 2.0))

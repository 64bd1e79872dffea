"""Robust PCA as an estimator: scikit-learn's checks, how a fit ends, degenerate X and what is refused."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from rpca_cases import dense, error, planted
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

import gramfold as gf


@parametrize_with_checks(
    [
        gf.RobustPCA(max_iter=5000),
        gf.RobustPCA(penalty="l21", max_iter=5000),
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


@pytest.mark.parametrize("scale", [1e-100, 1e100])
def test_the_solution_scales_with_x(scale):
    X, _, _ = planted(60, 40, 3, 0.05)
    plain, scaled = gf.RobustPCA().fit(X), gf.RobustPCA().fit(scale * X)
    assert_allclose(scaled.complete() / scale, plain.complete(), atol=1e-8)


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

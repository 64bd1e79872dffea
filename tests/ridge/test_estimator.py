"""Ridge as an estimator: scikit-learn's battery and parameters, how a fit ends, what is refused."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from peer import VERSION
from ridge.cases import SOLVERS, problem
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge as PeerRidge
from sklearn.utils.estimator_checks import parametrize_with_checks

import gramfold as gf

VARIANTS = [
    gf.Ridge(),
    gf.Ridge(alpha=0.0),
    *(gf.Ridge(solver=solver, tol=1e-11, max_iter=1_000_000) for solver in SOLVERS[1:]),
    gf.Ridge(positive=True),
    gf.Ridge(positive=True, solver="admm", max_iter=1_000_000),
    gf.Ridge(solver="sgd", tol=0.05, random_state=0),
]


EQUIVALENCE = [f"check_sample_weight_equivalence_on_{kind}_data" for kind in ("dense", "sparse")]
EXPECTED = {"sgd": dict.fromkeys(EQUIVALENCE, "other rows are drawn")}
if VERSION < (1, 7):
    EXPECTED["svd"] = {EQUIVALENCE[1]: "of dense X alone, which that check does not ask"}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(VARIANTS, expected_failed_checks=lambda model: EXPECTED.get(model.solver, {}))
def test_scikit_learns_checks_pass(estimator, check):
    check(estimator)


def test_scikit_learns_parameters_and_attributes_are_taken():
    X, Y, _ = problem(30, 4)
    parameters = set(PeerRidge().get_params())
    assert parameters <= set(gf.Ridge().get_params())
    for y in (Y, Y[:, 0]):
        ours, peer = gf.Ridge().fit(X, y), PeerRidge().fit(X, y)
        assert np.shape(ours.coef_) == np.shape(peer.coef_)
        assert np.shape(ours.intercept_) == np.shape(peer.intercept_)
        assert_allclose(ours.predict(X), peer.predict(X), rtol=1e-12)
        assert ours.score(X, y) == pytest.approx(peer.score(X, y), rel=1e-12)
    assert gf.Ridge(solver="lsqr", tol=1e-12).fit(X, Y).solver_ == "lsqr"
    exact = gf.Ridge().fit(X, Y)
    for solver in ("sag", "saga"):
        same = gf.Ridge(solver=solver).fit(X, Y)
        assert same.solver_ == solver
        assert_array_equal(same.coef_, exact.coef_)
    positive = gf.Ridge(solver="lbfgs", positive=True).fit(X, Y)
    assert positive.solver_ == "lbfgs"
    assert_array_equal(positive.coef_, gf.Ridge(solver="cd", positive=True).fit(X, Y).coef_)


def test_inputs_of_any_layout_are_read_in_place_and_left_alone(dtype):
    X, Y, weights = problem(150, 6)
    X, Y = X.astype(dtype), Y.astype(dtype)
    expected = gf.Ridge().fit(X, Y, weights).coef_
    wide = np.full((300, 18), np.nan, dtype)
    wide[::2, ::3] = X
    for form in (np.asfortranarray(X), wide[::2, ::3], X[::-1, ::-1].copy()[::-1, ::-1]):
        form.setflags(write=False)
        kept = form.copy()
        found = gf.Ridge().fit(form, Y, weights).coef_
        assert_allclose(found, expected, rtol=0, atol=64 * np.finfo(dtype).eps)
        assert_array_equal(form, kept)


def test_a_fit_that_did_not_converge_says_so():
    X, Y, _ = problem(20, 8)
    with pytest.warns(ConvergenceWarning, match="reached max_iter=3"):
        model = gf.Ridge(solver="gd", max_iter=3, tol=1e-9).fit(X, Y)
    assert not model.converged_
    assert model.n_iter_ == 3


def test_callback_and_time_limit_stop_without_a_warning(caplog):
    X, Y, _ = problem(50, 8)
    seen = []

    def note(info):
        seen.append(info)
        return info.iteration == 4

    model = gf.Ridge(solver="gd", tol=1e-14, callback=note, verbose=1).fit(X, Y)
    assert [info.iteration for info in seen] == [1, 2, 3, 4]
    assert_array_equal([info.objective for info in seen], model.history_["objective"])
    assert not model.converged_
    assert len(caplog.records) == 4
    assert gf.Ridge(solver="gd", tol=1e-14, max_time=0).fit(X, Y).n_iter_ == 1


@pytest.mark.parametrize("solver", ["auto", "svd", "dual", "cg", "sgd"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused(solver, bad):
    X, Y, _ = problem(40, 5)
    X[17, 3] = bad
    with pytest.raises(ValueError, match=r"X contains|Input X"):
        gf.Ridge(solver=solver).fit(X, Y)
    if solver != "svd":
        with pytest.raises(ValueError, match="contains"):
            gf.Ridge(solver=solver).fit(sp.csr_array(X), Y)
    X[17, 3] = 0
    Y[2, 0] = bad
    with pytest.raises(ValueError, match="contains"):
        gf.Ridge(solver=solver).fit(X, Y)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": -1}, "alpha"),
        ({"alpha": [1.0, 2.0, 3.0]}, "number of penalties do not correspond: 3 != 2"),
        ({"alpha": np.nan}, "alpha"),
        ({"solver": "qr"}, "solver must be one of"),
        ({"solver": "cd"}, "needs positive=True"),
        ({"solver": "svd", "positive": True}, "positive=True needs solver"),
        ({"step": 0.1}, "step is for solver 'gd' or 'sgd'"),
        ({"rho": 1.0, "solver": "cg"}, "rho is for solver 'admm'"),
        ({"rho": 0.0, "solver": "admm"}, "rho must be above 0"),
        ({"fit_intercept": 1}, "fit_intercept"),
        ({"max_iter": 0}, "max_iter"),
        ({"tol": -1}, "tol"),
        ({"n_threads": 0}, "n_threads"),
        ({"callback": 3}, "callback"),
        ({"max_time": -1.0}, "max_time"),
        ({"verbose": -1}, "verbose"),
    ],
)
def test_wrong_parameters_are_named(options, message):
    X, Y, _ = problem(20, 3)
    model = gf.Ridge(**options)
    with pytest.raises(ValueError, match=message):
        model.fit(X, Y)
    assert not hasattr(model, "coef_")


def test_wrong_weights_and_uses_are_named():
    X, Y, weights = problem(20, 3)
    with pytest.raises(ValueError, match="sample_weight must be at least 0"):
        gf.Ridge().fit(X, Y, -weights)
    with pytest.raises(ValueError, match=r"non-zero|positive sum|0 everywhere"):
        gf.Ridge().fit(X, Y, 0 * weights)
    with pytest.raises(ValueError, match="does not support a sparse X"):
        gf.Ridge(solver="svd").fit(sp.csr_array(X), Y)
    for solver in ("svd", "dual", "sgd"):
        with pytest.raises(AttributeError, match="partial_fit"):
            gf.Ridge(solver=solver).partial_fit(X, Y)

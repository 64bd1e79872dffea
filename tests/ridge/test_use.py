"""Ridge in wrong and in changed use: what is refused says what to do, and changes nothing."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal
from ridge.cases import parts

import gramfold as gf


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return rng.standard_normal((20, 3)), rng.standard_normal((20, 2)), rng.random(20)


def state(model):
    return {key: np.copy(getattr(model, key)) for key in ("coef_", "intercept_", "duality_gap_")}


def test_blocks_that_do_not_continue_those_before_are_refused_by_name(data):
    X, Y, weights = data
    model = gf.Ridge().partial_fit(X, Y, weights)
    before = state(model)
    for change, block, message in (
        ({}, (X, Y[:, 0]), "y has 1 targets, but the blocks before had 2"),
        ({}, (X, np.hstack([Y, Y])), "y has 4 targets, but the blocks before had 2"),
        ({}, (X[:, :2], Y), "X has 2 features, but Ridge is expecting 3"),
        ({"fit_intercept": False}, (X, Y), "fit_intercept=False, but not for the blocks before"),
        ({"alpha": [1.0, 2.0, 3.0]}, (X, Y), "number of penalties do not correspond: 3 != 2"),
        ({}, (X[:5], Y), "inconsistent numbers of samples"),
    ):
        kept = model.get_params()
        model.set_params(**change)
        with pytest.raises(ValueError, match=message):
            model.partial_fit(*block)
        model.set_params(**kept)
        for key, value in state(model).items():
            assert_array_equal(value, before[key])
    again = gf.Ridge().partial_fit(X, Y, weights).partial_fit(X, Y)
    assert_array_equal(model.partial_fit(X, Y).coef_, again.coef_)


def test_blocks_of_another_dtype_are_taken_in(data):
    X, Y, _ = data
    model = gf.Ridge().partial_fit(X[:10], Y[:10]).partial_fit(X[10:].astype(np.float32), Y[10:])
    assert np.abs(model.coef_ - gf.Ridge().fit(X, Y).coef_).max() < 1e-6


@pytest.mark.parametrize("solver", ["auto", "dual", "cg", "sgd", "svd"])
def test_masked_arrays_are_refused_by_name(data, solver):
    X, Y, weights = data
    hidden = [np.ma.masked_array(a, np.arange(a.size).reshape(a.shape) == 5) for a in (X, Y, weights)]
    model = gf.Ridge(solver=solver)
    for given, name in (((hidden[0], Y), "X"), ((X, hidden[1]), "y"), ((X, Y, hidden[2]), "sample_weight")):
        with pytest.raises(ValueError, match=f"{name} is a masked array"):
            model.fit(*given)
    if solver == "auto":
        with pytest.raises(ValueError, match="y is a masked array"):
            gf.ridge_path(X, hidden[1], [1.0])
        with pytest.raises(ValueError, match="X is a masked array"):
            model.fit(X, Y).predict(hidden[0])


def test_without_an_intercept_it_is_the_number_0(data):
    X, Y, _ = data
    for y in (Y, Y[:, 0], Y[:, :1]):
        for dtype in (np.float32, np.float64):
            assert type(gf.Ridge(fit_intercept=False).fit(X.astype(dtype), y).intercept_) is float
    assert np.shape(gf.Ridge().fit(X, Y[:, 0]).intercept_) == ()


@pytest.mark.parametrize("solver", ["auto", "svd", "dual", "cg", "gd", "sgd", "admm"])
def test_whether_it_converged_is_a_bool_of_python(data, solver):
    assert type(gf.Ridge(solver=solver, tol=0.3, random_state=0).fit(data[0], data[1]).converged_) is bool
    assert type(gf.Ridge(solver=solver, max_time=0, tol=0.3).fit(data[0], data[1]).converged_) is bool


CORRUPT = """
import numpy as np, scipy.sparse as sp, gramfold as gf
X = np.random.default_rng(0).random((30, 8)) + 0.1
model, y = gf.Ridge().fit(X, X[:, 0]), X[:, 0]
path = lambda X: gf.ridge_path(X, y, [1.0])
calls = (model.predict, lambda X: model.score(X, y), lambda X: gf.Ridge().fit(X, y),
         lambda X: gf.Ridge().partial_fit(X, y), lambda X: gf.Ridge(solver="dual").fit(X, y), path)
for part, place, value in [("indices", 3, 2**31 - 1), ("indices", 3, -5), ("indptr", 4, 10**6),
                           ("indptr", -1, 10**6)]:
    for i, call in enumerate(calls):
        s = sp.csr_array(X)
        getattr(s, part)[place] = value
        print(part, place, value, i, flush=True)
        try:
            call(s)
        except ValueError as error:
            assert "ind" in str(error), error
        else:
            raise SystemExit("accepted")
print("refused")
"""


def test_corrupt_sparse_rows_are_refused_by_every_method(run_python):
    assert run_python(CORRUPT).endswith("refused\n")


@pytest.mark.parametrize("form", [np.array, sp.csr_array, sp.csc_array, sp.coo_array, sp.bsr_array])
@pytest.mark.parametrize("solver", ["auto", "svd", "dual", "cg", "sgd", "cd"])
def test_what_is_given_is_left_as_it_was(data, form, solver):
    if solver == "svd" and form is not np.array:
        return
    X, Y, weights = data
    given = form(X + 1e9 * (np.arange(3) == 1))
    before = [a.copy() for a in (*parts(given), Y, weights)]
    model = gf.Ridge(solver=solver, positive=solver == "cd", tol=0.5, random_state=0).fit(given, Y, weights)
    model.predict(given), model.score(given, Y, weights)
    gf.ridge_path(given, Y, [1.0], sample_weight=weights)
    for old, new in zip(before, (*parts(given), Y, weights), strict=True):
        assert_array_equal(new, old)

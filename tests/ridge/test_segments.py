"""Ridge on rows in several blocks: the fit of the whole, without a copy of X, by passes that can travel."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from ridge.cases import FORMS, far_away
from segment_cases import SIZES, cut

import gramfold as gf
from gramfold.fold import engine
from gramfold.ridge import centred_rows, estimator, forms, moments, passes, units, ways

SOLVERS = {
    "cholesky": {},
    "svd": {"solver": "svd"},
    "cg": {"solver": "cg", "tol": 1e-12},
    "gd": {"solver": "gd", "tol": 1e-12},
    "sgd": {"solver": "sgd", "tol": 0.05, "random_state": 0},
    "admm": {"solver": "admm", "tol": 1e-12},
    "cd": {"solver": "cd", "positive": True},
    "positive admm": {"solver": "admm", "positive": True, "tol": 1e-12},
    "alphas": {"alpha": [0.5, 2.0]},
    "no intercept": {"fit_intercept": False},
}


def rows(n=1100, p=12, targets=2):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, p)) * (rng.random((n, p)) < 0.7) + 0.5 * (np.arange(p) % 3 == 0)
    return X, X @ rng.standard_normal((p, targets)) + rng.standard_normal((n, targets)) + 3, rng.random(n)


def halves(X):
    return cut(X, X.shape[0] // 2)


def found(model):
    return model.coef_, model.intercept_


def assert_same_fit(one, other, X, given):
    assert one.solver_ == other.solver_
    assert one.n_iter_ == other.n_iter_
    predicted = other.predict(X)
    for a, b in (*zip(found(one), found(other), strict=True), (one.predict(given), predicted)):
        assert_allclose(a, b, rtol=0, atol=1e-10 * np.abs(b).max())


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("solver", SOLVERS)
def test_a_fit_on_blocks_is_the_fit_on_the_whole(solver, form, size):
    if solver == "svd" and form is not np.asarray:
        return
    X, Y, weights = rows(150 if size == 1 else 1100)
    X = form(X)
    blocks = cut(X, size)
    whole = gf.Ridge(**SOLVERS[solver]).fit(X, Y, weights)
    parts = gf.Ridge(**SOLVERS[solver]).fit(blocks, Y, weights)
    assert_same_fit(parts, whole, X, blocks)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("form", FORMS)
def test_a_path_and_partial_fits_of_blocks_are_those_of_the_whole(form, size):
    X, Y, weights = rows(150 if size == 1 else 1100)
    X = form(X)
    blocks = cut(X, size)
    whole = gf.ridge_path(X, Y, [0.1, 3.0], sample_weight=weights)
    parts = gf.ridge_path(blocks, Y, [0.1, 3.0], sample_weight=weights)
    for one, other in zip(parts, whole, strict=True):
        assert_allclose(one, other, rtol=0, atol=1e-10 * np.abs(other).max())
    models = [gf.Ridge().partial_fit(X[:90], Y[:90]).partial_fit(given, Y, weights) for given in (blocks, X)]
    assert_same_fit(*models, X, blocks)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("solver", ["cg", "gd", "sgd"])
def test_solvers_that_read_x_each_time_read_blocks(monkeypatch, solver, form):
    monkeypatch.setattr(ways, "MOST_COLUMNS", 5)
    monkeypatch.setattr(ways.RidgeProblem, "gram_form", None)
    X, Y, weights = rows()
    X = form(X)
    options = {"solver": solver, "tol": 0.3 if solver == "sgd" else 1e-12, "random_state": 0}
    blocks = cut(X, "unequal")
    whole, parts = (gf.Ridge(**options).fit(given, Y, weights) for given in (X, blocks))
    assert_same_fit(parts, whole, X, blocks)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("solver", ["dual", "svd", "admm", "cd", "cd by reads"])
def test_few_rows_in_blocks_are_solved_as_the_whole(monkeypatch, solver, form):
    if solver == "svd" and form is not np.asarray:
        return
    if solver == "cd by reads":
        monkeypatch.setattr(ways, "MANY", 10)
    X, Y, weights = rows(40, 90)
    X = form(X)
    name = solver.partition(" ")[0]
    model = gf.Ridge(solver=name, positive=name == "cd", tol=1e-11)
    blocks = cut(X, "unequal")
    whole, parts = found(model.fit(X, Y, weights)), found(model.fit(blocks, Y, weights))
    for one, other in zip(parts, whole, strict=True):
        assert_allclose(one, other, rtol=0, atol=1e-10 * np.abs(other).max())
    path = [gf.ridge_path(given, Y, [0.1, 3.0])[0] for given in (blocks, X)]
    assert_allclose(*path, rtol=0, atol=1e-10)


@pytest.mark.parametrize("size", [1, "unequal"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("solver", ["auto", "cg", "cd", "sgd"])
def test_columns_far_from_the_origin_lose_nothing_in_blocks(solver, form, size):
    X, y, weights = far_away(1e7, 1, np.float64)
    X = form(X)
    options = {"solver": solver, "positive": solver == "cd", "random_state": 0, "tol": 0.05}
    blocks = cut(X, size)
    whole, parts = (gf.Ridge(0.5, **options).fit(given, y, weights) for given in (X, blocks))
    assert_same_fit(parts, whole, X, blocks)


@pytest.mark.parametrize("form", FORMS)
def test_dependent_columns_in_blocks_give_the_least_norm(form):
    X, Y, _ = rows()
    X[:, 5] = X[:, 1] + X[:, 2]
    X = form(X)
    blocks = cut(X, 48)
    whole, parts = (gf.Ridge(0).fit(given, Y) for given in (X, blocks))
    assert parts.solver_ == ("svd" if form is np.asarray else "eigen")
    assert_same_fit(parts, whole, X, blocks)


@pytest.mark.parametrize("exponent", [-900, 900])
def test_blocks_of_any_scale_have_the_scaled_solution(exponent):
    X, Y, _ = rows()
    X[:600] = 0  # so that a few entries do not tell
    expected = gf.Ridge().fit(halves(X), Y)
    scaled = gf.Ridge(np.ldexp(1.0, 2 * (exponent // 2))).fit(halves(np.ldexp(X, exponent // 2)), Y)
    assert_allclose(np.ldexp(scaled.coef_, exponent // 2), expected.coef_, rtol=1e-12)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("solver", SOLVERS)
def test_fits_on_blocks_are_the_same_bits_for_any_number_of_threads(solver, form):
    if solver == "svd" and form is not np.asarray:
        return
    X, Y, weights = rows()
    blocks = cut(form(X), "unequal")
    one, three = (gf.Ridge(**SOLVERS[solver], n_threads=n).fit(blocks, Y, weights) for n in (1, 3))
    for a, b in zip(found(one), found(three), strict=True):
        assert_array_equal(a, b)
    assert_array_equal(one.predict(blocks), three.predict(blocks))


def of_every_kind(X, Y, weights):
    """What fits of all kinds find, which together use every pass."""
    sparse, far = sp.csr_array(X), sp.csr_array(X + 1e6 * (np.arange(12) == 1))
    for given, solver in (
        (X, "cg"),
        (X, "svd"),
        (X, "sgd"),
        (sparse, "sgd"),
        (far, "auto"),
        (sparse, "auto"),
    ):
        model = gf.Ridge(solver=solver, tol=0.05, random_state=0).fit(halves(given), Y, weights)
        yield from (*found(model), model.predict(halves(given)))
    yield from gf.ridge_path(halves(sparse[:10]), Y[:10], [1.0])


def test_passes_may_travel(monkeypatch):
    data = rows()
    expected, travelled = list(of_every_kind(*data)), set()

    def run(pass_, source, shared=None, state=None, **more):
        travelled.add(getattr(pass_, "func", pass_).__name__)
        pass_, shared = pickle.loads(pickle.dumps((pass_, shared)))
        return pickle.loads(pickle.dumps(engine.run(pass_, source, shared, state, **more)))

    for module in (centred_rows, estimator, forms, moments, units):
        monkeypatch.setattr(module, "run", run)
    for one, other in zip(of_every_kind(*data), expected, strict=True):
        assert_array_equal(one, other)
    of_rows = {
        name for name, what in vars(passes).items() if callable(what) and {"shared", "state"} <= names(what)
    }
    assert travelled == of_rows | {"largest_of_few"}


def names(function):
    return set(getattr(function, "__annotations__", {}))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("solver", SOLVERS)
def test_a_fit_on_blocks_of_a_tall_x_makes_no_copy_of_it(no_copy, solver, form):
    if solver == "svd" and form is not np.asarray:
        return
    X, Y, weights = rows()
    blocks = cut(form(X), 48)
    model = gf.Ridge(**SOLVERS[solver]).fit(blocks, Y, weights)
    model.score(blocks, Y)
    if solver == "cholesky":
        gf.Ridge().partial_fit(blocks, Y).partial_fit(blocks, Y)
        gf.ridge_path(blocks, Y, [0.0, 1.0])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("solver", ["auto", "cd", "sgd"])
def test_blocks_of_bytes_are_fitted_as_their_floats_to_the_bit(solver, form):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 9, (200, 6), np.uint8) * (rng.random((200, 6)) < 0.6).astype(np.uint8)
    X[:, 2] = 200 + X[:, 2] // 8  # far from 0
    options = {"solver": solver, "positive": solver == "cd", "tol": 0.05, "random_state": 0}
    y = X @ np.arange(6.0) + rng.standard_normal(200)
    bytes_, floats = (halves(form(X.astype(dtype))) for dtype in (np.uint8, np.float32))
    one, other = (gf.Ridge(**options).fit(given, y) for given in (bytes_, floats))
    for a, b in (*zip(found(one), found(other), strict=True), (one.predict(bytes_), other.predict(floats))):
        assert_array_equal(a, b)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("solver", ["cholesky", "cg", "sgd", "admm"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_blocks_that_are_not_finite_are_refused(solver, form, bad):
    X, Y, _ = rows()
    X[700, 3] = bad
    with pytest.raises(ValueError, match="Input X contains"):
        gf.Ridge(**SOLVERS[solver]).fit(cut(form(X), 48), Y)


def test_a_single_target_of_blocks_is_predicted_and_scored():
    X, Y, weights = rows()
    blocks = cut(X, "unequal")
    model = gf.Ridge().fit(blocks, Y[:, 0], weights)
    assert model.predict(blocks).shape == (1100,)
    assert_allclose(model.predict(blocks), model.predict(X), rtol=1e-12)
    assert_allclose(model.score(blocks, Y[:, 0], weights), model.score(X, Y[:, 0], weights), rtol=1e-12)


def test_targets_and_weights_that_do_not_fit_blocks_are_refused():
    X, Y, weights = rows()
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        gf.Ridge().fit(halves(X), Y[:-1])
    with pytest.raises(ValueError, match=r"sample_weight.shape == \(1099,\), expected \(1100,\)"):
        gf.Ridge().fit(halves(X), Y, weights[1:])
    with pytest.raises(ValueError, match="X has 11 features, but Ridge is expecting 12"):
        gf.Ridge().fit(halves(X), Y).predict(halves(X[:, 1:]))


def test_a_system_in_blocks_has_the_solution_of_the_whole():
    A = np.random.default_rng(0).standard_normal((9, 20))
    assert_array_equal(gf.least_norm(halves(A), A[:, 0]).x, gf.least_norm(A, A[:, 0]).x)

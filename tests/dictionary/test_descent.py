"""No iteration of dictionary learning ends worse than the one before, and the best is what is given back."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import gramfold as gf

MINIMISERS = ["cd", "soup_l1", "soup_l0", "ksvd"]


def small_problem(seed):
    """Few rows, often repeated or 0, and often more atoms than rows or columns."""
    rng = np.random.default_rng(seed)
    n, m, k = (int(v) for v in (rng.integers(1, 20), rng.integers(1, 9), rng.integers(1, 14)))
    X = rng.standard_normal((n, m)) * rng.choice([1e-3, 1.0, 30.0])
    if rng.random() < 0.5:
        X = X[rng.integers(0, max(1, n // 3), n)]
    if rng.random() < 0.3:
        X[rng.random(n) < 0.4] = 0
    size = float(np.abs(X).max()) or 1.0
    options = {
        "alpha": size * rng.choice([0.01, 0.1, 0.5]), "max_iter": int(rng.integers(1, 30)),
        "random_state": seed, "transform_n_nonzero_coefs": int(rng.integers(1, min(m, k) + 1)),
        "tol": rng.choice([0, 1e-8]),
    }  # fmt: skip
    return X, size, k, options


def objective(X, Z, D, alpha, algorithm):
    penalty = {"ksvd": 0.0, "soup_l0": alpha * np.count_nonzero(Z)}.get(algorithm, alpha * np.abs(Z).sum())
    return 0.5 * np.sum((X - Z @ D) ** 2) + penalty


@pytest.mark.parametrize("algorithm", MINIMISERS)
def test_small_fits_descend_and_end_at_what_they_say(dtype, algorithm):
    for seed in range(30) if dtype == np.float32 else range(30, 60):
        X, size, k, options = small_problem(seed)
        if algorithm == "soup_l0":
            options["alpha"] *= size
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = gf.DictionaryLearning(k, fit_algorithm=algorithm, **options).fit(X.astype(dtype))
        X, D = X.astype(dtype).astype(np.float64), model.components_.astype(np.float64)
        rounding = 4 * np.finfo(dtype).eps * np.sum(X**2)
        errors = model.error_
        assert np.all(np.diff(errors) <= rounding)
        assert type(model.converged_) is bool
        alpha = options["alpha"]
        if algorithm == "cd":
            Z = gf.sparse_encode(X, D, alpha=alpha, algorithm="lasso_cd")
            assert objective(X, Z, D, alpha, algorithm) <= errors[-1] * (1 + 1e-5) + rounding
        else:
            Z = model._codes.toarray().astype(np.float64)
            found = objective(X, Z, D, alpha, algorithm)
            assert_allclose(errors[-1], found, rtol=100 * np.finfo(dtype).eps, atol=rounding)


@pytest.mark.parametrize("repeats", [2, 5])
def test_what_is_observed_descends_where_rows_are_repeated(repeats):
    rng = np.random.default_rng(0)
    X = np.repeat(rng.standard_normal((4, 6)), repeats, axis=0)
    X[rng.random(X.shape) < 0.15] = np.nan
    X[1] = np.nan  # a row of which nothing is seen
    for k in (2, 5, 9):
        model = gf.DictionaryLearning(k, alpha=0.1, missing="mask", max_iter=20, tol=0, random_state=0).fit(X)
        assert np.all(np.diff(model.error_) <= 1e-6 * model.error_[:-1])
        D, seen = model.components_, ~np.isnan(X)
        Z = gf.sparse_encode(X, D, alpha=0.1, mask=seen, algorithm="lasso_cd")
        found = 0.5 * np.sum((np.where(seen, X, 0) - Z @ D)[seen] ** 2) + 0.1 * np.abs(Z).sum()
        assert found <= model.error_[-1] * (1 + 1e-6)


@pytest.mark.parametrize("algorithm", ["omp", "ols", "threshold"])
def test_the_best_is_given_back_of_what_does_not_descend(algorithm):
    some_rose = False
    for seed in range(8):
        X = np.random.default_rng(seed).standard_normal((40, 6))
        options = {"fit_algorithm": algorithm, "transform_n_nonzero_coefs": 2, "random_state": 0, "tol": 0}
        whole = gf.DictionaryLearning(9, alpha=0.5, max_iter=12, **options).fit(X)
        best = int(np.argmin(whole.error_))
        some_rose |= best < 11
        until = gf.DictionaryLearning(9, alpha=0.5, max_iter=best + 1, **options).fit(X)
        assert_array_equal(whole.components_, until.components_)
        assert until.error_[-1] == whole.error_.min()
        until_it_rose = gf.DictionaryLearning(9, alpha=0.5, **options | {"tol": 1e-8}).fit(X)
        assert until_it_rose.converged_
        assert np.all(np.diff(until_it_rose.error_) <= 0)
    assert some_rose


def test_a_fit_ends_although_some_atoms_have_no_use():
    X = np.random.default_rng(0).standard_normal((5, 4))
    for algorithm in MINIMISERS:
        model = gf.DictionaryLearning(
            9, alpha=0.5, fit_algorithm=algorithm, transform_n_nonzero_coefs=2, random_state=0, max_iter=500
        ).fit(X)
        assert model.converged_


def test_an_atom_and_its_opposite_are_two_where_codes_have_one_sign():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 1)) * rng.standard_normal(7)  # of both signs of one direction
    d = X[:1] / np.linalg.norm(X[0])
    for algorithm in ("cd", "ksvd"):
        model = gf.DictionaryLearning(
            2, alpha=0.1, positive_code=True, dict_init=np.vstack([d, -d]), fit_algorithm=algorithm,
            max_iter=5, tol=0, transform_n_nonzero_coefs=1,
        ).fit(X)  # fmt: skip
        assert_allclose(model.components_ @ d.T, [[1], [-1]], atol=1e-6)


@pytest.mark.parametrize("model", [gf.DictionaryLearning, gf.MiniBatchDictionaryLearning])
def test_the_objective_of_an_almost_exact_fit_is_no_difference(model, dtype):
    rng = np.random.default_rng(0)
    D = np.linalg.qr(rng.standard_normal((6, 6)))[0].astype(dtype)
    Z = rng.choice([-2.0, 3.0], (200, 6)) * np.eye(6)[rng.integers(6, size=200)]
    X = ((Z @ D) + 1e-4 * rng.standard_normal((200, 6))).astype(dtype)
    more = {"batch_size": 200} if model is gf.MiniBatchDictionaryLearning else {}
    options = {"fit_algorithm": "omp", "transform_n_nonzero_coefs": 1, "dict_init": D, "tol": 0} | more
    found = model(6, max_iter=1, **options).fit(X)
    codes = gf.sparse_encode(X, D, algorithm="omp", n_nonzero_coefs=1)
    atoms = D if more else found.components_
    rest = X.astype(np.float64) - codes.astype(np.float64) @ atoms.astype(np.float64)
    expected = 0.5 * np.sum(rest**2) / (200 if more else 1)
    assert_allclose(found.history_["objective"][0], expected, rtol=1e-2 if dtype == np.float32 else 1e-9)


@pytest.mark.parametrize("penalty", [{}, {"dict_l1": 0.1, "unit_ball": False}, {"dict_l2": 0.1}], ids=str)
@pytest.mark.parametrize("model", [gf.DictionaryLearning, gf.MiniBatchDictionaryLearning])
def test_codes_that_are_roundings_do_not_make_an_atom(model, penalty, dtype):
    X = np.full((9, 3), 2, dtype)  # one atom is enough
    for algorithm in ("cd", "omp"):
        learner = model(3, alpha=0, fit_algorithm=algorithm, max_iter=4, tol=0, random_state=0, **penalty)
        found = learner.fit(X)
        assert np.isfinite(found.components_).all()
        assert np.isfinite(found.history_["objective"]).all()
        if not penalty:
            assert 0 <= found.history_["objective"][-1] < 1e-5

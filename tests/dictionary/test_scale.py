"""Dictionaries do not depend on the unit of X: scaled by a power of two, the atoms are the same bits."""

import numpy as np
import pytest
import scipy.sparse as sp
from dictionary.cases import BOTH, planted
from numpy.testing import assert_allclose, assert_array_equal

import gramfold as gf

K = 12
POWERS = {np.float32: (-45, -10, 44), np.float64: (-460, -10, 455)}


def problem(dtype):
    """Rows of which some are repeated and some 0; all entries keep their bits when scaled."""
    X, _ = planted(300)
    X[50:60], X[70:75] = X[:10], 0
    return X.astype(dtype)


def scaled(options, c):
    """Each penalty by its own power of the unit."""
    powers = {"alpha": 1, "dict_l1": 2, "dict_l2": 2, "transform_max_error": 1, "code_init": 1}
    if options["fit_algorithm"] == "soup_l0":
        powers["alpha"] = 2
    return {name: value * c ** powers[name] if name in powers else value for name, value in options.items()}


def check(learn, X, options, dtype):
    """`learn` gives a model and its objectives."""
    model, objectives = learn(X, options)
    for power in POWERS[dtype]:
        c = 2.0**power
        other, others = learn(X * dtype(c), scaled(options, c))
        assert_array_equal(other.components_, model.components_)
        assert_array_equal(others / c / c, objectives)


CASES = [
    ("cd", {"alpha": 0.3}),
    ("cd", {"alpha": 0.3, "l2": 0.2, "n_components": 40}),
    ("cd", {"alpha": 0.3, "dict_l1": 3.0, "positive_dict": True}),
    ("lars", {"alpha": 0.3, "dict_l2": 2.0, "unit_ball": False, "positive_code": True}),
    ("omp", {"transform_n_nonzero_coefs": 3}),
    ("omp", {"transform_max_error": 0.5, "n_components": 40}),
    ("omp", {"transform_n_nonzero_coefs": 3, "positive_code": True}),
    ("ols", {"transform_n_nonzero_coefs": 3, "n_components": 40}),
    ("threshold", {"alpha": 0.5}),
]
RESIDUAL = [
    ("ksvd", {"transform_n_nonzero_coefs": 3}),
    ("ksvd", {"transform_n_nonzero_coefs": 3, "positive_code": True, "positive_dict": True}),
    ("soup_l1", {"alpha": 0.3, "n_components": 40}),
    ("soup_l0", {"alpha": 0.2, "positive_dict": True}),
]


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize(("algorithm", "options"), CASES + RESIDUAL, ids=str)
def test_a_fit_does_not_depend_on_the_unit(dtype, algorithm, options, sparse):
    def learn(X, options):
        X = sp.csr_matrix(X) if sparse else X
        model = gf.DictionaryLearning(max_iter=6, tol=0, random_state=0, **options).fit(X)
        return model, model.error_

    check(learn, problem(dtype), {"n_components": K, "fit_algorithm": algorithm} | options, dtype)


@pytest.mark.parametrize(("algorithm", "options"), CASES, ids=str)
def test_mini_batches_do_not_depend_on_the_unit(dtype, algorithm, options):
    def rounds(X, options):
        model = gf.MiniBatchDictionaryLearning(max_iter=2, batch_size=64, tol=0, random_state=0, **options)
        return model, model.fit(X).history_["objective"]

    def one_by_one(X, options):
        model = gf.MiniBatchDictionaryLearning(random_state=0, **options)
        for first in range(0, 300, 100):
            model.partial_fit(X[first : first + 100])
        return model, np.zeros(1)

    for learn in (rounds, one_by_one):
        check(learn, problem(dtype), {"n_components": K, "fit_algorithm": algorithm} | options, dtype)


@pytest.mark.parametrize(("algorithm", "options"), [CASES[0], CASES[2], CASES[4], CASES[5]], ids=str)
def test_what_is_observed_does_not_depend_on_the_unit(dtype, algorithm, options):
    def learn(X, options):
        gaps = np.where(np.random.default_rng(1).random(X.shape) < 0.2, np.nan, X)
        model = gf.DictionaryLearning(max_iter=3, tol=0, random_state=0, missing="mask", **options).fit(gaps)
        return model, model.error_

    check(learn, problem(dtype), {"n_components": K, "fit_algorithm": algorithm} | options, dtype)


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("algorithm", ["cd", "omp"])
def test_the_unit_of_the_weights_is_that_of_the_penalty(dtype, algorithm, positive):
    X = problem(dtype)[:90]
    weights = np.random.default_rng(1).choice([0, 1, 2.5], X.shape)
    weights[7], weights[:, 2] = 0, 0
    options = {"fit_algorithm": algorithm, "positive_code": positive, "max_iter": 4, "tol": 0}

    def learn(c):
        return gf.DictionaryLearning(25, alpha=0.2 * c, missing="mask", random_state=0, **options).fit(
            X, mask=weights * c
        )

    expected = learn(1.0)
    for power in (-60, 60) if dtype == np.float32 else (-500, 500):
        found = learn(2.0**power)
        assert_array_equal(found.components_, expected.components_)
        assert_array_equal(found.error_ / 2.0**power, expected.error_)


def test_codes_to_start_from_are_in_the_unit_of_x(dtype):
    X = problem(dtype)
    D = X[:K] / np.linalg.norm(X[:K], axis=1, keepdims=True)
    Z = gf.sparse_encode(X, D, alpha=0.3).astype(np.float64)

    def learn(X, options):
        model = gf.DictionaryLearning(K, max_iter=4, tol=0, dict_init=D, **options).fit(X)
        return model, model.error_

    check(learn, X, {"fit_algorithm": "soup_l1", "alpha": 0.3, "code_init": Z}, dtype)
    check(learn, X, {"fit_algorithm": "ksvd", "transform_n_nonzero_coefs": 3, "code_init": Z}, dtype)


def test_the_length_of_atoms_to_start_from_may_be_any():
    X = problem(np.float32)
    start = X[:K] / np.linalg.norm(X[:K], axis=1, keepdims=True)
    options = {"max_iter": 2, "tol": 0, "transform_n_nonzero_coefs": 3, "fit_algorithm": "ksvd"}
    expected = gf.DictionaryLearning(K, dict_init=start, **options).fit(X).components_
    for c in (1e25, 1e-25):
        found = gf.DictionaryLearning(K, dict_init=start.astype(np.float64) * c, **options).fit(X)
        assert_allclose(found.components_, expected, atol=1e-4)


@pytest.mark.parametrize(("algorithm", "options"), [CASES[0], CASES[4], *RESIDUAL[:1], RESIDUAL[2]], ids=str)
@pytest.mark.parametrize(("unit", "word"), [(1e-18, "small"), (1e18, "large")])
def test_squares_that_float32_cannot_hold_are_refused_and_float64_holds_them(algorithm, options, unit, word):
    X = problem(np.float64)
    options = {"n_components": K, "fit_algorithm": algorithm, "max_iter": 3, "tol": 0} | options
    learners = [gf.DictionaryLearning] + [gf.MiniBatchDictionaryLearning] * (algorithm in ("cd", "omp"))
    for learner in learners:
        with pytest.raises(ValueError, match=rf"too {word} for float32.*multiply X.*alpha.*or pass float64"):
            learner(**scaled(options, unit)).fit((X * unit).astype(np.float32))
        expected = learner(**options, random_state=0).fit(X).components_
        found = learner(**scaled(options, unit), random_state=0).fit(X * unit).components_
        assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("unit", [1e-150, 1e150, 1e-300])
def test_squares_that_float64_cannot_hold_are_refused(unit):
    X = problem(np.float64) * unit
    for learner in (*(model(K) for model in BOTH), gf.DictionaryLearning(K, missing="mask")):
        with pytest.raises(ValueError, match=r"X is too (small|large) for float64"):
            learner.fit(X)

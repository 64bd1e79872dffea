"""Fits of dictionaries that go on from an earlier one, or from atoms and codes that are given."""

import pickle
import warnings

import numpy as np
import pytest
from dictionary.cases import ALGORITHMS, BOTH, learn, planted, rows_of
from numpy.testing import assert_allclose, assert_array_equal

import gramfold as gf


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_ten_iterations_and_ten_more_are_twenty(algorithm):
    X, _ = planted(300)
    options = {"dict_init": rows_of(X, 15), "n_components": 15}
    whole = learn(X, algorithm, k=15, dict_init=options["dict_init"], max_iter=20)
    half = learn(X, algorithm, k=15, dict_init=options["dict_init"], max_iter=10, warm_start=True)
    half = pickle.loads(pickle.dumps(half)).fit(X)
    assert_array_equal(half.components_, whole.components_)
    assert_array_equal(half.error_, whole.error_[10:])


@pytest.mark.parametrize("shuffle", [False, True])
def test_ten_rounds_of_mini_batches_and_ten_more_are_twenty(shuffle):
    X, _ = planted(300)
    options = {
        "alpha": 0.3, "batch_size": 64, "tol": 0, "max_no_improvement": None, "random_state": 0,
        "shuffle": shuffle,
    }  # fmt: skip
    whole = gf.MiniBatchDictionaryLearning(15, max_iter=20, **options).fit(X)
    half = gf.MiniBatchDictionaryLearning(15, max_iter=10, warm_start=True, **options).fit(X)
    half = pickle.loads(pickle.dumps(half)).fit(X)
    assert_array_equal(half.components_, whole.components_)
    assert half.n_steps_ == whole.n_steps_ == 100


def test_fit_and_partial_fit_go_on_from_one_another():
    X, _ = planted(300)
    options = {
        "alpha": 0.3, "batch_size": 100, "tol": 0, "max_no_improvement": None, "shuffle": False,
        "dict_init": X[:15], "random_state": 0,
    }  # fmt: skip
    whole = gf.MiniBatchDictionaryLearning(15, max_iter=2, **options).fit(X)
    parts = gf.MiniBatchDictionaryLearning(15, max_iter=1, warm_start=True, **options)
    for first in range(0, 300, 100):
        parts.partial_fit(X[first : first + 100])
    assert_array_equal(parts.fit(X).components_, whole.components_)


def test_without_warm_start_a_fit_begins_anew():
    X, _ = planted(200)
    for model in BOTH:
        learner = model(10, alpha=0.3, max_iter=3, tol=0, random_state=0)
        assert_array_equal(learner.fit(X).components_.copy(), learner.fit(X).components_)


def test_codes_to_start_from_are_used_with_atoms_to_start_from():
    X, _ = planted(200)
    D = rows_of(X, 60)
    Z = gf.sparse_encode(X, D, alpha=0.3)
    one = {"k": 60, "transform_max_iter": 1, "max_iter": 1, "dict_init": D}
    exact = learn(X, "cd", k=60, max_iter=1, dict_init=D).components_
    assert_allclose(learn(X, "cd", code_init=Z, **one).components_, exact, atol=1e-9)
    assert np.max(np.abs(learn(X, "cd", **one).components_ - exact)) > 1e-3
    unused = learn(X, "cd", k=60, code_init=Z, max_iter=1)  # as in scikit-learn
    assert_array_equal(unused.components_, learn(X, "cd", k=60, max_iter=1).components_)


def test_a_warm_start_that_does_not_fit_is_refused():
    X, _ = planted(50)
    for model in BOTH:
        learner = model(5, alpha=0.3, max_iter=2, tol=0, warm_start=True).fit(X)
        with pytest.raises(ValueError, match="goes on with the 5 atoms learned, but n_components is 7"):
            learner.set_params(n_components=7).fit(X)
    learner = learn(X, "ksvd", 5, warm_start=True)
    with pytest.raises(ValueError, match="codes of the 50 rows learned from, but X has 40"):
        learner.fit(X[:40])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        learner.set_params(warm_start=False).fit(X[:40])

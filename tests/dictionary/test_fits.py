"""Dictionary learning: the objective falls, planted atoms are found, scikit-learn's contract is kept."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from dictionary.cases import BOTH, planted
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.decomposition import DictionaryLearning as SklearnLearning
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import check_estimator

import gramfold as gf


@pytest.mark.parametrize("model", BOTH)
def test_the_learners_pass_scikit_learns_checks(model):
    options = {"max_iter": 5} if model is gf.DictionaryLearning else {"max_iter": 2, "batch_size": 5}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_estimator(model(transform_algorithm="lasso_lars", **options))


@pytest.mark.parametrize("positive_code", [False, True])
@pytest.mark.parametrize("positive_dict", [False, True])
@pytest.mark.parametrize("l2", [0.0, 0.5])
def test_the_objective_never_rises(positive_code, positive_dict, l2):
    X, _ = planted(400)
    model = gf.DictionaryLearning(
        12, alpha=0.3, l2=l2, max_iter=15, tol=0, positive_code=positive_code, positive_dict=positive_dict,
        random_state=0,
    ).fit(X)  # fmt: skip
    assert np.all(np.diff(model.error_) <= 1e-10 * model.error_[:-1])
    assert np.all(np.linalg.norm(model.components_, axis=1) <= 1 + 1e-12)
    assert model.components_.min() >= 0 or not positive_dict


def test_the_objective_is_what_its_parts_give():
    X, _ = planted(300)
    last = gf.DictionaryLearning(12, alpha=0.3, max_iter=3, tol=0, random_state=0).fit(X)
    before = gf.DictionaryLearning(12, alpha=0.3, max_iter=2, tol=0, random_state=0).fit(X)
    Z = gf.sparse_encode(X, before.components_, alpha=0.3)
    expected = 0.5 * np.sum((X - Z @ last.components_) ** 2) + 0.3 * np.abs(Z).sum()
    assert_allclose(last.error_[-1], expected, rtol=1e-10)


def test_as_good_an_objective_as_scikit_learn_in_as_many_iterations():
    X, _ = planted(300)
    rng = np.random.default_rng(0)
    start = rng.standard_normal((25, 20))
    start /= np.linalg.norm(start, axis=1, keepdims=True)
    ours = gf.DictionaryLearning(25, alpha=0.3, max_iter=10, tol=0, dict_init=start).fit(X)
    theirs = SklearnLearning(
        25, alpha=0.3, max_iter=10, tol=0, fit_algorithm="cd", dict_init=start, code_init=np.zeros((300, 25))
    ).fit(X)
    assert_allclose(ours.error_, theirs.error_, rtol=1e-5)


@pytest.mark.parametrize("model", [gf.DictionaryLearning, gf.MiniBatchDictionaryLearning])
@pytest.mark.parametrize(
    "options", [{"alpha": 0.3}, {"fit_algorithm": "omp", "transform_n_nonzero_coefs": 3}], ids=str
)
def test_a_planted_dictionary_is_found(model, options):
    X, D = planted()
    rng = np.random.default_rng(1)
    start = X[rng.choice(len(X), 40, replace=False)]
    start = start / np.linalg.norm(start, axis=1, keepdims=True)
    more = (
        {"max_iter": 60} if model is gf.DictionaryLearning else {"max_iter": 40, "max_no_improvement": None}
    )
    found = model(40, tol=0, dict_init=start, random_state=0, **options, **more).fit(X).components_
    found = found / np.linalg.norm(found, axis=1, keepdims=True)
    cosine = np.abs(D @ found.T).max(axis=1)
    assert np.mean(cosine > 0.98) >= 0.9


@pytest.mark.parametrize("model", BOTH)
def test_fits_are_the_same_for_any_number_of_threads_and_float32_stays(model):
    X, _ = planted(700)
    for dtype in (np.float32, np.float64):
        fits = [model(15, alpha=0.3, max_iter=3, tol=0, random_state=0, n_threads=t) for t in (1, 3)]
        first, other = (f.fit(X.astype(dtype)).components_ for f in fits)
        assert first.dtype == dtype
        assert_array_equal(first, other)


def test_dead_and_repeated_atoms_are_replaced():
    X, _ = planted(500)
    start = np.zeros((10, 20))
    start[:8] = X[:8]
    start[7] = start[6]  # and two of zeros
    for model in BOTH:
        D = model(10, alpha=0.3, max_iter=10, tol=0, dict_init=start, random_state=0).fit(X).components_
        norms = np.linalg.norm(D, axis=1)
        assert norms.min() > 0.1
        unit = D / norms[:, None]
        assert np.max(np.abs(unit @ unit.T - np.eye(10))) < 0.9999


def test_partial_fit_goes_on_from_what_was_learned():
    X, _ = planted(1200)
    model = gf.MiniBatchDictionaryLearning(15, alpha=0.3, random_state=0)
    costs = []
    for first in range(0, 1200, 200):
        model.partial_fit(X[first : first + 200])
        Z = gf.sparse_encode(X, model.components_, alpha=0.3)
        costs.append(0.5 * np.sum((X - Z @ model.components_) ** 2) + 0.3 * np.abs(Z).sum())
    assert model.n_steps_ == 6
    assert costs[-1] < costs[0]


def test_sparse_input_is_learned_as_dense():
    X, _ = planted(300)
    X[np.abs(X) < 0.5] = 0
    fits = [
        clone(gf.DictionaryLearning(8, alpha=0.3, max_iter=3, tol=0, dict_init=X[:8])).fit(x)
        for x in (X, sp.csr_matrix(X))
    ]
    assert_allclose(fits[0].components_, fits[1].components_, atol=1e-9)


def test_the_callback_stops_and_the_limit_warns():
    X, _ = planted(200)
    seen = []
    model = gf.DictionaryLearning(5, max_iter=50, callback=lambda info: seen.append(info) or len(seen) == 3)
    assert model.fit(X).n_iter_ == 3
    assert [info.iteration for info in seen] == [1, 2, 3]
    with pytest.warns(ConvergenceWarning, match="Maximum number of iterations 2"):
        gf.DictionaryLearning(5, alpha=0.1, max_iter=2).fit(X)


@pytest.mark.parametrize("model", BOTH)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_components": 0}, "n_components must be"),
        ({"fit_algorithm": "svd"}, "fit_algorithm must be one of"),
        ({"alpha": -1.0}, "alpha must be"),
        ({"dict_init": np.ones((3, 20))}, r"dict_init must have shape \(5, 20\)"),
        ({"fit_algorithm": "ols", "positive_code": True}, "positive_code=True does not go with"),
        ({"callback": 3}, "callback must be callable"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_by_name(model, options, message):
    X, _ = planted(50)
    with pytest.raises(ValueError, match=message):
        model(**{"n_components": 5} | options).fit(X)

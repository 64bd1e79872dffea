"""Dictionaries of rows with missing entries."""

import numpy as np
import pytest
from dictionary.cases import found, learn, planted, rows_of
from numpy.testing import assert_allclose, assert_array_equal

import gramfold as gf


def masked(X, share=0.3, seed=2):
    return np.where(np.random.default_rng(seed).random(X.shape) < share, np.nan, X)


@pytest.mark.parametrize("algorithm", ["cd", "omp"])
def test_nothing_missing_is_the_fit_of_all(algorithm):
    X, _ = planted(200)
    options = {"dict_init": rows_of(X, 12), "max_iter": 5}
    plain, seen = learn(X, algorithm, **options), learn(X, algorithm, missing="mask", **options)
    assert_allclose(seen.error_, plain.error_, rtol=1e-8)
    assert_allclose(seen.components_, plain.components_, atol=1e-6)


@pytest.mark.parametrize(
    "options", [{}, {"l2": 0.5}, {"positive_dict": True}, {"dict_l1": 2.0, "unit_ball": False}], ids=str
)
def test_the_objective_of_what_is_observed_never_rises(options):
    X, _ = planted(400)
    model = learn(masked(X), "cd", missing="mask", **options)
    assert np.all(np.diff(model.error_) <= 1e-9 * model.error_[:-1])
    assert np.linalg.norm(model.components_, axis=1).max() <= 1 + 1e-12 or "unit_ball" in options


def test_what_is_not_observed_may_be_anything():
    X, _ = planted(200)
    gaps = masked(X)
    mask = ~np.isnan(gaps)
    options = {"missing": "mask", "max_iter": 3, "tol": 0, "alpha": 0.3, "random_state": 0}
    fits = [gf.DictionaryLearning(10, **options).fit(gaps)]
    for other in (0.0, 1e6, np.inf):
        fits.append(gf.DictionaryLearning(10, **options).fit(np.where(mask, X, other), mask=mask))
    fits.append(gf.DictionaryLearning(10, **options).fit(np.ma.array(X, mask=~mask)))
    fits.append(gf.DictionaryLearning(10, n_threads=3, **options).fit(X, mask=mask.astype(float)))
    for fit in fits[1:]:
        assert_array_equal(fit.components_, fits[0].components_)
    columns = gf.DictionaryLearning(10, **options).fit(np.asfortranarray(gaps)).components_
    assert_allclose(columns, fits[0].components_, atol=1e-9)
    codes = fits[0].set_params(transform_algorithm="lasso_cd").transform(gaps)
    assert_array_equal(codes, gf.sparse_encode(X, fits[0].components_, alpha=0.3, mask=mask))


def test_a_weight_of_two_is_a_row_given_twice():
    X, _ = planted(120)
    gaps = masked(X)
    options = {"dict_init": rows_of(X, 10), "missing": "mask", "max_iter": 4, "tol": 0, "alpha": 0.3}
    twice = gf.DictionaryLearning(10, **options).fit(np.vstack([gaps, gaps]))
    weighted = gf.DictionaryLearning(10, **options | {"alpha": 0.6}).fit(gaps, mask=np.full(X.shape, 2.0))
    assert_allclose(weighted.components_, twice.components_, atol=1e-6)


def test_a_planted_dictionary_is_found_though_entries_are_missing():
    X, D = planted()
    model = learn(masked(X), "cd", 40, missing="mask", dict_init=rows_of(X, 40), max_iter=40)
    assert found(model, D) >= 0.9


def test_mini_batches_say_that_nothing_may_be_missing():
    X, _ = planted(50)
    with pytest.raises(ValueError, match=r"contains NaN.*DictionaryLearning\(missing='mask'\)"):
        gf.MiniBatchDictionaryLearning(5).fit(masked(X))
    with pytest.raises(ValueError, match=r"contains NaN: missing='mask' leaves"):
        gf.DictionaryLearning(5).fit(masked(X))
    with pytest.raises(ValueError, match="fit_algorithm must be one of"):
        gf.MiniBatchDictionaryLearning(5, fit_algorithm="ksvd").fit(X)
    with pytest.raises(ValueError, match="mask is only used with missing='mask'"):
        gf.DictionaryLearning(5).fit(X, mask=np.ones(X.shape, bool))

"""MiniBatchNMF where entries of X are not observed."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import gramfold as gf


def planted(rows=300, cols=20, k=3, missing=0.3):
    rng = np.random.default_rng(0)
    X = rng.random((rows, k)) @ rng.random((k, cols))
    return X, np.where(rng.random(X.shape) < missing, np.nan, X)


def model(**options):
    defaults = {"batch_size": 60, "random_state": 0, "missing": "mask", "tol": 0, "max_no_improvement": None}
    return gf.MiniBatchNMF(3, **defaults | options)


def test_an_x_without_gaps_is_fitted_as_ever():
    X, _ = planted()
    masked, plain = (model(max_iter=20, missing=missing).fit(X) for missing in ("mask", "error"))
    assert_allclose(masked.components_, plain.components_, rtol=1e-9, atol=1e-12)


def test_what_is_missing_is_found_from_what_is_observed():
    X, gaps = planted()
    fitted = model(max_iter=200)
    W = fitted.fit_transform(gaps)
    hidden, rest = np.isnan(gaps), X - W @ fitted.components_
    assert np.linalg.norm(rest[hidden]) < 0.02 * np.linalg.norm(X[hidden])
    assert_allclose(fitted.reconstruction_err_, np.linalg.norm(rest[~hidden]), rtol=1e-9)
    assert_array_equal(fitted.transform(gaps), W)


def test_whole_batches_never_raise_the_objective():
    _, gaps = planted()
    history = model(batch_size=300, forget_factor=0.0, max_iter=60).fit(gaps).history_["objective"]
    assert np.all(np.diff(history) <= 1e-12 * history[0])


def test_masked_entries_are_nan_and_batches_may_come_one_by_one():
    X, gaps = planted()
    hidden = np.isnan(gaps)
    one, other = (model(max_iter=5).fit(x) for x in (gaps, np.ma.masked_array(X, hidden)))
    assert_array_equal(one.components_, other.components_)
    learner = model()
    for _ in range(30):
        for first in range(0, 300, 60):
            learner.partial_fit(gaps[first : first + 60])
    rest = X - learner.transform(gaps) @ learner.components_
    assert np.linalg.norm(rest[hidden]) < 0.1 * np.linalg.norm(X[hidden])


def test_rows_and_columns_without_an_observed_entry_stay_finite(dtype):
    _, gaps = planted()
    gaps[5], gaps[:, 7] = np.nan, np.nan
    fitted = model(max_iter=10)
    W = fitted.fit_transform(gaps.astype(dtype))
    assert np.isfinite(W).all()
    assert np.isfinite(fitted.components_).all()
    assert not W[5].any()


def test_other_losses_and_words_are_refused_by_name():
    _, gaps = planted()
    with pytest.raises(ValueError, match="missing='mask' needs beta_loss='frobenius'"):
        model(beta_loss="kullback-leibler").fit(gaps)
    with pytest.raises(ValueError, match="missing must be one of 'error', 'mask'"):
        model(missing="unstored").fit(gaps)
    with pytest.raises(ValueError, match=r"contains NaN.*missing='mask'"):
        model(missing="error").fit(gaps)

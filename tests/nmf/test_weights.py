"""Weights of the rows of NMF: whole ones are rows that often, others weigh the loss."""

import numpy as np
import pytest
import scipy.sparse as sp
from nmf.cases import ratings, stored
from numpy.testing import assert_allclose, assert_array_equal

import gramfold as gf

KL = {"beta_loss": "kullback-leibler"}
MODELS = {
    "plain": {},
    "L2": {"alpha_W": 0.01, "alpha_H": 0.02},
    "KL": KL,
    "KL, L1": {**KL, "alpha_W": 0.01, "alpha_H": 0.02, "l1_ratio": 1.0},
    "mu": {"solver": "mu", "alpha_W": 0.01},
    "KL, mu": {"solver": "mu", **KL},
    "beta 1.5, mu": {"solver": "mu", "beta_loss": 1.5, "alpha_W": 0.0, "alpha_H": 0.01},
    "semi": {"W_nonneg": False, "alpha_W": 0.01},
    "mask": {"missing": "mask", "alpha_W": 0.01},
    "unstored": {"missing": "unstored"},
    "KL, mask": {"missing": "mask", **KL},
    "KL, unstored": {"missing": "unstored", **KL},
}
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def problem(dtype=np.float64, name="plain", n=40, m=25, k=3, seed=0):
    """X in the form of the model, whole weights, 0 among them, and a start."""
    rng = np.random.default_rng(seed)
    X = ratings(n, m, dtype, seed)
    X[4] = X[5]  # of ratings: a row of NaN
    if MODELS[name].get("missing") is None:
        X = np.nan_to_num(X) + dtype(0.1)
    X = stored(X) if "unstored" in name else X
    start = {"W": rng.random((n, k)).astype(dtype), "H": rng.random((k, m)).astype(dtype)}
    return X, rng.integers(0, 4, n), start


def model(name, **options):
    return gf.NMF(3, **{"init": "custom", "tol": 0, "max_iter": 12, **MODELS[name], **options})


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array], ids=["dense", "csr"])
@pytest.mark.parametrize("name", MODELS)
def test_whole_weights_are_rows_that_often(dtype, name, form):
    X, weights, start = problem(dtype, name)
    if "missing" not in MODELS[name]:
        X = form(X)
    often = np.repeat(np.arange(40), weights)
    # One sweep: how many are worth it depends on the shape. Scaled rows have units of their own.
    options = {"max_sweeps": 1, "max_iter": 4}
    expected = model(name, **options).fit(X[often], W=start["W"][often], H=start["H"])
    objectives = []
    found = model(name, **options, callback=lambda info: objectives.append(info.objective))
    W = found.fit_transform(X, **start, sample_weight=weights)
    tol = 1e-8 if dtype == np.float64 else 2e-3
    H = expected.components_
    assert_allclose(found.components_, H, rtol=0, atol=tol * np.abs(H).max())
    assert_allclose(found.reconstruction_err_, expected.reconstruction_err_, rtol=tol)
    assert_allclose(found.history_["objective"], expected.history_["objective"], rtol=tol)
    assert_array_equal(found.history_["objective"], objectives)
    assert_allclose(found.kkt_residual_, expected.kkt_residual_, rtol=20 * tol, atol=tol)
    assert_array_equal(W, found.transform(X))
    found.components_ = H
    assert_allclose(found.score(X, sample_weight=weights), expected.score(X[often]), rtol=tol)


@pytest.mark.parametrize("name", MODELS)
def test_rows_of_weight_zero_leave_the_components_alone(dtype, name):
    X, weights, start = problem(dtype, name)
    kept = weights > 0
    some = model(name).fit(X[kept], W=start["W"][kept], H=start["H"], sample_weight=weights[kept])
    every = model(name)
    W = every.fit_transform(X, **start, sample_weight=weights)
    assert_array_equal(every.components_, some.components_)
    assert_array_equal(W, every.transform(X))
    assert W[~kept].any()


@pytest.mark.parametrize("factor", [1e-300, 1e-8, 1e200])
@pytest.mark.parametrize("name", ["L2", "KL, L1", "mask"])
def test_only_the_ratios_of_weights_matter_to_the_factors(name, factor):
    X, _, start = problem(name=name)
    weights = np.random.default_rng(1).random(40) + 0.1
    once, scaled = (model(name).fit(X, **start, sample_weight=w) for w in (weights, weights * factor))
    assert_allclose(scaled.components_, once.components_, rtol=0, atol=1e-9 * once.components_.max())
    error = once.reconstruction_err_
    assert_allclose(scaled.reconstruction_err_, error * np.sqrt(factor), rtol=1e-9)


def test_the_weighted_loss_is_what_is_minimised():
    X, _, _ = problem()
    weights = np.random.default_rng(1).random(40) ** 3
    fit = gf.NMF(3, init="random", random_state=0, tol=1e-10, max_iter=5000, alpha_W=0.01, alpha_H=0.02)
    W = fit.fit_transform(X, sample_weight=weights)
    H = fit.components_
    squares = np.sum((X - W @ H) ** 2, axis=1)
    assert_allclose(fit.reconstruction_err_, np.sqrt(weights @ squares), rtol=1e-9)
    gradient = -(weights[:, None] * W).T @ (X - W @ H) + 0.02 * weights.sum() * H
    size = np.abs((weights[:, None] * W).T @ X).max()
    assert np.abs(np.where(H > 0, gradient, np.minimum(gradient, 0))).max() < 1e-6 * size
    assert_allclose(
        fit.score(X, sample_weight=weights), -0.5 * np.average(squares, weights=weights), rtol=1e-9
    )


@pytest.mark.parametrize("init", ["nndsvda", "random"])
@pytest.mark.parametrize("name", ["plain", "KL", "mask", "unstored"])
def test_equal_weights_are_none(name, init):
    X, *_ = problem(name=name)
    options = {"init": init, "random_state": 0}
    plain, equal = model(name, **options), model(name, **options)
    W = plain.fit_transform(X)
    assert_allclose(equal.fit_transform(X, sample_weight=np.full(40, 3.0)), W, rtol=0, atol=1e-8)


def test_what_is_given_stays_as_it_was():
    X, weights, start = problem()
    given = [X, sp.csr_array(X), *start.values()]
    before = [g.copy() for g in given]
    model("plain").fit(X, **start, sample_weight=weights)
    model("plain").fit(given[1], **start, sample_weight=weights)
    for a, b in zip(before, given, strict=True):
        assert_array_equal(*(g.toarray() if sp.issparse(g) else g for g in (a, b)))


@pytest.mark.parametrize(
    ("options", "weights", "message"),
    [
        ({}, -np.ones(40), "Negative values in data passed to `sample_weight`"),
        ({}, np.zeros(40), "must contain at least one non-zero|0 everywhere"),
        ({}, np.ones(39), r"sample_weight.shape == \(39,\)"),
        (
            {"alpha_W": 0.1, "l1_ratio": 0.5},
            np.ones(40),
            "L1 penalty on W needs beta_loss='kullback-leibler'",
        ),
        ({**KL, "alpha_W": 0.1}, np.ones(40), "L2 penalty on W needs the Frobenius loss"),
        ({"solver": "mu", "beta_loss": 0}, np.ones(40), "sample_weight needs a beta_loss above 0, got 0"),
    ],
)
def test_bad_weights_are_refused_by_name(options, weights, message):
    X, _, _ = problem()
    with pytest.raises(ValueError, match=message):
        gf.NMF(3, **options).fit(X, sample_weight=weights)

"""Components of NMF that stay as they are: to the bit, with the others at their optimum beside them."""

import numpy as np
import pytest
import scipy.sparse as sp
from nmf.cases import ratings, stored
from numpy.testing import assert_allclose, assert_array_equal

import gramfold as gf

FORMS = {
    "dense": ({}, np.nan_to_num), "csr": ({}, lambda x: sp.csr_array(np.nan_to_num(x))),
    "mask": ({"missing": "mask"}, np.asarray), "unstored": ({"missing": "unstored"}, stored),
}  # fmt: skip
PENALTIES = {"free": {}, "penalties": {"alpha_W": 0.01, "alpha_H": 0.02, "l1_ratio": 0.3}}
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def frozen(m, count=2, dtype=np.float64):
    return np.random.default_rng(9).random((count, m)).astype(dtype)


@pytest.mark.parametrize("shape", [(60, 45), (45, 60)], ids=["tall", "wide"])
@pytest.mark.parametrize("penalties", PENALTIES)
@pytest.mark.parametrize("form", FORMS)
def test_the_others_come_to_their_kkt_conditions(form, penalties, shape):
    X, F = ratings(*shape), frozen(shape[1])
    (options, make), pen = FORMS[form], PENALTIES[penalties]
    model = gf.NMF(4, frozen=F, random_state=0, tol=1e-7, max_iter=3000, **options, **pen)
    W = model.fit_transform(make(X))
    H, objective = model.components_, model.history_["objective"]
    assert_array_equal(H[:2], F)
    assert np.all(np.diff(objective) <= 1e-12 * objective[:-1])
    w = ~np.isnan(X) if "missing" in options else np.ones(shape)
    left = w * (np.nan_to_num(X) - W @ H)
    assert_allclose(model.reconstruction_err_, np.linalg.norm(left), rtol=1e-7)
    alpha, ratio = pen.get("alpha_H", 0) * shape[0], pen.get("l1_ratio", 0)
    gradient = (-W.T @ left + alpha * ratio + alpha * (1 - ratio) * H)[2:]
    size = np.abs(W.T @ (w * np.nan_to_num(X))).max()
    assert np.abs(np.where(H[2:] > 0, gradient, np.minimum(gradient, 0))).max() < 1e-4 * size
    assert H[2:].any()
    assert model.kkt_residual_ < 1e-4


@pytest.mark.parametrize("form", FORMS)
def test_frozen_components_keep_their_bits(dtype, form):
    options, make = FORMS[form]
    F = frozen(45, dtype=dtype)
    for extra in ({}, {"shuffle": True}, {"max_sweeps": 1, "extrapolate": False}, {"W_nonneg": False}):
        model = gf.NMF(4, frozen=F, init="random", random_state=0, max_iter=8, tol=0, **options, **extra)
        W = model.fit_transform(make(ratings(dtype=dtype)))
        assert_array_equal(model.components_[:2], F)
        assert W.dtype == model.components_.dtype == dtype
        assert np.all(np.diff(model.history_["objective"]) <= 1e-5 * model.history_["objective"][:-1])


def test_all_paths_make_the_same_iterates():
    X, F = ratings(), frozen(45)
    whole = np.nan_to_num(X)
    settings = {
        "frozen": F,
        "random_state": 0,
        "max_iter": 6,
        "tol": 0,
        "max_sweeps": 1,
        "extrapolate": False,
    }
    dense, csr, mask = (
        gf.NMF(4, **settings, **options).fit(x)
        for x, options in ((whole, {}), (sp.csr_array(whole), {}), (whole, {"missing": "mask"}))
    )
    assert_allclose(csr.components_, dense.components_, rtol=0, atol=1e-8)
    assert_allclose(mask.components_, dense.components_, rtol=0, atol=1e-8)
    gaps = gf.NMF(4, missing="mask", **settings).fit(X)
    unstored = gf.NMF(4, missing="unstored", **settings).fit(stored(X))
    assert_allclose(unstored.components_, gaps.components_, rtol=0, atol=1e-8)


@pytest.mark.parametrize("form", FORMS)
def test_with_all_frozen_only_the_rows_are_solved(form):
    options, make = FORMS[form]
    F, X = frozen(45, 3), make(ratings())
    model = gf.NMF(3, frozen=F, **options)
    W = model.fit_transform(X)
    assert_array_equal(model.components_, F)
    fixed, _, _ = gf.non_negative_factorization(X, H=F, n_components=3, update_H=False, **options)
    assert_allclose(W, fixed, rtol=0, atol=1e-9)


@pytest.mark.parametrize("form", FORMS)
def test_components_planted_beside_known_ones_are_found(form):
    rng = np.random.default_rng(0)
    options, make = FORMS[form]
    H = rng.random((3, 30)) * (rng.random((3, 30)) < 0.5)
    X = (rng.random((200, 3)) * (rng.random((200, 3)) < 0.6)) @ H
    if "missing" in options:
        X[rng.random(X.shape) < 0.2] = np.nan
    model = gf.NMF(3, frozen=H[:2], init="random", random_state=0, tol=1e-10, max_iter=3000, **options)
    model.fit(make(X))
    found, true = (h / np.linalg.norm(h) for h in (model.components_[2], H[2]))
    assert found @ true > 1 - 1e-6


def test_whole_weights_are_rows_that_often_with_frozen_components():
    X, F, rng = np.nan_to_num(ratings()), frozen(45), np.random.default_rng(1)
    weights = rng.integers(0, 3, 60)
    often = np.repeat(np.arange(60), weights)
    W, H = rng.random((60, 4)), rng.random((4, 45))
    settings = {"frozen": F, "init": "custom", "max_iter": 5, "tol": 0, "max_sweeps": 1}
    once, repeated = gf.NMF(4, **settings), gf.NMF(4, **settings)
    once.fit(X, W=W, H=H, sample_weight=weights)
    repeated.fit(X[often], W=W[often], H=H)
    assert_allclose(once.components_, repeated.components_, rtol=0, atol=1e-8)


@pytest.mark.parametrize(
    ("options", "given", "message"),
    [
        ({}, frozen(44), r"frozen must have 45 columns, as X has, got shape \(2, 44\)"),
        ({}, frozen(45, 5), "frozen has 5 components, more than n_components=3"),
        ({}, -frozen(45), r"passed to NMF \(input frozen\)"),
        ({}, np.ones(45), "frozen must have two dimensions, got 1"),
        ({"beta_loss": 1}, frozen(45), "frozen needs beta_loss='frobenius' and solver='cd'"),
        ({"solver": "mu"}, frozen(45), "frozen needs beta_loss='frobenius' and solver='cd'"),
    ],
)
def test_bad_components_are_refused_by_name(options, given, message):
    with pytest.raises(ValueError, match=message):
        gf.NMF(3, frozen=given, **options).fit(np.nan_to_num(ratings()))

"""NMF of X at any scale: a power of two changes nothing but the scale of the result, to the bit."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal
from sklearn.decomposition._nmf import _beta_divergence

import gramfold as gf

SOLVERS = {
    "cd": {}, "mu": {"solver": "mu"}, "kl": {"beta_loss": 1}, "kl mu": {"solver": "mu", "beta_loss": 1},
    "is": {"solver": "mu", "beta_loss": 0}, "beta 1.5": {"solver": "mu", "beta_loss": 1.5},
    "beta 3": {"solver": "mu", "beta_loss": 3}, "masked": {"missing": "mask"},
}  # fmt: skip
SIZES = {"float32": 20, "float64": 120}
# Multiplicative updates cannot move the zeros of nndsvd.
WITH_STARTS = [
    (name, init)
    for name, options in SOLVERS.items()
    for init in ("random", "nndsvda", "nndsvdar", "nndsvd")
    if init != "nndsvd" or options.get("solver") != "mu"
]


def planted(shape=(30, 14), seed=0, dtype=np.float64):
    """A noisy product of sparse factors, without zeros."""
    rng = np.random.default_rng(seed)
    W, H = (rng.random((n, 3)) * (rng.random((n, 3)) < 0.7) for n in shape)
    return (W @ H.T + 0.05 + 0.1 * rng.random(shape)).astype(dtype)


def masks(name, X):
    seen = np.random.default_rng(1).random(X.shape) > 0.2
    return {"mask": seen} if name == "masked" else {}


@pytest.mark.parametrize("shape", [(30, 14), (14, 30)], ids=["tall", "wide"])
@pytest.mark.parametrize(("name", "init"), WITH_STARTS)
def test_a_power_of_four_scales_both_factors_to_the_bit(name, init, shape, dtype):
    X, size = planted(shape, dtype=dtype), SIZES[np.dtype(dtype).name]
    beta = SOLVERS[name].get("beta_loss", 2)

    def fitted(exponent, form):
        alpha = 1e-3 * 4.0 ** (exponent * beta) / 2.0**exponent
        model = gf.NMF(3, init=init, random_state=0, max_iter=15, tol=0, alpha_W=alpha, l1_ratio=1.0,
                       **SOLVERS[name])  # fmt: skip
        scaled = form(np.ldexp(X, 2 * exponent))
        W = model.fit_transform(scaled, **masks(name, X))
        return model, W, model.transform(scaled, **masks(name, X))

    for form in (np.asarray, sp.csr_array) if name not in ("masked", "is") else (np.asarray,):
        once, W, again = fitted(0, form)
        for exponent in (-size // 2, size // 2 - 1):  # even and odd
            model, W_scaled, again_scaled = fitted(exponent, form)
            assert_array_equal(model.components_, np.ldexp(once.components_, exponent))
            assert_array_equal(W_scaled, np.ldexp(W, exponent))
            assert_array_equal(again_scaled, np.ldexp(again, exponent))
            assert model.components_.any()


@pytest.mark.parametrize("loss", ["frobenius", "kullback-leibler", "itakura-saito"])
@pytest.mark.parametrize("fresh", [False, True])
def test_mini_batches_scale_with_x_to_the_bit(loss, fresh):
    X = planted()
    results = []
    for exponent in (0, -30, 25):
        model = gf.MiniBatchNMF(3, beta_loss=loss, batch_size=7, random_state=0, max_iter=4, tol=0,
                                fresh_restarts=fresh)  # fmt: skip
        W = model.fit_transform(np.ldexp(X, 2 * exponent))
        results.append([np.ldexp(factor, -exponent) for factor in (W, model.components_)])
    for scaled in results[1:]:
        for mine, first in zip(scaled, results[0], strict=True):
            assert_array_equal(mine, first)


@pytest.mark.parametrize("solver", ["cd", "mu"])
@pytest.mark.parametrize("form", [np.asarray, sp.csr_array], ids=["dense", "csr"])
def test_rows_of_any_size_are_coded_as_they_are_alone(solver, form, dtype):
    X = planted(dtype=dtype)
    model = gf.NMF(3, solver=solver, beta_loss="kullback-leibler", init="random", random_state=0).fit(X)
    W, exponents = model.transform(form(X)), np.arange(30)[:, None] % 7 * 5 - 15
    assert_array_equal(model.transform(form(np.ldexp(X, exponents))), np.ldexp(W, exponents))


@pytest.mark.parametrize(("loss", "beta"), [("kullback-leibler", 1), ("itakura-saito", 0)])
def test_the_divergence_of_entries_far_below_the_mean_is_that_of_longdouble(loss, beta):
    X = planted() * 10.0 ** -np.arange(30)[:, None].clip(0, 12)
    model = gf.NMF(3, solver="mu", beta_loss=loss, init="random", random_state=0, max_iter=300)
    W = model.fit_transform(X)
    x, wh = X.astype(np.longdouble), W.astype(np.longdouble) @ model.components_
    terms = x * np.log(x / wh) - x + wh if beta else x / wh - np.log(x / wh) - 1
    assert model.reconstruction_err_ == pytest.approx(float(np.sqrt(2 * terms.sum())), rel=1e-9)


@pytest.mark.parametrize("loss", ["kullback-leibler", "itakura-saito", 1.5])
@pytest.mark.parametrize("size", [1e-5, 1e-9, 1e-13])
def test_tiny_data_are_fitted_as_well_as_others(loss, size):
    X = planted()
    options = {
        "solver": "mu",
        "beta_loss": loss,
        "init": "random",
        "random_state": 0,
        "max_iter": 60,
        "tol": 0,
    }
    ordinary, tiny = gf.NMF(3, **options), gf.NMF(3, **options)
    W, W_tiny = ordinary.fit_transform(X), tiny.fit_transform(X * size)
    ours, at_one = W_tiny @ tiny.components_ / size, W @ ordinary.components_
    np.testing.assert_allclose(ours, at_one, rtol=1e-6)
    assert _beta_divergence(X, W_tiny / size, tiny.components_, loss) > 0
    assert tiny.kkt_residual_ == pytest.approx(ordinary.kkt_residual_, rel=1e-3)


@pytest.mark.parametrize("shape", [(35, 13), (13, 35)], ids=["tall", "wide"])
@pytest.mark.parametrize("beta", [0.5, 1, 1.5, 2, 3])
def test_penalties_that_empty_the_factors_leave_numbers(shape, beta, dtype):
    rng = np.random.default_rng(0)
    for seed, form in enumerate((np.asarray, sp.csr_array)):
        X = (rng.random(shape) * (rng.random(shape) < 0.2)).astype(dtype)
        for alphas in (
            {"alpha_W": 0.1},
            {"alpha_W": 0.0, "alpha_H": 3.0},
            {"alpha_W": 9.0, "alpha_H": 0.0},
        ):
            model = gf.NMF(2, solver="mu", beta_loss=beta, l1_ratio=0.5, init="random", tol=0,
                           max_iter=400, random_state=seed, **alphas)  # fmt: skip
            W = model.fit_transform(form(X))
            assert np.isfinite(W).all()
            assert np.isfinite(model.components_).all()
            assert np.isfinite([model.kkt_residual_, model.reconstruction_err_]).all()
            tiny = np.finfo(dtype).tiny
            assert not np.any((model.components_ > 0) & (model.components_ < tiny))

"""NMF: the objective, optimality, float types."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from nmf.cases import BOTH_OR_NONE, FORMATS, PENALTIES, SHAPES, fit, random_x, signed_x
from numpy.testing import assert_allclose
from optimality import kkt, objective, penalties
from scipy.optimize import linear_sum_assignment

import gramfold as gf
from gramfold.datasets import make_nmf

# The objective


problems = st.fixed_dictionaries({
    "shape": st.tuples(st.integers(1, 70), st.integers(1, 70)),
    "k": st.integers(1, 8),
    "scale": st.sampled_from([1e-6, 1e-3, 1.0, 1e3, 1e6]),
    "density": st.sampled_from([0.05, 0.5, 1.0]),
    "alpha": st.sampled_from([0.0, 1e-3, 0.1]),
    "l1_ratio": st.sampled_from([0.0, 0.5, 1.0]),
    "sparse": st.booleans(),
    "nonneg": st.sampled_from([(True, True), (True, False), (False, True), (False, False)]),
    "max_sweeps": st.sampled_from([None, 1]),
    "seed": st.integers(0, 1000),
})  # fmt: skip


@pytest.mark.parametrize("extrapolate", [False, True])
@given(problem=problems)
def test_the_objective_of_accepted_pairs_never_rises_and_is_the_true_one(problem, extrapolate, dtype):
    X = random_x(problem["shape"], problem["density"], problem["seed"]) * problem["scale"]
    X = X.astype(dtype)
    alpha, l1_ratio = problem["alpha"] * problem["scale"], problem["l1_ratio"]
    W_nonneg, H_nonneg = problem["nonneg"]
    seen = []
    options = {
        "alpha_W": alpha, "l1_ratio": l1_ratio, "W_nonneg": W_nonneg, "H_nonneg": H_nonneg,
        "max_sweeps": problem["max_sweeps"], "extrapolate": extrapolate, "init": "random",
        "random_state": problem["seed"], "tol": 0, "max_iter": 15, "callback": seen.append,
    }  # fmt: skip
    given_X = sp.csr_array(X) if problem["sparse"] else X
    W, H, _ = gf.non_negative_factorization(given_X, n_components=problem["k"], **options)
    history = [info.objective for info in seen]
    # The objective is a difference of terms as large as |X|^2 or, where signed components cancel, as theirs.
    terms = np.sum((np.abs(W).astype(float) @ np.abs(H)) ** 2)
    noise = 64 * np.finfo(dtype).eps * max(np.sum(X.astype(float) ** 2), history[0], terms)
    assert (np.diff(history) <= noise).all()
    assert np.isfinite(history).all()
    last = objective(X.astype(float), W.astype(float), H.astype(float),
                     *penalties(X.shape, alpha, alpha, l1_ratio))  # fmt: skip
    assert last <= history[-1] + noise


@pytest.mark.parametrize("form", FORMATS)
def test_the_objective_of_the_history_counts_the_penalties(form):
    X = random_x((60, 30))
    options = {"alpha_W": 0.01, "alpha_H": 0.02, "l1_ratio": 0.3}
    model, W = fit(FORMATS[form](X), 4, **options)
    final = objective(X, W, model.components_, *penalties(X.shape, 0.01, 0.02, 0.3))
    assert_allclose(model.history_["objective"][-1], final, rtol=1e-8)
    assert_allclose(model.reconstruction_err_, np.linalg.norm(X - W @ model.components_), rtol=1e-9)


def test_the_error_of_an_exact_factorisation_is_its_own_and_not_rounding_of_the_norm():
    X, _, _ = make_nmf(60, 40, 3, separable=True, random_state=0)
    model, W = fit(X, 3, tol=1e-9)
    true = np.linalg.norm(X - W @ model.components_)
    assert true < 1e-6 * np.linalg.norm(X)
    # Each entry of WH rounds: a difference this small is known to eps |X| only.
    eps = np.finfo(float).eps
    assert_allclose(model.reconstruction_err_, true, rtol=1e-6, atol=8 * eps * np.linalg.norm(X))


# Optimality


@pytest.mark.parametrize("penalty", PENALTIES, ids=str)
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_kkt_residual_is_that_of_the_pair(shape, form, penalty):
    X = random_x(SHAPES[shape])
    model, W = fit(FORMATS[form](X), 4, tol=0, max_iter=4, **penalty)
    alpha_W = penalty.get("alpha_W", 0.0)
    terms = penalties(X.shape, alpha_W, penalty.get("alpha_H", alpha_W), penalty.get("l1_ratio", 0.0))
    expected = kkt(X, W, model.components_, *terms)
    assert expected > 1e-5
    assert_allclose(model.kkt_residual_, expected, rtol=1e-7)


@pytest.mark.parametrize("nonneg", [(True, False), (False, True), (False, False)])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.5])
def test_the_kkt_residual_of_signed_factors_is_that_of_the_pair(nonneg, l1_ratio):
    X = random_x((50, 20)) - 0.3
    options = {"alpha_W": 0.01, "l1_ratio": l1_ratio, "W_nonneg": nonneg[0], "H_nonneg": nonneg[1]}
    model, W = fit(X, 4, tol=0, max_iter=3, **options)
    expected = kkt(X, W, model.components_, *penalties(X.shape, 0.01, 0.01, l1_ratio), nonneg)
    assert_allclose(model.kkt_residual_, expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("penalty", BOTH_OR_NONE, ids=str)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_well_posed_problem_is_solved_to_a_kkt_residual_of_1e_6(shape, penalty):
    X, _, _ = make_nmf(*SHAPES[shape], 4, density=0.5, noise=0.05, random_state=0)
    model, W = fit(X, 4, tol=1e-7, **penalty)
    assert model.converged_
    assert model.kkt_residual_ <= 1e-6
    assert min(W.min(), model.components_.min()) >= 0


@pytest.mark.parametrize("exponent", [-12, 6, 20])
def test_the_kkt_residual_does_not_change_with_the_scale_of_x(exponent):
    X = random_x((50, 30))
    base, _ = fit(X, 4, tol=0, max_iter=5, init="random")
    scaled, _ = fit(X * 4.0**exponent, 4, tol=0, max_iter=5, init="random")
    assert_allclose(scaled.kkt_residual_, base.kkt_residual_, rtol=1e-10)
    assert_allclose(scaled.history_["kkt"], base.history_["kkt"], rtol=1e-10)
    assert_allclose(scaled.components_, base.components_ * 2.0**exponent, rtol=1e-10, atol=0)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
def test_separable_factors_are_found_up_to_order_and_scale(shape, sparse):
    X, true_W, true_H = make_nmf(*SHAPES[shape], 4, density=0.6, separable=True, random_state=1)
    model, W = fit(sp.csr_array(X) if sparse else X, 4, tol=1e-8)
    for found, true in ((W, true_W), (model.components_.T, true_H.T)):
        found, true = found / np.linalg.norm(found, axis=0), true / np.linalg.norm(true, axis=0)
        _, order = linear_sum_assignment(-(true.T @ found))
        assert_allclose(found[:, order], true, atol=1e-4)


@pytest.mark.parametrize("nonneg", [(False, True), (True, False)], ids=["W signed", "H signed"])
@pytest.mark.parametrize("shape", SHAPES)
def test_semi_nmf_ends_at_a_fixed_point(shape, nonneg):
    X = signed_x(SHAPES[shape], nonneg)
    model, W = fit(X, 3, W_nonneg=nonneg[0], H_nonneg=nonneg[1], tol=1e-7)
    H = model.components_
    assert kkt(X, W, H, nonneg=nonneg) < 1e-6
    if nonneg[0]:
        assert W.min() >= 0 > H.min()
        best = np.linalg.lstsq(W, X, rcond=None)[0]
    else:
        assert H.min() >= 0 > W.min()
        best = X @ np.linalg.pinv(H)
    # The signed factor is the least-squares one.
    assert_allclose(H if nonneg[0] else W, best, atol=1e-4 * np.abs(best).max())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
def test_alternating_least_squares_reaches_the_error_of_the_truncated_svd(shape, sparse):
    X = np.random.default_rng(0).standard_normal(SHAPES[shape])
    X += 5 * np.linalg.svd(X)[0][:, :4] @ np.linalg.svd(X)[2][:4] * np.sqrt(max(X.shape))
    model, _ = fit(sp.csr_array(X) if sparse else X, 4, init="random", W_nonneg=False, H_nonneg=False)
    assert model.n_iter_ > 1
    best = np.sqrt(np.sum(np.linalg.svd(X, compute_uv=False)[4:] ** 2))
    assert_allclose(model.reconstruction_err_, best, rtol=1e-9)


# Types


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("shape", SHAPES)
def test_float_types_are_kept_and_float32_finds_the_same_error(shape, form, dtype):
    X, _, _ = make_nmf(*SHAPES[shape], 4, noise=0.1, dtype=dtype, random_state=0)
    model, W = fit(FORMATS[form](X), 4, tol=1e-4)
    assert W.dtype == model.components_.dtype == model.transform(FORMATS[form](X)).dtype == dtype
    assert model.inverse_transform(W).dtype == dtype
    exact, _ = fit(X.astype(np.float64), 4, tol=1e-4)
    assert_allclose(model.reconstruction_err_, exact.reconstruction_err_, rtol=1e-3)


@pytest.mark.parametrize("shape", SHAPES)
def test_float32_goes_on_as_near_the_optimum_with_extrapolation_as_without(shape):
    X, _, _ = make_nmf(*SHAPES[shape], 4, noise=0.1, dtype=np.float32, random_state=0)
    moved, _ = fit(X, 4, tol=0, max_iter=2000)
    plain, _ = fit(X, 4, tol=0, max_iter=2000, extrapolate=False)
    # Both creep along a flat valley, each in its own, and up and down at the floor of float32: a residual of
    # some 1e-5, and some eps |X|^2 of the objective.
    assert max(run.history_["kkt"].min() for run in (moved, plain)) <= 1e-5
    noise = np.finfo(np.float32).eps * np.sum(np.square(X, dtype=float))
    assert moved.history_["objective"][-1] <= plain.history_["objective"][-1] + 4 * noise

"""The iterations of ridge regression converge at the rates of theory, exactly where those are exact."""

import numpy as np
import pytest
import scipy.linalg as la
from numpy.testing import assert_allclose

import gramfold as gf
from gramfold.ridge.centred_rows import CentredRows
from gramfold.ridge.data import read
from gramfold.ridge.forms import GramForm
from gramfold.ridge.moments import moments
from gramfold.ridge.sgd import Drawn, decaying, stochastic_gradients
from gramfold.ridge.solvers import admm, best_rho, conjugate_gradients, gradient_descent, measure

ALPHA = np.array([0.5])


def with_eigenvalues(values, n=40, seed=0):
    """X whose X'X has these eigenvalues, y, its form, and the eigenvectors."""
    rng = np.random.default_rng(seed)
    p = len(values)
    U = la.qr(rng.standard_normal((n, p)), mode="economic")[0]
    V = la.qr(rng.standard_normal((p, p)))[0]
    X = U * np.sqrt(values) @ V.T
    y = rng.standard_normal((n, 1))
    data = read(gf.Ridge(fit_intercept=False), X, y, None, reset=True)
    return X, y, GramForm(moments(data)), V


def solution(form, alpha=ALPHA):
    return la.solve(form.gram + alpha[0] * np.eye(len(form.gram)), form.linear)


def errors(iterates, exact, count):
    return np.array([la.norm(next(iterates)[0] - exact) for _ in range(count)])


def test_gradient_descent_contracts_by_the_known_factor():
    values = np.linspace(0.5, 20, 9)
    _, _, form, V = with_eigenvalues(values)
    exact, mu, L = solution(form), 1.0, 20.5
    factor = (L - mu) / (L + mu)
    start = np.random.default_rng(1).standard_normal((9, 1))
    e = errors(gradient_descent(form, ALPHA, start=start), exact, 60)
    assert (e[1:] <= factor * e[:-1] * (1 + 1e-9)).all()
    extremes = exact + V[:, :1] - 2 * V[:, -1:]
    e = errors(gradient_descent(form, ALPHA, start=extremes), exact, 60)
    assert_allclose(e[1:] / e[:-1], factor, rtol=1e-9)
    e = errors(gradient_descent(form, ALPHA, step=1 / L, start=start), exact, 60)
    assert (e[1:] <= (1 - mu / L) * e[:-1] * (1 + 1e-9)).all()


def test_a_step_of_2_over_L_diverges_and_is_refused():
    X, y, form, V = with_eigenvalues(np.linspace(0.5, 20, 9))
    exact, L = solution(form), 20.5
    e = errors(gradient_descent(form, ALPHA, step=1.999 / L, start=exact + V[:, -1:]), exact, 50)
    assert (np.diff(e) < 0).all()
    gf.Ridge(0.5, solver="gd", fit_intercept=False, step=1.9 / L).fit(X, y)
    for step in (2.0001 / L, 5.0):
        with pytest.raises(ValueError, match=r"diverges.* below 2/L = 0.09756"):
            gf.Ridge(0.5, solver="gd", fit_intercept=False, step=step).fit(X, y)
    with pytest.raises(ValueError, match="'sgd' needs a step below"):
        gf.Ridge(0.5, solver="sgd", fit_intercept=False, step=2.0001 * 40 / L).fit(X, y)


def test_a_stochastic_step_too_large_for_its_noise_is_an_error_not_infinity():
    X = np.random.default_rng(0).standard_normal((2000, 100)) * 10
    with pytest.raises(ValueError, match="diverge"):
        gf.Ridge(solver="sgd", step=0.012, random_state=0).fit(X, X[:, 0] + X[:, 1])


def test_conjugate_gradients_end_after_as_many_steps_as_eigenvalues():
    _, _, form, _ = with_eigenvalues(np.repeat([0.5, 3.0, 700.0], 4))
    e = errors(conjugate_gradients(form, ALPHA), solution(form), 3)
    assert e[1] > 1e-3
    assert e[2] < 1e-12 * la.norm(solution(form)) * 700


def test_conjugate_gradients_keep_their_bound():
    _, _, form, _ = with_eigenvalues(np.geomspace(0.01, 100, 30))
    exact = solution(form)
    H = form.gram + ALPHA * np.eye(30)
    root = np.sqrt((100 + ALPHA[0]) / (0.01 + ALPHA[0]))
    iterates = conjugate_gradients(form, ALPHA)
    start = np.sqrt((exact.T @ H @ exact).item())
    for t in range(1, 25):
        e = next(iterates)[0] - exact
        bound = 2 * ((root - 1) / (root + 1)) ** t * start
        assert np.sqrt((e.T @ H @ e).item()) <= bound * (1 + 1e-9) + 1e-12


@pytest.mark.parametrize("rho", [0.05, 0.5, 7.0])
def test_admm_moves_along_each_eigenvector_at_its_own_rate(rho):
    values = np.array([0.0, 0.1, 2.0, 50.0])
    _, _, form, V = with_eigenvalues(values)
    exact, alpha = solution(form), ALPHA[0]
    rates = (rho**2 + alpha * values) / ((alpha + rho) * (values + rho))
    iterates = admm(form, ALPHA, rho)
    e = np.array([V.T @ (next(iterates)[0] - exact)[:, 0] for _ in range(12)])
    for i in range(1, 4):  # along an eigenvalue of 0 the solution and all iterates are 0
        assert_allclose(e[1:6, i], rates[i] * e[:5, i], atol=1e-13)
    assert_allclose(e[:, 0], 0, atol=1e-13)


def test_admm_with_rho_alpha_halves_the_error_whatever_the_conditioning():
    _, _, form, _ = with_eigenvalues(np.geomspace(1e-3, 1e5, 12))
    e = errors(admm(form, ALPHA, 0.5), solution(form), 20)
    assert_allclose(e[1:] / e[:-1], 0.5, rtol=1e-6)


@pytest.mark.parametrize("alpha", [0.01, 1.0, 30.0, 1e4])
def test_the_default_rho_is_the_best(alpha):
    values = np.array([3.0, 10.0, 200.0])
    _, _, form, _ = with_eigenvalues(values)

    def rate(rho):
        return ((rho**2 + alpha * values) / ((alpha + rho) * (values + rho))).max()

    best = rate(best_rho(form, np.array([alpha])))
    assert best <= min(rate(rho) for rho in np.geomspace(1e-4, 1e6, 2001)) * (1 + 1e-9)
    assert best <= 0.5 + 1e-12


def test_a_rho_too_small_for_a_singular_gram_matrix_is_named():
    X = np.ones((10, 2))
    with pytest.raises(ValueError, match="rho=1e-30 is too small"):
        gf.Ridge(solver="admm", rho=1e-30, fit_intercept=False).fit(X, X[:, 0])
    model = gf.Ridge(1e-25, solver="admm", fit_intercept=False, tol=1e-9).fit(X, X[:, 0])
    assert_allclose(model.coef_, 0.5, rtol=1e-6)


def stochastic(targets=64, n=30, noise=1.0):
    """Independent problems that share X: the mean over them stands for the mean over draws."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 4))
    Y = X @ rng.standard_normal((4, targets)) + noise * rng.standard_normal((n, targets))
    data = read(gf.Ridge(fit_intercept=False), X, Y, None, reset=True)
    form = GramForm(moments(data))
    alpha = np.full(targets, 0.1)
    exact = la.solve(form.gram + 0.1 * np.eye(4), form.linear)
    return form, Drawn(CentredRows(data, np.zeros(4), np.zeros(targets))), alpha, exact


def mean_squares(form, rows, alpha, exact, step, epochs):
    iterates = stochastic_gradients(form, rows, alpha, step, np.random.default_rng(1), 1)
    return np.array([np.mean(np.sum((next(iterates)[0] - exact) ** 2, axis=0)) for _ in range(epochs)])


def slope(t, e):
    return np.polyfit(np.log(t), np.log(e), 1)[0]


def test_decaying_stochastic_steps_converge_as_one_over_t():
    form, rows, alpha, exact = stochastic()
    epochs = 600
    t = 30.0 * np.arange(1, epochs + 1)
    e = mean_squares(form, rows, alpha, exact, decaying(form, rows, alpha, 1), epochs)
    late = t > 1000
    assert -1.15 <= slope(t[late], e[late]) <= -0.85
    mu = (form.extremes()[0] + 0.1) / 30
    short = mean_squares(form, rows, alpha, exact, lambda t: 0.15 / mu / (t + 10 / mu), epochs)
    assert slope(t[late], short[late]) > -0.6


def test_constant_stochastic_steps_stop_at_a_floor_in_proportion():
    form, rows, alpha, exact = stochastic()
    floors = [
        mean_squares(form, rows, alpha, exact, lambda t, step=step: step, 600)[200:].mean()
        for step in (0.02, 0.01)
    ]
    assert 0.4 <= floors[1] / floors[0] <= 0.6


def test_without_noise_constant_stochastic_steps_converge_linearly():
    form, rows, alpha, _ = stochastic(noise=0)
    exact = la.solve(form.gram, form.linear)
    e = mean_squares(form, rows, 0 * alpha, exact, lambda t: 0.05, 60)
    assert e[-1] < 1e-20 * e[0]


def test_the_same_seed_draws_the_same_rows():
    X = np.random.default_rng(0).standard_normal((500, 6))
    fits = [
        gf.Ridge(solver="sgd", tol=0.02, random_state=seed, n_threads=n).fit(X, X[:, 0]).coef_
        for seed, n in ((3, 1), (3, 2), (4, 1))
    ]
    assert (fits[0] == fits[1]).all()
    assert (fits[0] != fits[2]).all()


def test_the_gap_is_the_difference_of_the_primal_and_dual_values():
    X, y, form, _ = with_eigenvalues(np.linspace(0.5, 20, 9))
    b = solution(form) + np.random.default_rng(3).standard_normal((9, 1))
    residual = (y - X @ b)[:, 0]
    primal = 0.5 * residual @ residual + 0.25 * np.sum(b**2)
    dual = y[:, 0] @ residual - 0.5 * residual @ residual - np.sum((X.T @ residual) ** 2) / (2 * 0.5)
    objective, kkt, gap = measure(form, ALPHA, b, form.apply(b))
    assert objective == pytest.approx(primal, rel=1e-12)
    assert gap[0] == pytest.approx(primal - dual, rel=1e-12)
    assert kkt == pytest.approx(la.norm(X.T @ residual - 0.5 * b[:, 0]) / la.norm(X.T @ y), rel=1e-12)

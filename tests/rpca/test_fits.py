"""Robust PCA: recovery, the optimum beside a plain solver, the certificate, input, degenerate X."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from rpca.cases import dense, error, planted
from threadpoolctl import threadpool_limits

import gramfold as gf
from gramfold.linalg import spectrum


def objective(L, X, lam):
    seen = ~np.isnan(X)
    return np.linalg.norm(L, "nuc") + np.sum(np.broadcast_to(lam, X.shape)[seen] * np.abs((X - L)[seen]))


def plain_admm(X, lam, iterations=2500):
    """Alternating directions with a fixed step and full SVDs (Candes et al. 2011, algorithm 1), masked."""
    seen = ~np.isnan(X)
    x = np.where(seen, X, 0)
    mu = seen.sum() / (4 * np.abs(x).sum())
    Y, S, L = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)
    for _ in range(iterations):
        U, s, Vt = np.linalg.svd(np.where(seen, x - S + Y / mu, L), full_matrices=False)
        L = (U * np.maximum(s - 1 / mu, 0)) @ Vt
        Z = np.where(seen, Y + mu * (x - L), 0)
        Y = np.clip(Z, -lam, lam)
        S = (Z - Y) / mu
    return objective(L, X, lam)


# Recovery


@pytest.mark.parametrize("form", ["C", "F", "csr"])
def test_every_form_of_the_same_entries_gives_the_same_matrix(form):
    X, _, _ = planted(150, 90, 3, 0.05, observed=0.7)
    expected = gf.RobustPCA(tol=1e-8).fit(X)
    seen = ~np.isnan(X)
    if form == "csr":
        given = sp.coo_array((X[seen], np.nonzero(seen)), shape=X.shape).tocsr()
    else:
        given = np.asarray(X, order=form)
    model = gf.RobustPCA(tol=1e-8).fit(given)
    assert_allclose(model.complete(), expected.complete(), atol=1e-7)
    assert_allclose(model.objective_, expected.objective_, rtol=1e-7)
    masked = gf.RobustPCA(tol=1e-8).fit(np.ma.masked_array(np.where(seen, X, 7.0), ~seen))
    by_mask = gf.RobustPCA(tol=1e-8).fit(np.where(seen, X, np.inf), mask=seen)
    for model in (masked, by_mask):
        assert_array_equal(model.complete(), expected.complete())


def test_the_transpose_has_the_transposed_solution():
    X, _, _ = planted(80, 50, 3, 0.1, observed=0.8)
    one, other = gf.RobustPCA().fit(X), gf.RobustPCA().fit(X.T)
    assert_allclose(one.complete(), other.complete().T, atol=1e-12)
    assert_allclose(dense(one.sparse_), dense(other.sparse_).T, atol=1e-12)
    assert_allclose(one.dual_, other.dual_.T, atol=1e-12)


# The optimum and its certificate


@pytest.mark.parametrize(
    ("shape", "observed", "kind"),
    [
        ((36, 36), 1.0, "planted"), ((36, 36), 0.7, "noise"), ((80, 20), 1.0, "noise"),
        ((80, 20), 0.7, "planted"), ((15, 60), 1.0, "planted"), ((15, 60), 0.7, "noise"),
    ],
    ids=str,
)  # fmt: skip
def test_the_objective_is_that_of_a_plain_solver(shape, observed, kind):
    X, _, _ = planted(*shape, 3, 0.1, observed=observed, noise=0.05 if kind == "noise" else 0)
    model = gf.RobustPCA(max_iter=5000).fit(X)
    with threadpool_limits(1):
        reached, reference = objective(model.complete(), X, model.lam_), plain_admm(X, model.lam_)
    assert_allclose(model.objective_, reached, rtol=1e-10)
    assert reached <= reference * (1 + 1e-6)


@pytest.mark.parametrize("form", ["dense", "masked", "weights", "csr", "wide", "many columns"])
def test_the_duality_gap_can_be_verified_from_what_the_fit_returns(form, monkeypatch):
    shape = (300, 260, 5) if form == "many columns" else (120, 70, 4)
    monkeypatch.setattr("gramfold.rpca.dense.DENSE_NORM", 200)  # in place of 600
    X, _, _ = planted(*shape, 0.1, observed=1.0 if form == "dense" else 0.7, noise=0.02)
    X = X.T if form == "wide" else X
    seen = ~np.isnan(X)
    lam = np.random.default_rng(1).uniform(0.1, 0.2, X.shape) if form == "weights" else "auto"
    given = sp.coo_array((X[seen], np.nonzero(seen)), shape=X.shape).tocsr() if form == "csr" else X
    model = gf.RobustPCA(lam=lam).fit(given)
    L, Y = model.low_rank_, dense(model.dual_)
    assert_allclose(L.U.T @ L.U, np.eye(model.rank_), atol=1e-12)
    assert_allclose(L.V.T @ L.V, np.eye(model.rank_), atol=1e-12)
    assert np.linalg.norm(Y, 2) <= 1 + 1e-9
    assert np.all(np.abs(Y) <= np.broadcast_to(model.lam_, X.shape) * (1 + 1e-12))
    assert not Y[~seen].any()
    upper = L.s.sum() + np.sum(np.broadcast_to(model.lam_, X.shape)[seen] * np.abs((X - L.dense())[seen]))
    lower = np.sum(Y[seen] * X[seen])
    assert_allclose((upper - lower) / upper, model.dual_gap_, atol=1e-9)
    assert -1e-9 <= (upper - lower) / upper <= 1e-6
    assert np.linalg.norm((X - L.dense() - dense(model.sparse_))[seen]) <= 1e-4 * np.linalg.norm(X[seen])


def test_outlying_rows_are_found_and_the_rest_is_recovered():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 3)) @ rng.standard_normal((3, 60))
    outlying = rng.permutation(400)[:12]
    L = X.copy()
    X[outlying] = 5 * rng.standard_normal((12, 60))
    for given in (X, sp.csr_array(X)):
        model = gf.RobustPCA(lam=0.3, penalty="l21", max_iter=3000).fit(given)
        assert model.dual_gap_ <= 1e-6
        S = dense(model.sparse_)
        assert_array_equal(np.flatnonzero(np.linalg.norm(S, axis=1) > 1e-3), np.sort(outlying))
        good = np.delete(np.arange(400), outlying)
        assert_allclose(model.complete()[good], L[good], atol=1e-3)
        Y = dense(model.dual_)
        assert np.linalg.norm(Y, axis=1).max() <= model.lam_ * (1 + 1e-12)
        upper = model.singular_values_.sum() + model.lam_ * np.linalg.norm(X - model.complete(), axis=1).sum()
        assert -1e-9 <= (upper - np.sum(Y * X)) / upper <= 1e-6


@pytest.mark.parametrize("observed", [1.0, 0.7])
def test_square_root_pursuit_needs_no_noise_level(observed):
    X, L, _ = planted(200, 150, 4, 0.05, observed=observed, noise=0.002)
    exact, model = gf.RobustPCA(max_iter=300, tol=1e-3).fit(X), gf.RobustPCA(noise="sqrt").fit(X)
    assert model.dual_gap_ <= 1e-6
    assert error(model, L) < error(exact, L)
    seen, Y = ~np.isnan(X), model.dual_
    weight = np.sqrt(seen.mean() * 150 / 2)
    S = dense(model.sparse_)
    noise = np.linalg.norm((X - model.complete() - S)[seen])
    upper = model.singular_values_.sum() + model.lam_ * np.abs(S).sum() + weight * noise
    assert max(np.linalg.norm(Y, 2), np.linalg.norm(Y) / weight) <= 1 + 1e-6
    assert -1e-6 <= (upper - np.sum(Y[seen] * X[seen])) / upper <= 2e-6


def test_stable_pursuit_leaves_the_noise_it_is_told():
    X, _, _ = planted(200, 150, 4, 0.05, noise=0.003)
    model = gf.RobustPCA(noise=0.003).fit(X)
    assert model.dual_gap_ <= 1e-6
    assert model.rank_ <= 8
    rest = X - model.complete() - dense(model.sparse_)
    assert_allclose(np.linalg.norm(rest), 0.003 * np.sqrt(X.size), rtol=1e-3)


def plain_noisy(X, lam, noise, iterations=3000):
    """The least |L|_* + lam |S|_1 with noise N, by ADMM between the terms and L + S + N = X."""
    seen = ~np.isnan(X)
    x, n = np.where(seen, X, 0), np.count_nonzero(seen)
    weight, mu = np.sqrt(n / max(X.shape) / 2), n / (4 * np.nansum(np.abs(X)))
    parts, duals = np.zeros((3, *x.shape)), np.zeros((3, *x.shape))
    for _ in range(iterations):
        L, S, N = parts - duals
        U, s, Vt = np.linalg.svd(L, full_matrices=False)
        L = (U * np.maximum(s - 1 / mu, 0)) @ Vt
        S = np.where(seen, np.sign(S) * np.maximum(np.abs(S) - lam / mu, 0), 0)
        size = np.linalg.norm(N[seen])
        N = np.where(seen, N, 0) * (max(0, 1 - weight / mu / size) if noise == "sqrt" else
                                    min(1, noise * np.sqrt(n) / size)) if size else N  # fmt: skip
        reached = np.array([L, S, N]) + duals
        parts = reached + np.where(seen, x - reached.sum(axis=0), 0) / 3
        parts[1:, ~seen] = 0
        duals = reached - parts
    S = np.where(seen, x - L - N, 0)  # feasible
    value = np.linalg.norm(L, "nuc") + lam * np.abs(S).sum()
    return value + weight * np.linalg.norm(N) if noise == "sqrt" else value


@pytest.mark.parametrize(
    ("shape", "observed", "noise"),
    [
        ((36, 36), 1.0, "sqrt"), ((36, 36), 0.7, 0.1), ((60, 20), 1.0, 0.1), ((60, 20), 0.7, "sqrt"),
        ((15, 50), 1.0, "sqrt"), ((15, 50), 0.7, 0.1),
    ],
    ids=str,
)  # fmt: skip
def test_the_objective_with_noise_is_that_of_a_plain_solver(shape, observed, noise):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((shape[0], 2)) @ rng.standard_normal((2, shape[1]))
    X += 0.1 * rng.standard_normal(shape) + np.where(
        rng.random(shape) < 0.05, 10 * rng.choice([-1, 1], shape), 0
    )
    X[rng.random(shape) >= observed] = np.nan
    model = gf.RobustPCA(noise=noise, tol=1e-8, max_iter=5000).fit(X)
    with threadpool_limits(1):
        reference = plain_noisy(X, model.lam_, noise)
    assert model.rank_ >= 2
    assert_allclose(model.objective_, reference, rtol=2e-7)


def test_max_rank_bounds_the_rank_and_ends():
    X, _, _ = planted(120, 80, 4, 0.05, noise=0.01)
    model = gf.RobustPCA(max_rank=4, tol=1e-5).fit(X)
    assert model.converged_
    assert model.rank_ == 4
    free = gf.RobustPCA(max_rank=50).fit(planted(120, 80, 4, 0.05)[0])
    assert free.rank_ == 4
    assert free.dual_gap_ <= 1e-6


# New rows, completion, warm start


def test_transform_codes_corrupted_rows_with_gaps_exactly():
    rng = np.random.default_rng(0)
    X, _, _ = planted(300, 60, 3, 0.05)
    model = gf.RobustPCA().fit(X)
    codes = rng.standard_normal((40, 3))
    new = codes @ model.components_
    new[rng.random(new.shape) < 0.1] += 3
    new[rng.random(new.shape) < 0.2] = np.nan
    new[7] = np.nan
    found = model.transform(new)
    assert_allclose(np.delete(found, 7, 0), np.delete(codes, 7, 0), atol=1e-9)
    assert_array_equal(found[7], 0)
    seen = ~np.isnan(new)
    sparse = sp.coo_array((new[seen], np.nonzero(seen)), shape=new.shape).tocsr()
    assert_allclose(model.transform(sparse), found, atol=1e-12)
    assert_allclose(model.inverse_transform(codes), codes @ model.components_)


def test_single_entries_are_those_of_the_completed_matrix():
    X, _, _ = planted(60, 40, 3, 0.05, observed=0.7)
    model = gf.RobustPCA(tol=1e-4).fit(X)
    rows, columns = [3, 59, 0], [1, 39, 2]
    assert_allclose(model.low_rank_.entries(rows, columns), model.complete()[rows, columns], atol=1e-14)


@pytest.mark.parametrize("form", ["dense", "wide", "csr"])
def test_a_warm_start_reaches_the_same_optimum_in_fewer_iterations(form):
    X, _, _ = planted(150, 100, 4, 0.1, observed=1.0 if form == "csr" else 0.8)
    given = {"dense": X, "wide": np.ascontiguousarray(X.T), "csr": sp.csr_array(np.nan_to_num(X))}[form]
    model = gf.RobustPCA(warm_start=True).fit(given)
    model.set_params(lam=1.05 * model.lam_).fit(given)
    cold = gf.RobustPCA(lam=model.lam_).fit(given)
    assert model.dual_gap_ <= 1e-6
    assert_allclose(model.objective_, cold.objective_, rtol=2e-6)
    again = gf.RobustPCA(warm_start=True).fit(given)
    first = again.n_iter_
    assert again.fit(given).n_iter_ < first


# Rounds and iterations


@pytest.mark.parametrize("form", ["csr", "dense"])
def test_no_round_is_spent_on_what_float32_cannot_hold(form, monkeypatch):
    X = (
        planted(60, 40, 3, 0.05, observed=0.8, noise=0.01)[0]
        if form == "csr"
        else planted(300, 150, 20, 0.05)[0]
    )
    given, lam = (sp.csr_array(np.nan_to_num(X)), 0.9) if form == "csr" else (X, 0.06)
    rounds = 0

    def counted(*args):
        nonlocal rounds
        rounds += 1
        return once(*args)

    once = spectrum._filter
    monkeypatch.setattr(spectrum, "_filter", counted)
    gf.RobustPCA(lam=lam, tol=0, max_iter=100).fit(given.astype(np.float32))
    assert 0 < rounds <= 2 * 100


@pytest.mark.parametrize(("n", "m", "rank"), [(4000, 60, 3), (2000, 100, 5)])
def test_an_exact_split_is_certified_in_few_iterations(n, m, rank):
    model = gf.RobustPCA().fit(planted(n, m, rank, 0.05)[0])
    assert model.converged_
    assert model.n_iter_ <= 18

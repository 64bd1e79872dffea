"""Exercises whose answers are worked out by hand: numbers that need no computer."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import gramfold as gf

ROOT = np.sqrt(0.5)


def test_a_centroid_with_a_ridge_is_the_sum_over_the_penalty_and_the_count():
    """The u that minimises sum |x - u|^2 + lam |u|^2 is sum x / (lam + n)."""
    X = np.array([[1.0], [2.0], [3.0], [10.0], [12.0]])
    model = gf.KMeans(2, init=np.array([[2.0], [11.0]]), ridge=1.0).fit(X)
    assert_allclose(model.cluster_centers_[:, 0], [6 / 4, 22 / 3], rtol=1e-15)
    # (1/4 + 1/4 + 9/4) + 9/4 and (64/9 + 196/9) + 484/9
    assert_allclose(model.objective_, 5 + 744 / 9, rtol=1e-14)
    about = gf.KMeans(2, init=np.array([[2.0], [11.0]]), ridge=2.0, prior_mean=[6.0]).fit(X)
    assert_allclose(about.cluster_centers_[:, 0], [(12 + 6) / 5, (12 + 22) / 4], rtol=1e-15)


# Around (5, -3), XX' is 12 (5, 4; 4, 5): eigenvalues 108 and 12 along (1, 1) and (1, -1).
ABOUT_0 = np.array([[4.0, -4, 2, -2, 1, -1, 3, -3], [2, -2, 4, -4, -1, 1, 3, -3]])
EIGHT = ABOUT_0 + np.array([[5], [-3]])


@pytest.mark.parametrize("solver", ["full", "covariance_eigh", "randomized"])
def test_the_principal_axes_of_a_matrix_of_2_x_8(solver):
    model = gf.PCA(2, svd_solver=solver, random_state=0).fit(EIGHT.T)
    assert_allclose(model.mean_, [5, -3], rtol=1e-15)
    assert_allclose(np.abs(model.components_), ROOT, rtol=1e-14)
    assert_allclose(model.components_[0] @ [1, -1], 0, atol=1e-14)
    assert_allclose(model.singular_values_, np.sqrt([108, 12]), rtol=1e-14)
    assert_allclose(model.explained_variance_, [108 / 7, 12 / 7], rtol=1e-14)
    assert_allclose(model.explained_variance_ratio_, [0.9, 0.1], rtol=1e-14)
    along = np.stack([ABOUT_0[0] + ABOUT_0[1], ABOUT_0[0] - ABOUT_0[1]]) * ROOT
    assert_allclose(np.abs(model.transform(EIGHT.T)), np.abs(along.T), atol=1e-14)
    one = gf.PCA(1, svd_solver=solver, random_state=0).fit(EIGHT.T)
    rest = EIGHT.T - one.inverse_transform(one.transform(EIGHT.T))
    assert_allclose(np.sum(rest**2), 12, rtol=1e-13)  # the eigenvalue that is left out


def test_the_lagrange_dual_of_the_least_norm():
    """Least |x|^2 with x1 + x2 = 1, x2 + x3 = 2: (AA')^-1 b = (0, 1), so that x = (0, 1, 1) and p* = 2."""
    A, b = np.array([[1.0, 1, 0], [0, 1, 1]]), np.array([1.0, 2])
    found = gf.least_norm(A, b)
    assert_allclose(found.x, [0, 1, 1], atol=1e-15)
    assert_allclose(found.multiplier, [0, -2], atol=1e-14)
    assert_allclose([found.value, found.dual_value], 2, rtol=1e-14)

    def g(nu):
        return -0.25 * np.sum((A.T @ nu) ** 2) - b @ nu

    assert g(np.array([0.0, -2])) == 2
    grid = np.stack(np.meshgrid(np.arange(-6, 7), np.arange(-6, 7)), axis=-1).reshape(-1, 2)
    assert max(g(nu) for nu in grid) == 2  # no multiplier gives more: weak duality
    penalised = gf.Ridge(1e-10, fit_intercept=False).fit(A, b)
    assert_allclose(penalised.coef_, found.x, atol=1e-9)


def test_the_optimal_value_of_the_lasso_is_convex_in_x_and_concave_in_the_penalty():
    """phi(x, l) = min_h |x - Dh|^2 / 2 + l |h|_1: least over h of what is convex in (x, h), affine in l.

    Its slope in l is |h|_1 of the best h.
    """
    rng = np.random.default_rng(0)
    D = rng.standard_normal((30, 12))
    D /= np.linalg.norm(D, axis=1, keepdims=True)
    X, Y = rng.standard_normal((2, 40, 12))

    def phi(x, penalty):
        codes = gf.sparse_encode(x, D, alpha=penalty)
        return gf.certify(x, D, codes, alpha=penalty).objective, np.abs(codes).sum(axis=1)

    for share in (0.25, 0.5, 0.75):
        inside = phi(share * X + (1 - share) * Y, 0.1)[0]
        assert np.all(inside <= share * phi(X, 0.1)[0] + (1 - share) * phi(Y, 0.1)[0] + 1e-12)
    values, slopes = zip(*(phi(X, penalty) for penalty in (0.1, 0.2, 0.3)), strict=True)
    assert np.all(values[1] >= (values[0] + values[2]) / 2 - 1e-12)
    for i, j in ((0, 1), (1, 0), (1, 2), (0, 2)):  # it lies under each of its tangents
        assert np.all(values[j] <= values[i] + (0.1 * (j - i)) * slopes[i] + 1e-12)


def test_the_optimal_value_of_robust_pca_is_concave_in_lam():
    """|L|_* + lam |S|_1 is concave in lam, and for lam beyond what any error is worth it is |X|_*."""
    X = np.random.default_rng(0).standard_normal((12, 9))

    def value(lam):
        model = gf.RobustPCA(lam=lam, tol=1e-9).fit(X)
        return model.objective_

    lams = [0.2, 0.4, 0.6]
    low, middle, high = (value(lam) for lam in lams)
    assert middle >= (low + high) / 2 - 1e-7
    assert_allclose(value(2.0), np.linalg.norm(X, "nuc"), rtol=1e-8)
    assert_allclose(value(1e-3), 1e-3 * np.abs(X).sum(), rtol=1e-8)


def test_one_atom_has_the_code_of_the_formula():
    """It is max(|x d| - l1, 0) sign(x d) / (|d|^2 + l2): x d = 7, -1 and -8, |d|^2 = 4, l1 = 3, l2 = 1."""
    X, d = np.array([[3.5, 9.0], [-0.5, 2.0], [-4.0, 0.0]]), np.array([[2.0, 0.0]])
    signed = gf.encode(X, d, l1=3, l2=1, nonneg=False)
    assert_allclose(signed[:, 0], [4 / 5, 0, -1], atol=1e-15)
    assert_allclose(gf.encode(X, d, l1=3, l2=1)[:, 0], [4 / 5, 0, 0], atol=1e-15)
    assert_array_equal(signed[1], 0)
    # An L2 penalty shrinks, and sets nothing to 0: it is not a second L1 penalty.
    assert_allclose(gf.encode(X, d, l2=3, nonneg=False)[:, 0], [1, -1 / 7, -8 / 7], rtol=1e-15)


def test_orthonormal_atoms_have_soft_thresholds_for_codes():
    """Haar's basis of four points: x = (4, 2, 5, 5) has the coefficients 8, -2, sqrt 2 and 0."""
    s = np.sqrt(2)
    haar = np.array([[1, 1, 1, 1], [1, 1, -1, -1], [s, -s, 0, 0], [0, 0, s, -s]]) / 2
    found = gf.sparse_encode([[4.0, 2, 5, 5]], haar, alpha=0.5)
    assert_allclose(found, [[7.5, -1.5, s - 0.5, 0]], atol=1e-14)
    kept = gf.sparse_encode([[4.0, 2, 5, 5]], haar, algorithm="omp", n_nonzero_coefs=2)
    assert_allclose(kept, [[8, -2, 0, 0]], atol=1e-14)  # what is dropped has the square of the error: 2
    assert_allclose(np.sum((kept @ haar - [[4, 2, 5, 5]]) ** 2), 2, rtol=1e-14)

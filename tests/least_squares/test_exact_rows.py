"""Non-negative rows to their minimisers by compiled kernels; supports guessed in float32 decide nothing."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import nnls

from gramfold import _core

SHAPES = [(1, 1), (49, 3), (200, 16), (97, 33), (60, 70)]


def problem(rows, k, condition=None, seed=0):
    """Rows that are partly outside the cone of k positive atoms; `condition` is that of the Gram matrix."""
    rng = np.random.default_rng(seed)
    atoms = np.abs(rng.standard_normal((k, 2 * k + 3)))
    if condition is not None:
        U, _, V = np.linalg.svd(atoms, full_matrices=False)
        atoms = (U * np.geomspace(1, 1 / np.sqrt(condition), k)) @ V
    X = np.maximum(rng.standard_normal((rows, k)), 0) @ atoms
    return X + 0.3 * np.linalg.norm(X) / np.sqrt(X.size) * rng.standard_normal(X.shape), atoms


def encode(kernels, X, atoms, l1=0.0, l2=0.0, start=None, n_threads=2):
    gram = atoms.astype(np.float64) @ atoms.T.astype(np.float64) + l2 * np.eye(len(atoms))
    inverse = kernels.pseudoinverse(gram=gram, eps=float(np.finfo(X.dtype).eps))
    out = np.empty((len(X), len(atoms)), X.dtype)
    tol = 1e-10 if X.dtype == np.float64 else 1e-5
    result = kernels.hals(
        x=X,
        p=None,
        f=np.ascontiguousarray(atoms.T),
        gram=gram,
        inverse=inverse if start is None else None,
        start=start,
        previous=None,
        beta=0.0,
        out=out,
        sums=None,
        l1=l1,
        nonneg=True,
        max_sweeps=10_000,
        polish=8,
        shrink=0.0,
        tol=tol,
        cross=False,
        squares=False,
        n_threads=n_threads,
    )
    assert result[-1] == 0, "rows are open"
    return out, result


def steps(X, atoms, Z, l1=0.0, l2=0.0):
    """How far single coordinates of each row could still go, relative to the row, in the norm of diag G."""
    gram = atoms @ atoms.T + l2 * np.eye(len(atoms))
    h = np.diag(gram)
    moved = Z - np.divide(Z @ gram - X @ atoms.T + l1, h, out=np.zeros_like(Z), where=h > 0)
    size = np.sqrt(Z * Z @ h)
    return np.sqrt((np.maximum(moved, 0) - Z) ** 2 @ h) / np.where(size > 0, size, 1)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("l1", "l2"), [(0.0, 0.0), (0.5, 0.0), (0.3, 2.0)])
def test_rows_are_minimisers_and_their_objectives_are_summed(compiled, shape, l1, l2):
    X, atoms = problem(*shape)
    Z, (gram, _, _, _, objective, residual, _) = encode(compiled, X, atoms, l1, l2)
    assert gram is None
    assert Z.min() >= 0
    assert steps(X, atoms, Z, l1, l2).max() < 1e-13 * shape[1]
    fit = 0.5 * np.sum((X - Z @ atoms) ** 2 - X**2) + l1 * Z.sum() + 0.5 * l2 * np.sum(Z**2)
    assert_allclose(objective, fit, rtol=1e-11)
    assert residual <= 1e-20 * np.sum(Z**2 @ np.diag(atoms @ atoms.T))


@pytest.mark.parametrize("atoms_scale", [1e-30, 1.0, 1e30])
@pytest.mark.parametrize("rows_scale", [1e-30, 1.0, 1e30])
def test_rows_are_minimisers_at_any_scale(compiled, rows_scale, atoms_scale):
    X, atoms = problem(100, 12)
    expected, _ = encode(compiled, X, atoms)
    found, _ = encode(compiled, X * rows_scale, atoms * atoms_scale)
    assert_array_equal(found > 0, expected > 0)
    assert_allclose(found * (atoms_scale / rows_scale), expected, rtol=1e-9)


@pytest.mark.parametrize("scales", [(1e-12, 1e12), (1e-30, 1e30)], ids=str)
def test_rows_and_atoms_of_unlike_scales_are_minimisers(compiled, scales):
    X, atoms = problem(100, 12)
    expected, _ = encode(compiled, X, atoms)
    by_row, by_atom = np.geomspace(*scales, 100)[:, None], np.geomspace(*scales, 12)
    found, _ = encode(compiled, X * by_row, atoms * by_atom[:, None])
    assert_array_equal(found > 0, expected > 0)
    assert_allclose(found * by_atom / by_row, expected, rtol=1e-9)


@pytest.mark.parametrize("k", [8, 40])
@pytest.mark.parametrize("condition", [1e2, 1e4, 1e6, 1e8, 1e10, 1e12, 1e14])
def test_rows_are_as_good_as_nnls_whatever_the_condition(compiled, condition, k):
    X, atoms = problem(60, k, condition)
    Z, _ = encode(compiled, X, atoms)
    squares = np.sum((X - Z @ atoms) ** 2, axis=1)
    best = np.array([nnls(atoms.T, x, maxiter=10_000)[1] for x in X]) ** 2
    assert_allclose(squares, best, rtol=1e-9)
    assert steps(X, atoms, Z).max() < 2e-10


@pytest.mark.parametrize("k", [1, 8, 33])
def test_rows_in_single_precision_are_optimal_to_it(compiled, k):
    X, atoms = (a.astype(np.float32) for a in problem(100, k))
    for scale in (np.float32(1e-12), np.float32(1), np.float32(1e12)):
        Z, _ = encode(compiled, X * scale, atoms)
        assert steps(X.astype(float), atoms.astype(float), Z.astype(float) / float(scale)).max() < 3e-5


def test_rows_from_their_duals_end_where_descent_from_zero_ends(compiled):
    X, atoms = problem(150, 20)
    guessed, _ = encode(compiled, X, atoms)
    descended, _ = encode(compiled, X, atoms, start=np.zeros((150, 20)))
    assert_array_equal(guessed > 0, descended > 0)
    assert_allclose(guessed, descended, rtol=1e-8)


@pytest.mark.parametrize("condition", [None, 1e6, 1e12])
def test_rows_have_the_same_bits_whatever_their_neighbours(compiled, dtype, condition):
    X, atoms = (a.astype(dtype) for a in problem(500, 21, condition))
    X[7::50] = 0
    whole, _ = encode(compiled, X, atoms, n_threads=1)
    order = np.random.default_rng(1).permutation(500)
    for rows in (order, order[:61], [3], [7]):
        assert_array_equal(encode(compiled, X[rows], atoms)[0], whole[rows])
    assert_array_equal(encode(compiled, X, atoms, n_threads=3)[0], whole)


def test_zero_atoms_zero_rows_and_rows_against_all_atoms_have_zero_codes(compiled, dtype):
    X, atoms = (a.astype(dtype) for a in problem(100, 9))
    X[11], X[50] = 0, -X[51]
    assert_array_equal(encode(compiled, X, np.abs(atoms))[0][11], 0)
    assert_array_equal(encode(compiled, -np.abs(X), np.abs(atoms))[0], 0)
    atoms[4] = 0
    Z, _ = encode(compiled, X, atoms)
    assert_array_equal(Z[:, 4], 0)
    assert_array_equal(Z[11], 0)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("condition", [None, 1e4, 1e10])
@pytest.mark.parametrize("near", [1e-6, 1e-2, 1.0])
def test_rows_that_go_on_from_a_start_end_as_the_twin_says_and_no_higher(
    compiled, dtype, shape, condition, near
):
    X, atoms = problem(*shape, condition)
    Z, _ = encode(compiled, X, atoms)
    noise = np.abs(np.random.default_rng(1).standard_normal(Z.shape))
    start = (Z + near * np.abs(Z).max() * noise).astype(dtype)
    X, atoms = X.astype(dtype), atoms.astype(dtype)
    gram = atoms.astype(np.float64) @ atoms.T.astype(np.float64)
    ends = []
    for level in (compiled, _core.load("numpy")):
        out = np.empty_like(start)
        level.hals(
            x=X,
            p=None,
            f=np.ascontiguousarray(atoms.T),
            gram=gram,
            inverse=None,
            start=start,
            previous=None,
            beta=0.0,
            out=out,
            sums=None,
            l1=0.0,
            nonneg=True,
            max_sweeps=20,
            polish=8,
            shrink=0.03,
            tol=0.0,
            cross=False,
            squares=False,
            n_threads=2,
        )
        ends.append(out)
    eps = np.finfo(dtype).eps
    size = np.sum(X.astype(np.float64) ** 2, axis=1) + np.diag(gram) @ start.astype(np.float64).T ** 2
    found, twins, before = (errors(X, atoms, z) for z in (*ends, start))
    assert np.all(found <= before + eps * size)
    if condition is None or condition * eps < 1e-2:
        assert_allclose(np.sum(found), np.sum(twins), rtol=1e-6 if dtype == np.float32 else 1e-13)


def errors(X, atoms, Z):
    return 0.5 * np.sum((X.astype(np.float64) - Z.astype(np.float64) @ atoms.astype(np.float64)) ** 2, axis=1)


def test_rows_whose_steps_overflow_when_squared_have_not_ended(compiled, dtype):
    X, atoms = problem(49, 5)
    X, atoms = X.astype(dtype), atoms.astype(dtype)
    start = np.full((49, 5), 1e22 if dtype == np.float32 else 1e180, dtype)
    Z, _ = encode(compiled, X, atoms, start=start)
    best = np.array([nnls(atoms.T.astype(float), x)[0] for x in X])
    assert_allclose(Z, best, atol=1e-3 if dtype == np.float32 else 1e-8)

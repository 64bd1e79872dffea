"""The shortest solution: feasible, orthogonal to the null space, certified by its multiplier."""

import numpy as np
import pytest
import scipy.linalg as la
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import gramfold as gf

SHAPES = [(3, 8), (8, 3), (5, 5), (1, 6), (6, 1), (1, 1)]


def system(m, n, rank=None, seed=0):
    rng = np.random.default_rng(seed)
    rank = min(m, n) if rank is None else rank
    A = rng.standard_normal((m, rank)) @ rng.standard_normal((rank, n))
    return A, A @ rng.standard_normal(n)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 12), st.integers(0, 1000))
def test_it_is_the_least_squares_solution_with_a_certificate(m, n, rank, seed):
    A, b = system(m, n, min(m, n, rank), seed)
    found = gf.least_norm(A, b)
    scale = 1 + la.norm(found.x)
    assert_allclose(A @ found.x, b, atol=1e-10 * scale * (1 + la.norm(A)))
    assert_allclose(found.x, la.lstsq(A, b)[0], atol=1e-8 * scale)
    null = la.null_space(A) if found.rank else np.eye(n)
    assert_allclose(null.T @ found.x, 0, atol=1e-10 * scale)
    assert found.rank == min(m, n, rank)
    assert_allclose(A.T @ found.multiplier, -2 * found.x, atol=1e-8 * scale)
    assert found.value == pytest.approx(found.dual_value, abs=1e-8 * scale**2)
    assert found.gap == found.value - found.dual_value


@pytest.mark.parametrize(("m", "n"), SHAPES)
def test_no_multiplier_gives_more_and_no_solution_is_shorter(m, n):
    A, b = system(m, n)
    found = gf.least_norm(A, b)
    rng = np.random.default_rng(1)
    for _ in range(50):
        nu = found.multiplier + rng.standard_normal(m) * rng.choice([1e-3, 1, 10])
        dual = -0.25 * np.sum((A.T @ nu) ** 2) - b @ nu
        assert dual <= found.value + 1e-12 * (1 + found.value)
    for direction in la.null_space(A).T:
        assert la.norm(found.x + 0.1 * direction) > la.norm(found.x)


def test_ridge_goes_to_it_in_proportion_to_the_penalty():
    A, b = system(4, 9)
    x = gf.least_norm(A, b).x
    errors = [
        la.norm(gf.Ridge(alpha, fit_intercept=False).fit(A, b).coef_ - x) for alpha in (1e-3, 1e-4, 1e-5)
    ]
    assert_allclose(np.array(errors[:-1]) / errors[1:], 10, rtol=0.01)


def test_gradient_descent_from_0_goes_to_it_and_from_elsewhere_keeps_its_null_part():
    from gramfold.ridge.data import read
    from gramfold.ridge.forms import GramForm
    from gramfold.ridge.moments import moments
    from gramfold.ridge.solvers import gradient_descent

    A, b = system(3, 6)
    x = gf.least_norm(A, b).x
    form = GramForm(moments(read(gf.Ridge(fit_intercept=False), A, b, None, reset=True)))
    start = np.random.default_rng(2).standard_normal((6, 1))
    null = la.null_space(A)
    for first, expected in ((None, x), (start, x + null @ (null.T @ start[:, 0]))):
        iterates = gradient_descent(form, np.zeros(1), start=first)
        for _ in range(5000):
            B, _ = next(iterates)
        assert_allclose(B[:, 0], expected, atol=1e-9)


@pytest.mark.parametrize(("m", "n", "rank"), [(8, 3, 3), (4, 6, 2), (3, 3, 0)])
def test_right_hand_sides_out_of_reach_are_refused(m, n, rank):
    A, b = system(m, n, rank)
    outside = la.null_space(A.T)[:, 0] if rank else np.eye(m)[0]
    gf.least_norm(A, b)
    with pytest.raises(ValueError, match="Ax = b has no solution"):
        gf.least_norm(A, b + 1e-6 * outside)


def test_wrong_arguments_are_named():
    A, b = system(3, 5)
    with pytest.raises(ValueError, match="b must have an entry for each row of A: 2 against 3"):
        gf.least_norm(A, b[:2])
    with pytest.raises(ValueError, match="A contains NaN"):
        gf.least_norm(A * np.nan, b)
    with pytest.raises(ValueError, match="b contains inf"):
        gf.least_norm(A, np.array([np.inf, 0, 0]))


@pytest.mark.parametrize(
    "sizes", [(-500, 0), (500, 0), (0, -1060), (0, 500), (-900, -900), (900, 900)], ids=str
)
def test_units_of_two_scale_it_to_the_bit(sizes):
    A, b = np.random.default_rng(0).standard_normal((3, 5)), np.array([1.0, 2, 3])
    one, other = gf.least_norm(A, b), gf.least_norm(np.ldexp(A, sizes[0]), np.ldexp(b, sizes[1]))
    assert_array_equal(other.x, np.ldexp(one.x, sizes[1] - sizes[0]))
    assert other.value == np.ldexp(one.value, 2 * (sizes[1] - sizes[0]))


@pytest.mark.parametrize("sizes", [(-600, 0), (-520, 520), (700, -700)], ids=str)
def test_a_solution_out_of_range_is_refused(sizes):
    A, b = np.random.default_rng(0).standard_normal((3, 5)), np.array([1.0, 2, 3])
    with pytest.raises(ValueError, match="leaves the range of float64: rescale A or b"):
        gf.least_norm(np.ldexp(A, sizes[0]), np.ldexp(b, sizes[1]))


def test_inputs_are_left_alone():
    A, b = system(4, 7)
    for array in (A, b):
        array.setflags(write=False)
    assert_array_equal(gf.least_norm(np.asfortranarray(A), b).x.shape, (7,))

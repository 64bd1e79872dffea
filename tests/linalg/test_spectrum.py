"""Subspaces and bounds of eigenvalues against LAPACK's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from gramfold.linalg.spectrum import Leading, largest, orthonormal


def matrix(values, seed):
    """A symmetric matrix with these eigenvalues."""
    q = np.linalg.qr(np.random.default_rng(seed).standard_normal((len(values), len(values))))[0]
    return (q * values) @ q.T


@pytest.mark.parametrize("accuracy", [1e-2, 1e-8])
@given(st.integers(0, 2**16), st.integers(1, 60), st.integers(1, 6), st.floats(0, 0.95), st.floats(0, 1e-6))
@settings(max_examples=60, deadline=None)
def test_the_largest_eigenvalue_is_as_accurate_as_asked_for(accuracy, seed, n, cluster, below, spread):
    rng = np.random.default_rng(seed)
    values = np.concatenate([1 - spread * rng.random(min(cluster, n)), below * rng.random(n)])[:n]
    a = matrix(values, seed)
    start = orthonormal(a @ (a @ rng.standard_normal((n, min(n, 8)))))
    bound, basis, image = largest(lambda q: a @ q, start, accuracy)
    assert abs(bound - values.max()) <= accuracy * values.max() + 1e-14
    assert_allclose(image, a @ basis)


def test_the_largest_eigenvalue_of_zero_is_zero():
    assert largest(lambda q: 0 * q, np.eye(5)[:, :2], 1e-8)[0] == 0


@pytest.mark.parametrize("kind", ["nearly", "random", "scaled", "nearly dependent", "dependent", "zero"])
def test_columns_are_made_orthonormal_and_span_the_same(kind):
    rng = np.random.default_rng(3)
    a = np.linalg.qr(rng.standard_normal((200, 20)))[0]
    if kind == "nearly":
        a = a * 10.0 ** np.arange(20) + 1e-3 * rng.standard_normal(a.shape)
    if kind == "random":
        a = rng.standard_normal(a.shape)
    if kind == "scaled":
        a = rng.standard_normal(a.shape) * 10.0 ** np.arange(-150, 150, 15)
    if kind == "nearly dependent":
        a[:, 1:] = a[:, :1] + 1e-5 * a[:, 1:]
    if kind == "dependent":
        a[:, 5] = a[:, 6]
    if kind == "zero":
        a[:, 5] = 0
    q = orthonormal(a)
    assert_allclose(q.T @ q, np.eye(20), atol=1e-13)
    assert_allclose(q @ (q.T @ a), a, atol=1e-13 * np.abs(a).max())


@pytest.mark.parametrize("top", [10, 1e3, 1e6])
@pytest.mark.parametrize("wanted", [1, 6, 40])
@pytest.mark.parametrize("degree", [2, 6])
def test_pairs_are_as_exact_as_products_in_few_rounds(degree, wanted, top, dtype):
    values = np.concatenate([np.geomspace(top, 2, wanted), np.geomspace(0.5, 1e-6, 60)])
    root, eps, looks = matrix(np.sqrt(values), 5).astype(dtype), float(np.finfo(dtype).eps), 0
    exact = root.astype(np.float64)

    def apply(q):
        nonlocal looks
        looks += np.allclose(q.T @ q, np.eye(q.shape[1]), atol=1e-9)  # not inside of a filter
        return (root @ (root @ q.astype(dtype))).astype(np.float64)

    leading = Leading(len(root), eps)
    for most in (40, 4, 14, 3):
        looks = 0
        found, vectors = leading.iterate(apply, 1.0, 0.0, 2 * most, len(root), degree)
        assert len(found) == min(wanted, 2 * most)
        rest = np.linalg.norm(exact @ (exact @ vectors) - vectors * found, axis=0)
        assert np.linalg.norm(rest / np.sqrt(found)) <= 8 * eps * top * np.sqrt(len(found))
        assert looks <= 60


def test_values_just_above_the_threshold_take_few_rounds():
    values = np.concatenate([np.linspace(1.01, 1.004, 30), np.linspace(0.5, 0.1, 170)])
    a, leading, rounds = matrix(values, 5), Leading(200), 0

    def apply(q):
        nonlocal rounds
        rounds += 1
        return a @ q

    start = np.random.default_rng(0).standard_normal((200, 38))
    leading.keep(orthonormal(np.linalg.matrix_power(a, 6) @ start), 30)
    found, _ = leading.iterate(apply, 1.0, 1e-6, 200, 200, 6)
    assert_allclose(found, values[:30], atol=1e-12)
    assert rounds <= 7 * 5

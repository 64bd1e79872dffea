"""Subspaces and bounds of eigenvalues against LAPACK's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from gramfold.linalg.spectrum import largest, orthonormal


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

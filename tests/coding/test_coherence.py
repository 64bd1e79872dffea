"""Coherence, the Babel function and what they guarantee, against their definitions."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import gramfold as gf
from gramfold.coding import coherence


def dictionary(K, m, seed=0):
    return np.random.default_rng(seed).standard_normal((K, m)) * np.arange(1, K + 1)[:, None]


def spikes_and_fourier(n):
    return np.vstack([np.eye(n), gf.OrthoBasis("fourier", n).synthesize(np.eye(n))])


@pytest.mark.parametrize(("K", "m"), [(1, 3), (2, 2), (5, 3), (7, 12), (9, 1)])
def test_coherence_and_babel_are_their_definitions(K, m):
    D = dictionary(K, m)
    unit = D / np.linalg.norm(D, axis=1, keepdims=True)
    gram = np.abs(unit @ unit.T)
    expected = [
        max(gram[i, list(others)].sum() for i in range(K) for others in combinations(set(range(K)) - {i}, k))
        for k in range(1, K)
    ]
    assert_allclose(gf.babel_function(D), expected, rtol=1e-12)
    if K > 1:
        assert_allclose(gf.mutual_coherence(D), expected[0], rtol=1e-12)
        report = gf.coherence_report(D)
        assert_allclose(gram[report.pair], report.coherence, rtol=1e-12)
    else:
        assert gf.mutual_coherence(D) == 0


def test_blocks_of_atoms_give_the_same(monkeypatch):
    D = dictionary(50, 20)
    expected = gf.coherence_report(D)
    monkeypatch.setattr(coherence, "ROWS_AT_ONCE", 7)
    found = gf.coherence_report(D)
    assert_allclose(found.babel, expected.babel, rtol=1e-13)
    assert found.pair[::-1] == expected.pair or found.pair == expected.pair


@given(K=st.integers(2, 30), m=st.integers(1, 12), seed=st.integers(0, 1000))
def test_no_dictionary_is_below_the_welch_bound_and_babel_is_between(K, m, seed):
    report = gf.coherence_report(dictionary(K, m, seed))
    assert report.welch_bound <= report.coherence * (1 + 1e-12)
    k = np.arange(1, K)
    assert (report.babel <= k * report.coherence * (1 + 1e-12)).all()
    assert (np.diff(report.babel) >= 0).all()
    assert report.guaranteed <= report.guaranteed_by_babel <= min(K, m)


def test_the_welch_bound_is_attained_by_a_simplex():
    simplex = np.eye(4) - 0.25
    assert gf.mutual_coherence(simplex @ np.linalg.svd(simplex)[0][:, :3]) == pytest.approx(
        gf.welch_bound(4, 3)
    )
    assert gf.welch_bound(4, 3) == pytest.approx(1 / 3)
    assert gf.welch_bound(3, 3) == 0


@pytest.mark.parametrize("n", [16, 49, 64])
def test_spikes_and_sinusoids_have_the_known_coherence_and_guarantee(n):
    report = gf.coherence_report(spikes_and_fourier(n))
    real = np.sqrt(2 / n)  # of a real sinusoid; the constant has 1/sqrt(n)
    largest = np.abs(gf.OrthoBasis("fourier", n).synthesize(np.eye(n))).max()
    assert report.coherence == pytest.approx(largest, rel=1e-12)
    assert largest <= real * (1 + 1e-12)
    assert report.guaranteed < (1 + 1 / largest) / 2 <= report.guaranteed + 1


def test_a_bound_that_is_a_whole_number_is_not_reached():
    # mu = 1/3: k < (1 + 3) / 2 = 2.
    simplex = np.eye(4) - 0.25
    assert gf.coherence_report(simplex @ np.linalg.svd(simplex)[0][:, :3]).guaranteed == 1
    flat = np.vstack([np.eye(49), np.full((1, 49), 1.0)])  # mu = 1/7: k < 4
    assert gf.coherence_report(flat).guaranteed == 3


def test_orthonormal_atoms_guarantee_everything_and_parallel_ones_nothing():
    report = gf.coherence_report(gf.OrthoBasis("dct", 20).synthesize(np.eye(20)))
    assert report.guaranteed == report.guaranteed_by_babel == 20
    assert report.coherence < 1e-14
    twice = gf.coherence_report([[1.0, 1.0], [-2.0, -2.0], [1.0, 0.0]])
    assert twice.coherence == pytest.approx(1, abs=1e-15)
    assert twice.coherence <= 1
    assert twice.guaranteed == twice.guaranteed_by_babel == 0
    assert gf.coherence_report([[3.0, 4.0]]).guaranteed == 1


@given(seed=st.integers(0, 10_000), share=st.floats(0.05, 1))
def test_below_the_bound_matching_pursuit_finds_every_code(seed, share):
    from sklearn.linear_model import orthogonal_mp

    rng = np.random.default_rng(seed)
    D = spikes_and_fourier(64)
    k = max(1, int(share * gf.coherence_report(D).guaranteed))
    support = rng.choice(128, k, replace=False)
    code = np.zeros(128)
    code[support] = rng.uniform(0.5, 2, k) * rng.choice([-1, 1], k)
    found = orthogonal_mp(D.T, D.T @ code, n_nonzero_coefs=k)
    assert_allclose(found, code, atol=1e-12)


def test_a_fitted_model_is_taken_and_printed():
    X, _, _ = gf.datasets.make_nmf(50, 12, 4, random_state=0)
    model = gf.NMF(4, random_state=0).fit(X)
    report = gf.coherence_report(model)
    assert_array_equal(report.babel, gf.coherence_report(model.components_).babel)
    assert report.coherence == gf.mutual_coherence(model)
    assert str(report).startswith("4 atoms in 12 dimensions: mutual coherence 0.")


def test_scale_does_not_matter_up_to_the_ends_of_the_range():
    D = np.random.default_rng(0).standard_normal((6, 4))
    expected = gf.babel_function(D)
    for scale in (1e-300, 1e300):
        assert_allclose(gf.babel_function(D * scale), expected, rtol=1e-12)
    assert_allclose(gf.babel_function((-D).astype(np.float32)), expected, rtol=1e-5)


def test_zero_atoms_and_wrong_entries_are_refused():
    with pytest.raises(ValueError, match="atom 1 of the dictionary is 0"):
        gf.mutual_coherence([[1.0, 0.0], [0.0, 0.0]])
    with pytest.raises(ValueError, match="dictionary contains NaN"):
        gf.coherence_report([[1.0, np.nan]])
    with pytest.raises(ValueError, match="n_features"):
        gf.welch_bound(3, 0)

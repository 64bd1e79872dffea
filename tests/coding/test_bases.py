"""Orthonormal bases: orthonormal to rounding for every size, and the errors that follow from it."""

import sys

import numpy as np
import pytest
import scipy.fft
from numpy.testing import assert_allclose, assert_array_equal

import gramfold as gf

pytest.importorskip("pywt")

NAMES = ("dct", "fourier", "haar", "db4", "sym8", "coif2")
SHAPES = ((16,), (17,), (64,), (101,), (16, 32), (33, 20), (5, 48), (19, 1))
EPS = np.finfo(np.float64).eps


def signals(basis, count=5, dtype=np.float64):
    x = np.random.default_rng(0).standard_normal((count, basis.n_features)).cumsum(axis=1)
    return x.astype(dtype)


@pytest.fixture(params=[(name, shape) for name in NAMES for shape in SHAPES], ids=str)
def basis(request):
    return gf.OrthoBasis(*request.param)


def test_the_atoms_are_orthonormal_and_their_own_codes(basis):
    eye = np.eye(basis.n_features)
    atoms = basis.synthesize(eye)
    assert_allclose(atoms @ atoms.T, eye, atol=64 * EPS)
    assert_allclose(basis.analyze(atoms), eye, atol=64 * EPS)
    assert gf.mutual_coherence(atoms) < 64 * EPS


def test_analysis_takes_inner_products_and_synthesis_inverts_it(basis, dtype):
    x = signals(basis, dtype=dtype)
    z = basis.analyze(x)
    assert z.dtype == dtype
    size = np.abs(x).max() * np.finfo(dtype).eps
    atoms = basis.synthesize(np.eye(basis.n_features))
    assert_allclose(z, x @ atoms.T, atol=64 * size * np.sqrt(basis.n_features))
    assert_allclose(basis.synthesize(z), x, atol=64 * size)


def test_parseval_and_the_error_of_what_is_dropped_hold_to_rounding(basis):
    x = signals(basis)
    z = basis.analyze(x)
    assert_allclose(np.sum(z**2, axis=1), np.sum(x**2, axis=1), rtol=64 * EPS)
    for kept in (basis.encode(x, n_nonzero=3), basis.encode(x, threshold=1.5)):
        error = np.sum((x - basis.synthesize(kept)) ** 2, axis=1)
        dropped = np.sum((z - kept) ** 2, axis=1)
        assert_allclose(error, dropped, rtol=1e-12, atol=64 * EPS * np.sum(x**2))


def test_keeping_k_is_the_hard_threshold_at_the_kth_magnitude(basis):
    x = signals(basis)
    for row in x:
        for k in (1, 4, basis.n_features):
            kept = basis.encode(row[None], n_nonzero=k)
            kth = np.sort(np.abs(basis.analyze(row[None])[0]))[-k]
            assert_array_equal(kept, basis.encode(row[None], threshold=kth))
            assert np.count_nonzero(kept) == k


def test_no_other_k_atoms_come_nearer():
    basis = gf.OrthoBasis("dct", 8)
    x = signals(basis, 1)
    best = np.sum((x - basis.synthesize(basis.encode(x, n_nonzero=2))) ** 2)
    atoms = basis.synthesize(np.eye(8))
    for i in range(8):
        for j in range(i):
            fit = np.linalg.lstsq(atoms[[i, j]].T, x[0], rcond=None)[1][0]
            assert best <= fit * (1 + 1e-12)


def test_the_soft_threshold_is_the_lasso(basis):
    x = signals(basis)
    atoms = basis.synthesize(np.eye(basis.n_features))
    expected = gf.encode(x, atoms, l1=0.8, nonneg=False)
    assert_allclose(basis.encode(x, threshold=0.8, mode="soft"), expected, atol=1e-11 * np.abs(x).max())


def test_of_equal_magnitudes_the_first_are_kept():
    basis = gf.OrthoBasis("dct", 6)
    from gramfold.coding.bases import largest

    magnitudes = np.array([[1.0, 2.0, 2.0, 2.0, 0.0, 3.0], [0.0] * 6])
    assert_array_equal(largest(magnitudes, 3), [[0, 1, 1, 0, 0, 1], [1, 1, 1, 0, 0, 0]])
    assert_array_equal(basis.encode(np.zeros((1, 6)), n_nonzero=2), np.zeros((1, 6)))


@pytest.mark.parametrize("name", NAMES)
def test_signals_come_as_rows_as_one_or_as_a_stack(name):
    basis = gf.OrthoBasis(name, (16, 24))
    stack = signals(basis).reshape(5, 16, 24)
    z = basis.analyze(stack)
    assert z.shape == stack.shape
    assert_array_equal(basis.analyze(stack[1]), z[1])
    assert_array_equal(basis.analyze(stack.reshape(5, -1)), z.reshape(5, -1))
    code = basis.encode(stack, n_nonzero=7)
    assert_array_equal(np.count_nonzero(code, axis=(1, 2)), 7)
    assert_array_equal(basis.encode(stack[1], n_nonzero=7), code[1])


def test_cosines_are_scipys_and_the_constant_is_the_first_atom():
    x = signals(gf.OrthoBasis("dct", (9, 14))).reshape(5, 9, 14)
    assert_allclose(
        gf.OrthoBasis("dct", (9, 14)).analyze(x),
        scipy.fft.dctn(x, axes=(1, 2), norm="ortho"),
        rtol=1e-12,
        atol=1e-12,
    )
    for name in ("dct", "fourier", "haar"):
        first = gf.OrthoBasis(name, 16).synthesize(np.eye(16))[0]
        assert_allclose(first, 0.25, rtol=1e-12)


def test_wavelets_of_smooth_signals_vanish_where_theory_says():
    t = np.linspace(-1, 1, 64)
    z = gf.OrthoBasis("db4", 64).analyze(t**3)  # four vanishing moments; the ends meet at the boundary
    assert np.abs(z[36:60]).max() < 1e-13
    assert np.abs(gf.OrthoBasis("haar", 64).analyze(t**3)[36:60]).max() > 1e-3


def test_inputs_are_left_alone_and_of_any_layout():
    basis = gf.OrthoBasis("db4", (16, 16))
    x = signals(basis).reshape(5, 16, 16)
    for form in (np.asfortranarray(x), x[:, ::-1].copy()[:, ::-1]):
        form.setflags(write=False)
        assert_array_equal(basis.analyze(form), basis.analyze(x))


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("cosine", 8, "name must be 'dct'"),
        ("bior2.4", 64, "'bior2.4' is not orthogonal"),
        ("dmey", 64, "'dmey' is not orthogonal"),
        ("db4", 7, "too short for 'db4': it needs a side of at least 8"),
        ("dct", 0, "shape must be at least 1"),
        ("dct", (2, 2, 2), "one or two sizes"),
        ("dct", (), "one or two sizes"),
    ],
)
def test_what_is_no_orthonormal_basis_is_refused(name, shape, message):
    with pytest.raises(ValueError, match=message):
        gf.OrthoBasis(name, shape)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "exactly one"),
        ({"n_nonzero": 1, "threshold": 1.0}, "exactly one"),
        ({"n_nonzero": 0}, "n_nonzero must be at least 1"),
        ({"threshold": -1.0}, "threshold"),
        ({"threshold": 1.0, "mode": "firm"}, "mode"),
        ({"n_nonzero": 1, "mode": "soft"}, "needs threshold"),
    ],
)
def test_wrong_ways_to_encode_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        gf.OrthoBasis("dct", 8).encode(np.ones((1, 8)), **options)


@pytest.mark.parametrize(
    "x", [np.ones((2, 7)), np.ones(9), np.full((1, 8), np.nan), np.ones((1, 8), complex)]
)
def test_wrong_signals_are_refused(x):
    with pytest.raises(ValueError, match=r"X|Complex"):
        gf.OrthoBasis("dct", 8).analyze(x)


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pywt", None)
    gf.OrthoBasis("dct", 8).analyze(np.ones(8))
    with pytest.raises(ImportError, match=r"gramfold\[wavelets\]"):
        gf.OrthoBasis("haar", 8)

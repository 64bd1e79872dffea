"""Powers of two on rows, atoms and penalties scale the codes to the bit; codes out of range are refused."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal

import gramfold as gf

EXPONENTS = {
    np.float32: [(3, -5), (-70, 0), (0, -27), (60, 60), (66, 0), (0, -100), (-60, -60)],
    np.float64: [(3, -5), (-330, 0), (0, -660), (500, 500), (0, 600), (-400, -400)],
}
OPTIONS = [
    {"algorithm": "lasso_cd", "alpha": 0.1},
    {"algorithm": "lasso_cd", "alpha": 0.1, "positive": True},
    {"algorithm": "lasso_cd", "alpha": 0.0, "positive": True},
    {"algorithm": "lasso_lars", "alpha": 0.1, "l2": 0.25},
    {"algorithm": "omp", "n_nonzero_coefs": 3},
    {"algorithm": "omp", "n_nonzero_coefs": 3, "positive": True},
    {"algorithm": "ols", "n_nonzero_coefs": 3},
    {"algorithm": "omp", "max_error": 0.5},
]


def problem(dtype, k=9):
    rng = np.random.default_rng(0)
    return rng.random((30, 20)).astype(dtype), rng.standard_normal((k, 20)).astype(dtype)


def scaled(options, atoms, rows):
    by = {"alpha": atoms + rows, "l2": 2 * atoms, "max_error": rows}
    return {name: np.ldexp(value, by[name]) if name in by else value for name, value in options.items()}


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("k", [9, 50])
@pytest.mark.parametrize("mask", [None, "observed", "weights"])
def test_sparse_codes_are_scaled_by_powers_of_two(dtype, options, k, mask):
    X, D = problem(dtype, k)
    shares = np.random.default_rng(1).random(X.shape)
    given = {None: None, "observed": shares < 0.8, "weights": shares.astype(dtype)}[mask]
    expected = gf.sparse_encode(X, D, mask=given, **options)
    assert expected.any()
    for atoms, rows in EXPONENTS[dtype]:
        found = gf.sparse_encode(
            np.ldexp(X, rows), np.ldexp(D, atoms), mask=given, **scaled(options, atoms, rows)
        )
        assert_array_equal(found, np.ldexp(expected, rows - atoms))


@pytest.mark.parametrize("nonneg", [True, False])
@pytest.mark.parametrize(("l1", "l2"), [(0.0, 0.0), (0.3, 0.0), (0.3, 0.25), (0.0, 0.5)])
def test_encode_is_scaled_by_powers_of_two(dtype, nonneg, l1, l2):
    X, D = problem(dtype)
    for form in (np.asarray, sp.csr_array):
        expected = gf.encode(form(X), D, l1=l1, l2=l2, nonneg=nonneg)
        for atoms, rows in EXPONENTS[dtype]:
            own = {"l1": float(np.ldexp(l1, atoms + rows)), "l2": float(np.ldexp(l2, 2 * atoms))}
            found = gf.encode(form(np.ldexp(X, rows)), np.ldexp(D, atoms), nonneg=nonneg, **own)
            assert_array_equal(found, np.ldexp(expected, rows - atoms))


def test_codes_by_threshold_are_scaled_by_powers_of_two(dtype):
    X, D = problem(dtype)
    expected = gf.sparse_encode(X, D, algorithm="threshold", alpha=0.4)
    far = 40 if dtype == np.float32 else 400
    for atoms, rows in ((3, -5), (-far, far), (far, 0), (0, -far)):
        found = gf.sparse_encode(
            np.ldexp(X, rows), np.ldexp(D, atoms), algorithm="threshold", alpha=np.ldexp(0.4, atoms + rows)
        )
        assert_array_equal(found, np.ldexp(expected, atoms + rows))


@pytest.mark.parametrize("output", ["dense", "csr"])
def test_rows_of_unlike_scales_are_coded_alike(dtype, output):
    sizes = np.array([1e-30, 1e-22, 1e-10, 1, 1e10, 1e20, 1e30]) ** (1 if dtype == np.float32 else 6)
    rows, D = problem(dtype)
    rows = rows[: len(sizes)].astype(float)
    X = (rows * sizes[:, None]).astype(dtype)
    tol = 1e-4 if dtype == np.float32 else 1e-10
    for options in ({"alpha": 0.0, "positive": True}, {"algorithm": "omp", "n_nonzero_coefs": 3}):
        found = gf.sparse_encode(X, D, output=output, **options)
        found = (found.toarray() if output == "csr" else found) / sizes[:, None]
        assert_allclose(found, gf.sparse_encode(rows, D, **options), atol=tol)
    assert_allclose(gf.encode(X, D) / sizes[:, None], gf.encode(rows, D), atol=tol)


def test_certificates_are_scaled_by_powers_of_two():
    X, D = problem(np.float64)
    Z = gf.sparse_encode(X, D, alpha=0.1) + 0.01
    expected = gf.certify(X, D, Z, alpha=0.1)
    for atoms, rows in ((3, -5), (-330, 100), (0, -480), (400, -400), (500, 500)):
        found = gf.certify(
            np.ldexp(X, rows),
            np.ldexp(D, atoms),
            np.ldexp(Z, rows - atoms),
            alpha=np.ldexp(0.1, atoms + rows),
        )
        assert_array_equal(found.kkt, expected.kkt)
        assert_array_equal(found.objective, np.ldexp(expected.objective, 2 * rows))
        assert_array_equal(found.gap, np.ldexp(expected.gap, 2 * rows))


@pytest.mark.parametrize(("atoms", "rows", "word"), [(-90, 60, "large"), (100, -100, "small")])
def test_codes_out_of_range_are_refused(atoms, rows, word):
    X, D = problem(np.float32)
    for code in (gf.encode, gf.sparse_encode):
        with pytest.raises(ValueError, match=f"X is too {word} beside the dictionary"):
            code(np.ldexp(X, rows), np.ldexp(D, atoms), **({} if code is gf.encode else {"alpha": 0.0}))


def test_penalties_of_any_size_scale_the_codes_with_x():
    rng = np.random.default_rng(0)
    X, D = rng.standard_normal((20, 8)), rng.standard_normal((5, 8))
    for nonneg in (True, False):
        plain = gf.encode(X, D, l1=0.5, nonneg=nonneg)
        large = gf.encode(np.ldexp(X, 120), D, l1=np.ldexp(0.5, 120), nonneg=nonneg)
        assert_array_equal(large, np.ldexp(plain, 120))

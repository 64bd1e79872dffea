"""Codes of nearly dependent atoms: never worse than 0 or their start, and as good as solvers on the data."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import nnls

import gramfold as gf
from gramfold._core import reference


def objective(X, D, Z, l1=0.0, mask=1.0):
    X, D, Z = (np.asarray(a, np.float64) for a in (X, D, Z))
    return 0.5 * np.sum(mask * (X - Z @ D) ** 2, axis=1) + l1 * np.abs(Z).sum(axis=1)


def whole_numbers(seed, rows=300):
    """Atoms of small whole numbers, some all but equal to others, or sums of them."""
    rng = np.random.default_rng(seed)
    k, m = [(12, 6), (12, 12), (8, 20)][seed % 3]
    D = rng.integers(-3, 4, (k, m)).astype(float)
    D[k // 2 : k // 2 * 2] = D[: k // 2] + [0, 1e-2, 1e-4, 1e-5][seed % 4] * rng.integers(-3, 4, (k // 2, m))
    D[-1] = D[:3].sum(axis=0)
    return rng.integers(-9, 10, (rows, m)).astype(np.float32), D.astype(np.float32)


def exponentials(noise):
    D = np.exp(-np.outer(np.geomspace(0.1, 100, 40), np.linspace(0, 1, 60)))
    rng = np.random.default_rng(0)
    return (rng.random((5, 40)) < 0.1) * rng.random((5, 40)) @ D + noise * rng.standard_normal((5, 60)), D


CODERS = {
    "encode": (0.3, lambda X, D: gf.encode(X, D, l1=0.3)),
    "signed": (0.3, lambda X, D: gf.encode(X, D, l1=0.3, nonneg=False)),
    "free": (0.0, lambda X, D: gf.encode(X, D, nonneg=False)),
    "nnls": (0.0, lambda X, D: gf.sparse_encode(X, D, alpha=0.0, positive=True)),
    "positive": (0.3, lambda X, D: gf.sparse_encode(X, D, alpha=0.3, positive=True)),
    "lasso": (0.3, lambda X, D: gf.sparse_encode(X, D, alpha=0.3)),
    "masked": (0.3, lambda X, D: gf.sparse_encode(X, D, alpha=0.3, mask=np.ones(X.shape, bool))),
    "omp": (0.0, lambda X, D: gf.sparse_encode(X, D, algorithm="omp", n_nonzero_coefs=6)),
    "ols": (0.0, lambda X, D: gf.sparse_encode(X, D, algorithm="ols", n_nonzero_coefs=6)),
}


@pytest.mark.parametrize("coder", CODERS)
@pytest.mark.parametrize("seed", range(12))
def test_no_row_is_given_back_worse_than_zero(coder, seed):
    X, D = whole_numbers(seed)
    l1, code = CODERS[coder]
    for form in (np.asarray, sp.csr_array):
        if form is np.asarray or coder != "masked":
            Z = code(form(X), D)
            assert np.all(objective(X, D, Z, l1) <= objective(X, D, 0 * Z, l1) * (1 + 1e-12))


@pytest.mark.parametrize("coder", ["encode", "signed", "positive", "lasso", "masked"])
@pytest.mark.parametrize("seed", range(12))
def test_single_precision_of_nearly_dependent_atoms_is_as_good_as_double(coder, seed):
    X, D = whole_numbers(seed)
    l1, code = CODERS[coder]
    single, double = objective(X, D, code(X, D), l1), objective(X, D, code(X.astype(float), D), l1)
    # Codes of 1e4 in float32 leave a residual of 1e-3 of them.
    assert np.all(single <= double + 1e-3 * objective(X, D, np.zeros((len(X), len(D)))) + 1e-3)


@pytest.mark.parametrize("l2", [0.0, 1e-6])
@pytest.mark.parametrize("nonneg", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_near_fits_in_single_precision_are_as_good_as_in_double(seed, nonneg, l2):
    rng = np.random.default_rng(seed)
    D = rng.integers(-3, 4, (12, 6)).astype(np.float32)
    if seed % 3:
        D[6:] = D[:6] + [0, 1e-4, 1e-2][seed % 3] * rng.integers(-3, 4, (6, 6))
    X = rng.integers(-9, 10, (300, 6)).astype(np.float32)

    def ridged(Z):
        return objective(X, D, Z) + 0.5 * l2 * np.square(Z, dtype=float).sum(axis=1)

    for code in (
        lambda X: gf.encode(X, D, l2=l2, nonneg=nonneg),
        lambda X: gf.sparse_encode(X, D, alpha=0.0, l2=l2, positive=nonneg),
        lambda X: gf.sparse_encode(X, D, alpha=0.0, l2=l2, positive=nonneg, mask=np.ones(X.shape, bool)),
    ):
        rounding = 1e-12 * ridged(np.zeros((300, 12)))
        assert np.all(ridged(code(X)) <= ridged(code(X.astype(float))) * (1 + 1e-3) + rounding)


@pytest.mark.parametrize("noise", [0, 1e-6, 1e-2])
@pytest.mark.parametrize("coder", ["encode", "nnls", "masked", "omp"])
def test_codes_of_decaying_exponentials_are_as_good_as_scipys_nnls(noise, coder):
    X, D = exponentials(noise)
    best = np.array([nnls(D.T, x, maxiter=10_000)[1] for x in X])
    found = {
        "encode": lambda: gf.encode(X, D),
        "nnls": lambda: gf.sparse_encode(X, D, alpha=0.0, positive=True),
        "masked": lambda: gf.sparse_encode(X, D, alpha=0.0, positive=True, mask=np.ones(X.shape, bool)),
        "omp": lambda: gf.sparse_encode(X, D, algorithm="omp", n_nonzero_coefs=40, positive=True),
    }[coder]()
    assert found.min() >= 0
    left = np.linalg.norm(X - found @ D, axis=1)
    if coder == "omp":  # on the atoms it has chosen
        best = np.array([nnls(D[z > 0].T, x)[1] for x, z in zip(X, found, strict=True)])
    assert np.all(left <= best * (1 + 1e-6) + 1e-9 * np.linalg.norm(X, axis=1))


@pytest.mark.parametrize("noise", [1e-6, 1e-2])
def test_signed_codes_of_decaying_exponentials_are_as_good_as_those_of_lstsq(noise):
    X, D = exponentials(noise)
    best = np.linalg.norm(X.T - D.T @ np.linalg.lstsq(D.T, X.T, rcond=None)[0], axis=0)
    for Z in (gf.encode(X, D, nonneg=False), gf.sparse_encode(X, D, alpha=0.0)):
        # The last singular vector in use is known to 1e-2, in lstsq as well.
        assert np.all(np.linalg.norm(X - Z @ D, axis=1) <= best * (1 + 1e-5))


def test_a_row_that_starts_at_a_good_code_is_not_given_back_worse():
    X, D = whole_numbers(3)
    start = gf.sparse_encode(X.astype(float), D, alpha=0.3).astype(np.float32)
    Z = gf.sparse_encode(X, D, alpha=0.3, init=start)
    assert np.all(objective(X, D, Z, 0.3) <= objective(X, D, start, 0.3) * (1 + 1e-12))


def cases():
    rng = np.random.default_rng(5)
    atoms = rng.standard_normal((9, 6))
    atoms[7] = 2 * atoms[0]
    atoms[8] = atoms[1] + 1e-9 * atoms[2]
    return atoms, rng.standard_normal((40, 6))


@pytest.mark.parametrize("l1", [0.0, 0.2])
@pytest.mark.parametrize("nonneg", [False, True])
def test_orthogonal_rows_are_minimisers_at_every_level(kernels, l1, nonneg):
    atoms, y = cases()
    if not nonneg and l1 == 0:
        atoms = np.ascontiguousarray(atoms[:5])
    ends = []
    for level, threads in ((kernels, 1), (kernels, 3), (reference, 1)):
        codes, ended = np.zeros((len(y), len(atoms))), np.zeros(len(y), bool)
        level.orthogonal_rows(
            atoms=atoms,
            y=y,
            codes=codes,
            ended=ended,
            l1=l1,
            nonneg=nonneg,
            max_rounds=1000,
            n_threads=threads,
        )
        assert ended.all()
        ends.append(codes)
    assert_array_equal(ends[0], ends[1])
    slope = (y - ends[0] @ atoms) @ atoms.T
    missed = np.where(
        ends[0] == 0, (slope if nonneg else abs(slope)) - l1, abs(slope - l1 * np.sign(ends[0]))
    )
    assert missed.max() < 1e-8
    assert_allclose(
        objective(y, atoms, ends[0], l1), objective(y, atoms, ends[2], l1), rtol=1e-10, atol=1e-13
    )


def test_orthogonal_rows_say_which_did_not_end(kernels):
    atoms, y = cases()
    codes, ended = np.zeros((len(y), len(atoms))), np.ones(len(y), bool)
    kernels.orthogonal_rows(
        atoms=atoms, y=y, codes=codes, ended=ended, l1=0.2, nonneg=False, max_rounds=1, n_threads=2
    )
    assert not ended.all()

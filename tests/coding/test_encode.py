"""Codes in a fixed dictionary: encode and transform against independent solvers."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from optimality import row_residual
from scipy.optimize import nnls
from sklearn.linear_model import ElasticNet

import gramfold as gf
from gramfold._core import level

FORMATS = {"dense": np.asarray, "fortran": np.asfortranarray, "csr": sp.csr_array}
SHAPES = {"tall": (400, 20), "wide": (30, 300), "one column": (10, 1), "crowded": (60, 1024)}


def problem(rows=40, cols=25, k=6, seed=0):
    """Signed X with zeros, and a dictionary of independent signed atoms."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((rows, cols)) * (rng.random((rows, cols)) < 0.6)
    return X, rng.standard_normal((k, cols))


def elastic_net(X, components, l1, l2, nonneg):
    """scikit-learn's solution; it divides the squared error by the number of features."""
    model = ElasticNet(
        alpha=(l1 + l2) / X.shape[1], l1_ratio=l1 / (l1 + l2), positive=nonneg, fit_intercept=False,
        tol=1e-14, max_iter=1_000_000,
    )  # fmt: skip
    return np.array([model.fit(components.T, x).coef_.copy() for x in X])


@pytest.mark.parametrize("form", FORMATS)
def test_nonnegative_codes_are_those_of_scipys_nnls(form):
    X, components = problem()
    expected = np.array([nnls(components.T, x)[0] for x in X])
    assert (expected == 0).any()
    found = gf.encode(FORMATS[form](X), components)
    assert_allclose(found, expected, atol=1e-8 * expected.max())
    assert_array_equal(found == 0, expected == 0)


@pytest.mark.parametrize("nonneg", [True, False])
@pytest.mark.parametrize(("l1", "l2"), [(0.7, 0.0), (0.4, 1.5), (1e-3, 1e-3)])
@pytest.mark.parametrize("form", FORMATS)
def test_penalised_codes_are_sklearns_elastic_net(form, l1, l2, nonneg):
    X, components = problem()
    expected = elastic_net(X, components, l1, l2, nonneg)
    found = gf.encode(FORMATS[form](X), components, l1=l1, l2=l2, nonneg=nonneg)
    assert_allclose(found, expected, atol=1e-6 * np.abs(expected).max())


def test_l1_codes_in_an_orthonormal_dictionary_are_soft_thresholds():
    X, components = problem()
    components = np.linalg.qr(components.T)[0].T
    products = X @ components.T
    soft = np.sign(products) * np.maximum(np.abs(products) - 0.3, 0)
    assert_allclose(gf.encode(X, components, l1=0.3, nonneg=False), soft, atol=1e-12)


@pytest.mark.parametrize("l2", [0.0, 0.8])
def test_signed_codes_without_l1_are_ridge_regression(l2):
    X, components = problem()
    gram = components @ components.T + l2 * np.eye(len(components))
    expected = np.linalg.solve(gram, components @ X.T).T
    assert_allclose(gf.encode(X, components, l2=l2, nonneg=False), expected, atol=1e-12)


def test_signed_codes_of_dependent_atoms_have_the_least_norm():
    X, components = problem(k=4)
    components = np.vstack([components, components[:2]])
    expected = X @ np.linalg.pinv(components)
    assert_allclose(gf.encode(X, components, nonneg=False), expected, atol=1e-10)


@pytest.mark.parametrize("nonneg", [True, False])
def test_float32_codes_are_optimal_to_its_precision(nonneg):
    X, components = problem()
    found = gf.encode(X.astype(np.float32), components, l1=0.2, nonneg=nonneg)
    assert found.dtype == np.float32
    residual = row_residual(X, found.astype(float), components, l1=0.2, nonneg=nonneg)
    # Rows end at steps of 1e-5 of their size.
    assert np.sqrt(residual) < 3e-5 * np.linalg.norm(X)


def test_an_atom_of_zeros_and_a_row_of_zeros_have_zero_codes():
    X, components = problem()
    components[2], X[5] = 0, 0
    found = gf.encode(X, components, l1=0.1)
    assert_array_equal(found[:, 2], 0)
    assert_array_equal(found[5], 0)


@pytest.mark.parametrize("gap", [1e-2, 1e-4, 1e-6])
def test_codes_of_nearly_dependent_atoms_are_as_good_as_nnls(gap):
    X, components = problem(k=3)
    components[1] = components[0] + gap * components[2]
    X = abs(X)
    found = gf.encode(X, components)
    best = np.array([nnls(components.T, x)[1] for x in X])
    # A Gram matrix of condition 1 / gap^2 leaves that many fewer digits to the codes, none to the error.
    assert_allclose(np.linalg.norm(X - found @ components, axis=1), best, rtol=1e-8)


def test_codes_of_repeated_atoms_are_finite_and_as_good_as_of_one():
    X, components = problem(k=3)
    found = gf.encode(X, np.vstack([components, components, 2 * components]))
    expected = gf.encode(X, components) @ components
    assert_allclose(found @ np.vstack([components, components, 2 * components]), expected, atol=1e-9)
    assert np.abs(found).max() < 10 * np.abs(X).max()


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "options", [{}, {"alpha_W": 0.01, "l1_ratio": 0.5}, {"W_nonneg": False}, {"H_nonneg": False}], ids=str
)
def test_transform_of_the_training_data_is_fit_transform_bit_for_bit(form, shape, options, dtype):
    X = abs(problem(*SHAPES[shape])[0]).astype(dtype)
    if shape == "one column":
        X += 1
    given = FORMATS[form](X)
    k = min(4, X.shape[1])
    model = gf.NMF(k, init="random", tol=0, max_iter=15, random_state=0, **options)
    W = model.fit_transform(given)
    assert_array_equal(model.transform(given), W)
    assert_array_equal(model.set_params(n_threads=3).transform(given), W)


@pytest.mark.skipif(level == "numpy", reason="NumPy's products sum in an order that depends on the shape")
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("W_nonneg", [True, False])
def test_transform_of_a_row_is_that_row_of_the_batch(form, shape, W_nonneg, dtype):
    X = abs(problem(*SHAPES[shape])[0]).astype(dtype) + dtype(0.1)
    given = FORMATS[form](X)
    k = min(3, X.shape[1])
    model = gf.NMF(k, init="random", tol=0, max_iter=10, random_state=0, W_nonneg=W_nonneg)
    W = model.fit_transform(given)
    for row in (0, 7, len(X) - 1):
        assert_array_equal(model.transform(given[row : row + 1]), W[row : row + 1])
    assert_array_equal(model.transform(given[3:9]), W[3:9])


def test_codes_in_nearly_dependent_atoms_are_exact():
    rng = np.random.default_rng(0)
    common = rng.random(64)
    atoms = common + 0.003 * rng.random((24, 64))  # the normalised Gram matrix has condition 1e6 and more
    X = rng.random((200, 24)) ** 4 @ atoms + 0.001 * rng.random((200, 64))
    Z = gf.encode(X, atoms)
    exact = np.array([nnls(atoms.T, x, maxiter=10_000)[0] for x in X])
    ours, theirs = (np.sum((X - codes @ atoms) ** 2, axis=1) for codes in (Z, exact))
    # A Gram matrix knows a residual no better than |x|^2 is rounded.
    assert_allclose(ours, theirs, rtol=1e-9, atol=10 * np.finfo(float).eps * np.sum(X**2, axis=1).max())

"""Codes of rows in segments: what the whole gives, whatever the segments."""

import pickle
from functools import partial

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from segment_cases import SIZES, cut

import gramfold as gf
from gramfold.coding import bases, codes, sparse_coder
from gramfold.coding.coder import Coder
from gramfold.fold.engine import run
from gramfold.fold.segments import source_of
from gramfold.least_squares import scales

CODERS = {
    "lasso": {"algorithm": "lasso_cd", "alpha": 0.5},
    "elastic net": {"algorithm": "lasso_cd", "alpha": 0.5, "l2": 0.3, "positive": True},
    "least squares": {"algorithm": "lasso_cd", "alpha": 0.0, "positive": True},
    "omp": {"algorithm": "omp", "n_nonzero_coefs": 3},
    "omp to an error": {"algorithm": "omp", "max_error": 1.5},
    "positive omp": {"algorithm": "omp", "n_nonzero_coefs": 3, "positive": True},
    "ols": {"algorithm": "ols", "n_nonzero_coefs": 3},
    "threshold": {"algorithm": "threshold", "alpha": 1.0},
}


def rows(sparse=False, n=1100, m=12):
    rng = np.random.default_rng(5)
    X = rng.normal(size=(n, m)) * rng.uniform(0.5, 3, size=(n, 1))
    return sp.csr_array(np.where(rng.random(X.shape) < 0.5, X, 0)) if sparse else X


def dictionary(k, m=12):
    return np.random.default_rng(6).normal(size=(k, m))


def same(a, b):
    a, b = (z.toarray() if sp.issparse(z) else z for z in (a, b))
    assert_allclose(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("k", [9, 40], ids=["few atoms", "many atoms"])
@pytest.mark.parametrize("name", CODERS)
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "CSR"])
def test_codes_of_segments_are_codes_of_the_whole(sparse, name, k, no_copy):
    X, D = rows(sparse), dictionary(k)
    whole = gf.sparse_encode(X, D, **CODERS[name])
    for size in SIZES[1:]:
        same(gf.sparse_encode(cut(X, size), D, **CODERS[name]), whole)
    same(gf.sparse_encode(cut(X[:100], 1), D, **CODERS[name]), whole[:100])
    found = gf.sparse_encode(cut(X, 48), D, output="csr", **CODERS[name])
    assert sp.issparse(found)
    same(found, whole)


def test_lars_codes_segment_by_segment(no_copy):
    X, D = rows(n=60), dictionary(9)
    whole = gf.sparse_encode(X, D, algorithm="lars", n_nonzero_coefs=3)
    same(gf.sparse_encode(cut(X, 7), D, algorithm="lars", n_nonzero_coefs=3), whole)


@pytest.mark.parametrize("size", SIZES)
def test_what_is_given_of_each_row_goes_with_its_segment(size, no_copy):
    n = 150 if size == 1 else 1100
    X, D = rows(n=n), dictionary(40)
    init = np.random.default_rng(0).normal(size=(n, 40))
    errors = np.linspace(0.5, 2, n)
    for options in (
        {"algorithm": "lasso_cd", "alpha": 0.5, "init": init},
        {"algorithm": "lasso_cd", "alpha": 0.5, "gram": D @ D.T, "cov": D @ X.T},
        {"algorithm": "omp", "max_error": errors},
    ):
        same(gf.sparse_encode(cut(X, size), D, **options), gf.sparse_encode(X, D, **options))


@pytest.mark.parametrize("algorithm", ["lasso_cd", "omp"])
def test_masked_codes_of_segments_are_those_of_the_whole(algorithm, no_copy):
    X, D = rows(n=80), dictionary(9)
    mask = np.random.default_rng(1).random(X.shape) < 0.8
    whole = gf.sparse_encode(X, D, algorithm=algorithm, alpha=0.5, n_nonzero_coefs=2, mask=mask)
    for given in (mask, cut(mask, 30)):
        blocks = gf.sparse_encode(cut(X, 7), D, algorithm=algorithm, alpha=0.5, n_nonzero_coefs=2, mask=given)
        assert_array_equal(blocks, whole)


@pytest.mark.parametrize("exponent", [-600, 0, 600])
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "CSR"])
def test_rows_far_out_of_range_are_scaled_as_in_the_whole(exponent, sparse, no_copy):
    X, D = rows(n=80).copy(), dictionary(9)
    X[3:9] *= 2.0**-320
    X = np.ldexp(X, exponent // 2)
    X = sp.csr_array(X) if sparse else X
    whole = gf.sparse_encode(X, D, algorithm="lasso_cd", alpha=0.0, positive=True)
    for size in (1, 7, 48):
        found = gf.sparse_encode(cut(X, size), D, algorithm="lasso_cd", alpha=0.0, positive=True)
        assert_allclose(found, whole, rtol=1e-10, atol=0)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "CSR"])
def test_encode_and_certify_take_segments(sparse, size, no_copy):
    X, D = rows(sparse, 150 if size == 1 else 1100), dictionary(9)
    Z = gf.encode(X, D)
    same(gf.encode(cut(X, size), D), Z)
    given = sp.csr_array(Z) if sparse else Z
    whole, found = gf.certify(X, D, Z, alpha=0.1), gf.certify(cut(X, size), D, cut(given, size), alpha=0.1)
    assert_array_equal(found.objective, whole.objective)
    assert_array_equal(found.kkt, whole.kkt)


@pytest.mark.parametrize("algorithm", ["lasso_cd", "omp"])
def test_rows_that_a_gram_matrix_cannot_solve_are_mended_in_their_segments(algorithm, no_copy):
    X, D = rows(n=200), dictionary(9)
    D[5:] = D[:4] + 1e-9 * D[5:]
    options = {"algorithm": algorithm, "alpha": 0.0, "positive": True, "n_nonzero_coefs": 5}
    whole = gf.sparse_encode(X, D, **options)
    for size in (1, 48, "unequal"):
        same(gf.sparse_encode(cut(X, size), D, **options) @ D, whole @ D)


@pytest.mark.parametrize("split_sign", [False, True])
@pytest.mark.parametrize("output", ["dense", "csr"])
def test_a_sparse_coder_takes_segments_both_ways(split_sign, output, no_copy):
    X, coder = rows(n=150), gf.SparseCoder(dictionary(40), split_sign=split_sign, output=output)
    Z = coder.fit(X).transform(X)
    for size in SIZES:
        same(coder.fit(cut(X, size)).transform(cut(X, size)), Z)
        same(coder.inverse_transform(cut(Z, size)), coder.inverse_transform(Z))


@pytest.mark.parametrize("name", ["dct", "fourier", "haar"])
def test_a_basis_takes_segments(name, no_copy):
    if name == "haar":
        pytest.importorskip("pywt", reason="wavelets need PyWavelets, of the extra")
    X, basis = rows(n=150), gf.OrthoBasis(name, (3, 4))
    codes, whole = basis.encode(X, n_nonzero=4), basis.synthesize(X)
    for size in SIZES:
        same(basis.encode(cut(X, size), n_nonzero=4), codes)
        same(basis.synthesize(cut(X, size)), whole)


@pytest.mark.parametrize("name", CODERS)
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "CSR"])
def test_codes_of_segments_are_the_same_for_any_number_of_threads(sparse, name):
    X, D = cut(rows(sparse), 48), dictionary(40)
    one, three = (gf.sparse_encode(X, D, n_threads=t, **CODERS[name]) for t in (1, 3))
    assert_array_equal(one, three)


def test_an_entry_that_is_not_finite_is_named_by_its_block():
    X = rows(n=20)
    X[13, 2] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        gf.sparse_encode(cut(X, 7), dictionary(9))


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "CSR"])
def test_passes_are_picklable(sparse):
    x, D = source_of(cut(rows(sparse), 48), 1), dictionary(40)
    shared = codes.Dictionary(np.ascontiguousarray(D.T), D @ D.T)
    known = {"products": None, "start": None, "enough": None}
    passes = {
        partial(codes.code, coder=Coder("lasso", 0.5), sums=True): (shared, {"codes": (40,), "doubtful": ()}),
        partial(codes.code, coder=Coder("omp", n_nonzero=2)): (shared, {"codes": (40,), "doubtful": ()}),
        partial(codes.code, coder=Coder("threshold", 0.5), sums=True): (shared, {"codes": (40,)}),
        partial(codes.lars, n_nonzero=2): (D, {"codes": (40,)}),
        partial(sparse_coder.decode, split_sign=False): (dictionary(12), {"signals": (12,)}),
        scales.squared_rows: (None, {"squares": ()}),
        scales.largest_in_rows: (None, {"largest": ()}),
    }  # fmt: skip
    if not sparse:
        passes[partial(bases.transform, inverse=False)] = (gf.OrthoBasis("dct", 12), {"out": (12,)})
    for pass_, (given, shapes) in passes.items():
        found = []
        for one in (pass_, pickle.loads(pickle.dumps(pass_))):
            state = known | {name: np.zeros((x.rows, *shape)) for name, shape in shapes.items()}
            if "doubtful" in state:
                state["doubtful"] = np.zeros(x.rows, bool)
            sums = run(one, x, pickle.loads(pickle.dumps(given)), state)
            found.append((sums, [state[name] for name in shapes]))
        assert_array_equal(np.hstack([np.ravel(a) for a in found[0][1]]),
                           np.hstack([np.ravel(a) for a in found[1][1]]))  # fmt: skip
        if found[0][0] is not None:
            assert_array_equal(found[0][0].objective, found[1][0].objective)
            assert_array_equal(found[0][0].products, found[1][0].products)

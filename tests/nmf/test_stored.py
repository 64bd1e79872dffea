"""Stored entries as the observed ones of a sparse X: as NaN elsewhere in a dense one."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
from least_squares.cases import METHODS, SHAPES, data
from nmf.cases import ratings, stored
from numpy.testing import assert_allclose, assert_array_equal

import gramfold as gf
from gramfold._core import reference
from gramfold.fold.observe import observe
from gramfold.fold.stored import Stored


def run(kernels, x, f, start, *, l1=0.0, l2=0.0, nonneg=True, max_sweeps=2, polish=0, tol=0.0, n_threads=2):
    out = np.full((x.shape[0], f.shape[1]), np.nan, f.dtype)
    cross = x if isinstance(x, np.ndarray) else (x.data, x.indices, x.indptr, x.shape[1])
    numbers = kernels.masked_hals(
        x=cross,
        weights=None,
        f=f,
        start=start,
        out=out,
        l1=l1,
        l2=l2,
        nonneg=nonneg,
        max_sweeps=max_sweeps,
        polish=polish,
        shrink=0.0,
        tol=tol,
        n_threads=n_threads,
    )
    return out, np.array(numbers)


@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_kernel_agrees_with_the_twin_on_dense_rows(kernels, dtype, shape, method, index):
    x, f, start = data(*shape, dtype)
    expected, numbers = run(reference, *(a.astype(np.float64) for a in (x, f, start)), **METHODS[method])
    out, found = run(kernels, stored(x, index=index), f, start, **METHODS[method])
    eps = np.finfo(dtype).eps * shape[2]
    assert_allclose(out, expected, rtol=0, atol=32 * eps * max(1, np.abs(expected).max()))
    compared = [0, 1, 2, 3, 5]
    assert_allclose(found[compared], numbers[compared], rtol=0, atol=64 * eps * numbers[compared].max())


def test_bits_do_not_depend_on_the_number_of_threads(compiled, dtype):
    x, f, start = data(1000, 40, 5, dtype)
    one, other = (run(compiled, stored(x), f, start, n_threads=n) for n in (1, 3))
    assert_array_equal(one[0], other[0])
    assert_array_equal(one[1], other[1])


def test_a_row_depends_on_that_row_alone(compiled, dtype):
    x, f, start = data(97, 61, 7, dtype)
    whole = stored(x)
    out, _ = run(compiled, whole, f, start)
    for i in (0, 30, 96):
        assert_array_equal(run(compiled, whole[[i]], f, start[i : i + 1])[0][0], out[i])


def test_weights_of_sparse_rows_are_refused(compiled):
    x, f, start = data(4, 5, 2, np.float64)
    s = stored(x)
    with pytest.raises(ValueError, match="weights need a dense x"):
        compiled.masked_hals(
            x=(s.data, s.indices, s.indptr, 5),
            weights=np.ones((4, 5)),
            f=f,
            start=None,
            out=start,
            l1=0,
            l2=0,
            nonneg=True,
            max_sweeps=1,
            polish=0,
            shrink=0,
            tol=0,
            n_threads=1,
        )


FITS = {
    "plain": {},
    "penalties": {"alpha_W": 0.01, "alpha_H": 0.02, "l1_ratio": 0.3},
    "random": {"init": "random"},
    "nndsvdar": {"init": "nndsvdar"},
    "semi, W signed": {"W_nonneg": False, "alpha_W": 0.01},
    "semi, H signed": {"H_nonneg": False, "alpha_W": 0.01, "init": "random"},
    "signed": {"W_nonneg": False, "H_nonneg": False, "alpha_W": 0.01},
    "shuffled": {"shuffle": True},
    "one sweep": {"max_sweeps": 1, "extrapolate": False},
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("shape", [(60, 45), (45, 60)], ids=["tall", "wide"])
@pytest.mark.parametrize("name", FITS)
def test_fit_is_that_of_a_dense_x_with_gaps(dtype, name, shape):
    x = ratings(*shape, dtype)
    settings = {"n_components": 3, "max_iter": 15, "tol": 0, "random_state": 0, **FITS[name]}
    dense, sparse = (gf.NMF(missing=missing, **settings) for missing in ("mask", "unstored"))
    W, found = dense.fit_transform(x), sparse.fit_transform(stored(x))
    tol = 1e-7 if dtype == np.float64 else 3e-2
    assert found.dtype == sparse.components_.dtype == dtype
    assert_allclose(found, W, rtol=0, atol=tol * np.abs(W).max())
    H = dense.components_
    assert_allclose(sparse.components_, H, rtol=0, atol=tol * np.abs(H).max())
    exact = 1e-9 if dtype == np.float64 else 1e-4
    assert_allclose(sparse.reconstruction_err_, dense.reconstruction_err_, rtol=exact * 10)
    assert_allclose(sparse.history_["objective"], dense.history_["objective"], rtol=exact)
    assert np.all(np.diff(sparse.history_["objective"]) <= exact * sparse.history_["objective"][:-1])
    assert_array_equal(found[4], 0)
    assert_array_equal(sparse.components_[:, 7], 0)
    sparse.components_ = H
    assert_allclose(sparse.transform(stored(x)), dense.transform(x), rtol=0, atol=tol * np.abs(W).max())
    assert_allclose(sparse.score(stored(x)), dense.score(x), rtol=exact)


def test_functional_form_and_a_custom_start_are_those_of_a_dense_x_with_gaps():
    x = ratings()
    rng = np.random.default_rng(0)
    W, H = rng.random((60, 3)), rng.random((3, 45))
    common = {"n_components": 3, "init": "custom", "max_iter": 10, "tol": 0}
    for update_H in (True, False):
        expected, found = (
            gf.non_negative_factorization(
                given, W if update_H else None, H, missing=missing, update_H=update_H, **common
            )
            for given, missing in ((x, "mask"), (stored(x), "unstored"))
        )
        assert_allclose(found[0], expected[0], rtol=0, atol=1e-9)
        assert_allclose(found[1], expected[1], rtol=0, atol=1e-9)


@pytest.mark.parametrize("form", ["csc_array", "coo_matrix", "csr_matrix"])
def test_every_sparse_format_says_the_same_and_stays_as_it_was(form):
    x = stored(ratings())
    given = getattr(sp, form)(x)
    before = given.copy()
    model = gf.NMF(3, missing="unstored", random_state=0, max_iter=300)
    assert_allclose(model.fit_transform(given), model.fit_transform(x), rtol=0, atol=1e-5)
    assert (given != before).nnz == 0


def test_dense_rows_are_stored_whole():
    x = np.nan_to_num(ratings())
    whole, plain = (gf.NMF(3, missing=m, random_state=0, max_iter=500) for m in ("unstored", "error"))
    assert_array_equal(whole.fit_transform(x), plain.fit_transform(x))


def test_rows_alone_that_store_nothing_are_zero():
    model = gf.NMF(3, missing="unstored", random_state=0, max_iter=500).fit(stored(ratings()))
    assert_array_equal(model.transform(sp.csr_array((2, 45))), np.zeros((2, 3)))


def test_memory_is_that_of_stored_entries_and_factors():
    n, m = 6000, 5000
    x = sp.csr_array(sp.random(n, m, density=0.001, random_state=0, format="csr"))
    for init in ("nndsvda", "random"):
        model = gf.NMF(
            4, init=init, missing="unstored", random_state=0, max_iter=1, tol=0, W_nonneg=init != "random"
        )
        tracemalloc.start()
        model.fit(x)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 200 * (x.nnz + 4 * (n + m)) < n * m


def test_hidden_ratings_are_completed():
    rng = np.random.default_rng(0)
    truth = rng.gamma(0.7, size=(200, 3)) @ rng.gamma(0.7, size=(3, 150))
    x = stored(np.where(rng.random(truth.shape) < 0.3, truth, np.nan))
    model = gf.NMF(3, missing="unstored", random_state=0, tol=1e-8, max_iter=2000)
    assert_allclose(model.fit_transform(x) @ model.components_, truth, rtol=0, atol=1e-3 * truth.max())


def test_what_cannot_be_is_refused_by_name():
    model = gf.NMF(3, missing="unstored")
    with pytest.raises(ValueError, match="X has no stored entry"):
        model.fit(sp.csr_array((5, 4)))
    with pytest.raises(ValueError, match="mask is only used with missing='mask'"):
        model.fit(stored(ratings()), mask=np.ones((60, 45)))
    with pytest.raises(ValueError, match="missing='unstored' needs solver='cd'"):
        gf.NMF(3, missing="unstored", solver="mu").fit(stored(ratings()))
    bad = stored(ratings())
    bad.data[3] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        model.fit(bad)


def test_what_is_filled_in_is_that_of_a_dense_x(dtype):
    x = ratings(dtype=dtype)
    dense, sparse = observe(x), Stored(stored(x), 1)
    assert_allclose(sparse.mean, dense.mean, rtol=1e-6)
    assert (sparse.least, sparse.largest) == (dense.least, dense.largest)
    assert_allclose(sparse.filled[[3, 1, 3]], dense.filled[[3, 1, 3]], rtol=1e-5)
    assert_allclose(sparse.filled.T[[3, 1]], dense.filled.T[[3, 1]], rtol=1e-5)
    assert_allclose(sparse.filled @ np.eye(45, dtype=dtype), dense.filled, rtol=1e-4, atol=1e-5)

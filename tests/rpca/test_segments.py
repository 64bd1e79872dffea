"""Robust PCA of rows in segments is robust PCA of the whole."""

import functools
import pickle
from functools import partial

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from rpca.cases import dense, planted
from segment_cases import SIZES, cut
from sklearn.base import clone

import gramfold as gf
from gramfold.fold.engine import run
from gramfold.fold.segments import source_of
from gramfold.rpca import dense_passes, sparse_passes
from gramfold.rpca.least_absolute import code_rows
from gramfold.rpca.numbers import Numbers
from gramfold.rpca.observed import look
from gramfold.rpca.packing import Packing
from gramfold.rpca.parts import Unpacking, dense_parts, sparse_parts
from gramfold.rpca.sparse import SparseState

X_PLANTED = planted(60, 24, 2, 0.05, observed=0.8, noise=0.01)[0]
GIVEN = {
    "dense": np.nan_to_num(X_PLANTED),
    "masked": X_PLANTED,
    "csr": sp.csr_array(np.nan_to_num(X_PLANTED)),
    "far": np.ldexp(X_PLANTED, 600),
}
OPTIONS = [{}, {"penalty": "l21"}, {"noise": "sqrt"}, {"noise": 0.05}, {"max_rank": 2}]


def large():
    """Rows enough for several chunks, columns enough for a subspace in place of a Gram matrix."""
    return planted(1100, 140, 4, 0.05, observed=0.9)[0]


def check_equal(model, other, tol=1e-10):
    assert model.n_iter_ == other.n_iter_
    for name in ("sparse_", "dual_", "components_", "singular_values_"):
        one, two = (dense(getattr(m, name)) for m in (model, other))
        assert type(getattr(model, name)) is type(getattr(other, name))
        assert_allclose(one, two, rtol=0, atol=tol * max(np.abs(two).max(initial=0), np.finfo(float).tiny))
    size = np.abs(other.complete()).max()
    assert_allclose(model.complete(), other.complete(), rtol=0, atol=tol * size)
    assert_allclose(model.objective_, other.objective_, rtol=tol)
    assert_allclose(model.dual_gap_, other.dual_gap_, atol=tol)


@functools.cache
def on_whole(form, **options):
    if form == "far" and options.get("noise") == 0.05:
        options["noise"] = float(np.ldexp(0.05, 600))
    return gf.RobustPCA(**{"tol": 1e-3, "n_threads": 1} | options).fit(GIVEN[form])


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("form", GIVEN)
def test_a_fit_on_segments_is_that_on_the_whole(form, size, options):
    whole = on_whole(form, **options)
    check_equal(clone(whole).fit(cut(GIVEN[form], size)), whole)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("form", ["dense", "csr"])
def test_rows_in_segments_are_coded_as_the_whole(form, size):
    model = gf.RobustPCA(tol=1e-3, max_rank=2, n_threads=1).fit(GIVEN["dense"])
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 2)) @ model.components_
    X[rng.random(X.shape) < 0.1] += 3
    X[5] = np.nan
    X = X if form == "dense" else sp.csr_array(np.nan_to_num(X))
    assert_allclose(model.transform(cut(X, size)), model.transform(X), rtol=0, atol=1e-10)


@pytest.mark.parametrize("form", ["dense", "csr"])
@pytest.mark.parametrize("size", [48, 1000, "unequal"])
def test_many_rows_in_segments_are_split_as_the_whole(form, size):
    X = large() if form == "dense" else sp.csr_array(np.nan_to_num(large()))
    check_equal(*(gf.RobustPCA(max_iter=12, tol=0).fit(x) for x in (cut(X, size), X)))


@pytest.mark.parametrize("form", ["dense", "csr"])
def test_segments_give_the_same_bits_for_any_number_of_threads(form):
    X = large() if form == "dense" else sp.csr_array(np.nan_to_num(large()))
    given = cut(X, "unequal")
    one, three = (gf.RobustPCA(max_iter=6, tol=0, n_threads=n).fit(given) for n in (1, 3))
    for name in ("sparse_", "dual_", "components_", "singular_values_"):
        assert_array_equal(*(dense(getattr(m, name)) for m in (one, three)))
    assert one.dual_gap_ == three.dual_gap_


@pytest.mark.parametrize("form", ["dense", "masked", "csr"])
def test_prices_of_entries_and_a_mask_go_with_segments(form):
    X = GIVEN[form]
    rng = np.random.default_rng(0)
    lam, options = rng.uniform(0.1, 0.3, X.shape), {"max_iter": 20, "tol": 0}
    given = cut(X, "unequal")
    model, whole = (gf.RobustPCA(lam=lam, **options).fit(x) for x in (given, X))
    check_equal(model, whole)
    assert_array_equal(model.lam_, whole.lam_)
    if form == "csr":
        with pytest.raises(ValueError, match="mask goes with a dense X"):
            gf.RobustPCA().fit(given, mask=np.ones(X.shape, bool))
        return
    seen = rng.random(X.shape) < 0.9
    check_equal(*(gf.RobustPCA(**options).fit(x, mask=seen) for x in (given, X)))
    lam[rng.random(X.shape) < 0.1] = 0
    check_equal(*(gf.RobustPCA(lam=lam, **options).fit(x) for x in (given, X)))
    with pytest.raises(ValueError, match=r"mask must have the shape of X, \(60, 24\), got \(31, 24\)"):
        gf.RobustPCA().fit(given, mask=seen[:31])


@pytest.mark.parametrize("form", ["dense", "masked", "csr"])
def test_a_warm_start_goes_on_from_segments_as_from_the_whole(form):
    X = GIVEN[form]
    given = cut(X, "unequal")
    model, whole = (gf.RobustPCA(warm_start=True, tol=1e-3).fit(x) for x in (given, X))
    first = model.n_iter_
    check_equal(model.fit(given), whole.fit(X))
    assert model.n_iter_ != first
    lam = 1.1 * whole.lam_
    check_equal(model.set_params(lam=lam).fit(given), whole.set_params(lam=lam).fit(X))


def test_a_warm_start_on_another_pattern_begins_anew():
    X, other = GIVEN["csr"], GIVEN["csr"].copy()
    other.data[-1] = 0
    other.eliminate_zeros()
    given = cut(other, "unequal")
    model = gf.RobustPCA(warm_start=True, tol=1e-3).fit(cut(X, "unequal")).fit(given)
    check_equal(model, gf.RobustPCA(tol=1e-3).fit(given))


def test_wide_segments_are_split_by_their_columns():
    X = np.ascontiguousarray(X_PLANTED.T)
    check_equal(*(gf.RobustPCA(max_iter=20, tol=0).fit(x) for x in (cut(X, 7), X)))


def test_segments_of_zeros_and_of_nothing_end_as_the_whole():
    zero = gf.RobustPCA().fit(gf.blocks([np.zeros((3, 4)), np.zeros((2, 4))]))
    assert (zero.rank_, zero.converged_, zero.dual_gap_) == (0, True, 0.0)
    with pytest.raises(ValueError, match="no observed entry"):
        gf.RobustPCA().fit(gf.blocks([np.full((3, 4), np.nan), np.full((2, 4), np.nan)]))
    with pytest.raises(ValueError, match="X contains infinity in an observed entry"):
        gf.RobustPCA().fit(gf.blocks([np.ones((3, 4)), np.full((2, 4), np.inf)]))
    X = X_PLANTED.copy()
    X[5], X[:, 3] = np.nan, np.nan
    with pytest.warns(UserWarning, match=r"1 row\(s\)"), pytest.warns(UserWarning, match=r"1 column\(s\)"):
        gf.RobustPCA(tol=1e-3).fit(cut(X, 7))


@pytest.mark.parametrize("form", ["dense", "csr"])
def test_a_fit_on_segments_copies_no_x(form, no_copy):
    given = cut(GIVEN[form], 7)
    for options in OPTIONS:
        model = gf.RobustPCA(max_iter=5, tol=0, **options).fit(given)
        model.set_params(warm_start=True).fit(given)
    model.transform(given)
    if form == "dense":
        gf.RobustPCA(max_iter=5, tol=0).fit(cut(np.ascontiguousarray(X_PLANTED.T), 7))
        gf.OnlineRobustPCA(2, n_start=20).fit(given).transform(given)


def test_a_stream_in_segments_is_that_of_the_whole(dtype):
    X, model = X_PLANTED.astype(dtype), gf.OnlineRobustPCA(2, n_start=20)
    whole, twice = clone(model).fit(X), clone(model).partial_fit(X).partial_fit(X)
    codes = whole.transform(X)
    for size in SIZES:
        given = cut(X, size)
        model.fit(given)
        for name in ("low_rank_", "sparse_", "components_", "singular_values_"):
            assert_array_equal(getattr(model, name), getattr(whole, name))
        assert_array_equal(model.transform(given), codes)
        again = clone(model).partial_fit(given).partial_fit(given)
        assert_array_equal(again.low_rank_, twice.low_rank_)
        assert again.n_samples_seen_ == 120


# Passes


def state_of(x, *, products):
    """State of rows as passes read and overwrite it, and a function that gives all of it as arrays."""
    rng = np.random.default_rng(0)
    arrays = {name: rng.standard_normal((x.rows, 2)) for name in ("left", "new", "codes")}
    if x.sparse:
        own = SparseState(x, None, False)
        z = rng.standard_normal(own.stored)
        for part in own.entries.parts:
            part.z[:], z = z[: len(part.z)], z[len(part.z) :]

        def written():
            return [np.concatenate([part.z for part in own.entries.parts]), *arrays.values()]

        return arrays | {"entries": own.entries}, written
    shape = x.rows, x.cols
    arrays |= {"z": rng.standard_normal(shape), "weights": rng.uniform(0.5, 1, shape)}
    return arrays | {"products": rng.standard_normal((x.rows, 3)) if products else None}, arrays.values


def leaves(sums):
    if isinstance(sums, tuple):
        return [leaf for part in sums for leaf in leaves(part)]
    if hasattr(sums, "whole"):
        return [dense(sums.whole())]
    return [] if sums is None else [np.asarray(getattr(sums, "value", sums))]


RIGHT = np.random.default_rng(1).standard_normal((24, 2))
NUMBERS = Numbers(lam=0.7, mu_old=1.1, mu=1.3, mu_next=1.9)
PACKING = Packing.of(NUMBERS, by_row=False)
OPERATOR = dense_passes.Operator(NUMBERS, RIGHT, np.array([0.5, 0.7]))
DENSE = {
    "look": (look, None),
    "measure": (partial(dense_passes.measure, by_row=False), 0.5),
    "start": (dense_passes.start, 2.0),
    "image": (partial(dense_passes.shrink, by_row=False, image=True), OPERATOR),
    "gram": (partial(dense_passes.shrink, by_row=False, gram=True), OPERATOR),
    "parts": (partial(dense_parts, few=True), Unpacking(PACKING, RIGHT, 0.9, 1.0, True)),
    "code": (code_rows, np.linalg.qr(RIGHT)[0]),
}
SPARSE = {
    "look": (look, None),
    "measure": (partial(sparse_passes.measure, by_row=True), 0.5),
    "prepare": (sparse_passes.prepare, (PACKING, 1.3, RIGHT)),
    "shrink": (partial(sparse_passes.shrink, by_row=False), (NUMBERS, RIGHT)),
    "gram_product": (sparse_passes.gram_product, (RIGHT, RIGHT)),
    "take_left": (sparse_passes.take_left, (RIGHT, RIGHT, np.array([0.5, 0.7]))),
    "parts": (sparse_parts, Unpacking(PACKING, RIGHT, 0.9, 1.0, True)),
}


PASSES = [("dense", name) for name in DENSE] + [("csr", name) for name in SPARSE]


@pytest.mark.parametrize(("form", "name"), PASSES)
def test_passes_are_picklable_and_add_up_over_segments(form, name):
    X = GIVEN["masked" if form == "dense" else "csr"]
    pass_, shared = (DENSE if form == "dense" else SPARSE)[name]
    again = pickle.loads(pickle.dumps((pass_, shared)))
    results = []
    for given, (one, what) in ((X, (pass_, shared)), (X, again), (cut(X, "unequal"), (pass_, shared))):
        x = source_of(given, 1)
        state, written = state_of(x, products=name == "image")
        sums = run(one, x, what, state)
        results.append([*leaves(sums), *written()])
    for whole, same, parts in zip(*results, strict=True):
        assert_array_equal(same, whole)
        assert_allclose(parts, whole, rtol=1e-10, atol=1e-10)

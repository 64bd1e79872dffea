"""Fits on segments of rows against fits on the whole."""

import functools
import pickle
from functools import partial

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal, assert_equal
from segment_cases import SIZES, cut

import gramfold as gf
from gramfold.fold import filled
from gramfold.fold.columns import Columns
from gramfold.fold.observe import observe
from gramfold.fold.observed_segments import ObservedSegments
from gramfold.fold.segments import Segments, source_of
from gramfold.fold.stored import Stored
from gramfold.least_squares import masked, rows
from gramfold.least_squares.rows import Fixed, Penalty, Sweeps
from gramfold.nmf import batches, beta, kl, losses, row_units, updates
from gramfold.nmf.row_units import FixedFactor

K, SHAPE = 4, (1100, 12)


def full(shape=SHAPE):
    rng = np.random.default_rng(0)
    W, H = rng.gamma(1.0, 2.0, (shape[0], K)), rng.gamma(0.5, 1.0, (K, shape[1]))
    return W @ H + 0.5 + rng.random(shape)


def some(shape=SHAPE, share=0.85):
    """Which entries are there, enough of each row for its codes to be unique."""
    seen = np.random.default_rng(1).random(shape) < share
    seen[:, :6] = True
    return seen


def gaps(shape=SHAPE):
    return np.where(some(shape), full(shape), np.nan)


def csr(shape=SHAPE):
    return sp.csr_array(full(shape) * some(shape, 0.3))


def ratings(shape=SHAPE):
    return sp.csr_array(full(shape) * some(shape))


def numbers(shape):
    return np.random.default_rng(2).random(shape) + 0.1


def nmf(**options):
    return gf.NMF(K, random_state=0, **{"max_iter": 6, "tol": 0, **options})


def mini(**options):
    return gf.MiniBatchNMF(K, random_state=0, batch_size=150, max_iter=2, **options)


MASK, UNSTORED = {"missing": "mask"}, {"missing": "unstored"}
KL = {"beta_loss": "kullback-leibler"}
MODELS = {
    "random": (partial(nmf, init="random"), full, {}),
    "nndsvd": (partial(nmf, init="nndsvd"), full, {}),
    "csr": (partial(nmf, init="nndsvda"), csr, {}),
    "csr, nndsvdar": (partial(nmf, init="nndsvdar"), csr, {}),
    "penalties": (partial(nmf, alpha_W=0.01, alpha_H=0.02, l1_ratio=0.3, shuffle=True), full, {}),
    "frozen": (partial(nmf, frozen=full()[:2]), full, {}),
    "weights of rows": (nmf, full, {"sample_weight": np.arange(SHAPE[0]) % 3}),
    "weights of rows, csr": (nmf, csr, {"sample_weight": np.arange(SHAPE[0]) % 3}),
    "W signed": (partial(nmf, init="random", W_nonneg=False), full, {}),
    "H signed": (partial(nmf, init="random", H_nonneg=False), csr, {}),
    "custom": (
        partial(nmf, init="custom"), full, {"W": numbers((SHAPE[0], K)), "H": numbers((K, SHAPE[1]))},
    ),
    "mu": (partial(nmf, solver="mu"), full, {}),
    "mu, beta .5": (partial(nmf, solver="mu", beta_loss=0.5), full, {}),
    "mu, csr": (partial(nmf, solver="mu", **KL), csr, {}),
    "kl": (partial(nmf, **KL), full, {}),
    "kl, csr": (partial(nmf, **KL), csr, {}),
    "mask": (partial(nmf, **MASK), gaps, {}),
    "mask, random": (partial(nmf, init="random", W_nonneg=False, **MASK), gaps, {}),
    "mask, weights of entries": (partial(nmf, **MASK), gaps, {"mask": numbers(SHAPE)}),
    "mask, frozen": (partial(nmf, frozen=full()[:2], **MASK), gaps, {}),
    "mask, weights of rows": (partial(nmf, **MASK), gaps, {"sample_weight": np.arange(SHAPE[0]) % 3}),
    "mask, kl": (partial(nmf, **KL, **MASK), gaps, {"mask": numbers(SHAPE)}),
    "unstored": (partial(nmf, **UNSTORED), ratings, {}),
    "unstored, frozen": (partial(nmf, frozen=full()[:2], **UNSTORED), ratings, {}),
    "unstored, weights of rows": (partial(nmf, **UNSTORED), ratings, {"sample_weight": 1 + np.arange(1100)}),
    "unstored, kl": (partial(nmf, **KL, **UNSTORED), ratings, {}),
    "mini": (mini, full, {}),
    "mini, csr": (partial(mini, **KL), csr, {}),
    "mini, fresh": (partial(mini, fresh_restarts=True, beta_loss=1.5), full, {}),
    "mini, mask": (partial(mini, **MASK), gaps, {}),
}  # fmt: skip


def assert_near(actual, expected):
    assert_allclose(actual, expected, rtol=1e-10, atol=1e-10 * np.abs(expected).max())


OFTEN = ("random", "csr", "mu", "kl", "mask", "unstored", "mini")  # others are cut once
CUTS = [(name, size) for name in MODELS for size in SIZES if size == "unequal" or name in OFTEN]


def only(given, *names):
    return {key: value for key, value in given.items() if key in names}


@functools.cache
def on_whole(name, n):
    """X of n rows, the fit of it, and what this says of X."""
    make, data, given = MODELS[name]
    X, model = data()[:n], make()
    W = model.fit_transform(X, **given)
    codes = model.transform(X, **only(given, "mask"))
    return X, model, W, codes, model.score(X, **only(given, "mask", "sample_weight"))


@pytest.mark.filterwarnings("ignore:Maximum number")
@pytest.mark.parametrize(("name", "size"), CUTS)
def test_a_fit_on_segments_is_that_on_the_whole(name, size):
    X, whole, W, codes, score = on_whole(name, 150 if size == 1 else SHAPE[0])
    make, _, given = MODELS[name]
    blocks, model = cut(X, size), make()
    assert_near(model.fit_transform(blocks, **given), W)
    assert_near(model.components_, whole.components_)
    assert_near(model.reconstruction_err_, whole.reconstruction_err_)
    assert model.n_iter_ == whole.n_iter_
    assert_near(whole.transform(blocks, **only(given, "mask")), codes)
    assert_near(whole.score(blocks, **only(given, "mask", "sample_weight")), score)


WIDE = {
    "least squares": (nmf, full), "mu": (partial(nmf, solver="mu", beta_loss=0.5), full),
    "kl": (partial(nmf, **KL), full), "mask": (partial(nmf, **MASK), gaps), "csr": (nmf, csr),
    "unstored": (partial(nmf, **UNSTORED), ratings),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Maximum number")
@pytest.mark.parametrize("name", WIDE)
def test_a_fit_on_wide_segments_is_that_on_the_whole(name, monkeypatch):
    monkeypatch.setattr("gramfold.fold.columns.ENTRIES", 1000)
    make, data = WIDE[name]
    X = data((40, 130))
    whole, model = make(), make()
    W = whole.fit_transform(X)
    assert_near(model.fit_transform(cut(X, 7)), W)
    assert_near(model.components_, whole.components_)


@pytest.mark.filterwarnings("ignore:Maximum number")
@pytest.mark.parametrize("name", MODELS)
def test_segments_are_not_copied_together(name, monkeypatch):
    def copied(self):
        raise AssertionError("all of X was asked for")

    for kind in (Segments, ObservedSegments, Columns):
        for attribute in ("x", "weights", "seen", "kernel"):
            if hasattr(kind, attribute) and (kind, attribute) != (Segments, "weights"):
                monkeypatch.setattr(kind, attribute, property(copied))
    make, data, given = MODELS[name]
    X = cut(data(), "unequal")
    model = make()
    model.fit(X, **given)
    model.transform(X, **only(given, "mask"))


@pytest.mark.filterwarnings("ignore:Maximum number")
@pytest.mark.parametrize("name", MODELS)
def test_segments_give_the_same_bits_for_any_threads(name):
    make, data, given = MODELS[name]
    X = cut(data(), "unequal")
    one, three = (make(n_threads=n).fit(X, **given).components_ for n in (1, 3))
    assert_array_equal(one, three)


def passes():
    """Each pass with a source, what is shared and what rows have."""
    rng = np.random.default_rng(0)
    x, stored, H = source_of(full(), 1), Stored(ratings(), 1), numbers((SHAPE[1], K))
    seen, W, ones = observe(gaps()), rng.random((SHAPE[0], K)), np.ones(SHAPE[0])
    fixed, penalty, sweeps = Fixed(H, H.T @ H), Penalty(0.1, 0.2), Sweeps(3)
    of_rows = {"start": W, "out": W.copy(), "units": ones, "previous": None, "slope": None}
    only = {key: of_rows[key] for key in ("start", "previous", "out")}
    slope, near = H.sum(axis=0), FixedFactor(H, penalty)
    least = {"penalty": penalty, "sweeps": sweeps}
    mean = updates.Shared(H, W.mean(axis=0))
    end = {"max_sweeps": 5, "tol": 0.1, "until": None}
    multiplied = {"beta": 0.5, "penalty": penalty, "floor": 1e-12, "max_sweeps": 2}
    return {
        "solve": (partial(rows.solve, **least, sums=True, cross=True), x, fixed, only),
        "solve observed": (partial(masked.solve, **least), seen, H, of_rows),
        "solve stored": (partial(masked.solve, **least), stored, H, of_rows),
        "solve and fill": (partial(batches.solve_and_fill, **least), seen, fixed, of_rows),
        "squared residual": (losses.squared_residual, x, H.T.copy(), {"W": W}),
        "multiply": (partial(updates.multiply, **multiplied), x, mean, of_rows),
        "multiply to end": (partial(beta.multiply_to_end, beta=0.5, **end), x, near, of_rows),
        "descend": (
            partial(kl.descend, l2=0.1, max_sweeps=2, measure_start=True), x, (H, slope), of_rows,
        ),
        "descend to end": (partial(kl.descend_to_end, **end), x, (near, slope), of_rows),
        "sums of rows": (row_units.row_sums, x, None, {"sums": ones.copy()}),
        "image": (filled.image, seen, (seen.column_means, H), {"out": W.copy()}),
        "image back": (filled.image_back, seen, seen.column_means, {"factor": W}),
        "columns": (filled.choose, seen, (np.arange(K), seen.column_means), {"out": W.copy()}),
    }  # fmt: skip


@pytest.mark.parametrize("name", passes())
def test_passes_travel(name):
    """Pickled, with what they are given, they give the same sums and leave the same rows."""
    pass_, source, shared, state = passes()[name]
    sums = pass_(source, shared, state)
    pass_, source, shared, fresh = passes()[name]
    pass_, shared, fresh = pickle.loads(pickle.dumps((pass_, shared, fresh)))
    assert_equal(pass_(source, shared, fresh), sums)
    for key, value in state.items():
        assert_array_equal(fresh[key], value)


def test_the_function_and_partial_fit_take_segments():
    X = full()
    blocks = cut(X, 300)
    whole, ours = (
        gf.non_negative_factorization(each, n_components=K, random_state=0, max_iter=5, tol=0)
        for each in (X, blocks)
    )
    for actual, expected in zip(ours, whole, strict=True):
        assert_near(actual, expected)
    H = whole[1]
    given, expected = (gf.non_negative_factorization(x, H=H, update_H=False)[0] for x in (blocks, X))
    assert_near(given, expected)
    first, second = mini(), mini()
    for _ in range(2):
        assert_near(first.partial_fit(blocks).components_, second.partial_fit(X).components_)


def test_a_mask_of_segments_must_have_the_shape_of_all_rows():
    X = cut(gaps(), 300)
    with pytest.raises(ValueError, match=r"mask must have the shape of X, \(1100, 12\), got \(300, 12\)"):
        nmf(**MASK).fit(X, mask=np.ones((300, 12)))
    with pytest.raises(ValueError, match="X has no observed entry"):
        nmf(**MASK).fit(X, mask=np.zeros(SHAPE))
    with pytest.raises(ValueError, match=r"contains NaN.*missing='mask'"):
        nmf().fit(X)

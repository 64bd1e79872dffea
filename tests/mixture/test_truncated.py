"""Gaussian mixtures whose rows have responsibilities among few components: kernel, bound and fits."""

import pickle
import warnings

import numpy as np
import pytest
from mixture.cases import KINDS
from mixture.kernel_calls import double, points, refuses
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning

import gramfold as gf
from gramfold._core import reference

SHAPES = [
    (1, 1, 1, 1),
    (9, 1, 2, 1),
    (300, 16, 5, 2),
    (193, 31, 5, 3),
    (50, 33, 8, 8),
    (5000, 7, 17, 4),
    (20, 6, 30, 5),
]


def sets(n, k, listed, seed=3):
    """Groups of very different size, and a list for each that has other components than its own too."""
    rng = np.random.default_rng(seed)
    groups = np.minimum(rng.geometric(0.4, n) - 1, k - 1).astype(np.int32)
    lists = np.stack([np.sort(rng.choice(k, listed, replace=False)) for _ in range(k)])
    return groups, lists.astype(np.int32)


def truncated(kernels, x, arguments, groups, lists, second="diagonal", weights=None, n_threads=2):
    names = ("kind", "shift", "scale", "centers", "factor", "constants", "about")
    n, d, k = *x.shape, len(arguments[3])
    shape = {"full": (k, d, d), "diagonal": (k, d), "pooled": (1, d, d), None: None}[second]
    first, squares = np.full((k, d), np.nan), None if shape is None else np.full(shape, np.nan)
    labels = np.full(n, -1, np.int32)
    found = kernels.truncated_mixture(
        x=x, **dict(zip(names, arguments, strict=True)), weights=weights, groups=groups, lists=lists,
        first=first, second=squares, labels=labels, n_threads=n_threads,
    )  # fmt: skip
    return [*found, first, np.zeros(1) if squares is None else squares, labels]


def model(n_components, truncated=None, X=None, sample_weight=None, **options):
    """A fit of so many iterations as asked for, or none yet."""
    made = gf.GaussianMixture(
        n_components, truncated=truncated,
        **{"covariance_type": "diag", "random_state": 0, "tol": 0, "max_iter": 12} | options,
    )  # fmt: skip
    if X is None:
        return made
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return made.fit(X, sample_weight=sample_weight)


def planted(n=3000, d=5, k=24, spread=3.0, dtype=np.float64):
    rng = np.random.default_rng(0)
    means = spread * rng.normal(size=(k, d))
    labels = rng.integers(k, size=n)
    return (means[labels] + rng.uniform(0.5, 1.5, (k, d))[labels] * rng.normal(size=(n, d))).astype(
        dtype
    ), means


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("second", ["full", "diagonal", "pooled", None])
def test_a_pass_is_its_twin(beside_twin, shape, kind, second):
    kernels, dtype = beside_twin
    x, arguments = points(*shape[:3], kind, dtype)
    weights = np.random.default_rng(2).integers(0, 3, len(x)).astype(float)
    some = sets(len(x), *shape[2:])
    got = truncated(kernels, x, arguments, *some, second, weights)
    expected = truncated(reference, x.astype(float), double(arguments), *some, second, weights)
    for mine, theirs in zip(got[:-1], expected[:-1], strict=True):
        atol = 300 * np.sqrt(shape[1]) * np.finfo(dtype).eps * np.abs(theirs).max(initial=1)
        assert_allclose(mine, theirs, rtol=0, atol=atol)
    assert (got[-1] == expected[-1]).mean() > 0.98
    assert (some[1][some[0]] == got[-1][:, None]).any(axis=1).all()


@pytest.mark.parametrize("kind", KINDS)
def test_lists_of_all_components_are_the_exact_pass(kernels, dtype, kind):
    x, arguments = points(700, 9, 6, kind, dtype)
    groups = sets(700, 6, 6)[0]
    got = truncated(kernels, x, arguments, groups, np.tile(np.arange(6, dtype=np.int32), (6, 1)))
    names = ("kind", "shift", "scale", "centers", "factor", "constants", "about")
    first, second, labels = np.empty((6, 9)), np.empty((6, 9)), np.empty(700, np.int64)
    exact = kernels.gaussian_mixture(
        x=x, **dict(zip(names, arguments, strict=True)), weights=None, given=None, first=first, second=second,
        resp=None, score=None, labels=labels, n_threads=1,
    )  # fmt: skip
    eps = np.finfo(dtype).eps
    for mine, theirs in zip(got[:4], [*exact, first, second], strict=True):
        assert_allclose(mine, theirs, rtol=0, atol=300 * eps * np.abs(theirs).max())
    assert_array_equal(got[4], labels)


@pytest.mark.parametrize("kind", KINDS)
def test_sums_have_the_same_bits_for_any_number_of_threads(compiled, dtype, kind):
    x, arguments = points(20000, 13, 9, kind, dtype)
    some = sets(20000, 9, 3)
    first = truncated(compiled, x, arguments, *some, n_threads=1)
    for n_threads in (2, 3, 7):
        for mine, theirs in zip(
            truncated(compiled, x, arguments, *some, n_threads=n_threads), first, strict=True
        ):
            assert_array_equal(mine, theirs)


def test_a_compiled_pass_refuses_what_does_not_fit(compiled, dtype):
    x, (kind, shift, scale, centers, factor, constants, about) = points(6, 5, 3, "diag", dtype)
    groups, lists = sets(6, 3, 2)
    arguments = {
        "x": x, "kind": kind, "shift": shift, "scale": scale, "centers": centers, "factor": factor,
        "constants": constants, "about": about, "weights": np.ones(6), "groups": groups, "lists": lists,
        "first": np.empty((3, 5)), "second": np.empty((3, 5)), "labels": np.empty(6, np.int32),
        "n_threads": 1,
    }  # fmt: skip
    compiled.truncated_mixture(**arguments)
    wrong = {
        "groups": [groups[:5], groups + 3, groups - 4, groups.astype(np.int64)],
        "lists": [lists[:2], lists + 3, lists[0], lists[:, :0], lists - 3],
        "labels": [np.empty(5, np.int32), np.empty(6, np.int64)], "weights": [np.ones(5)],
        "centers": [centers[:2]], "n_threads": [0],
    }  # fmt: skip
    refuses(compiled.truncated_mixture, arguments, wrong)


@pytest.mark.parametrize("kind", KINDS)
def test_the_bound_rises_and_is_below_the_log_likelihood(dtype, kind):
    X, _ = planted(spread=1.0, dtype=dtype)
    few = model(24, 6, X, covariance_type=kind, max_iter=30)
    rounding = 30 * np.finfo(dtype).eps * abs(few.lower_bound_)
    rises = np.diff(few.lower_bounds_)
    same_sets = [
        i for i in range(29) if (i + 1) & (i + 2)
    ]  # the others lead to a step before which they are renewed
    assert (rises[same_sets] > -rounding).all()
    assert rises.max() > 1e-3
    assert few.truncation_gap_ > 0
    assert few.lower_bound_ < few.score(X)
    last = few.score(X) - few.truncation_gap_  # the bound at the parameters that were given back
    assert last > few.lower_bound_ - rounding


def test_more_candidates_are_nearer_to_the_exact_fit():
    X, _ = planted(spread=1.0)
    exact = model(24, None, X)
    gaps = [model(24, c, X).truncation_gap_ for c in (2, 6, 12)]
    assert gaps[0] > gaps[1] > gaps[2] > 0
    assert abs(model(24, 12, X).score(X) - exact.score(X)) < 1e-3 * abs(exact.score(X))


@pytest.mark.parametrize("candidates", [4, 5])
def test_as_many_candidates_as_components_are_the_exact_fit(candidates):
    X, _ = planted(k=4)
    exact, same = model(4, None, X), model(4, candidates, X)
    for name in ("weights_", "means_", "covariances_", "lower_bounds_"):
        assert_array_equal(getattr(same, name), getattr(exact, name))
    assert same.truncation_gap_ == 0
    assert not hasattr(exact, "truncation_gap_")


@pytest.mark.parametrize("kind", KINDS)
def test_components_far_apart_need_no_other_candidates(dtype, kind):
    X, means = planted(k=12, spread=40.0, dtype=dtype)
    few, exact = model(12, 2, X, covariance_type=kind), model(12, None, X, covariance_type=kind)
    assert_allclose(few.means_, exact.means_, rtol=1e-4)
    assert_allclose(few.covariances_, exact.covariances_, rtol=1e-3, atol=1e-4)
    assert few.truncation_gap_ < 1e-6 * abs(few.lower_bound_)
    nearest = np.abs(few.means_[:, None] - means).max(axis=2).min(axis=0)
    assert nearest.max() < 0.5


def test_one_candidate_is_hard_assignment():
    X, _ = planted(k=8, spread=1.5)
    hard = model(8, 1, X, max_iter=1, init_params="random_from_data")
    assert_allclose(hard.weights_.sum(), 1)
    counts = hard.weights_ * len(X)
    assert_allclose(counts, counts.round(), atol=1e-6)


@pytest.mark.parametrize("k", [1, 2])
def test_few_components_and_equal_rows_can_be_fitted(dtype, k):
    X = np.repeat(np.array([[0.0, 1], [5, 5], [9, 1]], dtype), 30, axis=0)
    found = model(k, 1, X)
    assert np.isfinite(found.lower_bound_)
    assert_allclose(found.weights_ @ found.means_, X.mean(axis=0), rtol=1e-4)


def test_rows_without_weight_count_for_nothing():
    X, _ = planted()
    rng = np.random.default_rng(1)
    weights = rng.integers(1, 4, len(X)).astype(float)
    start = {
        "means_init": X[:: len(X) // 24][:24],
        "precisions_init": np.ones((24, 5)),
        "weights_init": np.full(24, 1 / 24),
    }
    alone = model(24, 6, X, weights, **start)
    wild = np.vstack([X, np.full((50, 5), 1e6)])
    beside = model(24, 6, wild, np.concatenate([weights, np.zeros(50)]), **start)
    assert_allclose(beside.means_, alone.means_, rtol=1e-6, atol=1e-6)
    assert_allclose(beside.truncation_gap_, alone.truncation_gap_, rtol=1e-6)


def test_far_from_the_origin_nothing_is_lost():
    X, _ = planted()
    near, far = model(24, 6, X), model(24, 6, X + 1e7)
    assert_allclose(far.means_ - 1e7, near.means_, atol=1e-3)
    assert_allclose(far.covariances_, near.covariances_, rtol=1e-3)


@pytest.mark.parametrize("accelerate", [False, True])
def test_fits_have_the_same_bits_for_any_number_of_threads(dtype, accelerate):
    X, _ = planted(n=9000, spread=1.0, dtype=dtype)
    one, more = (model(24, 5, X, n_threads=n, accelerate=accelerate) for n in (1, 3))
    for name in ("weights_", "means_", "covariances_", "lower_bounds_", "truncation_gap_"):
        assert_array_equal(getattr(one, name), getattr(more, name))


def test_segments_are_fitted_as_one_array():
    X, _ = planted()
    whole, parts = model(24, 6, X), model(24, 6, gf.blocks([X[:700], X[700:2900], X[2900:]]))
    assert_allclose(parts.means_, whole.means_, rtol=1e-6, atol=1e-6)
    assert_allclose(parts.truncation_gap_, whole.truncation_gap_, rtol=1e-6)


def test_starts_on_files_side_by_side_are_those_in_memory(tmp_path):
    X, _ = planted()
    for i, part in enumerate((X[:1000], X[1000:])):
        np.save(tmp_path / f"{i}.npy", part)
    files = gf.blocks([tmp_path / "0.npy", tmp_path / "1.npy"])
    beside, memory = (model(24, 6, Y, n_init=2) for Y in (files, gf.blocks([X[:1000], X[1000:]])))
    assert_allclose(beside.means_, memory.means_, rtol=1e-9, atol=1e-9)
    assert_allclose(beside.lower_bounds_, memory.lower_bounds_, rtol=1e-12)


def test_a_flat_file_is_refused(tmp_path):
    X, _ = planted()
    np.save(tmp_path / "x.npy", X)
    refused = model(24, 6)
    with pytest.raises(ValueError, match="truncated reads rows in the order"):
        refused.fit(tmp_path / "x.npy")
    assert not hasattr(refused, "weights_")


def test_a_fit_goes_on_from_a_checkpoint_and_from_the_last_one(tmp_path):
    X, _ = planted(spread=1.0)
    whole = model(24, 5, X)
    path = tmp_path / "fit"
    with pytest.raises(KeyboardInterrupt):
        model(24, 5, callback=_interrupts).fit(X, checkpoint=path, checkpoint_every=0)
    again = model(24, 5).fit(X, checkpoint=path)
    assert_array_equal(again.means_, whole.means_)
    assert_array_equal(again.lower_bounds_, whole.lower_bounds_)
    warm = model(24, 5, X, warm_start=True, max_iter=6)
    before = warm.score(X)
    assert warm.fit(X).score(X) > before


def _interrupts(info):
    if info.iteration == 7:
        raise KeyboardInterrupt


def test_a_fit_is_kept_with_its_gap(tmp_path):
    X, _ = planted()
    found = model(24, 6, X)
    gf.save(found, tmp_path / "model")
    for again in (gf.load(tmp_path / "model"), pickle.loads(pickle.dumps(found))):
        assert again.truncated == 6
        assert again.truncation_gap_ == found.truncation_gap_
        assert_array_equal(again.predict(X), found.predict(X))
    assert not hasattr(found.set_params(truncated=None).fit(X), "truncation_gap_")


@pytest.mark.parametrize("wrong", [0, -1, 2.5, "all", True])
def test_truncated_must_be_a_whole_number(wrong):
    X, _ = planted(n=100)
    with pytest.raises((ValueError, TypeError), match="truncated"):
        model(4, wrong).fit(X)

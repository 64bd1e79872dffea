"""Rows that bounds show to stay are not read: the same labels and sums, an inertia that is carried on."""

import numpy as np
import pytest
from kernel_cases import csr
from kmeans.cases import blobs, exact_labels, points, quiet, run_assign
from numpy.testing import assert_allclose, assert_array_equal

import gramfold as gf
from gramfold.fold.source import Source
from gramfold.kmeans import bounds as bounds_of
from gramfold.kmeans.lloyd import Assigner

STEPS = (0.0, 1e-3, 0.02, 0.3, 3.0, 0.01, 1e-4)


def clusters(rows, cols, k, dtype, seed=1):
    """Rows around their centroids, two of which are equal."""
    rng = np.random.default_rng(seed)
    c = (4 * rng.standard_normal((k, cols))).astype(dtype)
    if k > 4:
        c[4] = c[2]
    x = (c[rng.integers(k, size=rows)] + rng.standard_normal((rows, cols))).astype(dtype)
    return x, c, rng.random(rows).astype(dtype), rng


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("cols", "k", "look", "groups"),
    [
        (20, 1, False, 1), (33, 2, False, 1), (16, 7, False, 1), (70, 16, False, 1), (12, 17, False, 1),
        (40, 30, False, 1), (40, 30, True, 1), (40, 30, True, 4), (9, 5, True, 1),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["rows", "columns", "sparse"])
def test_rows_that_stay_change_nothing(compiled, dtype, kind, cols, k, look, groups, weighted):
    x, c, weights, rng = clusters(2000, cols, k, dtype)
    groups = 1 if kind == "sparse" else groups
    given = {"rows": x, "columns": np.asfortranarray(x), "sparse": csr(x, np.int32)}[kind]
    w = weights.astype(float) if weighted else np.ones(len(x))
    kept = {"lower": np.empty((len(x), groups), dtype), "upper": np.empty(len(x), dtype)}
    kept["weights"] = weights if weighted else None
    labels, _, total, _ = run_assign(compiled, given, c, **kept)
    eps, unread = np.finfo(dtype).eps, 0
    for step in STEPS:
        new = (c + step * rng.standard_normal(c.shape)).astype(dtype)
        moved = np.linalg.norm(new.astype(float) - c, axis=1) * (1 + 1e-12)
        before = labels
        labels, _, sums, found = run_assign(
            compiled, given, new, labels=before, moved=moved, look=look, **kept
        )
        right, squares = exact_labels(x, new)
        assert_array_equal(labels, right)
        assert found.changed == np.count_nonzero(labels != before)
        assert_allclose(found.counts, np.bincount(labels, w, k), rtol=1e-12)
        total = total + sums
        size = np.abs(x).max() * len(x)
        assert_allclose(total, np.eye(k)[labels].T @ (x * w[:, None]), rtol=0, atol=16 * eps * size)
        rows = np.arange(len(x))
        gained = w @ (squares[rows, labels] - squares[rows, before])
        assert_allclose(found.gained, gained, rtol=0, atol=64 * eps * squares[rows, before].sum())
        inertia = w @ squares[rows, labels]
        assert found.inertia <= inertia * (1 + 64 * eps)
        unread += found.inertia < inertia * 0.999
        assert np.all(kept["upper"].astype(float) >= np.sqrt(squares[rows, labels]))
        squares[rows, labels] = np.inf
        starts = k * np.arange(groups) // groups
        assert np.all(kept["lower"] <= np.sqrt(np.minimum.reduceat(squares, starts, axis=1)))
        c = new
    assert unread >= (1 if k > 4 else 2)


def test_rows_of_a_centroid_that_becomes_a_copy_gain_nothing(compiled, dtype):
    x, c, _, _ = clusters(500, 33, 3, dtype)
    labels, _, _, _ = run_assign(compiled, x, c)
    kept = {"lower": np.zeros((500, 1), dtype), "upper": np.full(500, 1e3, dtype)}
    c[2] = c[1]
    found = run_assign(compiled, x, c, labels=labels, moved=np.zeros(3), look=False, **kept)
    assert np.any(labels == 2)
    assert not np.any(found[0] == 2)
    squares = exact_labels(x, c)[1]
    gained = (squares.min(axis=1) - squares[np.arange(500), labels]).sum()
    assert_allclose(found[3].gained, gained, rtol=1e-4, atol=64 * np.finfo(dtype).eps * squares.sum())


def test_upper_goes_with_lower_and_sums(compiled):
    x, c, _ = points(60, 9, 5, np.float64)
    with pytest.raises(ValueError, match="upper goes with lower"):
        run_assign(compiled, x, c, upper=np.empty(60))
    with pytest.raises(ValueError, match="moved without a look goes with upper and one group"):
        run_assign(compiled, x, c, lower=np.empty((60, 1)), moved=np.zeros(5), look=False)
    with pytest.raises(ValueError, match="upper must be writable, an entry for each row"):
        run_assign(compiled, x, c, lower=np.empty((60, 1)), upper=np.empty(61))


@pytest.mark.parametrize(("k", "cols"), [(8, 60), (40, 60), (150, 60)])
def test_the_inertia_is_that_of_rows_that_are_read(monkeypatch, dtype, k, cols):
    x = blobs(4000, cols, dtype, offset=50.0)
    start = x[:: len(x) // k][:k].copy()
    plain, kept = (Assigner(Source(x, 2), None) for _ in range(2))
    monkeypatch.setattr(bounds_of, "WORK", 0)
    monkeypatch.setattr(bounds_of, "ASK", 0)
    first, second, carried = start, start, 0
    for _ in range(30):
        monkeypatch.setattr(bounds_of, "FEW", 0)
        found = kept(first)
        carried += kept.bounds is not None
        monkeypatch.setattr(bounds_of, "FEW", 1 << 60)
        expected = plain(second)
        assert plain.bounds is None
        assert_array_equal(kept.labels, plain.labels)
        assert_array_equal(found.counts, expected.counts)
        assert_allclose(found.inertia, expected.inertia, rtol=200 * np.finfo(dtype).eps)
        first = (found.sums / np.maximum(found.counts, 1)[:, None]).astype(dtype)
        second = (expected.sums / np.maximum(expected.counts, 1)[:, None]).astype(dtype)
        assert_allclose(first, second, rtol=1e-4 if dtype == np.float32 else 1e-12)
        second = first
    assert carried > 20


def test_an_inertia_that_falls_to_nothing_is_added_up_again():
    """Rows are k points many times over: what is carried on would end in rounding, below 0 even."""
    rng = np.random.default_rng(0)
    places = rng.standard_normal((12, 40)) * np.logspace(0, 3, 12)[:, None]
    x = places[rng.integers(12, size=6000)].astype(np.float32)
    model = quiet(gf.KMeans(12, init="random", n_init=1, random_state=3, tol=0), x)
    assert np.all(model.history_["objective"] >= 0)
    assert np.all(np.diff(model.history_["objective"]) <= 0)
    assert_allclose(model.history_["objective"][-1], model.inertia_, rtol=1e-5)


@pytest.mark.parametrize(("k", "rows"), [(8, 6000), (150, 6000)])
def test_a_fit_that_goes_on_keeps_its_bounds(tmp_path, dtype, k, rows):
    x = blobs(rows, 60, dtype, std=6.0)
    options = {"n_init": 1, "random_state": 0, "tol": 0, "init": "random"}
    whole = quiet(gf.KMeans(k, max_iter=40, **options), x)
    place = tmp_path / "fit.checkpoint"
    for most in (1, 2, 3, 7, 12, 40):
        model = quiet(gf.KMeans(k, max_iter=most, **options), x, checkpoint=place, checkpoint_every=0)
    assert model.n_iter_ == whole.n_iter_ > 7
    assert_array_equal(model.cluster_centers_, whole.cluster_centers_)
    assert_array_equal(model.history_["objective"], whole.history_["objective"])
    assert model.inertia_ == whole.inertia_

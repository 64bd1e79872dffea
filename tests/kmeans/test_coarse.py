"""The first look of k-means, by products of whole numbers, changes no label: it may only leave rows open."""

import os
import subprocess
import sys

import numpy as np
import pytest
from kmeans.cases import exact_labels, run_assign
from numpy.testing import assert_array_equal

from gramfold import _core

# rows, columns, centroids: of which bytes come before
LONG = [(1, 513, 513), (700, 257, 1030), (300, 1030, 257)]
# for which there is a first look at some levels; one past a tile or a vector
SHAPES = [
    (1, 32, 97), (47, 33, 98), (500, 63, 49), (400, 17, 190), (300, 200, 24), (1000, 128, 65), (300, 47, 200),
    (50, 784, 97), (20, 3000, 40), *LONG,
]  # fmt: skip


@pytest.fixture
def compiled():
    """The best level: others have no first look."""
    return _core.load(_core.available()[0])


def blobs(rows, cols, k, dtype, seed=0):
    rng = np.random.default_rng(seed)
    c = rng.standard_normal((k, cols))
    x = c[rng.integers(k, size=rows)] + 2 * rng.standard_normal((rows, cols))
    return x.astype(dtype), c.astype(dtype)


def check(kernels, x, c, **options):
    labels, distances, sums, result = run_assign(kernels, x, c, **options)
    found, squares = exact_labels(x, c)
    assert_array_equal(labels, found)
    assert_array_equal(result[0], np.bincount(labels, minlength=len(c)))
    assert result.searched == len(x)
    assert result[1] == pytest.approx(squares.min(axis=1).sum(), rel=1e-5 if c.dtype == np.float32 else 1e-12)
    return labels, distances, sums, result


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_labels_are_those_of_a_float64_computation(compiled, dtype, shape):
    x, c = blobs(*shape, dtype)
    check(compiled, x, c)
    check(compiled, np.asfortranarray(x), c)
    check(compiled, (x + dtype(300)), (c + dtype(300)))


def test_labels_are_exact_far_from_the_origin(compiled, dtype):
    x, c = blobs(1500, 40, 80, np.float64)
    x, c = ((a + 1e5).astype(dtype) for a in (x, c))
    check(compiled, x, c)


@pytest.mark.parametrize("exponent", [-30, -15, 15])
def test_labels_are_exact_at_any_scale(compiled, exponent):
    x, c = blobs(700, 40, 80, np.float64)
    x, c = x * 10.0**exponent, c * 10.0**exponent
    check(compiled, x, c)
    narrow = [a.astype(np.float32) for a in (x, c)]
    labels = run_assign(compiled, *narrow)[0]
    assert_array_equal(labels, exact_labels(*narrow)[0])


def test_rows_between_two_centroids_go_to_the_nearer_one(compiled, dtype):
    rng = np.random.default_rng(5)
    x, c = blobs(3000, 48, 64, np.float64)
    i, j = rng.integers(64, size=(2, 3000))
    least = 0 if dtype == np.float32 else 1e-10  # rounding of the rows settles what float64 can tell
    share = 0.5 + rng.choice([least, 1e-8, 1e-6, 1e-4, 1e-2], 3000)[:, None] * rng.choice([-1, 1], (3000, 1))
    x = (share * c[i] + (1 - share) * c[j]).astype(dtype)
    check(compiled, x, c.astype(dtype))


def test_of_equal_centroids_the_first_wins(compiled, dtype):
    x, c = blobs(800, 40, 30, dtype)
    check(compiled, x, np.repeat(c, 3, axis=0)[np.random.default_rng(0).permutation(90)].copy())
    labels = run_assign(compiled, x, np.repeat(c[:1], 80, axis=0))[0]
    assert_array_equal(labels, 0)


def test_rows_of_zeros_and_rows_far_out_are_told_apart(compiled, dtype):
    x, c = blobs(600, 40, 80, dtype)
    x[5], x[100:200] = 0, 0
    x[7, 3] = x[8, -1] = 1e6
    x[9] *= dtype(1e-6)
    x[10] *= dtype(1e8)
    c[3], c[17, 0] = 0, 1e5
    check(compiled, x, c)


def test_a_row_beyond_the_range_of_scores_spoils_no_other(compiled):
    x, c = blobs(600, 40, 80, np.float32)
    expected = run_assign(compiled, x, c)[0]
    x[11] = 3e38
    x[300, 2] = -3e25
    kept = np.delete(np.arange(600), [11, 300])
    assert_array_equal(run_assign(compiled, x, c)[0][kept], expected[kept])


def test_clusters_too_tight_for_a_first_look_have_exact_labels(compiled, dtype):
    rng = np.random.default_rng(2)
    c = rng.standard_normal(48) + 1e-4 * rng.standard_normal((64, 48))
    c[0] += 100
    x = c[rng.integers(64, size=9000)] + 1e-4 * rng.standard_normal((9000, 48))
    x, c = x.astype(dtype), c.astype(dtype)
    labels = run_assign(compiled, x, c)[0]
    found, squares = exact_labels(x, c)
    least = squares.min(axis=1)
    assert np.all(squares[np.arange(len(x)), labels] <= least * (1 + 1e-9))
    assert np.mean(labels == found) > 0.999


def test_bits_are_the_same_for_any_number_of_threads_and_labels_in_any_order(compiled, dtype):
    x, c = blobs(9000, 40, 80, dtype)
    first = run_assign(compiled, x, c, n_threads=1)
    for n_threads in (2, 3, 5):
        other = run_assign(compiled, x, c, n_threads=n_threads)
        for mine, theirs in zip((*first[:3], first[3][0]), (*other[:3], other[3][0]), strict=True):
            assert_array_equal(mine, theirs)
        assert first[3][1:] == other[3][1:]
    order = np.random.default_rng(0).permutation(len(x))
    assert_array_equal(run_assign(compiled, x[order], c)[0], first[0][order])
    assert_array_equal([run_assign(compiled, x[i : i + 1], c)[0][0] for i in range(20)], first[0][:20])


@pytest.mark.parametrize("loose", [False, True])
@pytest.mark.parametrize(("groups", "n_far"), [(1, 0), (1, 6), (5, 0), (5, 9), (24, 16)])
def test_bounds_after_a_first_look_hold(compiled, dtype, groups, n_far, loose):
    rng = np.random.default_rng(1)
    x, c = blobs(9000, 40, 96, dtype)
    c[40] = c[11]
    order = rng.permutation(96)
    kept = {"lower": np.empty((len(x), groups), dtype), "order": order, "loose": loose}
    labels, _, total, _ = run_assign(compiled, x, c, **kept)
    starts = 96 * np.arange(groups) // groups
    spared = 0.0
    for step in (1e-3, 0.02, 0.05, 0.2, 0.003):
        far = 1 + 20 * (rng.random((96, 1)) < 0.1)
        new = (c + step * far * rng.standard_normal(c.shape)).astype(dtype)
        moved = np.linalg.norm(new.astype(float) - c, axis=1) * (1 + 1e-12)
        given, again = labels, {"lower": kept["lower"].copy(), "order": order, "loose": loose}
        labels, _, sums, result = run_assign(compiled, x, new, labels=given, moved=moved, n_far=n_far, **kept)
        other = run_assign(compiled, x, new, labels=given, moved=moved, n_far=n_far, n_threads=5, **again)
        assert_array_equal(again["lower"], kept["lower"])
        assert_array_equal(other[2], sums)
        found, squares = exact_labels(x, new)
        assert_array_equal(labels, found)
        total = total + sums
        scale = np.bincount(labels, minlength=96).max() * np.abs(x).max()
        assert np.abs(total - np.eye(96)[labels].T @ x.astype(float)).max() < scale * 64 * np.finfo(dtype).eps
        others = np.sqrt(squares)
        others[np.arange(len(x)), labels] = np.inf
        assert np.all(kept["lower"] <= np.minimum.reduceat(others[:, order], starts, axis=1))
        spared += len(x) - result.searched
        c = new
    assert spared > len(x) / 2 or groups == 1


@pytest.mark.parametrize("spread", [0.2, 1.0, 4.0])
@pytest.mark.parametrize("groups", [1, 40])
def test_bounds_of_bytes_hold(compiled, dtype, groups, spread):
    rng = np.random.default_rng(2)
    c = rng.standard_normal((1024, 256)).astype(dtype)
    x = (c[rng.integers(1024, size=1500)] + spread * rng.standard_normal((1500, 256))).astype(dtype)
    kept = {"lower": np.empty((len(x), groups), dtype), "order": rng.permutation(1024), "loose": True}
    labels = run_assign(compiled, x, c, **kept)[0]
    starts = 1024 * np.arange(groups) // groups
    for step in (0.0, 1e-3, 0.02):
        new = (c + step * rng.standard_normal(c.shape)).astype(dtype)
        moved = np.linalg.norm(new.astype(float) - c, axis=1) * (1 + 1e-12)
        labels = run_assign(compiled, x, new, labels=labels, moved=moved, **kept)[0]
        found, squares = exact_labels(x, new)
        assert_array_equal(labels, found)
        others = np.sqrt(squares)
        others[np.arange(len(x)), labels] = np.inf
        assert np.all(kept["lower"] <= np.minimum.reduceat(others[:, kept["order"]], starts, axis=1))
        c = new


PRODUCTS = """
import hashlib
import numpy as np
import gramfold as gf

for rows, cols, k in ((2500, 300, 900), (1500, 70, 130), (600, 513, 520)):
    for dtype in (np.float32, np.float64):
        x = np.random.default_rng(0).standard_normal((rows, cols)) + np.arange(rows)[:, None] % 40
        x = x.astype(dtype)
        model = gf.KMeans(k, init=x[:: rows // k][:k], max_iter=6, tol=0).fit(x)
        made = (model.cluster_centers_, model.labels_, model.predict(x[::-1]), np.float64(model.inertia_))
        print(hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in made)).hexdigest())
"""


def test_bits_do_not_depend_on_the_instructions_that_multiply():
    def made(without):
        environment = os.environ | {"GRAMFOLD_WITHOUT": without}
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", PRODUCTS],
            env=environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout.split()

    best = made("")
    assert len(best) == 6
    assert made("amx") == best
    assert made("amx,vnni") == best

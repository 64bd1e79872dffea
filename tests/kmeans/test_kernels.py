"""The k-means kernels at every level of this machine against exact arithmetic and the NumPy twin."""

import numpy as np
import pytest
from kernel_cases import LAYOUTS, as64, csr
from kmeans.cases import exact_labels, points, run_assign, run_seed
from numpy.testing import assert_allclose, assert_array_equal

from gramfold._core import reference

# rows, columns, centroids: single ones; a panel (8 to 32 rows) and one past it; one past a chunk (256) and
# past a search of several panels; k below, at and above a tile (6, 12); wide; few clusters of whole vectors
# of columns, and of some columns behind the last one.
SHAPES = [
    (1, 1, 1), (1, 9, 3), (9, 1, 2), (33, 5, 1), (32, 2, 13), (257, 3, 12), (600, 40, 7), (193, 16, 64),
    (7, 300, 33), (20, 6, 30), (1100, 19, 25), (130, 33, 16), (65, 16, 4),
    (129, 48, 1), (70, 17, 5), (3, 500, 8),
]  # fmt: skip


def check_assign(kernels, x, c, **options):
    dtype = c.dtype
    labels, distances, sums, result = run_assign(kernels, x, c, **options)
    options = {name: as64(a) if name in ("weights", "lower") else a for name, a in options.items()}
    twin = run_assign(reference, as64(x), as64(c), **options)
    assert_array_equal(labels, twin[0])
    size = np.abs(twin[1]).max(initial=0) + np.square(c, dtype=np.float64).sum(axis=1).max()
    eps = 16 * np.sqrt(c.shape[1]) * np.finfo(dtype).eps
    assert_allclose(distances, twin[1], rtol=0, atol=eps * size)
    most = 1 + np.abs(twin[3][0]).max()
    assert_allclose(sums, twin[2], rtol=0, atol=eps * np.sqrt(size) * most)
    assert_allclose(result[0], twin[3][0], rtol=1e-12)
    assert_allclose(result[1], twin[3][1], rtol=0, atol=eps * size * len(labels))
    assert (result.changed, result.searched) == (twin[3].changed, twin[3].searched)
    return labels, result


@pytest.mark.parametrize("wide", [False, True], ids=["narrow", "wide"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_assign_is_its_twin_for_every_shape(kernels, dtype, shape, wide):
    x, c, weights = points(*shape, dtype)
    check_assign(kernels, x, c, wide=wide)
    check_assign(kernels, x, c, wide=wide, weights=weights)


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize("cols", range(1, 20))
def test_assign_is_its_twin_for_every_tail_of_the_vectors(kernels, dtype, cols, sparse):
    x, c, _ = points(70, cols, cols + 1, dtype)
    check_assign(kernels, csr(x, np.int32) if sparse else x, c)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 300, 5), (193, 31, 5), (600, 70, 30)], ids=str)
def test_assign_is_its_twin_for_every_layout(kernels, dtype, shape, layout):
    x, c, weights = points(*shape, dtype)
    check_assign(kernels, LAYOUTS[layout](x), c, weights=weights)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_rows_give_zero_sums(kernels, dtype, layout):
    x, c, _ = points(1, 23, 5, dtype)
    labels, _, sums, result = run_assign(kernels, LAYOUTS[layout](x[:0]), c)
    assert len(labels) == 0
    assert_array_equal(sums, 0)
    assert_array_equal(result[0], 0)
    assert result[1:] == (0, 0, 0, 0, 0)


@pytest.mark.parametrize("offset", [0, 1e5, -1e7])
@pytest.mark.parametrize("wide", [False, True], ids=["narrow", "wide"])
def test_labels_equal_an_exact_float64_assignment(compiled, dtype, offset, wide):
    x, c, _ = points(2000, 12, 40, dtype, offset=offset)
    labels = run_assign(compiled, x, c, wide=wide)[0]
    assert_array_equal(labels, exact_labels(x, c)[0])


@pytest.mark.parametrize("exponent", [-18, -9, 9, 18])
def test_labels_are_exact_at_any_scale_whose_squares_the_type_holds(compiled, dtype, exponent):
    x, c, _ = points(500, 12, 20, np.float64)
    scale = dtype(10.0) ** (exponent if dtype == np.float32 else 8 * exponent)
    x, c = x.astype(dtype) * scale, c.astype(dtype) * scale
    assert_array_equal(run_assign(compiled, x, c)[0], exact_labels(x, c)[0])


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
def test_of_equally_near_centroids_the_first_wins(kernels, dtype, sparse):
    grid = np.array(np.meshgrid(*[np.arange(4.0)] * 3)).reshape(3, -1).T
    x, c = (grid + 0.5).astype(dtype), np.repeat(grid, 2, axis=0)[::-1].astype(dtype)
    labels = run_assign(kernels, csr(x, np.int64) if sparse else x, c)[0]
    assert_array_equal(labels, exact_labels(x, c)[0])
    assert np.sum(np.sort(exact_labels(x, c)[1])[:, 1] == np.sort(exact_labels(x, c)[1])[:, 0]) == len(x)


def test_nearly_equal_centroids_are_told_apart_in_float64(compiled, dtype):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3000, 8)).astype(dtype)
    c = rng.standard_normal((1, 8)) * np.ones((30, 1))
    c = (c + 8 * np.finfo(dtype).eps * rng.standard_normal(c.shape)).astype(dtype)
    labels = run_assign(compiled, x, c)[0]
    found, squares = exact_labels(x, c)
    rounding = 64 * np.finfo(np.float64).eps * squares.max(axis=1)
    assert np.all(squares[np.arange(len(x)), labels] <= squares.min(axis=1) + rounding)
    assert dtype == np.float64 or np.array_equal(labels, found)


@pytest.mark.parametrize(
    ("sparse", "groups", "n_far"),
    [(True, 1, 0), (False, 1, 0), (False, 1, 5), (False, 4, 0), (False, 4, 7), (False, 30, 12)],
)
@pytest.mark.parametrize("wide", [False, True], ids=["narrow", "wide"])
def test_bounds_spare_rows_their_search_and_change_no_label(compiled, dtype, sparse, groups, n_far, wide):
    rng = np.random.default_rng(1)
    centers = 4 * rng.standard_normal((30, 6))
    x = (centers[rng.integers(30, size=3000)] + rng.standard_normal((3000, 6))).astype(dtype)
    given = csr(x, np.int32) if sparse else x
    c = centers.astype(dtype)
    c[7] = c[3]
    order = None if groups == 1 else rng.permutation(30)
    kept = {"lower": np.empty((len(x), groups), dtype), "order": order, "wide": wide}
    labels, _, total, _ = run_assign(compiled, given, c, **kept)
    starts = 30 * np.arange(groups) // groups
    spared = 0.0
    for step in (0.0, 1e-3, 0.03, 0.3, 3.0, 0.01):
        far = 1 + 20 * (rng.random((30, 1)) < 0.1)
        new = (c + step * far * rng.standard_normal(c.shape)).astype(dtype)
        moved = np.linalg.norm(new.astype(float) - c, axis=1) * (1 + 1e-12)
        labels, distances, sums, result = run_assign(
            compiled, given, new, labels=labels, moved=moved, n_far=n_far, **kept
        )
        plain = run_assign(compiled, given, new, wide=wide)
        assert_array_equal(labels, plain[0])
        assert_allclose(distances, plain[1], rtol=1e-5)
        total = total + sums
        assert_allclose(total, plain[2], rtol=0, atol=1e-2 if dtype == np.float32 else 1e-10)
        others = np.sqrt(exact_labels(x, new)[1])
        others[np.arange(len(x)), labels] = np.inf
        others = others[:, np.arange(30) if order is None else order]
        assert np.all(kept["lower"] <= np.minimum.reduceat(others, starts, axis=1))
        spared += len(x) - result.searched
        c = new
    assert spared > len(x)


def test_bounds_of_the_twin_are_those_of_its_groups(compiled, dtype):
    x, c, _ = points(700, 9, 24, dtype)
    order = np.random.default_rng(0).permutation(24)
    lower, twin = np.empty((700, 3), dtype), np.empty((700, 3))
    run_assign(compiled, x, c, lower=lower, order=order, wide=dtype == np.float64)
    run_assign(reference, as64(x), as64(c), lower=twin, order=order)
    assert_allclose(lower, twin, rtol=1000 * np.finfo(dtype).eps)
    assert np.all(lower <= twin)


def test_known_labels_are_kept_without_a_search(kernels, dtype):
    x, c, weights = points(300, 7, 5, dtype)
    labels = np.random.default_rng(0).integers(5, size=300).astype(np.int32)
    for given in (x, csr(x, np.int32), np.asfortranarray(x)):
        found, result = check_assign(kernels, given, c, labels=labels, search=False, weights=weights)
        assert_array_equal(found, labels)
        assert result.searched == 0


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 1.0])
@pytest.mark.parametrize(
    "shape", [(5000, 1, 254), (5000, 1, 255), (5000, 2, 8), (999, 4, 16), (130, 3, 1)], ids=str
)
def test_few_clusters_are_counted_whatever_share_of_the_rows_changes(compiled, dtype, shape, share):
    x, c, weights = points(*shape, dtype)
    right, _ = exact_labels(x, c)
    rng = np.random.default_rng(1)
    old = np.where(rng.random(len(x)) < share, rng.integers(-1, len(c), len(x)), right).astype(np.int32)
    for w in (None, weights):
        labels, sums = old.copy(), np.empty(c.shape)
        counts, inertia, _, changed, *_ = compiled.assign(
            x=x,
            centers=c,
            weights=w,
            labels=labels,
            lower=None,
            upper=None,
            order=None,
            moved=None,
            n_far=0,
            look=False,
            loose=False,
            distances=None,
            sums=sums,
            search=True,
            wide=False,
            n_threads=2,
        )
        wide = None if w is None else as64(w)
        came, _, gain, twin = run_assign(reference, as64(x), as64(c), weights=wide, labels=old)
        assert_array_equal(labels, came)
        assert_array_equal(labels, right)
        assert changed == np.count_nonzero(old != right)
        assert_allclose(counts, twin[0], rtol=1e-12)
        assert_allclose(inertia, twin[1], rtol=16 * np.finfo(dtype).eps)
        size = np.abs(x).max() * len(x)
        assert_allclose(sums, gain, rtol=0, atol=np.finfo(dtype).eps * size)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_assign_has_the_same_bits_for_any_number_of_threads(compiled, dtype, layout):
    x, c, weights = points(5000, 21, 30, dtype)
    laid = LAYOUTS[layout](x)
    first = run_assign(compiled, laid, c, weights=weights, n_threads=1)
    for n_threads in (2, 3, 7):
        other = run_assign(compiled, laid, c, weights=weights, n_threads=n_threads)
        for mine, theirs in zip((*first[:3], first[3][0]), (*other[:3], other[3][0]), strict=True):
            assert_array_equal(mine, theirs)
        assert first[3][1:] == other[3][1:]


def test_a_label_depends_on_its_row_alone(compiled, dtype):
    x, c, _ = points(2000, 16, 30, dtype)
    whole = run_assign(compiled, x, c)[0]
    order = np.random.default_rng(0).permutation(len(x))
    assert_array_equal(run_assign(compiled, x[order], c)[0], whole[order])
    assert_array_equal([run_assign(compiled, x[i : i + 1], c)[0][0] for i in range(50)], whole[:50])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(1, 1, 1), (97, 5, 3), (96, 33, 8), (700, 16, 13)], ids=str)
def test_seed_is_its_twin(kernels, dtype, shape, layout):
    x, candidates, weights = points(*shape, dtype)
    for closest in (None, 5 * weights):
        for w in (None, weights):
            out, sums, read = run_seed(kernels, LAYOUTS[layout](x), candidates, closest, w)
            assert read == len(x)
            exact, exact_sums, _ = run_seed(reference, as64(x), as64(candidates), as64(closest), as64(w))
            eps = (
                64 * np.finfo(dtype).eps * (1 + np.square(x).sum(axis=1).max() + np.square(candidates).sum())
            )
            assert_allclose(out, exact, rtol=0, atol=eps)
            assert_allclose(sums, exact_sums, rtol=0, atol=96 * eps)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_row_is_at_distance_zero_from_itself(kernels, dtype, layout):
    x, _, _ = points(500, 23, 1, dtype, offset=100)
    chosen = [3, 77, 333]
    out = run_seed(kernels, LAYOUTS[layout](x), np.ascontiguousarray(x[chosen]), None, None)[0]
    assert_array_equal(out[np.arange(3), chosen], 0)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_seed_has_the_same_bits_for_any_number_of_threads(compiled, dtype, layout):
    x, candidates, weights = points(15000, 5, 6, dtype)
    laid = LAYOUTS[layout](x)
    out, sums, _ = run_seed(compiled, laid, candidates, None, weights, n_threads=1)
    for n_threads in (2, 3):
        other = run_seed(compiled, laid, candidates, None, weights, n_threads=n_threads)
        assert_array_equal(other[0], out)
        assert_array_equal(other[1], sums)

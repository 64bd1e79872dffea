"""Distances of the k-means kernels where they cancel, leave the range or are no numbers."""

import numpy as np
import pytest
from kernel_cases import LAYOUTS, as64, csr
from kmeans.cases import points, run_assign, run_seed
from numpy.testing import assert_allclose, assert_array_equal

from gramfold._core import reference


def far_points(dtype, offset, shape=(400, 8, 20), seed=0):
    """Rows and centroids far from the origin in most columns; a fifth of the entries are 0 in both."""
    rng = np.random.default_rng(seed)
    rows, cols, k = shape
    x = (rng.standard_normal((rows, cols)) + offset * (np.arange(cols) % 3 > 0)).astype(dtype)
    x[rng.random(x.shape) < 0.2] = 0
    c = x[:k] + (0.3 * rng.standard_normal((k, cols))).astype(dtype) * (x[:k] != 0)
    return x, np.ascontiguousarray(c, dtype=dtype)


def squares_of(x, c):
    return np.square(x.astype(np.longdouble)[:, None] - c.astype(np.longdouble)).sum(axis=2)


OFFSETS = [(np.float32, 1e3), (np.float32, 1e6), (np.float64, 1e3), (np.float64, 1e8), (np.float64, 1e12)]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("dtype", "offset"), OFFSETS)
def test_labels_and_distances_are_those_of_the_differences(kernels, dtype, offset, layout):
    x, c = far_points(dtype, offset)
    exact = squares_of(x, c)
    labels, distances, _, result = run_assign(kernels, LAYOUTS[layout](x), c)
    assert_array_equal(labels, exact.argmin(axis=1))
    rtol = 1e-11 if dtype == np.float64 else 1e-6
    assert_allclose(distances, exact.min(axis=1).astype(float), rtol=rtol)
    assert_allclose(result[1], float(exact.min(axis=1).sum()), rtol=rtol)
    out = np.empty(exact.shape, dtype)
    kernels.distances(x=LAYOUTS[layout](x), centers=c, out=out, n_threads=2)
    assert_allclose(out, np.sqrt(exact).astype(float), rtol=1e-11 if dtype == np.float64 else 6e-8)
    assert_array_equal(out[np.arange(len(x)), labels], out.min(axis=1))
    seeded = run_seed(kernels, LAYOUTS[layout](x), c, None, None)[0]
    assert_allclose(seeded.T, exact.astype(float), rtol=rtol)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(1, 1, 1), (97, 5, 3), (300, 33, 8), (50, 300, 13)], ids=str)
def test_distances_are_their_twin(kernels, dtype, shape, layout):
    x, c, _ = points(*shape, dtype)
    out, twin = np.empty((shape[0], shape[2]), dtype), np.empty((shape[0], shape[2]))
    kernels.distances(x=LAYOUTS[layout](x), centers=c, out=out, n_threads=2)
    reference.distances(x=as64(x), centers=as64(c), out=twin, n_threads=1)
    assert_allclose(out, twin, rtol=4 * np.finfo(dtype).eps)
    again = np.empty_like(out)
    kernels.distances(x=LAYOUTS[layout](x), centers=c, out=again, n_threads=3)
    assert_array_equal(again, out)


@pytest.mark.parametrize("cols", [1, 3, 8, 37, 64, 130, 500])
def test_a_row_and_a_centroid_have_the_same_distance_alone_and_beside_others(compiled, dtype, cols):
    """Rows go in eights, and two by two with centroids; labels come from the same distances."""
    rng = np.random.default_rng(cols)
    x, c = rng.standard_normal((21, cols)).astype(dtype), rng.standard_normal((5, cols)).astype(dtype)

    def found(rows, centers, n_threads=1):
        out = np.full((len(rows), len(centers)), np.nan, dtype)
        compiled.distances(x=rows, centers=centers, out=out, n_threads=n_threads)
        return out

    together = found(x, c)
    assert_array_equal(found(x, c, 3), together)
    assert_array_equal(found(np.asfortranarray(x), c), together)
    for i in range(21):
        for j in range(5):
            assert found(x[i : i + 1].copy(), c[j : j + 1].copy())[0, 0] == together[i, j]
    labels = run_assign(compiled, x, c)[0]
    assert_array_equal(together[np.arange(21), labels], together.min(axis=1))


@pytest.mark.parametrize("cols", [7, 8, 37, 500, 3000])
@pytest.mark.parametrize("offset", [0, 1e3, 1e9])
def test_distances_to_many_centroids_are_exact_where_products_cancel(compiled, dtype, cols, offset):
    """Rows lie on centroids, near them and far from all; centroids on one another and far from the others."""
    rng = np.random.default_rng(cols)
    c = 3 * rng.standard_normal((23, cols)) + offset
    c[5], c[11], c[17] = c[4], np.nextafter(c[4].astype(dtype), dtype(np.inf)), c[0] + 1e4
    c = c.astype(dtype)
    near = [c, c + (1e-3 * rng.standard_normal(c.shape)).astype(dtype), (c[::-1] + c) / 2, c + dtype(1e6)]
    x = np.concatenate(near).astype(dtype)
    out = np.empty((len(x), 23), dtype)
    compiled.distances(x=x, centers=c, out=out, n_threads=2)
    expected = np.sqrt(squares_of(x, c)).astype(float)
    assert_allclose(out, expected, rtol=1e-14 if dtype == np.float64 else 1e-7)
    assert_array_equal(out == 0, expected == 0)
    labels = run_assign(compiled, x, c)[0]
    assert_array_equal(out[np.arange(len(x)), labels], out.min(axis=1))
    for rows in (x[:1], x[40:77], np.asfortranarray(x)[:50]):
        some = np.empty((len(rows), 23), dtype)
        compiled.distances(x=rows, centers=c, out=some, n_threads=1)
        first = {1: 0, 37: 40, 50: 0}[len(rows)]
        assert_array_equal(some, out[first : first + len(rows)])


@pytest.mark.parametrize("exponent", [-600, -300, 300])
def test_distances_to_many_centroids_where_squares_leave_the_range(compiled, exponent):
    x, c, _ = points(60, 12, 20, np.float64)
    one, other = np.empty((60, 20)), np.empty((60, 20))
    compiled.distances(x=x, centers=c, out=one, n_threads=1)
    x, c = np.ldexp(x, exponent), np.ldexp(c, exponent)
    with np.errstate(over="ignore", under="ignore"):
        compiled.distances(x=x, centers=c, out=other, n_threads=1)
    assert_array_equal(other, np.ldexp(one, exponent) if exponent > -500 else 0)
    x[3, 0], c[7, 1] = np.nan, np.inf
    compiled.distances(x=x, centers=c, out=other, n_threads=1)
    assert np.isnan(other[3, :7]).all()
    assert other[0, 7] == np.inf


def test_sums_of_sparse_rows_are_added_in_float64(compiled):
    x = (1e4 + np.random.default_rng(0).standard_normal((50_000, 3))).astype(np.float32)
    sums = run_assign(compiled, csr(x, np.int32), x[:1].copy())[2]
    assert_allclose(sums[0], x.astype(np.float64).sum(axis=0), rtol=1e-13)


@pytest.mark.parametrize("exponent", [-140, -110, -75, 62, 90])
def test_labels_of_sparse_rows_are_exact_where_scores_leave_the_range(compiled, exponent):
    x, c, _ = points(500, 12, 20, np.float32)
    expected = squares_of(np.ldexp(x, exponent), np.ldexp(c, exponent)).argmin(axis=1)
    given = csr(np.ldexp(x, exponent), np.int32)
    assert_array_equal(run_assign(compiled, given, np.ldexp(c, exponent))[0], expected)


@pytest.mark.parametrize("shape", [(50, 2, 3), (50, 3, 40), (200, 40, 90), (60, 5, 300)], ids=str)
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize("wide", [False, True], ids=["narrow", "wide"])
def test_rows_and_centroids_of_nan_have_a_label_within_bounds(compiled, dtype, shape, sparse, wide):
    x, c, _ = points(*shape, dtype)
    x[3], x[7, 0] = np.nan, np.inf
    given = csr(x, np.int32) if sparse else x
    for centers in (c, np.where(np.arange(len(c))[:, None] == 1, dtype(np.nan), c), np.full_like(c, np.nan)):
        labels, *_ = run_assign(compiled, given, centers, wide=wide)
        assert np.all((labels >= 0) & (labels < len(c)))


def test_what_would_lead_out_of_bounds_is_refused(compiled, dtype):
    x, c, _ = points(60, 4, 5, dtype)
    for given in (x, csr(x, np.int32)):
        for search, label in ((True, 5), (True, 2**31 - 1), (False, 5), (False, -1)):
            with pytest.raises(ValueError, match="labels must be less than k"):
                run_assign(compiled, given, c, labels=np.full(60, label, np.int32), search=search)
        bounds = {"lower": np.zeros((60, 1), dtype), "moved": np.full(5, np.nan)}
        with pytest.raises(ValueError, match="moved must be at least 0"):
            run_assign(compiled, given, c, labels=np.zeros(60, np.int32), **bounds)
    for k, cols in ((0, 4), (5, 0), (0, 0)):
        with pytest.raises(ValueError, match="centers must be k x cols, neither 0"):
            run_assign(compiled, np.empty((60, cols), dtype), np.empty((k, cols), dtype))
        with pytest.raises(ValueError, match="centers must be k x cols, neither 0"):
            compiled.distances(
                x=np.empty((60, cols), dtype),
                centers=np.empty((k, cols), dtype),
                out=np.empty((60, k), dtype),
                n_threads=1,
            )

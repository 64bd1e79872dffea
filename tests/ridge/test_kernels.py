"""The kernel of second moments at every level against its NumPy twin."""

import numpy as np
import pytest
import scipy.sparse as sp
from kernel_cases import by_name
from numpy.testing import assert_allclose, assert_array_equal

from gramfold._core import reference

# rows, columns, targets: single ones; one past a band (24), a block (192), a chunk (256) and columns that are
# copied (256); 1024 bytes.
SHAPES = [
    (1, 1, 1), (1, 5, 2), (9, 1, 1), (193, 23, 1), (257, 22, 1), (1100, 7, 3), (30, 47, 0), (5, 131, 1),
    (64, 126, 1), (700, 255, 1), (40, 300, 2), (49, 8, 4), (400, 257, 5),
]  # fmt: skip


def spread(x):
    wide = np.full((x.shape[0] * 2, x.shape[1] * 3), np.nan, x.dtype)
    wide[::2, ::3] = x
    return wide[::2, ::3]


def csr(index):
    def convert(x):
        s = sp.csr_array(x)
        return s.data, s.indices.astype(index), s.indptr.astype(index), x.shape[1]

    return convert


LAYOUTS = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "every other row and third column": spread,
    "backwards": lambda x: np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1],
    "csr, 32-bit indices": csr(np.int32),
    "csr, 64-bit indices": csr(np.int64),
}


def csr_backwards(x):
    s = sp.csr_array(x[:, ::-1])
    return s.data, (x.shape[1] - 1 - s.indices).astype(np.int32), s.indptr.astype(np.int32), x.shape[1]


LAYOUTS["csr, columns falling"] = csr_backwards


def data(n, p, t, dtype):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, p)) * (rng.random((n, p)) < 0.6)
    if n > 2 and p > 2:
        x[n // 2], x[:, p // 2] = 0, 0
    y, shift, weights = rng.standard_normal((n, t)), rng.standard_normal(p + t), rng.random(n)
    weights[n // 3] = 0
    return tuple(a.astype(dtype) for a in (x, y, shift, weights))


def of_layouts(sparse):
    return [lay for name, lay in LAYOUTS.items() if name.startswith("csr") == sparse]


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize(("n", "p", "t"), SHAPES)
def test_moments_are_those_of_the_twin_for_every_layout(kernels, dtype, n, p, t, sparse):
    x, y, shift, weights = data(n, p, t, dtype)
    shift[:p] *= not sparse
    for s, w in ((None, None), (shift, None), (shift, weights)):
        tail = reference.moments(
            x=np.abs(x), y=np.abs(y), shift=None if s is None else -np.abs(s), weights=w, n_threads=1
        )
        expected = reference.moments(x=x, y=y, shift=s, weights=w, n_threads=1)
        for lay in of_layouts(sparse):
            found = kernels.moments(x=lay(x), y=np.asfortranarray(y), shift=s, weights=w, n_threads=2)
            assert found.products.shape == (p + 1, p + t + 1)
            # Half a rounding of the sum of the magnitudes for each of 192 additions, and a few more.
            for one, other, size in zip(found, expected, tail, strict=True):
                assert one.dtype == np.float64
                assert np.all(np.abs(one - other) <= 128 * np.finfo(dtype).eps * size)
            assert_array_equal(found.products[:p, :p], found.products[:p, :p].T)
            assert_array_equal(found.products[:p, -1], found.products[-1, :p])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_moments_of_float32_rows_are_double_where_targets_are(kernels, layout):
    x, y, shift, weights = data(700, 30, 9, np.float64)
    x = x.astype(np.float32)
    shift[:30] *= not layout.startswith("csr")
    given = {"y": y, "shift": shift, "weights": weights, "n_threads": 1}
    found = kernels.moments(x=LAYOUTS[layout](x), **given)
    expected = reference.moments(x=x.astype(np.float64), **given)
    most = np.abs(expected.products).max()
    assert_allclose(found.products, expected.products, rtol=0, atol=1e-13 * most)
    assert_allclose(found.squares, expected.squares, rtol=1e-13)


@pytest.mark.parametrize("layout", ["C", "F", "csr, 32-bit indices"])
def test_moments_are_the_same_bits_for_any_number_of_threads(compiled, dtype, layout):
    x, y, shift, weights = data(5003, 37, 2, dtype)
    if layout.startswith("csr"):
        shift[:37] = 0
    given = LAYOUTS[layout](x)
    expected = compiled.moments(x=given, y=y, shift=shift, weights=weights, n_threads=1)
    for n_threads in (2, 3, 8):
        found = compiled.moments(x=given, y=y, shift=shift, weights=weights, n_threads=n_threads)
        for one, other in zip(found, expected, strict=True):
            assert_array_equal(one, other)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_moments_of_csr_in_any_order_and_of_scaled_rows_are_those_of_dense_rows(kernels, dtype, layout):
    x, y, shift, weights = data(50, 7, 2, dtype)
    shift[:7] = 0
    found = kernels.moments(x=LAYOUTS[layout](x), y=y, shift=shift, weights=weights, n_threads=1, scale=4.0)
    rows = np.hstack([4 * x.astype(float), y - shift[7:].astype(float), np.ones((50, 1))])
    expected = rows.T @ (weights[:, None].astype(float) * rows)
    products, squares = np.delete(expected, [7, 8], axis=0), expected.diagonal()[7:9]
    error = 64 * np.finfo(dtype).eps * np.abs(expected).max()
    assert_allclose(found.products, products, rtol=0, atol=error)
    assert_allclose(found.squares, squares, rtol=0, atol=error)


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize(("n", "p", "t"), [shape for shape in SHAPES if shape[2]])
def test_misfits_are_those_of_the_twin_for_every_layout(kernels, dtype, n, p, t, sparse):
    x, y, shift, weights = data(n, p, t, dtype)
    y = np.asfortranarray(y, np.float64)
    shift, weights = shift.astype(np.float64), weights.astype(np.float64)
    shift[:p] *= not sparse
    coefs = np.random.default_rng(1).standard_normal((p, t))
    for s, w in ((None, None), (shift, None), (shift, weights)):
        expected = reference.misfit(x=x, y=y, shift=s, weights=w, scale=0.5, coefs=coefs, n_threads=1)
        away = None if s is None else np.concatenate([-np.abs(s[:p]), np.abs(s[p:])])
        most = reference.misfit(
            x=np.abs(x), y=-np.abs(y), shift=away, weights=w, scale=0.5, coefs=np.abs(coefs), n_threads=1
        )
        for lay in of_layouts(sparse):
            found = kernels.misfit(x=lay(x), y=y, shift=s, weights=w, scale=0.5, coefs=coefs, n_threads=2)
            for one, other, size in zip(found, expected, most, strict=True):
                assert np.all(np.abs(one - other) <= 64 * np.finfo(np.float64).eps * np.abs(size))


@pytest.mark.parametrize("layout", ["C", "F", "csr, columns falling"])
def test_misfits_are_the_same_bits_for_any_number_of_threads(compiled, dtype, layout):
    x, y, shift, weights = data(5003, 37, 2, dtype)
    shift[:37] = 0
    given, coefs = LAYOUTS[layout](x), np.random.default_rng(1).standard_normal((37, 2))
    wide = [a.astype(np.float64) for a in (y, shift, weights)]
    expected = by_name(compiled.misfit, given, *wide, 1.0, coefs, 1)
    for n_threads in (2, 3, 8):
        for one, other in zip(
            by_name(compiled.misfit, given, *wide, 1.0, coefs, n_threads), expected, strict=True
        ):
            assert_array_equal(one, other)


def test_misfits_of_sizes_that_do_not_fit_are_refused(compiled):
    x, y, shift, weights = data(10, 3, 1, np.float64)
    coefs = np.ones((3, 1))
    for arguments, message in (
        ((x, y[:9], shift, weights, 1.0, coefs), "y must have a row"),
        ((x, y, shift[:3], weights, 1.0, coefs), "shift must have"),
        ((x, y, shift, weights[:9], 1.0, coefs), "weights must have"),
        ((x, y, shift, weights, 1.0, coefs[:2]), "coefs must be"),
        ((x, y[:, :0], None, weights, 1.0, coefs[:, :0]), "must have columns"),
        ((x, y.astype(np.float32), shift, weights, 1.0, coefs), "incompatible"),
    ):
        with pytest.raises((ValueError, TypeError), match=message):
            by_name(compiled.misfit, *arguments, 1)


def test_sizes_that_do_not_fit_are_refused(compiled):
    x, y, shift, weights = data(10, 3, 1, np.float64)
    for arguments, message in (
        ((x, y[:9], shift, weights), "y must have a row"),
        ((x, y, shift[:3], weights), "shift must have"),
        ((x, y, shift, weights[:9]), "weights must have"),
        ((x, y.astype(np.float32), shift.astype(np.float32), weights.astype(np.float32)), "dtype"),
    ):
        with pytest.raises((ValueError, TypeError), match=message):
            by_name(compiled.moments, *arguments, 1)
    for sums in compiled.moments(x=x[:0], y=y[:0], shift=shift, weights=None, n_threads=1):
        assert_allclose(sums, 0)

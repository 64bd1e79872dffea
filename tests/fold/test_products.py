"""The kernel of X F and X'X F at every level against NumPy."""

import numpy as np
import pytest
from kernel_cases import LAYOUTS, SHAPES, TAILS, by_name, close, data, spread
from numpy.testing import assert_array_equal


@pytest.mark.parametrize("shape", SHAPES + TAILS, ids=str)
def test_products_are_xf_and_its_image_for_every_layout(kernels, dtype, shape):
    x, f, _ = data(*shape, dtype)
    p = x.astype(np.float64) @ f
    image, growth = x.T.astype(np.float64) @ p, np.sqrt(sum(shape))
    for laid in (lay(x) for lay in LAYOUTS.values()):
        for with_out, with_image in ((True, True), (True, False), (False, True)):
            out = np.full(p.shape, np.nan, dtype) if with_out else None
            to = np.full(f.shape, np.nan, dtype) if with_image else None
            kernels.products(x=laid, f=spread(f, 2, 3), out=out, image=to, n_threads=2)
            if with_out:
                close(out, p, dtype, growth)
            if with_image:
                close(to, image, dtype, growth)


@pytest.mark.parametrize("layout", ["C", "F", "csr, 32-bit indices"])
def test_products_have_the_same_bits_for_any_number_of_threads(compiled, dtype, layout):
    x, f, _ = data(3000, 31, 7, dtype)
    results = []
    for n_threads in (1, 2, 3, 7):
        out, image = np.empty((3000, 7), dtype), np.empty((31, 7), dtype)
        compiled.products(x=LAYOUTS[layout](x), f=f, out=out, image=image, n_threads=n_threads)
        results.append((out, image))
    for other in results[1:]:
        assert_array_equal(other[0], results[0][0])
        assert_array_equal(other[1], results[0][1])


@pytest.mark.parametrize("shape", [*SHAPES, (2000, 600, 4), (5000, 3, 2), (1500, 400, 20)], ids=str)
def test_products_with_a_scan_are_both_to_the_bit(kernels, dtype, shape):
    x, f, _ = data(*shape, dtype)
    for name, lay in LAYOUTS.items():
        if name.startswith("csr"):
            continue
        laid, both, expected = lay(x), np.full(f.shape, np.nan, dtype), np.empty(f.shape, dtype)
        found = kernels.scanned_products(x=laid, f=f, image=both, n_threads=2)
        if found is None:
            assert name != "C" or x.shape[0] == 1 or x.shape[1] > 1024
            continue
        assert tuple(found) == tuple(kernels.scan(x=laid, n_threads=1))
        kernels.products(x=laid, f=f, out=None, image=expected, n_threads=1)
        assert_array_equal(both, expected)


def test_products_of_shapes_that_do_not_fit_are_refused(compiled):
    x, f = np.ones((4, 3)), np.ones((3, 2))
    for arguments, message in (
        ((x, f[:2], None, None), "f must be"),
        ((x, f, np.empty((3, 2)), None), "out must be"),
        ((x, f, None, np.empty((4, 2))), "image must be"),
    ):
        with pytest.raises(ValueError, match=message):
            by_name(compiled.products, *arguments, 1)

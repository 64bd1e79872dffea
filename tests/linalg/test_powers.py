"""Powers of two that numbers are multiplied by."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal

from gramfold.linalg.powers import scaled, shifted, times_power

EXPONENTS = [
    -3000, -1100, -1074, -1023, -1022, -150, -149, -127, -126, -60, -1, 1, 60, 127, 128, 300, 1023, 1024, 3000
]  # fmt: skip


@pytest.mark.parametrize("exponent", EXPONENTS)
def test_products_are_those_of_ldexp_to_the_bit(exponent, dtype):
    """Where they overflow, underflow and lose digits too."""
    limits, rng = np.finfo(dtype), np.random.default_rng(0)
    with np.errstate(over="ignore", under="ignore"):
        x = np.ldexp(rng.standard_normal(4000), rng.integers(-1100, 1100, 4000)).astype(dtype)
        x[:8] = 0.0, -0.0, np.inf, -np.inf, np.nan, limits.tiny, limits.smallest_subnormal, limits.max
        x[8:1000] = rng.standard_normal(992) * limits.tiny
        expected = np.ldexp(x, exponent)
        before = x.copy()
        for found in (scaled(x, exponent), shifted(x, exponent), times_power(x, exponent)):
            assert found.dtype == dtype
            assert_array_equal(found.view(f"u{found.itemsize}"), expected.view(f"u{found.itemsize}"))
            assert not np.may_share_memory(found, x)
        assert_array_equal(x, before)
        sparse = times_power(sp.csr_array(x[None, 8:20]), exponent)
        assert_array_equal(sparse.data, expected[8:20])


@pytest.mark.parametrize("exponents", [[-3, 0, 90], [-126, 127, 1], [-1022, 1023, 5], [-2000, 3, 2000], []])
def test_columns_have_powers_of_their_own(exponents, dtype):
    x = np.random.default_rng(0).standard_normal((50, len(exponents))).astype(dtype)
    by = np.array(exponents, np.int64)
    with np.errstate(over="ignore", under="ignore"):
        found, expected = shifted(x, by), np.ldexp(x, by)
    assert found.dtype == dtype
    assert_array_equal(found, expected)


def test_other_numbers_are_taken_too():
    assert scaled(3.0, 2) == 12
    assert scaled(np.float32(3), -1) == np.float32(1.5)
    assert_array_equal(scaled(np.array([1.5], ">f4"), 1), [3.0])
    assert_array_equal(shifted(np.ones((2, 3)), np.arange(3)), [[1, 2, 4]] * 2)
    assert times_power(None, 3) is None

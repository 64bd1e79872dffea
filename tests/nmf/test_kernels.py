"""The kernels for beta divergences at every level of this machine against the NumPy twin."""

import numpy as np
import pytest
from nmf.cases import csr, make
from nmf.kernel_calls import (
    LAYOUTS,
    SHAPES,
    agree,
    as64,
    check_coordinate,
    check_multiplicative,
    coordinate,
    multiplicative,
)  # fmt: skip
from numpy.testing import assert_allclose

from gramfold._core import reference

BETAS = [-1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0]
FORMS = {"dense": np.asarray, "csr": lambda x: csr(x, np.int32)}


@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_multiplicative_is_its_twin_for_every_shape_and_loss(beside_twin, shape, beta):
    check_multiplicative(*beside_twin, shape, beta)


@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_multiplicative_is_its_twin_for_every_layout_and_loss(kernels, dtype, layout, beta):
    check_multiplicative(kernels, dtype, (193, 261, 5), beta, LAYOUTS[layout])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("beta", [1.0, 1.5, 2.0])
def test_multiplicative_on_csr_is_its_twin_for_every_shape(kernels, dtype, shape, beta):
    check_multiplicative(kernels, dtype, shape, beta, FORMS["csr"])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0, 3.0])
def test_multiplicative_takes_penalties_a_floor_and_several_sweeps(kernels, dtype, beta, form):
    for options in ({"l1": 0.5, "l2": 2.0}, {"floor": 0.3}, {"max_sweeps": 4}, {"max_sweeps": 0}):
        check_multiplicative(kernels, dtype, (100, 40, 6), beta, FORMS[form], growth=4.0, **options)


def test_multiplicative_rows_that_ended_are_counted_as_by_the_twin(beside_twin):
    for beta in (0.5, 1.0, 2.0):
        got, expected = check_multiplicative(
            *beside_twin, (193, 31, 5), beta, growth=50.0, max_sweeps=9, tol=0.01
        )
        assert got == expected
        assert 0 < got < 193


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("form", FORMS)
def test_kl_coordinate_is_its_twin_for_every_shape(kernels, dtype, shape, form):
    check_coordinate(kernels, dtype, shape, FORMS[form])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_kl_coordinate_is_its_twin_for_every_layout(kernels, dtype, layout):
    check_coordinate(kernels, dtype, (193, 61, 5), LAYOUTS[layout])


@pytest.mark.parametrize("k", [1, 5, 40])
def test_kl_coordinate_is_its_twin_for_short_and_long_rows(beside_twin, k):
    kernels, dtype = beside_twin
    rng = np.random.default_rng(0)
    x, f, start = make(70, 900, k, dtype, density=1.0)
    x *= rng.random((70, 900)) < np.linspace(0, 1, 70)[:, None] ** 3
    got, expected = (
        coordinate(module, csr(a, np.int32), *rest)
        for module, (a, *rest) in ((kernels, (x, f, start)), (reference, map(as64, (x, f, start))))
    )
    agree(got, expected, dtype, 64 * np.sqrt(f.size))


@pytest.mark.parametrize("options", [{"l1": 0.5}, {"l2": 2.0}, {"l1": 0.1, "l2": 1e-3}, {"max_sweeps": 0}])
def test_kl_coordinate_takes_penalties(beside_twin, options):
    check_coordinate(*beside_twin, (193, 31, 5), **options)


def test_kl_coordinate_rows_end_by_shrink_and_tol(beside_twin):
    for ends in ({"shrink": 0.1}, {"tol": 1e-3}):
        for max_sweeps in (3, 200):
            got, expected = check_coordinate(
                *beside_twin, (193, 31, 5), growth=16.0, max_sweeps=max_sweeps, **ends
            )
            assert got == expected
        assert got == 0


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("beta", [0.5, 1.0, 1.5])
def test_penalties_of_rows_in_units_are_those_of_the_twin(beside_twin, beta, form):
    kernels, dtype = beside_twin
    x, f, start = make(60, 23, 4, dtype)
    units, results = np.ldexp(1.0, np.arange(60) % 5 - 2), []
    for module, cast in ((kernels, dtype), (reference, float)):
        given = FORMS[form](x.astype(cast)), f.astype(cast), start.astype(cast)
        options = {"l2": 0.2, "l1": 0.3, "max_sweeps": 2, "units": units}
        unmeasured = {"sums": False, "loss_at_start": False, "measure_at_end": False}
        out = multiplicative(module, *given, beta, **options, **unmeasured)[0]
        second = coordinate(module, *given, **options, measure_start=False, measure_end=False)[0]
        results.append((out, second))
    for mine, theirs in zip(*results, strict=True):
        assert_allclose(mine, theirs, rtol=0, atol=400 * np.finfo(dtype).eps * theirs.max())

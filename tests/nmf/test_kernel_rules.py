"""What the kernels for beta divergences keep: rows alone, threads, zeros, units; and what they refuse."""

import numpy as np
import pytest
from nmf.cases import csr, make
from nmf.kernel_calls import COORDINATE, LAYOUTS, MULTIPLICATIVE, coordinate, multiplicative
from numpy.testing import assert_allclose, assert_array_equal


@pytest.mark.parametrize("l2", [0.0, 0.7])
def test_no_sweep_raises_the_kl_objective(kernels, dtype, l2):
    x, f, z = make(193, 31, 5, dtype, density=0.2)
    z[:, 0], z[::3] = 1e3, 1e-3
    total = f.sum(axis=0, dtype=float)
    previous = np.inf
    for _ in range(12):
        result = coordinate(kernels, x, f, z, l2=l2, max_sweeps=1)
        objective = result[2] + z.sum(axis=0, dtype=float) @ total + 0.5 * l2 * np.sum(z.astype(float) ** 2)
        assert objective <= previous * (1 + 8 * np.finfo(dtype).eps)
        z, previous = result[0], objective


def test_a_row_of_zeros_gets_zeros_and_dead_components_stay(kernels, dtype):
    x, f, start = make(60, 23, 5, dtype)
    f[:, 2] = 0
    for laid in (x, csr(x, np.int32)):
        out, *_ = coordinate(kernels, laid, f, start)
        assert_array_equal(out[30, [0, 1, 3, 4]], 0)
        assert_array_equal(out[:, 2], start[:, 2])
        assert np.isfinite(out).all()


def test_rows_that_start_at_zero_leave_it_by_coordinates(kernels, dtype):
    x, f, start = make(60, 23, 5, dtype)
    out, total, _, loss, _, residual, _ = coordinate(kernels, x, f, 0 * start, max_sweeps=60)
    warm = coordinate(kernels, x, f, start, max_sweeps=60)
    slope = f.sum(axis=0, dtype=float)
    assert_allclose(loss + total @ slope, warm[3] + warm[1] @ slope, rtol=1e-3)
    assert np.isfinite(out).all()
    assert np.isfinite(residual)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_matrix_of_zeros_gives_finite_results(kernels, dtype, layout):
    _, f, start = make(60, 23, 5, dtype)
    x = LAYOUTS[layout](np.zeros((60, 23), dtype))
    for beta in (0.5, 1.0, 1.5, 2.0, 3.0):
        for result in multiplicative(kernels, x, f, start, beta):
            assert np.isfinite(result).all()
    assert_array_equal(coordinate(kernels, x, f, start)[0], 0)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_rows_give_empty_factors_and_zero_sums(kernels, dtype, layout):
    _, f, start = make(1, 23, 5, dtype)
    x = LAYOUTS[layout](np.zeros((0, 23), dtype))
    for beta in (0.5, 1.0, 2.0):
        out, *rest = multiplicative(kernels, x, f, start[:0], beta)
        assert out.shape == (0, 5)
        for result in rest:
            assert_array_equal(result, 0)
    for result in coordinate(kernels, x, f, start[:0])[1:]:
        assert_array_equal(result, 0)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_kernels_have_the_same_bits_for_any_number_of_threads(compiled, dtype, layout):
    x, f, start = make(2500, 37, 5, dtype)
    x = LAYOUTS[layout](x)
    for run in (
        lambda n: multiplicative(compiled, x, f, start, 1.0, n_threads=n),
        lambda n: multiplicative(compiled, x, f, start, 1.5, n_threads=n),
        lambda n: multiplicative(compiled, x, f, start, 2.0, n_threads=n),
        lambda n: coordinate(compiled, x, f, start, n_threads=n),
    ):
        first = run(1)
        for n_threads in (2, 3, 7):
            for mine, theirs in zip(run(n_threads), first, strict=True):
                assert_array_equal(mine, theirs)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_row_alone_has_the_bits_it_has_among_others(compiled, dtype, layout):
    x, f, start = make(200, 300, 5, dtype)
    x[7], x[8, ::2] = 1, 3
    for run in (
        lambda x, z: multiplicative(compiled, x, f, z, 1.0, max_sweeps=3)[0],
        lambda x, z: multiplicative(compiled, x, f, z, 0.5, max_sweeps=3)[0],
        lambda x, z: coordinate(compiled, x, f, z, max_sweeps=3)[0],
    ):
        together = run(LAYOUTS[layout](x), start)
        for r in (0, 7, 8, 100, 199):
            alone = run(LAYOUTS[layout](x[r : r + 1].copy()), start[r : r + 1])
            assert_array_equal(alone[0], together[r])


@pytest.mark.parametrize("kernel", ["multiplicative", "kl_coordinate"])
def test_a_compiled_kernel_refuses_what_does_not_fit(compiled, dtype, kernel):
    other = np.float32 if dtype == np.float64 else np.float64
    x, f, start = make(6, 5, 3, dtype)
    read_only = np.empty_like(start)
    read_only.flags.writeable = False
    arguments = {"x": x, "f": f, "start": start, "out": np.empty_like(start)}
    if kernel == "multiplicative":
        arguments |= MULTIPLICATIVE
        arguments |= {"beta": 1.0, "num": np.empty_like(f), "den": np.empty_like(f), "scale": np.ones(3)}
        wrong = {
            "scale": [np.ones(2), np.ones((3, 1))],
            "num": [np.empty((5, 2), dtype), np.empty((5, 3), other)],
            "den": [np.empty((4, 3), dtype)],
        }
    else:
        arguments |= COORDINATE | {"slope": np.ones(3)}
        wrong = {"slope": [np.ones(2), np.ones((3, 1))]}
    wrong |= {
        "x": [x.astype(other), x[0], np.ones((6, 4), dtype), np.ones((5, 5), dtype)],
        "f": [f.astype(other), f[0], np.ones((4, 3), dtype), np.ones((5, 2), dtype)],
        "start": [start.astype(other), np.ones((5, 3), dtype), np.ones((6, 2), dtype)],
        "out": [start.astype(other), np.ones((5, 3), dtype), read_only],
        "n_threads": [0, -1],
    }
    getattr(compiled, kernel)(**arguments)
    for name, values in wrong.items():
        for value in values:
            with pytest.raises((ValueError, TypeError)):
                getattr(compiled, kernel)(**arguments | {name: value})


@pytest.mark.parametrize("layout", ["C", "F", "csr, 32-bit indices"])
@pytest.mark.parametrize("beta", [0.5, 1.0, 1.5, 3.0])
def test_rows_in_units_of_their_own_are_the_same_rows_divided(kernels, dtype, layout, beta):
    x, f, start = make(193, 61, 5, dtype)
    units = np.ldexp(1.0, np.arange(193) % 11 - 5)
    large, results = (x * units[:, None]).astype(dtype), []
    for rows, given in ((x, None), (large, units)):
        laid, options = LAYOUTS[layout](rows), {"max_sweeps": 3, "units": given}
        out, num, *_ = multiplicative(kernels, laid, f, start, beta, **options)
        results.append((out, num, coordinate(kernels, laid, f, start, **options)[0]))
    for mine, theirs in zip(*results, strict=True):
        assert_array_equal(mine, theirs)

"""The kernels for beta divergences at every level of this machine against the NumPy twin."""

import numpy as np
import pytest
from nmf.cases import csr, make
from numpy.testing import assert_allclose, assert_array_equal

from gramfold._core import reference

# Rows, columns, components: single ones; one past a block of the dense pass (48) and of CSR (192), one past a
# panel of columns (256); k around the widths of the vectors; several chunks; wide.
SHAPES = [
    (1, 1, 1), (1, 9, 3), (9, 1, 2), (49, 5, 1), (193, 31, 5), (50, 257, 8), (600, 40, 17), (7, 530, 16),
    (20, 6, 30),
]  # fmt: skip
LAYOUTS = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "backwards, every other column": lambda x: np.repeat(x, 2, axis=1)[::-1].copy()[::-1, ::2],
    "csr, 32-bit indices": lambda x: csr(x, np.int32),
    "csr, 64-bit indices": lambda x: csr(x, np.int64),
    "csr, unsorted, explicit zeros": lambda x: shuffled(x),
}
BETAS = [-1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0]


def shuffled(x):
    """Every entry stored, the zeros as well, in backward order."""
    rows, cols = x.shape
    indices = np.tile(np.arange(cols, dtype=np.int32)[::-1], rows)
    return x[:, ::-1].ravel().copy(), indices, np.arange(rows + 1, dtype=np.int32) * np.int32(cols), cols


def as64(a):
    return (a[0].astype(float), *a[1:]) if isinstance(a, tuple) else np.asarray(a, float)


def multiplicative(
    kernels, x, f, start, beta, *, l1=0.0, l2=0.0, floor=0.0, max_sweeps=1, tol=0.0, n_threads=2
):
    out, num, den = np.full_like(start, np.nan), np.full_like(f, np.nan), np.full_like(f, np.nan)
    scale = np.linspace(0.5, 1.5, f.shape[1])
    total, *scalars = kernels.multiplicative(
        x=x,
        f=f,
        beta=beta,
        start=start,
        out=out,
        num=num,
        den=den,
        l1=l1,
        l2=l2,
        floor=floor,
        scale=scale,
        max_sweeps=max_sweeps,
        tol=tol,
        loss_at_start=True,
        measure_at_end=True,
        n_threads=n_threads,
    )
    assert np.isnan(den).all() == (beta in (1, 2))
    return [out, num, np.nan_to_num(den), total, *map(np.asarray, scalars)]


def coordinate(kernels, x, f, start, *, l1=0.0, l2=0.0, max_sweeps=2, shrink=0.0, tol=0.0, n_threads=2):
    out = np.full_like(start, np.nan)
    slope = f.sum(axis=0, dtype=float) + l1
    total, *scalars = kernels.kl_coordinate(
        x=x,
        f=f,
        slope=slope,
        start=start,
        out=out,
        l2=l2,
        max_sweeps=max_sweeps,
        shrink=shrink,
        tol=tol,
        measure_start=True,
        measure_end=True,
        n_threads=n_threads,
    )
    return [out, total, *map(np.asarray, scalars)]


def agree(got, expected, dtype, growth):
    """Equal up to `growth` roundings of the largest entry; losses and residuals are sums of the same terms.

    The last result, rows still open, is left out: without limits rounding decides it.
    """
    eps = np.finfo(dtype).eps
    largest = max(abs(theirs) for theirs in expected[:-1] if theirs.ndim == 0)
    for mine, theirs in zip(got[:-1], expected[:-1], strict=True):
        assert mine.shape == theirs.shape
        scale = largest if theirs.ndim == 0 else np.abs(theirs).max(initial=0)
        assert_allclose(mine, theirs, rtol=0, atol=growth * eps * scale)


def check_multiplicative(kernels, dtype, x, f, start, beta, growth=1.0, **options):
    got = multiplicative(kernels, x, f, start, beta, **options)
    expected = multiplicative(reference, as64(x), as64(f), as64(start), beta, **options)
    # The loss sums terms that are larger than itself, and a power multiplies the rounding by its exponent.
    agree(got, expected, dtype, growth * 8 * (1 + abs(beta)) * np.sqrt(f.size))
    return got[-1], expected[-1]


def check_coordinate(kernels, dtype, x, f, start, growth=1.0, **options):
    got = coordinate(kernels, x, f, start, **options)
    expected = coordinate(reference, as64(x), as64(f), as64(start), **options)
    agree(got, expected, dtype, growth * 16 * np.sqrt(f.size))
    return got[-1], expected[-1]


@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_multiplicative_is_its_twin_for_every_shape_and_loss(kernels, dtype, shape, beta):
    x, f, start = make(*shape, dtype, positive=beta <= 0)
    check_multiplicative(kernels, dtype, x, f, start, beta)


@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_multiplicative_is_its_twin_for_every_layout_and_loss(kernels, dtype, layout, beta):
    x, f, start = make(193, 261, 5, dtype, positive=beta <= 0)
    check_multiplicative(kernels, dtype, LAYOUTS[layout](x), f, start, beta)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("beta", [1.0, 1.5, 2.0])
def test_multiplicative_on_csr_is_its_twin_for_every_shape(kernels, dtype, shape, beta):
    x, f, start = make(*shape, dtype)
    check_multiplicative(kernels, dtype, csr(x, np.int32), f, start, beta)


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0, 3.0])
def test_multiplicative_takes_penalties_a_floor_and_several_sweeps(kernels, dtype, beta, sparse):
    x, f, start = make(100, 40, 6, dtype)
    x = csr(x, np.int64) if sparse else x
    for options in ({"l1": 0.5, "l2": 2.0}, {"floor": 0.3}, {"max_sweeps": 4}, {"max_sweeps": 0}):
        check_multiplicative(kernels, dtype, x, f, start, beta, growth=4.0, **options)


def test_multiplicative_rows_that_ended_are_counted_as_by_the_twin(kernels, dtype):
    x, f, start = make(193, 31, 5, dtype)
    for beta in (0.5, 1.0, 2.0):
        got, expected = check_multiplicative(kernels, dtype, x, f, start, beta, 50.0, max_sweeps=9, tol=0.01)
        assert got == expected
        assert 0 < got < 193


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
def test_kl_coordinate_is_its_twin_for_every_shape(kernels, dtype, shape, sparse):
    x, f, start = make(*shape, dtype)
    check_coordinate(kernels, dtype, csr(x, np.int32) if sparse else x, f, start)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_kl_coordinate_is_its_twin_for_every_layout(kernels, dtype, layout):
    x, f, start = make(193, 61, 5, dtype)
    check_coordinate(kernels, dtype, LAYOUTS[layout](x), f, start)


@pytest.mark.parametrize("k", [1, 5, 40])
def test_kl_coordinate_is_its_twin_for_short_and_long_rows(kernels, dtype, k):
    rng = np.random.default_rng(0)
    x, f, start = make(70, 900, k, dtype, density=1.0)
    x *= rng.random((70, 900)) < np.linspace(0, 1, 70)[:, None] ** 3
    check_coordinate(kernels, dtype, csr(x, np.int32), f, start, growth=4.0)


@pytest.mark.parametrize("options", [{"l1": 0.5}, {"l2": 2.0}, {"l1": 0.1, "l2": 1e-3}, {"max_sweeps": 0}])
def test_kl_coordinate_takes_penalties(kernels, dtype, options):
    x, f, start = make(193, 31, 5, dtype)
    check_coordinate(kernels, dtype, x, f, start, **options)


def test_kl_coordinate_rows_end_by_shrink_and_tol(kernels, dtype):
    x, f, start = make(193, 31, 5, dtype)
    for ends in ({"shrink": 0.1}, {"tol": 1e-3}):
        for max_sweeps in (3, 200):
            got, expected = check_coordinate(kernels, dtype, x, f, start, 16.0, max_sweeps=max_sweeps, **ends)
            assert got == expected
        assert got == 0


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
def test_kernels_have_the_same_bits_for_any_number_of_threads(kernels, dtype, layout):
    x, f, start = make(2500, 37, 5, dtype)
    x = LAYOUTS[layout](x)
    for run in (
        lambda n: multiplicative(kernels, x, f, start, 1.0, n_threads=n),
        lambda n: multiplicative(kernels, x, f, start, 1.5, n_threads=n),
        lambda n: multiplicative(kernels, x, f, start, 2.0, n_threads=n),
        lambda n: coordinate(kernels, x, f, start, n_threads=n),
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
    arguments = {"x": x, "f": f, "start": start, "out": np.empty_like(start), "l2": 0.0, "max_sweeps": 1,
                 "tol": 0.0, "n_threads": 1}  # fmt: skip
    if kernel == "multiplicative":
        arguments |= {"beta": 1.0, "num": np.empty_like(f), "den": np.empty_like(f), "l1": 0.0, "floor": 0.0,
                      "scale": np.ones(3), "loss_at_start": False, "measure_at_end": False}  # fmt: skip
        wrong = {
            "scale": [np.ones(2), np.ones((3, 1))],
            "num": [np.empty((5, 2), dtype), np.empty((5, 3), other)],
            "den": [np.empty((4, 3), dtype)],
        }
    else:
        arguments |= {"slope": np.ones(3), "shrink": 0.0, "measure_start": False, "measure_end": False}
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
    large = (x * units[:, None]).astype(dtype)
    slope, scale = f.sum(axis=0, dtype=float), np.ones(5)
    results = []
    for rows, given in ((x, None), (large, units)):
        laid, out, second = LAYOUTS[layout](rows), np.empty_like(start), np.empty_like(start)
        num, den = np.empty_like(f), np.empty_like(f)
        kernels.multiplicative(
            x=laid,
            f=f,
            beta=beta,
            start=start,
            out=out,
            num=num,
            den=den,
            l1=0.0,
            l2=0.0,
            floor=0.0,
            scale=scale,
            max_sweeps=3,
            tol=0.0,
            loss_at_start=True,
            measure_at_end=True,
            n_threads=2,
            units=given,
        )
        kernels.kl_coordinate(
            x=laid,
            f=f,
            slope=slope,
            start=start,
            out=second,
            l2=0.0,
            max_sweeps=3,
            shrink=0.0,
            tol=0.0,
            measure_start=True,
            measure_end=True,
            n_threads=2,
            units=given,
        )
        results.append((out, second, num))
    for mine, theirs in zip(*results, strict=True):
        assert_array_equal(mine, theirs)


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize("beta", [0.5, 1.0, 1.5])
def test_penalties_of_rows_in_units_are_those_of_the_twin(kernels, dtype, beta, sparse):
    x, f, start = make(60, 23, 4, dtype)
    units = np.ldexp(1.0, np.arange(60) % 5 - 2)
    results = []
    for module, cast in ((kernels, dtype), (reference, float)):
        laid = csr(x.astype(cast), np.int32) if sparse else x.astype(cast)
        fc, z = f.astype(cast), start.astype(cast)
        out, second = np.empty_like(z), np.empty_like(z)
        module.multiplicative(
            x=laid,
            f=fc,
            beta=beta,
            start=z,
            out=out,
            num=None,
            den=None,
            l1=0.3,
            l2=0.2,
            floor=0.0,
            scale=np.ones(4),
            max_sweeps=2,
            tol=0.0,
            loss_at_start=False,
            measure_at_end=False,
            n_threads=2,
            units=units,
        )
        slope = fc.sum(axis=0, dtype=float) + 0.3
        module.kl_coordinate(
            x=laid,
            f=fc,
            slope=slope,
            start=z,
            out=second,
            l2=0.2,
            max_sweeps=2,
            shrink=0.0,
            tol=0.0,
            measure_start=False,
            measure_end=False,
            n_threads=2,
            units=units,
        )
        results.append((out, second))
    for mine, theirs in zip(*results, strict=True):
        assert_allclose(mine, theirs, rtol=0, atol=400 * np.finfo(dtype).eps * theirs.max())

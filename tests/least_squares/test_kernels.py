"""The HALS pass at every level of this machine against the NumPy twin, over shapes, layouts and types."""

import numpy as np
import pytest
from kernel_cases import LAYOUTS, SHAPES, TAILS, as64, close, csr, data, spread
from numpy.testing import assert_allclose, assert_array_equal

from gramfold._core import reference

METHODS = {
    "nonneg": {"nonneg": True, "l1": 0.0},
    "nonneg, l1": {"nonneg": True, "l1": 0.25},
    "signed, l1": {"nonneg": False, "l1": 0.25},
    "signed sweeps": {"nonneg": False, "l1": 0.0},
    "signed, direct": {"nonneg": False, "l1": 0.0, "direct": True},
}


def run_hals(
    kernels, x, f, *, p=None, start=None, previous=None, beta=0.0, with_sums=True, l1=0.0, nonneg=True,
    direct=False, max_sweeps=2, polish=0, shrink=0.0, tol=0.0, cross=False, n_threads=2,
):  # fmt: skip
    """One call with the outputs made for it; returns out, sums and the rest of the result."""
    rows = len(p) if p is not None else x.shape[0] if isinstance(x, np.ndarray) else len(x[2]) - 1
    laid = np.ascontiguousarray(f)  # NumPy's products depend on strides
    gram = laid.T.astype(np.float64) @ laid
    # An absolute cut, the same at both precisions: below it a direction of F is dependent on the others.
    inverse = np.linalg.pinv(gram, rcond=1e-9, hermitian=True) if direct else None
    out = np.full((rows, f.shape[1]), np.nan, f.dtype)
    sums = np.full(f.shape, np.nan, f.dtype) if with_sums and p is None else None
    result = kernels.hals(
        x=x,
        p=p,
        f=f,
        gram=gram,
        inverse=inverse,
        start=start,
        previous=previous,
        beta=beta,
        out=out,
        sums=sums,
        l1=l1,
        nonneg=nonneg,
        max_sweeps=max_sweeps,
        polish=polish,
        shrink=shrink,
        tol=tol,
        cross=cross,
        squares=True,
        n_threads=n_threads,
    )
    return out, sums, result


def check_hals(kernels, dtype, x, f, growth=1.0, plain=None, **options):
    """Against the twin in double, which is given the same rows, or as they are in `plain`."""
    arrays = {name: options.pop(name, None) for name in ("p", "start", "previous")}
    out, sums, result = run_hals(kernels, x, f, **arrays, **options)
    wide = {name: as64(a) for name, a in arrays.items()}
    given = as64(x if plain is None else plain)
    expected, expected_sums, reference_result = run_hals(reference, given, as64(f), **wide, **options)
    # Sums of `cols` and `rows` terms, then a triangular solve: growth of a few square roots.
    cols, k = f.shape
    growth *= np.sqrt(cols) + 2 * np.sqrt(k)
    close(out, expected, dtype, growth)
    if expected_sums is not None:
        close(sums, expected_sums, dtype, growth * np.sqrt(min(len(out), 256)))
    gram, cross, *scalars = result
    reference_gram, reference_cross, *reference_scalars = reference_result
    close(gram, reference_gram, dtype, growth)
    assert (cross is None) == (reference_cross is None)
    if cross is not None:
        close(cross, reference_cross, dtype, growth * np.sqrt(k))
    return out, scalars, reference_scalars, growth


def check_scalars(scalars, expected, dtype, growth):
    """Violation, step and objective; residual and rows still open only where rounding does not decide."""
    for mine, theirs in zip(scalars[:3], expected[:3], strict=True):
        close(mine, theirs, dtype, growth)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_hals_is_its_twin_for_every_shape_and_method(beside_twin, shape, method):
    kernels, dtype = beside_twin
    x, f, (start, _) = data(*shape, dtype)
    options = METHODS[method]
    _, got, expected, growth = check_hals(kernels, dtype, x, f, start=abs(start), **options)
    check_scalars(got, expected, dtype, growth)


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize("shape", TAILS, ids=str)
def test_hals_is_its_twin_for_every_tail_of_the_vectors(beside_twin, shape, sparse):
    kernels, dtype = beside_twin
    x, f, (start, _) = data(*shape, dtype)
    given = csr(x, np.int32) if sparse else x
    _, got, expected, growth = check_hals(kernels, dtype, given, f, plain=x, start=abs(start), l1=0.25)
    check_scalars(got, expected, dtype, growth)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (3, 300, 5), (193, 31, 5), (600, 70, 9), (193, 31, 1), (257, 18, 2)], ids=str
)
def test_hals_is_its_twin_for_every_layout(kernels, dtype, shape, layout):
    x, f, _ = data(*shape, dtype)
    check_hals(kernels, dtype, LAYOUTS[layout](x), f, plain=x)


@pytest.mark.parametrize("layout", ["C", "F", "backwards"])
@pytest.mark.parametrize("cols", [64, 256, 1024])
@pytest.mark.parametrize("k", [2, 6])
def test_hals_is_its_twin_for_columns_that_are_a_power_of_two(kernels, dtype, k, cols, layout):
    x, f, _ = data(200, cols, k, dtype)
    check_hals(kernels, dtype, LAYOUTS[layout](x), f, plain=x)


@pytest.mark.parametrize("cols", [5, 64, 1024])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_broadcast_row_or_column_is_read_as_its_copy(kernels, dtype, cols, axis):
    x, f, _ = data(300, cols, 6, dtype)
    given = np.broadcast_to(x[:1] if axis == 0 else x[:, :1], x.shape)
    plain, sums, _ = run_hals(kernels, given.copy(), f)
    found, found_sums, _ = run_hals(kernels, given, f)
    close(found, plain, dtype, np.sqrt(cols))
    close(found_sums, sums, dtype, 16)
    assert_allclose(kernels.scan(x=given, n_threads=2), kernels.scan(x=given.copy(), n_threads=2), rtol=1e-5)


def test_the_shared_factor_may_have_any_strides(compiled, dtype):
    x, f, _ = data(60, 23, 7, dtype)
    plain, _, _ = run_hals(compiled, x, f)
    for laid in (np.asfortranarray(f), spread(f, 2, 3), np.ascontiguousarray(f[::-1])[::-1]):
        assert_array_equal(run_hals(compiled, x, laid)[0], plain)


@pytest.mark.parametrize("method", METHODS)
def test_known_products_stand_for_x(beside_twin, method):
    kernels, dtype = beside_twin
    x, f, (start, previous) = data(193, 31, 5, dtype)
    moved = {"start": abs(start), "previous": abs(previous), "beta": 0.5, "cross": True}
    _, got, expected, growth = check_hals(kernels, dtype, None, f, p=x @ f, **moved, **METHODS[method])
    check_scalars(got, expected, dtype, growth)


@pytest.mark.parametrize("nonneg", [True, False])
@pytest.mark.parametrize("moved", ["from zero", "from start", "moved on"])
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize("k", [1, 2, 6])
def test_rows_start_at_zero_at_start_or_moved_on(beside_twin, k, nonneg, moved, sparse):
    kernels, dtype = beside_twin
    x, f, (start, previous) = data(257, 19, k, dtype)
    given = csr(x, np.int64) if sparse else x
    options = {
        "from zero": {},
        "from start": {"start": abs(start), "cross": True},
        "moved on": {"start": abs(start), "previous": abs(previous), "beta": 0.75, "cross": True},
    }[moved]
    for max_sweeps in (0, 1):
        _, got, expected, growth = check_hals(
            kernels, dtype, given, f, plain=x, nonneg=nonneg, max_sweeps=max_sweeps, **options
        )
        check_scalars(got, expected, dtype, growth)


@pytest.mark.parametrize("ends", [{"shrink": 0.25}, {"tol": 1e-3}, {"shrink": 0.1, "tol": 0.01}])
@pytest.mark.parametrize("method", [m for m in METHODS if m != "signed, direct"])
def test_rows_end_by_shrink_and_tol_as_the_twins_do(beside_twin, ends, method):
    kernels, dtype = beside_twin
    x, f, _ = data(193, 31, 5, dtype)
    for max_sweeps in (1, 3, 50):
        _, got, expected, growth = check_hals(
            kernels, dtype, x, f, max_sweeps=max_sweeps, **ends, **METHODS[method]
        )
        check_scalars(got, expected, dtype, growth)
        assert got[4] == expected[4]
    assert got[4] == 0


@pytest.mark.parametrize("method", [m for m in METHODS if m != "signed, direct"])
@pytest.mark.parametrize("shape", [(49, 5, 1), (193, 31, 5), (193, 31, 2), (50, 40, 17), (20, 6, 9)], ids=str)
def test_polished_rows_are_the_minimisers_of_their_face(beside_twin, shape, method):
    kernels, dtype = beside_twin
    x, f, _ = data(*shape, dtype)
    ends = {"max_sweeps": 60, "polish": 3, "tol": 1e-10 if dtype == np.float64 else 1e-5}
    # Ill-conditioned where k nears the columns: the minimiser moves by that much more than the data.
    growth = np.linalg.cond(f) ** 2 if shape[2] < shape[1] else 1e3
    out, sums, result = run_hals(kernels, x, f, **ends, **METHODS[method])
    exact, _, twin = run_hals(reference, as64(x), as64(f), **ends | {"tol": 1e-10}, **METHODS[method])
    if shape[2] < shape[1]:
        close(out, exact, dtype, growth)
    close(result[4], twin[4], dtype, growth)
    close(sums, as64(x).T @ as64(out), dtype, np.sqrt(len(x)))


@pytest.mark.parametrize("l1", [0.0, 0.7])
@pytest.mark.parametrize("shape", [(1, 5, 1), (193, 31, 5), (400, 80, 33), (50, 12, 12), (30, 6, 9)], ids=str)
def test_rows_that_start_from_their_dual_reach_the_minimum(kernels, dtype, shape, l1):
    x, f, _ = data(*shape, dtype)
    f[:, -1] *= shape[2] != 33  # a component without curvature as well
    ends = {"max_sweeps": 500, "polish": 4, "tol": 1e-10 if dtype == np.float64 else 1e-5}
    out, _, result = run_hals(kernels, x, f, direct=True, l1=l1, **ends)
    # Karush, Kuhn, Tucker: z >= 0, g >= 0, zg = 0 for the gradient g, by the size of its terms.
    z, p = as64(out), as64(x) @ as64(f) - l1
    gradient = z @ (as64(f).T @ as64(f)) - p
    size = (np.abs(as64(x)) @ np.abs(as64(f)) + l1).max()
    assert out.min() >= 0
    assert gradient.min() >= -(1e-9 if dtype == np.float64 else 3e-5) * size
    assert np.abs(z * gradient).max() <= (1e-9 if dtype == np.float64 else 3e-5) * size * max(1, z.max())
    assert result[6] == 0


def test_the_residual_is_what_single_steps_could_still_make(beside_twin):
    kernels, dtype = beside_twin
    x, f, (start, _) = data(193, 31, 5, dtype)
    for method in ("nonneg", "nonneg, l1", "signed, l1", "signed sweeps"):
        _, got, expected, growth = check_hals(
            kernels, dtype, x, f, start=abs(start), max_sweeps=0, **METHODS[method]
        )
        close(got[3], expected[3], dtype, growth)


def test_a_zero_component_is_left_as_it_is(kernels, dtype):
    x, f, (start, _) = data(60, 23, 5, dtype)
    f[:, 2] = 0
    out, sums, result = run_hals(kernels, x, f, start=abs(start), max_sweeps=5)
    assert_array_equal(out[:, 2], abs(start)[:, 2])
    assert np.isfinite(out).all()
    assert np.isfinite(sums).all()
    assert np.isfinite(result[2:]).all()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_matrix_of_zeros_gives_zeros(kernels, dtype, layout):
    _, f, _ = data(60, 23, 5, dtype)
    out, sums, (gram, _, *scalars) = run_hals(kernels, LAYOUTS[layout](np.zeros((60, 23), dtype)), f)
    for part in (out, sums, gram):
        assert_array_equal(part, 0)
    assert scalars == [0, 0, 0, 0, 0]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_rows_give_empty_factors_and_zero_sums(kernels, dtype, layout):
    _, f, _ = data(1, 23, 5, dtype)
    out, sums, (gram, _, *scalars) = run_hals(kernels, LAYOUTS[layout](np.zeros((0, 23), dtype)), f)
    assert out.shape == (0, 5)
    assert_array_equal(sums, 0)
    assert_array_equal(gram, 0)
    assert scalars == [0, 0, 0, 0, 0]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_hals_has_the_same_bits_for_any_number_of_threads(compiled, dtype, layout):
    x, f, (start, _) = data(3000, 37, 5, dtype)
    laid = LAYOUTS[layout](x)
    first = run_hals(compiled, laid, f, start=start, cross=True, n_threads=1)
    for n_threads in (2, 3, 7):
        other = run_hals(compiled, laid, f, start=start, cross=True, n_threads=n_threads)
        assert_array_equal(other[0], first[0])
        assert_array_equal(other[1], first[1])
        assert_array_equal(other[2][0], first[2][0])
        assert_array_equal(other[2][1], first[2][1])
        assert other[2][2:] == first[2][2:]

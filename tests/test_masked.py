"""Unobserved entries and weights: kernel against twin, the fit against what is known, the checks."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import non_negative_factorization

from gramfold._core import reference
from gramfold.alternate import Alternating
from gramfold.fold import Penalty, Source, Sweeps
from gramfold.masked import MaskedAlternating, MaskedFrobenius, solve_rows, solve_to_convergence
from gramfold.monitor import Monitor
from gramfold.observed import observe

# rows, columns, components: single ones; one past a group of rows (24), a block and a chunk (48);
# columns past a piece (1024); k below, at and above vector widths, and above both sides.
SHAPES = [
    (1, 1, 1), (1, 9, 3), (9, 1, 2), (25, 40, 5), (49, 33, 8), (97, 61, 17), (5, 1030, 16),
    (3, 2100, 33), (20, 6, 30),
]  # fmt: skip
LAYOUTS = {
    "C": np.ascontiguousarray,
    "transposed": np.asfortranarray,
    "every other row and third column": lambda a: spread(a, 2, 3),
    "backwards": lambda a: np.ascontiguousarray(a[::-1, ::-1])[::-1, ::-1],
}
METHODS = {
    "nonneg": {"nonneg": True},
    "nonneg, penalties": {"nonneg": True, "l1": 0.25, "l2": 0.5},
    "signed, l1": {"nonneg": False, "l1": 0.25},
    "signed, l2": {"nonneg": False, "l2": 0.5},
}
FREE = Penalty()


def spread(a, down, across):
    wide = np.full((a.shape[0] * down, a.shape[1] * across), np.nan, a.dtype)
    wide[::down, ::across] = a
    return wide[::down, ::across]


def data(rows, cols, k, dtype, missing=0.3, seed=0):
    """X with a row and a column of NaN, a signed F, a start."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, cols))
    x[rng.random(x.shape) < missing] = np.nan
    if rows > 2 and cols > 2:
        x[rows // 2], x[:, cols // 2] = np.nan, np.nan
    f, start = rng.standard_normal((cols, k)), np.abs(rng.standard_normal((rows, k)))
    return x.astype(dtype), f.astype(dtype), start.astype(dtype)


def random_weights(shape, dtype, zeros=0.2, seed=1):
    rng = np.random.default_rng(seed)
    return (rng.random(shape) * (rng.random(shape) >= zeros)).astype(dtype)


def run(
    kernels, x, weights, f, start=None, *, l1=0.0, l2=0.0, nonneg=True, max_sweeps=2, polish=0,
    shrink=0.0, tol=0.0, n_threads=2,
):  # fmt: skip
    """One call; returns the rows and the six numbers."""
    out = np.full((len(x), f.shape[1]), np.nan, f.dtype)
    numbers = kernels.masked_hals(
        x, weights, f, start, out, l1, l2, nonneg, max_sweeps, polish, shrink, tol, n_threads
    )
    return out, np.array(numbers)


def check(kernels, x, weights, f, start, growth=1.0, **options):
    """Equal to the twin in float64 up to roundings of the largest entry and number; returns both.

    How many are open is not compared: without shrink and tol that is whether a step is 0 exactly.
    """
    wide = [None if a is None else a.astype(np.float64) for a in (x, weights, f, start)]
    expected, numbers = run(reference, *wide, **options)
    actual, actual_numbers = run(kernels, x, weights, f, start, **options)
    eps = np.finfo(f.dtype).eps * growth
    assert_allclose(actual, expected, rtol=0, atol=32 * eps * max(1, np.abs(expected).max(initial=0)))
    compared = [0, 1, 2, 3, 5]
    assert_allclose(
        actual_numbers[compared], numbers[compared], rtol=0, atol=64 * eps * numbers[compared].max()
    )
    return actual, actual_numbers[4], numbers[4]


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_kernel_agrees_with_the_twin_on_every_shape(compiled, dtype, shape, method, weighted):
    x, f, start = data(*shape, dtype)
    weights = random_weights(x.shape, dtype) if weighted else None
    # Signed rows of few observed entries have an ill-conditioned Gram: l2 is 1/2 beside cols.
    check(compiled, x, weights, f, start, growth=shape[2], **METHODS[method])


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout_of_x_and_weights_changes_no_bit(compiled, dtype, layout, weighted):
    x, f, start = data(53, 1030, 9, dtype)
    weights = random_weights(x.shape, dtype) if weighted else None
    plain, numbers = run(compiled, x, weights, f, start)
    there = LAYOUTS[layout]
    again, numbers_again = run(
        compiled, there(x), there(weights) if weighted else None, np.asfortranarray(f), start
    )
    assert_array_equal(plain, again)
    assert_array_equal(numbers, numbers_again)


@pytest.mark.parametrize("missing", [0.0, 0.01, 0.5, 0.9, 1.0])
def test_kernel_agrees_with_the_twin_at_every_share_of_missing_entries(compiled, dtype, missing):
    x, f, start = data(30, 1100, 12, dtype, missing)
    check(compiled, x, None, f, start, growth=12)


@pytest.mark.parametrize("max_sweeps", [0, 1, 7])
def test_zero_sweeps_only_judge_the_start_and_more_go_on(compiled, dtype, max_sweeps):
    x, f, start = data(40, 70, 6, dtype)
    out, *_ = check(compiled, x, None, f, start, growth=6, max_sweeps=max_sweeps)
    assert np.array_equal(out, start) == (max_sweeps == 0)


def test_rows_end_by_shrink_and_by_tol_as_in_the_twin(compiled):
    x, f, start = data(60, 80, 6, np.float64)
    for rule in ({"shrink": 0.03}, {"tol": 0.1}):
        _, still_open, expected = check(compiled, x, None, f, start, growth=6, max_sweeps=3, **rule)
        assert still_open == expected
        assert 0 < expected < len(x)


def test_component_seen_only_in_missing_columns_has_curvature_zero_exactly(compiled, dtype):
    """Its Gram entry is a difference of equal sums unless summed anew; it is left at its start."""
    x, f, start = data(30, 200, 4, dtype, missing=0.05)
    f[:, 2] = 0
    f[:3, 2] = 1e3
    x[:, :3] = np.nan
    out, _ = run(compiled, x, None, f, start)
    seen = ~np.isnan(x).all(axis=1)
    assert_array_equal(out[seen, 2], start[seen, 2])


def test_row_with_nothing_observed_is_zero(kernels, dtype):
    x, f, start = data(9, 12, 3, dtype)
    for method in METHODS.values():
        out, _ = run(kernels, x, None, f, start, **method)
        assert_array_equal(out[4], 0)


def test_signed_rows_without_l1_are_least_squares_over_what_is_observed(kernels, dtype):
    x, f, _ = data(30, 50, 6, dtype)
    weights = random_weights(x.shape, dtype)
    out, _ = run(kernels, x, weights, f, nonneg=False)
    for row, z, w in zip(x, out, weights, strict=True):
        root = np.sqrt(np.where(np.isnan(row), 0, w).astype(np.float64))
        best = np.linalg.lstsq(root[:, None] * f, root * np.nan_to_num(row), rcond=None)[0]
        assert_allclose(z, best, rtol=0, atol=200 * np.finfo(dtype).eps * max(1, np.abs(best).max()))


def test_fewer_observed_entries_than_components_are_fitted_by_the_least_norm(kernels):
    rng = np.random.default_rng(0)
    x, f = np.full((4, 20), np.nan), rng.standard_normal((20, 8))
    for row, n in zip(x, (1, 2, 5, 7), strict=True):
        row[:n] = rng.standard_normal(n)
    out, _ = run(kernels, x, None, f, nonneg=False)
    for row, z in zip(x, out, strict=True):
        seen = ~np.isnan(row)
        assert_allclose(z, np.linalg.pinv(f[seen]) @ row[seen], rtol=0, atol=1e-6)
        assert_allclose(f[seen] @ z, row[seen], rtol=0, atol=1e-10)


@pytest.mark.parametrize("method", ["nonneg", "nonneg, penalties", "signed, l1"])
def test_steps_on_the_face_are_those_of_the_twin(compiled, dtype, method):
    x, f, start = data(60, 80, 7, dtype)
    check(compiled, x, None, f, start, growth=49, max_sweeps=4, polish=2, **METHODS[method])


def test_rows_with_hardly_more_observed_than_components_end_on_their_face(kernels, dtype):
    """Without steps on the face most of these would take thousands of sweeps."""
    rng = np.random.default_rng(0)
    f = rng.gamma(0.5, size=(150, 16))
    x = rng.gamma(0.3, size=(40, 16)) @ f.T + 0.05 * rng.random((40, 150))
    x[rng.random(x.shape) < 0.9] = np.nan
    x, f = x.astype(dtype), f.astype(dtype)
    tol = 1e-10 if dtype == np.float64 else 1e-5
    _, (_, _, _, residual, still_open, _) = run(kernels, x, None, f, max_sweeps=200, polish=8, tol=tol)
    assert still_open == 0
    assert np.sqrt(residual) <= 10 * tol * np.sqrt(np.nansum(x.astype(np.float64) ** 2))


@pytest.mark.parametrize("n_threads", [2, 3, 7])
def test_bits_do_not_depend_on_the_number_of_threads(compiled, dtype, n_threads):
    x, f, start = data(1000, 40, 5, dtype)
    for weights in (None, random_weights(x.shape, dtype)):
        one, one_numbers = run(compiled, x, weights, f, start, n_threads=1)
        out, numbers = run(compiled, x, weights, f, start, n_threads=n_threads)
        assert_array_equal(one, out)
        assert_array_equal(one_numbers, numbers)


@pytest.mark.parametrize("garbage", [0.0, 1e30, np.inf, np.nan])
def test_what_x_holds_where_it_is_hidden_never_matters(compiled, dtype, garbage):
    x, f, start = data(30, 60, 4, dtype, missing=0.0)
    weights = random_weights(x.shape, dtype)
    other = np.where(weights > 0, x, dtype(garbage))
    assert_array_equal(run(compiled, x, weights, f, start)[0], run(compiled, other, weights, f, start)[0])
    masked, other = observe(x, weights > 0), observe(other, weights > 0)
    for a, b in ((masked.x, other.x), (masked.x.T, other.x.T)):
        factor = f if a.shape[1] == len(f) else start
        one, two = (run(compiled, each, None, factor) for each in (a, b))
        assert_array_equal(one[0], two[0])
        assert_array_equal(one[1], two[1])


def test_weight_two_equals_the_entry_twice(kernels, dtype):
    x, f, start = data(20, 30, 4, dtype)
    weights = np.random.default_rng(2).integers(0, 3, x.shape).astype(dtype)
    twice = np.concatenate([np.where(weights >= n, x, np.nan) for n in (1, 2)], axis=1).astype(dtype)
    a = run(kernels, x, weights, f, start, l2=0.5)[0]
    b = run(kernels, twice, None, np.concatenate([f, f]), start, l2=0.5)[0]
    assert_allclose(a, b, rtol=0, atol=64 * np.finfo(dtype).eps * np.abs(b).max())


# The fit


def problem(n=60, m=45, k=4, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.random((n, m)).astype(dtype)
    scale = np.sqrt(X.mean() / k)
    W, H = (scale * np.abs(rng.standard_normal((rows, k))).astype(dtype) for rows in (n, m))
    return X, W, H


def fit(
    x, W, H, penalty_W=FREE, penalty_H=FREE, *, n_iter=20, tol=0.0, max_sweeps=None, extrapolate=True,
    shuffle=None,
):  # fmt: skip
    """Returns W, H as rows, the iterations, whether converged, the history and the solver."""
    solver = MaskedAlternating(
        x, W, H, penalty_W, penalty_H, max_sweeps=max_sweeps, extrapolate=extrapolate, shuffle=shuffle
    )
    monitor = Monitor(n_iter, 0, None, None)
    return *solver.run(monitor, tol), monitor.history, solver


def objective(X, weights, W, H, penalty_W=FREE, penalty_H=FREE):
    w = np.where(np.isnan(X), 0, 1 if weights is None else weights)
    squares = 0.5 * np.sum(w * (np.where(w > 0, X, 0) - W @ H.T) ** 2)
    return squares + penalty_W(W) + penalty_H(H)


@pytest.mark.parametrize("shape", [(60, 45), (45, 60)], ids=["tall", "wide"])
@pytest.mark.parametrize("shuffle", [False, True], ids=["in order", "shuffled"])
def test_with_everything_observed_the_iterates_are_those_of_scikit_learn(shape, shuffle):
    X, W, H = problem(*shape)
    alpha, ratio = 0.01, 0.3
    l1, l2 = alpha * ratio, alpha * (1 - ratio)
    n, m = shape
    with pytest.warns(match="Maximum number of iterations"):
        W_sk, H_sk, _ = non_negative_factorization(
            X, W.copy(), np.ascontiguousarray(H.T), n_components=4, init="custom", max_iter=20,
            tol=1e-300, alpha_W=alpha, l1_ratio=ratio, shuffle=shuffle, random_state=5,
        )  # fmt: skip
    W_ours, H_ours, *_ = fit(
        observe(X), W, H, Penalty(m * l1, m * l2), Penalty(n * l1, n * l2), max_sweeps=1,
        extrapolate=False, shuffle=np.random.RandomState(5) if shuffle else None,
    )  # fmt: skip
    assert_allclose(W_ours, W_sk, rtol=0, atol=1e-10)
    assert_allclose(H_ours, H_sk.T, rtol=0, atol=1e-10)


def test_with_everything_observed_the_iterates_are_those_of_alternating():
    X, W, H = problem()
    plain = {"max_sweeps": 1, "extrapolate": False, "shuffle": None}
    W_whole, H_whole, *_ = Alternating(Source(X, 1), W, H, FREE, FREE, **plain).run(
        Monitor(20, 0, None, None), 0.0
    )
    W_ours, H_ours, *_ = fit(observe(X), W, H, max_sweeps=1, extrapolate=False)
    assert_allclose(W_ours, W_whole, rtol=0, atol=1e-10)
    assert_allclose(H_ours, H_whole, rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("dtype", "tol"), [(np.float64, 1e-12), (np.float32, 2e-5)], ids=["float64", "float32"]
)
def test_hidden_forty_percent_of_a_planted_matrix_are_completed(dtype, tol):
    rng = np.random.default_rng(0)
    k = 5
    W, H = (rng.random((n, k)) * (rng.random((n, k)) < 0.6) for n in (200, 150))
    X = W @ H.T
    hidden = rng.random(X.shape) < 0.4
    x = observe(np.where(hidden, np.nan, X).astype(dtype), n_threads=2)
    start = [np.abs(rng.standard_normal((n, k))).astype(dtype) * 0.3 for n in X.shape]
    W, H, *_ = fit(x, *start, n_iter=200)
    assert np.linalg.norm((X - W @ H.T)[hidden]) <= tol * np.linalg.norm(X[hidden])


@st.composite
def fits(draw):
    """Shape, rank, share missing, weighted, penalties, signs, sweeps, extrapolation, seed."""
    share = draw(st.sampled_from([0.0, 0.1, 0.5, 0.9]))
    penalties = [
        Penalty(draw(st.sampled_from([0.0, 0.1])), draw(st.sampled_from([0.0, 0.3])), draw(st.booleans()))
        for _ in "WH"
    ]
    shape = draw(st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(1, 6)))
    return shape, share, draw(st.booleans()), penalties, draw(st.integers(1, 5)), draw(st.integers(0, 99))


@given(fits(), st.booleans())
def test_objective_never_rises_and_is_what_it_says(settings, extrapolate):
    (n, m, k), share, weighted, (penalty_W, penalty_H), max_sweeps, seed = settings
    X, W, H = problem(n, m, k, seed=seed)
    rng = np.random.default_rng(seed)
    X[rng.random(X.shape) < share] = np.nan
    X[0, 0] = 1.0
    weights = rng.random(X.shape) + 0.1 if weighted else None
    x = observe(X, weights)
    W_end, H_end, _, _, history, solver = fit(
        x, W, H, penalty_W, penalty_H, n_iter=15, max_sweeps=max_sweeps, extrapolate=extrapolate
    )
    noise = 1e-12 * objective(X, weights, W, H, penalty_W, penalty_H)
    assert np.all(np.diff(history["objective"]) <= noise)
    end = objective(X, weights, W_end, H_end, penalty_W, penalty_H)
    assert end <= history["objective"][-1] + noise
    judged = solve_rows(x, H_end, penalty_W, Sweeps(0), start=W_end)
    assert_allclose(judged.objective + penalty_H(H_end), end, rtol=1e-10, atol=noise)
    assert np.isfinite(solver.kkt())
    assert np.isfinite(W_end).all()
    assert np.isfinite(H_end).all()


@pytest.mark.parametrize("extrapolate", [False, True])
def test_kkt_residual_goes_to_zero_and_is_that_of_the_pair(extrapolate):
    X, W, H = problem(k=3)
    X[np.random.default_rng(3).random(X.shape) < 0.2] = np.nan
    *_, history, solver = fit(observe(X), W, H, n_iter=800, extrapolate=extrapolate)
    assert history["kkt"][-1] < 1e-6
    assert solver.kkt() < 1e-6


def test_extrapolation_saves_iterations():
    X, W, H = problem(120, 90, 8)
    X[np.random.default_rng(3).random(X.shape) < 0.2] = np.nan
    plain, fast = (fit(observe(X), W, H, n_iter=60, extrapolate=e)[4]["objective"] for e in (False, True))
    assert fast[-1] < plain[-1]


def test_convex_half_is_solved_to_optimality_and_row_by_row():
    X, _, H = problem()
    X[np.random.default_rng(3).random(X.shape) < 0.3] = np.nan
    x = observe(X)
    whole = solve_to_convergence(x, H, Penalty(0.1, 0.2))
    assert np.sqrt(whole.residual / x.squared_norm) < 1e-9
    for i in (0, 31):
        alone = solve_to_convergence(observe(X[i : i + 1]), H, Penalty(0.1, 0.2))
        assert_array_equal(alone.factor[0], whole.factor[i])


def test_rows_that_do_not_converge_are_warned_of(monkeypatch):
    X, _, H = problem()
    monkeypatch.setattr("gramfold.masked.MOST_SWEEPS", 1)
    with pytest.warns(match="rows did not converge in 1 sweeps"):
        solve_to_convergence(observe(X), H, FREE)


def test_finish_gives_the_weighted_error_over_what_is_observed():
    X, _, H = problem()
    X[3, 4] = np.nan
    weights = np.random.default_rng(3).random(X.shape)
    penalty = Penalty(0.1, 0.2)
    loss = MaskedFrobenius(observe(X, weights), penalty, FREE)
    W, error, kkt = loss.finish(H)
    assert_array_equal(W, loss.encode(H))
    assert_allclose(0.5 * error**2, objective(X, weights, W, H), rtol=1e-12)
    assert 0 < kkt < 1


# The checks


def test_mask_weights_and_masked_arrays_say_the_same():
    X = np.arange(12.0).reshape(3, 4)
    seen = np.random.default_rng(0).random(X.shape) < 0.6
    there = [
        observe(X, seen),
        observe(X, seen.astype(int)),
        observe(np.ma.array(X, mask=~seen)),
        observe(np.where(seen, X, np.nan)),
    ]
    for each in there:
        assert each.weights is None
        assert_array_equal(each.x, np.where(seen, X, np.nan))
    both = observe(np.ma.array(X, mask=~seen), np.full(X.shape, 2.5))
    assert_array_equal(both.seen, seen)
    assert_array_equal(X, np.arange(12.0).reshape(3, 4))


def test_nothing_is_copied_where_nothing_is_hidden():
    X = np.ones((3, 4), np.float32)
    assert observe(X, np.ones(X.shape, bool)).x is X
    weighted = observe(X, np.full(X.shape, 0.5, np.float32))
    assert weighted.x is X
    assert np.shares_memory(weighted.transposed.weights, weighted.weights)


def test_numbers_for_a_start_are_over_what_is_observed():
    X = np.array([[1.0, np.nan, 5.0], [3.0, np.nan, -8.0]])
    weights = np.array([[1.0, 1.0, 2.0], [1.0, 1.0, 0.0]])
    x = observe(X, weights)
    assert (x.mean, x.least, x.squared_norm) == (3.5, 1.0, 60.0)
    assert_array_equal(x.filled, [[1.0, 3.5, 5.0], [3.0, 3.5, 5.0]])
    plain = observe(X)
    assert (plain.mean, plain.least, plain.squared_norm) == (0.25, -8.0, 99.0)
    assert_array_equal(plain.filled, [[1.0, 0.25, 5.0], [3.0, 0.25, -8.0]])


@pytest.mark.parametrize(
    ("X", "mask", "message"),
    [
        (np.ones((2, 3)), np.ones((3, 2)), r"mask must have the shape of X, \(2, 3\), got \(3, 2\)"),
        (np.ones((2, 3)), np.full((2, 3), -0.5), "negative weights, the least is -0.5"),
        (np.ones((2, 3)), np.full((2, 3), np.nan), "weights that are not finite"),
        (np.ones((2, 3)), np.full((2, 3), np.inf), "weights that are not finite"),
        (np.ones((2, 3)), np.full((2, 3), "a"), "mask must be boolean or weights"),
        (np.full((2, 3), np.inf), None, "X contains infinity"),
        (np.full((2, 3), np.nan), None, "X has no observed entry"),
        (np.ones((2, 3)), np.zeros((2, 3)), "X has no observed entry"),
        (np.ones(3), None, "X must have two dimensions, got 1"),
    ],
)
def test_bad_input_is_refused_by_name(X, mask, message):
    with pytest.raises(ValueError, match=message):
        observe(X, mask)


@pytest.mark.parametrize("name", ["X", "mask"])
def test_sparse_input_is_refused_by_name(name):
    arguments = {"X": np.ones((2, 3)), "mask": np.ones((2, 3))}
    arguments[name] = sp.csr_array(arguments[name])
    with pytest.raises(TypeError, match=f"mask= need dense arrays, but {name} is sparse"):
        observe(**arguments)

"""The kernels of the mixtures at every level of this machine against the NumPy twin."""

import numpy as np
import pytest
import scipy.sparse as sp
from kernel_cases import by_name
from numpy.testing import assert_allclose, assert_array_equal

from gramfold._core import reference

# Rows, columns, components: single ones; one past a strip of rows (48 or 96), one past a block (192); columns
# and k around the widths of the vectors; several chunks.
SHAPES = [
    (1, 1, 1), (1, 9, 3), (9, 1, 2), (49, 5, 1), (97, 4, 3), (193, 31, 5), (50, 33, 8), (1100, 7, 17),
    (20, 6, 30),
]  # fmt: skip
EPS = np.finfo(float).eps
KINDS = ["full", "tied", "diag", "spherical"]
LAYOUTS = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "backwards, every other column": lambda x: np.repeat(x, 2, axis=1)[::-1].copy()[::-1, ::2],
}
SPARSE = {
    "csr, 32-bit indices": lambda x: csr(x, np.int32),
    "csr, 64-bit indices": lambda x: csr(x, np.int64),
    "csr, every zero stored": lambda x: csr(x, np.int32, stored=True),
}


def csr(x, index, stored=False):
    if stored:
        rows, cols = x.shape
        return (
            x.ravel(),
            np.tile(np.arange(cols, dtype=index), rows),
            np.arange(rows + 1, dtype=index) * cols,
            cols,
        )
    s = sp.csr_array(x)
    return s.data, s.indices.astype(index), s.indptr.astype(index), x.shape[1]


def counts(n, d, k, dtype, seed=0):
    """Counts with a row and a column of zeros, log rates with a rate of 0, the rest of the arguments."""
    rng = np.random.default_rng(seed)
    rates = rng.gamma(2.0, 1.0, (k, d))
    x = rng.poisson(rates[rng.integers(k, size=n)]).astype(dtype)
    x[n // 2], x[:, d // 2] = 0, 0
    f = np.log(rates.T)
    f[d // 2, -1] = -1e200
    shares = rng.dirichlet(np.ones(k))
    return x, f, np.log(shares), rates.sum(axis=1), 0.5 + rng.random(n), rng.integers(0, 3, n).astype(float)


def poisson(kernels, x, f, bias, slope, exposure=None, weights=None, given=None, n_threads=2):
    n = len(x[2]) - 1 if isinstance(x, tuple) else len(x)
    k = f.shape[1]
    sums, resp = np.full(f.shape, np.nan), np.full((n, k), np.nan)
    score, labels = np.full(n, np.nan), np.full(n, -1)
    found = kernels.poisson_mixture(
        x=x,
        f=f,
        bias=bias,
        slope=slope,
        exposure=exposure,
        weights=weights,
        given=given,
        sums=sums,
        resp=resp,
        score=score,
        labels=labels,
        n_threads=n_threads,
    )
    return [*found, sums, resp, score, labels]


def points(n, d, k, kind, dtype, seed=0):
    """Points, and the arguments of the kernel from shift to about."""
    rng = np.random.default_rng(seed)
    centers = 2 * rng.normal(size=(k, d))
    x = (centers[rng.integers(k, size=n)] + rng.normal(size=(n, d)) + 5).astype(dtype)
    factor = {
        "full": np.eye(d) + 0.2 * np.triu(rng.normal(size=(k, d, d))),
        "tied": np.eye(d) + 0.2 * np.triu(rng.normal(size=(d, d))),
        "diag": 0.5 + rng.random((k, d)),
        "spherical": 0.5 + rng.random(k),
    }[kind].astype(dtype)
    shift, scale = np.full(d, 5, dtype), np.ldexp(1.0, rng.integers(-1, 2, d)).astype(dtype)
    centers, about = (((centers + more) * scale).astype(dtype) for more in (0, 0.1))
    constants = np.log(rng.dirichlet(np.ones(k))) - d
    return x, (kind, shift, scale, centers, factor, constants, about)


def gaussian(kernels, x, arguments, second="full", weights=None, given=None, n_threads=2):
    n, d = x.shape
    k, dtype = len(arguments[3]), arguments[3].dtype
    shapes = {"full": (k, d, d), "diagonal": (k, d), "pooled": (1, d, d)}
    squares = None if second is None else np.full(shapes[second], np.nan)
    first, resp = np.full((k, d), np.nan), np.full((n, k), np.nan, dtype)
    score, labels = np.full(n, np.nan), np.full(n, -1)
    found = by_name(
        kernels.gaussian_mixture,
        x,
        *arguments,
        weights,
        given,
        first,
        squares,
        resp,
        score,
        labels,
        n_threads,
    )
    return [*found, first, np.zeros(1) if squares is None else squares, resp, score, labels]


def double(arguments):
    return [np.asarray(a, float) if isinstance(a, np.ndarray) else a for a in arguments]


def agree(got, expected, dtype, growth):
    """Equal up to `growth` roundings of the largest entry; labels where the best two logits differ."""
    eps = np.finfo(dtype).eps
    for mine, theirs in zip(got[:-1], expected[:-1], strict=True):
        mine, theirs = np.asarray(mine), np.asarray(theirs)
        assert mine.shape == theirs.shape
        assert_allclose(mine, theirs, rtol=0, atol=growth * eps * np.abs(theirs).max(initial=1))
    resp = np.sort(expected[-3], axis=1)
    clear = np.ones(len(resp), bool) if resp.shape[1] == 1 else resp[:, -1] > resp[:, -2] * (1 + 1e-3)
    assert_array_equal(got[-1][clear], expected[-1][clear])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("layout", [*LAYOUTS, *SPARSE])
def test_poisson_mixture_is_its_twin(kernels, dtype, shape, layout):
    x, *shared = counts(*shape, dtype)
    lay = (LAYOUTS | SPARSE)[layout]
    got = poisson(kernels, lay(x), *shared)
    expected = poisson(reference, x.astype(float), *shared)
    agree(got, expected, np.float64, 40 * np.sqrt(x.size / len(x)))


@pytest.mark.parametrize("layout", ["C", "F", "csr, 32-bit indices"])
def test_poisson_mixture_takes_given_responsibilities(kernels, dtype, layout):
    x, f, bias, slope, exposure, weights = counts(500, 9, 4, dtype)
    given = np.random.default_rng(1).dirichlet(np.ones(4), 500)
    got = poisson(kernels, (LAYOUTS | SPARSE)[layout](x), f, bias, slope, exposure, weights, given)
    r = given * weights[:, None]
    assert_allclose(got[0], r.sum(axis=0), rtol=10 * EPS)
    assert_allclose(got[1], exposure @ r, rtol=10 * EPS)
    assert got[2] == 0
    assert_allclose(got[3], x.T.astype(float) @ r, rtol=100 * EPS)
    assert_array_equal(got[4], given)


def test_a_row_that_no_component_can_have_made_scores_minus_infinity(kernels, dtype):
    x, f, bias, slope, _, _ = counts(60, 5, 3, dtype)
    f[1] = -1e200
    x[:, 1], x[7, 1] = 0, 2
    *_, resp, score, _ = poisson(kernels, x, f, bias, slope)
    assert score[7] == -np.inf
    assert_array_equal(resp[7], 0)
    others = np.arange(60) != 7
    assert np.isfinite(score[others]).all()
    assert_allclose(resp[others].sum(axis=1), 1, rtol=10 * np.finfo(dtype).eps)


def test_a_rate_of_zero_excludes_its_component_only_where_there_are_counts(kernels, dtype):
    f = np.zeros((2, 2))
    f[0, 0] = -1e200
    x = np.array([[0, 3], [1, 3]], dtype)
    *_, resp, score, labels = poisson(kernels, x, f, np.log([0.5, 0.5]), np.array([1.0, 1]))
    assert_allclose(resp, [[0.5, 0.5], [0, 1]], rtol=10 * np.finfo(dtype).eps)
    assert_allclose(score, [-1, -1 + np.log(0.5)], rtol=10 * np.finfo(dtype).eps)
    assert_array_equal(labels, [0, 1])


@pytest.mark.parametrize("layout", [*LAYOUTS, *SPARSE])
def test_count_rows_is_its_twin(kernels, dtype, layout):
    x = np.random.default_rng(0).poisson(3.0, (300, 7)).astype(dtype)
    x[3, :4] = 255, 256, 1e6, 16_000_000
    found, expected = np.full((2, 300), np.nan), np.full((2, 300), np.nan)
    least, whole = by_name(kernels.count_rows, (LAYOUTS | SPARSE)[layout](x), *found, 2)
    assert least == (1 if "bit" in layout else 0)  # the least that is stored
    assert whole
    assert by_name(reference.count_rows, x, *expected, 2) == (0, True)
    assert_allclose(found, expected, rtol=1e-14)


def test_count_rows_sees_what_is_no_count(kernels, dtype):
    x = np.ones((70, 3), dtype)
    out = np.empty((2, 70))
    x[60, 1] = 0.5
    assert by_name(kernels.count_rows, x, *out, 1) == (0.5, False)
    x[5, 2] = -2
    assert by_name(kernels.count_rows, csr(x, np.int32), *out, 1) == (-2, False)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("second", ["full", "diagonal", "pooled", None])
def test_gaussian_mixture_is_its_twin(kernels, dtype, shape, kind, second):
    x, arguments = points(*shape, kind, dtype)
    weights = np.random.default_rng(2).integers(0, 3, len(x)).astype(float)
    got = gaussian(kernels, x, arguments, second, weights)
    expected = gaussian(reference, x.astype(float), double(arguments), second, weights)
    agree(got, expected, dtype, 100 * np.sqrt(shape[1]))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", KINDS)
def test_gaussian_mixture_reads_every_layout(compiled, dtype, layout, kind):
    x, arguments = points(300, 11, 4, kind, dtype)
    for mine, theirs in zip(
        gaussian(compiled, LAYOUTS[layout](x), arguments), gaussian(compiled, x, arguments), strict=True
    ):
        assert_array_equal(mine, theirs)


def test_gaussian_mixture_takes_given_responsibilities(kernels, dtype):
    x, arguments = points(500, 6, 3, "spherical", dtype)
    given = np.random.default_rng(1).dirichlet(np.ones(3), 500).astype(dtype)
    given[:, 1] = 0
    total, likelihood, first, second, resp, *_ = gaussian(kernels, x, arguments, given=given)
    y = (x.astype(float) - 5) * arguments[2] - arguments[-1].astype(float)[:, None]
    r = given.T.astype(float)
    eps = np.finfo(dtype).eps
    assert_allclose(total, r.sum(axis=1), rtol=10 * eps)
    assert_allclose(first, np.einsum("kn,kni->ki", r, y), atol=500 * eps * 20)
    assert_allclose(second, np.einsum("kn,kni,knj->kij", r, y, y), atol=500 * eps * 100)
    assert likelihood == 0
    assert_array_equal(resp, given)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_float32_are_read_as_float64_where_all_else_is(kernels, kind):
    x, arguments = points(300, 7, 3, kind, np.float32)
    got, expected = (gaussian(kernels, y, double(arguments), "pooled") for y in (x, x.astype(float)))
    for mine, theirs in zip(got, expected, strict=True):
        assert_array_equal(mine, theirs)


@pytest.mark.parametrize("layout", ["C", "F", "backwards, every other column", "csr, 32-bit indices"])
@pytest.mark.parametrize("shape", [(300, 9, 4), (1200, 65, 2)], ids=str)
def test_float32_counts_have_the_bits_of_float64_counts(compiled, layout, shape):
    x, *shared = counts(*shape, np.float32)
    lay = (LAYOUTS | SPARSE)[layout]
    for mine, theirs in zip(
        poisson(compiled, lay(x), *shared), poisson(compiled, lay(x.astype(float)), *shared), strict=True
    ):
        assert_array_equal(mine, theirs)


@pytest.mark.parametrize("rate", [1e1, 1e3, 1e5, 1e7])
@pytest.mark.parametrize("layout", ["C", "csr, 32-bit indices"])
def test_logits_of_large_float32_counts_are_right(kernels, rate, layout):
    rng = np.random.default_rng(0)
    rates = rate * (1 + rng.normal(size=(3, 6)) / np.sqrt(rate) / 4)
    x = rng.poisson(rates[rng.integers(3, size=200)]).astype(np.float32)
    f, slope = np.log(rates.T), rates.sum(axis=1)
    *_, resp, score, _ = poisson(kernels, (LAYOUTS | SPARSE)[layout](x), f, np.zeros(3), slope)
    wide = np.longdouble
    logits = x.astype(wide) @ np.log(rates.T.astype(wide)) - rates.astype(wide).sum(axis=1)
    top = logits.max(axis=1, keepdims=True)
    total = np.exp(logits - top).sum(axis=1, keepdims=True)
    assert_allclose(resp, np.exp(logits - top) / total, atol=1e-6)
    assert_allclose(score, (top + np.log(total))[:, 0], atol=1e-6, rtol=1e-14)


@pytest.mark.parametrize("kind", KINDS)
def test_pooled_moments_are_the_sum_of_all(kernels, dtype, kind):
    x, arguments = points(500, 13, 5, kind, dtype)
    each, pooled = (gaussian(kernels, x, arguments, second)[3] for second in ("full", "pooled"))
    eps = np.finfo(dtype).eps
    assert_allclose(pooled[0], each.sum(axis=0), rtol=0, atol=500 * eps * np.abs(pooled).max())
    assert_array_equal(pooled[0], pooled[0].T)


def test_a_weight_times_a_responsibility_below_the_range_is_none(kernels, dtype):
    x, arguments = points(60, 3, 2, "diag", dtype)
    weights = np.full(60, 1.0)
    weights[20:] = 1e-320
    few, all_rows = (
        gaussian(kernels, x[:n].copy(), arguments, "diagonal", weights[:n].copy()) for n in (20, 60)
    )
    for i in (0, 2, 3):
        assert_array_equal(few[i], all_rows[i])


def test_second_moments_are_exactly_symmetric(compiled, dtype):
    x, arguments = points(700, 19, 3, "full", dtype)
    second = gaussian(compiled, x, arguments)[3]
    assert_array_equal(second, np.swapaxes(second, 1, 2))


def test_the_last_digits_of_far_away_data_are_kept(kernels, dtype):
    x, (kind, shift, *rest) = points(400, 5, 3, "full", dtype)
    far = dtype(2.0**20)
    moved = (x + far).astype(dtype)
    near = (moved - far).astype(dtype)
    for mine, theirs in zip(
        gaussian(kernels, moved, (kind, shift + far, *rest)),
        gaussian(kernels, near, (kind, shift, *rest)),
        strict=True,
    ):
        assert_array_equal(mine, theirs)


@pytest.mark.parametrize("kind", KINDS)
def test_responsibilities_far_below_rounding_are_zero(kernels, dtype, kind):
    x, arguments = points(300, 8, 3, kind, dtype)
    arguments[3][1] += 1000
    total, _, _, _, resp, score, labels = gaussian(kernels, x, arguments)
    assert_array_equal(resp[:, 1], 0)
    assert total[1] == 0
    assert np.isfinite(score).all()
    assert (labels != 1).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_component_of_no_weight_is_never_chosen(kernels, dtype, kind):
    x, arguments = points(100, 3, 3, kind, dtype)
    arguments[5][2] = -np.inf
    *_, resp, score, labels = gaussian(kernels, x, arguments)
    assert_array_equal(resp[:, 2], 0)
    assert (labels != 2).all()
    assert np.isfinite(score).all()


def test_the_first_of_equal_components_is_the_label(kernels, dtype):
    x, (kind, shift, scale, centers, factor, constants, about) = points(100, 3, 4, "diag", dtype)
    centers[:], factor[:], constants[:] = centers[0], factor[0], -1
    *_, resp, _, labels = gaussian(kernels, x, (kind, shift, scale, centers, factor, constants, about))
    assert_array_equal(labels, 0)
    assert_allclose(resp, 0.25, rtol=10 * np.finfo(dtype).eps)


def runs(kernels, dtype, n):
    x, *shared = counts(n, 13, 5, dtype)
    for lay in (np.asarray, np.asfortranarray, lambda a: csr(a, np.int32)):
        yield lambda threads, lay=lay: poisson(kernels, lay(x), *shared, n_threads=threads)
    for kind in KINDS:
        y, arguments = points(n, 13, 5, kind, dtype)
        for second in ("full", "diagonal", "pooled"):
            yield lambda threads, y=y, a=arguments, s=second: gaussian(kernels, y, a, s, n_threads=threads)


def test_kernels_have_the_same_bits_for_any_number_of_threads(kernels, dtype):
    for run in runs(kernels, dtype, 2500):
        first = run(1)
        for n_threads in (2, 3, 7):
            for mine, theirs in zip(run(n_threads), first, strict=True):
                assert_array_equal(mine, theirs)


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_alone_has_the_bits_it_has_among_others(compiled, dtype, kind):
    x, arguments = points(300, 13, 5, kind, dtype)
    *_, resp, score, labels = gaussian(compiled, x, arguments)
    for r in (0, 47, 48, 200, 299):
        *_, alone, alone_score, alone_label = gaussian(compiled, x[r : r + 1].copy(), arguments)
        assert_array_equal(alone[0], resp[r])
        assert (alone_score[0], alone_label[0]) == (score[r], labels[r])


def test_no_rows_give_zero_sums(kernels, dtype):
    x, *shared = counts(5, 4, 3, dtype)
    for lay in (np.asarray, lambda a: csr(a, np.int32)):
        total, exposed, likelihood, sums, *_ = poisson(kernels, lay(x[:0]), *shared[:3])
        for zero in (total, exposed, likelihood, sums):
            assert_array_equal(zero, 0)
    y, arguments = points(5, 4, 3, "full", dtype)
    for zero in gaussian(kernels, y[:0], arguments)[:4]:
        assert_array_equal(zero, 0)


def test_a_compiled_kernel_refuses_what_does_not_fit(compiled, dtype):
    other = np.float32 if dtype == np.float64 else np.float64
    x, (kind, shift, scale, centers, factor, constants, about) = points(6, 5, 3, "full", dtype)
    arguments = {
        "x": x, "kind": kind, "shift": shift, "scale": scale, "centers": centers,
        "factor": factor, "constants": constants, "about": about, "weights": np.ones(6),
        "given": None, "first": np.empty((3, 5)), "second": np.empty((3, 5, 5)),
        "resp": np.empty((6, 3), dtype), "score": np.empty(6),
        "labels": np.empty(6, np.int64), "n_threads": 1,
    }  # fmt: skip
    compiled.gaussian_mixture(**arguments)
    read_only = np.empty(6)
    read_only.flags.writeable = False
    wrong = {
        "x": [x.astype(complex), x[0], x[:, :4]], "kind": ["round", "diag", "tied"],
        "shift": [shift[:4], shift[None]], "scale": [scale[:4], scale.astype(other)],
        "factor": [factor[:2]], "constants": [constants[:2]],
        "centers": [centers[:2], centers.astype(other), centers[0], centers[:0]], "about": [about[:, :4]],
        "weights": [np.ones(5), np.ones((6, 1))], "given": [np.ones((5, 3), dtype)],
        "first": [np.empty((3, 4)), np.empty((3, 5), np.float32), None],
        "second": [np.empty((3, 5, 4)), np.empty((2, 5)), np.empty(3)], "resp": [np.empty((6, 2), dtype)],
        "score": [np.empty(5), read_only], "labels": [np.empty(6, np.int32), np.empty(7, np.int64)],
        "n_threads": [0],
    }  # fmt: skip
    refuses(compiled.gaussian_mixture, arguments, wrong)

    y, f, bias, slope, exposure, weights = counts(6, 5, 3, dtype)
    sums = np.empty((5, 3))
    arguments = {
        "x": y, "f": f, "bias": bias, "slope": slope, "exposure": exposure, "weights": weights, "given": None,
        "sums": sums, "resp": None, "score": None, "labels": None, "n_threads": 1,
    }  # fmt: skip
    compiled.poisson_mixture(**arguments)
    wrong = {
        "x": [y.astype(complex), y[:, :4]], "f": [f[:4], f[:, :0], np.zeros((5, 3), np.float32)],
        "bias": [bias[:2]], "slope": [slope[:2]], "exposure": [exposure[:5]], "weights": [weights[:5]],
        "sums": [sums[:4]],
    }  # fmt: skip
    refuses(compiled.poisson_mixture, arguments, wrong)


def refuses(kernel, arguments, wrong):
    for name, values in wrong.items():
        for value in values:
            with pytest.raises((ValueError, TypeError)):
                kernel(**arguments | {name: value})

"""The kernels of the Poisson mixture at every level of this machine against the NumPy twin."""

import numpy as np
import pytest
from kernel_cases import by_name
from mixture.kernel_calls import LAYOUTS, SHAPES, SPARSE, agree, counts, csr, poisson, refuses
from numpy.testing import assert_allclose, assert_array_equal

from gramfold._core import reference

EPS = np.finfo(float).eps


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


@pytest.mark.parametrize("layout", ["C", "F", "csr, 32-bit indices"])
def test_sums_have_the_same_bits_for_any_number_of_threads(compiled, dtype, layout):
    x, *shared = counts(2500, 13, 5, dtype)
    x = (LAYOUTS | SPARSE)[layout](x)
    first = poisson(compiled, x, *shared, n_threads=1)
    for n_threads in (2, 3, 7):
        for mine, theirs in zip(poisson(compiled, x, *shared, n_threads=n_threads), first, strict=True):
            assert_array_equal(mine, theirs)


def test_no_rows_give_zero_sums(kernels, dtype):
    x, *shared = counts(5, 4, 3, dtype)
    for lay in (np.asarray, lambda a: csr(a, np.int32)):
        total, exposed, likelihood, sums, *_ = poisson(kernels, lay(x[:0]), *shared[:3])
        for zero in (total, exposed, likelihood, sums):
            assert_array_equal(zero, 0)


def test_a_compiled_kernel_refuses_what_does_not_fit(compiled, dtype):
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

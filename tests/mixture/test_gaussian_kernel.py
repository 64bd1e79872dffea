"""The kernel of the Gaussian mixture at every level of this machine against the NumPy twin."""

import numpy as np
import pytest
from mixture.kernel_calls import KINDS, LAYOUTS, SHAPES, agree, double, gaussian, points, refuses
from numpy.testing import assert_allclose, assert_array_equal

from gramfold._core import reference


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("second", ["full", "diagonal", "pooled", None])
def test_gaussian_mixture_is_its_twin(beside_twin, shape, kind, second):
    kernels, dtype = beside_twin
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


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_alone_has_the_bits_it_has_among_others(compiled, dtype, kind):
    x, arguments = points(300, 13, 5, kind, dtype)
    *_, resp, score, labels = gaussian(compiled, x, arguments)
    for r in (0, 47, 48, 200, 299):
        *_, alone, alone_score, alone_label = gaussian(compiled, x[r : r + 1].copy(), arguments)
        assert_array_equal(alone[0], resp[r])
        assert (alone_score[0], alone_label[0]) == (score[r], labels[r])


@pytest.mark.parametrize("second", ["full", "diagonal", "pooled"])
@pytest.mark.parametrize("kind", KINDS)
def test_sums_have_the_same_bits_for_any_number_of_threads(compiled, dtype, kind, second):
    x, arguments = points(2500, 13, 5, kind, dtype)
    first = gaussian(compiled, x, arguments, second, n_threads=1)
    for n_threads in (2, 3, 7):
        other = gaussian(compiled, x, arguments, second, n_threads=n_threads)
        for mine, theirs in zip(other, first, strict=True):
            assert_array_equal(mine, theirs)


def test_no_rows_give_zero_sums(kernels, dtype):
    x, arguments = points(5, 4, 3, "full", dtype)
    for zero in gaussian(kernels, x[:0], arguments)[:4]:
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

"""The coding kernels at every level against their NumPy twins, over shapes, layouts and types."""

import functools

import numpy as np
import pytest
import scipy.sparse as sp
from kernel_cases import by_name
from numpy.testing import assert_allclose, assert_array_equal

from gramfold._core import reference

# rows, columns, components: single ones, one past a row group and a block, several chunks, tails of vectors
SHAPES = [(1, 1, 1), (3, 9, 1), (49, 12, 17), (97, 20, 33), (260, 24, 16), (20, 10, 70), (5, 40, 129)]
LAYOUTS = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "backwards": lambda x: np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1],
    "csr, 32-bit indices": lambda x: csr(x, np.int32),
    "csr, 64-bit indices": lambda x: csr(x, np.int64),
}


def csr(x, index):
    s = sp.csr_array(x)
    return s.data, s.indices.astype(index), s.indptr.astype(index), x.shape[1]


def data(n, m, k, dtype, seed=0):
    rng = np.random.default_rng(seed)
    f = rng.standard_normal((m, k))
    x = rng.standard_normal((n, m))
    if n > 2:
        x[n // 2] = 0
    return x.astype(dtype), (f / np.linalg.norm(f, axis=0)).astype(dtype)


def run(
    kernels, name, x, f, *, dense=True, p=None, start=None, enough=None, with_sums=False, doubtful=None,
    n_threads=2, **rule,
):  # fmt: skip
    rows = len(p) if p is not None else x.shape[0] if isinstance(x, np.ndarray) else len(x[2]) - 1
    gram = f.T.astype(np.float64) @ f
    out = np.full((rows, f.shape[1]), np.nan, f.dtype) if dense else None
    sums = np.full(f.shape, np.nan, f.dtype) if with_sums else None
    if name == "lasso":
        rule = {"l1": 0.3, "nonneg": False, "most": f.shape[1], "one_by_one": False, "max_rounds": 1000,
                "tol": 1e-10 if f.dtype == np.float64 else 1e-6} | rule  # fmt: skip
        result = by_name(
            kernels.lasso, x, p, f, gram, start, enough, out, sums, doubtful, *rule.values(), n_threads
        )
    else:
        rule = {"most": min(4, f.shape[1]), "ols": False} | rule
        result = by_name(kernels.omp, x, p, f, gram, enough, out, sums, doubtful, *rule.values(), n_threads)
    if not dense:
        out = sp.csr_matrix(result[0], shape=(rows, f.shape[1]))
    return out, sums, result


RULES = {
    "lasso": ("lasso", {}),
    "lasso, nonneg": ("lasso", {"nonneg": True}),
    "nnls": ("lasso", {"nonneg": True, "l1": 0.0}),
    "omp": ("omp", {}),
    "ols": ("omp", {"ols": True}),
    "nonneg omp": ("lasso", {"l1": 0.0, "nonneg": True, "one_by_one": True, "most": 4}),
}


def close(found, expected, dtype, growth=1.0):
    """Equal up to rounding, and to what the tolerance of `run` leaves on a support of modest condition."""
    stop = 20 * (1e-10 if dtype == np.float64 else 1e-6)
    atol = (200 * growth * np.finfo(dtype).eps + stop) * max(1.0, np.abs(expected).max(initial=0))
    assert_allclose(found, expected, rtol=0, atol=atol)


@functools.cache
def twins(shape, rule, dtype):
    """What the twin finds in double."""
    name, options = RULES[rule]
    return run(reference, name, *(a.astype(float) for a in data(*shape, dtype)), **options)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_codes_are_their_twins_for_every_shape(beside_twin, shape, rule):
    kernels, dtype = beside_twin
    name, options = RULES[rule]
    x, f = data(*shape, dtype)
    out, _, result = run(kernels, name, x, f, **options)
    expected, _, twin = twins(shape, rule, dtype)
    if rule == "nnls" and shape[2] > shape[1]:
        out, expected = out @ f.T, expected @ f.T.astype(float)  # what is unique of the minimiser
    close(out, expected, dtype, 10)
    assert_allclose(result[2], twin[2], rtol=1e-5 if dtype == np.float32 else 1e-10, atol=1e-12)
    assert result[3] == 0


@pytest.mark.parametrize("name", ["lasso", "omp"])
def test_codes_are_the_same_for_every_layout_and_output(kernels, dtype, name):
    x, f = data(49, 20, 33, dtype)
    plain, _, _ = run(kernels, name, x, f)
    for laid in (lay(x) for lay in LAYOUTS.values()):
        found, sums, result = run(kernels, name, laid, f, with_sums=True)
        close(found, plain, dtype)
        close(sums, x.T @ found, dtype, 10)
        close(result[1], found.T.astype(float) @ found, dtype)
        kept, _, _ = run(kernels, name, laid, f, dense=False)
        assert kept.has_sorted_indices
        assert_array_equal(kept.toarray(), found)
        assert np.all(kept.data != 0)


@pytest.mark.parametrize("name", ["lasso", "omp"])
def test_known_products_stand_for_x(kernels, dtype, name):
    x, f = data(49, 20, 33, dtype)
    close(run(kernels, name, None, f, p=x @ f)[0], run(kernels, name, x, f)[0], dtype, 10)


def test_a_start_leads_to_the_same_minimiser(kernels, dtype):
    x, f = data(49, 20, 33, dtype)
    start = np.random.default_rng(1).standard_normal((49, 33)).astype(dtype)
    for nonneg in (False, True):
        plain = run(kernels, "lasso", x, f, nonneg=nonneg)[0]
        close(run(kernels, "lasso", x, f, nonneg=nonneg, start=start)[0], plain, dtype, 20)


@pytest.mark.parametrize("name", ["lasso", "omp"])
def test_codes_have_the_same_bits_for_any_number_of_threads_and_neighbours(compiled, dtype, name):
    x, f = data(1500, 20, 70, dtype)
    first, sums, result = run(compiled, name, x, f, with_sums=True, n_threads=1)
    for n_threads in (2, 5):
        other, other_sums, other_result = run(compiled, name, x, f, with_sums=True, n_threads=n_threads)
        assert_array_equal(other, first)
        assert_array_equal(other_sums, sums)
        assert_array_equal(other_result[1], result[1])
        assert other_result[2] == result[2]
    for rows in (slice(7, 8), slice(100, 170)):
        assert_array_equal(run(compiled, name, x[rows], f)[0], first[rows])


@pytest.mark.parametrize("rule", ["omp", "ols", "nonneg omp"])
def test_a_row_ends_as_soon_as_enough_is_explained(kernels, dtype, rule):
    name, options = RULES[rule]
    x, f = data(60, 20, 33, dtype)
    norms = np.sum(x.astype(float) ** 2, axis=1)
    share = np.linspace(-0.1, 0.5, 60)
    out, _, _ = run(kernels, name, x, f, enough=share * norms, **options | {"most": 12})
    explained = norms - np.sum((x - out @ f.T.astype(float)) ** 2, axis=1)
    assert np.all(out[share <= 0] == 0)
    assert np.all(explained >= share * norms - 1e-5 * norms)
    sizes = np.count_nonzero(out, axis=1)
    for size in range(1, 6):  # one atom less is not enough
        less, _, _ = run(kernels, name, x, f, **options | {"most": size})
        explained = norms - np.sum((x - less @ f.T.astype(float)) ** 2, axis=1)
        assert np.all(explained[sizes > size] < (share * norms + 1e-5 * norms)[sizes > size])


def test_codes_that_cancel_and_rows_that_are_open_are_doubtful(kernels, dtype):
    f = np.eye(20, 3, dtype=dtype)
    f[:, 1] = f[:, 0]
    f[1, 1] = 1e-2 if dtype == np.float32 else 1e-4  # e_1 is a difference of two atoms, many times as long
    f /= np.linalg.norm(f, axis=0)
    x = np.zeros((8, 20), dtype)
    x[::2, 1], x[1::4, 0], x[1::4, 2] = 1, 3, 1
    for name, options in (("omp", {"most": 3}), ("lasso", {"l1": 1e-9})):
        for dense in (True, False):
            doubtful = np.zeros(8, bool)
            run(kernels, name, x, f, doubtful=doubtful, dense=dense, **options)
            assert_array_equal(doubtful, np.arange(8) % 2 == 0)
    x, f = data(49, 20, 33, dtype)
    doubtful = np.ones(49, bool)
    for name in ("omp", "lasso"):
        run(kernels, name, x, f, doubtful=doubtful)
        assert not doubtful.any()
    result = run(reference, "lasso", x, f, doubtful=doubtful, max_rounds=2)[2]
    assert result[3] == np.count_nonzero(doubtful) > 0


def test_atoms_that_repeat_or_are_zero_do_no_harm(kernels, dtype):
    x, f = data(50, 20, 33, dtype)
    f[:, 5], f[:, 20], f[:, 32] = f[:, 4], 0, -f[:, 1]
    for rule, (name, options) in RULES.items():
        out, _, result = run(kernels, name, x, f, **options | ({"most": 30} if name == "omp" else {}))
        assert np.isfinite(out).all(), rule
        assert np.all(out[:, 20] == 0), rule
        assert result[3] == 0


def test_no_rows_give_empty_codes(kernels, dtype):
    _, f = data(1, 20, 33, dtype)
    for name in ("lasso", "omp"):
        out, sums, result = run(kernels, name, np.zeros((0, 20), dtype), f, dense=False, with_sums=True)
        assert out.shape == (0, 33)
        assert_array_equal(sums, 0)
        assert result[2:] == (0, 0)


@pytest.mark.parametrize("shape", [(0, 3), (1, 1), (49, 17), (100, 64)], ids=str)
def test_what_is_not_zero_is_kept_as_csr_by_the_twin(kernels, dtype, shape):
    rng = np.random.default_rng(0)
    dense = (rng.standard_normal(shape) * (rng.random(shape) < 0.4)).astype(dtype)
    dense[::3] = 0
    for found, expected in zip(kernels.nonzeros(dense=dense), reference.nonzeros(dense=dense), strict=True):
        assert found.dtype == expected.dtype
        assert_array_equal(found, expected)

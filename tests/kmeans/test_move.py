"""How centroids move: to means of their rows, drawn, frozen, of norm 1, without rows; what that gains."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from gramfold._core import reference

CASES = {
    "means": {},
    "drawn": {"ridge": 2.5},
    "drawn to 0": {"ridge": 0.5, "mean": None},
    "frozen": {"frozen": 2},
    "all frozen": {"frozen": 4},
    "unit": {"unit": True},
    "unit, drawn, frozen": {"unit": True, "ridge": 0.1, "frozen": 1},
}


def clusters(k, d, dtype, empty=()):
    """Rows around k centroids that lie off their means, with their sums and weights."""
    rng = np.random.default_rng(k + 10 * d)
    centers = rng.standard_normal((k, d)).astype(dtype)
    labels = rng.integers(k, size=30 * k)
    labels[np.isin(labels, empty)] = (max(empty, default=0) + 1) % k
    x = centers[labels] + rng.standard_normal((len(labels), d)) + 0.3
    counts = np.bincount(labels, minlength=k).astype(np.float64)
    sums = np.zeros((k, d))
    np.add.at(sums, labels, x)
    return x, labels, {"centers": centers, "sums": sums, "counts": counts}


def moved(kernels, given, **more):
    k, d = given["centers"].shape
    own = {"mean": np.linspace(-1, 1, d), "ridge": 0.0, "frozen": 0, "unit": False} | more
    out, steps = np.empty_like(given["centers"]), np.empty(k)
    gained = kernels.move_centers(**given, **own, out=out, steps=steps)
    return out, steps, gained


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("shape", [(4, 1), (4, 7), (5, 33)], ids=str)
@pytest.mark.parametrize("empty", [(), (1,), (0, 3)], ids=str)
def test_centroids_move_as_the_twin_moves_them(kernels, dtype, case, shape, empty):
    _, _, given = clusters(*shape, dtype, empty)
    before = {name: a.copy() for name, a in given.items()}
    out, steps, gained = moved(kernels, given, **CASES[case])
    other, of_twin, by_twin = moved(reference, given, **CASES[case])
    assert_allclose(out, other, rtol=4 * np.finfo(dtype).eps)
    assert_allclose(steps, of_twin, rtol=1e-5 if dtype == np.float32 else 1e-12, atol=1e-12)
    assert_allclose(gained, by_twin, rtol=1e-5 if dtype == np.float32 else 1e-12)
    for name, a in before.items():
        assert_array_equal(given[name], a)


@pytest.mark.parametrize("empty", [(), (2,)], ids=str)
def test_the_inertia_gains_what_is_said(kernels, dtype, empty):
    x, labels, given = clusters(6, 9, dtype, empty)
    out, steps, gained = moved(kernels, given, frozen=1, ridge=0.3)
    before, after = (np.square(x - np.float64(c)[labels]).sum() for c in (given["centers"], out))
    assert_allclose(gained, after - before, rtol=1e-9)
    assert_allclose(steps, np.square(np.float64(out) - given["centers"]).sum(axis=1), rtol=1e-12)


def test_one_centroid_one_column(kernels, dtype):
    given = {"centers": np.ones((1, 1), dtype), "sums": np.array([[6.0]]), "counts": np.array([2.0])}
    out, steps, gained = moved(kernels, given)
    assert (out[0, 0], steps[0], gained) == (3, 4, -8)  # rows 2 and 4, say: 1 + 9 before, 1 + 1 after


def test_without_any_rows_centroids_stay(kernels, dtype):
    given = {
        "centers": np.arange(6, dtype=dtype).reshape(3, 2),
        "sums": np.zeros((3, 2)),
        "counts": np.zeros(3),
    }
    for more in ({}, {"unit": True}):
        out, steps, gained = moved(kernels, given, **more)
        assert_array_equal(out, given["centers"])
        assert not steps.any()
        assert gained == 0

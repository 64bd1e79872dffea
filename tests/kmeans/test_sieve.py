"""The kernels behind the sieve of k-means++: what they leave out cannot be nearer, and no bit changes."""

import numpy as np
import pytest
from kernel_cases import LAYOUTS
from kmeans.cases import make_sketch, points, run_seed, run_sift
from numpy.testing import assert_array_equal

from gramfold.fold.source import Source
from gramfold.kmeans.potential import UNSIFTED
from gramfold.kmeans.sieve import Sieve

DENSE = {name: lay for name, lay in LAYOUTS.items() if isinstance(lay(np.ones((2, 2))), np.ndarray)}
# one row; one ball and a row; balls of several panels of centres; more candidates than a tile has
SHAPES = [(1, 3, 2), (49, 1, 4), (2000, 40, 7), (700, 130, 9), (5000, 9, 16)]


def grouped(rows, cols, dtype, seed=3):
    """Rows in 20 groups, in no order."""
    rng = np.random.default_rng(seed)
    centres = 3 * rng.standard_normal((20, cols))
    return (centres[rng.integers(20, size=rows)] + rng.standard_normal((rows, cols))).astype(dtype)


def seeded(kernels, x, n, weights=None, seed=5):
    """Squared distances from 30 seeds, candidates, and what these would make of them, by reading all rows."""
    rng = np.random.default_rng(seed)
    taken = np.ascontiguousarray(x[rng.integers(len(x), size=30)])
    closest = run_seed(kernels, x, taken, None, None)[0].min(axis=0)
    candidates = np.ascontiguousarray(x[rng.integers(len(x), size=n)])
    return closest, candidates, *run_seed(kernels, x, candidates, closest, weights)[:2]


def bits_of(marks, n):
    return (marks >> np.arange(n)[:, None] & 1).astype(bool)


@pytest.mark.parametrize("layout", DENSE)
@pytest.mark.parametrize("offset", [0, 3000.0])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_rows_that_come_nearer_are_marked_and_gains_are_within_bounds(kernels, dtype, layout, offset, shape):
    rows, cols, n = shape
    x = DENSE[layout](grouped(rows, cols, dtype) + dtype(offset))
    rng = np.random.default_rng(0)
    sketch = make_sketch(kernels, x, rng.permutation(rows))
    for weights in (None, rng.integers(3, size=rows).astype(dtype)):
        closest, candidates, out, _ = seeded(kernels, x, n, weights)
        marks, (least, most), _ = run_sift(kernels, sketch, candidates, closest, weights)
        marked = bits_of(marks, n)
        assert not np.any((out < closest) & ~marked)
        saved = (closest.astype(np.float64) - out) @ (np.ones(rows) if weights is None else weights)
        slack = 1e-5 * float(closest.sum(dtype=np.float64))
        assert np.all(least <= saved + slack)
        assert np.all(most >= saved - slack)


def test_few_rows_are_marked_without_need(kernels, dtype):
    x = grouped(4000, 64, dtype)
    closest, candidates, out, _ = seeded(kernels, x, 8)
    marks, (least, most), _ = run_sift(kernels, make_sketch(kernels, x), candidates, closest, None)
    nearer = np.count_nonzero(out < closest)
    assert nearer <= np.count_nonzero(bits_of(marks, 8)) < 1.5 * nearer
    assert np.all(most < 8 * least)


@pytest.mark.parametrize("layout", DENSE)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_marks_change_no_bit_of_distances_and_sums(kernels, dtype, layout, shape):
    rows, cols, n = shape
    x = DENSE[layout](grouped(rows, cols, dtype))
    sketch = make_sketch(kernels, x)
    for weights in (None, np.random.default_rng(0).random(rows).astype(dtype)):
        closest, candidates, plain, sums = seeded(kernels, x, n, weights)
        before = run_seed(kernels, x, candidates[:1], closest, weights, np.zeros(rows, np.uint16),
                          np.zeros(1, np.int32))  # fmt: skip
        assert before[2] == 0
        assert np.all(np.isnan(before[0]))
        assert np.all(np.isnan(before[1]))
        marks = run_sift(kernels, sketch, candidates, closest, weights)[0]
        some = np.arange(0, n, 2, dtype=np.int32)
        out, found, read = run_seed(kernels, x, candidates[some], closest, weights, marks, some)
        marked = bits_of(marks, n)[some]
        assert read == np.count_nonzero(marked.any(axis=0))
        assert_array_equal(out[marked], plain[some][marked])
        assert np.all(np.isnan(out[:, ~marked.any(axis=0)]))
        known = ~np.isnan(found)
        assert_array_equal(known, np.logical_or.reduceat(marked, np.arange(0, rows, 96), axis=1).T)
        assert_array_equal(found[known], sums[:, some][known])


@pytest.mark.parametrize("sifted", [True, False])
@pytest.mark.parametrize("trials", [1, 3, 16])
@pytest.mark.parametrize(("rows", "cols"), [(1, 1), (48, 3), (97, 20), (1500, 33)])
@pytest.mark.parametrize("weighted", [False, True])
def test_seeds_of_several_rounds_are_those_of_reading_all_rows(
    kernels, dtype, rows, cols, weighted, trials, sifted
):
    x, rng = grouped(rows, cols, dtype), np.random.default_rng(0)
    weights = (rng.integers(3, size=rows) * rng.random(rows)).astype(dtype) if weighted else None
    first, _, _ = run_seed(kernels, x, x[:1].copy(), None, weights)
    sums = run_seed(kernels, x, x[:1].copy(), None, weights)[1][:, 0].copy()
    uniform, closest, labels = rng.random((7, trials)), first[0].copy(), np.zeros(rows, np.int32)
    order, chosen = rng.permutation(rows), np.full(7, -1)
    own = UNSIFTED
    if sifted:
        own = make_sketch(kernels, x, order) | {
            "labels": labels, "first": 5, "marks": np.full(rows, 7, np.uint16), "rounding": 1e-5,
        }  # fmt: skip
    done = kernels.draw_seeds(
        x=x, uniform=uniform, closest=closest, weights=weights, sums=sums, chosen=chosen, n_threads=2, **own
    )
    expected, nearest = first[0], np.zeros(rows, np.int32)
    potential = run_seed(kernels, x, x[:1].copy(), None, weights)[1][:, 0]
    for number, values in enumerate(uniform):
        mass = expected.astype(np.float64) * (1 if weights is None else weights)
        if potential.sum() == 0:
            assert done.rounds == number
            break
        at = np.minimum(np.searchsorted(np.cumsum(mass), values * mass.sum()), rows - 1)
        out, found, _ = run_seed(kernels, x, x[at], expected, weights)
        best = np.argmin(found.sum(axis=0))
        assert chosen[number] == at[best]
        nearest[out[best] < expected] = 5 + number
        expected, potential = out[best], found[:, best]
    else:
        assert done.rounds == 7
    assert_array_equal(closest, expected)
    assert_array_equal(labels, nearest if sifted else 0)
    assert_array_equal(sums, potential)
    assert done.read <= 7 * rows


def test_the_number_of_threads_changes_no_bit(compiled, dtype):
    x = grouped(15000, 21, dtype)
    closest, candidates, *_ = seeded(compiled, x, 9)
    results = []
    for n in (1, 2, 3):
        sketch = make_sketch(compiled, x, n_threads=n)
        results.append((sketch["known"].copy(), *run_sift(compiled, sketch, candidates, closest, None, n)))
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            assert_array_equal(a, b)


def test_balls_of_rows_in_the_order_of_their_groups_are_left_out(compiled, dtype):
    x = grouped(9600, 40, dtype)
    x[:, 0] += 400 * np.random.default_rng(1).integers(10, size=len(x))
    closest, candidates, *_ = seeded(compiled, x, 4)
    for order, most in ((None, 200), (np.lexsort((x[:, 1], np.round(x[:, 0] / 400))), 120)):
        sketch = make_sketch(compiled, x, order)
        looked = [run_sift(compiled, sketch, candidates, closest, None)[2] for _ in range(2)]
        assert looked[0] == 200  # nothing is known yet of how far the rows are from their seeds
        assert looked[1] <= most
    assert looked[1] > 0


@pytest.mark.parametrize("share", [0.999, 1.0, 1.001])
def test_at_the_edge_nothing_is_decided_by_bounds(kernels, dtype, share):
    x, _, _ = points(3000, 64, 1, dtype, offset=10)
    candidate = np.ascontiguousarray(x[:1])
    exact = run_seed(kernels, x, candidate, None, None)[0][0]
    closest = np.nextafter(exact * dtype(share), dtype(np.inf))
    marks = run_sift(kernels, make_sketch(kernels, x), candidate, closest, None)[0]
    assert np.all(marks[exact < closest] == 1)


@pytest.mark.parametrize("scale", [1e-15, 1.0, 1e15])
def test_rows_far_out_and_rows_of_no_length_are_marked_as_they_must(kernels, dtype, scale):
    x = grouped(700, 12, np.float64) * scale
    x[100:200] = x[:100]  # copies
    x[300] *= 1e3
    x[301:303] = 0
    if dtype == np.float64:
        x[303] *= 1e40  # beyond the range of float32
    x = x.astype(dtype)
    sketch = make_sketch(kernels, x)
    sketch["shift"][:] = 0
    kernels.sketch(x=x, **sketch, n_threads=1)
    candidates = np.ascontiguousarray(x[[5, 105, 300, 301, 303, 600]])
    closest = run_seed(kernels, x, np.ascontiguousarray(x[[1, 650]]), None, None)[0].min(axis=0)
    out = run_seed(kernels, x, candidates, closest, None)[0]
    marked = bits_of(run_sift(kernels, sketch, candidates, closest, None)[0], 6)
    assert not np.any((out < closest) & ~marked)
    assert np.count_nonzero(marked) < 0.9 * marked.size


def lengths(sketch, x):
    """Of the rows in their order, and what the sketch says of them."""
    y = (x[sketch["order"]].astype(np.float64) - sketch["shift"]) / sketch["scale"]
    return np.linalg.norm(y, axis=1), *sketch["known"][:3, : len(x)].astype(np.float64)


def test_a_sketch_bounds_what_it_loses(kernels, dtype):
    x = grouped(1000, 33, dtype)
    norms, units, errors, squares = lengths(
        make_sketch(kernels, x, np.random.default_rng(0).permutation(1000)), x
    )
    assert np.all(np.abs(np.sqrt(squares) - norms) <= errors)
    assert np.all(errors <= 0.6 * units * np.sqrt(33))
    assert np.all(units <= norms / 100)


def test_entries_of_unlike_sizes_are_kept_as_well_as_others(compiled, dtype):
    x = grouped(1000, 300, dtype)
    x[:, 7] *= 50
    norms, _, errors, _ = lengths(make_sketch(compiled, x), x)
    assert np.all(errors < 0.015 * norms)


def test_what_would_lead_out_of_bounds_is_refused(compiled, dtype):
    x = grouped(100, 5, dtype)
    sketch = make_sketch(compiled, x)
    closest, candidates, *_ = seeded(compiled, x, 3)
    for name, wrong in {
        "order": sketch["order"] - 1, "codes": sketch["codes"][:-1], "known": sketch["known"][:2],
        "balls": sketch["balls"][:, :1].copy(), "scale": 0.0, "shift": sketch["shift"][:3],
    }.items():  # fmt: skip
        with pytest.raises(ValueError, match=name):
            run_sift(compiled, sketch | {name: wrong}, candidates, closest, None)
    with pytest.raises(ValueError, match="at most 16"):
        run_sift(compiled, sketch, np.repeat(candidates, 6, axis=0), closest, None)
    marks, bits = np.ones(100, np.uint16), np.array([0, 1, 16], np.int32)
    with pytest.raises(ValueError, match="bits"):
        run_seed(compiled, x, candidates, closest, None, marks, bits)
    with pytest.raises(ValueError, match="marks"):
        run_seed(compiled, x, candidates, None, None, marks, bits % 4)


def test_more_rows_than_32_bits_count_are_not_sifted():
    few, many = (Source(np.broadcast_to(np.float32(0), (rows, 256)), 1) for rows in (2**31 - 1, 2**31))
    assert Sieve.worth(few, 1000, 8)
    assert not Sieve.worth(many, 1000, 8)

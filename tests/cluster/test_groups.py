"""How many segments a task takes, and which worker it is offered to first."""

import itertools
from collections import Counter
from math import ceil

import numpy as np
import pytest

from gramfold.fit.inputs import read_rows
from gramfold.fold.groups import (
    PAIR,
    SMALL,
    TASKS,
    grouped,
    lying_together,
    places,
    together,
    where_they_lie,
)
from gramfold.fold.segments import source_of

dask = pytest.importorskip("dask", reason="dask is of the extra dask")
distributed = pytest.importorskip("distributed", reason="distributed is of the extra dask")
import dask.array as da  # noqa: E402


def longest(count, each, threads):
    """Segments of the thread that has most to do."""
    return each * ceil(ceil(count / each) / threads)


@pytest.mark.parametrize(
    ("count", "size", "workers", "expected"),
    [
        (16, 2e9, [1, 1], 4),  # a pair of half a GB for each thread
        (18, 2e9, [1] * 4, 1),  # nine pairs would keep one of four threads longer at it
        (16, 16e9, [1, 1], 2),  # large enough as they are
        (4, 1e6, [1, 1], 1),  # no more than a pair each as it is
        (2000, 1e12, [8] * 10, 4),
        (20_000, 1e13, [8] * 1000, 8),
    ],
)
def test_groups_are_few_and_even(count, size, workers, expected):
    assert together(count, size, workers, 4 << 30) == expected


def test_larger_groups_keep_no_thread_longer():
    for count, threads, size in itertools.product((3, 7, 16, 33, 100), (1, 2, 3, 8), (1e6, 1e9, 1e10)):
        found = together(count, size, [1] * threads, 4 << 30)
        usual = 1
        while 2 * usual * TASKS * threads <= count:
            usual *= 2
        assert found & (found - 1) == 0
        assert longest(count, found, threads) <= longest(count, usual, threads)
        assert found == usual or (
            found * size / count <= SMALL and ceil(count / found) >= PAIR * threads
        )  # fmt: skip


def test_groups_of_an_x_that_is_not_kept_are_bounded():
    assert together(100, 1e10, [1, 1], 1.5e8) == 1


def chunks(client, at):
    """The source of an array whose chunks lie at these workers."""
    where = list(client.nthreads())
    made = [client.submit(np.full, (10, 2), float(i), workers=where[j], pure=False) for i, j in enumerate(at)]
    distributed.wait(made)
    X = [dask.delayed(one) for one in made]
    return source_of(read_rows(X, segments=True), 1), where


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ((0, 0, 1, 1, 0, 1, 1, 1), (0, 1, None, 1)),  # the third has one of each: the share of the first
        ((0,) * 8, None),
        ((1, 1, 0, 0, 1, 1, 0, 0), (1, 0, 1, 0)),
    ],
)
def test_groups_are_offered_to_the_workers_that_have_them_in_equal_shares(client, at, expected):
    source, where = chunks(client, at)
    source.parts.passes.together = 2
    groups = grouped(source.parts, client, [1, 1])
    found = places(where_they_lie(groups, client), client.nthreads())
    assert sorted(found) == sorted(where * 2)
    if expected is not None:
        for place, wanted in zip(found, expected, strict=True):
            assert wanted is None or place == where[wanted]


def test_rows_that_no_worker_has_are_not_placed():
    source = source_of(read_rows(da.ones((40, 2), chunks=(10, 2)), segments=True), 1)
    assert where_they_lie(grouped(source.parts, None, [2]), None) is None


@pytest.mark.parametrize(
    ("at", "size", "passes", "expected"),
    [
        ("AAAABBBBAAAABBBB", 2e9, 1, 4),  # nothing moves
        ("BBAABBABBAAABBAA", 2e9, 1, 1),  # all but one stay
        ("BBAABBABBAAABBAA", 2e9, 10, 2),  # two move in half the tasks that moving one takes
        ("BBAABBABBAAABBAA", 2e9, 50, 4),
        ("ABABABABABABABAB", 2e9, 1, 1),
        ("ABABABABABABABAB", 2e7, 1, 4),  # so little is soon moved
        ("................", 2e9, 1, 4),  # they are not computed yet
    ],
)
def test_tasks_are_smaller_where_partitions_would_have_to_move(at, size, passes, expected):
    held = [Counter() if one == "." else Counter(one) for one in at]
    assert lying_together(held, 4, size, {"A": 1, "B": 1}, passes) == expected


def test_what_runs_once_leaves_partitions_where_they_lie(client, monkeypatch):
    monkeypatch.setattr("gramfold.fold.groups.LINK", 1e4)
    monkeypatch.setattr("gramfold.fold.groups.PASSES", 10**4)
    where, rng = list(client.nthreads()), np.random.default_rng(0)
    made = [client.submit(rng.random, (200, 50), workers=where[i % 2], pure=False) for i in range(16)]
    distributed.wait(made)
    x, lay = source_of(read_rows([dask.delayed(one) for one in made], segments=True), 1), client.who_has(made)
    assert x.squared_norm > 0  # a pass that has no state
    assert client.who_has(made) == lay
    assert not x.parts.passes.together
    x.product(np.ones((50, 1)))
    assert x.parts.passes.together == 4


def test_shares_are_found_soon_for_many_workers():
    threads = {f"w{i}": 1 + i % 2 for i in range(1000)}
    held = [Counter() if i % 3 else Counter({f"w{i % 7}": 2, f"w{i % 1000}": 1}) for i in range(9000)]
    found = Counter(places(held, threads))
    assert all(found[at] <= 6 * n for at, n in threads.items())
    assert found.total() == 9000
    assert all(found[f"w{i}"] == 6 * threads[f"w{i}"] for i in range(7))

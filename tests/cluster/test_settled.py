"""Partitions that lie at odd addresses are copied once, where they are kept, and change no bit."""

import logging
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp
from cluster_cases import check_same, learned, parted, rows

import gramfold as gf
from gramfold.fold import settled

dask = pytest.importorskip("dask", reason="dask is of the extra dask")
distributed = pytest.importorskip("distributed", reason="distributed is of the extra dask")

MODELS = {
    "KMeans": lambda: gf.KMeans(9, init="random", n_init=1, max_iter=6, tol=0, random_state=0),
    "NMF": lambda: gf.NMF(3, init="random", max_iter=6, tol=0, random_state=0),
    "GaussianMixture": lambda: gf.GaussianMixture(2, covariance_type="diag", max_iter=6, random_state=0),
    "PCA": lambda: gf.PCA(3),
}  # fmt: skip
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def odd(a):
    """The same array at an address that no entry may have."""
    found = np.frombuffer(bytearray(a.nbytes + 1), a.dtype, a.size, offset=1).reshape(a.shape, order="A")
    found[...] = a
    assert not found.flags.aligned
    return found


def odd_part(part):
    """A partition at such an address: an array, CSR or a data frame."""
    if hasattr(part, "iloc"):
        return type(part)(odd(part.to_numpy()), columns=part.columns, copy=False)
    if not sp.issparse(part):
        return odd(part)
    made = type(part)(part.shape, dtype=part.dtype)
    made.data, made.indices, made.indptr = odd(part.data), odd(part.indices), odd(part.indptr)
    return made


def lie(dask_worker, keys):
    """Of each of these partitions that this worker has: where its numbers lie, and whether that is odd."""
    found = {}
    for key in keys:
        if key in dask_worker.data:
            part = dask_worker.data[key]
            numbers = part.data if sp.issparse(part) else np.asarray(part)
            found[key] = numbers.__array_interface__["data"][0], settled.lies_odd(part)
    return found


def counted():
    """Count the copies of this worker."""
    copied = settled.copied

    def counting(part):
        counting.copies += 1
        return copied(part)

    counting.copies, counting.before = 0, copied
    settled.copied = counting


def copies():
    """How many there were; count no more."""
    counting, settled.copied = settled.copied, settled.copied.before
    return counting.copies


def kept(client, parts, make):
    """What make(part) gives of each, in turn with another worker: their futures, delayed, and their names."""
    where = list(client.nthreads())
    made = [
        client.submit(make, part, workers=where[i % len(where)], pure=False) for i, part in enumerate(parts)
    ]
    distributed.wait(made)
    return made, [one.key for one in made]


def as_kind(X, kind):
    if kind == "frame":
        return pytest.importorskip("pandas").DataFrame(X, columns=[f"c{i}" for i in range(X.shape[1])])
    return sp.csr_array(np.where(X > 2, X, 0)) if kind == "CSR" else X


@pytest.fixture(scope="module")
def alone():
    """The client of one worker, so that nothing moves."""
    options = {"n_workers": 1, "threads_per_worker": 2, "dashboard_address": ":0"}
    with (
        distributed.LocalCluster(**options, silence_logs=logging.CRITICAL) as made,
        distributed.Client(made) as client,
    ):
        yield client


@pytest.mark.parametrize(
    ("name", "kind"), [*((name, "array") for name in MODELS), ("KMeans", "CSR"), ("KMeans", "frame")]
)
def test_odd_partitions_are_copied_once_and_change_no_bit(alone, name, kind):
    parts = parted(as_kind(rows(), kind), 150)
    made, keys = kept(alone, parts, odd_part)
    (before,) = alone.run(lie, keys=keys).values()
    assert all(at for _, at in before.values())
    alone.run(counted)
    try:
        found = MODELS[name]().fit([dask.delayed(one) for one in made])
        (first,) = alone.run(lie, keys=keys).values()
        MODELS[name]().fit([dask.delayed(one) for one in made])
    finally:
        (count,) = alone.run(copies).values()
    check_same(learned(found), learned(MODELS[name]().fit(gf.blocks(parts))))
    assert len(first) == len(parts)
    assert not any(at for _, at in first.values())
    assert [*alone.run(lie, keys=keys).values()] == [first]
    assert count == len(parts)


@pytest.mark.parametrize("name", ["KMeans", "NMF"])
def test_partitions_that_moved_end_at_addresses_that_kernels_take(client, monkeypatch, name):
    monkeypatch.setattr("gramfold.fold.groups.PASSES", 10**6)  # so that moving them is worth it
    parts = parted(rows(1200), 75)
    made, keys = kept(client, parts, np.array)
    found = MODELS[name]().fit([dask.delayed(one) for one in made])
    check_same(learned(found), learned(MODELS[name]().fit(gf.blocks(parts))))
    there = [at for one in client.run(lie, keys=keys).values() for _, at in one.values()]
    assert len(there) >= len(parts)
    assert not any(there)


def test_what_this_process_computes_is_left_as_it_is():
    part = odd(rows())
    assert settled.settled(["a"], (part, 1))[0] is part


def test_no_copy_is_put_where_the_partition_is_gone_or_another_by_now():
    old, new, other = odd(rows()), rows(), rows()
    for data in ({}, {"a": other}):
        worker = SimpleNamespace(data=dict(data))
        settled._replaced(worker, "a", old, new)
        assert worker.data.keys() == data.keys()
        assert all(worker.data[key] is part for key, part in data.items())

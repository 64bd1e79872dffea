"""A cluster of two processes that all tests of this folder share."""

import logging

import pytest


@pytest.fixture(scope="session")
def cluster():
    distributed = pytest.importorskip("distributed", reason="distributed is of the extra dask")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=logging.CRITICAL
    ) as made:
        yield made


@pytest.fixture
def mortal():
    """The client of a cluster of its own, whose workers may be ended."""
    distributed = pytest.importorskip("distributed", reason="distributed is of the extra dask")
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
    with (
        distributed.LocalCluster(**options, silence_logs=logging.CRITICAL) as made,
        distributed.Client(made) as client,
    ):
        yield client


@pytest.fixture
def client(cluster):
    distributed = pytest.importorskip("distributed", reason="distributed is of the extra dask")
    with distributed.Client(cluster) as made:
        made.wait_for_workers(2, timeout=30)
        yield made

"""The record a callback gets, and the bar it can feed."""

import dataclasses
import io
import pickle

import pytest
from sklearn.base import BaseEstimator, clone

from gramfold.fit.progress import IterationInfo, progress

pytest.importorskip("tqdm")


class Fit(BaseEstimator):
    def __init__(self, callback=None):
        self.callback = callback


def info(iteration, max_iter=5):
    return IterationInfo(iteration, max_iter, objective=1.5, kkt=0.25, seconds=0.1 * iteration)


def make(**options):
    stream = io.StringIO()
    return progress(file=stream, mininterval=0, miniters=1, ncols=100, **options), stream


def last(stream):
    return stream.getvalue().rstrip("\n").split("\r")[-1]


def test_iteration_info_is_frozen_and_without_a_dict():
    record = info(3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        record.kkt = 0.0
    assert not hasattr(record, "__dict__")
    assert pickle.loads(pickle.dumps(record)) == record


def test_the_bar_counts_iterations_and_shows_objective_and_kkt():
    callback, stream = make(desc="NMF")
    assert callback(info(1)) is None
    callback(info(2))
    assert last(stream).startswith("NMF:  40%")
    assert "2/5" in last(stream)
    assert "objective=1.5, kkt=2.5e-01" in last(stream)
    callback.close()


def test_the_last_iteration_closes_the_bar():
    callback, stream = make()
    for iteration in range(1, 6):
        callback(info(iteration))
    assert stream.getvalue().endswith("\n")
    assert "5/5" in last(stream)
    written = stream.getvalue()
    callback.close()
    assert stream.getvalue() == written


def test_an_early_end_leaves_a_full_bar():
    callback, stream = make()
    for iteration in (1, 2, 3):
        callback(info(iteration))
    callback.close()
    assert last(stream).startswith("100%")
    assert "3/3" in last(stream)
    assert stream.getvalue().endswith("\n")


@pytest.mark.parametrize("closed", [True, False])
def test_a_new_fit_starts_a_new_bar(closed):
    callback, stream = make()
    callback(info(1))
    callback(info(2))
    if closed:
        callback.close()
    callback(info(1, max_iter=9))
    assert stream.getvalue().count("\n") == 1
    assert "1/9" in last(stream)
    callback.close()


def test_one_iteration_after_one_iteration_is_a_new_fit():
    callback, stream = make()
    callback(info(1, max_iter=None))
    callback(info(1, max_iter=None))
    callback.close()
    assert stream.getvalue().count("\n") == 2


def test_skipped_iterations_are_counted():
    callback, stream = make()
    callback(info(1))
    callback(info(4))
    assert "4/5" in last(stream)
    callback.close()


def test_a_clone_shares_the_options_and_not_the_open_bar():
    callback, stream = make()
    callback(info(3))
    copy = clone(Fit(callback)).callback
    assert copy is not callback
    copy(info(1))
    copy.close()
    assert "1/1" in last(stream)
    callback(info(4))
    assert "4/5" in last(stream)
    callback.close()


def test_an_open_bar_pickles_as_its_options():
    callback = progress(disable=True, desc="NMF")
    callback(info(1))
    copy = pickle.loads(pickle.dumps(callback))
    assert copy.tqdm_kwargs == {"disable": True, "desc": "NMF"}
    copy(info(1))
    copy.close()
    callback.close()


def test_a_disabled_bar_runs_through_many_fits():
    callback, stream = make(disable=True)
    for _ in range(2):
        for iteration in range(1, 6):
            callback(info(iteration))
    callback.close()
    assert stream.getvalue() == ""

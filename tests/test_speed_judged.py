"""What `python -m bench calls` makes of seconds and qualities."""

import time
from functools import partial

import pytest

from bench.calls.child import timed_in_child
from bench.calls.contest import OURS, Contest, Entry, Fit, Maker, compared
from bench.frame import Settings, met, verdict


class Endless:
    """A peer that sleeps for as long as the data say."""

    def fit(self, seconds):
        time.sleep(seconds)
        return self


def judged(at_least=2, ours=(1.0, 100.0), **peers):
    entries = {OURS: ours} | peers
    row = compared({name: Entry([seconds], quality) for name, (seconds, quality) in entries.items()})
    return row | {"at_least": at_least}


def test_the_fastest_peer_of_equal_quality_is_the_yardstick():
    row = judged(fast=(2.5, 100.09), slow=(9.0, 99.95))
    assert (row["peer"], row["ratio"], row["target objective"]) == ("fast", 2.5, 100.09)
    assert met(row)


def test_where_no_peer_is_installed_nothing_is_judged():
    about = {"criterion": "fit", "case": "some", "dtype": "float32"}
    assert verdict([judged() | about]) == ["no peer  fit: nothing to compare with (1 cases ran)"]
    beside = verdict([judged() | about, judged(peer=(2.5, 100.0)) | about])
    assert beside == ["met      fit >= 2x: worst 2.5x (some, float32; 1 cases ran)"]


def test_a_peer_of_worse_quality_is_marked_and_no_yardstick():
    row = judged(sloppy=(0.5, 100.2), careful=(3.0, 100.0))
    assert (row["sloppy"], row["careful"], row["peer"]) == ("0.5 worse", "3", "careful")
    assert met(row)


def test_a_peer_of_better_quality_makes_our_row_unmet_however_fast_it_is():
    row = judged(better=(30.0, 99.8))
    assert (row["better"], row["note"], row["ratio"]) == ("30 better", "worse than better", 30.0)
    assert not met(row)


def test_among_worse_peers_the_best_is_the_yardstick():
    row = judged(worst=(2.0, 150.0), bad=(5.0, 120.0))
    assert (row["peer"], row["ratio"]) == ("bad", 5.0)


def test_a_stopped_peer_counts_only_where_no_other_ended():
    row = judged(endless=(60.0, None))
    assert (row["endless"], row["peer"], row["stopped"]) == ("> 60", "endless", True)
    row = judged(endless=(60.0, None), ended=(70.0, 100.0))
    assert (row["peer"], row["stopped"]) == ("ended", False)


def test_qualities_below_zero_compare_as_others():
    assert judged(ours=(1.0, -100.0), other=(3.0, -99.95))["other"] == "3"
    assert judged(ours=(1.0, -100.0), other=(3.0, -99.8))["other"] == "3 worse"
    assert judged(ours=(1.0, -100.0), other=(3.0, -100.2))["other"] == "3 better"


def test_no_peer_is_no_ratio():
    row = judged()
    assert (row["peer"], row["ratio"]) == ("-", 0.0)
    assert not met(row)


@pytest.mark.parametrize(
    ("more", "enough"), [({"or_read": 80, "% read": 85}, True), ({"or_read": 80, "% read": 75}, False)]
)
def test_so_much_of_the_read_bandwidth_is_enough_as_well(more, enough):
    assert met(judged(peer=(1.5, 100.0)) | more) is enough


def test_a_call_that_takes_longer_than_allowed_is_not_met():
    assert met(judged(peer=(3.0, 100.0)) | {"at_most": 2.0})
    assert not met(judged(peer=(3.0, 100.0)) | {"at_most": 0.5})


def seven(data, model):
    return 7.0


def in_child(maker, seconds, bound):
    contest = Contest(Fit(), partial(tuple, (seconds,)), {"peer": maker}, judge=seven, at_least=1)
    return timed_in_child(contest, "peer", Settings(threads=1), bound)


def test_a_peer_that_does_not_end_is_stopped_and_has_no_quality():
    assert in_child(Maker("test_speed_judged", "Endless", seeded=False), 1000.0, 0.5) == (0.5, None)


def test_a_peer_that_ends_in_its_process_is_timed_and_judged():
    seconds, quality = in_child(Maker("test_speed_judged", "Endless", seeded=False), 0.0, 100.0)
    assert 0 <= seconds < 100
    assert quality == 7.0


def test_a_peer_that_is_not_installed_is_named(capsys):
    assert in_child(Maker("no_such_package", "Model"), 0.0, 100.0) is None
    assert "peer is not installed" in capsys.readouterr().out

"""What `python -m bench calls` makes of seconds and qualities."""

import pytest

from bench.calls.contest import OURS, Entry, compared
from bench.frame import met


def judged(at_least=2, ours=(1.0, 100.0), **peers):
    entries = {OURS: ours} | peers
    row = compared({name: Entry([seconds], quality) for name, (seconds, quality) in entries.items()})
    return row | {"at_least": at_least}


def test_the_fastest_peer_of_equal_quality_is_the_yardstick():
    row = judged(fast=(2.5, 100.09), slow=(9.0, 99.95))
    assert (row["peer"], row["ratio"], row["target objective"]) == ("fast", 2.5, 100.09)
    assert met(row)


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
    assert judged(stopped=(60.0, None))["stopped"] == "> 60"
    assert judged(stopped=(60.0, None))["peer"] == "stopped"
    assert judged(stopped=(60.0, None), ended=(70.0, 100.0))["peer"] == "ended"


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

"""Fits in threads beside each other, of which each has its own view of X; see `in_step`."""

import threading
from collections.abc import Callable, Sequence
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

from sklearn import config_context, get_config

from ..fit.chorus import Chorus
from ..fit.monitor import Callback, Monitor
from .in_step import Ended, Meeting, shared
from .source import Source

Result = TypeVar("Result")


def runs_beside(
    x: Source, whole: Monitor, monitor: Callable[[Callback], Monitor],
    runs: Sequence[Callable[[Source, Monitor], Result]], *, best: Callable[..., float] = min,
) -> list[Result]:  # fmt: skip
    """Give run(x, monitor) for each run, all side by side.

    Parameters
    ----------
    x : Source
        For which `in_files` is true.
    whole : Monitor
        What hears of the runs as of one.
    monitor : callable
        Makes the monitor of a run, which is silent but for the callback it is given.
    best : callable
        min or max: which objective is the best.
    """
    chorus = Chorus(whole, len(runs), best)

    def task(i: int, mine: Source) -> Result:
        try:
            with monitor(chorus.of(i)) as own:
                return runs[i](mine, own)
        finally:
            chorus.end(i)

    with whole:
        return side_by_side(x, [partial(task, i) for i in range(len(runs))])


def side_by_side(x: Any, tasks: Sequence[Callable[[Any], Result]]) -> list[Result]:
    """Give task(x) for each task, where x lies in files that are read once for all of them.

    Parameters
    ----------
    x : Source, array, CSR matrix or Blocks
        For which `in_files` is true.
    tasks : sequence of callable
        What one raises ends all of them.
    """
    meeting, config = Meeting(len(tasks)), get_config()
    found: dict[int, Any] = {}
    errors: dict[int, BaseException] = {}

    def work(i: int, mine: Any) -> None:
        try:
            with config_context(**config):
                found[i] = tasks[i](mine)
        except BaseException as error:
            errors[i] = error
            meeting.end()
        finally:
            meeting.leave()

    threads = [
        threading.Thread(target=copy_context().run, args=(work, i, mine), name=f"gramfold-fit-{i}")
        for i, mine in enumerate(shared(x, meeting))
    ]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except BaseException:  # an interrupt: they end when they come to their next pass
        meeting.end()
        raise
    for i in sorted(errors):
        if not isinstance(errors[i], Ended):
            raise errors[i]
    return [found[i] for i in range(len(tasks))]

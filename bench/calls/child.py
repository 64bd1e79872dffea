"""A peer that may not end, timed in a process of its own."""

import time
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from threadpoolctl import threadpool_limits

from bench.frame import Settings, quietly

START = 300.0  # seconds for importing and for making the data

Found = tuple[float, float | None]  # seconds and quality, or the bound and None


def timed_in_child(contest: Any, name: str, settings: Settings, bound: float) -> Found | None:
    """Time the call of the peer `name`, which is stopped after `bound` seconds; None if it cannot be made."""
    context = get_context("spawn")  # a fork would inherit thread pools without their threads
    receive, send = context.Pipe(duplex=False)
    child = context.Process(target=_run, args=(send, contest, name, settings))
    child.start()
    send.close()
    try:
        if not receive.poll(START):
            raise EOFError
        if problem := receive.recv():
            print(f"      {name} {problem}", flush=True)
            return None
        if not receive.poll(bound):
            return bound, None
        return receive.recv(), receive.recv()
    except EOFError:
        print(f"      {name} failed", flush=True)
        return None
    finally:
        child.kill()
        child.join()


def _run(send: Connection, contest: Any, name: str, settings: Settings) -> None:
    with threadpool_limits(settings.threads):
        data = contest.make()
        try:
            contest.makers[name](settings.seed)
        except ImportError:
            send.send("is not installed")
            return
        prepared = contest.call.prepare(contest.makers[name], settings, data)
        send.send("")
        start = time.perf_counter()
        quietly(prepared.call)
        send.send(time.perf_counter() - start)
        send.send(prepared.quality(contest.judge, data))

"""Which segments a task takes, and which worker is asked to be the first to take them."""

from collections import Counter
from collections.abc import Sequence
from heapq import heapify, heapreplace
from math import ceil
from typing import Any

from ..io.partitions import Partitions, memory_of
from ..io.parts import Parts
from .graph import future_of
from .tasks import Group

LARGE, ROOM = 4 << 30, 8  # bytes of a group; of an X that is not kept, its share of a thread's memory
SMALL = 1 << 29  # bytes of a group that are worth the time that Dask takes for a task
TASKS, MANY = 4, 1024  # tasks for each thread, if that is not many
PAIR = 2  # tasks for each worker if they are many, for each thread if they are small
# About: bytes a second to a worker; seconds a task takes of the scheduler, and of a thread; passes of a fit.
LINK, TASK, PAUSE, PASSES = 1e9, 1e-3, 5e-3, 50


def grouped(parts: Parts, client: Any, workers: list[int], *, once: bool = False) -> list[Group]:
    """Groups of 2^i segments, each as many bytes as a task should have, for workers of so many threads.

    They are the same for all passes of a fit, whose state is kept by groups; but not for one without such
    state that runs `once`, as far as is known.
    """
    count, found = len(parts), parts.passes.together
    if not found:
        size = sum((last - first) * reader.row_bytes for reader, first, last in parts.pieces)
        reader, most = parts.pieces[0].reader, float(LARGE)
        if isinstance(reader, Partitions) and reader.tasks is reader.given:
            most = min(most, memory_of(client) / (ROOM * sum(workers)))
        found = together(count, size, workers, most)
        if client is not None and found > 1:
            held = where_they_lie(_groups(parts, 1, workers), client)
            if held is not None:
                found = lying_together(held, found, size, client.nthreads(), 1 if once else PASSES)
        if not once:
            parts.passes.together = found
    return _groups(parts, found, workers)


def _groups(parts: Parts, size: int, workers: list[int]) -> list[Group]:
    starts = range(0, len(parts), size)
    busy = min(max(workers), -(-len(starts) // len(workers)))
    return [Group(parts, first, min(first + size, len(parts)), busy) for first in starts]


def together(count: int, size: float, workers: list[int], most: float) -> int:
    """How many of so many segments, of so many bytes in all, a task takes: of no more than `most`."""
    threads = sum(workers)
    usual = size / min(TASKS * threads, max(MANY, PAIR * len(workers)))

    def longest(each: int) -> int:
        """Segments of the thread that has most to do."""
        return each * ceil(ceil(count / each) / threads)

    found = 1
    while 2 * found * size <= min(most, usual) * count:
        found *= 2
    while (
        2 * found * size <= min(most, SMALL) * count
        and 2 * found * PAIR * threads <= count
        and longest(2 * found) <= longest(found)
    ):
        found *= 2
    return found


def where_they_lie(groups: Sequence[Group], client: Any) -> list[Counter[str]] | None:
    """Of each group how many of its partitions each worker has; None if some lie nowhere."""
    futures = [[future_of(task) for task in group.tasks] for group in groups]
    if not all(some and None not in some for some in futures):
        return None
    where = client.who_has([future for some in futures for future in some])
    return [Counter(at for future in some for at in where.get(future.key, ())) for some in futures]


def places(held: list[Counter[str]], threads: dict[str, int]) -> list[str]:
    """A worker for each group, so that all have their share of them, and as much of these rows as may be."""
    room = {at: -(-len(held) * n // sum(threads.values())) for at, n in threads.items()}
    found = [""] * len(held)

    def free(at: str) -> float:
        return room[at] / threads[at]

    heap = [(-free(at), at) for at in room]  # the share of it that a worker had free once
    heapify(heap)
    for i in sorted(range(len(held)), key=lambda i: -max(held[i].values(), default=0)):
        near = [at for at in held[i] if room.get(at)]
        while not near:
            share, at = heap[0]
            if free(at) == -share:
                near = [at]
            else:
                heapreplace(heap, (-free(at), at))
        found[i] = max(near, key=lambda at: (held[i][at], free(at)))
        room[found[i]] -= 1
    return found


def lying_together(
    held: list[Counter[str]], most: int, size: float, threads: dict[str, int], passes: int
) -> int:  # fmt: skip
    """How many of these partitions, at most `most`, a task had best take.

    Those of a task that lie with several workers move, once. Smaller tasks need not wait for that, but take
    time in every pass.

    Parameters
    ----------
    held : list of Counter
        With whom each partition lies.
    most : int
        A power of two.
    size : float
        Bytes of all.
    threads : dict of int
        By worker.
    passes : int
        How many there may be.
    """
    each_task = TASK + PAUSE / sum(threads.values())

    def seconds(each: int) -> float:
        groups = [sum(held[i : i + each], Counter()) for i in range(0, len(held), each)]
        lie = places(groups, threads)
        moved = sum(not held[i][lie[i // each]] for i in range(len(held)))
        return moved * size / len(held) / (LINK * len(threads)) + passes * each_task * len(groups)

    return min((most >> i for i in range(most.bit_length())), key=seconds)

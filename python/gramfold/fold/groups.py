"""Which segments a task takes, and which worker is asked to be the first to take them."""

from collections import Counter
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


def grouped(parts: Parts, client: Any, workers: list[int], reads: bool = True) -> list[Group]:
    """Groups of 2^i segments, each as many bytes as a task should have, for workers of so many threads."""
    count = len(parts)
    if not parts.passes.together:  # the same for all passes of a fit, whose state is kept by groups
        size = sum((last - first) * reader.row_bytes for reader, first, last in parts.pieces)
        reader, most = parts.pieces[0].reader, float(LARGE)
        if isinstance(reader, Partitions) and reader.tasks is reader.given:
            most = min(most, memory_of(client) / (ROOM * sum(workers)))
        parts.passes.together = together(count, size, workers, most)
    size = parts.passes.together
    starts = range(0, count, size)
    busy = min(max(workers), -(-len(starts) // len(workers)))
    return [Group(parts, first, min(first + size, count), busy, reads=reads) for first in starts]


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


def places(groups: list[Group], client: Any) -> list[str] | None:
    """A worker for each group, so that all have their share of them, and as much of these rows as may be.

    None if partitions do not lie with workers.
    """
    futures = [[future_of(task) for task in group.tasks] for group in groups]
    if not all(some and None not in some for some in futures):
        return None
    where = client.who_has([future for some in futures for future in some])
    threads = client.nthreads()
    room = {at: -(-len(groups) * n // sum(threads.values())) for at, n in threads.items()}
    held = [Counter(at for future in some for at in where.get(future.key, ())) for some in futures]
    found = [""] * len(groups)
    for i in sorted(range(len(groups)), key=lambda i: -max(held[i].values(), default=0)):
        free = [at for at in room if room[at]]
        found[i] = max(free, key=lambda at: (held[i][at], room[at] / threads[at]))
        room[found[i]] -= 1
    return found

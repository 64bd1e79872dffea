"""Which fits a command asks for: ranks, restarts, and a worker's share of them."""

import argparse
from pathlib import Path
from typing import NamedTuple

from .errors import UsageError
from .families import Family

JOBS = "jobs"  # the folder of several


class Job(NamedTuple):
    """One fit.

    Attributes
    ----------
    rank : int or None
        None: as the model has it by default.
    restart : int
    folder : Path
        Where its results go.
    """

    rank: int | None
    restart: int
    folder: Path


def jobs_of(command: argparse.Namespace, family: Family) -> tuple[list[Job], bool]:
    """The jobs of this worker, and whether there is but one in all, whose results go to the folder itself.

    Raises
    ------
    UsageError
        If they make no sense.
    """
    ranks = ranks_of(getattr(command, "k", []), family)
    restarts = getattr(command, "restarts", 1)
    index, workers = command.worker_index, command.total_workers
    if (index is None) != (workers is None):
        raise UsageError("--worker-index and --total-workers go together")
    if workers is not None and index >= workers:
        raise UsageError(f"--worker-index must be less than --total-workers {workers}, got {index}")
    if len(ranks) * restarts == 1 and workers is None:
        return [Job(ranks[0], 0, command.output or Path())], True
    folder = (command.output or Path()) / JOBS
    every = [
        Job(rank, restart, folder / f"{rank_name(rank)}-r{restart}")
        for rank in ranks
        for restart in range(restarts)
    ]
    return every[index or 0 :: workers or 1], False


def rank_name(rank: int | None) -> str:
    """The name of the folder of a rank."""
    return "default" if rank is None else f"k{rank}"


def ranks_of(texts: list[str], family: Family) -> list[int | None]:
    """The ranks that -k says, each once, in their order."""
    if not texts and family.rank is not None and family.model not in ("PCA", "RobustPCA"):
        raise UsageError("say how many components are wanted: -k 32, or -k 8:40:4")
    found = [rank for text in texts for rank in _ranks(text)]
    return list(dict.fromkeys(found)) or [None]


def _ranks(text: str) -> range:
    """One rank, or first:last:step with the last included."""
    parts = text.split(":")
    if len(parts) > 3 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise UsageError(f"-k must be a number or first:last:step, each at least 1, got {text!r}")
    numbers = [int(part) for part in parts]
    if len(numbers) > 1 and numbers[1] < numbers[0]:
        raise UsageError(f"-k {text} ends before it begins")
    first, last, step = (numbers + [numbers[0], 1][len(numbers) - 1 :])[:3]
    return range(first, last + 1, step)

"""What is pickled another way on its way to a process than into a file."""

from collections.abc import Callable
from multiprocessing.reduction import ForkingPickler
from typing import Any

from joblib.externals.loky.backend import reduction


def on_the_way(kind: type, reduce: Callable[[Any], Any]) -> None:
    """Reduce objects of this class so between processes, of joblib's loky and of multiprocessing."""
    ForkingPickler.register(kind, reduce)
    reduction.register(kind, reduce)

"""What is pickled another way on its way to a process than into a file."""

from collections.abc import Callable
from contextlib import suppress
from multiprocessing.reduction import ForkingPickler
from typing import Any


def on_the_way(kind: type, reduce: Callable[[Any], Any]) -> None:
    """Reduce objects of this class so between processes, of joblib's loky and of multiprocessing."""
    ForkingPickler.register(kind, reduce)
    with suppress(ImportError):  # joblib may come without a loky of its own
        from joblib.externals.loky.backend.reduction import register

        register(kind, reduce)

"""BLAS in one thread, for what is too small for more: on a busy machine threads wait for each other."""

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


def one_thread(where: bool = True) -> AbstractContextManager[Any]:
    """A block in which BLAS runs in the calling thread alone, or as it did if `where` is False."""
    block: AbstractContextManager[Any] = _libraries().limit(limits=1) if where else nullcontext()
    return block


@cache
def _libraries() -> Any:
    """NumPy's and SciPy's BLAS: to find them takes longer than a small fit."""
    return ThreadpoolController().select(user_api="blas")

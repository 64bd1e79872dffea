"""BLAS in one thread, for products too small to be worth more."""

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[Any]:
    """A block in which BLAS runs in the calling thread alone."""
    return _libraries().limit(limits=1)


@cache
def _libraries() -> Any:
    """NumPy's and SciPy's BLAS: to find them takes longer than a small fit."""
    return ThreadpoolController().select(user_api="blas")

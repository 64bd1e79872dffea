"""Opening files with a library."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


def opened(path: str, kind: str, open_: Callable[[], Any]) -> Any:
    """What a library gives for a file; its errors with the name of the file.

    Raises
    ------
    OSError
        If the file is no such one, or damaged.
    """
    try:
        return open_()
    except Exception as error:
        if isinstance(error, PermissionError) or not os.path.exists(path):
            raise
        raise OSError(f"{path} cannot be opened as {kind}: {error}") from error


@contextmanager
def named(name: str) -> Iterator[None]:
    """Let no error of a library out that does not say which file it was.

    Raises
    ------
    OSError
        With the cause, in place of an error that is none of ours.
    """
    try:
        yield
    except (MemoryError, ImportError):
        raise
    except Exception as error:
        if isinstance(error, ValueError | OSError) and name in str(error):
            raise
        raise OSError(f"{name} cannot be read: {error or type(error).__name__}") from error

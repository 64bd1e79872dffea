"""Opening files with a library."""

import os
from collections.abc import Callable
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

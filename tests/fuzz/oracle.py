"""What every target of the fuzzer holds: a file is read as it is, or refused by name in one of three ways."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REFUSED = (ValueError, OSError, TypeError)


@contextmanager
def read_or_refused(path: Path) -> Iterator[None]:
    """Let only what is documented be raised, and only with the name of the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except REFUSED as error:
            if path.name not in str(error):
                raise AssertionError(f"{type(error).__name__} does not name the file: {error}") from error

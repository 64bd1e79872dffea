"""Optional dependencies, imported where they are used."""

from importlib import import_module
from typing import Any


def require(module: str, *, extra: str) -> Any:
    """Import `module`, or say which extra of gramfold brings it.

    Raises
    ------
    ImportError
        If `module` is not installed.
    """
    try:
        return import_module(module)
    except ImportError:
        package = module.partition(".")[0]
        message = f"this needs {package}: pip install 'gramfold[{extra}]'"
        raise ImportError(message) from None

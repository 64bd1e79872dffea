"""--scheduler: fits on a Dask cluster."""

from importlib.util import find_spec
from typing import Any

from ..extras import require


def connected(address: str) -> Any:
    """A client of a cluster, which fits use from now on.

    Raises
    ------
    ImportError
        If Dask, or gramfold's support of it, is lacking.
    OSError
        If nobody answers.
    """
    distributed = require("distributed", extra="dask")
    if find_spec("gramfold.dask") is None:
        raise ImportError("this gramfold cannot use Dask: install one with the extra dask")
    return distributed.Client(address)

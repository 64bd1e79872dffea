"""--scheduler: fits on a Dask cluster, whose workers read INPUT themselves."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from ..extras import require
from ..fit.blocks import Blocks
from ..io.parts import Parts
from .flat import in_segments, lies_flat
from .inputs import Input


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Be a client of a cluster, if there is an address of one.

    Raises
    ------
    ImportError
        If Dask, or gramfold's support of it, is lacking.
    OSError
        If nobody answers.
    """
    if address is None:
        yield
        return
    distributed = require("distributed", extra="dask")
    if find_spec("gramfold.fold.cluster") is None:
        raise ImportError("this gramfold cannot use Dask: install a newer one, with the extra dask")
    with distributed.Client(address):
        yield


def spread(given: Input) -> Input:
    """INPUT as segments that workers can read.

    Raises
    ------
    ValueError
        If it lies in the memory of this process.
    """
    X = given.X
    if isinstance(X, Blocks) and isinstance(X.parts, Parts):
        return given
    if not lies_flat(X):
        raise ValueError(f"--scheduler needs an INPUT that workers can read, but {given.place} is in memory")
    return given._replace(X=in_segments(given.place, X, X.dtype))

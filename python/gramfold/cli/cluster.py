"""--scheduler: fits on a Dask cluster, whose workers read INPUT themselves."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

import scipy.sparse as sp

from ..extras import require
from ..fit.blocks import Blocks
from ..fit.on_disk import in_file
from ..io.parts import Parts, Piece
from ..io.reader import Indexed
from ..io.sizes import SEGMENT
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
    parts = X.parts if isinstance(X, Blocks) else [X]
    if isinstance(parts, Parts):
        return given
    rows = parts[0]
    if len(parts) > 1 or not in_file(rows.places if sp.issparse(rows) and hasattr(rows, "places") else rows):
        raise ValueError(f"--scheduler needs an INPUT that workers can read, but {given.place} is in memory")
    reader = Indexed(rows)
    reader.paths = [given.place.partition("::")[0]]
    cuts = Parts([Piece(reader, first, last) for first, last in reader.cuts(SEGMENT)])
    return given._replace(X=Blocks(cuts, getattr(X, "header", None)))

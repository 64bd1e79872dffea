"""`load`: a model from a file."""

import os
from typing import Any

from ..fit.arguments import file_path, flag
from ..keep import registry
from ..keep.layout import read
from ..keep.reader import Reader


def load(path: str | os.PathLike[str], *, mmap: bool = False) -> Any:
    """Give the estimator that `save` wrote to a file.

    It has the same parameters and attributes, gives the same bits, and goes on with `partial_fit` as the one
    that was saved would have. No code is in a file and none runs: classes, parameters and attributes are
    those that this gramfold knows. Damage is noticed, by the SHA-256 of everything; a forgery is not.

    Parameters
    ----------
    path : str or path-like
    mmap : bool, default=False
        Whether arrays are mapped, read-only, and read from the disk as they are used: for models larger than
        memory.

    Returns
    -------
    estimator

    Raises
    ------
    ValueError
        If the file is damaged, cut off, none of `save`, or one of a newer gramfold that this does not know;
        says which file, and what is wrong.
    OSError
        If the file cannot be read.

    Examples
    --------
    >>> import os, tempfile
    >>> import gramfold as gf
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "lasso.gramfold")
    ...     gf.save(gf.Ridge(alpha=[0.5, 2.0]).fit([[0.0], [1.0]], [[1.0, 0.0], [3.0, 1.0]]), path)
    ...     gf.load(path)
    Ridge(alpha=[0.5, 2.0])
    """
    path = file_path(path, "path")
    described, arrays = read(path, mmap=flag(mmap, "mmap"))
    try:
        model = Reader(arrays)(described.get("model"))
        if not registry.is_model(model):
            checkpoint = "checkpoint" in described
            raise ValueError(
                "it is a checkpoint, for the fit to go on from" if checkpoint else "it has no model"
            )
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{os.fspath(path)}, of gramfold {described.get('gramfold')}, cannot be loaded: {error}"
        ) from None
    return model

"""`save`: a model as a file."""

import os
from typing import Any

from ..fit.arguments import file_path
from ..keep import registry
from ..keep.layout import write
from ..keep.writer import Writer


def save(model: Any, path: str | os.PathLike[str]) -> None:
    """Write an estimator to a file, from which `load` gives an equal one.

    The layout is that of safetensors: a length, JSON and raw arrays; FORMAT.md says what is in them. The file
    takes its name when it is complete and on the disk; an older one of this name stays until then.

    Parameters
    ----------
    model : estimator
        Of gramfold, fitted or not. A `callback`, or another parameter that is code, cannot be saved, but
        `progress()` can.
    path : str or path-like
        By custom it ends in '.gramfold'.

    Raises
    ------
    TypeError
        If it is no estimator of gramfold's.
    ValueError
        If a parameter or an attribute cannot be saved; says which.
    OSError
        If the file cannot be written; an older one is as it was.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> import gramfold as gf
    >>> X = np.random.default_rng(0).random((20, 5))
    >>> model = gf.NMF(2, random_state=0).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     gf.save(model, os.path.join(folder, "two.gramfold"))
    ...     again = gf.load(os.path.join(folder, "two.gramfold"))
    >>> np.array_equal(again.transform(X), model.transform(X))
    True
    """
    if not registry.is_model(model):
        raise TypeError(
            f"model must be an estimator of gramfold, and of no class derived from one, got {model!r} of "
            f"{type(model).__module__}"
        )
    path, writer = file_path(path, "path"), Writer()
    try:
        node = writer.model(model)
    except ValueError as error:
        raise ValueError(f"this {type(model).__name__} cannot be saved: {error}") from None
    shape = [getattr(model, name, None) for name in ("_rows_in", "n_features_in_")]
    write(path, {"data_shape": shape, "model": node}, writer.arrays)

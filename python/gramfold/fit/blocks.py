"""Rows that do not lie in one array: blocks of them, one after the other."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp


class Blocks:
    """Row blocks as one matrix; made by `blocks`.

    Attributes
    ----------
    parts : tuple
        The blocks, of any sizes.
    shape : tuple of int
        (n_samples, n_features) of all together.
    dtype : dtype
    sparse : bool

    Examples
    --------
    >>> import numpy as np
    >>> import gramfold as gf
    >>> some = gf.blocks([np.zeros((3, 2)), np.ones((4, 2))])
    >>> some.shape, some.sparse
    ((7, 2), False)
    """

    ndim = 2

    def __init__(self, parts: Sequence[Any]) -> None:
        self.parts = tuple(parts)
        self.shape = (sum(part.shape[0] for part in self.parts), self.parts[0].shape[1])
        self.dtype = self.parts[0].dtype
        self.sparse = sp.issparse(self.parts[0])

    def astype(self, dtype: Any, copy: bool = True) -> "Blocks":
        """The same rows in another dtype, as `ndarray.astype`."""
        return Blocks([part.astype(dtype, copy=copy) for part in self.parts])

    def __len__(self) -> int:
        return int(self.shape[0])

    def __repr__(self) -> str:
        kind = "sparse" if self.sparse else "dense"
        return f"<{len(self.parts)} {kind} blocks of {self.shape[0]} x {self.shape[1]} {self.dtype}>"


def gathered(given: Any) -> Any:
    """Dense Blocks as one array, a copy; what is none, itself."""
    return np.concatenate(given.parts) if isinstance(given, Blocks) and not given.sparse else given


def blocks(parts: Iterable[Any]) -> Blocks:
    """Take blocks of rows for one matrix.

    Every estimator fits, transforms and predicts on it, those of tall X as a rule without copying the blocks
    together. What comes back is what the whole would give, but for rounding: sums are added block by block,
    in their order.

    Parameters
    ----------
    parts : iterable of array-like or sparse matrix of shape (n_rows, n_features)
        Each with any number of rows, 0 too; all dense or all sparse, of as many columns, and of one dtype.

    Returns
    -------
    Blocks
        With `shape`, `dtype` and `sparse`.

    Raises
    ------
    ValueError
        If there is no block, or blocks do not fit together.

    Examples
    --------
    >>> import numpy as np
    >>> import gramfold as gf
    >>> X = np.random.default_rng(0).random((100, 6))
    >>> gf.blocks([X[:30], X[30:31], X[31:]])
    <3 dense blocks of 100 x 6 float64>
    >>> model = gf.PCA(2).fit(gf.blocks([X[:30], X[30:]]))
    >>> np.allclose(model.components_, gf.PCA(2).fit(X).components_)
    True
    """
    if sp.issparse(parts) or isinstance(parts, np.ndarray) or not hasattr(parts, "__iter__"):
        raise ValueError(f"blocks takes a list of blocks of rows, got {type(parts).__name__}: pass [X]")
    found = [part if sp.issparse(part) else np.asanyarray(part) for part in parts]
    if not found:
        raise ValueError("blocks needs at least one block")
    first = found[0]
    for i, part in enumerate(found):
        if part.ndim != 2:
            raise ValueError(f"block {i} must have two dimensions, got {part.ndim}")
        if part.shape[1] != first.shape[1]:
            raise ValueError(f"block {i} has {part.shape[1]} columns, but block 0 has {first.shape[1]}")
        if sp.issparse(part) != sp.issparse(first):
            raise ValueError(f"blocks must be all dense or all sparse: block {i} is not as block 0")
        if part.dtype != first.dtype:
            raise ValueError(f"blocks must have one dtype: block {i} is {part.dtype}, block 0 {first.dtype}")
    return Blocks(found)

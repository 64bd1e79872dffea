"""The block Krylov space of a positive semidefinite matrix that is known by its products."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .spectrum import eigenpairs, orthonormal

Array = NDArray[Any]

KEPT = 4  # blocks after a restart


class Space:
    """An orthonormal basis that grows by the image of its last block; images of all blocks are kept.

    Parameters
    ----------
    apply : callable
        The image of a (side, size) array.
    side : int
        Rows of the matrix.
    size : int
        Columns of a block.
    room : int
        Blocks that there is room for.
    """

    def __init__(self, apply: Callable[[Array], Array], side: int, size: int, room: int) -> None:
        self.apply, self.size, self.used = apply, size, 0
        self.basis, self.images = (np.empty((side, room * size), order="F") for _ in range(2))
        self.small = np.empty((room * size,) * 2)

    @property
    def full(self) -> bool:
        """Whether there is no room for another block."""
        return self.used + self.size > self.basis.shape[1]

    def grow(self, block: Array | None = None) -> None:
        """Add a block of columns, by default the images of the last one."""
        if block is None:
            block = self.images[:, self.used - self.size : self.used].copy()
        if self.full:
            self._restart()
        before = self.basis[:, : self.used]
        for _ in range(2 if self.used else 1):
            block = orthonormal(block - before @ (before.T @ block))
        now = slice(self.used, self.used + self.size)
        self.basis[:, now], self.images[:, now] = block, self.apply(block)
        self.used = now.stop
        self.small[: self.used, now] = self.basis[:, : self.used].T @ self.images[:, now]
        self.small[now, : now.start] = self.small[: now.start, now].T

    def vectors(self) -> tuple[Array, Array, Array]:
        """Leading eigenvalues and vectors by Rayleigh and Ritz, as many as a block has, and the rotation."""
        some = self.small[: self.used, : self.used]
        squares, rotation = eigenpairs((some + some.T) / 2)
        rotation = rotation[:, : self.size]
        return squares[: self.size], self.basis[:, : self.used] @ rotation, rotation

    def pairs(self, k: int) -> tuple[Array, Array, Array]:
        """Singular values, vectors and residuals of k pairs; vectors as many as a block has."""
        squares, vectors, rotation = self.vectors()
        squares = squares[:k]
        rest = self.images[:, : self.used] @ rotation[:, :k] - vectors[:, :k] * squares
        residuals = np.linalg.norm(rest, axis=0) / np.where(squares > 0, squares, 1)
        return np.sqrt(squares), vectors, residuals

    def _restart(self) -> None:
        """Keep the leading Ritz vectors only; the next block is the same as without a restart."""
        kept = KEPT * self.size
        some = self.small[: self.used, : self.used]
        squares, rotation = eigenpairs((some + some.T) / 2)
        for a in (self.basis, self.images):
            a[:, :kept] = a[:, : self.used] @ rotation[:, :kept]
        self.small[:kept, :kept] = np.diag(squares[:kept])
        self.used = kept

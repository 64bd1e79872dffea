"""A dataset inside a file, opened anew in every process."""

import os
from collections.abc import Callable
from typing import Any

Open = Callable[[str, str], Any]


class Place:
    """Where a dataset or a group is.

    Parameters
    ----------
    open_ : callable
        open_(path, name) gives the dataset or group.
    path, name : str
    handle : object, optional
        What is open already.
    """

    def __init__(self, open_: Open, path: str, name: str, handle: Any = None) -> None:
        self._open, self.path, self.name = open_, path, name
        self._handle, self._process = handle, os.getpid()

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_handle": None}

    def __str__(self) -> str:
        return f"{self.path}::{self.name.strip('/')}" if self.name.strip("/") else self.path

    @property
    def opened(self) -> Any:
        """The dataset or group."""
        if self._handle is None or self._process != os.getpid():
            self._handle, self._process = self._open(self.path, self.name), os.getpid()
        return self._handle

    @property
    def paths(self) -> list[str]:
        """The file, if it lies on a disk."""
        return [self.path] if os.path.exists(self.path) else []


def inside(root: Any, path: str, name: str) -> Any:
    """What a file holds under a name, with a message that lists what there is.

    Raises
    ------
    ValueError
        If there is nothing of that name, or no name is given and there is not just one matrix.
    """
    if name:
        if name in root:
            return root[name]
        raise ValueError(f"{path} holds no {name!r}; {_listed(root)}")
    found = matrices(root)
    if len(found) == 1:
        return root[found[0]]
    raise ValueError(f"say which dataset of {path} is meant, as 'path::name' or dataset=; {_listed(root)}")


def matrices(group: Any, prefix: str = "", depth: int = 4) -> list[str]:
    """Names of the matrices in a group: datasets of two dimensions, and CSR in AnnData's layout."""
    found = []
    for name in group.keys() if depth else ():
        try:
            item = group[name]
        except KeyError:  # a link to what is not there
            continue
        if is_csr(item) or len(getattr(item, "shape", ())) == 2:
            found.append(prefix + name)
        elif hasattr(item, "keys"):
            found += matrices(item, f"{prefix}{name}/", depth - 1)
    return found


def is_csr(item: Any) -> bool:
    """Whether a group is a CSR matrix as AnnData writes it."""
    return hasattr(item, "keys") and encoding_of(item) == "csr_matrix"


def encoding_of(group: Any) -> str | None:
    """What AnnData says that a group is."""
    found = group.attrs.get("encoding-type")
    return found if isinstance(found, str) else None


def _listed(root: Any) -> str:
    found = matrices(root)
    return f"it holds {', '.join(found)}" if found else "it holds no matrix"

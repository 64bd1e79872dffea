"""Targets: matrices in files, as the command line reads them, beside what NumPy and SciPy read."""

import gzip
import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from fuzz.oracle import REFUSED, read_or_refused
from scipy.io._mmio import mmread  # in Python: the other one does not survive all files

import gramfold as gf
from gramfold.cli.about import about
from gramfold.cli.inputs import _piped, opened
from gramfold.io.csv import Csv
from gramfold.io.text import Text, row_names

LARGEST = 1 << 22  # entries of a matrix that is looked at


def rows_of(path: Path, given: str = "") -> Any:
    """The whole matrix as the command line reads it; None where it is refused or too large."""
    found = None
    with read_or_refused(path):
        about(given or str(path))
    with read_or_refused(path):
        source = opened(given or str(path))
        if np.prod(source.X.shape, dtype=float) < LARGEST:
            found = source.gathered()
            names = source.names
            for many, side in zip(names, found.shape, strict=True):
                assert many is None or len(many) == side, "there are not as many names"
    return found


def same(found: Any, expected: Any) -> None:
    """Fail if these are not the same numbers."""
    a, b = (x.toarray() if sp.issparse(x) else np.asarray(x) for x in (found, expected))
    assert a.shape == b.shape, f"{a.shape}, not {b.shape}"
    np.testing.assert_array_equal(a, b)


def text(data: bytes, folder: Path) -> None:
    """Both readers of text read the same; so does standard input. The first byte says which ending."""
    kind, data = (data[0], data[1:]) if data else (0, b"")
    path = folder / f"fuzzed.{'tsv' if kind & 1 else 'csv'}{'.gz' if kind & 2 else ''}"
    path.write_bytes(gzip.compress(data) if kind & 6 == 2 else data)
    found: list[Any] = []
    for reader in (Text, Csv):
        with read_or_refused(path):
            made = reader(str(path))
            found.append(made.read(0, made.shape[0]))
            names = row_names(str(path))
            assert names is None or len(names) == len(found[-1])
    if len(found) == 2:
        same(found[1], found[0])
    rows_of(path)
    if kind & 2 or b"\r" in data or kind & 1 != (b"\t" in data.partition(b"\n")[0]):
        return
    piped = folder / "standard input"
    with read_or_refused(piped):
        X = _piped(io.BufferedReader(io.BytesIO(data))).X
        if found and not data.startswith(b"\x93NUMPY"):
            same(X, found[0])


def flat(data: bytes, folder: Path) -> None:
    """A .npy file, or an .npz file, is what NumPy reads; the first byte says which."""
    path = folder / ("fuzzed.npz" if data[:1] == b"P" else "fuzzed.npy")
    path.write_bytes(data)
    found = rows_of(path)
    if data[:6] == b"\x93NUMPY":
        piped = folder / "standard input"
        with read_or_refused(piped):
            X = _piped(io.BufferedReader(io.BytesIO(data))).X
            if found is not None:
                same(X, found)
    if found is None:
        return
    try:
        expected = np.load(path, allow_pickle=False)
        list(expected.values() if hasattr(expected, "values") else ())
    except Exception:  # of what is not read here nothing is looked at
        return
    if isinstance(expected, np.ndarray):
        same(found, expected)
    elif sp.issparse(found) and found.dtype == bool:  # of which SciPy adds none up
        return
    elif sp.issparse(found):
        parts = (expected["data"], expected["indices"], expected["indptr"])
        if any(isinstance(part, bytes) for part in parts):  # NumPy takes a member without .npy of this name
            return
        same(found.astype(float), sp.coo_array((*_entries(*parts),), shape=tuple(expected["shape"])))
    else:
        same(found, expected[expected.files[0]])
        return
    fitted_alike(path, found)


def _entries(data: Any, indices: Any, indptr: Any) -> Any:
    """The entries of a CSR matrix, as doubles."""
    used = int(indptr[-1])
    rows = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr.astype(np.int64)))
    return data[:used].astype(float), (rows, indices[:used].astype(np.int64))


def fitted_alike(path: Path, X: Any, place: str = "") -> None:
    """A fit to a file gives what a fit to its numbers in memory gives, or refuses both."""
    means = []
    for given in (place or str(path), X):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model = gf.KMeans(1, n_init=1, max_iter=1, random_state=0).fit(given)
            means.append(model.cluster_centers_)
        except REFUSED as error:
            means.append(type(error))
    np.testing.assert_equal(*means)


def market(data: bytes, folder: Path) -> None:
    """A file of Matrix Market is what SciPy reads; zipped if it begins so."""
    path = folder / ("fuzzed.mtx.gz" if data[:2] == b"\x1f\x8b" else "fuzzed.mtx")
    path.write_bytes(data)
    found = rows_of(path)
    if found is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                expected = mmread(path)
            except Exception:  # it reads less than the one in C++
                return
        same(found, expected)

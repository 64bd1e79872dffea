"""Targets: matrices in files, as the command line reads them, beside what NumPy and SciPy read."""

import gzip
import io
import random
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from entries import counts
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
        same(found, sp.coo_array((*_entries(*parts),), shape=tuple(expected["shape"])))
    else:
        same(found, expected[expected.files[0]])
        return
    _fitted_alike(path, found)


def _entries(data: Any, indices: Any, indptr: Any) -> Any:
    """The entries of a CSR matrix, as doubles."""
    used = int(indptr[-1])
    rows = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr.astype(np.int64)))
    return data[:used].astype(float), (rows, indices[:used].astype(np.int64))


def _fitted_alike(path: Path, X: Any) -> None:
    """A fit to a file gives what a fit to its numbers in memory gives, or refuses both."""
    means = []
    for given in (str(path), X):
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


def npy_of(a: Any, version: tuple[int, int] = (1, 0)) -> bytes:
    """The bytes of a .npy file."""
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asarray(a), version)
    return file.getvalue()


def npz_of(members: dict[str, bytes], way: int = zipfile.ZIP_STORED) -> bytes:
    """The bytes of an archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", way) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, raw in members.items():
            archive.writestr(name, raw)
    return file.getvalue()


X = counts(12, 5)
SPARSE = sp.csr_array(X)
PARTS = {"data": SPARSE.data, "indices": SPARSE.indices, "indptr": SPARSE.indptr, "shape": np.array(X.shape)}
DESCRIBED = (
    "'<f8'", "'>f4'", "'<i8'", "'<i4'", "'<u8'", "'|b1'", "'<f2'", "'<c8'", "'<U3'", "'|S0'", "'|S5'",
    "'|V8'", "'|O'",
    "'<M8[s]'", "'<f16'", "'|u1'", "''", "None", "3", "[('a', '<f8')]", "[('a', '<f8', (2, 2))]",
    "('<f8', (2,))",
    "'f8,f8'", "'(5,)f8'", "{'names': ['a'], 'formats': ['f8']}", "'<f8' ", "[]", "'V0'",
)  # fmt: skip
SHAPES = (
    "(12, 5)", "(5, 12)", "(60,)", "()", "(0, 5)", "(12, 0)", "(-1, 5)", "(12, -5)", "(-12, -5)",
    "(12, 5, 1)", "(1, 60)",
    "(9223372036854775807, 1)", "(1, 9223372036854775808)", "(4611686018427387904, 2)",
    "(0, 9223372036854775807)",
    "(0, 99999999999999999999)", "(3, 4611686018427387904)", "(True, 5)", "(12.0, 5)", "[12, 5]", "None",
    "(1000000, 0)",
    "(99999999999, 0)",
)  # fmt: skip


def npy_changed(raw: bytes, draw: random.Random) -> bytes:
    """A .npy file with another header."""
    described = draw.choice(DESCRIBED) if draw.random() < 0.6 else "'<f8'"
    shape = draw.choice(SHAPES) if draw.random() < 0.7 else "(12, 5)"
    order = draw.choice(("True", "False", "False", "1", "None"))
    more = draw.choice(("", "", "", ", 'x': 1", "," * 3, "(" * 300, "-" * 9000, "#", "\x00", "L"))
    header = f"{{'descr': {described}, 'fortran_order': {order}, 'shape': {shape}{more}}}\n".encode("latin1")
    version = draw.choice((b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x01\x00"))
    width = 2 if version == b"\x01\x00" else 4
    body = raw[10 + int.from_bytes(raw[8:10], "little") :] if len(raw) > 10 else b""
    if draw.random() < 0.2:
        body = bytes(draw.randrange(256) for _ in range(draw.choice((1, 8, 60))))
    return b"\x93NUMPY" + version + len(header).to_bytes(width, "little") + header + body


def npz_changed(data: bytes, draw: random.Random) -> bytes:
    """An archive with other arrays, or arrays of other headers, or the parts of another matrix."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    if not members:
        members = {"x.npy": npy_of(X)}
    for _ in range(draw.choice((1, 1, 2))):
        name = draw.choice(list(members))
        match draw.randrange(5):
            case 0:
                members[name] = npy_changed(members[name], draw)
            case 1:
                del members[name]
            case 2:
                members[draw.choice(("x.npy", "format.npy", "shape.npy", "y", "../x.npy", ""))] = members[
                    name
                ]
            case _:
                members[name] = npy_of(_part(name, draw))
        members = members or {"x.npy": npy_of(X)}
    return npz_of(members, draw.choice((zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))


def _part(name: str, draw: random.Random) -> Any:
    """A part of a CSR matrix that may not fit the others."""
    a = PARTS.get(name.removesuffix(".npy"), np.array(b"csr")).copy()
    if a.dtype.kind == "S":
        return draw.choice(
            (np.array(b"csc"), np.array("csr"), np.array(b"\xff"), np.array(3), np.array([b"csr"] * 2))
        )
    odd = (-1, 0, 1, 4, 5, 12, 13, 10**6, 2**31 - 1, 2**31, 2**32 + 3, 2**62)
    if draw.random() < 0.5:
        a = a.astype(draw.choice(("<i8", "<u8", "<f8", "<i4", "<i2", "u1", ">i8", "<u4", "c8", "?", "f2")))
    if a.size and draw.random() < 0.8:
        with np.errstate(all="ignore"):
            a[draw.randrange(a.size)] = np.array(draw.choice(odd)).astype(a.dtype)
    if draw.random() < 0.4:
        a = draw.choice((a[:-1], np.append(a, a[-1:]), a[:0], a[None], a[:1].reshape(()), np.repeat(a, 2)))
    return a


def flat_changed(data: bytes, draw: random.Random) -> bytes:
    """Either."""
    return npz_changed(data, draw) if data[:1] == b"P" else npy_changed(data, draw)


def flat_seeds() -> list[bytes]:
    """Sound .npy and .npz files."""
    arrays = [X, X.astype(np.float32), np.asfortranarray(X), X.astype(np.uint8), X > 0, X.astype(">i2")]
    parts = {f"{name}.npy": npy_of(a) for name, a in (PARTS | {"format": np.array(b"csr")}).items()}
    archives = [parts, {"x.npy": npy_of(X)}, {"x.npy": npy_of(X), "y.npy": npy_of(X)}]
    return [
        *map(npy_of, arrays),
        npy_of(X, (2, 0)),
        *map(npz_of, archives),
        npz_of(parts, zipfile.ZIP_DEFLATED),
    ]


TEXTS = (
    "1,2\n3,4\n", "a,b\n3,4\n", "id,a,b\nr1,3,4\nr2,,NA\n", ",2019,2020\nr1,3,4\n", "a,b\nr1,3,4\n",
    "\ufeffa,b\n3,4\n",
    '"a, too",b\n3,4\n', "nan,inf\n-1e400,4\n", '"a\nb",c\n1,2\n', 'x,y\r\n1,2\r\n\r\n3,4\r\n',
    "1\t2\n3\t4\n",
    "a\tb\nr\t1\t2\n", "", "\n\n1,2\n", "a,b\n",
)  # fmt: skip
PIECES = ("\n", "\r", "\r\n", ",", "\t", '"', '""', "\x00", "nan", "inf", "1e999", "0x10", "1_0", "\ufeff",
          "é", "\u0661",
          " ", "-", "NA", "null", "true", "\\", "#", "1" * 400, "x" * 140_000, "2019", "1.5")  # fmt: skip


def text_seeds() -> list[bytes]:
    """Text of all layouts."""
    return [bytes([kind]) + one.encode() for one in TEXTS for kind in ((1,) if "\t" in one else (0, 2))]


def text_changed(data: bytes, draw: random.Random) -> bytes:
    """Text with other pieces in it."""
    kind, body = data[:1] or b"\0", data[1:].decode("latin1")
    for _ in range(draw.choice((1, 2, 5))):
        at, piece = draw.randrange(len(body) + 1), draw.choice(PIECES).encode().decode("latin1")
        body = body[:at] + piece + body[at + draw.choice((0, 0, 1, 2)) :]
    return kind + body.encode("latin1")


MARKETS = (
    "%%MatrixMarket matrix coordinate real general\n3 4 2\n1 1 2.5\n3 4 -1\n",
    "%%MatrixMarket matrix coordinate pattern symmetric\n%c\n3 3 2\n1 1\n3 2\n",
    "%%MatrixMarket matrix coordinate integer skew-symmetric\n3 3 1\n3 2 7\n",
    "%%MatrixMarket matrix coordinate complex hermitian\n3 3 1\n3 2 7 1\n",
    "%%MatrixMarket matrix array real general\n2 2\n1\n2\n3\n4\n",
    "%%MatrixMarket matrix array integer symmetric\n2 2\n1\n2\n3\n",
    "%%MatrixMarket matrix coordinate unsigned-integer general\n2 2 1\n1 1 18446744073709551615\n",
    "%%MatrixMarket vector coordinate real general\n3 1\n2 1.5\n",
)  # fmt: skip
WORDS = (
    "-1", "0", "1", "2147483648", "9223372036854775807", "99999999999999999999", "1000000000000", "50000",
    "nan", "inf",
    "1e400", "3.5", "x", "general", "symmetric", "array", "coordinate", "pattern", "complex", "", "\n", "%",
    "\x00",
)  # fmt: skip


def market_seeds() -> list[bytes]:
    """Files of all kinds, also zipped."""
    return [one.encode() for one in MARKETS] + [gzip.compress(one.encode(), mtime=0) for one in MARKETS[::3]]


def market_changed(data: bytes, draw: random.Random) -> bytes:
    """Other words in their places."""
    zipped = data[:2] == b"\x1f\x8b"
    try:
        lines = (gzip.decompress(data) if zipped else data).decode("latin1").split("\n")
    except Exception:
        return draw.choice(MARKETS).encode()
    for _ in range(draw.choice((1, 1, 2, 3))):
        i = draw.randrange(len(lines))
        words = lines[i].split(" ")
        words[draw.randrange(len(words))] = draw.choice(WORDS)
        lines[i] = " ".join(words)
        if draw.random() < 0.1:
            lines.insert(i, draw.choice(lines))
    made = "\n".join(lines).encode("latin1")
    return gzip.compress(made, mtime=0) if zipped else made

"""Sound matrices in files, and how they are changed by one who knows what they are."""

import gzip
import io
import random
import warnings
import zipfile
from typing import Any

import numpy as np
import scipy.sparse as sp
from entries import counts


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
                members[name] = npy_of(part_of(name, draw))
        members = members or {"x.npy": npy_of(X)}
    return npz_of(members, draw.choice((zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))


def part_of(name: str, draw: random.Random) -> Any:
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

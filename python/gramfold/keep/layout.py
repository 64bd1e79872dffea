"""The layout of a file: that of safetensors, a length, JSON and raw arrays; FORMAT.md has it in one page.

Nothing of a file is believed before it was checked, and nothing is allocated that the file is not long enough
for. The digests show damage, not tampering.
"""

import hashlib
import json
import math
import os
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from .. import _core
from .atomic import in_place_of

Array = NDArray[Any]

DTYPES = {
    "BOOL": "|b1", "I8": "|i1", "U8": "|u1", "I16": "<i2", "U16": "<u2", "F16": "<f2", "I32": "<i4",
    "U32": "<u4", "F32": "<f4", "I64": "<i8", "U64": "<u8", "F64": "<f8",
}  # fmt: skip
CODES = {np.dtype(name): code for code, name in DTYPES.items()}
FORMAT = 1
VERSION = version("gramfold")
LONGEST_HEADER = 100_000_000  # as in safetensors
PIECE = 1 << 22  # bytes that are turned into C order at a time


def write(path: str | os.PathLike[str], described: dict[str, Any], arrays: dict[str, Array]) -> None:
    """Write a file in place of another, or, if that fails at any point, leave the other as it was.

    Parameters
    ----------
    path : path-like
    described : dict
        JSON; format, version and level are added.
    arrays : dict of ndarray
        Of dtypes in `CODES`.

    Raises
    ------
    ValueError
        If what is no array takes more than 100 MB.
    OSError
    """
    ordered = dict(sorted(arrays.items(), key=lambda item: -item[1].itemsize))  # so that all are aligned
    table: dict[str, dict[str, Any]] = {}
    entries: dict[str, Any] = {}
    end = 0
    for name, a in ordered.items():
        shown = {"dtype": CODES[a.dtype.newbyteorder("<")], "shape": list(a.shape)}
        table[name] = {**shown, "sha256": _digest(a)}
        entries[name] = {**shown, "data_offsets": [end, end + a.nbytes]}
        end += a.nbytes
    written = {"format": FORMAT, "gramfold": VERSION, "level": _core.level}
    text = json.dumps({**written, **described, "arrays": table}, allow_nan=False)
    about = {"gramfold": text, "sha256": _sha256([text.encode()])}
    header = json.dumps({"__metadata__": about, **entries}, allow_nan=False).encode()
    header += b" " * (-len(header) % 8)
    if len(header) > LONGEST_HEADER:
        raise ValueError(f"{path} cannot be written: its names and numbers outside of arrays are too many")
    with in_place_of(path) as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for a in ordered.values():
            for piece in _pieces(a):
                file.write(piece)


def read(path: str | os.PathLike[str], *, mmap: bool = False) -> tuple[dict[str, Any], dict[str, Array]]:
    """Read what `write` wrote; with `mmap` arrays are mapped, read-only, and take no memory of their own.

    Raises
    ------
    ValueError
        If the file is damaged, none of gramfold's or one of a newer version; says which file, and why.
    OSError
    """
    path = Path(path)
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        entries, about, start = _header(path, file, size)
        described = _description(path, about)
        places = _places(path, entries, described.pop("arrays"), size - start)
        mapped = np.asarray(np.memmap(file, np.uint8, "r")) if mmap else None
        arrays = {}
        for name, (begin, dtype, shape, digest) in places.items():
            a = arrays[name] = _array(file, mapped, start + begin, dtype, shape)
            if _digest(a) != digest or (a.dtype == bool and (a.view(np.uint8) > 1).any()):
                raise ValueError(f"{path} is damaged: the array {name!r} is not what was written")
    return described, arrays


def _header(path: Path, file: BinaryIO, size: int) -> tuple[dict[str, Any], dict[str, Any], int]:
    """The entries of the arrays, what is said about them, and where they begin."""
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > min(size - 8, LONGEST_HEADER):
        raise ValueError(
            f"{path} is not a file of gf.save, or cut off: it has {size} bytes, and the first eight ask for "
            f"{length} more"
        )
    text = file.read(length)
    if len(text) != length:
        raise ValueError(f"{path} ends within its header: it became shorter while read")
    header = _parsed(path, text)
    about = header.pop("__metadata__", None)
    if not isinstance(about, dict) or "gramfold" not in about:
        raise ValueError(f"{path} is not a file of gf.save: its header says nothing of gramfold")
    return header, about, 8 + length


def _parsed(path: Path, text: bytes | str) -> dict[str, Any]:
    """Strict JSON: an object, no name twice, no NaN."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            raise ValueError("a name stands twice in an object")
        return made

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no number of JSON")

    try:
        found = json.loads(text, object_pairs_hook=once, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged, or not a file of gf.save: {error}") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path} is not a file of gf.save: its header is no JSON object")
    return found


def _description(path: Path, about: dict[str, Any]) -> dict[str, Any]:
    text, digest = about["gramfold"], about.get("sha256")
    if not isinstance(text, str) or _sha256([text.encode(errors="replace")]) != digest:
        raise ValueError(f"{path} is damaged: its description is not what was written")
    described = _parsed(path, text)
    version = described.get("format")
    if not isinstance(version, int) or version < 1 or not isinstance(described.get("arrays"), dict):
        raise ValueError(f"{path} is damaged: its description lacks its format or its arrays")
    if not all(isinstance(described.get(name), str) for name in ("gramfold", "level")):
        raise ValueError(f"{path} is damaged: it does not say which gramfold wrote it")
    if version > FORMAT:
        raise ValueError(
            f"{path} is in format {version}, written by gramfold {described.get('gramfold')}; this one reads "
            f"formats up to {FORMAT}: install a newer gramfold"
        )
    return described


def _places(path: Path, entries: dict[str, Any], table: dict[str, Any], length: int) -> dict[str, Any]:
    """Of each array where it begins, dtype, shape and digest; all of them fill the file without a gap."""
    if entries.keys() != table.keys():
        raise ValueError(f"{path} is damaged: its header and its description name different arrays")
    found, end = {}, 0
    for name, entry in sorted(entries.items(), key=lambda item: _offsets(path, *item)):
        begin, after = _offsets(path, name, entry)
        shape: Any = entry.get("shape")
        code, said = entry.get("dtype"), table[name]
        if not isinstance(said, dict) or (code, shape) != (said.get("dtype"), said.get("shape")):
            raise ValueError(f"{path} is damaged: header and description differ about the array {name!r}")
        if not isinstance(code, str) or code not in DTYPES or not _is_shape(shape):
            raise ValueError(f"{path}: the array {name!r} has dtype {code!r} and shape {shape!r}")
        dtype = np.dtype(DTYPES[code])
        if begin != end or after - begin != math.prod(shape) * dtype.itemsize:
            raise ValueError(
                f"{path} is damaged: the array {name!r} of {code} and shape {shape} does not lie at bytes "
                f"{begin} to {after}"
            )
        found[name], end = (begin, dtype, tuple(shape), said.get("sha256")), after
    if end != length:
        raise ValueError(f"{path} is cut off, or has more than it says: {length} bytes of arrays, not {end}")
    return found


def _offsets(path: Path, name: str, entry: Any) -> tuple[int, int]:
    pair: Any = entry.get("data_offsets") if isinstance(entry, dict) else None
    if not _is_shape(pair) or len(pair) != 2:
        raise ValueError(f"{path} is damaged: it does not say where the array {name!r} lies")
    return pair[0], pair[1]


def _is_shape(shape: Any) -> bool:
    """Whether it is a list of sizes that an array can have."""
    if not isinstance(shape, list) or len(shape) > 32 or not all(type(n) is int and n >= 0 for n in shape):
        return False
    return math.prod(max(n, 1) for n in shape) < 2**59


def _array(file: BinaryIO, mapped: Array | None, begin: int, dtype: Any, shape: tuple[int, ...]) -> Array:
    """One array, whose bytes the file has."""
    if mapped is None:
        a = np.empty(shape, dtype)
        file.seek(begin)
        if file.readinto(_bytes(a)) != a.nbytes:  # type: ignore[attr-defined]
            raise ValueError("the file became shorter while it was read")
        return a
    a = mapped[begin : begin + math.prod(shape) * dtype.itemsize].view(dtype).reshape(shape)
    return np.require(a, requirements="A")


def _bytes(a: Array) -> memoryview:
    """The bytes of a contiguous array."""
    return a.reshape(-1).view(np.uint8).data


def _pieces(a: Array) -> Iterator[memoryview]:
    """The bytes of an array in C order, least byte first, some rows at a time."""
    rows = max(1, PIECE * len(a) // max(1, a.nbytes)) if a.ndim else 1
    for first in range(0, len(a) if a.ndim else 1, rows):
        some = a[first : first + rows] if a.ndim else a
        yield _bytes(np.ascontiguousarray(some, a.dtype.newbyteorder("<")))


def _digest(a: Array) -> str:
    return _sha256(_pieces(a))


def _sha256(pieces: Iterable[bytes | memoryview]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()

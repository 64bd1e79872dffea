"""Sound zarr arrays in zip files, and how they are changed by one who knows what they are."""

import io
import json
import random
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

from fuzz.forged import ODD, at_place, places
from fuzz.matrix_changes import PARTS, X, npz_of

SIDES: tuple[Any, ...] = (
    [12, 5], [5, 12], [12], [], [0, 5], [12, 0], [12, 5, 1], [-1, 5], [2**40, 1], [2**60, 3], [3, 2**61],
    [2**62, 1], [1, 2**62], [2**70, 5], [12.0, 5], [0, 2**62], [True, 5], [1, 1], [13, 5], [1000, 1000], "12",
    [10**6, 10**6],
)  # fmt: skip
DTYPES: tuple[Any, ...] = (
    "float64", "float32", "float16", "int64", "uint8", "bool", "complex64", "string", "r8", "bytes", "<f8", ">f4", "<i8",
    "|b1", "<U3", "|O", "|S4", "<M8[s]", "|V3", "f", "", "[('a', '<f8')]", [["a", "<f8"]],
)  # fmt: skip
FILLS: tuple[Any, ...] = (0, 1.5, None, "NaN", "Infinity", "0x7fc00000", "", [], True, -1, 2**70, 1e400)
CODECS: tuple[Any, ...] = (
    [], [{"name": "bytes", "configuration": {"endian": "little"}}], [{"name": "bytes", "configuration": {"endian": "big"}}],
    [{"name": "bytes"}, {"name": "zstd", "configuration": {"level": 0, "checksum": True}}], [{"name": "none"}],
    [{"name": "transpose", "configuration": {"order": [1, 0]}}, {"name": "bytes", "configuration": {"endian": "little"}}],
    [{"name": "bytes"}, {"name": "crc32c"}], {"id": "zlib", "level": 1}, {"id": "none"}, None, "F",
)  # fmt: skip
ODDLY = {
    "shape": SIDES, "chunks": SIDES, "chunk_shape": SIDES, "dtype": DTYPES, "data_type": DTYPES, "fill_value": FILLS,
    "codecs": CODECS, "compressor": CODECS, "filters": CODECS, "zarr_format": (1, 2, 3, 4, "2"), "order": ("F", "C", "A"),
    "encoding-type": ("csr_matrix", "csc_matrix", "array", 3, None), "node_type": ("array", "group", "none"),
    "dimension_separator": (".", "/", "x"), "_index": ("_index", "x", "", 3, None, ["x"]),
}  # fmt: skip


def _zipped(zarr_format: int, kind: str) -> bytes:
    """An array, or a CSR matrix, or cells in AnnData's layout."""
    import zarr

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that an archive has twice
        path = Path(folder) / "x.zip"
        with zarr.storage.ZipStore(path, mode="w") as store:
            if kind in ("array", "sharded"):
                more: dict[str, Any] = {"shards": (6, 5)} if kind == "sharded" else {"compressors": None}
                made = zarr.create_array(
                    store, shape=X.shape, chunks=(3, 5), dtype=X.dtype, zarr_format=zarr_format, **more
                )
                made[:] = X
            else:
                _group(zarr.create_group(store, zarr_format=zarr_format), kind)
        return path.read_bytes()


def _group(root: Any, kind: str) -> None:
    group = root.create_group("X" if kind == "cells" else "x")
    for part in ("data", "indices", "indptr"):
        group.create_array(part, data=PARTS[part], chunks=(20,), compressors=None)
    group.attrs.update({"encoding-type": "csr_matrix", "shape": list(X.shape)})
    if kind == "cells":
        for part, size in (("obs", X.shape[0]), ("var", X.shape[1])):
            table = root.create_group(part)
            table.create_array("_index", data=PARTS["indices"][:size], compressors=None)
            table.attrs.update({"_index": "_index"})


def zarr_seeds() -> list[bytes]:
    """Arrays and groups of either format; not by blosc, which gives what lay in memory for damaged chunks."""
    made = [_zipped(form, kind) for form in (2, 3) for kind in ("array", "csr", "cells")]
    return [*made, _zipped(3, "sharded")]


def zarr_changed(data: bytes, draw: random.Random) -> bytes:
    """An archive with other descriptions, or other chunks."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for _ in range(draw.choice((1, 1, 2, 3))):
        described = [
            name for name in members if Path(name).name in ("zarr.json", ".zarray", ".zattrs", ".zgroup")
        ]
        chunks = [name for name in members if name not in described]
        name = draw.choice(
            described if described and draw.random() < 0.75 else chunks or [*members, "zarr.json"]
        )
        match draw.randrange(8):
            case 0:
                members.pop(name, None)
            case 1:
                members[draw.choice([*members, "zarr.json", ".zarray", "x/data", "../x", "/x"])] = (
                    members.get(name, b"{}")
                )
            case _ if name in described:
                members[name] = _described(members[name], draw)
            case _:
                members[name] = _chunk(members.get(name, b""), draw)
    return npz_of(members)


def _described(raw: bytes, draw: random.Random) -> bytes:
    """Another value somewhere in a description."""
    tree = json.loads(raw)
    spots = places(tree)
    if not spots:
        return json.dumps({"encoding-type": "csr_matrix", "shape": draw.choice(SIDES)}).encode()
    known = [spot for spot in spots if spot[-1] in ODDLY]
    spot = draw.choice(known if known and draw.random() < 0.75 else spots)
    holder, key = at_place(tree, spot[:-1]), spot[-1]
    match draw.randrange(8):
        case 0:
            del holder[key]
        case 1 | 2:
            holder[key] = draw.choice(ODD)
        case 3 if isinstance(holder, dict):
            holder[draw.choice(("shape", "attributes", "storage_transformers", "filters", "x"))] = holder[key]
        case _:
            holder[key] = draw.choice(ODDLY.get(key, ODD) if isinstance(key, str) else ODD)
    return json.dumps(tree).encode()


def _chunk(raw: bytes, draw: random.Random) -> bytes:
    """Other bytes of a chunk: fewer, more, none, or others."""
    match draw.randrange(4):
        case 0:
            return raw[: draw.randrange(len(raw) + 1)]
        case 1:
            return raw + raw
        case 2:
            return b""
    changed = bytearray(raw or b"\0")
    changed[draw.randrange(len(changed))] = draw.randrange(256)
    return bytes(changed)

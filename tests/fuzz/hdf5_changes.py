"""Sound HDF5 files, and how they are changed by one who knows what they are."""

import io
import random
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np
from fuzz.matrix_changes import PARTS, X, part_of

DTYPES: tuple[Any, ...] = (
    "<f8", ">f4", "<f2", "<i8", ">i4", "u1", "<u8", "?", "<c16", "S3", "V5", "<f16", "(2,)f8", "i4,f8",
    h5py.string_dtype(), h5py.ref_dtype, h5py.regionref_dtype, h5py.vlen_dtype(np.int32),
    h5py.enum_dtype({"a": 1, "b": 2}), h5py.opaque_dtype(np.dtype("M8[s]")),
)  # fmt: skip
SHAPES: tuple[tuple[int, ...], ...] = (
    (12, 5), (5, 12), (12,), (60,), (), (0, 5), (12, 0), (0, 0), (12, 5, 1), (1, 60), (13,), (2,), (1, 1),
    (2**31, 5), (2**40, 1), (2**50, 3), (2**62, 1), (1, 2**62), (3, 2**61), (10**6, 10**6), (0, 2**62), (2**60, 0),
)  # fmt: skip
CHUNKS: tuple[Any, ...] = (None, None, True, 1, 3, 50, 2**20)
FILTERS: tuple[dict[str, Any], ...] = (
    {}, {"compression": "gzip"}, {"compression": "lzf", "shuffle": True}, {"fletcher32": True}, {"fillvalue": 7},
    {"maxshape": True}, {"track_order": True}, {"scaleoffset": 0},
)  # fmt: skip
LARGEST_CHUNK = 10**5  # entries of one that is written
ATTRIBUTES = ("encoding-type", "shape", "_index", "encoding-version", "column-order")
VALUES: tuple[Any, ...] = (
    "csr_matrix", "csc_matrix", "array", "dataframe", "", "_index", "X", b"csr_matrix", b"\xff", 3, -1, np.nan, [], [12, 5],
    [5, 12], [12], [12, 5, 1], [-1, 5], [12.0, 5.0], [2**62, 5], [12, 2**40], [0, 0], ["a", "b"],
    np.array([12, 5], "u1"), np.array([12, 5], ">i8"), np.array([2**63, 5], "u8"), h5py.Empty("f8"),
)  # fmt: skip


def _written(make: Callable[[Any], None]) -> bytes:
    """The bytes of a file that something is written to."""
    file = io.BytesIO()
    with h5py.File(file, "w") as root:
        make(root)
    return file.getvalue()


def _csr(root: Any, name: str, **options: Any) -> None:
    group = root.create_group(name)
    group.attrs["encoding-type"], group.attrs["shape"] = "csr_matrix", X.shape
    for part in ("data", "indices", "indptr"):
        group.create_dataset(part, data=PARTS[part], **options)


def _cells(root: Any) -> None:
    """AnnData's layout."""
    _csr(root, "X", compression="gzip")
    root.create_dataset("layers/dense", data=X, chunks=(3, 5))
    _csr(root, "layers/counts")
    for part, size in (("obs", X.shape[0]), ("var", X.shape[1])):
        root.create_group(part).attrs["_index"] = "_index"
        root[part].create_dataset("_index", data=[f"{part}{i}" for i in range(size)])
    root["var"].attrs["_index"] = "names"
    root["var"]["names/values"], root["var"]["names/mask"] = root["var"]["_index"], np.zeros(X.shape[1], bool)


def hdf5_seeds() -> list[bytes]:
    """Files with matrices that lie flat, in chunks, and as CSR."""
    makes: list[Callable[[Any], Any]] = [
        lambda root: root.create_dataset("x", data=X),
        lambda root: root.create_dataset("x", data=X.astype(np.float32), chunks=(5, 2), compression="gzip"),
        lambda root: root.create_dataset("a/b/x", data=X.astype(">i2"), chunks=(4, 5), shuffle=True),
        lambda root: _csr(root, "x"),
        lambda root: _csr(root, "x", chunks=(7,)),
        _cells,
    ]
    return list(map(_written, makes))


def hdf5_changed(data: bytes, draw: random.Random) -> bytes:
    """A file with other datasets, attributes and links; or with other numbers where it keeps sizes and places."""
    if draw.random() < 0.15:
        return words_changed(data, draw)
    file = io.BytesIO(data)
    with h5py.File(file, "r+") as root:
        for _ in range(draw.choice((1, 1, 2, 3))):
            names: list[str] = []
            root.visit(names.append)
            name = draw.choice(names or ["x"])
            draw.choice((_dataset, _dataset, _other_part, _attribute, _attribute, _link))(root, name, draw)
    return file.getvalue()


def words_changed(data: bytes, draw: random.Random) -> bytes:
    """Other whole numbers at places where a binary format may keep them."""
    changed = bytearray(data)
    for _ in range(draw.choice((1, 1, 2))):
        size = draw.choice((4, 8, 8))
        at = draw.randrange(max(1, len(changed) // 4)) * 4
        word = draw.choice(
            (0, 1, 5, 12, 13, 60, 2**20, 2**31 - 1, 2**31, 2**40, 2**60, 2**62, 2**63 - 1, 2**64 - 1)
        )
        changed[at : at + size] = (word % 2 ** (8 * size)).to_bytes(size, "little")
    return bytes(changed)


def _remade(root: Any, name: str) -> None:
    if name in root or root.get(name, getlink=True) is not None:
        del root[name]


def _dataset(root: Any, name: str, draw: random.Random) -> None:
    """Another dataset in this place."""
    shape = draw.choice(SHAPES) if draw.random() < 0.6 else X.shape
    dtype = np.dtype(draw.choice(DTYPES)) if draw.random() < 0.6 else np.dtype("<f8")
    chunks, more = draw.choice(CHUNKS), dict(draw.choice(FILTERS))
    if more.get("maxshape"):
        more["maxshape"] = (None,) * len(shape)
    if isinstance(chunks, int) and not isinstance(chunks, bool):
        chunks = tuple(chunks if i == 0 else max(1, min(side, 2**10)) for i, side in enumerate(shape)) or None
    if draw.random() < 0.1:
        chunks, more = None, {"external": [(draw.choice(("none", "fuzzed.h5")), 0, h5py.h5f.UNLIMITED)]}
    elif draw.random() < 0.1 and shape == X.shape:
        layout = h5py.VirtualLayout(shape, dtype)
        # Not of itself: HDF5 then goes round until the stack overflows.
        layout[:6] = h5py.VirtualSource(draw.choice((".", "none.h5")), "none", shape)[:6]
        _remade(root, name)
        root.create_virtual_dataset(name, layout)
        return
    _remade(root, name)
    made = root.create_dataset(name, shape, dtype, chunks=chunks, **more)
    small = made.chunks is None or np.prod(made.chunks, dtype=object) <= LARGEST_CHUNK
    if (
        small
        and "external" not in more  # no file but this one is written
        and dtype.kind in "biuf"
        and dtype.itemsize <= 8
        and int(np.prod(shape, dtype=object)) <= 60
        and draw.random() < 0.7
    ):
        made[...] = np.resize(X, shape).astype(dtype)


def _other_part(root: Any, name: str, draw: random.Random) -> None:
    """A part of a CSR matrix that may not fit the others."""
    part = draw.choice(("data", "indices", "indptr"))
    groups: list[str] = []
    root.visititems(
        lambda at, item: groups.append(at) if isinstance(item, h5py.Group) and part in item else None
    )
    if not groups:
        _attribute(root, name, draw)
        return
    place, made = f"{draw.choice(groups)}/{part}", part_of(part, draw)
    _remade(root, place)
    root.create_dataset(
        place, data=made, chunks=True if np.ndim(made) and np.size(made) and draw.random() < 0.4 else None
    )


def _attribute(root: Any, name: str, draw: random.Random) -> None:
    item = root[name]
    spots = [*item.attrs, draw.choice(ATTRIBUTES)]
    spot = draw.choice(spots)
    if draw.random() < 0.2:
        item.attrs.pop(spot, None)
    else:
        item.attrs[spot] = draw.choice(VALUES)


def _link(root: Any, name: str, draw: random.Random) -> None:
    """A link to what is not there, to what is above it, or elsewhere; or nothing at all."""
    place = draw.choice((name, "y", "X", "obs", "var/_index", "x/data"))
    target: Any = draw.choice(
        (h5py.SoftLink("/none"), h5py.SoftLink(f"/{name}"), h5py.SoftLink("/"), h5py.ExternalLink("none.h5", "x"),
         h5py.ExternalLink("fuzzed.h5", name), root, root.get(name), np.dtype("f8"))
    )  # fmt: skip
    _remade(root, place)
    if draw.random() < 0.8 and target is not None:
        root[place] = target

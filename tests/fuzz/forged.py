"""Files of `gf.save` and checkpoints with other contents, and digests that fit."""

import copy
import hashlib
import json
import random
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gramfold.keep.layout import DTYPES

ODD: list[Any] = [
    None, True, False, 0, 1, 2, -1, 3.5, 1e308, -0.0, 2**31, 2**63, -(2**63), 10**30, "", "a", "NMF", [], [0],
    [[]], {}, {"is": "tuple", "items": []}, {"is": "dict", "items": {}}, {"is": "float", "value": "nan"},
    {"is": "float", "value": "inf"}, {"is": "strings", "items": ["a"]}, {"is": "dtype", "dtype": "F32"},
]  # fmt: skip
SIZES = (0, 1, 2, 3, 9, 60, 2**20, 2**40, 2**62)


@dataclass
class File:
    """A file in parts: its description, and of each array dtype, shape and bytes."""

    described: dict[str, Any]
    arrays: dict[str, tuple[str, list[int], bytes]] = field(default_factory=dict)

    @classmethod
    def of(cls, data: bytes) -> "File":
        """Take a sound file apart; ValueError or KeyError if it is none."""
        begin = 8 + int.from_bytes(data[:8], "little")
        header = json.loads(data[8:begin])
        described = json.loads(header.pop("__metadata__")["gramfold"])
        described.pop("arrays")
        arrays = {}
        for name, entry in header.items():
            first, last = entry["data_offsets"]
            arrays[name] = (entry["dtype"], entry["shape"], data[begin + first : begin + last])
        return cls(described, arrays)

    def bytes(self) -> bytes:
        """Put it together, with digests and places that fit."""
        table, header, end = {}, {}, 0
        for name, (code, shape, raw) in self.arrays.items():
            shown = {"dtype": code, "shape": shape}
            table[name] = {**shown, "sha256": hashlib.sha256(raw).hexdigest()}
            header[name] = {**shown, "data_offsets": [end, end + len(raw)]}
            end += len(raw)
        text = json.dumps({**self.described, "arrays": table})
        about = {"gramfold": text, "sha256": hashlib.sha256(text.encode()).hexdigest()}
        made = json.dumps({"__metadata__": about, **header}).encode()
        return len(made).to_bytes(8, "little") + made + b"".join(raw for _, _, raw in self.arrays.values())


def forged(data: bytes, seed: int) -> bytes:
    """Change a sound file in one place or some."""
    draw, file = random.Random(seed), File.of(data)
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        draw.choice((_in_description, _in_description, _in_arrays))(file, draw)
    return file.bytes()


def places(tree: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a tree of dicts and lists, as the keys that lead there."""
    found = [at] if at else []
    for key in tree if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ():
        found += places(tree[key], (*at, key))
    return found


def at_place(tree: Any, at: tuple[Any, ...]) -> Any:
    """What is there."""
    for key in at:
        tree = tree[key]
    return tree


def _in_description(file: File, draw: random.Random) -> None:
    spots = [at for at in places(file.described) if draw.random() < 0.5 or at[0] in ("model", "checkpoint")]
    if not spots:
        return
    at = draw.choice(spots)
    holder, key, value = at_place(file.described, at[:-1]), at[-1], at_place(file.described, at)
    match draw.randrange(6):
        case 0:
            holder[key] = draw.choice(ODD)
        case 1:
            holder[key] = copy.deepcopy(at_place(file.described, draw.choice(spots)))
        case 2:
            del holder[key]
        case 3 if isinstance(holder, dict):
            holder[draw.choice(("a", "is", "array", "items", "coef_", "tol", "components_"))] = value
        case 4 if type(value) in (int, float):
            holder[key] = draw.choice((value + 1, -value, value * 2, float(value), int(value % 7)))
        case _:
            holder[key] = {
                "is": "array",
                "array": draw.choice([*file.arrays, "none"]),
                "order": draw.choice("CF"),
            }


def _in_arrays(file: File, draw: random.Random) -> None:
    if not file.arrays:
        return
    name = draw.choice(list(file.arrays))
    code, shape, raw = file.arrays[name]
    size = np.dtype(DTYPES[code]).itemsize
    match draw.randrange(5):
        case 0 if raw:  # other numbers
            changed = bytearray(raw)
            for _ in range(draw.choice((1, 1, 8))):
                at = draw.randrange(len(raw) // size) * size
                changed[at : at + size] = draw.choice(_numbers(DTYPES[code]))
            raw = bytes(changed)
        case 1 if shape:  # other sizes
            shape = list(shape)
            shape[draw.randrange(len(shape))] = draw.choice(SIZES[:6])
            raw = (raw * (1 + int(np.prod(shape)) * size // max(1, len(raw))))[: int(np.prod(shape)) * size]
            raw += bytes(int(np.prod(shape)) * size - len(raw))
        case 2:  # other types
            code = draw.choice(list(DTYPES))
            raw = (raw * 8 + bytes(64))[: int(np.prod(shape)) * np.dtype(DTYPES[code]).itemsize]
            raw += bytes(int(np.prod(shape)) * np.dtype(DTYPES[code]).itemsize - len(raw))
        case 3:  # another order of sides, or another dimension
            shape = draw.choice((shape[::-1], [*shape, 1], [1, *shape], [int(np.prod(shape))]))
        case _:
            file.arrays[draw.choice([*file.arrays, "more"])] = (code, shape, raw)
    file.arrays[name] = (code, shape, raw)


def _numbers(dtype: str) -> list[bytes]:
    kind = np.dtype(dtype)
    if kind.kind == "f":
        values: list[Any] = [0, -1, np.nan, np.inf, -np.inf, np.finfo(kind).max, np.finfo(kind).tiny, 1e-3]
    elif kind.kind == "b":
        return [b"\0", b"\1", b"\2", b"\xff"]
    else:
        values = [0, 1, 2, np.iinfo(kind).max, np.iinfo(kind).min, np.iinfo(kind).max // 2]
    return [np.array(value).astype(kind).tobytes() for value in values]

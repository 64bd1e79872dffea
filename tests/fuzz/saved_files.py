"""Targets: models in files, and fits that go on from checkpoints."""

import inspect
import json
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from entries import counts
from fuzz.oracle import read_or_refused
from saved import assert_same
from test_checkpoints import MODELS, RIDGE, After, Stopped, fit

import gramfold as gf
from gramfold.cli.about import about
from gramfold.keep.layout import DTYPES

X = counts(24)
Y = np.stack([X[:, 0] - 2 * X[:, 1], np.cos(np.arange(len(X)))], axis=1)
CASES: dict[str, Any] = MODELS | {f"Ridge, {name}": make for name, make in RIDGE.items()}
NAMES = list(CASES)


def load(data: bytes, folder: Path) -> None:
    """A file that `gf.load` reads is what its bytes say, and can be saved again."""
    path = folder / "fuzzed.gramfold"
    path.write_bytes(data)
    found = None
    with read_or_refused(path):
        found = gf.load(path, mmap=bool(len(data) % 2))
    with read_or_refused(path):
        about(str(path))
    if found is None:
        return
    node, arrays = read(data)
    assert _means(node, found, arrays), f"{found} is not what the file says"
    gf.save(found, folder / "again.gramfold")
    assert_same(gf.load(folder / "again.gramfold"), found)
    with suppress(Exception):  # of numbers that make no sense; the process must not end
        next(getattr(found, name) for name in ("transform", "predict") if hasattr(found, name))(X)


def read(data: bytes) -> tuple[Any, dict[str, Any]]:
    """What FORMAT.md says of a file."""
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    described = json.loads(header.pop("__metadata__")["gramfold"])
    arrays = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        arrays[name] = np.frombuffer(data[start + begin : start + end], DTYPES[entry["dtype"]]).reshape(
            entry["shape"]
        )
    return described["model"], arrays


def _means(node: Any, value: Any, arrays: dict[str, Any]) -> bool:
    """Whether a value is what a node of the description stands for."""
    if isinstance(node, list):
        return type(value) is list and _all(node, value, arrays)
    if not isinstance(node, dict):
        return type(node) is type(value) and node == value
    kind = node["is"]
    if kind in ("array", "scalar"):
        a = arrays[node["array"]]
        return value.dtype == a.dtype and value.shape == a.shape and value.tobytes() == a.tobytes()
    if kind == "float":
        return repr(value) == node["value"]
    if kind == "tuple":
        return type(value) is tuple and _all(node["items"], value, arrays)
    if kind == "dict":
        return _named(node["items"], value, arrays)
    if kind == "strings":
        return value.tolist() == node["items"]
    if kind == "dtype":
        return bool(value == np.dtype(DTYPES[node["dtype"]]))
    if kind == "sparse":
        parts = ("data", "indices", "indptr")
        same = all(getattr(value, part).tobytes() == arrays[node[part]].tobytes() for part in parts)
        return type(value).__name__ == node["type"] and list(value.shape) == node["shape"] and same
    if kind == "RandomState":
        state = value.get_state(legacy=False)
        return state["state"]["pos"] == node["pos"] and (state["state"]["key"] == arrays[node["array"]]).all()
    if kind == "Generator":
        return value.bit_generator.state["state"] == {"state": node["state"], "inc": node["inc"]}
    if kind == "object":
        return type(value).__name__ == node["class"] and _fields(node["fields"], value, arrays)
    parameters = value.get_params(deep=False)
    defaults = {name: p.default for name, p in inspect.signature(type(value)).parameters.items()}
    lacking = {name: one for name, one in parameters.items() if name not in node["parameters"]}
    given = {name: parameters[name] for name in node["parameters"]}
    learned = {name: one for name, one in vars(value).items() if name not in parameters}
    same = _named(node["parameters"], given, arrays) and _named(node["fitted"], learned, arrays)
    return (
        same
        and type(value).__name__ == node["class"]
        and all(one is defaults[n] for n, one in lacking.items())
    )


def _all(nodes: Any, values: Any, arrays: dict[str, Any]) -> bool:
    return len(nodes) == len(values) and all(_means(a, b, arrays) for a, b in zip(nodes, values, strict=True))


def _named(nodes: Any, values: Any, arrays: dict[str, Any]) -> bool:
    return nodes.keys() == values.keys() and all(_means(nodes[name], values[name], arrays) for name in nodes)


def _fields(nodes: Any, value: Any, arrays: dict[str, Any]) -> bool:
    return all(_means(node, getattr(value, name), arrays) for name, node in nodes.items())


def checkpoint(data: bytes, folder: Path) -> None:
    """A fit goes on from a checkpoint, or refuses it by name; the first byte says which fit."""
    path, name = folder / "fuzzed.checkpoint", NAMES[data[0] % len(NAMES)] if data else NAMES[0]
    path.write_bytes(data[1:])
    given = {"y": Y} if "Ridge" in name else {}
    model = CASES[name]()
    before = dict(vars(model))
    with read_or_refused(path):
        about(str(path))
    with read_or_refused(path):
        try:
            fit(model, X, checkpoint=path, checkpoint_every=1e9, **given)
        except BaseException:
            assert vars(model) == before, "a fit that failed changed the model"
            raise


@cache
def seeds() -> dict[str, list[bytes]]:
    """Sound files of each target: fitted models of all kinds, and checkpoints of all fits."""
    models, fits = [], []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "seed"
        for i, (name, make) in enumerate(CASES.items()):
            given = {"y": Y} if "Ridge" in name else {}
            gf.save(fit(make(), X, **given), path)
            models.append(path.read_bytes())
            path.unlink()
            with suppress(Stopped):
                fit(make().set_params(callback=After(3)), X, checkpoint=path, checkpoint_every=0, **given)
            fits.append(bytes([i]) + path.read_bytes())
            path.unlink()
        more = (
            gf.NMF(2, init=gf.RobustPCA(lam=float("inf"))), gf.PCA(2).fit(X), gf.TruncatedSVD(2).fit(X),
            gf.IncrementalPCA(2).fit(X), gf.Ridge().partial_fit(X, X[:, 0]), gf.OnlineRobustPCA(2).fit(X),
            gf.SparseCoder(np.eye(9)), gf.MiniBatchKMeans(3, callback=gf.progress()).partial_fit(X),
        )  # fmt: skip
        for model in more:
            gf.save(model, path)
            models.append(path.read_bytes())
    return {"load": models, "checkpoint": fits}

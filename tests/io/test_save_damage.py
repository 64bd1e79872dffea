"""Files that are damaged, hostile or half there: a ValueError that names file and fault, and nothing else."""

import copy
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from entries import counts
from hypothesis import given
from hypothesis import strategies as st
from saved import put_together, taken_apart

import gramfold as gf


def bytes_of(model, path):
    gf.save(model, path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Small files that have every kind of value but nested models in them."""
    path, X = tmp_path_factory.mktemp("files") / "model.gramfold", counts(24)
    ksvd = gf.DictionaryLearning(3, fit_algorithm="ksvd", transform_n_nonzero_coefs=2, max_iter=3, tol=0)
    models = [
        ksvd.fit(X),
        gf.MiniBatchKMeans(3, random_state=0, callback=gf.progress()).partial_fit(X),
        gf.IncrementalPCA(2).fit(X),
        gf.Ridge().partial_fit(X, X[:, 0]),
        gf.NMF(2, random_state=0, tol=np.float64(0.1)).fit(X),
        gf.NMF(2, init=gf.RobustPCA(lam=float("inf"))),
    ]
    return [bytes_of(model, path) for model in models]


def loaded(data, path):
    """What comes of the bytes: a model, or None; only these two errors, and no more memory than is there."""
    path.write_bytes(data)
    found, told = None, str(path)
    tracemalloc.start()
    try:
        found = gf.load(path)
    except ValueError as error:
        told = str(error)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert str(path) in told
    assert peak < 60 * len(data) + 2**18  # objects of JSON, and one import
    return found


@given(draw=st.data())
def test_a_file_with_other_bytes_is_refused(tmp_path, files, draw):
    data = bytearray(draw.draw(st.sampled_from(files)))
    at = st.integers(0, len(data) - 1)
    for place, bits in draw.draw(st.dictionaries(at, st.integers(1, 255), min_size=1, max_size=3)).items():
        data[place] ^= bits
    assert loaded(bytes(data), tmp_path / "model") is None


@given(draw=st.data())
def test_a_file_that_is_cut_off_or_longer_is_refused(tmp_path, files, draw):
    data = draw.draw(st.sampled_from(files))
    cut = data[: draw.draw(st.integers(0, len(data) - 1))]
    assert loaded(cut, tmp_path / "model") is None
    assert loaded(data + draw.draw(st.binary(min_size=1, max_size=9)), tmp_path / "model") is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from(["array", "sparse", "model", "object", "NMF", "Tally", "F64", "C"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def places(tree, path=()):
    """Every place in a tree of JSON."""
    yield path
    if isinstance(tree, dict | list):
        for key in tree if isinstance(tree, dict) else range(len(tree)):
            yield from places(tree[key], (*path, key))


def put(tree, path, value):
    for key in path[:-1]:
        tree = tree[key]
    tree[path[-1]] = value


@given(draw=st.data())
def test_a_forged_file_is_refused_or_is_a_model(tmp_path, files, draw):
    header, described, arrays = taken_apart(draw.draw(st.sampled_from(files)))
    tree = {"header": header, "described": described}
    for _ in range(draw.draw(st.integers(1, 3))):
        spots = [path for path in places(tree) if len(path) > 1 and "__metadata__" not in path]
        path = draw.draw(st.sampled_from(spots))
        taken = draw.draw(st.booleans())  # a part of the file in another place, or anything
        other = draw.draw(st.sampled_from(spots)) if taken else None
        value = draw.draw(JSON)
        if other is not None:
            value = tree
            for key in other:
                value = value[key]
        put(tree, path, copy.deepcopy(value))
    found = loaded(put_together(tree["header"], tree["described"], arrays), tmp_path / "model")
    assert found is None or type(found).__name__ in gf.__all__


@given(data=st.binary(max_size=300))
def test_any_bytes_are_refused(tmp_path, data):
    assert loaded(data, tmp_path / "model") is None
    assert loaded(len(data).to_bytes(8, "little") + data, tmp_path / "model") is None


HOSTILE = {
    "rows without end": lambda header, table, fitted: fitted["_codes"].update(shape=[2**60, 3]),
    "entries outside": lambda header, table, fitted: fitted["_codes"].update(shape=[24, 1]),
    "other parts": lambda header, table, fitted: fitted["_codes"].update(indptr="components_"),
    "no position": lambda header, table, fitted: fitted["_rng"].update(pos=625),
    "no whole number": lambda header, table, fitted: fitted.update(n_iter_=1.5),
    "other shapes": lambda header, table, fitted: fitted.update(n_features_in_=8),
    "no array": lambda header, table, fitted: fitted.update(
        _codes={"is": "array", "array": [], "order": "C"}
    ),
    "a large array": lambda header, table, fitted: [
        entries["components_"].update(shape=[2**40, 9]) for entries in (header, table)
    ],
    "a gap": lambda header, table, fitted: header["components_"].update(data_offsets=[8, 8]),
    "more than there is": lambda header, table, fitted: header["components_"].update(data_offsets=[0, 2**62]),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_is_refused(tmp_path, files, kind):
    header, described, arrays = taken_apart(files[0])
    HOSTILE[kind](header, described["arrays"], described["model"]["fitted"])
    assert loaded(put_together(header, described, arrays), tmp_path / "model") is None


@pytest.mark.parametrize("deep", ['{"a":' * 100_000, "[" * 100_000 + "]" * 100_000])
def test_a_deep_file_is_refused(tmp_path, files, deep):
    header, described, arrays = taken_apart(files[0])
    assert loaded(len(deep).to_bytes(8, "little") + deep.encode(), tmp_path / "model") is None
    node = 1
    for _ in range(400):
        node = {"is": "tuple", "items": [node]}
    described["model"]["parameters"]["alpha"] = node
    assert loaded(put_together(header, described, arrays), tmp_path / "model") is None


def test_what_is_no_file_of_ours_is_said_to_be_none(tmp_path):
    safetensors = pytest.importorskip("safetensors.numpy")
    safetensors.save_file({"x": np.zeros(3)}, tmp_path / "other.safetensors")
    np.save(tmp_path / "other.npy", np.zeros(3))
    (tmp_path / "empty").touch()
    for name in ("other.safetensors", "other.npy", "empty"):
        with pytest.raises(ValueError, match=f"{name} is not a file of gf.save"):
            gf.load(tmp_path / name)
    for name in ("none", "."):
        with pytest.raises(OSError, match=str(tmp_path)):
            gf.load(tmp_path / name)


@pytest.fixture
def kept(tmp_path):
    path = tmp_path / "model.gramfold"
    return path, bytes_of(gf.NMF(2, random_state=0).fit(counts()), path)


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
@pytest.mark.parametrize("where", ["fsync", "replace"])
def test_an_older_file_stays_when_writing_fails(monkeypatch, kept, error, where):
    path, before = kept

    def fail(*_):
        raise error

    monkeypatch.setattr(f"gramfold.keep.atomic.os.{where}", fail)
    with pytest.raises(BaseException) as raised:  # noqa: PT011
        gf.save(gf.NMF(3), path)
    assert raised.value is error or type(raised.value) is error
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


FULL = """
import resource, signal, sys
from pathlib import Path
import numpy as np
import gramfold as gf
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
path = Path(sys.argv[1] if len(sys.argv) > 1 else PATH)
try:
    gf.save(gf.KMeans(init=np.zeros((300, 200))), path)
except OSError as error:
    print(type(error).__name__, path.name in str(error) or error.errno)
"""


def test_a_full_disk_is_an_oserror_and_leaves_the_older_file(run_python, kept):
    path, before = kept
    assert run_python(f"PATH = {str(path)!r}\n{FULL}").startswith("OSError")
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_file_is_replaced_where_a_link_to_it_leads(tmp_path, kept):
    link = tmp_path / "latest"
    link.symlink_to(kept[0])
    gf.save(gf.NMF(5), link)
    assert link.is_symlink()
    assert gf.load(kept[0]).n_components == 5
    assert Path(kept[0]).stat().st_mode & 0o444

"""What FORMAT.md says: its reader in NumPy, other readers of safetensors, and versions."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from entries import counts
from numpy.testing import assert_array_equal
from saved import rewritten

import gramfold as gf
from gramfold.keep import registry
from gramfold.keep.layout import DTYPES
from gramfold.keep.reader import KEYS

PAGE = (Path(__file__).parents[2] / "FORMAT.md").read_text(encoding="utf-8")


@pytest.fixture
def saved(tmp_path):
    model = gf.MiniBatchKMeans(3, random_state=0).fit(counts().astype(np.float32))
    path = tmp_path / "model.gramfold"
    gf.save(model, path)
    return model, path


def test_the_reader_in_the_page_reads_a_model(saved):
    model, path = saved
    space = {}
    code = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1]
    exec(code, space)
    assert len(code.split("def read")[1].splitlines()) <= 20
    described, arrays = space["read"](path)
    assert described["class"] == "MiniBatchKMeans"
    assert described["fitted"]["inertia_"] == model.inertia_
    assert_array_equal(arrays["cluster_centers_"], model.cluster_centers_)
    assert_array_equal(arrays["_rng"], model._rng.get_state()[1])
    assert arrays["cluster_centers_"].dtype == np.float32


def test_the_page_names_every_kind_of_value_and_dtype():
    rows = set(re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", PAGE, re.MULTILINE))
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert KEYS.keys() <= named
    assert all(f"`{dtype}`" in PAGE for dtype in DTYPES)


def test_a_reader_of_safetensors_opens_it(saved):
    safetensors = pytest.importorskip("safetensors")
    from safetensors.numpy import load_file

    model, path = saved
    assert_array_equal(load_file(path)["cluster_centers_"], model.cluster_centers_)
    with safetensors.safe_open(path, "numpy") as file:
        assert "gramfold" in file.metadata()
        assert_array_equal(file.get_tensor("labels_"), model.labels_)


def test_arrays_lie_where_a_map_of_them_is_aligned(saved):
    mapped = gf.load(saved[1], mmap=True)
    for value in vars(mapped).values():
        if isinstance(value, np.ndarray):
            assert value.flags.aligned
            assert value.base is not None


def test_the_shape_of_the_data_and_the_certificate_can_be_read_without_gramfold(tmp_path):
    X = counts()
    gf.save(gf.NMF(2, random_state=0).fit(X), tmp_path / "model.gramfold")
    seen = {}
    rewritten(tmp_path / "model.gramfold", seen.update)
    assert seen["data_shape"] == list(X.shape)
    assert 0 < seen["model"]["fitted"]["kkt_residual_"] < 1e-3


def test_a_newer_format_is_refused_with_the_version_that_wrote_it(saved):
    rewritten(saved[1], lambda described: described.update(format=2, gramfold="9.1"))
    with pytest.raises(
        ValueError, match=r"model\.gramfold is in format 2, written by gramfold 9\.1.*newer gramfold"
    ):
        gf.load(saved[1])


def test_a_parameter_that_an_older_file_lacks_has_its_default(saved):
    rewritten(saved[1], lambda described: described["model"]["parameters"].pop("max_time"))
    assert gf.load(saved[1]).max_time is None


@pytest.mark.parametrize("place", ["parameters", "fitted"])
def test_what_this_gramfold_does_not_know_is_refused_by_name(saved, place):
    rewritten(saved[1], lambda described: described["model"][place].update(entirely_new_=3))
    with pytest.raises(
        ValueError, match=r"model\.gramfold.*cannot be loaded: .*MiniBatchKMeans.*entirely_new_"
    ):
        gf.load(saved[1])


@pytest.mark.parametrize("name", ["Path", "os.system", "KMeans2", None, ["NMF"]])
def test_a_class_that_is_no_model_is_not_made(saved, name):
    rewritten(saved[1], lambda described: described["model"].update({"class": name}))
    with pytest.raises(ValueError, match=r"cannot be loaded: this gramfold has no class"):
        gf.load(saved[1])


def test_the_registry_knows_every_field_of_the_objects_in_it():
    for name, (_, kinds) in registry.OBJECTS.items():
        cls = registry._object_class(name)
        if name != "ProgressBar":
            assert [field.name for field in dataclasses.fields(cls)] == list(kinds)
    for name in registry.STATES:
        assert registry._kinds_of(registry._object_class(name))

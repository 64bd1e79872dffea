"""X' of a long X in a file lies in a scratch file: the same bits, nothing is left, no room is told."""

import os
import shutil
import tempfile

import numpy as np
import pytest
from file_cases import in_file
from segment_cases import Kept

import gramfold as gf
from gramfold.fold import across
from gramfold.fold.source import Source

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture
def always(monkeypatch, tmp_path):
    """Every X is long and large, and a folder for scratch files."""
    monkeypatch.setattr(across, "SHORT", 1)
    monkeypatch.setattr(across, "SMALL", 1)
    monkeypatch.setattr(across, "TOGETHER", 4000)
    monkeypatch.setattr(across, "MOST", 4000)
    made = []
    original = across.across
    monkeypatch.setattr(across, "across", lambda *given: made.append(given[1:3]) or original(*given))
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    return made


def counts(dtype=np.float32, rows=400, cols=12):
    return np.random.default_rng(0).poisson(2.0, (rows, cols)).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", ">f4"])
@pytest.mark.parametrize("form", ["C", "F", "record", "strided", "reversed"])
def test_kl_of_a_file_has_the_bits_of_memory(form, dtype, always, tmp_path):
    X = counts(dtype)
    there = in_file(X, tmp_path / "scratch", form)
    before = os.listdir(tmp_path / "scratch")
    for more in ({}, {"n_init": 3, "init": "random"}):
        del always[:]
        found, expected = (
            gf.NMF(3, beta_loss="kullback-leibler", max_iter=5, tol=0, random_state=0, **more).fit(of)
            for of in (there, X)
        )
        np.testing.assert_array_equal(found.components_, expected.components_)
        assert found.reconstruction_err_ == expected.reconstruction_err_
        assert always == ([] if form == "F" else [X.shape])
    assert os.listdir(tmp_path / "scratch") == before


def test_kl_of_segments_in_files_has_the_bits_of_those_in_memory(always):
    X = counts()
    there = gf.blocks(Kept(X), memory="32K")
    assert len(there.parts) > 1
    here = gf.blocks([np.asarray(part) for part in there.parts])
    found, expected = (
        gf.NMF(3, beta_loss="kullback-leibler", max_iter=5, tol=0, random_state=0).fit(of)
        for of in (there, here)
    )
    np.testing.assert_array_equal(found.components_, expected.components_)
    assert always == [X.shape]


def test_a_disk_without_room_is_named_with_the_numbers_before_anything_is_written(
    always, tmp_path, monkeypatch
):
    there = in_file(counts(), tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 9, 1000))
    with pytest.raises(
        OSError, match=r"X of shape \(400, 12\), transposed, takes a scratch file of 19,200"
    ) as error:
        gf.NMF(3, beta_loss="kullback-leibler", max_iter=5, random_state=0).fit(there)
    assert "1,000 are free" in str(error.value)
    assert not os.listdir(tmp_path / "scratch")


def test_short_and_small_x_are_turned_where_they_lie(tmp_path):
    x = Source(in_file(counts(), tmp_path), 1)
    assert across.laid_across(x) is x.transposed


def test_long_rows_are_opened_in_pieces(kernels, tmp_path):
    """Of more entries than are read together, in memory and in a file."""
    x = np.random.default_rng(0).poisson(0.3, (3, 700_001)).astype(np.float32)
    f = np.random.default_rng(1).random((700_001, 2), np.float32)
    arguments = {"slope": f.sum(axis=0, dtype=np.float64), "start": np.ones((3, 2), np.float32), "l2": 0.0,
                 "max_sweeps": 2, "shrink": 0.0, "tol": 0.0, "measure_start": True, "measure_end": True,
                 "n_threads": 2}  # fmt: skip
    outs, losses = [], []
    for of in (x, np.asfortranarray(x), in_file(x, tmp_path), in_file(x, tmp_path, "F")):
        outs.append(np.empty((3, 2), np.float32))
        done = kernels.kl_coordinate(x=of, f=f, out=outs[-1], **arguments)
        np.testing.assert_array_equal(outs[-1], outs[0])
        losses.append(done.loss_end)
    assert len(set(losses)) == 1

"""A cache is written whole or not at all, and is used again for the same rows alone."""

import errno
import os
import shutil

import format_cases as files
import numpy as np
import pytest
import scipy.sparse as sp
from format_cases import DENSE, small, whole
from segment_cases import Kept

import gramfold as gf
from gramfold.fit.floats import stored
from gramfold.fit.on_disk import in_file
from gramfold.io import cache


@pytest.mark.parametrize("kind", ["HDF5", "zarr 3", "Parquet", "gzipped TSV"])
def test_a_cache_is_a_flat_file_of_the_rows(kind, tmp_path):
    X = files.rows(np.float64)
    path = tmp_path / "cache.npy"
    blocks = small(DENSE[kind](tmp_path, X), cache=path)
    np.testing.assert_allclose(whole(blocks), X, rtol=1e-15)
    np.testing.assert_array_equal(np.load(path), whole(blocks))
    assert np.load(path, mmap_mode="r").flags.c_contiguous
    np.testing.assert_array_equal(gf.PCA(2).fit(blocks).components_, gf.PCA(2).fit(np.load(path)).components_)


def test_numbers_stay_what_they_are_in_a_cache(tmp_path):
    X = files.rows().astype("uint8")
    blocks = small(files.hdf5(tmp_path, X), cache=tmp_path / "c.npy")
    assert blocks.dtype == np.uint8
    np.testing.assert_array_equal(whole(blocks), X)


def test_a_cache_is_used_again_until_the_file_changes(tmp_path, monkeypatch):
    path, kept = files.hdf5(tmp_path, files.rows()), tmp_path / "c.npy"
    small(path, cache=kept)
    with monkeypatch.context() as patch:
        patch.setattr(cache, "write_npy", None)
        assert small(path, cache=str(kept)).shape == files.rows().shape
    before = kept.read_bytes()
    files.hdf5(tmp_path, files.rows(seed=1))
    with pytest.raises(ValueError, match=r"cache='.*c.npy' is there, but is not known to hold this source"):
        small(path, cache=kept)
    with pytest.raises(ValueError, match=r"cache='.*c.npy' is there"):
        gf.blocks(Kept(files.rows()), cache=kept)  # which nothing tells from another
    assert kept.read_bytes() == before


def test_a_cache_that_was_cut_is_refused(tmp_path):
    path, kept = files.hdf5(tmp_path, files.rows()), tmp_path / "c.npy"
    small(path, cache=kept)
    os.truncate(kept, kept.stat().st_size - 100)
    with pytest.raises(ValueError, match="is there, but is not known to hold this source"):
        small(path, cache=kept)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_nothing_is_left_of_a_cache_that_could_not_be_written(error, tmp_path, monkeypatch):
    def fail(descriptor):
        raise error

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(type(error)):
        small(files.hdf5(tmp_path, files.rows()), cache=tmp_path / "c.npy")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["rows.h5"]


def test_nothing_is_left_of_a_cache_whose_rows_could_not_be_read(tmp_path):
    X = files.rows()
    X[-1] = np.nan  # which a cache holds, and a fit refuses
    path = tmp_path / "c.npy"
    gf.blocks(Kept(X), memory="4K", cache=path)
    assert np.isnan(np.load(path)[-1]).all()
    path.unlink()

    class Ending(Kept):
        def __getitem__(self, at):
            return super().__getitem__(at) if at.stop < 200 else self.rows[:0]

    with pytest.raises(OSError, match=r"should be of shape .*, got \(0, 6\)"):
        gf.blocks(Ending(X), memory="4K", cache=path)
    assert not list(tmp_path.iterdir())


def test_a_disk_without_room_is_refused_with_the_numbers_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 9, 1000))
    with pytest.raises(OSError, match=r"c.npy' takes 5,520 bytes, but 1,000 are free") as caught:
        small(files.hdf5(tmp_path, files.rows()), cache=tmp_path / "c.npy")
    assert caught.value.errno == errno.ENOSPC
    assert not (tmp_path / "c.npy").exists()


def test_what_no_cache_can_be_made_of_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"path of a .npy file for dense rows, got 'a.bin'"):
        gf.blocks(Kept(files.rows()), cache="a.bin")
    with pytest.raises(ValueError, match=r"a .npz file for sparse rows, got '.*c.npy'"):
        gf.blocks(sp.csr_array(files.rows()), cache=tmp_path / "c.npy")


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_a_cache_of_sparse_rows_is_flat_csr(dtype, tmp_path):
    X = sp.csr_matrix(files.rows().astype(dtype) * (files.rows() > 50))
    kept = tmp_path / "c.npz"
    blocks = small(h5_of_csr(tmp_path, X), cache=kept)
    assert isinstance(blocks.parts, tuple)
    assert in_file(stored(blocks.parts[0]))
    assert (sp.load_npz(kept) != X).nnz == 0
    found, expected = (gf.NMF(2, max_iter=5, tol=0).fit(of) for of in (kept, X))
    np.testing.assert_array_equal(found.components_, expected.components_)


def h5_of_csr(folder, X):
    import h5py

    with h5py.File(folder / "cells.h5", "w") as file:
        group = file.create_group("X")
        group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": X.shape})
        for name in ("data", "indices", "indptr"):
            group.create_dataset(name, data=getattr(X, name), chunks=(100,), compression="gzip")
    return folder / "cells.h5"


def test_a_cache_of_sparse_rows_is_used_again_until_the_file_changes(tmp_path, monkeypatch):
    X = sp.csr_matrix(files.rows() * (files.rows() > 50))
    path, kept = h5_of_csr(tmp_path, X), tmp_path / "c.npz"
    small(path, cache=kept)
    with monkeypatch.context() as patch:
        patch.setattr(cache, "write_npz", None)
        assert small(path, cache=kept).shape == X.shape
    h5_of_csr(tmp_path, X * 2)
    with pytest.raises(ValueError, match=r"cache='.*c.npz' is there, but is not known to hold this source"):
        small(path, cache=kept)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 9, 1000))
    with pytest.raises(OSError, match=r"d.npz' takes [\d,]+ bytes, but 1,000 are free"):
        small(path, cache=tmp_path / "d.npz")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["c.npz", "cells.h5"]

"""Rows are read as they were written, from every kind of file, and each library's open objects."""

import format_cases as files
import numpy as np
import pytest
import scipy.sparse as sp
from format_cases import COLS, DENSE, NAMES, ROWS, small, whole

import gramfold as gf
from gramfold.fit.on_disk import in_file, loaded
from gramfold.fold.segments import source_of
from gramfold.io.parts import Parts


@pytest.mark.parametrize("kind", DENSE)
def test_every_kind_of_file_gives_the_rows_that_were_written(kind, tmp_path):
    X = files.rows(np.float64)
    blocks = small(DENSE[kind](tmp_path, X))
    assert isinstance(blocks.parts, Parts)
    assert len(blocks.parts) > 2
    assert blocks.shape == X.shape
    assert blocks.dtype == X.dtype
    for _ in range(2):
        np.testing.assert_allclose(whole(blocks), X, rtol=1e-15)


@pytest.mark.parametrize("kind", DENSE)
def test_rows_in_any_order_and_views_are_those_of_the_file(kind, tmp_path):
    X = files.rows(np.float64)
    source = source_of(small(DENSE[kind](tmp_path, X)), 1)
    index = np.array([200, 3, 3, 101, 99, 229, 0, -1])
    np.testing.assert_allclose(source.take(index), X[index], rtol=1e-15)
    np.testing.assert_allclose(source.take(slice(20, 180, 7)), X[20:180:7], rtol=1e-15)
    view = source.some(slice(45, 190))
    assert not view.held
    np.testing.assert_allclose(view.x, X[45:190], rtol=1e-15)
    np.testing.assert_allclose(view.some(slice(3, 50)).take([0, 5]), X[[48, 53]], rtol=1e-15)


@pytest.mark.parametrize("where", ["path", "layer", "open X", "open layer", "zarr", "open zarr"])
@pytest.mark.filterwarnings("ignore:Writing zarr v2")
def test_cells_of_anndata_are_read_dense_and_as_csr(where, tmp_path):
    anndata = pytest.importorskip("anndata", reason="anndata is of the extra scverse")
    X = files.rows()
    path = files.h5ad(tmp_path, X)
    cells = X * (X > 50)
    backed = anndata.read_h5ad(path, backed="r")
    anndata.read_h5ad(path).write_zarr(tmp_path / "cells.zarr")
    given, expected = {
        "path": (path, cells),
        "layer": (f"{path}::layers/dense", X),
        "open X": (backed.X, cells),
        "open layer": (backed.file["layers/dense"], X),
        "zarr": (tmp_path / "cells.zarr::X", cells),
        "open zarr": (open_zarr(tmp_path / "cells.zarr"), cells),
    }[where]
    blocks = gf.blocks(given, memory="12K")
    assert len(blocks.parts) > 2 or expected is X  # which is one chunk
    assert blocks.sparse == (expected is cells)
    np.testing.assert_array_equal(whole(blocks), expected)
    source = source_of(blocks, 1)
    np.testing.assert_array_equal(source.take([200, 3, 3]), expected[[200, 3, 3]])
    assert source.entries == (expected > 0).sum() if blocks.sparse else expected.size


def open_zarr(path):
    zarr = pytest.importorskip("zarr")
    from anndata.io import sparse_dataset

    return sparse_dataset(zarr.open(path, mode="r")["X"])


def test_rows_of_very_different_lengths_are_cut_by_their_entries(tmp_path):
    import h5py

    X = sp.random(300, 40, 0.02, format="lil", random_state=0)
    X[100:105] = 1.0
    X = X.tocsr()
    with h5py.File(tmp_path / "x.h5", "w") as file:
        group = file.create_group("X")
        group.attrs.update({"encoding-type": "csr_matrix", "shape": X.shape})
        for name in ("data", "indices", "indptr"):
            group.create_dataset(name, data=getattr(X, name), chunks=(100,))
    blocks = gf.blocks(tmp_path / "x.h5", memory="8K")
    sizes = [part.nnz for part in blocks.parts]
    assert max(sizes) <= 1024 / 12 + 40
    np.testing.assert_array_equal(whole(blocks), X.toarray())


def test_open_objects_of_each_library_are_read_as_their_files_are(tmp_path):
    import h5py
    from pyarrow import dataset

    zarr = pytest.importorskip("zarr")
    X = files.rows()
    with h5py.File(files.hdf5(tmp_path, X)) as file:
        np.testing.assert_array_equal(whole(small(file["X"])), X)
    stored = zarr.open(DENSE["zarr, sharded"](tmp_path, X), mode="r")
    np.testing.assert_array_equal(whole(small(stored)), X)
    np.testing.assert_array_equal(whole(small(zarr.array(X, chunks=(50, COLS)))), X)
    np.testing.assert_array_equal(whole(small(files.table(X))), X)
    for given in (files.parquet(tmp_path, X), files.feather(tmp_path, X)):
        form = "parquet" if given.suffix == ".parquet" else "feather"
        np.testing.assert_array_equal(whole(small(dataset.dataset(given, format=form))), X)


def test_columns_that_are_stored_together_are_no_rows(tmp_path):
    import h5py

    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_group("X").attrs["encoding-type"] = "csc_matrix"
    with pytest.raises(ValueError, match=r"x.h5::X is CSC, whose rows do not lie together: convert"):
        gf.blocks(f"{tmp_path / 'x.h5'}::X")


def test_what_lies_flat_in_hdf5_is_read_flat(tmp_path):
    import h5py

    X = files.rows()
    cells = sp.csr_array(X * (X > 50))
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["X"] = X
        group = file.create_group("cells")
        group.attrs.update({"encoding-type": "csr_matrix", "shape": X.shape})
        for name in ("data", "indices", "indptr"):
            group[name] = getattr(cells, name)
    (flat,) = gf.blocks(f"{tmp_path / 'x.h5'}::X", memory="4K").parts
    assert in_file(flat)
    np.testing.assert_array_equal(loaded(flat), X)
    (flat,) = gf.blocks(f"{tmp_path / 'x.h5'}::cells", memory="4K").parts
    assert in_file(flat.stored)
    np.testing.assert_array_equal(flat.toarray(), cells.toarray())


def test_pickled_readers_open_their_file_anew(tmp_path):
    import pickle

    import h5py

    X = files.rows()
    with h5py.File(files.hdf5(tmp_path, X)) as file:
        sent = pickle.dumps(small(file["X"]))
    np.testing.assert_array_equal(whole(pickle.loads(sent)), X)
    for kind, write in DENSE.items():
        (tmp_path / kind).mkdir()
        sent = pickle.loads(pickle.dumps(small(write(tmp_path / kind, X.astype(float)))))
        np.testing.assert_allclose(whole(sent), X, rtol=1e-15, err_msg=kind)


@pytest.mark.parametrize("kind", ["HDF5", "zarr 3"])
def test_a_process_that_was_forked_opens_the_file_anew(kind, tmp_path, monkeypatch):
    X = files.rows()
    blocks = small(DENSE[kind](tmp_path, X))
    place = blocks.parts.pieces[0].reader._place
    before = place.opened
    assert place.opened is before
    monkeypatch.setattr("os.getpid", lambda: -1)
    assert place.opened is not before
    np.testing.assert_array_equal(whole(blocks), X)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float16", ">f4", "int64", "bool"])
@pytest.mark.parametrize("kind", ["HDF5", "zarr 3"])
def test_numbers_stay_what_they_are_in_the_file(kind, dtype, tmp_path):
    if kind == "zarr 3" and dtype == ">f4":
        return  # its dtypes have no order of bytes
    X = files.rows().astype(dtype)
    blocks = small(DENSE[kind](tmp_path, X))
    assert blocks.dtype == X.dtype
    np.testing.assert_array_equal(whole(blocks), X)
    np.testing.assert_array_equal(gf.PCA(2).fit(blocks).components_.shape, (2, COLS))


def test_a_null_is_nan_and_columns_are_of_one_dtype(tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    given = pa.table({"a": pa.array([1, None, 3], pa.int8()), "b": pa.array([0.5, 1.5, None], pa.float32())})
    parquet.write_table(given, tmp_path / "x.parquet")
    for source in (tmp_path / "x.parquet", given):
        blocks = gf.blocks(source)
        assert blocks.dtype == np.float32
        np.testing.assert_array_equal(whole(blocks), [[1, 0.5], [np.nan, 1.5], [3, np.nan]])
    given = pa.table({"a": pa.array([1, 2], pa.int8()), "b": pa.array([True, False])})
    parquet.write_table(given, tmp_path / "y.parquet")
    assert gf.blocks(tmp_path / "y.parquet").dtype == np.int8
    parquet.write_table(given, tmp_path / "y.parquet", write_statistics=False)  # there may be nulls
    assert gf.blocks(tmp_path / "y.parquet").dtype == np.float32


def test_a_column_that_holds_no_numbers_is_named(tmp_path):
    import pandas as pd

    frame = pd.DataFrame({"size": [1.0, 2.0], "town": ["Bonn", "Kiel"]})
    frame.to_parquet(tmp_path / "x.parquet")
    frame.to_csv(tmp_path / "x.csv", index=False)
    for name in ("x.parquet", "x.csv"):
        with pytest.raises(ValueError, match=f"column 'town' of .*{name} holds .*string"):
            gf.blocks(tmp_path / name)


def test_the_index_of_pandas_is_no_column(tmp_path):
    import pandas as pd

    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]}, index=pd.Index([7, 9], name="id"))
    frame.to_parquet(tmp_path / "x.parquet")
    np.testing.assert_array_equal(whole(gf.blocks(tmp_path / "x.parquet")), frame)


def test_text_without_names_and_with_gaps_is_read(tmp_path):
    (tmp_path / "x.csv").write_text("1,2.5\n3,\n-1e3,nan\n")
    np.testing.assert_array_equal(
        whole(gf.blocks(tmp_path / "x.csv")), [[1, 2.5], [3, np.nan], [-1e3, np.nan]]
    )


@pytest.mark.parametrize("kind", ["Parquet", "CSV", "feather"])
def test_names_of_columns_are_names_of_features(kind, tmp_path):
    X = files.rows(np.float64)
    path = DENSE[kind](tmp_path, X)
    for given in (path, str(path), small(path)):
        model = gf.NMF(2, max_iter=3, tol=0).fit(given)
        assert list(model.feature_names_in_) == NAMES
        assert model.transform(given).shape == (ROWS, 2)
    with pytest.raises(ValueError, match="feature names should match"):
        model.transform(files.table(X).rename_columns(NAMES[::-1]))


def test_files_are_understood_where_rows_are_asked_for(tmp_path):
    import h5py

    X = files.rows(np.float64)
    path = files.hdf5(tmp_path, X)
    expected = gf.PCA(2).fit(X)
    with h5py.File(path) as file:
        for given in (path, str(path), f"{path}::X", file["X"]):
            model = gf.PCA(2).fit(given)
            np.testing.assert_array_equal(model.components_, expected.components_)
            np.testing.assert_array_equal(model.transform(given), expected.transform(X))
    np.testing.assert_array_equal(
        gf.KMeans(3, random_state=0).fit_predict(path), gf.KMeans(3, random_state=0).fit_predict(X)
    )
    np.testing.assert_array_equal(gf.encode(path, X[:2]), gf.encode(X, X[:2]))


def test_files_and_arrays_make_one_list(tmp_path):
    X = files.rows()
    blocks = small([files.hdf5(tmp_path, X), X[:5], files.parquet(tmp_path, X)])
    np.testing.assert_array_equal(whole(blocks), np.concatenate([X, X[:5], X]))


@pytest.mark.parametrize(
    ("dtype", "read_as"),
    [("int8", "int8"), ("bool", "bool"), ("float16", "float32"), (">f4", "float32")],
)
def test_numbers_of_csr_stay_what_they_are_where_scipy_has_them(dtype, read_as, tmp_path):
    import h5py

    X = files.rows().astype("uint8") % 3
    cells = sp.csr_array(X)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        group = file.create_group("X")
        group.attrs.update({"encoding-type": "csr_matrix", "shape": X.shape})
        group.create_dataset("data", data=cells.data.astype(dtype), chunks=(100,))
        group.create_dataset("indices", data=cells.indices, chunks=(100,))
        group["indptr"] = cells.indptr
    blocks = small(tmp_path / "x.h5")
    assert blocks.dtype == read_as
    np.testing.assert_array_equal(whole(blocks), X.astype(dtype))
    assert gf.PCA(2).fit(blocks).components_.dtype == np.float32

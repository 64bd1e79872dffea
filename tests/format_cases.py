"""The same rows in files of every kind."""

import numpy as np
import pytest
import scipy.sparse as sp

import gramfold as gf

ROWS, COLS = 230, 6
NAMES = [f"feature {j}" for j in range(COLS)]


def rows(dtype=np.float32, seed=0):
    return (100 * np.random.default_rng(seed).random((ROWS, COLS))).astype(dtype)


def small(path, **options):
    """Blocks of a file in some segments."""
    return gf.blocks(path, memory="8K", **options)


def whole(blocks):
    """All rows of blocks, one segment after the other."""
    parts = [part.toarray() if sp.issparse(part) else np.asarray(part) for part in blocks.parts]
    return np.concatenate(parts)


def hdf5(folder, X, chunks=(50, COLS), name="X", **more):
    import h5py

    path = folder / "rows.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset(name, data=X, chunks=chunks, compression="gzip", compression_opts=1, **more)
    return path


def zarr_of(zarr_format, **more):
    def write(folder, X):
        zarr = pytest.importorskip("zarr")
        path = folder / "rows.zarr"
        made = zarr.create_array(path, shape=X.shape, dtype=X.dtype, zarr_format=zarr_format, **more)
        made[:] = X
        return path

    return write


def zarr_zip(folder, X):
    zarr = pytest.importorskip("zarr")
    path = folder / "rows.zip"
    with zarr.storage.ZipStore(path, mode="w") as store:
        zarr.create_array(store, data=X, chunks=(50, COLS))
    return path


def table(X):
    import pyarrow as pa

    return pa.table({name: X[:, j] for j, name in enumerate(NAMES)})


def parquet(folder, X):
    from pyarrow import parquet

    path = folder / "rows.parquet"
    parquet.write_table(table(X), path, row_group_size=60)
    return path


def parquet_folder(folder, X):
    from pyarrow import parquet

    path = folder / "many"
    path.mkdir()
    for i, some in enumerate(np.array_split(X, 3)):
        parquet.write_table(table(some), path / f"part-{i}.parquet", row_group_size=50)
    return path


def feather(folder, X):
    from pyarrow import feather

    path = folder / "rows.feather"
    feather.write_feather(table(X), path, compression="zstd", chunksize=40)
    return path


def csv(folder, X, ending="csv"):
    import pyarrow
    from pyarrow import csv

    path = folder / f"rows.{ending}"
    if ending.endswith("gz"):
        with pyarrow.CompressedOutputStream(str(path), "gzip") as out:
            csv.write_csv(table(X), out, csv.WriteOptions(delimiter="\t" if "tsv" in ending else ","))
    else:
        csv.write_csv(table(X), path, csv.WriteOptions(delimiter="\t" if "tsv" in ending else ","))
    return path


def h5ad(folder, X):
    import anndata

    path = folder / "cells.h5ad"
    adata = anndata.AnnData(sp.csr_matrix(X * (X > 50)))
    adata.layers["dense"] = X
    adata.var_names = NAMES
    adata.write_h5ad(path, compression="gzip")
    return path


DENSE = {
    "HDF5": hdf5,
    "zarr 2": zarr_of(2, chunks=(50, 4)),
    "zarr 3": zarr_of(3, chunks=(50, 4)),
    "zarr, sharded": zarr_of(3, chunks=(10, 3), shards=(50, 6)),
    "zarr in a zip": zarr_zip,
    "Parquet": parquet,
    "a folder of Parquet": parquet_folder,
    "feather": feather,
    "CSV": csv,
    "gzipped TSV": lambda folder, X: csv(folder, X, "tsv.gz"),
}

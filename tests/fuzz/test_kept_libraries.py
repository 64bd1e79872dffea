"""What the fuzzer has found in files that h5py, zarr and pyarrow read, each in a few lines."""

import io
import json

import numpy as np
import pytest
from fuzz.matrix_changes import PARTS, X

import gramfold as gf
from gramfold.cli.about import about
from gramfold.cli.inputs import opened
from gramfold.io.footer import has_nulls

h5py = pytest.importorskip("h5py")
pa = pytest.importorskip("pyarrow")


def hdf5(change):
    """A file of HDF5 with one matrix, x, and something else."""

    def write(path):
        with h5py.File(path, "w") as root:
            change(root)

    return write


def csr(root):
    group = root.create_group("x")
    group.attrs["encoding-type"], group.attrs["shape"] = "csr_matrix", X.shape
    for part in ("data", "indices", "indptr"):
        group[part] = PARTS[part]
    return group


def damaged_pointers(root):
    group = csr(root)
    del group["indptr"]
    group.create_dataset("indptr", data=PARTS["indptr"], chunks=(13,), compression="gzip")
    group["indptr"].id.write_direct_chunk((0,), b"no zip")


def damaged_names(root):
    root["X"] = X
    root.create_group("obs").attrs["_index"] = "_index"
    root["obs"].create_dataset("_index", data=np.arange(12), chunks=(12,), compression="gzip")
    root["obs/_index"].id.write_direct_chunk((0,), b"no zip")


def table(**metadata):
    return pa.table({name: X[:, j] for j, name in enumerate("abcde")}).replace_schema_metadata(metadata)


def parquet(made):
    def write(path):
        from pyarrow import parquet

        parquet.write_table(made, path)

    return write


def arrow(made, change=lambda data: data):
    def write(path):
        file = io.BytesIO()
        with pa.ipc.new_file(file, made.schema) as out:
            out.write_table(made)
        path.write_bytes(change(file.getvalue()))

    return write


def longer(data):
    """More rows than there are numbers, wherever a number of rows stands."""
    return data.replace((12).to_bytes(8, "little"), (2**40).to_bytes(8, "little"))


def nulls_that_are_denied(path):
    """A column of whole numbers with a null, of which the statistics say that there is none."""
    from pyarrow import parquet

    parquet.write_table(pa.table({"a": [7, None, *range(10)]}), path, use_dictionary=False)
    data = path.read_bytes()
    begin = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    assert data[begin:].count(b"\x16\x02") == 1  # Thrift's compact protocol: the third field is 1
    path.write_bytes(data[:begin] + data[begin:].replace(b"\x16\x02", b"\x16\x00"))
    assert parquet.read_metadata(path).row_group(0).column(0).statistics.null_count == 0


def one_row_more(path):
    """A file of one row more than its row groups: of 12 one number, the first, says how many the file has."""
    from pyarrow import parquet

    parquet.write_table(table(), path)
    data = path.read_bytes()
    begin = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    path.write_bytes(data[:begin] + data[begin:].replace(b"\x16\x18", b"\x16\x1a", 1))
    assert parquet.read_metadata(path).num_rows == 13


def zarr_of(**described):
    """An array of zarr of which something else is said."""

    def write(path):
        zarr = pytest.importorskip("zarr")
        zarr.create_array(str(path), data=X, chunks=(3, 5), zarr_format=2)
        said = json.loads((path / ".zarray").read_text())
        (path / ".zarray").write_text(json.dumps(said | described))

    return write


TWICE = pa.table([X[:, 0], X[:, 1]], names=["a", "a"])
REFUSED = {
    "more rows than memory holds.h5": hdf5(lambda root: root.create_dataset("x", (2**60, 3), "f8", chunks=(50, 3))),
    "too many segments.h5": hdf5(lambda root: root.create_dataset("x", (10**8, 10**7), "f8", chunks=(1, 10))),
    "links in a circle.h5": hdf5(lambda root: root.update({"x": h5py.SoftLink("/x")})),
    "damaged pointers.h5": hdf5(damaged_pointers),
    "columns of one name.parquet": parquet(TWICE),
    "columns of one name.arrow": arrow(TWICE),
    "metadata that is a list.parquet": parquet(table(pandas="[1]")),
    "metadata that is cut.parquet": parquet(table(pandas='{"index_columns": ["a"')),
    "metadata of no text.arrow": arrow(table(pandas=b"\xff")),
    "deep metadata.arrow": arrow(table(pandas="[" * 100_000)),
    "an index that is a number.parquet": parquet(table(pandas='{"index_columns": 3}')),
    "more rows than groups.parquet": one_row_more,
    "more rows than numbers.arrow": arrow(table(), longer),
    "too many rows.zarr": zarr_of(shape=[2**60, 5]),
    "negative rows.zarr": zarr_of(shape=[-1, 5]),
    "no shape.zarr": zarr_of(shape="12"),
    "no type.zarr": zarr_of(dtype="nothing"),
    "no codec.zarr": zarr_of(compressor={"id": "none"}),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_of_a_library_is_refused_by_its_name(name, tmp_path):
    REFUSED[name](tmp_path / name)
    for read in (about, lambda path: opened(path).gathered(), lambda path: gf.KMeans(2).fit(path)):
        with pytest.raises((ValueError, OSError), match=name):
            read(str(tmp_path / name))


def test_nulls_that_are_denied_are_no_numbers(tmp_path):
    nulls_that_are_denied(tmp_path / "x.parquet")
    with pytest.raises(OSError, match=r"rows 0 to 11 of .*x\.parquet .*: a column holds nulls"):
        gf.KMeans(2).fit(str(tmp_path / "x.parquet"))


@pytest.mark.parametrize(("dtype", "kind"), [("f8", 5), ("i8", 2)])
@pytest.mark.parametrize("other", [0, 1, 4])
def test_a_column_of_another_type_than_its_chunks_ends_no_process(run_python, tmp_path, dtype, kind, other):
    """As would an object of pyarrow for the chunks of such a column."""
    from pyarrow import parquet

    path = tmp_path / "forged.parquet"
    parquet.write_table(pa.table({name: X[:, j].astype(dtype) for j, name in enumerate("ab")}), path)
    data = path.read_bytes()
    element = bytes([0x15, 2 * kind, 0x25, 0x02, 0x18, 1]) + b"a"  # type, repetition and name
    assert data.count(element) == 1
    path.write_bytes(data.replace(element, bytes([0x15, 2 * other]) + element[2:]))
    out = run_python(f"""
import gramfold as gf
from gramfold.cli.about import about
from gramfold.cli.inputs import opened
for read in (about, lambda path: opened(path).gathered(), lambda path: gf.KMeans(2).fit(path)):
    try:
        read({str(path)!r})
        print("read")
    except OSError as error:
        assert "forged.parquet" in str(error), error
        print("refused")
""")
    assert "refused" in out or (
        out and pa.__version__.startswith("15.")
    )  # which takes it for what the file says


@pytest.mark.parametrize("rows", [0, 1, 12])
def test_nulls_are_found_as_pyarrow_finds_them(tmp_path, rows):
    from fuzz.table_changes import COLUMNS
    from pyarrow import parquet

    unwritten = ("codes that lead outside", "runs")
    columns = {name: make()[:rows] for name, make in COLUMNS.items() if name not in unwritten}
    found = set()
    for name, column in columns.items():
        for options in ({}, {"write_statistics": False}, {"row_group_size": 5, "write_page_index": True}):
            parquet.write_table(pa.table({"x": range(rows), name: column}), tmp_path / "x.parquet", **options)
            about = parquet.read_metadata(tmp_path / "x.parquet")
            groups = [about.row_group(i) for i in range(about.num_row_groups)]
            told = [group.column(j).statistics for group in groups for j in range(group.num_columns)]
            nulls = any(one is None or not one.has_null_count or bool(one.null_count) for one in told)
            assert has_nulls(tmp_path / "x.parquet") == nulls
            found.add(nulls)
    assert True in found


def test_an_end_that_is_cut_anywhere_is_read_or_refused(tmp_path):
    from pyarrow import parquet

    path = tmp_path / "x.parquet"
    parquet.write_table(pa.table({"a": range(12)}), path, write_page_index=True)
    data = path.read_bytes()
    size = int.from_bytes(data[-8:-4], "little")
    end, refused = data[-8 - size : -8], []
    for at in range(size):
        for changed in (end[:at], end[:at] + b"\xff" + end[at + 1 :], end[:at] + b"\x1c" * 99):
            path.write_bytes(changed + len(changed).to_bytes(4, "little") + b"PAR1")
            try:
                has_nulls(path)
            except ValueError as error:
                refused.append(str(error))
    assert len(refused) > size
    assert all("its metadata" in told for told in refused)


def test_damaged_names_are_refused_by_the_name_of_the_file(tmp_path):
    hdf5(damaged_names)(tmp_path / "cells.h5ad")
    with pytest.raises(OSError, match=r"cells\.h5ad cannot be read"):
        opened(str(tmp_path / "cells.h5ad"))


def test_names_are_as_many_as_rows(tmp_path):
    def fewer(root):
        root["X"] = X
        root.create_group("obs").attrs["_index"] = "_index"
        root["obs/_index"] = [b"a", b"b"]

    hdf5(fewer)(tmp_path / "cells.h5ad")
    with pytest.raises(ValueError, match=r"cells\.h5ad has 2 names of rows, but 12 rows"):
        opened(str(tmp_path / "cells.h5ad"))


def test_names_are_counted_before_they_are_read(tmp_path):
    def many(root):
        root["X"] = X
        root.create_group("var").attrs["_index"] = "_index"
        root["var"].create_dataset("_index", (10**6, 10**6), "u1", chunks=(1, 1024))

    hdf5(many)(tmp_path / "cells.h5ad")
    with pytest.raises(ValueError, match=r"cells\.h5ad has 1000000 x 1000000 names of columns, but 5"):
        opened(str(tmp_path / "cells.h5ad"))


def test_a_link_to_nothing_hides_no_matrix(tmp_path):
    hdf5(lambda root: root.update({"x": X, "gone": h5py.SoftLink("/nothing")}))(tmp_path / "x.h5")
    np.testing.assert_array_equal(opened(str(tmp_path / "x.h5")).gathered(), X)


def test_a_table_of_more_rows_than_numbers_is_refused(tmp_path):
    arrow(table(), longer)(tmp_path / "x.arrow")
    with pa.OSFile(str(tmp_path / "x.arrow")) as file:
        try:
            held = pa.ipc.open_file(file).read_all()
        except (pa.ArrowInvalid, OSError):  # newer versions look themselves
            return
    with pytest.raises(OSError, match="the pyarrow Table cannot be read"):
        gf.blocks(held)

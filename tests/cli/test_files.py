"""INPUT of every kind, and the commands that read and write files."""

import gzip
import io
import json

import numpy as np
import pytest
import scipy.io
import scipy.sparse as sp

import gramfold as gf


def matrix_market(folder, X):
    scipy.io.mmwrite(folder / "x.mtx", sp.coo_array(X))
    return "x.mtx"


def matrix_market_gz(folder, X):
    (folder / "x.mtx.gz").write_bytes(gzip.compress((folder / matrix_market(folder, X)).read_bytes()))
    return "x.mtx.gz"


def hdf5(folder, X):
    h5py = pytest.importorskip("h5py")
    with h5py.File(folder / "x.h5", "w") as file:
        file.create_dataset("inside/X", data=X, chunks=(20, 6), compression="gzip")
        file["other"] = X[:3]
    return "x.h5::inside/X"


def parquet(folder, X):
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    pd.DataFrame(X, columns=list("abcdef")).to_parquet(folder / "x.parquet")
    return "x.parquet"


def npz(folder, X):
    sp.save_npz(folder / "x.npz", sp.csr_array(X), compressed=False)
    return "x.npz"


KINDS = [matrix_market, matrix_market_gz, hdf5, parquet, npz]


@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
def test_every_kind_of_input_is_fitted(make, run, X, tmp_path):
    said = run("pca", make(tmp_path, X), "-k", 2, "-o", "out")
    assert said == (0, "out\n", "")
    expected = gf.PCA(2, random_state=0).fit(X)
    np.testing.assert_allclose(np.load(tmp_path / "out/components.npy"), expected.components_, atol=1e-9)
    np.testing.assert_allclose(np.load(tmp_path / "out/rows.npy"), expected.transform(X), atol=1e-8)


@pytest.mark.parametrize("name", ["x.npy", "x.csv", "x.tsv", "plain.csv"])
def test_standard_input_is_array_or_text(name, run, table, tmp_path, monkeypatch):
    text = (tmp_path / "x.csv").read_text()
    (tmp_path / "x.tsv").write_text(text.replace(",", "\t"))
    np.savetxt(tmp_path / "plain.csv", table, delimiter=",")
    piped = io.TextIOWrapper(io.BufferedReader(io.BytesIO((tmp_path / name).read_bytes())))
    monkeypatch.setattr("sys.stdin", piped)
    said = run("kmeans", "-", "-k", 3, "-o", "out", "--json")
    assert json.loads(said.out)["shape"] == [120, 6]
    np.testing.assert_array_equal(
        np.load(tmp_path / "out/components.npy"), gf.KMeans(3, random_state=0).fit(table).cluster_centers_
    )
    names = (tmp_path / "out/components.csv").read_text().splitlines()[0]
    assert names == (",a,b,c,d,e,f" if name in ("x.csv", "x.tsv") else ",0,1,2,3,4,5")


def test_names_of_cells_and_genes_come_from_anndata(run, X, tmp_path):
    anndata = pytest.importorskip("anndata", reason="anndata is of the extra scverse")
    pd = pytest.importorskip("pandas")
    from pyarrow import parquet

    cells = anndata.AnnData(
        sp.csr_matrix(X), pd.DataFrame(index=[f"cell{i}" for i in range(120)]),
        pd.DataFrame(index=[f"gene{i}" for i in range(6)]),
    )  # fmt: skip
    cells.write_h5ad(tmp_path / "x.h5ad")
    assert run("nmf", "x.h5ad", "-k", 2, "-o", "out", "--max-iter", 500).status == 0
    assert parquet.read_table(tmp_path / "out/rows.parquet")["row"].to_pylist() == list(cells.obs_names)
    assert (tmp_path / "out/components.csv").read_text().splitlines()[0] == f",{','.join(cells.var_names)}"


def test_an_index_of_pandas_names_the_rows(run, X, tmp_path):
    pd = pytest.importorskip("pandas")
    from pyarrow import parquet

    frame = pd.DataFrame(X, columns=list("abcdef"), index=[f"r{i}" for i in range(120)])
    frame.to_parquet(tmp_path / "x.parquet")
    run("pca", "x.parquet", "-k", 2, "-o", "out")
    assert parquet.read_table(tmp_path / "out/rows.parquet")["row"].to_pylist() == list(frame.index)


def test_transform_gives_the_rows_of_a_fit(run, X, tmp_path):
    run("gmm", "x.npy", "-k", 2, "-o", "out")
    assert run("transform", "out", "x.npy", "-o", "rows.npy") == (0, "rows.npy\n", "")
    assert (tmp_path / "rows.npy").read_bytes() == (tmp_path / "out/rows.npy").read_bytes()
    assert "rows.npy is there already: --force" in run("transform", "out", "x.npy", "-o", "rows.npy").err
    line = ("transform", "out/model.gramfold", "x.npy", "-o", "rows.npy", "--force")
    assert run(*line, "--method", "predict_proba", "--threads", 1).status == 0
    expected = gf.GaussianMixture(2, random_state=0).fit(X).predict_proba(X)
    np.testing.assert_array_equal(np.load(tmp_path / "rows.npy"), expected)
    said = run(*line, "--method", "fit")
    assert said.status == 2
    assert "gf.GaussianMixture has the methods predict, predict_proba, score_samples, not 'fit'" in said.err
    assert run("transform", "out", "x.npy", "-o", "rows.txt").status == 2
    assert "x.npy is not a file of gf.save" in run("transform", "x.npy", "x.npy", "-o", "y.npy").err


def test_transform_names_its_rows_in_a_table(run, table, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    run("pca", "x.csv", "-k", 2, "-o", "out")
    assert run("transform", "out", "x.csv", "-o", "rows.parquet") == (0, "rows.parquet\n", "")
    one, other = (parquet.read_table(tmp_path / name) for name in ("rows.parquet", "out/rows.parquet"))
    assert one.equals(other)
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("dtype", [None, "float32"])
@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
def test_convert_makes_a_file_that_lies_flat(make, dtype, run, X, tmp_path):
    source = make(tmp_path, X)
    to = "flat.npy" if make in (hdf5, parquet) else "flat.npz"
    more = ("--dtype", dtype) if dtype else ()
    assert run("convert", source, to, *more) == (0, f"{to}\n", "")
    found = np.load(tmp_path / to) if to == "flat.npy" else sp.load_npz(tmp_path / to).toarray()
    np.testing.assert_array_equal(found, X)
    assert found.dtype == (dtype or "float64")
    flat = gf.blocks(tmp_path / to).parts[0]
    from gramfold.fit.on_disk import in_file

    assert in_file(flat if to == "flat.npy" else flat.places)
    before = (tmp_path / to).stat().st_mtime_ns
    assert "is there already: --force" in run("convert", source, to).err
    assert (tmp_path / to).stat().st_mtime_ns == before


def test_convert_refuses_what_it_cannot_do(run, X, tmp_path):
    for line, message in {
        "x.npy x.txt": "OUT must end in .npy, or in .npz for sparse rows",
        "x.npy y.npz": "x.npy has dense rows, which go into a file that ends in .npy",
        "x.npy x.npy --force": "IN and OUT are both x.npy",
    }.items():
        said = run("convert", *line.split())
        assert said.status == 2
        assert message in said.err
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), X)


def test_convert_reads_sparse_rows_a_block_at_a_time(run, tmp_path, monkeypatch):
    X = sp.random(300, 40, 0.2, format="csr", random_state=0)
    sp.save_npz(tmp_path / "x.npz", X, compressed=False)
    monkeypatch.setattr("gramfold.fit.out.TOGETHER", 2000)
    assert run("convert", "x.npz", "y.npz").status == 0
    assert (sp.load_npz(tmp_path / "y.npz") != X).nnz == 0


def test_info_tells_files_models_and_checkpoints(run, table, tmp_path):
    assert run("info", "x.npy").out.splitlines() == [
        f"matrix: {tmp_path}/x.npy", "shape: 120 x 6", "dtype: float64", "kind: dense", "bytes: 5888",
    ]  # fmt: skip
    said = json.loads(run("info", "x.csv", "--json").out)
    assert said["names of columns"] == "a, b, c, d, e, ..."
    assert said["names of rows"] == "row0, row1, row2, row3, row4, ..."
    sp.save_npz(tmp_path / "x.npz", sp.csr_array(table), compressed=False)
    assert json.loads(run("info", "x.npz", "--json").out)["kind"] == "sparse"
    run("nmf", "x.npy", "-k", 3, "-o", "out", "--max-iter", 4, "--tol", 0)
    said = json.loads(run("info", "out", "--json").out)
    assert (said["model"], said["fitted to"], said["n_components"]) == ("NMF", "120 x 6", 3)
    assert said["components_"] == "float64 of shape (3, 6)"
    said = json.loads(run("info", "out/checkpoint.gramfold", "--json").out)
    assert (said["checkpoint of"], said["iterations"], said["data X"]) == ("NMF", 3, "of shape (120, 6)")
    said = run("info", "out/report.json")
    assert said.status == 1
    assert "report.json is not a file of gf.save" in said.err


def test_bench_says_where_it_is(run, monkeypatch):
    monkeypatch.setattr("gramfold.cli.bench.__file__", "/nowhere/python/gramfold/cli/bench.py")
    said = run("bench", "fold")
    assert (said.status, said.out) == (1, "")
    assert "the benchmarks are in gramfold's repository" in said.err


@pytest.mark.parametrize(
    "line", ["nmf x.npy -k 2:4", "pca x.npy -k 2", "gmm x.csv -k 2", "ridge x.csv --target a"]
)
def test_a_dry_run_writes_nothing_and_predicts(line, run, table, tmp_path):
    before = sorted(tmp_path.iterdir())
    said = run(*line.split(), "-o", "out", "--dry-run", "--json")
    assert (said.status, said.err) == (0, "")
    assert sorted(tmp_path.iterdir()) == before
    found = json.loads(said.out)
    assert found["shape"] == ([120, 5] if "ridge" in line else [120, 6])
    assert found["bytes"] == 120 * 8 * found["shape"][1]
    assert found["seconds"] > 0
    assert [fit["rank"] for fit in found["fits"]] == (
        [2, 3, 4] if "2:4" in line else [None if "ridge" in line else 2]
    )
    for fit in found["fits"]:
        assert fit["passes_to_start"] + fit["passes_an_iteration"] > 0
        assert fit["memory_bytes"] > 1 << 20
    shown = run(*line.split(), "--dry-run").out
    assert shown.startswith("shape: 120 x ")
    assert "predicted: about" in shown


def test_a_dry_run_counts_one_pass_of_each_step_of_em(run, X):
    found = json.loads(run("gmm", "x.npy", "-k", 2, "--dry-run", "--json").out)
    assert found["fits"][0]["passes_an_iteration"] == 1.0
    assert found["in_file"]

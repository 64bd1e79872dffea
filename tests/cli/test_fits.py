"""Each fitting command writes what its class gives."""

import csv
import json
import sys

import numpy as np
import pytest
import scipy.sparse as sp

import gramfold as gf
from gramfold.cli.bar import ReadingBar, bytes_read
from gramfold.cli.families import FAMILIES

FILES = ["components.csv", "components.npy", "model.gramfold", "report.json", "rows.npy"]
FITS = {
    "nmf": (
        "-k 3 --init random --max-iter 500",
        lambda: gf.NMF(3, init="random", max_iter=500, random_state=0),
    ),
    "kmeans": ("-k 4", lambda: gf.KMeans(4, random_state=0)),
    "pca": ("-k 2", lambda: gf.PCA(2, random_state=0)),
    "rpca": ("--tol 1e-4", lambda: gf.RobustPCA(tol=1e-4)),
    "gmm": ("-k 2", lambda: gf.GaussianMixture(2, random_state=0)),
    "poisson": (
        "-k 2 --set accelerate=False",
        lambda: gf.PoissonMixture(2, accelerate=False, random_state=0),
    ),
    "dictionary": (
        "-k 3 --set alpha=0.1 --tol 1e-3",
        lambda: gf.DictionaryLearning(3, alpha=0.1, tol=1e-3, random_state=0),
    ),
}


def same(path, expected):
    np.testing.assert_array_equal(np.load(path), expected)


@pytest.mark.parametrize("name", FITS)
def test_a_fit_writes_what_its_class_gives(name, run, X, tmp_path):
    options, make = FITS[name]
    model, family = make().fit(X), FAMILIES[name]
    said = run(name, "x.npy", *options.split(), "-o", "out")
    assert said == (0, "out\n", "")
    more = ["outliers.npz" if sp.issparse(model.sparse_) else "outliers.npy"] if name == "rpca" else []
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(FILES + more)
    same(tmp_path / "out/components.npy", getattr(model, family.components))
    same(tmp_path / "out/rows.npy", getattr(model, family.rows)(X))
    assert repr(gf.load(tmp_path / "out/model.gramfold")) == repr(model)
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report["converged"]
    assert report["shape"] == [120, 6]
    assert report["input"] == str(tmp_path / "x.npy")
    assert report["parameters"]["max_iter" if name != "pca" else "whiten"] in (model.get_params().values())
    assert report["iterations"] == model.n_iter_
    assert {"gramfold", "numpy", "scipy", "scikit-learn", "python", "level"} == report["versions"].keys()
    assert report["peak_memory_bytes"] > 1 << 20
    assert isinstance(report["objective"]["value"], float)
    assert isinstance(report["certificate"]["value"], float)
    assert all(len(digest) == 64 for digest in report["fingerprint"].values())


@pytest.mark.parametrize(
    ("share", "lam", "name"), [(0.05, 0.13, "outliers.npz"), (0.9, 0.02, "outliers.npy")]
)
def test_outliers_are_a_matrix_as_dense_as_they_are(share, lam, name, run, tmp_path):
    rng = np.random.default_rng(0)
    low = np.outer(rng.normal(size=60), rng.normal(size=40))
    X = low + np.where(rng.random(low.shape) < share, rng.normal(0, 10, low.shape), 0.0)
    np.save(tmp_path / "x.npy", X)
    assert run("rpca", "x.npy", "-o", "out", "--set", f"lam={lam}").status == 0
    assert [path.name for path in (tmp_path / "out").glob("outliers*")] == [name]
    expected = gf.RobustPCA(lam=lam).fit(X).sparse_
    if name.endswith("npz"):
        expected = expected.toarray()
        np.testing.assert_array_equal(sp.load_npz(tmp_path / "out" / name).toarray(), expected)
        np.testing.assert_array_equal(gf.PCA(2).fit(tmp_path / "out" / name).mean_, expected.mean(axis=0))
    else:
        same(tmp_path / "out" / name, expected)


def test_components_are_also_text_with_the_names_of_the_columns(run, table, tmp_path):
    assert run("nmf", "x.csv", "-k", 2, "-o", "out", "--max-iter", 500).status == 0
    with open(tmp_path / "out/components.csv", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["", "a", "b", "c", "d", "e", "f"]
    assert [row[0] for row in rows] == ["0", "1"]
    same(tmp_path / "out/components.npy", np.array([row[1:] for row in rows], float))


def test_results_of_rows_with_names_are_a_table(run, table, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    assert run("pca", "x.csv", "-k", 2, "-o", "out") == (0, "out\n", "")
    found = parquet.read_table(tmp_path / "out/rows.parquet")
    assert found.column_names == ["row", "component_0", "component_1"]
    assert found["row"].to_pylist() == [f"row{i}" for i in range(120)]
    expected = gf.PCA(2, random_state=0).fit(table).transform(table)
    np.testing.assert_allclose(np.stack([found[f"component_{i}"] for i in (0, 1)], 1), expected, atol=1e-12)
    assert not (tmp_path / "out/rows.npy").exists()
    run("kmeans", "x.csv", "-k", 2, "-o", "labels")
    labels = parquet.read_table(tmp_path / "labels/rows.parquet")
    assert labels["predict"].to_pylist() == gf.KMeans(2, random_state=0).fit(table).labels_.tolist()


@pytest.mark.parametrize("target", ["b", "y.npy", "y.csv"])
def test_ridge_predicts_a_column_or_a_file(target, run, table, tmp_path):
    np.save(tmp_path / "y.npy", table[:, 1])
    (tmp_path / "y.csv").write_text("\n".join(["target", *map(repr, table[:, 1].tolist())]))
    source = "x.csv" if target == "b" else "x.npy"
    X = np.delete(table, 1, axis=1) if target == "b" else table
    assert run("ridge", source, "--target", target, "-o", "out", "--set", "alpha=0.5") == (0, "out\n", "")
    model = gf.Ridge(0.5, random_state=0).fit(X, table[:, 1])
    np.testing.assert_allclose(np.load(tmp_path / "out/components.npy")[0], model.coef_, atol=1e-12)
    header = (tmp_path / "out/components.csv").read_text().splitlines()[0]
    assert header == (",a,c,d,e,f" if target == "b" else ",0,1,2,3,4,5")


def test_a_target_that_is_none_is_told_with_the_columns(run, table, tmp_path):
    said = run("ridge", "x.csv", "--target", "z", "-o", "out")
    assert said.status == 2
    assert "--target z is neither a file nor a column: INPUT has the columns a, b, c, d, e, f" in said.err
    np.save(tmp_path / "y.npy", table[:5, 0])
    said = run("ridge", "x.npy", "--target", "y.npy", "-o", "out")
    assert said == (1, "", "gramfold ridge: --target y.npy has 5 rows, but INPUT 120\n")


def test_a_fit_that_has_not_converged_is_written_and_exits_with_3(run, X, tmp_path):
    said = run("nmf", "x.npy", "-k", 3, "-o", "out", "--max-iter", 2)
    assert (said.status, said.out) == (3, "out\n")
    assert said.err.startswith("gramfold nmf: Maximum number of iterations 2 reached")
    assert said.err.count("\n") == 1
    assert not json.loads((tmp_path / "out/report.json").read_text())["converged"]
    assert run("nmf", "x.npy", "-k", 3, "-o", "quiet", "--max-iter", 2, "--quiet") == (3, "quiet\n", "")


def test_json_is_one_line_that_is_the_report(run, X, tmp_path):
    said = run("pca", "x.npy", "-k", 2, "-o", "out", "--json")
    assert said.out.count("\n") == 1
    assert json.loads(said.out) == json.loads((tmp_path / "out/report.json").read_text())


def test_pictures_are_written_if_asked_for(run, X, tmp_path):
    pytest.importorskip("matplotlib")
    run("kmeans", "x.npy", "-k", 2, "-o", "out", "--plot")
    for name in ("convergence.png", "components.png"):
        assert (tmp_path / "out" / name).read_bytes().startswith(b"\x89PNG")
    run("pca", "x.npy", "-k", 2, "-o", "pca", "--plot")
    assert (tmp_path / "pca/components.png").exists()


def test_what_is_there_is_not_replaced_without_force(run, X, tmp_path):
    run("pca", "x.npy", "-k", 2, "-o", "out")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    said = run("pca", "x.npy", "-k", 3, "-o", "out")
    assert said.status == 1
    assert "out/model.gramfold is there already: --force replaces it" in said.err
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert run("pca", "x.npy", "-k", 3, "-o", "out", "--force").status == 0
    assert np.load(tmp_path / "out/components.npy").shape == (3, 6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("source", ["x.npy", "x.npz", "x.csv"])
def test_a_dtype_is_that_of_the_results(dtype, source, run, table, tmp_path):
    sp.save_npz(tmp_path / "x.npz", sp.csr_array(table), compressed=False)
    assert run("nmf", source, "-k", 2, "-o", "out", "--dtype", dtype, "--max-iter", 300).status == 0
    assert gf.load(tmp_path / "out/model.gramfold").components_.dtype == dtype
    assert json.loads((tmp_path / "out/report.json").read_text())["dtype"] == dtype
    expected = gf.NMF(2, max_iter=300, random_state=0).fit(table.astype(dtype)).components_
    np.testing.assert_allclose(np.load(tmp_path / "out/components.npy"), expected, rtol=1e-3, atol=1e-3)


def test_set_takes_literals_words_and_arrays_of_files(run, X, tmp_path):
    np.save(tmp_path / "start.npy", X[:2])
    said = run(
        "kmeans", "x.npy", "-k", 2, "-o", "out", "--set", "init=@start.npy", "--set", "n_init=1",
        "--set", "ridge=1e-3", "--set", "metric=euclidean", "--set", "prior_mean=none",
    )  # fmt: skip
    assert said == (0, "out\n", "")
    expected = gf.KMeans(2, init=X[:2], n_init=1, ridge=1e-3).fit(X).cluster_centers_
    np.testing.assert_array_equal(np.load(tmp_path / "out/components.npy"), expected)
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report["parameters"]["init"] == "ndarray of shape (2, 6)"


def test_what_a_fit_logs_goes_to_standard_error(run, X):
    line = ("nmf", "x.npy", "-k", 2, "--set", "verbose=1", "--max-iter", 300)
    said = run(*line, "-o", "out")
    assert said.out == "out\n"
    assert said.err.startswith("gramfold nmf: Iteration 1, objective ")
    assert (
        run("nmf", "x.npy", "-k", 2, "-o", "quiet", "--set", "verbose=1", "--max-iter", 300, "--quiet").err
        == ""
    )


def test_what_a_killed_process_left_is_removed(run, X, tmp_path):
    (tmp_path / "out").mkdir()
    for name in (".rows.npy.0123abcd.part", ".rows.parquet.npy", ".model.gramfold.ffffffff.part"):
        (tmp_path / "out" / name).touch()
    run("pca", "x.npy", "-k", 2, "-o", "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == FILES


def test_the_bar_shows_how_fast_files_are_read(monkeypatch):
    read = iter([5, 3_000_000_005, 3_000_000_006])
    monkeypatch.setattr("gramfold.cli.bar.bytes_read", lambda: next(read))
    bar = ReadingBar()
    shown = [bar.values(gf.IterationInfo(i, 9, 1.5, 0.25, float(2 * i))) for i in (1, 2, 3)]
    assert [one.get("read") for one in shown] == [None, "1.50 GB/s", None]
    assert shown[0] == {"objective": "1.5", "kkt": "2.5e-01"}


@pytest.mark.skipif(sys.platform != "linux", reason="counted by Linux")
def test_what_kernels_read_is_counted(X, tmp_path):
    np.save(tmp_path / "big.npy", np.repeat(X, 500, axis=0))
    before = bytes_read()
    gf.PCA(2).fit(tmp_path / "big.npy")
    assert bytes_read() - before > X.nbytes * 500

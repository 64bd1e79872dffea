"""Each fitting command writes what its class gives."""

import csv
import json
import pickle
import sys

import numpy as np
import pytest
import scipy.io
import scipy.sparse as sp

import gramfold as gf
from gramfold.cli.cluster import spread
from gramfold.cli.convert import write_npz
from gramfold.cli.families import FAMILIES
from gramfold.cli.inputs import opened
from gramfold.io.parts import Parts

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
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == FILES
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


WRONG = {
    ("nmf x.npy -k 2 -o out --set alpa_W=1",): "has no parameter 'alpa_W'; near it are alpha_W, alpha_H",
    ("nmf x.npy -k 2 -o out --set alpha=1",): "near it are alpha_W, alpha_H",
    ("pca x.npy -o out --set zzz=1",): "has no parameter 'zzz'; it has copy, iterated_power, ",
    ("nmf x.npy -k 2 -o out --set tol",): "--set needs NAME=VALUE, got 'tol'",
    ("nmf x.npy -k 2 -o out --set tol=1 --tol 2",): "tol is given twice, by --set and by its option",
    ("nmf x.npy -k 2 -o out --set callback=print",): "callback is code",
    ("nmf x.npy -k 2 -o out --set frozen=@none.npy",): "--set frozen=@none.npy: [Errno 2]",
    ("nmf x.npy -k 2",): "say where results go: -o DIR",
    ("nmf x.npy -o out",): "say how many components are wanted: -k 32, or -k 8:40:4",
    ("nmf x.npy -k 2:x -o out",): "-k must be a number or first:last:step, each at least 1, got '2:x'",
    ("nmf x.npy -k 5:2 -o out",): "-k 5:2 ends before it begins",
    ("nmf x.npy -k 2 --worker-index 1 -o out",): "--worker-index and --total-workers go together",
    ("nmf x.npy -k 2 --worker-index 2 --total-workers 2 -o out",): "--worker-index must be less than",
    ("pca x.npy -k 2 --max-iter 3 -o out",): "gf.PCA has nothing that --max-iter sets",
    ("rpca x.npy --seed 3 -o out",): "gf.RobustPCA has nothing that --seed sets",
    ("dictionary x.npy -k 2 --set output=csr -o out",): "output must be 'dense' here",
    ("nmf x.npy -k 2 -o out --tol abc",): "argument --tol: must be a number, got 'abc'",
    ("nmf x.npy -k 2 -o out --max-time -1",): "--max-time: must be at least 0, got '-1'",
    ("pca x.npy --restarts 2 -o out",): "unrecognized arguments: --restarts 2",
}  # fmt: skip


@pytest.mark.parametrize(("line", "message"), [(*line, message) for line, message in WRONG.items()])
def test_wrong_arguments_are_told_in_one_line(line, message, run, X, tmp_path):
    said = run(*line.split())
    assert (said.status, said.out) == (2, "")
    assert message in said.err
    assert said.err.startswith(f"gramfold {line.split()[0]}: ") or "unrecognized" in message
    assert said.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


ERRORS = {
    "nmf none.npy -k 2 -o out": "there is no {folder}/none.npy",
    "nmf none.mtx -k 2 -o out": "there is no none.mtx",
    "nmf x.xyz -k 2 -o out": "tells files by their ending",
    "nmf x.npy -k 2 -o out --set solver=foo": "solver must be one of 'cd', 'hals', 'mu', got 'foo'",
    "nmf x.npy -k 2 -o out --memory much": "memory must be a number of bytes or a string such as '1.5G'",
    "kmeans x.npy -k 500 -o out": "n_samples=120 should be >= n_clusters=500",
    "nmf x.npy -k 2 -o file/out": "Not a directory",
    "combine none": "none/jobs holds no jobs",
}


@pytest.mark.parametrize("line", ERRORS)
def test_errors_are_told_in_one_line(line, run, X, tmp_path):
    (tmp_path / "x.xyz").touch()
    (tmp_path / "file").touch()
    said = run(*line.split())
    assert (said.status, said.out) == (1, "")
    assert ERRORS[line].format(folder=tmp_path) in said.err
    assert said.err.startswith(f"gramfold {line.split()[0]}: ")
    assert said.err.count("\n") == 1


def test_a_traceback_is_shown_if_asked_for(run, X, monkeypatch):
    monkeypatch.setenv("GRAMFOLD_DEBUG", "1")
    with pytest.raises(ValueError, match="solver must be one of"):
        run("nmf", "x.npy", "-k", 2, "-o", "out", "--set", "solver=foo")


def test_a_cluster_needs_the_extra(run, X, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    said = run("nmf", "x.npy", "-k", 2, "-o", "out", "--scheduler", "tcp://localhost:1")
    assert said == (1, "", "gramfold nmf: this needs distributed: pip install 'gramfold[dask]'\n")


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_a_cluster_reads_what_lies_in_a_file(name, X, tmp_path):
    write_npz(tmp_path / "x.npz", sp.csr_array(X))
    given = spread(opened(str(tmp_path / name)))
    assert isinstance(given.X.parts, Parts)
    assert [piece.reader.paths for piece in given.X.parts.pieces] == [[str(tmp_path / name)]]
    found = pickle.loads(pickle.dumps(given.X.parts.pieces[0].reader)).read(0, 120)
    np.testing.assert_array_equal(found.toarray() if name == "x.npz" else found, X)


def test_a_cluster_refuses_what_lies_in_memory(X, tmp_path):
    scipy.io.mmwrite(tmp_path / "x.mtx", X)
    with pytest.raises(ValueError, match=r"needs an INPUT that workers can read, but .*x\.mtx is in memory"):
        spread(opened(str(tmp_path / "x.mtx")))


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

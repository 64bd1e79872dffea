"""What cannot be done is told in one line; and what a cluster needs."""

import pickle
import sys

import numpy as np
import pytest
import scipy.io
import scipy.sparse as sp

from gramfold.cli.cluster import spread
from gramfold.cli.convert import write_npz
from gramfold.cli.inputs import opened
from gramfold.io.parts import Parts

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
    for rows in given.X.parts:
        np.testing.assert_array_equal(rows.toarray() if name == "x.npz" else rows, X)
    found = pickle.loads(pickle.dumps(given.X.parts.pieces[0].reader)).read(0, 120)
    np.testing.assert_array_equal(found.toarray() if name == "x.npz" else found, X)


def test_a_cluster_refuses_what_lies_in_memory(X, tmp_path):
    scipy.io.mmwrite(tmp_path / "x.mtx", X)
    with pytest.raises(ValueError, match=r"needs an INPUT that workers can read, but .*x\.mtx is in memory"):
        spread(opened(str(tmp_path / "x.mtx")))

"""Ranks and restarts, by one process or several, and the best of each rank."""

import csv
import json
import shutil
import warnings

import numpy as np
import pytest

import gramfold as gf

LINE = "kmeans x.npy -k 2:4:2 -k 3 --restarts 3 --init random --seed 5 --max-iter 2 --quiet"


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def written(folder):
    """When the report of each job was written."""
    return {path.parent.name: path.stat().st_mtime_ns for path in (folder / "out/jobs").glob("*/report.json")}


@pytest.fixture
def fitted(X):
    """What the jobs fit."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            (k, r): gf.KMeans(k, init="random", random_state=5 + r, max_iter=2).fit(X)
            for k in (2, 4, 3)
            for r in range(3)
        }


def test_one_process_fits_all_and_keeps_the_best_of_each_rank(run, X, tmp_path, fitted):
    assert run(*LINE.split(), "-o", "out")[1:] == ("out\n", "")
    rows = table(tmp_path / "out/table.csv")
    assert [(row["rank"], row["restart"]) for row in rows] == [
        (str(k), str(r)) for k in (2, 3, 4) for r in range(3)
    ]
    for row in rows:
        model = fitted[int(row["rank"]), int(row["restart"])]
        assert float(row["objective"]) == model.objective_
        assert int(row["iterations"]) == model.n_iter_
        assert row["converged"] == str(model.converged_)
    for k in (2, 3, 4):
        best = min((fitted[k, r] for r in range(3)), key=lambda model: model.objective_)
        saved = gf.load(tmp_path / f"out/k{k}/model.gramfold")
        np.testing.assert_array_equal(saved.cluster_centers_, best.cluster_centers_)
        np.testing.assert_array_equal(np.load(tmp_path / f"out/k{k}/rows.npy"), best.labels_)
        assert json.loads((tmp_path / f"out/k{k}/report.json").read_text())["parameters"]["n_clusters"] == k
        assert [row["best"] for row in rows if row["rank"] == str(k)].count("True") == 1


def test_workers_share_the_jobs_and_combine_makes_the_same(run, X, tmp_path):
    run(*LINE.split(), "-o", "one")
    for index in (1, 0):
        status = run(*LINE.split(), "-o", "two", "--worker-index", index, "--total-workers", 2).status
        assert status in (0, 3)
        made = len(list((tmp_path / "two/jobs").iterdir()))
        assert made == (4 if index else 9)
    assert not (tmp_path / "two/table.csv").exists()
    assert run("combine", "two").out == "two\n"
    without = [
        [
            {name: row[name] for name in row if name != "seconds"}
            for row in table(tmp_path / each / "table.csv")
        ]
        for each in ("one", "two")
    ]
    assert without[0] == without[1]
    assert not (tmp_path / "two/k2/rows.npy").exists()
    assert "two/table.csv is there already: --force" in run("combine", "two", "x.npy").err
    run("combine", "two", "x.npy", "--force")
    for name in ("components.npy", "rows.npy"):
        assert (tmp_path / "one/k3" / name).read_bytes() == (tmp_path / "two/k3" / name).read_bytes()


def test_a_job_that_is_not_done_is_named_and_resume_does_it_alone(run, X, tmp_path):
    share = ("-o", "out", "--worker-index", 0, "--total-workers", 1)
    run(*LINE.split(), *share)
    before = written(tmp_path)
    shutil.rmtree(tmp_path / "out/jobs/k3-r1")
    (tmp_path / "out/jobs/k3-r1").mkdir()
    said = run("combine", "out")
    assert said == (1, "", "gramfold combine: 1 of 9 jobs are not done (k3-r1): run them with --resume\n")
    assert "is there already" in run(*LINE.split(), *share).err
    assert run(*LINE.split(), *share, "--resume").status in (0, 3)
    after = written(tmp_path)
    assert after.pop("k3-r1") > before.pop("k3-r1")
    assert after == before
    assert run("combine", "out").status in (0, 3)


def test_jobs_of_other_data_are_not_combined(run, X, tmp_path):
    run("pca", "x.npy", "-k", 2, "-o", "out", "--worker-index", 0, "--total-workers", 1)
    np.save(tmp_path / "y.npy", X[:50])
    run("pca", "y.npy", "-k", 3, "-o", "out", "--worker-index", 0, "--total-workers", 1)
    assert "k3-r0 is a fit of another data than the other jobs" in run("combine", "out").err


def test_restarts_of_nmf_start_at_random_and_each_from_its_seed(run, X, tmp_path):
    run("nmf", "x.npy", "-k", 2, "--restarts", 2, "-o", "out", "--max-iter", 20, "--quiet")
    first, second = (gf.load(tmp_path / f"out/jobs/k2-r{r}/model.gramfold") for r in (0, 1))
    assert (first.init, first.random_state, second.random_state) == ("random", 0, 1)
    assert not np.array_equal(first.components_, second.components_)


def test_a_likelihood_is_the_better_the_larger_it_is(run, X, tmp_path):
    run("poisson", "x.npy", "-k", 3, "--restarts", 4, "--init", "random", "-o", "out", "--quiet")
    rows = table(tmp_path / "out/table.csv")
    best = max(rows, key=lambda row: float(row["objective"]))
    assert best["best"] == "True"


def test_what_restarts_agree_on_is_written_and_how_much(run, X, tmp_path):
    run("nmf", "x.npy", "-k", 2, "-k", 3, "--restarts", 4, "-o", "out", "--quiet", "--max-iter", 300)
    for rank in (2, 3):
        models = [gf.load(tmp_path / f"out/jobs/k{rank}-r{r}/model.gramfold") for r in range(4)]
        agreed = gf.consensus(models)
        np.testing.assert_array_equal(np.load(tmp_path / f"out/k{rank}/consensus.npy"), agreed.components_)
        rows = [row for row in table(tmp_path / "out/table.csv") if row["rank"] == str(rank)]
        assert {row["stability"] for row in rows} == {f"{agreed.silhouette_:.4f}"}
    run("poisson", "x.npy", "-k", 2, "--restarts", 2, "-o", "other", "--quiet")
    assert not (tmp_path / "other/k2/consensus.npy").exists()
    assert {row["stability"] for row in table(tmp_path / "other/table.csv")} == {""}


def test_restarts_that_share_nothing_have_no_consensus(run, X, tmp_path, monkeypatch):
    def none(models):
        raise ValueError("density_threshold=0.5 leaves 1 of 4 components")

    monkeypatch.setattr(gf, "consensus", none, raising=False)
    said = run("kmeans", "x.npy", "-k", 2, "--restarts", 2, "-o", "out", "--plot")
    assert said.status == 0
    assert {row["stability"] for row in table(tmp_path / "out/table.csv")} == {""}

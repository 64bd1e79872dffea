"""A job goes on where it stopped, and what is done stays."""

import json

import numpy as np
import pytest

import gramfold as gf

LINE = ("nmf", "x.npy", "-k", 3, "-o", "out", "--quiet", "--tol", 0)


def test_a_fit_that_a_limit_ended_goes_on_to_the_same_bits(run, X, tmp_path):
    assert run(*LINE, "--max-iter", 5).status == 3
    assert (tmp_path / "out/checkpoint.gramfold").exists()
    assert run(*LINE, "--max-iter", 40, "--resume").status == 3
    whole = gf.NMF(3, tol=0, max_iter=40, random_state=0).fit(X)
    assert gf.load(tmp_path / "out/model.gramfold").n_iter_ == 40
    np.testing.assert_array_equal(np.load(tmp_path / "out/components.npy"), whole.components_)


def test_a_fit_that_converged_leaves_no_checkpoint_and_is_left_alone(run, X, tmp_path):
    line = ("nmf", "x.npy", "-k", 3, "-o", "out", "--checkpoint", 0, "--max-iter", 500)
    assert run(*line) == (0, "out\n", "")
    assert not (tmp_path / "out/checkpoint.gramfold").exists()
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    said = run(*line, "--resume", "--json")
    assert (said.status, json.loads(said.out)["converged"]) == (0, True)
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()} == before


def test_results_of_another_fit_are_told_by_what_differs(run, X, tmp_path):
    run(*LINE, "--max-iter", 5)
    for more, message in {
        ("--set", "alpha_W=1"): "out is of a fit with alpha_W 0.0, not 1: --force replaces it",
        ("--seed", 3): "out is of a fit with random_state 0, not 3",
    }.items():
        said = run(*LINE, "--max-iter", 9, "--resume", *more)
        assert said.status == 1
        assert message in said.err
    said = run("kmeans", "x.npy", "-k", 3, "-o", "out", "--resume")
    assert "out is of a fit with gf.NMF, not gf.KMeans" in said.err
    np.save(tmp_path / "x.npy", X + 1)
    assert "another X than" in run(*LINE, "--max-iter", 9, "--resume").err


def test_a_checkpoint_without_a_report_is_neither_replaced_nor_of_another_fit(run, X, tmp_path):
    run(*LINE, "--max-iter", 5)
    for path in (tmp_path / "out").iterdir():
        if path.name != "checkpoint.gramfold":
            path.unlink()
    said = run(*LINE, "--max-iter", 9)
    assert "out/checkpoint.gramfold is there already: --force replaces it, --resume goes on" in said.err
    said = run(*LINE, "--max-iter", 9, "--resume", "--set", "alpha_W=1")
    assert "is a checkpoint of a fit with alpha_W 0.0, not 1" in said.err
    assert run(*LINE, "--max-iter", 9, "--resume").status == 3
    model = gf.load(tmp_path / "out/model.gramfold")
    assert model.n_iter_ == 9


def test_force_begins_anew(run, X, tmp_path):
    run(*LINE, "--max-iter", 5)
    run(*LINE, "--max-iter", 3, "--force")
    assert gf.load(tmp_path / "out/model.gramfold").n_iter_ == 3
    said = run(*LINE, "--max-iter", 3, "--force", "--resume")
    assert said.status == 2
    assert "not allowed with argument" in said.err


def test_what_force_began_and_did_not_end_is_not_taken_for_what_was_there(run, X, tmp_path, monkeypatch):
    run(*LINE, "--max-iter", 5)

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("gramfold.NMF.fit_transform", interrupted)
        said = run(*LINE, "--max-iter", 9, "--force", "--seed", 1)
    assert said == (130, "", "gramfold nmf: interrupted; before there was a checkpoint\n")
    assert run(*LINE, "--max-iter", 9, "--resume", "--seed", 1).status == 3
    assert gf.load(tmp_path / "out/model.gramfold").random_state == 1


def test_a_limit_below_what_was_done_is_told(run, X, tmp_path):
    run(*LINE, "--max-iter", 9)
    (tmp_path / "out/report.json").unlink()
    said = run(*LINE, "--max-iter", 3, "--resume")
    assert said.status == 1
    assert "of a fit after 8 iterations: raise max_iter" in said.err


def test_a_damaged_report_is_told(run, X, tmp_path):
    run(*LINE, "--max-iter", 5)
    (tmp_path / "out/report.json").write_text("{")
    assert "out/report.json is damaged" in run(*LINE, "--max-iter", 9, "--resume").err


@pytest.mark.parametrize("name", ["pca", "ridge"])
def test_what_takes_no_iterations_needs_no_checkpoint(name, run, table):
    more = ("--target", "a") if name == "ridge" else ("-k", 2)
    line = (name, "x.csv", "-o", "out", *more, "--checkpoint", 0)
    assert run(*line) == (0, "out\n", "")
    assert run(*line, "--resume") == (0, "out\n", "")


def test_lines_on_standard_input_go_on_as_well(run, table, tmp_path, monkeypatch):
    import io

    line = ("nmf", "-", "-k", 3, "-o", "out", "--quiet", "--tol", 0)

    def piped(*more):
        data = (tmp_path / "x.csv").read_bytes()
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(data))))
        return run(*line, *more)

    assert piped("--max-iter", 5).status == 3
    assert piped("--max-iter", 9, "--resume").status == 3
    assert gf.load(tmp_path / "out/model.gramfold").n_iter_ == 9

"""Documentation that runs: docstrings and the README."""

import contextlib
import doctest
import importlib
import io
import pkgutil
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

import gramfold
from gramfold.cli import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MODULES = sorted(m.name for m in pkgutil.walk_packages(gramfold.__path__, "gramfold."))


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_give_what_they_show(name):
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.failed == 0


def test_the_readmes_example_prints_what_it_shows():
    code, output = (re.search(rf"```{kind}\n(.*?)```", README, re.DOTALL)[1] for kind in ("python", "text"))
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, {})
    assert printed.getvalue() == output


def test_the_readmes_fit_on_a_file_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec(re.search(r"<!-- files -->\n```python\n(.*?)```", README, re.DOTALL)[1], {})
    assert capsys.readouterr().out == "(50, 300) (20000,)\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels.npy", "x.npy"]


def test_the_readmes_commands_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    X = np.round(9 * gramfold.datasets.make_nmf(300, 12, 8, random_state=0)[0])
    rows = [f"cell{i},{','.join(map(str, row))}" for i, row in enumerate(X)]
    (tmp_path / "cells.csv").write_text("\n".join([f",{','.join('abcdefghijkl')}", *rows]))
    for line in re.search(r"<!-- commands -->\n```sh\n(.*?)```", README, re.DOTALL)[1].splitlines():
        name, *arguments = shlex.split(line, comments=True)
        assert name == "gramfold"
        assert main(arguments) == 0, (line, capsys.readouterr().err)
    found = sorted(path.name for path in tmp_path.iterdir())
    assert found == ["again.parquet", "cells.csv", "cells.npy", "eight", "ranks"]
    assert sorted(path.name for path in (tmp_path / "ranks").iterdir()) == [
        "jobs", "k12", "k4", "k8", "table.csv",
    ]  # fmt: skip


def test_the_readmes_rank_is_found(tmp_path, monkeypatch, capsys):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    monkeypatch.chdir(tmp_path)
    exec(re.search(r"<!-- ranks -->\n```python\n(.*?)```", README, re.DOTALL)[1], {})
    assert capsys.readouterr().out == "6 (6, 100)\n"
    assert (tmp_path / "rank.png").stat().st_size > 0
    matplotlib.pyplot.close("all")


NO_FUNCTIONS = {"SKOPS_TYPES", "datasets", "patches", "plot"}


@pytest.mark.parametrize("public", sorted(set(gramfold.__all__) - NO_FUNCTIONS))
def test_public_names_have_an_example(public):
    documented = getattr(gramfold, public).__doc__
    assert ">>>" in documented or public == "IterationInfo"

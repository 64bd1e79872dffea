"""The command line in this process, and in one of its own."""

import logging
import os
import subprocess
import sys
import warnings
from typing import NamedTuple

import numpy as np
import pytest

import gramfold as gf
from gramfold.cli import main

COMMAND = [sys.executable, "-m", "gramfold.cli"]
COLUMNS = ["a", "b", "c", "d", "e", "f"]


class Said(NamedTuple):
    """How a command ended, and what it wrote."""

    status: int
    out: str
    err: str


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    """Run a command in this process, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(logging.getLogger("gramfold"), "handlers", [])  # as in a process of its own

    def run(*arguments):
        capsys.readouterr()
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            try:
                status = main([str(one) for one in arguments])
            except SystemExit as stop:
                status = stop.code
        return Said(status, *capsys.readouterr())

    return run


@pytest.fixture
def start(tmp_path):
    """Start a command as a process, which is ended with the test."""
    processes = []

    def start(*arguments, **options):
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)], cwd=tmp_path, env=os.environ | {"OMP_NUM_THREADS": "1"},
            **pipes | options,
        )  # fmt: skip
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()


@pytest.fixture
def X(tmp_path):
    """A matrix of counts, which is also x.npy."""
    X = np.round(9 * gf.datasets.make_nmf(120, 6, 3, random_state=0)[0])
    np.save(tmp_path / "x.npy", X)
    return X


@pytest.fixture
def table(tmp_path, X):
    """The same as x.csv, with names of rows and columns."""
    lines = [",".join(["", *COLUMNS])]
    lines += [",".join([f"row{i}", *map(repr, row.tolist())]) for i, row in enumerate(X)]
    (tmp_path / "x.csv").write_text("\n".join(lines) + "\n")
    return X

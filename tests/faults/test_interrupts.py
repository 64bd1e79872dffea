"""An interrupt ends long fits and calls of every model; the model is as it was, and the next fit right."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
HERE = Path(__file__).parent
QUICK = (
    "NMF", "NMF, KL", "NMF, missing", "MiniBatchNMF", "KMeans", "KMeans, sparse", "MiniBatchKMeans",
    "GaussianMixture, full", "PoissonMixture", "PCA, missing", "RobustPCA", "DictionaryLearning, cd",
    "DictionaryLearning, soup_l0", "MiniBatchDictionaryLearning", "Ridge, cg", "Ridge, sgd", "Ridge, admm",
    "select_rank", "consensus",
)  # fmt: skip


@pytest.mark.parametrize("names", [QUICK, pytest.param((), marks=pytest.mark.slow, id="all")])
def test_an_interrupt_ends_long_calls(names):
    path = os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, HERE / "interrupted.py", *names],
        env=os.environ | {"PYTHONPATH": path, "AFTER": "0.1"},
        capture_output=True,
        text=True,
        timeout=580,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "None" not in done.stdout, done.stdout
    assert len(done.stdout.splitlines()) >= len(names)

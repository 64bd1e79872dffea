"""What is killed while it writes a file leaves that of before, whole; a new one is whole when it is there."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest

import gramfold as gf

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kills as POSIX does")
START = """
import os, numpy as np, gramfold as gf
X = np.random.default_rng(1).random((200_000, 8))
def again(call):
    call()
    print("ready", flush=True)
    while True:
        call()
"""
SAVE = """
models = [gf.KMeans(2, init="random", max_iter=1, random_state=0).fit(X + i) for i in (0, 9)]
again(lambda: [gf.save(model, "file") for model in models])
"""
CACHE = """
np.savetxt("x.csv", X[:20_000], delimiter=",")
def cache():
    if os.path.exists("file.npy"):
        os.unlink("file.npy")
    gf.blocks("x.csv", cache="file.npy")
again(cache)
"""
OUT = """
models = [gf.PCA(4).fit(X), gf.PCA(6).fit(X)]
again(lambda: [model.transform(X, out="file.npy") for model in models])
"""
COMMAND = """
import contextlib
from gramfold.cli import main
np.save("x.npy", np.abs(X[:2000]))
line = ["nmf", "x.npy", "-k", "3", "-o", "out", "--max-iter", "3", "--force", "--quiet"]
def command():
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        main(line)
again(command)
"""


def check_saved(folder):
    model = gf.load(folder / "file")
    assert model.labels_.shape == (200_000,)
    assert len(np.unique(model.cluster_centers_ > 5)) == 1


def check_out(folder):
    found = np.load(folder / "file.npy")
    assert found.shape in ((200_000, 4), (200_000, 6))


def check_cache(folder):
    if (folder / "file.npy").exists():
        # The mark at its end is of the source.
        assert gf.blocks(folder / "x.csv", cache=str(folder / "file.npy")).shape == (20_000, 8)
        assert (np.load(folder / "file.npy") > 0).all()


def check_results(folder):
    """Each file that is there is whole."""
    found = {path.name for path in (folder / "out").glob("[!.]*")}
    if "model.gramfold" in found:
        assert gf.load(folder / "out/model.gramfold").components_.shape == (3, 8)
    for name, shape in (("components.npy", (3, 8)), ("rows.npy", (2000, 3))):
        if name in found:
            assert np.load(folder / "out" / name).shape == shape


@pytest.mark.parametrize(
    ("program", "check"),
    [(SAVE, check_saved), (CACHE, check_cache), (OUT, check_out), (COMMAND, check_results)],
    ids=["save", "cache", "out", "command"],
)
@pytest.mark.parametrize("kills", [1, pytest.param(30, marks=pytest.mark.slow)])
def test_a_kill_leaves_whole_files(program, check, kills, tmp_path):
    rng = np.random.default_rng(kills)
    for _ in range(kills):
        with subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", START + program], cwd=tmp_path, stdout=subprocess.PIPE
        ) as process:
            try:
                assert process.stdout.readline() == b"ready\n"
                time.sleep(rng.uniform(0, 0.2))
                assert process.poll() is None
            finally:
                process.kill()
        check(tmp_path)

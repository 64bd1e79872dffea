"""A write that fails midway, as on a full disk, is told with the file's name, and leaves what was there."""

import os

import numpy as np
import pytest

import gramfold as gf

pytestmark = pytest.mark.skipif(os.name != "posix", reason="limits the size of files as POSIX does")
# Python ignores the signal of a file that grows beyond the limit: the write fails with EFBIG.
FAILS = """
import os, resource, sys, warnings
import numpy as np, gramfold as gf
from gramfold.cli import main
X = np.random.default_rng(1).random((20_000, 8))
def limited(call):
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, -1))
    try:
        code = call()
    except OSError as error:
        print(error)
    else:
        sys.exit(f"no error, but {code}")
"""
NMF = 'gf.NMF(3, init="random", max_iter=9, tol=0, random_state=0)'
FITTED = 'gf.KMeans(2, init="random", max_iter=1, random_state=0).fit(np.repeat(X, 10, 0))'
WRITES = {
    "out": 'model = gf.PCA(4).fit(X); limited(lambda: model.transform(X, out="file.npy"))',
    "save": f'model = {FITTED}; limited(lambda: gf.save(model, "file.npy"))',
    "cache": 'np.savetxt("x.csv", X, delimiter=","); limited(lambda: gf.blocks("x.csv", cache="file.npy"))',
}


@pytest.mark.parametrize("name", WRITES)
def test_a_write_that_fails_midway_is_told_and_leaves_what_was_there(name, run_python, tmp_path):
    file = tmp_path / "file.npy"
    if name != "cache":  # which refuses a file that it does not know
        np.save(file, np.arange(5))
    said = run_python(f"import os; os.chdir({str(tmp_path)!r})\n{FAILS}\n{WRITES[name]}")
    assert "File too large" in said
    assert str(file) in said
    assert sorted(os.listdir(tmp_path)) == ["x.csv" if name == "cache" else "file.npy"]
    if name != "cache":
        np.testing.assert_array_equal(np.load(file), np.arange(5))


def test_a_fit_goes_on_without_the_checkpoint_that_could_not_be_written(run_python, tmp_path):
    fit = f'{NMF}.fit(X, checkpoint="file", checkpoint_every=0)'
    said = run_python(
        f"import os; os.chdir({str(tmp_path)!r})\n{FAILS}\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, -1))\n"
        "with warnings.catch_warnings(record=True) as met:\n"
        f"    warnings.simplefilter('always'); model = {fit}\n"
        "print(model.n_iter_, *{str(one.message) for one in met})"
    )
    assert said.startswith("9 ")
    assert "the fit goes on, but no checkpoint was written" in said
    assert str(tmp_path / "file") in said
    assert not list(tmp_path.iterdir())


def test_a_command_says_which_file_there_was_no_room_for(run_python, tmp_path):
    said = run_python(
        f"import os; os.chdir({str(tmp_path)!r})\n{FAILS}\nnp.save('x.npy', X)\nsys.stderr = sys.stdout\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, -1))\n"
        "print(main(['nmf', 'x.npy', '-k', '3', '-o', 'out', '--max-iter', '3', '--quiet']))"
    )
    told, code = said.splitlines()
    assert told.startswith("gramfold nmf: ")
    assert "out/rows.npy" in told
    assert code == "1"
    assert "rows.npy" not in os.listdir(tmp_path / "out")
    # What was whole before is, and can be read.
    for path in (tmp_path / "out").iterdir():
        assert not path.name.endswith(".part")
        if path.suffix == ".gramfold":
            assert gf.load(path).components_.shape == (3, 8)

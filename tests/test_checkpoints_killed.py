"""A fit that is killed at random moments, again and again, ends with the bits of one that was not stopped."""

import os

import pytest

SCRIPT = """
import os, random, signal, time, warnings
import numpy as np
import gramfold as gf

warnings.simplefilter("ignore")
path, end = os.path.join(FOLDER, "fit"), os.path.join(FOLDER, "end")
rng, draw = np.random.default_rng(0), random.Random(KILLS)
X = rng.random((400, 5)) @ rng.random((5, 60)) + 0.1 * rng.random((400, 60))
one = {"random_state": 0, "n_threads": 1}
MODELS = [
    gf.NMF(6, tol=0, max_iter=60, **one),
    gf.KMeans(40, init="random", n_init=3, tol=0, **one),
    gf.GaussianMixture(4, init_params="random", tol=0, max_iter=50, **one),
    gf.RobustPCA(max_iter=50, n_threads=1),
    gf.DictionaryLearning(8, alpha=0.1, tol=0, max_iter=25, **one),
]


def killed(model, after=None):
    "Fit in a process of its own, which is killed after some seconds unless it ended before."
    child = os.fork()
    if child == 0:
        try:
            gf.save(model.fit(X, checkpoint=path, checkpoint_every=0), end)
            os._exit(0)
        except BaseException as error:
            print(repr(error), flush=True)
            os._exit(1)
    if after is not None:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    assert status in (0, signal.SIGKILL), status
    return status != 0


def check(found, expected):
    for name, value in vars(expected).items():
        if name.endswith("_") and isinstance(value, (np.ndarray, int, float)):
            assert np.array_equal(value, vars(found)[name]), (type(expected).__name__, name)
    assert np.array_equal(found.history_["objective"], expected.history_["objective"])


wholes, counts = [], []
for model in MODELS:
    begun = time.perf_counter()
    killed(model)
    seconds = time.perf_counter() - begun
    wholes.append(gf.load(end))
    os.unlink(path)
    kills = under_way = 0
    while kills < KILLS:
        if killed(model, seconds * draw.random()):
            kills += 1
            under_way += os.path.exists(path)
        else:
            check(gf.load(end), wholes[-1])
            os.unlink(path)
    killed(model)
    check(gf.load(end), wholes[-1])
    assert not [name for name in os.listdir(FOLDER) if name.startswith(".fit")]
    os.unlink(path)
    counts.append(under_way)
for model, whole in zip(MODELS, wholes):  # at last, for no kernel may run before a fork
    check(whole, model.fit(X))
print(*counts)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills processes that it forks")
@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_a_killed_fit_ends_with_the_same_bits(run_python, tmp_path, kills):
    found = run_python(f"KILLS, FOLDER = {kills}, {str(tmp_path)!r}\n{SCRIPT}")
    assert all(int(count) > 0 for count in found.split())  # were killed after they had written

"""What the environment decides: how many threads there are, and which level of kernels is used."""

import os
import sys

import numpy as np
import pytest

import gramfold as gf
from gramfold import _core
from gramfold.fit.arguments import effective_threads

linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux only")


@pytest.mark.parametrize(("setting", "threads"), [("1", 1), ("3", 3), ("4,2", 4)])
def test_the_environment_sets_the_default_number_of_threads(monkeypatch, setting, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", setting)
    assert gf.show_config()["threads"] == threads


@linux
@pytest.mark.parametrize("setting", ["", "0", "many"])
def test_without_a_number_the_affinity_sets_the_default(monkeypatch, setting):
    monkeypatch.setenv("OMP_NUM_THREADS", setting)
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, list(allowed)[:1])
    try:
        assert gf.show_config()["threads"] == 1
    finally:
        os.sched_setaffinity(0, allowed)


def test_the_configuration_says_whose_threads_run():
    config = gf.show_config()
    expected = ["none"] if config["level"] == "numpy" else ["pool", "OpenMP"]
    assert sum(name in config["threading"] for name in expected) == 1


def test_the_argument_comes_before_the_environment(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert effective_threads(None) == 5
    assert effective_threads(2) == effective_threads(np.int64(2)) == 2
    for wrong in (0, -1, 1.0, True, "2"):
        with pytest.raises(ValueError, match="n_threads"):
            effective_threads(wrong)


# What takes long to import is imported once.
FITS = """
import os, sys
import numpy as np
X = np.random.default_rng(0).random((300, 20))
for level in {levels}:
    os.environ["GRAMFOLD_ISA"] = level
    for name in [name for name in sys.modules if name.partition(".")[0] == "gramfold"]:
        del sys.modules[name]
    import gramfold as gf
    model = gf.NMF(4, tol=0, max_iter=10, random_state=0).fit(X)
    print(gf.show_config()["level"], repr(float(model.reconstruction_err_)))
"""


def test_the_environment_forces_each_level_and_all_agree(run_python):
    levels = _core.available()
    found = [line.split() for line in run_python(FITS.format(levels=[*levels, ""])).splitlines()]
    assert [level for level, _ in found] == [*levels, levels[0]]
    errors = [float(error) for _, error in found]
    assert errors == pytest.approx([errors[0]] * len(errors), rel=1e-9)


def test_a_level_that_is_not_there_is_an_import_error_with_those_that_are(run_python):
    code = "try:\n    from gramfold import NMF\nexcept ImportError as error:\n    print(error)"
    message = run_python(code, GRAMFOLD_ISA="v9")
    assert "GRAMFOLD_ISA='v9'" in message
    assert ", ".join(_core.available()) in message


def test_importing_leaves_the_settings_of_the_process_alone(run_python):
    code = (
        "import os, signal\n"
        "before = signal.getsignal(signal.SIGINT), dict(os.environ)\n"
        "import gramfold.public\n"
        "print((signal.getsignal(signal.SIGINT), dict(os.environ)) == before)"
    )
    assert run_python(code) == "True\n"

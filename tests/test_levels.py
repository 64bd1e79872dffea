"""Which compiled kernels are used where: an installation may come to another machine than it was built on."""

import pytest

import gramfold as gf
from gramfold import _core

# What takes long to import is imported once.
ON_MACHINES = """
import os, sys, types, warnings
{before}
for level, os.environ["GRAMFOLD_ISA"] in {machines}:
    for name in [name for name in sys.modules if name.partition(".")[0] == "gramfold"]:
        del sys.modules[name]
    sys.modules["gramfold._core._cpu"] = types.SimpleNamespace(level=lambda: level)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        import gramfold as gf
        gf.NMF  # which imports what is public
    loaded = [name[-2:] for name in sys.modules if name.startswith("gramfold._core._core_v")]
    print(gf.show_config()["level"], max(loaded, default="none"), *[w.message for w in warned])
"""

BROKEN = """
from importlib.machinery import ExtensionFileLoader

create = ExtensionFileLoader.create_module

def refuse(self, spec):
    if "_core_v" in spec.name:
        raise ImportError("libfoo.so.1 is missing")
    return create(self, spec)

ExtensionFileLoader.create_module = refuse
"""


MACHINES = [0, 2, 3, 4]
BY_CHOICE = (0, "numpy")


@pytest.fixture(scope="module")
def on_machines(run_python):
    """What is used and loaded on machines of some levels, given GRAMFOLD_ISA, and what is said."""

    def run(machines, before=""):
        lines = run_python(ON_MACHINES.format(machines=machines, before=before)).splitlines()
        return [(*line.split(" ", 2), "")[:3] for line in lines]

    return run


@pytest.fixture(scope="module")
def machines(on_machines):
    every = [*((machine, "") for machine in MACHINES), BY_CHOICE]
    return dict(zip([*MACHINES, BY_CHOICE], on_machines(every), strict=True))


@pytest.mark.parametrize("machine", MACHINES)
def test_no_machine_loads_kernels_above_its_level(machines, machine):
    level, highest, said = machines[machine]
    best = max((name for name in _core.built() if int(name[1:]) <= machine), default="numpy")
    assert level == best
    assert highest == (best if best != "numpy" else "none")
    assert bool(said) == (best == "numpy")


def test_a_machine_below_the_build_is_told_why_it_is_slow_and_what_to_do(machines):
    level, _, said = machines[0]
    assert level == "numpy"
    for word in (", ".join(_core.built()) or "without compiled", "--no-cache-dir", _core.EVERY_LEVEL):
        assert word in said


@pytest.mark.skipif(not _core.built(), reason="there are no compiled kernels")
def test_kernels_that_cannot_be_loaded_are_told_with_the_reason(on_machines):
    [(level, _, said)] = on_machines([(4, "")], BROKEN)
    assert level == "numpy"
    assert "cannot be loaded: libfoo.so.1 is missing" in said


def test_numpy_by_choice_is_not_warned_of(machines):
    assert machines[BY_CHOICE] == ("numpy", "none", "")


def test_show_config_says_what_was_built_and_how_to_build_every_level():
    config = gf.show_config()
    assert config["built"] == _core.built()
    assert set(config["levels"]) <= {*config["built"], "numpy"}
    assert config["every_level"] == "pip install . -C cmake.define.GRAMFOLD_LEVELS=all"

"""What every test file shares: the levels of this machine, the two float types, hypothesis' profile."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from gramfold import _core
from gramfold.fold.observed_segments import ObservedSegments
from gramfold.fold.segments import Segments

settings.register_profile(
    "suite",
    derandomize=True,
    deadline=None,
    max_examples=30,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("suite")

# What tries the house as a whole, in processes, files, clusters and pictures, or with what nobody means to
# give it, and takes most of the time. The rest, the kernels and the models, tells whether gramfold works on a
# machine. With -m "not slow" both run.
THOROUGH = (
    "accelerate/", "cluster/", "cli/test_jobs.py", "cli/test_processes.py", "demo/",
    "faults/", "fold/test_environment.py", "fold/test_interrupts.py", "fold/test_out_of_memory.py",
    "fold/test_side_by_side.py", "fold/test_threads.py", "io/test_memory.py", "io/test_save_damage.py",
    "published/", "selection/", "sklearn_suite/test_sklearn_suite.py",
    "test_checkpoints", "test_corrupt_sparse.py", "test_docs_pages.py",
    "test_files", "test_gallery.py", "test_hostile", "test_kernel_safety.py", "test_levels.py",
    "test_memory.py", "test_messages.py", "test_public.py", "test_segments.py", "test_sparse_forms.py",
    "test_speed_judged.py", "test_stress.py", "test_wheel.py", "::test_a_fit_takes_little_beside_integers",
    "::test_memory_bounds_what_a_fit_takes_beside_busy_processes",
)  # fmt: skip


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark what is thorough, before pytest leaves out what is not asked for."""
    folder = Path(__file__).parent
    for item in items:
        place = f"{item.path.relative_to(folder).as_posix()}::{item.name}"
        if any(part in place for part in THOROUGH):
            item.add_marker(pytest.mark.thorough)


@pytest.fixture(params=_core.available())
def level(request):
    return request.param


@pytest.fixture
def kernels(level):
    return _core.load(level)


@pytest.fixture(params=[level for level in _core.available() if level != "numpy"])
def compiled(request):
    return _core.load(request.param)


@pytest.fixture(params=[np.float32, np.float64], ids=["float32", "float64"])
def dtype(request):
    return request.param


@pytest.fixture(
    params=[
        pytest.param((level, dtype), id=f"{level}-{dtype.__name__}")
        for level in _core.available()
        for dtype in (np.float32, np.float64)
        if (level, dtype) != ("numpy", np.float64)
    ]
)
def beside_twin(request):
    """Kernels and a type; not the twin in double, which is what the others are compared with."""
    level, dtype = request.param
    return _core.load(level), dtype


@pytest.fixture(scope="session")
def run_python():
    """Run a program in a new interpreter; its output, after it ended as it should."""

    def run(code, timeout=180, **environment):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | environment,
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, f"exit {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout

    return run


@pytest.fixture
def no_copy(monkeypatch):
    """Nothing may put all segments of rows into one array."""

    def refuse(self):
        raise AssertionError("a copy of X was made")

    monkeypatch.setattr(Segments, "x", property(refuse))
    monkeypatch.setattr(ObservedSegments, "x", property(refuse))

"""Programs into which the stub that lets allocations fail is preloaded."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def stub(tmp_path_factory):
    """The stub, compiled."""
    compiler = shutil.which("g++")
    if compiler is None or sys.platform != "linux" or os.confstr("CS_GNU_LIBC_VERSION") is None:
        pytest.skip("needs g++ and glibc")
    path = tmp_path_factory.mktemp("stub") / "failing.so"
    flags = ["-O1", "-fPIC", "-shared", "-fno-builtin", "-o", path]
    subprocess.run([compiler, *flags, HERE / "failing.cpp", "-ldl"], check=True)
    return path


@pytest.fixture(scope="session")
def run_failing(stub, run_python):
    """Run a program, which finds the modules of this folder, with the stub."""

    def run(code, timeout=580, **environment):
        code = f"import sys; sys.path.insert(0, {str(HERE)!r}); {code}"
        return run_python(code, timeout, LD_PRELOAD=str(stub), **environment)

    return run

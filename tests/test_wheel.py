"""What is in the compiled modules as they are installed, and what comes with them."""

import json
import platform
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from gramfold import _core

FOLDER = Path(_core.__file__).parent
# Mnemonics that begin with v are AVX; masks, and vector registers of 64 bytes or from 16 on, are AVX-512.
AVX = re.compile(r"\tv(?!err|erw|mcall|mmcall)[a-z]|%[yz]mm")
AVX512 = re.compile(r"%zmm|%[xy]mm(?:1[6-9]|2\d|3[01])|\{%k[1-7]\}|\tk(?:mov|or|and|test|shift)")

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads ELF files")
x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="other processors have one level")


def command(name, *arguments):
    if not shutil.which(name):
        pytest.skip(f"needs {name} of the GNU binutils")
    done = subprocess.run([name, *arguments], capture_output=True, text=True, check=True)
    return done.stdout


def each_module(*names):
    return pytest.mark.parametrize("path", names, indirect=True)


every_module = each_module("_cpu", "_room", "_core_v2", "_core_v3", "_core_v4")


@pytest.fixture
def path(request):
    found = list(FOLDER.glob(f"{request.param}.*.so"))
    if not found:
        pytest.skip(f"this installation has no {request.param}")
    return found[0]


def first_match(pattern, path):
    """The first instruction of a module that matches, with the function it is in."""
    function = ""
    for line in command("objdump", "-d", "--no-show-raw-insn", str(path)).splitlines():
        if line.endswith(">:"):
            function = line
        elif pattern.search(line):
            return f"{function} {line}"
    return None


@linux
@x86
@each_module("_cpu", "_room", "_core_v2")
def test_what_runs_on_every_machine_has_no_avx(path):
    assert first_match(AVX, path) is None


@linux
@x86
@each_module("_core_v3")
def test_the_third_level_has_no_avx512(path):
    assert first_match(AVX512, path) is None


@linux
@x86
@each_module("_core_v3", "_core_v4")
def test_the_search_finds_what_it_looks_for(path):
    assert first_match(AVX if "_v3" in path.name else AVX512, path)


@linux
@every_module
def test_modules_export_nothing_but_their_init_function(path):
    symbols = command("nm", "-D", "--defined-only", str(path)).split("\n")
    assert [line.split()[-1] for line in symbols if line] == [f"PyInit_{path.name.partition('.')[0]}"]


@linux
@every_module
def test_modules_are_hardened(path):
    dynamic = command("readelf", "-dW", str(path))
    segments = command("readelf", "-lW", str(path))
    assert re.search(r"\bNOW\b", dynamic)
    assert "GNU_RELRO" in segments
    assert re.search(r"GNU_STACK.* RW +0x", segments)
    assert "TEXTREL" not in dynamic
    imported = command("nm", "-D", "--undefined-only", str(path))
    if not path.name.startswith("_cpu"):  # it has no buffer to guard
        assert "__stack_chk_fail" in imported
    if path.name.startswith("_core"):  # the others call nothing that has a guarded twin
        assert re.search(r"__mem\w+_chk|__\w+printf_chk|__str\w+_chk", imported)


def shipped(folder):
    """Files of one folder of the installation's metadata, by name."""
    files = metadata.files("gramfold") or []
    found = {path.name: path.locate() for path in files if f".dist-info/{folder}/" in path.as_posix()}
    if not found:
        pytest.skip("gramfold was not installed from a wheel")
    return found


def test_the_licences_of_what_is_inside_come_with_it():
    expected = {"LICENSE", "MPL-2.0.txt", "pybind11.txt"}
    assert expected <= set(shipped("licenses"))


def test_the_bill_of_materials_names_what_is_inside():
    bills = {name: json.loads(path.read_text()) for name, path in shipped("sboms").items()}
    assert {part["name"] for part in bills["gramfold.cdx.json"]["components"]} == {"Eigen", "pybind11"}
    assert all(bill["bomFormat"] == "CycloneDX" for bill in bills.values())
    named = json.dumps(bills)
    assert "@@" not in named
    for library in (FOLDER.parents[1] / "gramfold.libs").glob("*.so*"):
        assert library.name.partition("-")[0].removesuffix(".so") in named

"""Documentation that runs: docstrings and the README."""

import contextlib
import doctest
import importlib
import io
import pkgutil
import re
from pathlib import Path

import pytest

import gramfold

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MODULES = sorted(m.name for m in pkgutil.walk_packages(gramfold.__path__, "gramfold."))


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_give_what_they_show(name):
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.failed == 0


def test_the_readmes_example_prints_what_it_shows():
    code, output = (re.search(rf"```{kind}\n(.*?)```", README, re.DOTALL)[1] for kind in ("python", "text"))
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, {})
    assert printed.getvalue() == output


NO_FUNCTIONS = {"SKOPS_TYPES", "datasets", "patches", "plot"}


@pytest.mark.parametrize("public", sorted(set(gramfold.__all__) - NO_FUNCTIONS))
def test_public_names_have_an_example(public):
    documented = getattr(gramfold, public).__doc__
    assert ">>>" in documented or public == "IterationInfo"

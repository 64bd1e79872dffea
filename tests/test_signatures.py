"""Module, twin and stub agree: the kernels' names, and the names and order of their arguments."""

import ast
import inspect
import re
from pathlib import Path

import pytest

from gramfold import _core
from gramfold._core import reference, results

STUB = {
    f.name: f
    for f in ast.parse((Path(_core.__file__).parent / "_core.pyi").read_text(encoding="utf-8")).body
    if isinstance(f, ast.FunctionDef)
}


@pytest.mark.parametrize("name", STUB)
def test_the_twin_takes_what_the_stub_says(name):
    parameters = inspect.signature(getattr(reference, name)).parameters.values()
    assert [p.name for p in parameters] == [a.arg for a in STUB[name].args.kwonlyargs]
    assert all(p.kind is p.KEYWORD_ONLY for p in parameters)
    assert not STUB[name].args.args


@pytest.mark.parametrize("name", STUB)
def test_the_module_takes_what_the_stub_says(name, compiled):
    for line in re.findall(rf"^(?:\d+\. )?{name}\((.*)\) ->", getattr(compiled, name).__doc__, re.MULTILINE):
        names = re.findall(r"(?:^|, )(\*|\w+)(?=:|,|$)", line)
        assert names == (["*", *(a.arg for a in STUB[name].args.kwonlyargs)] if names else [])


@pytest.mark.parametrize("name", STUB)
def test_several_results_come_back_by_name(name):
    given = ast.unparse(STUB[name].returns)
    assert not given.startswith("tuple"), "a named tuple of gramfold/_core/results.py"
    if given != "None" and given.isidentifier() and given[0].isupper():
        assert hasattr(results, given)

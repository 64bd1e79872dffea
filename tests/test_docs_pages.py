"""Pages of the documentation: their code runs, their pictures are drawn, no public name is missing."""

import contextlib
import inspect
import io
import re
import runpy
import shlex
from pathlib import Path

import pytest

import gramfold
from gramfold.cli import main

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted(
    path for path in DOCS.rglob("*.md") if not {"generated", "gallery", "tutorial"} & set(path.parts)
)
# Code of the page, unless it is marked to need what is not here, and what it prints, if the page shows it.
CODE = re.compile(
    r"(?P<not_run><!-- not run: .*? -->\n)?```(?P<kind>python|sh)\n(?P<code>.*?)```\n"
    r"(\n```text\n(?P<output>.*?)```)?",
    re.DOTALL,
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_the_code_of_a_page_prints_what_it_shows(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    for found in CODE.finditer(page.read_text(encoding="utf-8")):
        if found["not_run"]:
            continue
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            if found["kind"] == "python":
                exec(compile(found["code"], str(page), "exec"), names)
            else:
                run_commands(found["code"])
        if found["output"]:
            assert printed.getvalue() == found["output"]


def run_commands(lines):
    """Those of gramfold; others install or start something."""
    for line in lines.splitlines():
        name, *arguments = shlex.split(line, comments=True) or [""]
        if name == "gramfold":
            assert main(arguments) == 0, line


@pytest.mark.parametrize("script", sorted((DOCS / "figures").glob("*.py")), ids=lambda script: script.stem)
def test_the_picture_of_a_page_is_drawn_and_its_page_shows_it(script):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    from matplotlib import pyplot

    runpy.run_path(str(script))
    assert pyplot.get_fignums()
    pyplot.close("all")
    assert any(f".. plot:: figures/{script.name}" in page.read_text(encoding="utf-8") for page in PAGES)


def listed():
    """The names of the reference, by module."""
    names, module = {}, None
    for line in (DOCS / "api.rst").read_text(encoding="utf-8").splitlines():
        if line.startswith(".. currentmodule::"):
            module = line.split()[-1]
        elif found := re.fullmatch(r"(?:   |.. autodata:: )(\w+)", line):
            names.setdefault(module, []).append(found[1])
    return names


def test_the_reference_has_every_public_name_once():
    names = listed()
    rooms = {name for name in gramfold.__all__ if inspect.ismodule(getattr(gramfold, name))}
    assert sorted(names["gramfold"]) == sorted(set(gramfold.__all__) - rooms)
    assert set(names) == {"gramfold", "gramfold.scverse", *(f"gramfold.{room}" for room in rooms)}


@pytest.mark.parametrize("room", sorted(set(listed()) - {"gramfold"}))
def test_the_reference_has_every_function_of_a_room(room):
    module = getattr(gramfold, room.partition(".")[2])
    own = [
        name
        for name, of in vars(module).items()
        if inspect.isfunction(of) and of.__module__ == module.__name__
    ]
    public = getattr(module, "__all__", [name for name in own if not name.startswith("_")])
    assert sorted(listed()[room]) == sorted(public)

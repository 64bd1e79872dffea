"""The gallery and the tutorial of docs/: every script runs, says what it found, draws what can be read."""

import re
import runpy
from pathlib import Path

import pytest

import gramfold as gf

DOCS = Path(__file__).parents[1] / "docs"
SCRIPTS = sorted([*DOCS.glob("gallery/*.py"), *DOCS.glob("tutorial/*.py")])

# With the NumPy twins these take a minute or more; the twins are compared with the kernels elsewhere.
FOR_COMPILED = {
    "plot_1_signs_and_penalties",
    "plot_colours_of_a_photograph",
    "plot_denoise_photograph",
    "plot_ratings_of_films",
    "plot_score_from_sound",
    "plot_topics_of_text",
}


@pytest.fixture
def pyplot(monkeypatch):
    for needed in ("matplotlib", "pywt", "skimage"):
        pytest.importorskip(needed)
    from matplotlib import pyplot

    pyplot.switch_backend("agg")
    monkeypatch.setattr(pyplot, "show", lambda: None)
    yield pyplot
    pyplot.close("all")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_an_example_runs_and_its_pictures_can_be_read(script, pyplot, capsys):
    if script.stem in FOR_COMPILED and gf.show_config()["level"] == "numpy":
        pytest.skip("takes too long without compiled kernels")
    runpy.run_path(str(script))  # its claims are asserts in it
    assert capsys.readouterr().out
    figures = [pyplot.figure(number) for number in pyplot.get_fignums()]
    assert figures
    for figure in figures:
        figure.draw_without_rendering()
        axes = [ax for ax in figure.axes if ax.get_label() != "<colorbar>"]
        assert figure.get_suptitle() or any(ax.get_title() for ax in axes)
        graphs = [ax for ax in axes if ax.lines or ax.patches or ax.collections]
        assert all(ax.get_title() for ax in graphs)
        assert not graphs or any(ax.get_xlabel() for ax in graphs)
        assert not graphs or any(ax.get_ylabel() for ax in graphs)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_an_example_is_a_page(script):
    text = script.read_text(encoding="utf-8")
    title, line = re.match(r'r?"""\n(.+)\n(=+)\n\n', text).groups()
    assert len(title) == len(line)
    assert script.name.startswith("plot_")
    assert "\nassert " in text
    assert text.endswith("plt.show()\n")


def test_there_are_ten_examples_and_a_tutorial():
    assert sum(script.parent.name == "gallery" for script in SCRIPTS) >= 10
    assert sum(script.parent.name == "tutorial" for script in SCRIPTS) >= 6

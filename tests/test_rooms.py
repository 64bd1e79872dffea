"""Who may use whom: the rooms of the Python package and those of the C++ core."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHARED = ("fold", "least_squares")
FAMILIES = ("coding", "dictionary", "kmeans", "mixture", "nmf", "pca", "ridge", "rpca")
SOURCES = sorted((ROOT / "cpp").rglob("*.[ch]pp"))


def test_imports_keep_the_contracts(monkeypatch):
    """Those of import-linter in pyproject.toml."""
    api = pytest.importorskip("importlinter.cli", reason="import-linter is of the extra test")
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("logging.config.dictConfig", lambda given: None)  # it would disable our loggers
    assert api.lint_imports(no_cache=True) == 0


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT / "cpp").as_posix())
def test_a_header_includes_only_what_its_room_may_use(path):
    room = path.relative_to(ROOT / "cpp").parts[0]
    for included in re.findall(r'#include "([^"]+)"', path.read_text(encoding="utf-8")):
        used = included.split("/")[0]
        assert (ROOT / "cpp" / included).exists(), f"{included}: include from cpp/, as fold/tile.hpp"
        if room == "fold":
            assert used == "fold", f"fold/ knows no other room, but includes {included}"
        elif room == "least_squares":
            assert used in SHARED, f"least_squares/ knows no family, but includes {included}"
        elif room in FAMILIES:
            assert used in (*SHARED, room), f"a family includes no other, but {room}/ includes {included}"


def test_a_family_has_the_same_name_everywhere():
    for folder in ("cpp", "python/gramfold", "tests"):
        assert {p.name for p in (ROOT / folder).iterdir() if p.is_dir()} >= {*FAMILIES, *SHARED}, folder

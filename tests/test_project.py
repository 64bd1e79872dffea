"""What the files around the package say of it is so."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def said(path):
    return (ROOT / path).read_text(encoding="utf-8")


def test_the_citation_names_this_version_and_licence():
    citation = said("CITATION.cff")
    assert re.search(r"^version: (.+)$", citation, re.MULTILINE)[1] == PROJECT["version"]
    assert re.search(r"^license: (.+)$", citation, re.MULTILINE)[1] == PROJECT["license"]


def test_the_changelog_has_this_version_and_what_follows():
    versions = re.findall(r"^## (.+)$", said("CHANGELOG.md"), re.MULTILINE)
    assert PROJECT["version"] in versions[:2]


@pytest.mark.parametrize("pin", re.findall(r"\[(\S+==\S+)\]", said(".pre-commit-config.yaml")))
def test_hooks_use_the_versions_of_the_linters(pin):
    assert pin in said(".ci/lint.txt").split()

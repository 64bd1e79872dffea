"""Sphinx's configuration; `.ci/docs` builds the pages."""

import contextlib
import io
import os
import re
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE), str(ROOT)]
os.environ["COLUMNS"] = "95"  # of the help of commands

import costs  # noqa: E402

import gramfold  # noqa: E402
from bench import table  # noqa: E402
from gramfold.cli.parser import parser  # noqa: E402

FILES = {  # of the repository that are pages as they are
    "CONTRIBUTING.md": "contributing",
    "cpp/README.md": "core",
    "bench/README.md": "benchmarks",
    "CHANGELOG.md": "changes",
    "FORMAT.md": "format",
    "SECURITY.md": "security",
}


def help_of(*arguments):
    """What `gramfold` says with these."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        parser().parse_args(arguments)
    return printed.getvalue()


def linked(text, folder):
    """Links to files of the repository as links to their pages; as mere text if they have none."""

    def page(link):
        target = (folder / link[2]).resolve()
        if target.is_relative_to(HERE):
            return f"[{link[1]}](/{target.relative_to(HERE)})"
        name = FILES.get(str(target.relative_to(ROOT)))
        return f"[{link[1]}](/generated/{name}.md)" if name else link[1]

    return re.sub(r"\[([^\]]*)\]\((?!https?:|#|/)([^)]+)\)", page, text)


def methods(kind):
    """Methods of a class that gramfold wrote, and not scikit-learn."""
    public = [name for name in dir(kind) if not name.startswith("_")]
    return [
        name for name in public if str(getattr(getattr(kind, name), "__module__", "")).startswith("gramfold")
    ]


MADE = HERE / "generated"  # what the build writes here: git ignores it
MADE.mkdir(exist_ok=True)
(MADE / "speed.md").write_text(table.cases(table.stored()), encoding="utf-8")
(MADE / "help.txt").write_text(help_of("--help"), encoding="utf-8")
(MADE / "help-nmf.txt").write_text(help_of("nmf", "--help"), encoding="utf-8")
for file, page in FILES.items():
    (MADE / f"{page}.md").write_text(
        linked((ROOT / file).read_text(encoding="utf-8"), (ROOT / file).parent), "utf-8"
    )
costs.write(MADE)

project = "gramfold"
author = project_copyright = "The gramfold developers"
with (ROOT / "pyproject.toml").open("rb") as file:
    release = version = tomllib.load(file)["project"]["version"]

extensions = [
    "matplotlib.sphinxext.plot_directive",
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx-mathjax-offline",  # formulas need nothing from elsewhere
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
exclude_patterns = ["gallery", "tutorial", "generated/speed.md", "generated/costs-*"]
default_role = "code"
nitpicky = True

html_theme = "pydata_sphinx_theme"
html_title = f"gramfold {version}"
html_static_path = ["_static"]
html_css_files = ["style.css"]
html_show_sphinx = False
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "gramfold"},
    "navbar_align": "left",
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {"index": [], "speed": []}

myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]  # of what is included below a heading
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

autosummary_context = {"methods_of": {name: methods(getattr(gramfold, name)) for name in gramfold.__all__}}
autodoc_typehints = "none"
numpydoc_show_class_members = False

plot_include_source = False
plot_html_show_formats = False
plot_html_show_source_link = False
plot_formats = [("png", 160)]
plot_rcparams = {"figure.constrained_layout.use": True, "axes.spines.top": False, "axes.spines.right": False}
plot_apply_rcparams = True

examples = [name for name in ("gallery", "tutorial") if (HERE / name).is_dir()]
sphinx_gallery_conf = {
    "examples_dirs": examples,
    "gallery_dirs": [f"generated/{name}" for name in examples],
    "capture_repr": (),
    "backreferences_dir": "generated/examples_of",
    "doc_module": ("gramfold",),
    "download_all_examples": False,
    "remove_config_comments": True,
    "within_subsection_order": "FileNameSortKey",
    "write_computation_times": False,
}


def escaped(app, what, name, of, options, lines):
    """Keep norms, |x|, and names that end in _ from being read as links of reStructuredText."""
    for at, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...")):
            lines[at] = re.sub(r"(``.*?``|`.*?`)|([|*]|(?<=\w)_(?!\w))", lambda m: m[1] or "\\" + m[2], line)


def read(app, docname, source):
    """Link the pages themselves in the same way: in the repository their links lead to files."""
    source[0] = linked(source[0], (HERE / docname).parent)


def setup(app):
    """Connect, `escaped` before numpydoc does."""
    app.connect("source-read", read)
    app.connect("autodoc-process-docstring", escaped, priority=400)

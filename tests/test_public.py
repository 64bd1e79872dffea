"""Public names: what the package gives, and when it is imported."""

import pytest

import gramfold as gf


def test_every_public_name_is_there_and_listed():
    assert all(hasattr(gf, name) for name in gf.__all__)
    assert set(gf.__all__) <= set(dir(gf))
    assert gf.accelerate.__name__ == "accelerate"


def test_a_name_that_is_not_there_is_told():
    with pytest.raises(AttributeError, match="module 'gramfold' has no attribute 'Nmf'"):
        gf.Nmf  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'Nmf' from 'gramfold'"):
        from gramfold import Nmf  # noqa: F401


def test_names_stay_what_they_are_whatever_is_imported_first(run_python):
    code = (
        "import gramfold.{first}\n"
        "import gramfold as gf\n"
        "from gramfold import *\n"
        "import gramfold.patches, gramfold.images.patches\n"
        "assert gramfold.patches is gramfold.images.patches is gf.patches\n"
        "assert callable(gf.accelerate) and callable(accelerate) and callable(gf.consensus)\n"
        "assert gf.NMF is NMF is gf.nmf.estimator.NMF\n"
        "print(gf.plot.__name__, gf.datasets.__name__)"
    )
    for first in ("accelerate.twins", "selection.consensus"):
        assert run_python(code.format(first=first)) == "gramfold.plot gramfold.datasets\n"


@pytest.mark.parametrize("arguments", [["--help"], ["nmf", "--help"], ["nmf", "x.npy", "--hlep"]])
def test_help_imports_nothing_that_takes_long(arguments, run_python):
    code = (
        "import sys\n"
        "from gramfold.cli import main\n"
        "try:\n    main({arguments})\n"
        "except SystemExit as stop:\n    status = stop.code\n"
        "print(status, sorted({{'numpy', 'scipy', 'sklearn', 'pandas'}} & sys.modules.keys()))"
    )
    said = run_python(code.format(arguments=arguments)).splitlines()[-1]
    assert said == f"{2 if '--hlep' in arguments else 0} []"

"""What this build is and what it runs on."""

from importlib.metadata import version

from .. import _core
from .arguments import effective_threads


def show_config() -> dict[str, str | int | list[str]]:
    """Version, instruction-set level, compiler and threads.

    Returns
    -------
    dict
        'version', 'level' (the one in use; the environment variable GRAMFOLD_ISA forces one), 'levels'
        (all that this machine runs), 'built' (all that were compiled: from source the best of that
        machine, in a wheel every one), 'every_level' (what builds every one), 'compiler', 'threading' (whose
        threads: 'pool', gramfold's own, or the OpenMP runtime that it was built with), 'threads' (how many
        by default).

    Examples
    --------
    >>> import gramfold as gf
    >>> gf.show_config()["level"] in ("v4", "v3", "v2", "numpy")
    True
    """
    return {
        "version": version("gramfold"),
        "level": _core.level,
        "levels": _core.available(),
        "built": _core.built(),
        "every_level": _core.EVERY_LEVEL,
        "compiler": _core.kernels.compiler(),
        "threading": _core.kernels.threading(),
        "threads": effective_threads(None),
    }

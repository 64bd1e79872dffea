"""`accelerate`: scikit-learn's names give gramfold's classes, in code that is not changed."""

import sys
import types
import warnings
from importlib import import_module
from typing import Any, Self

TESTED = ("1.6", "1.7", "1.8", "1.9")


class Proxy(types.ModuleType):
    """A module of scikit-learn's: it gives its own names to scikit-learn, and gramfold's to all others.

    `_gramfold` has both of each name, which the module itself must not have, or this would not be asked.
    """

    def __getattr__(self, name: str) -> Any:
        kept = vars(self).get("_gramfold", {})
        if name not in kept:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        asking = sys._getframe(1).f_globals.get("__name__", "")
        own = asking.split(".")[0] == "sklearn" and ".tests." not in asking
        return kept[name][0 if own else 1]

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *vars(self).get("_gramfold", {})})


class Accelerated:
    """What `accelerate` has put in place; `restore` takes it away, as does the end of a ``with`` block."""

    def __init__(self, places: list[tuple[types.ModuleType, str]]) -> None:
        self.places = places

    def restore(self) -> None:
        """Give scikit-learn's names their own classes again."""
        for module, name in self.places:
            kept = vars(module)["_gramfold"]
            if name in kept:
                setattr(module, name, kept.pop(name)[0])
            if not kept:
                module.__class__ = types.ModuleType
        self.places = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.restore()


def accelerate(*names: str) -> Accelerated:
    """Let scikit-learn's names give gramfold's classes, to code that imports them from now on.

    ``from sklearn.decomposition import NMF`` and ``sklearn.decomposition.NMF`` are gramfold's afterwards, a
    subclass of scikit-learn's. scikit-learn itself, and what was imported by name before, keep their own.
    What gramfold refuses is done by scikit-learn's class, and said in the log (``GRAMFOLD_LOG=info``, logger
    "gramfold"). Pickles hold scikit-learn's classes and load without gramfold. Models that joblib or
    multiprocessing sends to worker processes, as for ``n_jobs=2``, are gramfold's there too; what workers
    import themselves, functions among it, is scikit-learn's, and so is all that others, such as dask, send.
    Nothing is written anywhere.

    ``python -m gramfold script.py`` runs a program so.

    Parameters
    ----------
    *names : str
        Such as "NMF"; by default all that gramfold has.

    Returns
    -------
    Accelerated
        Its `restore` undoes it; it is a context manager too.

    Raises
    ------
    ValueError
        If gramfold has no such name.

    Examples
    --------
    >>> import gramfold as gf
    >>> import sklearn.decomposition
    >>> with gf.accelerate("NMF"):
    ...     issubclass(sklearn.decomposition.NMF, gf.NMF)
    True
    >>> issubclass(sklearn.decomposition.NMF, gf.NMF)
    False
    """
    import sklearn

    from .standing import calling, listen, standing
    from .twins import FUNCTIONS, NAMES

    for name in names:
        if not isinstance(name, str) or name not in NAMES:
            raise ValueError(f"names must be of {', '.join(sorted(NAMES))}, got {name!r}")
    listen()
    if ".".join(sklearn.__version__.split(".")[:2]) not in TESTED:
        warnings.warn(
            f"accelerate() changes nothing: it is tested with scikit-learn {TESTED[0]} to {TESTED[-1]}, and "
            f"this is {sklearn.__version__}",
            UserWarning,
            stacklevel=2,
        )
        return Accelerated([])
    places = []
    for name in names or NAMES:
        module = import_module(NAMES[name])
        kept = vars(module).setdefault("_gramfold", {})
        if name in kept:
            continue
        original = vars(module)[name]
        made = calling(name, original) if name in FUNCTIONS else standing(name)
        module.__class__ = Proxy
        delattr(module, name)
        kept[name] = original, made
        places.append((module, name))
    return Accelerated(places)

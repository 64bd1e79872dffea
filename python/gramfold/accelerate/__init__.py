"""`accelerate`: scikit-learn's names give gramfold's classes, in code that is not changed."""

import copy
import copyreg
import functools
import inspect
import logging
import os
import sys
import types
import warnings
from abc import ABCMeta
from importlib import import_module
from typing import Any, Self

import sklearn

from .twins import NAMES, ours

logger = logging.getLogger("gramfold")
TESTED = ("1.6", "1.7", "1.8", "1.9")
METHODS = ("fit", "fit_transform", "fit_predict", "partial_fit")


class Standing(ABCMeta):
    """The class of classes that stand for one of scikit-learn's, whose objects count as theirs."""

    def __instancecheck__(cls, instance: Any) -> bool:
        original = cls.__dict__.get("_original")
        return isinstance(instance, original) if original else super().__instancecheck__(instance)

    def __subclasscheck__(cls, subclass: type) -> bool:
        original = cls.__dict__.get("_original")
        return issubclass(subclass, original) if original else super().__subclasscheck__(subclass)


def _reduced(self: Any, protocol: Any) -> Any:
    """Pickles are those of scikit-learn's class, and load without gramfold."""
    original = type(self).__dict__.get("_original")
    if original is None:
        return object.__reduce_ex__(self, protocol)
    made = self.to_sklearn()
    return copyreg._reconstructor, (original, object, None), made.__getstate__()  # type: ignore[attr-defined]


def _copied(self: Any, memo: dict[int, Any]) -> Any:
    made = object.__new__(type(self))
    vars(made).update(copy.deepcopy(vars(self), memo))
    return made


def _class(fast: type, original: type) -> type:
    """A subclass of both, which goes back to scikit-learn's for what gramfold's does not take."""
    made = Standing(original.__name__, (fast, original), {"_original": original, "__doc__": fast.__doc__})
    made.__module__, made.__qualname__ = original.__module__, original.__qualname__
    for name in METHODS:
        if hasattr(fast, name) and hasattr(original, name):
            setattr(made, name, _method(name, getattr(fast, name), original))
    made.__reduce_ex__, made.__deepcopy__ = _reduced, _copied  # type: ignore[assignment,attr-defined]
    return made


def _method(name: str, fast: Any, original: type) -> Any:
    has_callback = "callback" in inspect.signature(original).parameters

    @functools.wraps(fast)
    def call(self: Any, *arguments: Any, **given: Any) -> Any:
        try:
            if has_callback and self.callback is not None:
                raise NotImplementedError("callback is not called as scikit-learn calls it")
            return fast(self, *arguments, **given)
        except (TypeError, ValueError, NotImplementedError) as error:
            if type(self).__dict__.get("_original") is not original:
                raise
            return _gone_back(self, name, original, arguments, given, error)

    return call


def _gone_back(self: Any, name: str, original: type, arguments: Any, given: Any, error: Exception) -> Any:
    """Let scikit-learn do it, if it can, for good."""
    kind, before = type(self), dict(vars(self))
    try:
        self._parameters_of(kind.__mro__[1], original)
    except ValueError:
        raise error from None
    for parameter in self.get_params(deep=False).keys() - inspect.signature(original).parameters.keys():
        delattr(self, parameter)
    self.__class__ = original
    try:
        done = getattr(original, name)(self, *arguments, **given)
    except BaseException:
        self.__class__ = kind
        vars(self).clear()
        vars(self).update(before)
        raise
    logger.info("%s.%s by scikit-learn: %s", original.__name__, name, error)
    return done


def _function(fast: Any, original: Any) -> Any:
    @functools.wraps(original)
    def call(*arguments: Any, **given: Any) -> Any:
        try:
            return fast(*arguments, **given)
        except (TypeError, ValueError, NotImplementedError) as error:
            done = original(*arguments, **given)
            logger.info("%s by scikit-learn: %s", original.__name__, error)
            return done

    return call


class Proxy(types.ModuleType):
    """A module of scikit-learn's that gives others than scikit-learn what stands in `_fast`."""

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
    "gramfold"). Pickles hold scikit-learn's classes. Nothing is written anywhere.

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
    known = {name: module for module, found in NAMES.items() for name in found}
    for name in names:
        if name not in known:
            raise ValueError(f"names must be of {', '.join(sorted(known))}, got {name!r}")
    if level := os.environ.get("GRAMFOLD_LOG"):
        logging.basicConfig(format="%(name)s: %(message)s")
        logger.setLevel(level.upper())
    if ".".join(sklearn.__version__.split(".")[:2]) not in TESTED:
        warnings.warn(
            f"accelerate() changes nothing: it is tested with scikit-learn {TESTED[0]} to {TESTED[-1]}, and "
            f"this is {sklearn.__version__}",
            UserWarning,
            stacklevel=2,
        )
        return Accelerated([])
    places = []
    for name in names or known:
        module = import_module(known[name])
        kept = vars(module).setdefault("_gramfold", {})
        if name in kept:
            continue
        original, fast = vars(module)[name], ours(known[name], name)
        made = _class(fast, original) if isinstance(original, type) else _function(fast, original)
        module.__class__ = Proxy
        delattr(module, name)
        kept[name] = original, made
        places.append((module, name))
    return Accelerated(places)

"""Classes and functions that stand for scikit-learn's, and leave to them what gramfold does not take."""

import copy
import copyreg
import functools
import inspect
import logging
import os
from abc import ABCMeta
from typing import Any

from ..fit.estimator import of_sklearn
from .processes import on_the_way
from .twins import NAMES, ours

logger = logging.getLogger("gramfold")
METHODS = ("fit", "fit_transform", "fit_predict", "partial_fit")


class Standing(ABCMeta):
    """The class of classes that stand for one of scikit-learn's, whose objects count as theirs."""

    def __instancecheck__(cls, instance: Any) -> bool:
        original = cls.__dict__.get("_original")
        return isinstance(instance, original) if original else super().__instancecheck__(instance)

    def __subclasscheck__(cls, subclass: type) -> bool:
        original = cls.__dict__.get("_original")
        return issubclass(subclass, original) if original else super().__subclasscheck__(subclass)


def listen() -> None:
    """Print what the logger says, if the environment asks for it."""
    if level := os.environ.get("GRAMFOLD_LOG"):
        logging.basicConfig(format="%(name)s: %(message)s")
        logger.setLevel(level.upper())


def _reduced(self: Any, protocol: Any) -> Any:
    """Pickles are those of scikit-learn's class or one derived from it, and load without gramfold."""
    kind, state = type(self), self.to_sklearn().__getstate__()
    if "_original" not in vars(kind):
        own = {name: value for name, value in vars(self).items() if not _is_ours(value)}
        return copyreg._reconstructor, (kind, object, None), own | state  # type: ignore[attr-defined]
    return copyreg._reconstructor, (vars(kind)["_original"], object, None), state  # type: ignore[attr-defined]


def _is_ours(value: Any) -> bool:
    return type(value).__module__.startswith("gramfold.")


def _copied(self: Any, memo: dict[int, Any] | None = None) -> Any:
    """A copy in this process stays gramfold's."""
    made = object.__new__(type(self))
    vars(made).update(vars(self) if memo is None else copy.deepcopy(vars(self), memo))
    return made


@functools.cache
def standing(name: str) -> type:
    """A subclass of gramfold's and scikit-learn's class; theirs does what ours does not take."""
    listen()
    fast, original = ours(name), of_sklearn(name)
    made = Standing(name, (fast, original), {"_original": original, "__doc__": fast.__doc__})
    made.__module__ = NAMES[name]  # where it is found, and where there is no gramfold, scikit-learn's
    for method in METHODS:
        if hasattr(fast, method) and hasattr(original, method):
            setattr(made, method, _method(method, getattr(fast, method), original))
    made.__reduce_ex__ = _reduced  # type: ignore[assignment]
    made.__copy__ = made.__deepcopy__ = _copied  # type: ignore[attr-defined]
    on_the_way(made, _sent)
    return made


def _sent(model: Any) -> Any:
    """A model on its way to another process, where it is of the same class again."""
    return _received, (type(model).__name__,), model.__getstate__()


def _received(name: str) -> Any:
    return object.__new__(standing(name))


def _sent_class(kind: type) -> Any:
    return (standing, (kind.__name__,)) if "_original" in vars(kind) else kind.__qualname__


on_the_way(Standing, _sent_class)


def _method(name: str, fast: Any, original: type) -> Any:
    has_callback = "callback" in inspect.signature(original).parameters

    @functools.wraps(fast)
    def call(self: Any, *arguments: Any, **given: Any) -> Any:
        try:
            if has_callback and self.callback is not None:
                raise NotImplementedError("callback is not called as scikit-learn calls it")
            return fast(self, *arguments, **given)
        except (TypeError, ValueError, NotImplementedError) as error:
            goes_on = name == "partial_fit" and hasattr(self, "n_features_in_")  # from sums of gramfold's
            if goes_on or type(self).__dict__.get("_original") is not original:
                raise
            return _gone_back(self, name, original, arguments, given, error)

    return call


def _gone_back(self: Any, name: str, original: type, arguments: Any, given: Any, error: Exception) -> Any:
    """Let scikit-learn do it, if it can, for good."""
    kind, before = type(self), dict(vars(self))
    try:
        taken = self._parameters_of(kind.__mro__[1], original)
    except ValueError:
        raise error from None
    for parameter in self.get_params(deep=False).keys() - inspect.signature(original).parameters.keys():
        delattr(self, parameter)
    vars(self).update(taken)
    self.__class__ = original
    try:
        done = getattr(original, name)(self, *arguments, **given)
    except BaseException as theirs:
        self.__class__ = kind
        vars(self).clear()
        vars(self).update(before)
        if _does_not_know(theirs):
            raise error from None
        raise
    logger.info("%s.%s by scikit-learn: %s", original.__name__, name, error)
    return done


def _does_not_know(error: BaseException) -> bool:
    """Whether scikit-learn has no such argument, so that what gramfold says of it is what helps."""
    return isinstance(error, TypeError) and "unexpected keyword argument" in str(error)


def calling(name: str, original: Any) -> Any:
    """A function that calls gramfold's, and scikit-learn's for what that does not take."""
    fast = ours(name)

    @functools.wraps(original)
    def call(*arguments: Any, **given: Any) -> Any:
        try:
            return fast(*arguments, **given)
        except (TypeError, ValueError, NotImplementedError) as error:
            try:
                done = original(*arguments, **given)
            except TypeError as theirs:
                if _does_not_know(theirs):
                    raise error from None
                raise
            logger.info("%s by scikit-learn: %s", name, error)
            return done

    call.__module__ = NAMES[name]  # where pickle finds it
    return call

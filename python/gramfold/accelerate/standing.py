"""Classes and functions that stand for scikit-learn's, and leave to them what gramfold does not take."""

import copy
import copyreg
import functools
import inspect
import logging
from abc import ABCMeta
from typing import Any

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


def _reduced(self: Any, protocol: Any) -> Any:
    """Pickles are those of scikit-learn's class, and load without gramfold."""
    original = type(self).__dict__.get("_original")
    if original is None:
        return object.__reduce_ex__(self, protocol)
    made = self.to_sklearn()
    return copyreg._reconstructor, (original, object, None), made.__getstate__()  # type: ignore[attr-defined]


def _copied(self: Any, memo: dict[int, Any]) -> Any:
    """A copy in this process stays gramfold's."""
    made = object.__new__(type(self))
    vars(made).update(copy.deepcopy(vars(self), memo))
    return made


def standing(fast: type, original: type) -> type:
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
            goes_on = name == "partial_fit" and hasattr(self, "n_features_in_")  # from sums of gramfold's
            if goes_on or type(self).__dict__.get("_original") is not original:
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


def calling(fast: Any, original: Any) -> Any:
    @functools.wraps(original)
    def call(*arguments: Any, **given: Any) -> Any:
        try:
            return fast(*arguments, **given)
        except (TypeError, ValueError, NotImplementedError) as error:
            done = original(*arguments, **given)
            logger.info("%s by scikit-learn: %s", original.__name__, error)
            return done

    return call

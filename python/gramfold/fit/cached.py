"""Attributes that are found once."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

Value = TypeVar("Value")


class cached_property(Generic[Value]):
    """As that of functools, which before Python 3.12 is computed in one thread at a time, of any object.

    Fits side by side would wait for one that is in it, and that for them to begin a pass.
    """

    def __init__(self, find: Callable[[Any], Value]) -> None:
        self.find, self.__doc__ = find, find.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, of: None, owner: type) -> "cached_property[Value]": ...
    @overload
    def __get__(self, of: object, owner: type) -> Value: ...
    def __get__(self, of: Any, owner: type) -> Any:
        if of is None:
            return self
        value = vars(of)[self.name] = self.find(of)
        return value

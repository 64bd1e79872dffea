"""gramfold: matrix factorisation at the speed of the hardware.

What is public is imported when the first name is asked for: `gramfold --help` asks for none.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from .accelerate import accelerate as accelerate  # now: later, the room of this name would take its place

__version__ = version("gramfold")

if TYPE_CHECKING:
    from .public import *  # noqa: F403
else:

    def __getattr__(name: str) -> Any:
        """Give a room, or what is public."""
        try:
            return import_module(f".{name}", __name__)
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{name}":
                raise
        public = vars(import_module(".public", __name__))
        if name not in public or (name.startswith("__") and name != "__all__"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return globals().setdefault(name, public[name])


def __dir__() -> list[str]:
    return sorted({*globals(), *import_module(".public", __name__).__all__})

"""Ctrl-C and SIGTERM in a fit that keeps checkpoints: they wait until one is written."""

import logging
import signal
import threading
from typing import Any, Self

logger = logging.getLogger("gramfold")


class Postponed:
    """Holds back SIGINT and SIGTERM in a ``with`` statement; what handled them before gets them later.

    A second signal is not held back. Where signals go to another thread, or are ignored, nothing is done.

    Attributes
    ----------
    came : int or None
        The signal that waits.
    """

    def __init__(self) -> None:
        self.came: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                before = signal.getsignal(number)
                if callable(before) or before is signal.SIG_DFL:
                    signal.signal(number, self._wait)
                    self._before[number] = before
        return self

    def __exit__(self, *_: object) -> None:
        self.hand_on()
        self._put_back()

    def hand_on(self) -> None:
        """Give the signal that waits, if there is one, to what handled it before."""
        if self.came is None:
            return
        number, self.came = self.came, None
        self._put_back()
        signal.raise_signal(number)
        self.__enter__()

    def _wait(self, number: int, frame: object) -> None:
        again, self.came = self.came is not None, number
        if again:
            self.hand_on()
        else:
            logger.warning("stops when the iteration is done and a checkpoint written; once more: at once")

    def _put_back(self) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        self._before = {}

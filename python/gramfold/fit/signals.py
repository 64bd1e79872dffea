"""Ctrl-C and SIGTERM in a fit that keeps checkpoints: they wait until one is written."""

import logging
import signal
import threading
from typing import Any

logger = logging.getLogger("gramfold")


class Postponed:
    """Holds back SIGINT and SIGTERM; what handled them before gets them later.

    A second signal is not held back. Where signals go to another thread, or are ignored, nothing is done.

    Attributes
    ----------
    came : int or None
        The signal that waits.
    """

    def __init__(self) -> None:
        self.came: int | None = None
        self._before: dict[int, Any] = {}

    def hold(self) -> None:
        """Begin; again does nothing."""
        if self._before or threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGINT, signal.SIGTERM):
            before = signal.getsignal(number)
            if callable(before) or before is signal.SIG_DFL:
                signal.signal(number, self._wait)
                self._before[number] = before

    def hand_on(self) -> None:
        """End, and give the signal that waits, if there is one, to what handled it before."""
        number, self.came = self.came, None
        for each, before in self._before.items():
            signal.signal(each, before)
        self._before = {}
        if number is not None:
            signal.raise_signal(number)

    def _wait(self, number: int, frame: object) -> None:
        again, self.came = self.came is not None, number
        if again:
            self.hand_on()
        else:
            logger.warning("stops when the iteration is done and a checkpoint written; once more: at once")

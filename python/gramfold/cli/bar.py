"""Progress of a fit on a terminal."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..fit.progress import IterationInfo, ProgressBar

COUNTED = Path("/proc/self/io")  # of Linux: the bytes that a process read, cached or not


class ReadingBar(ProgressBar):
    """A bar that also shows how fast files are read."""

    _before: tuple[float, int] | None = None

    def values(self, info: IterationInfo) -> dict[str, str]:
        """Objective, certificate and, if much is read, its rate since the last iteration."""
        found, read = super().values(info), bytes_read()
        seconds, count = self._before or (info.seconds, read)
        self._before = info.seconds, read
        if info.seconds > seconds and read - count > 1 << 20:
            found["read"] = f"{(read - count) / (info.seconds - seconds) / 1e9:.2f} GB/s"
        return found


def bytes_read() -> int:
    """The bytes that this process has read; 0 where that is not known."""
    try:
        text = COUNTED.read_text()
    except OSError:
        return 0
    return int(text.partition("rchar: ")[2].partition("\n")[0] or 0)


def bar(title: str, stream: Any) -> ProgressBar | None:
    """A bar for a fit; None where nobody watches, or tqdm is not installed."""
    if not stream.isatty() or find_spec("tqdm") is None:
        return None
    return ReadingBar(desc=title, file=stream, leave=False, dynamic_ncols=True)

"""What ends a command."""

CONVERGED, FAILED, USAGE, UNCONVERGED, INTERRUPTED, TERMINATED = 0, 1, 2, 3, 130, 143


class UsageError(ValueError):
    """Arguments that do not go together."""


class Terminated(BaseException):
    """SIGTERM came."""

"""Messages, and the progress of long tasks, on stderr."""

import sys
import time

from resbench.common.errors import printable


def say(message: str) -> None:
    """Print a message on stderr: stdout is for results.

    Args:
        message: One line or several; names and texts from files in it cannot control the terminal.
    """
    print("\n".join(printable(line) for line in message.split("\n")), file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """Return a duration as people write it: `42 s`, `3.5 min`, `2.1 h`.

    Args:
        seconds: The duration in s.

    Returns:
        The text.
    """
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    if seconds < 99.5 * 60:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h"


class Progress:
    """Shows how much of a long task is done: a line that is rewritten on a terminal, a line every 30 s in a log."""

    def __init__(self, title: str, already: float = 0.0) -> None:
        """Start the clock.

        Args:
            title: What the lines begin with.
            already: Fraction that an earlier run has done, which does not count for the speed of this one.
        """
        self.title = title
        self.already = already
        self.live = sys.stderr.isatty()
        self.interval = 0.2 if self.live else 30.0
        self.start = self.last = time.monotonic()

    def update(self, fraction: float, detail: str = "") -> None:
        """Show the progress, unless it was shown a moment ago.

        Args:
            fraction: How much of the task is done, in [0, 1].
            detail: Text after the percentage.
        """
        now = time.monotonic()
        if now - self.last < self.interval:
            return
        self.last = now
        gained = fraction - self.already
        left = duration((now - self.start) * (1 - fraction) / gained) if gained > 0 else "?"
        done = f"{100 * fraction:.0f} % {detail}".strip()
        line = f"{self.title}: {done:>5}, {left} left"
        if self.live:
            print(f"\r\x1b[2K{line}", end="", file=sys.stderr, flush=True)
        else:
            say(line)

    def clear(self) -> None:
        """Remove the line from the terminal, so that the next message starts on an empty one."""
        if self.live:
            print("\r\x1b[2K", end="", file=sys.stderr, flush=True)

"""Progress of long work: a live bar on a terminal, a line now and then in a log."""

import sys
import time


def say(message: str) -> None:
    """One line on stderr: stdout is for results."""
    print(message, file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """`seconds` as a person says it: 42 s, 3.5 min, 2.1 h."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    if seconds < 99.5 * 60:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h"


class Progress:
    """Says how far a piece of work is, at most every `interval` seconds.

    On a terminal the line is rewritten in place several times a second; in a log it is printed
    anew every half minute.
    """

    def __init__(self, title: str, already: float = 0.0) -> None:
        """`already`: the fraction done by an earlier run, which says nothing of this one's speed."""
        self.title = title
        self.already = already
        self.live = sys.stderr.isatty()
        self.interval = 0.2 if self.live else 30.0
        self.start = self.last = time.monotonic()

    def update(self, fraction: float, detail: str = "") -> None:
        """`fraction` of the work is done, in [0, 1]; `detail` stands behind the percentage."""
        now = time.monotonic()
        if now - self.last < self.interval:
            return
        self.last = now
        gained = fraction - self.already
        left = duration((now - self.start) * (1 - fraction) / gained) if gained > 0 else "?"
        done = f"{fraction:.0%} {detail}".strip()
        line = f"{self.title}: {done:>4}, {left} left"
        if self.live:
            print(f"\r\x1b[2K{line}", end="", file=sys.stderr, flush=True)
        else:
            say(line)

    def clear(self) -> None:
        """Wipe the live line, so that what follows starts on a clean one."""
        if self.live:
            print("\r\x1b[2K", end="", file=sys.stderr, flush=True)

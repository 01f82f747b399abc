"""What may be wrong with an archive; the caller adds its name and what to do, which depends on where it came from."""


class ArchiveError(ValueError):
    """The archive is not what this suite reads.

    Args:
        reason: What is wrong, as the end of a sentence that begins with the archive's name.
        advice: What the owner of the archive can do about it; None where only the list of layouts helps.
    """

    def __init__(self, reason: str, advice: str | None = None) -> None:
        super().__init__(reason)
        self.advice = advice


class DamagedError(ArchiveError):
    """Bytes are missing or wrong: another copy of the same archive may be good."""


def printable(text: str) -> str:
    """Return untrusted text for a message: quoted, escaped and short."""
    return ascii(text if len(text) <= 80 else text[:77] + "...")

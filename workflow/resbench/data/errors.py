"""Errors of archives; the caller adds the name and what to do, which depends on where the archive came from."""


class ArchiveError(ValueError):
    """The archive is not one that resbench reads.

    Args:
        reason: What is wrong, as the end of a sentence that begins with the archive's name.
        advice: What the owner of the archive can do about it; None where only the list of layouts helps.
    """

    def __init__(self, reason: str, advice: str | None = None) -> None:
        super().__init__(reason)
        self.advice = advice


class DamagedError(ArchiveError):
    """Bytes are missing or wrong; another copy of the same archive may be intact."""


def printable(text: str) -> str:
    """Return untrusted text for a message.

    Args:
        text: The text.

    Returns:
        The text quoted, escaped, and shortened to 80 characters.
    """
    return ascii(text if len(text) <= 80 else text[:77] + "...")

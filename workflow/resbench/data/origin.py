"""Where an archive came from, which decides what a message about it may advise."""

from dataclasses import dataclass
from pathlib import Path

from resbench.data.errors import ArchiveError, DamagedError

LAYOUTS_ADVICE = 'config/README.md, "Your own images", lists the supported layouts'


def is_web_address(source: str) -> bool:
    """Return whether a source is fetched from the web.

    Args:
        source: A URL or path.

    Returns:
        True for a URL of HTTP or HTTPS, in small or capital letters.
    """
    return source.lower().startswith(("http://", "https://"))


@dataclass(frozen=True)
class Origin:
    """The source of an archive.

    Attributes:
        source: Address or path that the user knows it by.
        downloaded: Whether it is resbench's own copy of a file from the web, which may be deleted.
    """

    source: str
    downloaded: bool

    @classmethod
    def of(cls, source: str) -> "Origin":
        """Return the origin of an archive that `download` fetched.

        Args:
            source: The source that `download` recorded.

        Returns:
            The origin.
        """
        return cls(source, downloaded=is_web_address(source))

    def message(self, path: Path, error: ArchiveError) -> str:
        """Return one line: which archive, what is wrong, and what to do.

        The advice is to fetch a download again, but never to delete a user's own file.

        Args:
            path: The archive.
            error: What is wrong with it.

        Returns:
            The message.
        """
        if self.downloaded:
            advice = (
                f"delete {path} and run again, which downloads it again"
                if isinstance(error, DamagedError)
                else f"name another source, or another dataset ({error.advice or LAYOUTS_ADVICE})"
            )
            return f"{path}: {error} (from {self.source}); {advice}"
        copied = "" if str(path) == self.source else f" (read as {path})"
        fallback = "copy it again from where you have it" if isinstance(error, DamagedError) else LAYOUTS_ADVICE
        return f"{self.source}{copied}: {error}; {error.advice or fallback}"

"""Where an archive came from, which decides what a message about it may advise."""

from dataclasses import dataclass
from pathlib import Path

from resbench.data.errors import ArchiveError, DamagedError

LAYOUTS_ADVICE = 'config/README.md, "Your own images", lists the layouts that are read'


@dataclass(frozen=True)
class Origin:
    """The source of an archive.

    Attributes:
        source: Address or path that the user knows it by.
        downloaded: Whether it is this program's own copy of a file in the web, which may be deleted.
    """

    source: str
    downloaded: bool

    @classmethod
    def of(cls, source: str) -> "Origin":
        """Return the origin of what `download` recorded under this source."""
        return cls(source, downloaded=source.startswith(("http://", "https://")))

    def message(self, path: Path, error: ArchiveError) -> str:
        """Return one line: which archive, what is wrong, and what to do.

        A download is fetched anew; a user's own file is never to be deleted.
        """
        if self.downloaded:
            advice = (
                f"delete {path} and run again, which downloads it anew"
                if isinstance(error, DamagedError)
                else f"name another source, or another dataset ({error.advice or LAYOUTS_ADVICE})"
            )
            return f"{path}: {error} (from {self.source}); {advice}"
        copied = "" if str(path) == self.source else f" (read as {path})"
        fallback = "copy it once more from where you have it" if isinstance(error, DamagedError) else LAYOUTS_ADVICE
        return f"{self.source}{copied}: {error}; {error.advice or fallback}"

"""Pack a finished run into one file: a Workflow Run RO-Crate."""

import re
import shlex
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from resbench.common.checkout import git_state
from resbench.common.errors import ResbenchError
from resbench.common.files import CHECKSUMS, atomic, read_checksums, read_json, require_writable
from resbench.common.progress import Progress, say
from resbench.common.variants import FOLDER_VARIABLE
from resbench.crate.contents import MARKDOWN, METADATA, README, VARIANTS, Member, lock_file, members
from resbench.crate.metadata import RunFacts, render_metadata
from resbench.crate.reading import is_crate
from resbench.report.inputs import read_summary
from resbench.report.schema import read_report
from resbench.verify.faults import check_files

OWN_WORKFLOW = Path(__file__).parents[2]  # of the checkout that this code is from
MIT = "https://spdx.org/licenses/MIT"
INCOMPRESSIBLE = {".keras", ".npz", ".onnx", ".png"}  # weights, noise, or compressed already
DATE = (1980, 1, 1, 0, 0, 0)  # of every file: the same results give the same bytes
BLOCK = 1 << 20


def pack_results(
    results: Path, crate: Path, *, workflow: Path = OWN_WORKFLOW, license: str = MIT, author: str = ""
) -> None:
    """Write the crate of a finished run; it appears complete or not at all.

    Args:
        results: Folder of the run.
        crate: Zip archive to write; an earlier crate is replaced.
        workflow: Folder of the Snakefile that made the run.
        license: Licence of the results: a URL, or a text.
        author: Who ran it, such as `Ada Lovelace <https://orcid.org/0000-0000-0000-0000>`.

    Raises:
        ResbenchError: The folder does not hold a finished run, a file is not the one that its checksums name, one that
            the crate needs is missing, another file is where the crate is to be, or the author is not a name and a URL.
    """
    if crate.exists() and not is_crate(crate):
        raise ResbenchError(f"{crate}: is there, and is not a crate that could be replaced; name another file")
    require_writable(crate)
    person = _person(author)
    sums = sorted(results.glob(f"{CHECKSUMS}*"))
    if results / CHECKSUMS not in sums:
        raise ResbenchError(f"{results / CHECKSUMS}: no such file; {results} is not a finished run")
    hosts = [host for path in sorted(results.glob("latency/*/host.json")) if isinstance(host := read_json(path), dict)]
    packages = {str(name) for host in hosts for name in _mapping(host.get("packages"))}
    lock = lock_file(packages)
    files = members(results, workflow, lock)
    for path in sums:
        for fault in check_files(results, read_checksums(path, outside=True)):
            raise ResbenchError(f"{fault}; `resbench verify {results}` says more")
    facts = _facts(results, hosts, lock, license, person)
    own_variants = any(name.startswith(f"{VARIANTS}/") for name in files)
    files[README] = Member(_readme(crate, facts, own_variants).encode(), "What this crate holds", MARKDOWN)
    here = git_state()
    if workflow == OWN_WORKFLOW and here and here["commit"] != facts.commit:
        say(f"note: the workflow that is packed is of commit {here['commit']}, but the run of {facts.commit}")
    metadata = render_metadata(files, facts).encode()
    described = {METADATA: Member(metadata, "Description of the crate", "application/ld+json")} | files
    with atomic(crate) as temporary:
        _write(temporary, described)
    size = sum(member.size for member in described.values())
    say(f"{crate}: {len(described):,} files, {size / 1e6:,.1f} MB, {crate.stat().st_size / 1e6:,.1f} MB packed")


def _readme(crate: Path, facts: RunFacts, own_variants: bool) -> str:
    name = shlex.quote(crate.name)
    variable = f'{FOLDER_VARIABLE}="$PWD/{VARIANTS}" ' if own_variants else ""
    return f"""# {facts.title}

A finished run of resbench, as a Workflow Run RO-Crate. `report.html` is the report; `ro-crate-metadata.json` says what
each file is.

- Does the report follow from its raw files? `resbench verify {name}`
- Did a rerun give the same? `resbench compare {name} results`
- Run it again: unpack it, `pip install -r {facts.lock}`, then in its folder
  `{variable}snakemake --cores 4 -s workflow/Snakefile --directory FOLDER --configfile config/config.yaml`

The archive of images (SHA-256 `{facts.sha256}`) and the training images are not in it. Where none of the sources in
`config/config.yaml` is at hand, name a copy of the archive first in its `data.sources`.
"""


def _facts(results: Path, hosts: list[dict[str, Any]], lock: str, license: str, person: tuple[str, str]) -> RunFacts:
    summary = read_summary(results / "data/summary.json")
    dataset = str(read_report(results / "report.csv")["dataset"].iloc[0])
    variants = sorted({path.parents[1].name for path in results.glob("onnx/*/seed*/parity.json")})
    states = [_mapping(host.get("git")).get("commit") for host in hosts]
    return RunFacts(
        title=f"resbench: {', '.join(variants)} on {dataset}",
        dataset=dataset,
        source=str(summary.get("source") or ""),
        sha256=str(summary.get("sha256") or "unknown"),
        finished=max(
            (str(host["time_utc"]) for host in hosts if host.get("time_utc")), default="1970-01-01T00:00:00+00:00"
        ),
        commit=next((str(commit) for commit in states if commit), "unknown"),
        lock=lock,
        license=license,
        author=person[0],
        author_address=person[1],
    )


def _person(author: str) -> tuple[str, str]:
    """Return the name and the URL in `NAME <URL>`; empty where they are not given."""
    match = re.fullmatch(r"(?:([^<>]*[^<>\s])(?:\s*<(https?://[^<>\s]+)>)?)?", author.strip())
    if not match:
        raise ResbenchError(f"--author {author!r}: write a name, or 'NAME <URL>' as in 'Ada <https://orcid.org/…>'")
    return match[1] or "", match[2] or ""


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _write(path: Path, files: Mapping[str, Member]) -> None:
    total = sum(member.size for member in files.values())
    done = 0
    progress = Progress("pack")
    with zipfile.ZipFile(path, "w") as archive:
        for name, member in files.items():
            info = zipfile.ZipInfo(name, DATE)
            info.external_attr = (0o755 if member.is_program else 0o644) << 16
            info.compress_type = zipfile.ZIP_STORED if Path(name).suffix in INCOMPRESSIBLE else zipfile.ZIP_DEFLATED
            info.file_size = member.size  # from which zipfile sees whether 4 GB are enough
            with archive.open(info, "w") as target:
                for block in _blocks(member.source):
                    target.write(block)
                    done += len(block)
                    progress.update(done / max(total, 1), name)
    progress.clear()


def _blocks(source: Path | bytes) -> Iterator[bytes]:
    if isinstance(source, bytes):
        yield source
        return
    with source.open("rb") as stream:
        while block := stream.read(BLOCK):
            yield block

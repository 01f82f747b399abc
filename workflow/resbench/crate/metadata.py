"""The description of a crate: ro-crate-metadata.json, after Workflow Run Crate 0.5."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from rocrate.model.contextentity import ContextEntity
from rocrate.rocrate import ROCrate

from resbench.crate.contents import CONFIGURATION, README, WORKFLOW, Member
from resbench.data.origin import is_web_address

VERSION = "1.1"  # of RO-Crate, on which these profiles stand
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
WORKFLOW_PROFILE = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
SNAKEMAKE = "https://snakemake.readthedocs.io"
SPDX = "https://spdx.org/licenses/"


class RunFacts(NamedTuple):
    """What the description says of a run besides its files.

    Attributes:
        title: What was done, in one line.
        dataset: Title of the images.
        source: Where the images came from.
        sha256: Hash of their archive.
        finished: When the last timing ended, ISO 8601.
        commit: Of the code that timed, or a version.
        lock: Name of the lock file.
        license: Licence of the results: a URL, or a text.
        author: Who ran it; empty where nobody is named.
        author_address: URL that stands for the author, such as an ORCID; may be empty.
    """

    title: str
    dataset: str
    source: str
    sha256: str
    finished: str
    commit: str
    lock: str
    license: str
    author: str
    author_address: str


def render_metadata(files: Mapping[str, Member], facts: RunFacts) -> str:
    """Return the content of ro-crate-metadata.json.

    Args:
        files: Of the crate, by path; the workflow, the configuration and the results are among them.
        facts: Of the run.

    Returns:
        JSON.
    """
    crate = ROCrate(version=VERSION)
    crate.name = facts.title
    crate.description = (
        f"A finished run of resbench: networks trained on {facts.dataset}, exported to ONNX, measured and compared, "
        "with all raw predictions and timings. `resbench verify` recomputes the report from them."
    )
    crate.datePublished = facts.finished
    crate.license = _license(crate, facts.license)
    _add_files(crate, files)
    crate.root_dataset["conformsTo"] = [_profile(crate, *profile) for profile in PROFILES.items()]
    _add_run(crate, files, facts)
    return json.dumps(crate.metadata.generate(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _add_files(crate: ROCrate, files: Mapping[str, Member]) -> None:
    for name, member in files.items():
        properties = {
            "name": member.title,
            "encodingFormat": member.media_type,
            "contentSize": str(member.size),
        }
        if name == WORKFLOW:
            properties["name"] = "resbench"
            workflow = crate.add_workflow(dest_path=name, properties=properties, main=True, lang="snakemake")
            workflow["conformsTo"] = {"@id": WORKFLOW_PROFILE}
        else:
            crate.add_file(dest_path=name, properties=properties)
    crate.get(README)["about"] = crate.root_dataset


def _add_run(crate: ROCrate, files: Mapping[str, Member], facts: RunFacts) -> None:
    """Describe the run: which workflow made which results from what."""
    workflow, configuration = crate.mainEntity, crate.get(CONFIGURATION)
    workflow["version"] = facts.commit
    workflow["url"] = SNAKEMAKE
    images = _add(crate, "#images", "CreativeWork", name=f"Images: {facts.dataset}", identifier=facts.sha256)
    if is_web_address(facts.source):
        images["url"] = facts.source
    results = [crate.get(name) for name, member in files.items() if member.output]
    for direction, entities in {"input": [configuration], "output": results}.items():
        for entity in entities:
            parameter = crate.add_formal_parameter(
                entity.id, "File", identifier=f"#{direction}-{entity.id}", properties={"workExample": entity}
            )
            entity["exampleOfWork"] = parameter
            workflow.append_to(direction, parameter, compact=True)
    action = crate.add_action(
        workflow,
        "#run",
        object=[configuration, images],
        result=results,
        properties={
            "name": f"Run of resbench on {facts.dataset}",
            "description": facts.title,
            "endTime": facts.finished,
            "actionStatus": "http://schema.org/CompletedActionStatus",
        },
    )
    crate.root_dataset["mentions"] = action
    if facts.author:
        person = _add(crate, facts.author_address or "#author", "Person", name=facts.author)
        action["agent"] = crate.root_dataset["author"] = person


def _license(crate: ROCrate, license: str) -> Any:
    """Return a licence as an entity where it is a URL, otherwise its text."""
    if not license.startswith(("http://", "https://")):
        return license
    return _add(crate, license, "CreativeWork", name=license.removeprefix(SPDX), identifier=license)


def _profile(crate: ROCrate, address: str, named: tuple[str, str]) -> ContextEntity:
    name, version = named
    return _add(crate, address, "CreativeWork", name=name, version=version)


def _add(crate: ROCrate, place: str, kind: str, **properties: str) -> ContextEntity:
    return crate.add(ContextEntity(crate, place, properties={"@type": kind} | properties))

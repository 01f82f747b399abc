"""Validate a crate without a network; run by the Python of an environment with roc-validator.

    python validate_crate.py run.crate.zip context.jsonld

The validator has the profiles, but fetches the vocabulary (RO-Crate's JSON-LD context) from the web.  The package
rocrate brings that of version 1.3, the second file; the terms that were defined differently in 1.1 are set back here.
"""

import json
import sys
from pathlib import Path

from requests import Response
from rocrate_validator.models import Severity, ValidationSettings
from rocrate_validator.services import validate
from rocrate_validator.utils.http import HttpRequester

CONTEXT = "https://w3id.org/ro/crate/1.1/context"
PROFILE = "workflow-run-crate-0.5"
BIOSCHEMAS = "https://bioschemas.org"
DEFINED_DIFFERENTLY = {
    "ComputationalWorkflow": f"{BIOSCHEMAS}/ComputationalWorkflow",
    "FormalParameter": f"{BIOSCHEMAS}/FormalParameter",
    "input": f"{BIOSCHEMAS}/ComputationalWorkflow#input",
    "output": f"{BIOSCHEMAS}/ComputationalWorkflow#output",
}


def fetch(self: HttpRequester, url: str, **options: object) -> Response:
    """Answer in place of the web."""
    response = Response()
    response.url, response.status_code = url, 404
    if url == CONTEXT:
        text = Path(sys.argv[2]).read_text("utf-8")
        context = {"@context": json.loads(text)["@context"] | DEFINED_DIFFERENTLY}
        response.status_code, response._content = 200, json.dumps(context).encode()
        response.headers["Content-Type"] = "application/ld+json"
    return response


def main() -> None:
    HttpRequester.get = fetch
    settings = {"rocrate_uri": sys.argv[1], "profile_identifier": PROFILE, "requirement_severity": Severity.RECOMMENDED}
    result = validate(ValidationSettings(**settings))
    issues = [(str(issue.severity.name), str(issue.message)) for issue in result.get_issues(Severity.RECOMMENDED)]
    print(json.dumps({"checks": len(result.executed_checks), "issues": issues}))


main()

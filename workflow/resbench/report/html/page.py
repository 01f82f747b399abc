"""The page: the recommendation first, then the evidence, in one file that loads nothing."""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from resbench.benchmark.predictions import Predictions
from resbench.common.files import write_text
from resbench.common.templates import resource, template_environment
from resbench.report import format, prose
from resbench.report.document import Document, build_document
from resbench.report.environments import Environment
from resbench.report.html.mistakes import confusions, data_uri, wrong_everywhere
from resbench.report.html.page_figures import page_figures
from resbench.report.html.page_inputs import PageInputs
from resbench.report.html.rendering import Figure, chart_library, chart_library_name, write_figures
from resbench.report.operator_tables import operator_tables
from resbench.report.scenario_tables import scenario_tables

PAIRS, EXAMPLES = 6, 4  # pairs of classes that are confused most, and images of each
MISTAKES = 24  # images that no model gets right


def write_page(page: Path, folder: Path, inputs: PageInputs) -> None:
    """Write the page, and its figures.

    Args:
        page: The page, to write.
        folder: The figures as SVG and PNG, to write; an earlier one is replaced.
        inputs: What the page shows.

    Raises:
        ResbenchError: The folder holds something else, which would be deleted.
    """
    text, figures = render_page(inputs)
    write_figures(folder, figures)
    write_text(page, text)


def render_page(inputs: PageInputs) -> tuple[str, list[Figure]]:
    """Return the page as HTML, and its figures; the same inputs give the same text.

    Args:
        inputs: Everything that the page shows.

    Returns:
        The text, and the figures.
    """
    document = build_document(
        report=inputs.report,
        comparisons=inputs.comparisons,
        decided=inputs.recommendations,
        timings=inputs.timings,
        hosts=inputs.hosts,
        summary=inputs.summary,
        test_images=len(inputs.test.labels),
        robustness=inputs.robustness,
    )
    places = [section.environment for section in document.sections]
    shown = model_shown(inputs.predictions, places)
    drawn = page_figures(inputs, places, shown)
    return render(inputs, document, drawn, shown), [figure for group in drawn.values() for figure in group]


def model_shown(predictions: Sequence[Predictions], environments: Sequence[Environment]) -> list[Predictions]:
    """Return the predictions of the model whose mistakes are shown, for all seeds.

    Args:
        predictions: Predictions of all models.
        environments: The environments, with their recommendations; the one where bundles run comes first.

    Returns:
        Those of the first recommended model, or of the first model.
    """
    for place in environments:
        for recommendation in place.recommendations.values():
            wanted = (*recommendation.choice.key, place.provider)
            chosen = [p for p in predictions if _model(p) == wanted]
            if chosen:
                return chosen
    return [p for p in predictions if _model(p) == _model(predictions[0])]


def _model(one: Predictions) -> tuple[str, str, str]:
    return one.variant, one.precision, one.provider


def render(inputs: PageInputs, document: Document, drawn: dict[str, list[Figure]], shown: Sequence[Predictions]) -> str:
    """Return the page as HTML.

    Args:
        inputs: Everything that the page shows.
        document: The report.
        drawn: The charts of each part.
        shown: Predictions of the model whose mistakes are shown.

    Returns:
        The text of the page.
    """
    environment = template_environment("resbench.report.html")
    environment.globals |= {"format": format, "prose": prose}
    library, code = chart_library(), resource(environment, "page.js")
    return environment.get_template("page.html.j2").render(
        library=library,
        generator=f"resbench, {chart_library_name()}",
        code=code,
        style=resource(environment, "page.css"),
        # Only these two scripts may run and nothing may be fetched, whatever a file of results contains.
        script_hashes=[script_hash(library), script_hash(code)],
        document=document,
        scenarios=[] if inputs.scenarios is None else scenario_tables(inputs.scenarios, inputs.report),
        operators=[] if inputs.operators is None else operator_tables(inputs.operators),
        figures=drawn,
        specs={figure.name: figure.spec for group in drawn.values() for figure in group},
        shown=shown[0],
        confusions=_confusions(inputs, shown),
        mistakes=_mistakes(inputs),
        config=yaml.safe_dump(inputs.config, sort_keys=False, allow_unicode=True),
    )


def script_hash(script: str) -> str:
    """Return the hash by which the page's Content-Security-Policy allows a script.

    Args:
        script: Its text.

    Returns:
        The hash, without the quotes that the policy puts around it.
    """
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")


def _confusions(inputs: PageInputs, shown: Sequence[Predictions]) -> list[dict[str, Any]]:
    names = inputs.test.classes.tolist()
    return [
        {
            "true": names[pair.true],
            "taken": names[pair.taken],
            "share": f"{100 * pair.share:.1f}",
            "images": [(index, data_uri(inputs.test.images[index])) for index in pair.examples],
        }
        for pair in confusions(shown, pairs=PAIRS, examples=EXAMPLES)
    ]


def _mistakes(inputs: PageInputs) -> dict[str, Any]:
    names = inputs.test.classes.tolist()
    mistakes = wrong_everywhere(inputs.predictions)
    return {
        "count": len(mistakes),
        "models": len(inputs.predictions),
        "images": [
            {
                "index": mistake.image,
                "true": names[mistake.true],
                "taken": names[mistake.taken],
                "probability": f"{100 * mistake.probability:.0f}",
                "image": data_uri(inputs.test.images[mistake.image]),
            }
            for mistake in mistakes[:MISTAKES]
        ],
    }

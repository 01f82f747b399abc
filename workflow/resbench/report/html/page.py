"""One page: the recommendation first, then everything behind it, in one file that loads nothing."""

import base64
import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import jinja2
import yaml

from resbench.benchmark.predictions import Predictions
from resbench.common.files import write_text
from resbench.data.datasets import titled
from resbench.report import format, prose
from resbench.report.caveats import caveats
from resbench.report.html.comparison_view import comparison_view
from resbench.report.html.hosts import Host, hosts_of
from resbench.report.html.latency_view import latency_view
from resbench.report.html.mistakes import confusions, data_uri, wrong_everywhere
from resbench.report.html.page_figures import page_figures
from resbench.report.html.page_inputs import PageInputs
from resbench.report.html.rendering import Figure, chart_library, write_figures
from resbench.report.html.scenario_view import scenario_views
from resbench.report.html.table_view import Table, table_view

PAIRS, EXAMPLES = 6, 4  # classes confused most, and images of each
MISTAKES = 24  # images that no model gets right


def write_page(page: Path, folder: Path, inputs: PageInputs) -> None:
    """Write the page, and its figures as SVG and PNG into `folder`, which is replaced."""
    hosts = hosts_of(inputs.report, inputs.recommendations, inputs.timings)
    shown = model_shown(inputs.predictions, hosts)
    drawn = page_figures(inputs, hosts, shown)
    text = render(inputs, hosts, drawn, shown)
    write_figures(folder, [figure for group in drawn.values() for figure in group])
    write_text(page, text)


def model_shown(predictions: Sequence[Predictions], hosts: Sequence[Host]) -> list[Predictions]:
    """All seeds of the model whose mistakes are shown: the first recommendation's, or the first there is."""
    for host in hosts:
        for recommendation in host.recommendations.values():
            wanted = (*recommendation.choice.key, host.provider)
            found = [p for p in predictions if _model(p) == wanted]
            if found:
                return found
    return [p for p in predictions if _model(p) == _model(predictions[0])]


def _model(answer: Predictions) -> tuple[str, str, str]:
    return answer.variant, answer.precision, answer.provider


def render(
    inputs: PageInputs, hosts: Sequence[Host], drawn: dict[str, list[Figure]], shown: Sequence[Predictions]
) -> str:
    """The page as HTML."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("resbench.report.html"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"words": format, "prose": prose}
    library, code = chart_library(), _resource(environment, "page.js")
    datasets = list(inputs.report["dataset"].unique())
    published = all(titled(name).has_references for name in datasets)
    return environment.get_template("page.html.j2").render(
        library=library,
        code=code,
        style=_resource(environment, "page.css"),
        # Only these two scripts may run and nothing may be fetched, whatever a file of results contains.
        script_hashes=[_hash(library), _hash(code)],
        dataset=", ".join(datasets),
        experiment=_experiment(inputs),
        caveats=caveats(inputs.report, inputs.comparisons, inputs.hosts, _protocol(inputs.config)),
        hosts=[(host, _table(host, published), latency_view(host)) for host in hosts],
        scenarios=[] if inputs.scenarios is None else scenario_views(inputs.scenarios, inputs.report),
        figures=drawn,
        specs={figure.name: figure.spec for group in drawn.values() for figure in group},
        comparisons=comparison_view(
            inputs.comparisons, {one.choice.variant for host in hosts for one in host.recommendations.values()}
        ),
        shown=shown[0],
        confusions=_confusions(inputs, shown),
        mistakes=_mistakes(inputs),
        descriptions=[_description(host) for host in inputs.hosts],
        summary=inputs.summary,
        config=yaml.safe_dump(inputs.config, sort_keys=False, allow_unicode=True),
    )


def _resource(environment: jinja2.Environment, name: str) -> str:
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]


def _hash(script: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")


def _experiment(inputs: PageInputs) -> dict[str, Any]:
    """What was done, in numbers."""
    report = inputs.report
    return {
        "variants": report["variant"].nunique(),
        "precisions": " and ".join(report["precision"].unique()),
        "train_images": format.span(report["train_images"]),
        "epochs": format.span(report["epochs"]),
        "seeds": format.span(report["seeds"]),
        "test_images": f"{len(inputs.test.labels):,}",
    }


def _protocol(config: dict[str, Any]) -> str | None:
    training = config.get("training")
    return training.get("protocol") if isinstance(training, dict) else None


def _table(host: Host, published: bool) -> Table:
    chosen = {(*one.choice.key, *setting) for setting, one in host.recommendations.items()}
    return table_view(host.rows, chosen, published=published)


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
    found = wrong_everywhere(inputs.predictions)
    return {
        "count": len(found),
        "models": len(inputs.predictions),
        "images": [
            {
                "index": mistake.image,
                "true": names[mistake.true],
                "taken": names[mistake.taken],
                "probability": f"{100 * mistake.probability:.0f}",
                "image": data_uri(inputs.test.images[mistake.image]),
            }
            for mistake in found[:MISTAKES]
        ],
    }


def _description(host: dict[str, Any]) -> dict[str, Any]:
    """The facts of host.json that a reader asks for, and all of it."""
    git, packages, gpus = host.get("git"), host.get("packages"), host.get("gpus")
    facts = {
        "Provider": host.get("provider"),
        "Processor": host.get("processor"),
        "Cores": host.get("cores_available"),
        "Memory": f"{host['memory_gb']} GB" if host.get("memory_gb") else None,
        "GPU": ", ".join(str(gpu.get("name")) for gpu in gpus if isinstance(gpu, dict)) if gpus else None,
        "System": host.get("os"),
        "Python": host.get("python"),
        "Packages": ", ".join(f"{k} {v}" for k, v in packages.items()) if isinstance(packages, dict) else None,
        "Commit": _commit(git) if isinstance(git, dict) else None,
        "Measured": _day(host.get("time_utc")),
        "Load before / after": _loads(host),
    }
    return {
        "name": host["name"],
        "facts": {key: value for key, value in facts.items() if value},
        "json": json.dumps({k: v for k, v in host.items() if k != "measurements"}, indent=2, ensure_ascii=False),
    }


def _commit(git: dict[str, Any]) -> str:
    return f"{git.get('commit')}{' and uncommitted changes' if git.get('dirty') else ''}"


def _day(text: Any) -> str | None:
    try:
        return f"{datetime.fromisoformat(str(text)):%-d %B %Y, %H:%M} UTC"
    except ValueError:
        return None


def _loads(host: dict[str, Any]) -> str | None:
    loads = [host.get("load_average_before"), host.get("load_average_after")]
    if not all(isinstance(load, list) and load and isinstance(load[0], int | float) for load in loads):
        return None
    return " / ".join(f"{load[0]:.2f}" for load in loads if load) + " processes, one-minute average"

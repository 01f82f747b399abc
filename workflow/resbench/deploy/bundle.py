"""One deployable folder for a variant: a model as Triton serves it, its labels, and a card that tells what it is."""

import shutil
from pathlib import Path

from resbench.benchmark.predictions import load_predictions
from resbench.common.errors import ResbenchError
from resbench.common.files import atomic_folder, sha256
from resbench.deploy.card import Candidate, render_card
from resbench.deploy.deployment import Setting, choose, read_rows
from resbench.runtime.providers import BASE_PROVIDER, Provider, provider
from resbench.runtime.sessions import identify, open_session


def write_bundle(
    folder: Path, models: list[Path], predictions: list[Path], report: Path, setting: Setting, wanted: str
) -> None:
    """Write `folder`, whole or not at all.

    Args:
        folder: named as the served model will be; must not be there yet.
        models: one variant and seed, in every precision that may be deployed.
        predictions: what `evaluate` wrote for each of them with the setting's provider.
        report: report.csv.
        setting: where latencies are compared.
        wanted: a precision, or `fastest`: see `choose`.

    Raises:
        ResbenchError: a file is unreadable, they do not belong together, or nothing may be deployed.
    """
    candidates = match(models, predictions)
    variant = next(iter(candidates.values())).identity.variant
    rows = [row for row in read_rows(report, variant, setting.provider) if row.precision in candidates]
    here = [row for row in rows if (row.batch_size, row.threads) == (setting.batch_size, setting.threads)]
    chosen = choose(here, wanted, report)
    deployed = candidates[chosen.precision]
    times = [row for row in rows if row.precision == chosen.precision]
    classes = deployed.identity.classes
    with atomic_folder(folder) as temporary:
        (temporary / "1").mkdir()
        shutil.copyfile(deployed.model, temporary / "1" / "model.onnx")
        texts = {
            "config.pbtxt": triton_config(folder.name, len(classes), setting, max(row.batch_size for row in times)),
            "labels.txt": "".join(f"{name}\n" for name in classes),
            "README.md": render_card(deployed, candidates["fp32"], here, times, setting, wanted),
        }
        for name, text in texts.items():
            (temporary / name).write_text(text, encoding="utf-8")


def match(models: list[Path], predictions: list[Path]) -> dict[str, Candidate]:
    """By precision, each model with its own predictions.

    Raises:
        ResbenchError: a model without, or one of another variant or seed.
    """
    answers = {answer.model_sha256: answer for answer in map(load_predictions, predictions)}
    candidates: dict[str, Candidate] = {}
    for model in models:
        session = open_session(model, BASE_PROVIDER.name, 1)
        identity = identify(session, model)
        answer = answers.get(sha256(model))
        if answer is None or not identity.classes:
            raise ResbenchError(f"{model}: none of the --predictions is of this file; evaluate it again")
        for first in candidates.values():
            if (identity.variant, identity.seed) != (first.identity.variant, first.identity.seed):
                raise ResbenchError(f"{model}: of another variant or seed than {first.model}; bundle one at a time")
        facts = dict(session.metadata)
        candidates[identity.precision] = Candidate(model, identity, facts, answer)
    return candidates


def triton_config(name: str, classes: int, setting: Setting, largest_batch: int) -> str:
    """config.pbtxt for Triton's ONNX Runtime backend; requests that wait at the same time become one batch."""
    where = provider(setting.provider)
    return f"""\
name: "{name}"
backend: "onnxruntime"
max_batch_size: {largest_batch}
input [ {{ name: "image" data_type: TYPE_UINT8 dims: [ 32, 32, 3 ] }} ]
output [ {{ name: "probabilities" data_type: TYPE_FP32 dims: [ {classes} ] label_filename: "labels.txt" }} ]
dynamic_batching {{ }}
instance_group [ {{ count: 1 kind: {where.triton_kind} }} ]
parameters {{ key: "intra_op_thread_count" value: {{ string_value: "{setting.threads}" }} }}
{_accelerator(where)}"""


def _accelerator(where: Provider) -> str:
    """The part of config.pbtxt without which Triton's ONNX Runtime backend uses its default, the CPU's or CUDA."""
    if not where.triton_accelerator:
        return ""
    kind = f"{'gpu' if where.needs_gpu else 'cpu'}_execution_accelerator"
    return f'optimization {{ execution_accelerators {{ {kind} : [ {{ name : "{where.triton_accelerator}" }} ] }} }}\n'

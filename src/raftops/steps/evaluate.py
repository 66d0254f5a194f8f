"""evaluate: held-out questions to the arms and to the served answerer; a report, and the gates.

Deterministic measures only. Asks nothing that was trained on: only examples of the test split.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

from raftops.access import AccessPolicies
from raftops.answer.answering import Answerer
from raftops.answer.judgement import judgement_in
from raftops.answer.router import Router as Routing
from raftops.answer.router import calibrated
from raftops.data.records import Example
from raftops.errors import DataRejected, StepError
from raftops.evaluation.gates import every_gate
from raftops.evaluation.generations import Model, Models
from raftops.evaluation.origin import origin
from raftops.evaluation.page import write_report
from raftops.evaluation.questions import ANSWERABLE, held_out, sources_of
from raftops.evaluation.ranking import Weighted
from raftops.evaluation.report import Report, staleness
from raftops.evaluation.study import Bench, Study
from raftops.evaluation.summary import Summariser
from raftops.evaluation.unmeasured import can_be_measured, write_unmeasured
from raftops.extras import of_extra
from raftops.files import read_json, read_jsonl, sha256_file, sha256_json, sha256_tree, write_json
from raftops.generation.openvino import OpenVinoGenerator
from raftops.models import resolve
from raftops.progress import progress
from raftops.release.parts import EVIDENCE
from raftops.retrieval.hybrid import open_index
from raftops.retrieval.memo import one_turn
from raftops.retrieval.reranker import reranker_in
from raftops.spec.figures import MODELS
from raftops.spec.model.learning import Evaluate, Prompt
from raftops.spec.model.serving import Router

Metrics = dict[str, float]


def evaluate(  # noqa: PLR0913  one argument per artifact
    config: Evaluate,
    prompt: Prompt,
    router: Router,
    title: str,
    accepted: Path,
    built: Path,
    adapters: Path,
    report: Path,
    cache: Path,
) -> Metrics:
    """Measure, and write `report.json`, `report.html`, `answers.jsonl`, CSV and `router.json`. Says if the gates pass.

    Where no example with an answer is held out, nothing is asked, and the report says so.

    Raises:
        DataRejected: questions are held out, and none of them can be asked.
    """
    access = AccessPolicies.model_validate(read_json(accepted / "access.json"))
    sources = sources_of(built)
    examples = [Example.model_validate(row) for _, row in read_jsonl(accepted / "examples.jsonl")]
    if not can_be_measured(examples):
        write_unmeasured(title, config, prompt, examples, adapters, report)
        write_json(report / "router.json", router.model_dump(mode="json"))
        progress("evaluate", 1, 1, "nothing to evaluate: no example is held out")
        return {}
    held = held_out(config, examples, access, sources)
    if not any(question.kind == ANSWERABLE for question in held.questions):
        reason = f" ({held.left_out[0][0]}: {held.left_out[0][1]})" if held.left_out else ""
        advice = "raise data.splits.test or add examples to data.examples"
        raise DataRejected(f"no answerable held-out question can be asked{reason}", next_step=advice)

    models = Models(served_models(adapters, cache, words=bool(prompt.formats)), cache)
    with open_index(built, prompt.dense_share) as library, one_turn():
        single = {"bm25": Weighted(library, 0.0), "dense": Weighted(library, 1.0)}
        router, choosing = calibrated(router, examples, library.embedder), adapters / EVIDENCE
        answerer = Answerer(
            library=library,
            generator=models["base"],
            prompt=prompt,
            router=Routing(router, library.embedder),
            title=title,
            judgement=judgement_in(choosing),
            reranker=reranker_in(choosing),
        )
        bench = Bench(answerer, single, models, access, sources)
        summariser = Summariser(config)
        findings = Study(config, bench, held).run(summariser.winner)
    training = adapters / "train.json"
    findings.continued = training.is_file() and bool(read_json(training).get("raft", {}).get("init_from"))
    behind = staleness(adapters, sources, access)
    rows = {f"trained.{name}": int(behind[name]) for name in ("stale_rows", "tainted_rows")} if behind else {}
    summary = replace(summariser.summary(findings), behind=rows)
    gates = every_gate(config.gates, findings, summary)
    made_of = origin(accepted, built, adapters)
    write_report(Report(title, config, findings, summary, gates, behind, made_of), report)
    write_json(report / "router.json", router.model_dump(mode="json"))  # what was measured is what is released
    return summary.metrics


def served_models(adapters: Path, cache: Path, words: bool = False) -> dict[str, Model]:
    """The models that the step train left: GGUF files for OpenVINO, or else adapters beside their base.

    With `words` they are loaded with what holding a reply to a format needs.
    """
    served = {name: adapters / "served" / f"{name}.gguf" for name in MODELS}
    if served["raft"].is_file():
        engine = f"openvino-genai {version('openvino-genai')}"
        return {
            name: Model(
                sha256_json([sha256_file(gguf), engine]), partial(OpenVinoGenerator, gguf, words=words), holds=True
            )
            for name, gguf in served.items() if gguf.is_file()
        }  # fmt: skip

    about = read_json(adapters / "train.json")
    if not (adapters / "raft").is_dir():
        raise StepError(f"{adapters}: no adapter", next_step="run the train step again")
    why = f"{about['base']} has no GGUF form for OpenVINO ({about.get('not_served') or 'not written'})"
    generator = of_extra("raftops.generation.transformers", "generation", why).TransformersGenerator
    engine, base = f"transformers {version('transformers')}", resolve(str(about["base"]), cache)
    models = {}
    for name in MODELS:
        adapter = None if name == "base" else adapters / name
        if adapter is None or adapter.is_dir():
            digest = sha256_json([base.digest, sha256_tree(adapter) if adapter else "", engine])
            models[name] = Model(digest, partial(generator, base.path, adapters / "tokenizer", adapter))
    return models

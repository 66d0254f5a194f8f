"""A run as a page, `latest/<assistant>/index.html`: its steps, what changed in spec and data since the run before, and
links to the page of every step.

Shows paths, settings and names of documents, no text of any. Fetches nothing, runs no script.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from difflib import unified_diff
from html import escape
from pathlib import Path

import yaml

from pipelines.runs.record import RunRecord, Store
from pipelines.wiring.steps import TABLE
from raftops.files import write_text
from raftops.spec.model.assistant import Assistant
from raftops.spec.model.base import STEPS, as_json
from raftops.svg import palette

SPEC = "spec.yaml"
"""Beside a run's record: the spec as it was merged, so that the next run can say what changed."""
NAMES = 40
"""Names of documents or examples that one line shows."""
_STYLE = f"""
:root {{ color-scheme: light dark; {palette()} }}
@media (prefers-color-scheme: dark) {{ :root {{ {palette(dark=True)} }} }}
body {{ max-width: 64rem; margin: 2rem auto; padding: 0 1rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, "Segoe UI", Helvetica, Arial, sans-serif; }}
a {{ color: var(--accent); }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ text-align: left; padding: .35rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }}
th, .soft {{ color: var(--soft); }}
td {{ overflow-wrap: anywhere; }}
pre {{ overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; padding: .7rem; font-size: .85rem; }}
.plus {{ color: var(--good); }} .minus {{ color: var(--bad); }}
"""


def keep_spec(store: Store, record: RunRecord, assistant: Assistant) -> None:
    """Write the merged spec beside the run's record. Secrets are named in it, never written."""
    text = yaml.safe_dump(as_json(assistant), sort_keys=False, allow_unicode=True, width=100)
    write_text(store.runs / record.run_id / SPEC, text)


def write_page(store: Store, record: RunRecord) -> Path:
    """Write the page of a run that ended, against the one before it that ended well; returns its path."""
    others = [
        other
        for other in store.records(record.name)
        if (other.sequence, other.run_id) < (record.sequence, record.run_id)
    ]
    before = next((other for other in others if other.status == "done"), None)
    folder = store.latest / record.name
    write_text(folder / "index.html", _page(store, record, before, folder))
    return folder / "index.html"


def _page(store: Store, record: RunRecord, before: RunRecord | None, folder: Path) -> str:
    title = f"Run {record.run_id} of {record.name}"
    minutes, seconds = divmod(round(record.seconds), 60)
    files = Path(os.path.relpath(store.runs, folder.resolve())) / record.run_id
    logs = sorted(path.name for path in (store.runs / record.run_id).glob("*.log"))
    links = [*(name for name in ("run.json", SPEC, "pipeline.yaml")), *logs]
    policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>",
            f"<p>Started {escape(record.started)}, {minutes} min {seconds} s, {escape(record.status)}. "
            f"Its files: {', '.join(_link(files / name, name) for name in links)}.</p>",
            "<h2>Steps</h2>",
            *_steps(record, folder),
            f'<h2 id="spec">What changed in the spec</h2>\n<p>{escape(record.spec)}</p>',
            *_spec(store, record, before),
            '<h2 id="data">What changed in the data</h2>',
            f"<p>DVC: {escape(record.dvc or 'no pointer file')}.</p>",
            *_data("documents", record.documents, before.documents if before else None),
            *_data("examples", record.examples, before.examples if before else None),
            "</body>\n</html>\n",
        ]
    )


def _link(path: Path, words: str) -> str:
    return f'<a href="{escape(path.as_posix())}">{escape(words)}</a>'


def _steps(record: RunRecord, folder: Path) -> Iterator[str]:
    yield "<table><tr><th>Step</th><th></th><th>Seconds</th><th>Figures</th><th>Where to look</th></tr>"
    for step in (step for step in STEPS if step in record.steps):
        state, row = record.steps[step], TABLE[step]
        page = Path(step) / row.page
        there = _link(page, page.name) if (folder / page).is_file() else ""
        figures = ", ".join(f"{name} {state.metrics[name]:,.6g}" for name in row.figures if name in state.metrics)
        took = f"{state.seconds:.0f}" if state.status == "done" else ""
        cells = (step, escape(state.status), took, escape(figures), there)
        yield f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
    yield "</table>"


def _spec(store: Store, record: RunRecord, before: RunRecord | None) -> Iterator[str]:
    if before is None:
        yield '<p class="soft">The first run: there is nothing to compare with.</p>'
        return
    old, new = (store.runs / run.run_id / SPEC for run in (before, record))
    if not (old.is_file() and new.is_file()):
        yield f'<p class="soft">The spec of run {escape(before.run_id)} was not kept.</p>'
        return
    was, now = (path.read_text(encoding="utf-8").splitlines() for path in (old, new))
    lines = list(unified_diff(was, now, f"run {before.run_id}", f"run {record.run_id}", lineterm="", n=2))
    if lines:
        classes = {"+": "plus", "-": "minus", "@": "soft"}
        marked = (f'<span class="{classes.get(line[:1], "")}">{escape(line)}</span>' for line in lines)
        yield "<pre>" + "\n".join(marked) + "</pre>"
    else:
        yield f"<p>Nothing since run {escape(before.run_id)}.</p>"


def _data(what: str, now: Mapping[str, str], then: Mapping[str, str] | None) -> Iterator[str]:
    yield f"<h3>{what.capitalize()}: {len(now)}</h3>"
    if then is None:
        return
    came, gone = sorted(now.keys() - then.keys()), sorted(then.keys() - now.keys())
    changed = sorted(name for name in now.keys() & then.keys() if now[name] != then[name])
    for words, names in (("new", came), ("changed", changed), ("gone", gone)):
        if names:
            yield f"<p>{len(names)} {words}: {escape(_named(names))}</p>"
    if not (came or gone or changed):
        yield "<p>Nothing.</p>"


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMES} more" if len(names) > NAMES else ""
    return ", ".join(names[:NAMES]) + more

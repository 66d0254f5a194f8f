"""The server of the user's context as the authority: `kubectl apply --dry-run=server`, and its refusals as findings."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path as File
from tempfile import TemporaryDirectory

from pipelines.manifests.read import kubectl
from pipelines.manifests.resource import Finding, Resource
from raftops.errors import ManifestError

_START = re.compile(r"^(?=The \S+ \"|Error from server|error: |Unable to connect|The connection to)", re.MULTILINE)
_INVALID = re.compile(r'The ([^."]+)\S* "([^"]+)" is invalid: ?(.*)', re.DOTALL)
_CAUSE = re.compile(r"(?:\* )?(?:(?P<path>[\w.\[\]/-]+): )?(?P<what>.+)")
_FIELD = re.compile(r'unknown field "([^"]+)"')
_FILE = re.compile(r'"[^"]*?(\d{4})\.json"')
_UNREACHED = re.compile(
    r"Unable to connect|The connection to|no configuration|context \S+ does not exist|Unauthorized|dial tcp"
)
_NEXT = {
    r"namespaces .* not found": "kubectl apply the Namespace first, then check again: the resource was not tried",
    "no matches for kind": "install the operator's CustomResourceDefinition first",
    "is forbidden": "ask for the right, or for the quota",
}


def ask(resources: Sequence[Resource], context: str = "") -> list[Finding]:
    """What the server refuses of resources; nothing is stored there. ManifestError where there is no answer."""
    with TemporaryDirectory() as folder:
        # One file each, since a refusal may name the file alone.
        for number, resource in enumerate(resources):
            (File(folder) / f"{number:04}.json").write_text(json.dumps(resource.body, default=str), encoding="utf-8")
        words = ["apply", "--dry-run=server", "--validate=strict", "-f", folder]
        words += ["--context", context] if context else []
        done = kubectl(words, (None, str(File(sys.executable).parent)), 300)
    refusals = [text.strip() for text in _START.split(done.stderr) if _START.match(text)]
    lost = [text for text in refusals if _UNREACHED.search(text)]
    if done.returncode and (lost or not refusals):
        what = (lost or [done.stderr.strip()])[0].partition("\n")[0]
        raise ManifestError(f"no answer from the server: {what}", next_step="kubectl cluster-info")
    return list(dict.fromkeys(finding for text in refusals for finding in _findings(resources, text)))


def _findings(resources: Sequence[Resource], text: str) -> Iterator[Finding]:
    """One refusal, of a resource that it names by its file, or by kind and name."""
    number, invalid = _FILE.search(text), _INVALID.match(text)
    of = [resources[int(number[1])]] if number else []
    what = " ".join(text.split()).partition('.json": ')[2] or text
    if invalid:
        kind, name, what = invalid.groups()
        of = [one for one in resources if (one.kind, one.name) == (kind, name)]
    rows = [(path, "unknown field") for path in _FIELD.findall(what)]
    causes = [_CAUSE.match(line.strip()) for line in what.splitlines() if not rows and line.strip()]
    mend = next((mend for form, mend in _NEXT.items() if re.search(form, what)), "correct it: the server refuses it")
    for path, wrong in [*rows, *((cause["path"] or ".", cause["what"]) for cause in causes if cause)]:
        yield Finding(of[0].label if of else "server", path, wrong, mend)

"""`--server`: refusals of a server, as kubectl prints them, become findings. kubectl is a stand-in of a few lines."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.manifests import Resource, ask
from raftops.errors import ManifestError

SERVICE = Resource({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "a"}})
CLAIM = Resource({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "disk", "namespace": "a"}})
BOTH = [SERVICE, CLAIM]
Kubectl = Callable[[str, int], None]


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kubectl:
    """Puts a kubectl on the PATH that notes its words, keeps the files, says a text and ends so."""

    def put(text: str, code: int = 1) -> None:
        (tmp_path / "text").write_text(text, encoding="utf-8")
        program = tmp_path / "kubectl"
        script = f'#!/bin/sh\necho "$@" > {tmp_path}/words\ncp "$5"/*.json {tmp_path}\n'
        program.write_text(f'{script}sed "s|FOLDER|$5|g" {tmp_path}/text >&2\nexit {code}\n', encoding="utf-8")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    return put


def test_nothing_is_stored_and_the_server_reads_what_was_rendered(kubectl: Kubectl, tmp_path: Path) -> None:
    kubectl("", 0)
    assert ask(BOTH, "prod") == []
    words = (tmp_path / "words").read_text(encoding="utf-8").split()
    assert words[:4] == ["apply", "--dry-run=server", "--validate=strict", "-f"] and words[5:] == ["--context", "prod"]
    assert json.loads((tmp_path / "0001.json").read_text(encoding="utf-8")) == CLAIM.body


def test_each_cause_of_a_refusal_is_a_finding_at_its_field(kubectl: Kubectl) -> None:
    kubectl(
        'The Service "web" is invalid: \n* spec.ports[0].port: Invalid value: 0: must be between 1 and 65535\n'
        '* spec.type: Unsupported value: "x"\n'
        'The PersistentVolumeClaim "disk" is invalid: spec.accessModes: Required value: at least 1 access mode\n'
    )
    found = [(f.resource, f.path, f.what) for f in ask(BOTH)]
    assert found == [
        ("Service a/web", "spec.ports[0].port", "Invalid value: 0: must be between 1 and 65535"),
        ("Service a/web", "spec.type", 'Unsupported value: "x"'),
        ("PersistentVolumeClaim a/disk", "spec.accessModes", "Required value: at least 1 access mode"),
    ]


@pytest.mark.parametrize(
    ("text", "path", "what", "next_step"),
    [
        ('Error from server (BadRequest): error when creating "FOLDER/0000.json": Service in version "v1" cannot be '
         'handled as a Service: strict decoding error: unknown field "spec.prots"', "spec.prots", "unknown field",
         "correct it"),
        ('Error from server (NotFound): error when creating "FOLDER/0000.json": namespaces "a" not found', ".",
         'namespaces "a" not found', "kubectl apply the Namespace first"),
        ('Error from server (Forbidden): error when creating "FOLDER/0000.json": services "web" is forbidden: exceeded '
         "quota", ".", "exceeded quota", "ask for the right"),
        ('error: resource mapping not found for name: "web" namespace: "a" from "FOLDER/0000.json": no matches for '
         'kind "Service" in version "v9"\nensure CRDs are installed first', ".", "no matches for kind",
         "install the operator"),
    ],
)  # fmt: skip
def test_a_refusal_that_names_a_file_is_about_its_resource(
    kubectl: Kubectl, text: str, path: str, what: str, next_step: str
) -> None:
    kubectl(text + "\n")
    [finding] = ask(BOTH)
    assert (finding.resource, finding.path) == ("Service a/web", path)
    assert what in finding.what and next_step in finding.next_step


@pytest.mark.parametrize(
    "text",
    [
        "The connection to the server localhost:8080 was refused - did you specify the right host or port?",
        'error: context "prod" does not exist',
        "error: You must be logged in to the server (Unauthorized)",
        "flag provided but not defined",
    ],
)
def test_without_an_answer_there_is_no_verdict(kubectl: Kubectl, text: str) -> None:
    kubectl(text + "\n")
    with pytest.raises(ManifestError, match="no answer from the server") as caught:
        ask(BOTH)
    assert text.splitlines()[0] in str(caught.value) and "kubectl" in caught.value.next_step


def test_the_real_kubectl_without_a_server_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config"
    config.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: none\n"
        "contexts: [{name: none, context: {cluster: none, user: none}}]\nusers: [{name: none, user: {}}]\n"
        "clusters: [{name: none, cluster: {server: 'http://127.0.0.1:9'}}]\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("KUBECONFIG", str(config))
    with pytest.raises(ManifestError, match="no answer from the server"):
        ask([SERVICE])

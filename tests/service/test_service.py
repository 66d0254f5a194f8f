"""The whole service with the packaged models: BentoML, JWT-less laptop identity, Milvus Lite, OpenVINO."""

import json
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import openai
import pytest

from raftops.release.current import promote, read_current, rollback
from raftops.release.release import open_release, write_release
from raftops.service.chain import check, digest_with, read, segments
from raftops.service.client import ask, search
from raftops.spec.model.learning import Prompt
from raftops.spec.model.serving import Router
from raftops.steps.deploy import deploy
from tests.service.release_files import TEXTS, tree_digest

BONUS = "How large is the bonus pool?"


@pytest.mark.slow
def test_the_service_needs_no_torch_and_no_transformers():
    code = (
        "import sys, raftops.service.service, raftops.service.app, raftops.service.serving, raftops.service.loading;"
        "import raftops.service.weights, raftops.generation.openvino;"
        "found = {'torch', 'transformers', 'peft', 'trl', 'great_expectations', 'kfp'} & set(sys.modules);"
        "assert not found, found"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_what_opens_and_follows_releases_knows_no_http_framework():
    code = (
        "import sys, raftops.service.serving, raftops.service.loading, raftops.service.weights, raftops.service.live;"
        "found = {'fastapi', 'starlette', 'bentoml', 'uvicorn'} & set(sys.modules);"
        "assert not found, found"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_the_module_that_bentoml_imports_twice_is_light():
    code = (
        "import sys, raftops.service.service;"
        "found = {'pymilvus', 'openvino', 'onnxruntime', 'numpy', 'fastapi', 'pyarrow'} & set(sys.modules);"
        "assert not found, found"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def client(running, user="everyone"):
    return openai.OpenAI(base_url=f"{running.url}/v1", api_key=running.users[user].token, max_retries=0)


def get(url, token=""):
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.status, answer.read().decode()


@pytest.mark.model
def test_deploy_asked_the_release_before_it_became_current(deployed):
    figures = deployed.figures
    assert figures["questions"] == 1 and figures["start_seconds"] > 0 and figures["slowest_answer_seconds"] > 0
    pointer = json.loads((deployed.folder / "artifact" / "release.json").read_text())
    assert read_current(deployed.releases).hash == pointer["hash"][:16]
    assert not list(deployed.releases.glob("*.log")) and open_release(Path(pointer["path"])).arm == "base+rag"


@pytest.mark.model
def test_who_was_shown_what_is_kept_by_the_real_service(running, deployed):
    answer = ask(running.url, running.users["managers"].token, BONUS)
    cited = {citation["doc_id"] for citation in answer["citations"]}
    with pytest.raises(urllib.error.HTTPError) as denied:
        get(f"{running.url}/v1/models", "nobody")
    [(name, files)] = segments(deployed.folder / "audit").items()
    *_, shown, refused = read(files)
    assert shown["principal"] == {"subject": "managers"} and shown["release"] == answer["release"]
    assert cited <= {one["doc"] for one in shown["documents"] if "cited" in one["as"]}
    assert (refused["status"], refused["request"]) == (401, denied.value.headers["x-request-id"])
    assert check(name, files, digest_with()).problems == []


@pytest.mark.model
def test_deploying_the_same_again_changes_nothing_and_starts_nothing(deployed):
    before = tree_digest(deployed.releases)
    again = deploy(
        deployed.config,
        Prompt(least_confidence=0),
        Router(),
        deployed.parts,
        deployed.releases,
        deployed.folder / "artifact2",
    )
    assert "start_seconds" not in again and tree_digest(deployed.releases) == before


@pytest.mark.model
def test_the_unchanged_openai_client_gets_a_cited_answer(running):
    answer = client(running, "managers").chat.completions.create(
        model="handbook", messages=[{"role": "user", "content": BONUS}], temperature=0.2
    )
    extra = answer.model_extra
    assert "4.2" in answer.choices[0].message.content and extra["grounded"] and not extra["abstained"]
    (citation,) = extra["citations"]
    assert citation["quote"] in TEXTS["managers/bonus.md"] and citation["doc_id"] == "managers/bonus.md"
    assert answer.usage.total_tokens > 0 and extra["release"]


@pytest.mark.model
def test_the_unchanged_openai_client_streams_the_same_answer(running):
    asked = {"model": "handbook", "messages": [{"role": "user", "content": BONUS}]}
    whole = client(running, "managers").chat.completions.create(**asked)
    chunks = list(client(running, "managers").chat.completions.create(**asked, stream=True))
    assert chunks[0].choices[0].delta.role == "assistant"
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text == whole.choices[0].message.content and len(chunks) > 3
    assert chunks[-1].model_extra["citations"] == whole.model_extra["citations"]


@pytest.mark.model
def test_who_may_not_read_gets_no_byte(running):
    answer = ask(running.url, running.users["employees"].token, BONUS)
    found = search(running.url, running.users["employees"].token, BONUS, top_k=50)
    assert answer["abstained"] and "4.2 percent" not in json.dumps(answer)
    assert found["data"] and "bonus" not in json.dumps(found).lower()
    assert search(running.url, running.users["managers"].token, BONUS)["data"][0]["doc_id"] == "managers/bonus.md"


@pytest.mark.model
def test_the_openai_client_raises_its_own_errors(running):
    with pytest.raises(openai.AuthenticationError, match="unknown token"):
        openai.OpenAI(base_url=f"{running.url}/v1", api_key="x", max_retries=0).models.list()
    with pytest.raises(openai.NotFoundError, match="serves the model handbook"):
        client(running).chat.completions.create(model="gpt-4", messages=[{"role": "user", "content": "x"}])
    with pytest.raises(openai.BadRequestError, match="at most"):
        client(running).chat.completions.create(model="handbook", messages=[{"role": "user", "content": "x" * 2001}])
    assert [model.id for model in client(running).models.list()] == ["handbook"]


@pytest.mark.model
def test_health_and_metrics_need_no_token_and_tell_nothing(running):
    assert get(f"{running.url}/livez")[0] == get(f"{running.url}/readyz")[0] == 200
    ask(running.url, running.users["everyone"].token, "Where is the zebra crossing?")
    text = get(running.metrics)[1]
    assert 'raftops_requests_total{endpoint="chat",status="200"}' in text and "zebra" not in text.lower()
    log = running.log.read_text()
    assert "zebra" not in log and running.users["everyone"].token not in log


@pytest.mark.model
def test_the_port_of_the_service_has_no_metrics_and_no_index_listens_beside_it(running):
    with pytest.raises(urllib.error.HTTPError) as raised:
        get(f"{running.url}/metrics")
    assert raised.value.code == 404
    ports = {urlsplit(address).port for address in (running.url, running.metrics)}
    assert listening(running.service.pid) == ports


def listening(pid):
    """TCP ports on which a process and its children listen."""
    pids, sockets = [pid], set()
    for one in pids:
        pids += [int(child) for child in Path(f"/proc/{one}/task/{one}/children").read_text().split()]
        sockets |= {link for file in Path(f"/proc/{one}/fd").iterdir() if (link := readlink(file))}
    rows = [line.split() for kind in ("tcp", "tcp6") for line in Path(f"/proc/net/{kind}").read_text().splitlines()[1:]]
    return {int(r[1].rpartition(":")[2], 16) for r in rows if r[3] == "0A" and f"socket:[{r[9]}]" in sockets}


def readlink(file):
    try:
        return str(file.readlink())
    except OSError:
        return ""


@pytest.mark.model
def test_a_path_becomes_neither_a_label_nor_a_line_of_the_log(running):
    with pytest.raises(urllib.error.HTTPError) as raised:
        get(f"{running.url}/v1/zanzibar")
    assert raised.value.code == 404 and set(json.loads(raised.value.read())["error"]) >= {"message", "code"}
    assert "zanzibar" not in get(running.metrics)[1] + running.log.read_text()


@pytest.mark.model
def test_many_at_once_all_get_their_own_answer(running):
    expected = {user: ask(running.url, running.users[user].token, BONUS)["abstained"] for user in running.users}
    wrong = []

    def one(user):
        answer = ask(running.url, running.users[user].token, BONUS, timeout_seconds=120)
        if answer["abstained"] != expected[user] or (user == "employees" and "4.2" in json.dumps(answer)):
            wrong.append((user, answer))

    threads = [threading.Thread(target=one, args=(user,)) for user in [*running.users] * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and expected["employees"]


@pytest.mark.model
def test_serving_leaves_the_release_as_it_was(running, deployed):
    open_release(deployed.releases / read_current(deployed.releases).hash)


@pytest.mark.model
def test_a_promoted_release_is_taken_up_and_given_back_without_a_failed_answer(running, deployed):
    first = read_current(deployed.releases).hash
    second = write_release(
        deployed.config, Prompt(units=4, least_confidence=0), Router(), deployed.parts, deployed.releases
    )
    promote(deployed.releases, second.hash)
    assert wait_for(running, second.short)
    rollback(deployed.releases)
    assert wait_for(running, first)


def wait_for(running, release):
    """Ask until this release answers; every answer on the way is a whole one."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        answer = search(running.url, running.users["everyone"].token, "leave")
        assert answer["data"]
        if answer["release"] == release:
            return True
        time.sleep(0.2)
    return False

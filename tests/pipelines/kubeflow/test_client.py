from __future__ import annotations

import socket
import warnings
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import urllib3

from pipelines.kubeflow.client import Endpoint, Server, Unreachable, endpoint_of
from raftops.errors import ClusterError
from raftops.spec.model.platform import Kubeflow
from tests.standin.runs import scripted
from tests.standin.server import Cluster
from tests.standin.server import Server as StandIn
from tests.standin.tiny import DONE, pipeline


@pytest.fixture
def cluster() -> Cluster:
    return Cluster(scripted(*DONE))


@pytest.fixture
def standin(cluster: Cluster) -> Iterator[StandIn]:
    with StandIn(cluster) as standin:
        yield standin


class TestWhereKubeflowIs:
    def test_the_spec_comes_before_the_environment_and_an_option_before_both(self) -> None:
        environment = {"KFP_ENDPOINT": "http://environment", "KFP_NAMESPACE": "team"}
        assert endpoint_of(Kubeflow(), environment) == Endpoint("http://environment", "team", any_token, "KFP_TOKEN")
        section = Kubeflow(endpoint="http://spec/", namespace="mine")
        assert endpoint_of(section, environment).url == "http://spec"
        assert endpoint_of(section, environment).namespace == "mine"
        assert endpoint_of(section, environment, "http://option").url == "http://option"
        assert endpoint_of(Kubeflow(), {"KF_PIPELINES_ENDPOINT": "http://kfp"}).url == "http://kfp"

    def test_none_is_one_line_with_a_next_step(self) -> None:
        with pytest.raises(ClusterError, match="no Kubeflow endpoint is named") as caught:
            endpoint_of(Kubeflow(), {})
        assert "KFP_ENDPOINT" in caught.value.next_step

    def test_what_is_no_address_is_said(self) -> None:
        with pytest.raises(ClusterError, match="not an address"):
            endpoint_of(Kubeflow(), {"KFP_ENDPOINT": "ml-pipeline:8888"})

    def test_the_token_is_read_anew_from_its_file_unless_the_environment_has_one(self, tmp_path: Path) -> None:
        file = tmp_path / "token"
        section = Kubeflow(endpoint="http://x", token_file=str(file), token_env="MY_TOKEN")
        endpoint = endpoint_of(section, {})
        assert endpoint.token() == ""
        file.write_text("first\n", encoding="utf-8")
        assert endpoint.token() == "first"
        file.write_text("second", encoding="utf-8")
        assert endpoint.token() == "second"
        assert endpoint_of(section, {"MY_TOKEN": "given"}).token() == "given"


class _Any:
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


any_token: Any = _Any()


def of(url: str, token: str = "", **more: Any) -> Server:
    return Server(Endpoint(url, token=lambda: token, **more), seconds=5)


@pytest.mark.parametrize(("said", "version"), [("2.17.0", "2.17.0"), ("unknown", ""), ("", "")])
def test_a_server_says_its_version_or_none(cluster: Cluster, standin: StandIn, said: str, version: str) -> None:
    cluster.version = said
    assert of(standin.url).version() == version


def test_a_run_is_made_in_an_experiment_that_is_made_once(standin: StandIn, cluster: Cluster) -> None:
    server = of(standin.url)
    experiment = server.make_experiment("handbook")
    assert server.make_experiment("handbook") == experiment
    run = server.create_run({"experiment_id": experiment, "display_name": "x", "pipeline_spec": pipeline()})
    assert [r["run_id"] for r in server.runs(experiment)] == [run]
    assert server.run(run)["state"] == "RUNNING"
    server.terminate(run)
    assert server.run(run)["state"] == "CANCELED"
    assert server.experiment("another") is None


def test_no_server_is_one_line() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(Unreachable, match=f"^Kubeflow at {url} cannot be reached: .*refused") as caught:
        of(url).runs()
    assert "port-forward" in caught.value.next_step


def test_a_name_that_nobody_knows_is_one_line() -> None:
    with pytest.raises(Unreachable, match=r"^Kubeflow at http://no\.such\.invalid cannot be reached"):
        of("http://no.such.invalid").runs()


def test_https_to_a_server_without_it_is_one_line(standin: StandIn) -> None:
    with pytest.raises(Unreachable, match="TLS failed") as caught:
        of(standin.url.replace("http:", "https:")).runs()
    assert "SSL_CERT_FILE" in caught.value.next_step


@pytest.mark.parametrize(
    ("token", "says", "next_step"),
    [
        ("", "asks for a login", "set KFP_TOKEN"),
        ("wrong", "does not accept the token", "renew the token in KFP_TOKEN"),
        ("reader", "does not let you do this in namespace team: PermissionDenied", "ask for the role"),
    ],
)
def test_who_may_not_is_told_why(cluster: Cluster, standin: StandIn, token: str, says: str, next_step: str) -> None:
    cluster.token, cluster.readers = "good", ("reader",)
    with pytest.raises(ClusterError, match=says) as caught:
        of(standin.url, token, namespace="team").create_run({})
    assert next_step in caught.value.next_step
    assert not token or token not in str(caught.value).replace("PermissionDenied", "")


def test_an_experiment_that_somebody_else_makes_at_the_same_moment_is_taken(standin: StandIn) -> None:
    made = of(standin.url).make_experiment("handbook")

    class Late(Server):
        """Sees the other's experiment only at the second look."""

        looks = 0

        def experiment(self, name: str) -> str | None:
            self.looks += 1
            return super().experiment(name) if self.looks > 1 else None

    assert Late(Endpoint(standin.url)).make_experiment("handbook") == made


def test_an_unknown_run_is_told_and_how_to_find_one(standin: StandIn) -> None:
    with pytest.raises(ClusterError, match="Run 123 not found") as caught:
        of(standin.url).run("123")
    assert "raftops status" in caught.value.next_step


def test_a_refused_pipeline_is_told_in_kubeflows_words(standin: StandIn) -> None:
    body = {"display_name": "x", "pipeline_spec": pipeline() | {"schemaVersion": "1"}}
    with pytest.raises(ClusterError, match=r"^Kubeflow refused \(HTTP 400\): .*schema version 2\.1\.0") as caught:
        of(standin.url).create_run(body)
    assert "compile" in caught.value.next_step


def test_a_multi_user_kubeflow_asks_for_the_namespace() -> None:
    with StandIn(Cluster(scripted(*DONE), multi_user=True)) as standin:
        with pytest.raises(ClusterError) as caught:
            of(standin.url).make_experiment("x")
        assert "KFP_NAMESPACE" in caught.value.next_step
        assert of(standin.url, namespace="team").make_experiment("x")


def test_a_kubeflow_of_one_user_wants_no_namespace(standin: StandIn) -> None:
    with pytest.raises(ClusterError, match="namespace must be empty") as caught:
        of(standin.url, namespace="team").make_experiment("x")
    assert "unset KFP_NAMESPACE" in caught.value.next_step


@pytest.mark.parametrize("token", ["two\nlines", "x y", "nöt-ascii"])
def test_a_token_that_no_header_carries_is_one_line_without_it(standin: StandIn, token: str) -> None:
    with pytest.raises(ClusterError, match="the token has a blank, a line break") as caught:
        of(standin.url, token).runs()
    assert token not in str(caught.value) and "copy it anew into KFP_TOKEN" in caught.value.next_step


class _Web(BaseHTTPRequestHandler):
    """Some web server that is not Kubeflow: a login page, a page, an error."""

    def do_GET(self) -> None:
        status = int(self.path.partition("/apis")[0].strip("/"))
        self.send_response(status)
        self.send_header("Location", "/login")
        self.end_headers()
        self.wfile.write(b"<html>File not found</html>" if status == 404 else b"<html>hello</html>")

    def log_message(self, *_: object) -> None:
        """Silent."""


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (302, "asks for a login"),
        (200, "answers, but not as Kubeflow Pipelines does"),
        (404, "answers, but not as Kubeflow Pipelines does"),
        (429, "is not ready"),
        (503, "is not ready"),
        (500, r"Kubeflow refused \(HTTP 500\): <html>hello</html>"),
    ],
)
def test_another_web_server_is_recognised(status: int, says: str) -> None:
    with HTTPServer(("127.0.0.1", 0), _Web) as web:
        thread = Thread(target=web.handle_request, daemon=True)
        thread.start()
        with pytest.raises(ClusterError, match=says) as caught:
            of(f"http://127.0.0.1:{web.server_port}/{status}").runs()
        thread.join()
    assert caught.value.next_step and "\n" not in str(caught.value)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_server_that_fails_itself_is_worth_another_try(status: int) -> None:
    with HTTPServer(("127.0.0.1", 0), _Web) as web:
        (thread := Thread(target=web.handle_request, daemon=True)).start()
        with pytest.raises(Unreachable):
            of(f"http://127.0.0.1:{web.server_port}/{status}").runs()
        thread.join()


def test_a_login_page_behind_a_token_says_that_the_token_is_not_taken() -> None:
    with HTTPServer(("127.0.0.1", 0), _Web) as web:
        (thread := Thread(target=web.handle_request, daemon=True)).start()
        with pytest.raises(ClusterError, match="does not accept the token") as caught:
            of(f"http://127.0.0.1:{web.server_port}/302", "expired").runs()
        thread.join()
    assert "renew the token" in caught.value.next_step and "expired" not in str(caught.value)


def test_warnings_of_the_http_library_stay_away(standin: StandIn) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", urllib3.exceptions.HTTPWarning)
        of(standin.url).runs()

"""Commands about the service: serve, ask; and the demonstration at the end of a run."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from pipelines.cli.audit import audit_of
from pipelines.cli.authoring import Overlays, SpecPath, releases_folder, store_folder
from pipelines.cli.releases import signing_of
from pipelines.cli.screen import screen
from raftops.errors import ServiceError
from raftops.release.current import current_release
from raftops.release.release import Release
from raftops.service.client import ask as ask_service
from raftops.service.dev_tokens import EVERYONE, DevUser, dev_user_with, ensure_dev_tokens
from raftops.service.launch import Launch, Service
from raftops.spec.load import LoadedSpec, command_line, load_spec

READY_SECONDS = 120.0
LATE_SECONDS = 5.0
"""Beyond the time that an answer may take: the service itself says that it took too long."""
As = Annotated[str, typer.Option("--as", help="Development user (a group's name, or everyone) to ask as.")]


Claims = Annotated[
    list[str] | None,
    typer.Option("--claim", help="What the development user's token says besides: country=Germany. Repeatable."),
]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(serve)
    app.command()(ask)


def serve(
    spec: SpecPath,
    overlay: Overlays = None,
    port: Annotated[int, typer.Option(help="Port instead of the spec's.")] = 0,
    metrics: Annotated[
        str,
        typer.Option(envvar="RAFTOPS_METRICS", help="Address and port for Prometheus: 127.0.0.1:9464. None if absent."),
    ] = "",
) -> None:
    """Serve the current release until Ctrl-C; a newer release is taken up by itself."""
    if find_spec("bentoml") is None:  # the service is a process of its own: it would say so in its log only
        raise ModuleNotFoundError("bentoml is not installed", name="bentoml")
    loaded = load_spec(spec, overlay or ())
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # told to end, it ends the service as Ctrl-C does
    with _started(loaded, _current(loaded), port, metrics) as service:
        screen.say(f"serving on {service.url} (OpenAI-compatible: {service.url}/v1); log in {service.log}")
        if tokens := loaded.assistant.spec.deploy.identity.dev_tokens:
            screen.say(f"development tokens (one user a group, and {EVERYONE}) in {loaded.root / tokens}")
        if (audit := audit_of(loaded)).to == "folder":
            screen.say(f"who was shown what is kept in {audit.folder} (raftops audit show)")
        ask_it = command_line("ask", spec, overlays=loaded.overlays)
        elsewhere = "" if port in (0, loaded.assistant.spec.deploy.port) else f" --url {service.url}"
        screen.say(f'try, in a second terminal: {escape(ask_it)}{elsewhere} "your question"')
        screen.say("stop: Ctrl-C")
        screen.result({"url": service.url, "pid": service.pid})
        with suppress(KeyboardInterrupt):
            code = service.wait()
            log = f"its log is {service.log}"
            raise ServiceError(f"the service ended with code {code}{service.last_lines()}", next_step=log)
    screen.say("the service is stopped")


def ask(  # noqa: PLR0913  one argument per option
    spec: SpecPath,
    question: Annotated[str, typer.Argument(help="What to ask.")],
    overlay: Overlays = None,
    user: As = "",
    claim: Claims = None,
    url: Annotated[str, typer.Option(help="Service to ask; the spec's local one if absent.")] = "",
    token: Annotated[str, typer.Option(envvar="RAFTOPS_TOKEN", help="Bearer token, instead of --as.")] = "",
) -> None:
    """Ask the running service one question and show the answer with its citations."""
    loaded = load_spec(spec, overlay or ())
    deploy = loaded.assistant.spec.deploy
    address = url or Launch(None, host=deploy.host, port=deploy.port).url
    shown = token or _user(loaded, _current(loaded), user, claim or ()).token
    answer = ask_service(address, shown, question, timeout_seconds=deploy.timeout_seconds + LATE_SECONDS)
    _show(question, answer)


def demonstrate(loaded: LoadedSpec) -> None:
    """Start the service, put the spec's smoke questions as a member of the audience, show the answers, stop it."""
    audience = loaded.assistant.spec.train.audience[0]
    questions = loaded.assistant.spec.deploy.smoke_questions or (f"What is {loaded.assistant.title}?",)
    release = _current(loaded)
    with _started(loaded, release) as service:
        screen.say(f"release {release.short} on {service.url}, asked as one of [bold]{audience}[/]\n")
        token = _user(loaded, release, audience).token
        for question in questions:
            _show(question, ask_service(service.url, token, question, timeout_seconds=60))
    again = command_line("serve", loaded.path, overlays=loaded.overlays)
    screen.say(f"the service is stopped; {escape(again)} leaves it up")


def development_token(loaded: LoadedSpec, user: str) -> str:
    """The token of a development user; of the first group of the audience if none is named."""
    return _user(loaded, _current(loaded), user).token


def _started(loaded: LoadedSpec, release: Release, port: int = 0, metrics: str = "") -> Service:
    """The service on the current release, ready to answer."""
    deploy, store = loaded.assistant.spec.deploy, store_folder(loaded)
    identity = deploy.identity.below(loaded.root)
    if identity.dev_tokens:
        ensure_dev_tokens(Path(identity.dev_tokens), tuple(release.access.groups))
    launch = Launch(
        releases_folder(loaded), None, deploy.host, port or deploy.port, identity, deploy.timeout_seconds,
        signing_of(loaded), loaded.root / loaded.assistant.spec.data.access if deploy.follow_access else None,
        metrics, audit_of(loaded), deploy.limits,
    )  # fmt: skip
    service = Service(launch, store / "service.log")
    try:
        with screen.out.status("starting the service"):
            service.wait_ready(READY_SECONDS)
    except BaseException:
        service.stop()
        raise
    return service


def _current(loaded: LoadedSpec) -> Release:
    """The release that is served; its parts are read and checked, so it is asked for once in a command."""
    return current_release(releases_folder(loaded))


def _user(loaded: LoadedSpec, release: Release, name: str, claims: Sequence[str] = ()) -> DevUser:
    """A development user; the first group of the audience if none is named."""
    path = loaded.assistant.spec.deploy.identity.dev_tokens
    if not path:
        raise ServiceError("this spec has no development tokens", next_step="set RAFTOPS_TOKEN or --token")
    users = ensure_dev_tokens(loaded.root / path, tuple(release.access.groups))
    wanted = name or loaded.assistant.spec.train.audience[0]
    if wanted not in users:
        raise ServiceError(f"--as {wanted}: no such user", next_step=f"choose one of {', '.join(users)}")
    said = {kind: value for kind, _, value in (claim.partition("=") for claim in claims)}
    if not all(said.values()):
        raise ServiceError("--claim without a value", next_step="write --claim country=Germany")
    return dev_user_with(loaded.root / path, users, wanted, said) if said else users[wanted]


def _show(question: str, answer: dict[str, Any]) -> None:
    screen.result({"question": question, **answer})
    screen.say(f"[bold]Q[/] {_plain(question)}")
    screen.say(f"[bold]A[/] {_plain(answer['choices'][0]['message']['content'])}")
    for citation in answer["citations"]:
        locator = citation["locator"]
        place = [citation["doc_id"], *(locator.get("headings") or [])[-1:]]
        place += [f"page {locator['page']}"] if locator.get("page") else []
        screen.say(f"  [cyan]\\[{citation['marker']}][/] {_plain(' · '.join(place))}")
        screen.say(f'      "{_plain(" ".join(citation["quote"].split()))}"')
    state = "grounded" if answer["grounded"] else "abstained" if answer["abstained"] else "no documents needed"
    if answer.get("searched"):
        screen.say(f"  [dim]searched: {_plain(answer['searched'])}[/]")
    for kind, value in answer.get("assumed", {}).items():
        screen.say(f"  [dim]assumed {_plain(kind)}: {_plain(value)}[/]")
    for near in answer.get("nearest", []):
        screen.say(f"  [dim]nearest: {_plain(near['doc_id'])}[/]")
    route, took = answer["route"], sum(answer["timings"].values())
    screen.say(f"  [dim]{state} · route {route['name']} {route['score']:.2f} · {took:.1f} s[/]\n")


def _plain(text: str) -> str:
    return text.replace("[", "\\[")

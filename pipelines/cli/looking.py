"""Commands that look at what a run made: search, open."""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Mapping, Sequence
from enum import StrEnum
from importlib import import_module
from importlib.metadata import metadata
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from pipelines.cli.authoring import STARTER, Overlays, SpecPath, releases_folder, store_folder
from pipelines.cli.screen import linked, screen
from pipelines.wiring.steps import TABLE
from raftops.access import AccessPolicies
from raftops.errors import ReleaseError, SpecError, StepError
from raftops.files import read_json
from raftops.spec.load import LoadedSpec, command_line, load_spec
from raftops.spec.model.base import StepName

LONGEST = 320
"""Letters of a passage on the screen; JSON and YAML have all of it."""
EVERYONE = "everyone"
"""As in `raftops ask --as`: who is in every group, where no group has that name."""


class Page(StrEnum):
    """What can be opened."""

    report = "report"
    validation = "validation"
    docs = "docs"


STEP_OF: dict[Page, StepName] = {Page.report: "evaluate", Page.validation: "validate"}


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(search)
    app.command("open")(open_page)


def search(  # noqa: PLR0913  one argument per option
    spec: SpecPath,
    question: Annotated[str, typer.Argument(help="What to search for.")],
    overlay: Overlays = None,
    user: Annotated[
        str, typer.Option("--as", help="Group to search as, or everyone; the first of the audience if absent.")
    ] = "",
    groups: Annotated[
        list[str] | None, typer.Option("--groups", help="Search as a member of these groups; repeatable, or a,b.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, max=50, help="Most passages shown.")] = 5,
    url: Annotated[str, typer.Option(help="Ask this service instead of the index on this machine.")] = "",
    token: Annotated[str, typer.Option(envvar="RAFTOPS_TOKEN", help="Bearer token, with --url.")] = "",
) -> None:
    """Show the passages nearest to a question that somebody may read; no service has to run, no model answers."""
    loaded = load_spec(spec, overlay or ())
    named = [name.strip() for word in groups or () for name in word.split(",") if name.strip()]
    if groups and not named:  # who is in no group may read nothing, and must not search as somebody else
        raise SpecError("--groups: names no group", next_step="name one, or leave --groups out")
    if url:
        shown = token or import_module("pipelines.cli.serving").development_token(loaded, user)
        found = import_module("raftops.service.client").search(url, shown, question, top_k=top)["data"]
        _show([row | {"place": _place(row["locator"])} for row in found], f"from {url}")
        screen.say("[dim]who else may read them, a service tells nobody: all that is shown, this token's owner may[/]")
        return
    built, access = _searchable(loaded)
    asking = asking_as(loaded, access, user, named)
    policies = access.readable(asking)
    with import_module("raftops.retrieval.hybrid").open_index(built, loaded.assistant.spec.prompt.dense_share) as index:
        now = import_module("raftops.release.in_force").read_in_force(releases_folder(loaded))
        library = import_module("raftops.retrieval.view").View(index, now.policy_of) if now else index
        hits = [hit for hit in library.search(question, policies, top) if hit.passage.policy_id in policies]
    rows = [
        {
            "score": round(hit.score, 4), "doc_id": hit.passage.doc_id,
            "place": _place(hit.passage.locator.as_dict()), "policy": hit.passage.policy_id,
            "groups": list(access.policies[hit.passage.policy_id].groups), "text": hit.passage.text,
        }
        for hit in hits
    ]  # fmt: skip
    _show(rows, f"searched as one of {', '.join(asking)}")


def _searchable(loaded: LoadedSpec) -> tuple[Path, AccessPolicies]:
    """The index and access rules of the current release; of the last run where there is no release."""
    try:
        release = import_module("raftops.release.current").current_release(releases_folder(loaded))
    except ReleaseError:
        latest = store_folder(loaded) / "latest" / loaded.assistant.name
        built, rules = latest / "index" / "built", latest / "validate" / "accepted" / "access.json"
        if built.is_dir() and rules.is_file():
            return built, AccessPolicies.model_validate(read_json(rules))
        again = command_line("run", loaded.path, overlays=loaded.overlays)
        message = f"{loaded.assistant.name}: nothing is indexed in {store_folder(loaded)}"
        raise StepError(message, next_step=f"{again} --until index") from None
    now = import_module("raftops.release.in_force").read_in_force(releases_folder(loaded))
    return release.index, now.access if now else release.access


def asking_as(loaded: LoadedSpec, access: AccessPolicies, user: str, groups: Sequence[str]) -> list[str]:
    """The groups of who asks. One that the access rules do not know is refused: nobody searches by a typo."""
    wanted = list(groups) or [user or loaded.assistant.spec.train.audience[0]]
    if wanted == [EVERYONE] and EVERYONE not in access.groups:
        return sorted(access.groups)
    if unknown := [name for name in wanted if name not in access.groups]:
        option = "--groups" if groups else "--as"
        known = ", ".join([*access.groups, EVERYONE])
        raise SpecError(f"{option} {', '.join(unknown)}: no such group", next_step=f"choose one of {known}")
    return wanted


def _place(locator: Mapping[str, Any]) -> str:
    """Where a passage stands, as a person would look for it."""
    numbers = [f"{name} {locator[name]}" for name in ("page", "line") if locator.get(name)]
    return " · ".join([*(locator.get("headings") or ())[-1:], *numbers])


def _show(rows: list[dict[str, Any]], who: str) -> None:
    screen.result(rows)
    for number, row in enumerate(rows, 1):
        place = f" · {escape(row['place'])}" if row.get("place") else ""
        screen.say(f"[bold]{number}[/] [cyan]{row['score']:.3f}[/] {escape(row['doc_id'])}{place}")
        if row.get("groups"):
            screen.say(
                f"      [dim]may be read by: {escape(', '.join(row['groups']))} (policy {escape(row['policy'])})[/]"
            )
        text = " ".join(str(row["text"]).split())
        screen.say(f"      {escape(text[:LONGEST])}{'...' if len(text) > LONGEST else ''}")
    screen.say(f"[dim]{len(rows) or 'no'} passage{'' if len(rows) == 1 else 's'} · {escape(who)}[/]")


def open_page(
    page: Annotated[Page, typer.Argument(help="What to open.")],
    spec: SpecPath = Path(STARTER),
    overlay: Overlays = None,
    shown_only: Annotated[bool, typer.Option("--print", help="Print where it is; open no browser.")] = False,
) -> None:
    """Print where the report, the page of the validation or the docs are, and show it in a browser if there is one."""
    where = _docs() if page is Page.docs else _file_of(page, load_spec(spec, overlay or ()))
    address = where.absolute().as_uri() if isinstance(where, Path) else where
    screen.say(linked(where) if isinstance(where, Path) else f"[link={address}]{escape(address)}[/link]")
    opened = not shown_only and not screen.json_output and _can_show() and webbrowser.open(address)
    screen.result({"page": page.value, "where": str(where), "url": address, "opened": opened})


def _file_of(page: Page, loaded: LoadedSpec) -> Path:
    """The page of the last run here; of the evaluation, that of the current release where there was no run."""
    step, name = STEP_OF[page], loaded.assistant.name
    ran = store_folder(loaded) / "latest" / name / step / TABLE[step].page
    if ran.is_file():
        return ran
    if page is Page.report:
        releases = releases_folder(loaded)
        current = import_module("raftops.release.current").read_current(releases)
        released = releases / current.hash / "report" / ran.name if current else None
        if released and released.is_file():
            return released
    again = command_line("run", loaded.path, overlays=loaded.overlays)
    raise StepError(f"{name}: no {page} in {store_folder(loaded)}", next_step=f"{again} --until {step}")


def _docs() -> Path | str:
    """The documentation: its address, as the package names it, or the files of a checkout."""
    named = (line.partition(", ") for line in metadata("raftops").get_all("Project-URL") or ())
    addresses = {label.lower(): address for label, _, address in named}
    if address := addresses.get("documentation") or addresses.get("homepage"):
        return address
    root = Path(__file__).parents[2]
    pages = (root / "build/site/index.html", root / "site/index.html", root / "docs/index.md", root / "README.md")
    page = next((path for path in pages if path.is_file()), None)
    if page is None:
        raise SpecError("this package names no documentation", next_step="raftops --help, or pip show raftops")
    return page


def _can_show() -> bool:
    """Whether a window would open: a browser in the terminal would take it over."""
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))

"""Commands about what a cluster is told: manifests check, manifests pin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from pipelines.cli.authoring import Overlays
from pipelines.cli.screen import screen
from raftops.errors import ManifestError
from raftops.spec.load import load_spec

if TYPE_CHECKING:
    from pipelines.manifests import Finding

manifests = typer.Typer(help="Kubernetes resources, checked before a cluster sees them.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    manifests.command("check")(check_command)
    manifests.command("pin")(pin_command)
    app.add_typer(manifests, name="manifests")


@manifests.callback()
def group() -> None:
    """Kubernetes resources, checked before a cluster sees them."""


def check_command(  # noqa: PLR0913  one parameter per option
    paths: Annotated[list[Path], typer.Argument(help="Overlays, folders of YAML files, files.", metavar="PATH...")],
    kubernetes: Annotated[str, typer.Option(help="Minor version of the server.")] = "1.33",
    production: Annotated[bool, typer.Option("--production", help="Every image by a digest that is set.")] = False,
    spec: Annotated[
        Path | None, typer.Option(help="A spec whose claims, secrets and bucket the manifests are to have.")
    ] = None,
    overlay: Overlays = None,
    server: Annotated[
        bool, typer.Option("--server", help="Ask the server, too: kubectl apply --dry-run=server stores nothing.")
    ] = False,
    context: Annotated[str, typer.Option(help="Context of kubectl for --server; the current one if empty.")] = "",
) -> None:
    """Check resources: schema, names, references, images, rights, the restricted profile. Exit code 1 on a finding.

    A folder is checked by itself, as it is applied; files are checked together. What goes beyond that, and operators'
    kinds, the server knows: --server.
    """
    package = _package()
    loaded = load_spec(spec, overlay or (), data_is_here=False) if spec else None
    results: list[dict[str, Any]] = []
    for shown, group_ in _groups(paths):
        resources = [resource for path in group_ for resource in package.read(path)]
        findings = package.check(resources, kubernetes, production)
        if loaded:
            named = loaded.assistant.spec.model_dump(mode="json")
            findings += package.agreement(package.Index(resources), named, str(spec))
        if server:
            findings += package.ask(resources, context)
        unchecked = [] if server else package.unchecked(resources)
        _say(shown, len(resources), findings, f"Kubernetes {kubernetes}{' and the server' if server else ''}")
        if unchecked:
            next_step = "raftops manifests check --server, where the operator is installed; or kubeconform"
            screen.note(f"{shown}: not checked, for want of a schema: {', '.join(unchecked)}", next_step)
        rows = [asdict(finding) for finding in findings]
        results.append({"path": shown, "resources": len(resources), "findings": rows, "unchecked": unchecked})
    screen.result({"kubernetes": kubernetes, "production": production, "server": server, "checked": results})
    if any(result["findings"] for result in results):
        raise typer.Exit(1)


def pin_command(
    overlay: Annotated[Path, typer.Argument(help="Folder of the overlay, with its kustomization.yaml.")],
    recorded: Annotated[
        Path, typer.Option("--from", help="Overlay with the digests that `make images PUSH=1` recorded.")
    ] = Path("build/images.yaml"),
    image: Annotated[
        list[str] | None, typer.Option("--image", help="Another image by digest: name@sha256:...; may be repeated.")
    ] = None,
) -> None:
    """Write the recorded digests, and the registry they are in, into an overlay's images."""
    package = _package()
    others = image or []
    known = package.recorded(recorded) if recorded.is_file() or not others else []
    pinned = package.pin(overlay, [*others, *known])
    for name, found in pinned.images.items():
        screen.say(f"{escape(str(pinned.file))}: {escape(name)} is {escape(found)}")
    for name in pinned.unset:
        screen.say(f"{escape(str(pinned.file))}: [yellow]{escape(name)} has no digest yet[/]")
        screen.say(f"  [bold]next:[/] --image {escape(name)}@sha256:...")
    screen.result({"file": str(pinned.file), "images": dict(pinned.images), "unset": list(pinned.unset)})


def _package() -> Any:
    """The validator; its schemas are an extra of their own."""
    try:
        return import_module("pipelines.manifests")
    except ModuleNotFoundError as error:
        raise ManifestError(f"{error.name}: not installed", next_step="pip install 'raftops[manifests]'") from error


def _groups(paths: Sequence[Path]) -> Iterator[tuple[str, list[Path]]]:
    files = [path for path in paths if not path.is_dir()]
    for path in paths:
        if path.is_dir():
            yield str(path), [path]
    if files:
        yield " ".join(map(str, files)), files


def _say(shown: str, count: int, findings: Sequence[Finding], by: str) -> None:
    for finding in findings:
        screen.say(f"[bold]{escape(finding.resource)}[/]: {escape(finding.path)}: {escape(finding.what)}")
        screen.say(f"  [bold]next:[/] {escape(finding.next_step)}")
    many = "1 finding" if len(findings) == 1 else f"{len(findings)} findings"
    verdict = f"[red]{many}[/]" if findings else "[green]nothing found[/]; the server knows more: --server"
    screen.say(f"{escape(shown)}: {count} resources for {by}: {verdict}")

"""Commands about who may read what: explain (by the access file as it stands here) and prove (on a running service)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from pipelines.cli.authoring import STARTER, Overlays
from pipelines.cli.screen import screen
from raftops.access import AccessPolicies
from raftops.errors import AccessError, ServiceError, SpecError
from raftops.files import names_on_the_way
from raftops.globs import invisible, nfc
from raftops.spec.load import LoadedSpec, load_spec
from raftops.spec.position import report
from raftops.spec.project import Project
from raftops.spec.rules import missed_by

EVERYONE = "everyone"
Named = Annotated[
    list[str] | None,
    typer.Argument(help="The spec file (raftops.yaml if absent), and documents by their path below the folder."),
]
TOKENS = "env:NAME and file:PATH keep it out of the shell's history, user:NAME is a development user"


@dataclass(frozen=True)
class Caller:
    """Who is asked about."""

    name: str
    groups: tuple[str, ...]


def explain(
    named: Named = None,
    overlay: Overlays = None,
    user: Annotated[str, typer.Option("--as", help="Development user, group, or everyone: may they read it?")] = "",
    groups: Annotated[list[str] | None, typer.Option("--groups", help="Or these groups; repeatable, or a,b.")] = None,
    token: Annotated[str, typer.Option("--token", help=f"Or whoever this token is of; {TOKENS}.")] = "",
) -> None:
    """Say which rule of the access file decides about a document, who may read it, and why; of all without a name."""
    specs, documents = _sorted(named or [])
    loaded = load_spec(_spec(specs), overlay or (), data_is_here=False)
    project = Project(loaded.assistant, loaded.root)
    access = _access(project)
    caller = _caller(loaded, access, user, groups, token)
    rows = [_explained(project, access, doc_id, caller) for doc_id in map(nfc, documents or project.documents)]
    for row in rows if documents else ():
        _show(row, caller)
    if not documents:
        reads = (f"{caller.name} reads it",) if caller else ()
        columns = ("document", "policy", "groups", "decided by", *reads)
        screen.table(f"by {project.shown(project.spec.data.access)}", columns, [_cells(row) for row in rows])
    screen.result(rows)


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    reads = ("yes" if row["reads"] else "no",) if "reads" in row else ()
    decided = f"{row['rule']} {row['match']}".strip() or "no rule"
    return (row["document"], row["policy"] or "-", ", ".join(row["groups"]) or "nobody", decided, *reads)


def _explained(project: Project, access: AccessPolicies, doc_id: str, caller: Caller | None) -> dict[str, Any]:
    """All that decides about a document."""
    file, folder = project.access, project.at(project.spec.data.documents.path)
    number, names = access.rule_of(doc_id), _names(folder, doc_id)
    policies = {name: access.policy_of(name) for name in names}
    policy_id = access.strictest(policies.values())
    notes = list(_notes(project, access, doc_id))
    if len(names) > 1:
        said = ", ".join(f"{name} ({one or 'no policy'})" for name, one in policies.items())
        notes.append(f"is a link: the strictest policy of all its names counts: {said}")
    rule = None if number is None else access.documents[number]
    readers = sorted(access.readers(policy_id))
    row: dict[str, Any] = {
        "document": doc_id,
        "rule": "" if number is None else str(file.place("documents", number, "match")),
        "match": rule.match if rule else "",
        "policy": policy_id,
        "policy_place": str(file.place("policies", policy_id)) if policy_id else "",
        "groups": readers,
        "notes": notes,
    }
    if caller:
        reads = access.may_read(caller.groups, policy_id)
        row |= {"as": caller.name, "caller_groups": list(caller.groups), "reads": reads}
        row["why"] = _why(access, policy_id, rule.policy if rule else "", caller)
    return row


def _names(folder: Path, doc_id: str) -> list[str]:
    """The names that a document has: of a link, those on the way too."""
    path = folder / doc_id
    return list(map(nfc, names_on_the_way(folder, path))) if path.is_symlink() else [doc_id]


def _why(access: AccessPolicies, policy_id: str | None, wanted: str, caller: Caller) -> str:
    """Why a caller may or may not read what has a policy."""
    if policy_id is None:
        what = f"the policy {wanted} does not count for it" if wanted else "no rule matches it"
        return f"{what}, so nobody may read it"
    readers = access.readers(policy_id)
    if shared := sorted(readers & set(map(nfc, caller.groups))):
        return f"is in {', '.join(shared)}, which the policy {policy_id} lists"
    unknown = [group for group in caller.groups if nfc(group) not in access.groups]
    beside = f"; {', '.join(unknown)} is not declared under groups and counts for nothing" if unknown else ""
    member = f"is in {', '.join(caller.groups)}" if caller.groups else "is in no group"
    return f"{member}, and the policy {policy_id} lists {', '.join(sorted(readers)) or 'nobody'}{beside}"


def _notes(project: Project, access: AccessPolicies, doc_id: str) -> Iterator[str]:
    """What is odd about a document's name: it is not there, takes no part, or is missed by a rule by a letter."""
    if doc_id not in project.files:
        close = get_close_matches(doc_id, project.files, 1, 0.6)
        yield f"there is no such file{f', did you mean {close[0]}?' if close else ''}"
    elif doc_id not in project.documents:
        yield "takes no part: data.documents.include and exclude leave it out"
    if hidden := invisible(doc_id):
        yield f"its name holds a letter that cannot be seen (U+{ord(hidden):04X}): nobody may read it"
    if (missed := missed_by(access, doc_id, access.rule_of(doc_id), opened=False)) is not None:
        place = project.access.place("documents", missed, "match")
        yield f"the rule {access.documents[missed].match} ({place}) misses it by case, look or width of letters alone"


def _show(row: Mapping[str, Any], caller: Caller | None) -> None:
    screen.say(f"[bold]{escape(row['document'])}[/]")
    decided = f"{row['rule']}: {row['match']}" if row["rule"] else "no rule, so nobody may read it"
    screen.say(f"  decided by  {escape(decided)}")
    policy = f"{row['policy']} ({row['policy_place']})" if row["policy"] else "none that counts"
    screen.say(f"  policy      {escape(policy)}")
    screen.say(f"  read by     {escape(', '.join(row['groups']) or 'nobody')}")
    if caller:
        verdict = "[green]reads it[/]" if row["reads"] else "[red]does not read it[/]"
        screen.say(f"  {escape(caller.name)} {verdict}: {escape(row['why'])}")
    for note in row["notes"]:
        screen.say(f"  [yellow]note:[/] {escape(note)}")


def prove(  # noqa: PLR0913  one argument per option
    named: Annotated[
        list[str] | None, typer.Argument(help="The spec file (raftops.yaml if absent), and the service's address.")
    ] = None,
    overlay: Overlays = None,
    token: Annotated[
        list[str] | None, typer.Option("--token", help=f"Twice: who may read, then who may not; {TOKENS}.")
    ] = None,
    doc: Annotated[
        list[str] | None, typer.Option("--doc", help="Document to prove it on, instead of those by the access file.")
    ] = None,
    most: Annotated[int, typer.Option(min=1, max=1000, help="Most documents that are asked for.")] = 5,
) -> None:
    """Prove on a running service that one caller sees documents and another does not, by search and by chat."""
    specs, others = _sorted(named or [])
    if len(others) > 1 or not all(other.startswith(("http://", "https://")) for other in others):
        raise SpecError(f"{', '.join(others)}: not one address", next_step="write http://127.0.0.1:3000")
    if len(token or ()) != 2:
        message = f"two tokens are needed, the one that sees and the one that does not; given {len(token or ())}"
        raise SpecError(message, next_step=f"--token A --token B; {TOKENS}")
    loaded = load_spec(_spec(specs), overlay or (), data_is_here=False)
    deploy, project = loaded.assistant.spec.deploy, Project(loaded.assistant, loaded.root)
    reader, other = (_token(loaded, value) for value in token or ())
    if reader == other:
        raise SpecError("both tokens are the same", next_step="name one that may read, and one that may not")
    url = others[0] if others else f"http://{deploy.host}:{deploy.port}"
    proving = import_module("raftops.service.proving")
    access = _access(project)
    allowed = _readable(loaded, access, project, other, doc or ())
    wanted = list(map(nfc, doc or ())) or sorted(_readable(loaded, access, project, reader, ()) - allowed)
    if not wanted:
        swapped = allowed - _readable(loaded, access, project, reader, ())
        advice = "swap the tokens: the second one reads more" if swapped else "take tokens of groups that read apart"
        raise ServiceError(
            "nothing to prove: the first caller reads no document that the second does not", next_step=advice
        )
    proving.needs_a_token(url)
    texts = _texts(project, [*wanted[:most], *allowed])
    proofs = [
        proving.prove(url, (reader, other), doc_id, proving.telling(texts, doc_id, allowed), allowed)
        for doc_id in wanted[:most]
    ]
    _proved(url, proofs, len(wanted))


def _proved(url: str, proofs: Sequence[Any], wanted: int) -> None:
    """Show what was asked and seen. Raises `ServiceError` where one proof does not hold."""

    def seen(caller: Any) -> str:
        ways = [name for name in ("search", "chat") if getattr(caller, name)]
        return ", ".join([*ways, *(f"and {doc_id}" for doc_id in caller.strange)]) or "-"

    rows = [(p.doc_id, seen(p.reader), seen(p.other), p.verdict) for p in proofs]
    screen.table(f"asked of {url}", ("document", "the first sees it in", "the second in", ""), rows)
    screen.result([
        {"document": p.doc_id, "questions": list(p.questions), "reader": vars(p.reader), "other": vars(p.other),
         "holds": p.holds} for p in proofs
    ])  # fmt: skip
    failed = [proof.doc_id for proof in proofs if not proof.holds]
    if failed:
        message = f"{len(failed)} of {len(proofs)} proofs do not hold: {', '.join(failed)}"
        raise ServiceError(
            message, next_step=f"raftops access explain {failed[0]} says who may read it by the file here"
        )
    left = f"; {wanted - len(proofs)} more were not asked for (--most)" if wanted > len(proofs) else ""
    screen.say(f"proved on {len(proofs)} documents: the first caller sees them, the second does not{left}")


def _sorted(named: Sequence[str]) -> tuple[list[str], list[str]]:
    """Spec files, and what else was named."""
    specs = [name for name in named if name.endswith((".yaml", ".yml")) and "://" not in name]
    return specs, [name for name in named if name not in specs]


def _spec(specs: Sequence[str]) -> Path:
    """The spec that was named; else the one of this folder."""
    if len(specs) > 1:
        raise SpecError(f"{', '.join(specs)}: more than one spec", next_step="name one")
    there = sorted(Path("specs").glob("*.yaml"))
    only = there[0] if len(there) == 1 and not Path(STARTER).is_file() else Path(STARTER)
    return Path(specs[0]) if specs else only


def _access(project: Project) -> AccessPolicies:
    """The access file of the project as it stands. Raises `SpecError` with all that is wrong with it."""
    if project.access.value is None:
        raise SpecError(report(project.access.problems), next_step="mend the places above")
    return project.access.value


def _caller(
    loaded: LoadedSpec, access: AccessPolicies, user: str, groups: Sequence[str] | None, token: str
) -> Caller | None:
    """Who is asked about, if anybody."""
    if sum((bool(user), groups is not None, bool(token))) > 1:
        raise SpecError("--as, --groups and --token are three ways to say who", next_step="give one of them")
    if groups is not None:
        named = tuple(name.strip() for word in groups for name in word.split(",") if name.strip())
        return Caller("the caller", named)
    if token:
        return Caller("the token's owner", tuple(sorted(_groups(loaded, access, _token(loaded, token)))))
    if not user:
        return None
    users = _users(loaded)
    if user in users:
        return Caller(user, tuple(users[user].groups))
    if user == EVERYONE or nfc(user) in access.groups:
        return Caller(user, tuple(access.groups) if nfc(user) not in access.groups else (user,))
    known = ", ".join(dict.fromkeys([*access.groups, *users, EVERYONE]))
    raise SpecError(f"--as {user}: no such user or group", next_step=f"choose one of {known}, or give --groups")


def _users(loaded: LoadedSpec) -> Mapping[str, Any]:
    """The development users, where their file is there."""
    path = loaded.assistant.spec.deploy.identity.dev_tokens
    there = path and (loaded.root / path).is_file()
    return import_module("raftops.service.dev_tokens").load_dev_tokens(loaded.root / path) if there else {}


def _token(loaded: LoadedSpec, given: str) -> str:
    """A token by reference: of the environment, a file or a development user; or as it is."""
    kind, _, name = given.partition(":")
    if kind == "env":
        value = os.environ.get(name, "")
    elif kind == "file":
        path = Path(name).expanduser()
        value = path.read_text(encoding="utf-8") if path.is_file() else ""
    elif kind == "user":
        user = _users(loaded).get(name)
        value = user.token if user else ""
    else:
        return given.strip()
    if not value.strip():
        where = {"env": "the environment has no", "file": "no token in the file", "user": "no development user"}[kind]
        raise AccessError(f"--token {given}: {where} {name}", next_step="raftops serve makes development users")
    return value.strip()


def _groups(loaded: LoadedSpec, access: AccessPolicies, token: str) -> frozenset[str]:
    """The groups of a token, verified as the service would."""
    identity, root = loaded.assistant.spec.deploy.identity, loaded.root
    places = {name: str(root / value) for name in ("jwks", "dev_tokens") if (value := getattr(identity, name))}
    if "://" in identity.jwks:
        places.pop("jwks")
    opened = import_module("raftops.service.identity")
    try:
        verifier = opened.open_verifier(identity.model_copy(update=places), "127.0.0.1", tuple(access.groups))
        return frozenset(verifier.caller(token).groups)
    except opened.Denied as error:
        raise AccessError(f"the {error.reason} token is refused", next_step=f"give a good one; {TOKENS}") from error


def _readable(
    loaded: LoadedSpec, access: AccessPolicies, project: Project, token: str, named: Sequence[str]
) -> frozenset[str]:
    """The documents here that a token's owner may read, without those that are to be proved unreadable."""
    policies, folder = access.readable(_groups(loaded, access, token)), project.at(project.spec.data.documents.path)
    read = (d for d in project.documents if access.strictest(map(access.policy_of, _names(folder, d))) in policies)
    return frozenset(read) - {nfc(name) for name in named}


def _texts(project: Project, documents: Sequence[str]) -> dict[str, str]:
    """The texts of documents that are here and can be read."""
    parse, folder = import_module("raftops.parsing.parse"), project.at(project.spec.data.documents.path)
    texts = {}
    for doc_id in documents:
        path = folder / doc_id
        if path.is_file() and (media_type := parse.media_type_of(path)):
            try:
                texts[doc_id] = parse.parse_document(path, media_type).text
            except import_module("raftops.errors").StepError:
                continue  # the validation says what is wrong with it
    return texts

"""Checks on where groups come from beside the token: LDAP or SCIM, and how the access file spells their groups."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from raftops.spec.check_serving import is_loopback
from raftops.spec.group_names import LDAP, SCIM, canonical_group, is_of_directory
from raftops.spec.project import Check, Problem, Project

_IDENTITY = "spec.deploy.identity"
_DIRECTORY = f"{_IDENTITY}.directory"
_LDAP, _SCIM = f"{_DIRECTORY}.ldap", f"{_DIRECTORY}.scim"
_DN = re.compile(r"\s*[A-Za-z][\w.-]*\s*=[^,]+(,\s*[A-Za-z][\w.-]*\s*=[^,]+)*")


def tokens_can_be_read(project: Project) -> Iterator[Problem]:
    """Issuer and audience are what a token can carry, the key set's file is one, and somebody says the groups."""
    identity = project.spec.deploy.identity
    for name in ("issuer", "audience", "groups_claim"):
        if re.search(r"\s", getattr(identity, name)):
            yield Problem(f"{_IDENTITY}.{name}", "has a space or line break, which no token carries there")
    issuer = urlsplit(identity.issuer) if "://" in identity.issuer else None
    if issuer and not (issuer.scheme == "https" or (issuer.scheme == "http" and is_loopback(issuer.hostname or ""))):
        yield Problem(f"{_IDENTITY}.issuer", "must begin with https://: over plain http anyone could play the issuer")
    if identity.jwks and not identity.groups_claim and identity.directory is None:
        message = "is empty, and there is no directory: nobody would be in a group"
        yield Problem(f"{_IDENTITY}.groups_claim", message, (f"{_IDENTITY}.jwks",))
    file = project.at(identity.jwks)
    if identity.jwks and "://" not in identity.jwks and file.is_file():
        try:
            keys = json.loads(file.read_bytes())["keys"]
            if not (isinstance(keys, list) and all(isinstance(key, dict) for key in keys)):
                raise TypeError
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            shown = project.shown(identity.jwks)
            yield Problem(f"{_IDENTITY}.jwks", f'{shown} is no key set: a JSON object with a list of "keys"')
        else:
            if not keys:
                yield Problem(f"{_IDENTITY}.jwks", f"{project.shown(identity.jwks)} has no key: nobody can be verified")


def directory_is_one(project: Project) -> Iterator[Problem]:
    """A directory is LDAP or SCIM, and is asked about people whom a verified token names."""
    directory = project.spec.deploy.identity.directory
    if directory is None:
        return
    if directory.ldap is None and directory.scim is None:
        yield Problem(_DIRECTORY, "needs ldap or scim: where groups come from")
    if directory.ldap is not None and directory.scim is not None:
        yield Problem(_SCIM, "stands beside ldap: take one, for nobody could say which is right")
    if not project.spec.deploy.identity.jwks:
        message = "needs jwks: a development token names its groups itself, and nobody in a directory"
        yield Problem(_DIRECTORY, message)
    if directory.scim and directory.ldap is None and directory.cache_seconds != 300:
        yield Problem(f"{_DIRECTORY}.cache_seconds", "is of ldap; what SCIM pushed is read at every question")


def ldap_is_reached_safely(project: Project) -> Iterator[Problem]:
    """Nothing is said without TLS off this machine, and the server's certificate can be verified."""
    directory, target = project.spec.deploy.identity.directory, project.spec.deploy.target
    if directory is None or directory.ldap is None:
        return
    ldap, address = directory.ldap, urlsplit(directory.ldap.url)
    secure = address.scheme == "ldaps"
    if not re.fullmatch(r"ldaps?://([\w.-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?/?", ldap.url):
        yield Problem(f"{_LDAP}.url", "is no ldaps://host[:port]")
    elif not secure and not ldap.start_tls and not is_loopback(address.hostname or ""):
        yield Problem(f"{_LDAP}.url", "is without TLS: anyone on the way could say who is in which group; use ldaps://")
    if secure and ldap.start_tls:
        yield Problem(f"{_LDAP}.start_tls", "is for ldap://; ldaps:// is TLS from the first byte")
    if ldap.ca_file and not secure and not ldap.start_tls:
        yield Problem(f"{_LDAP}.ca_file", "is not used without TLS")
    elif ldap.ca_file and target == "kubernetes" and not ldap.ca_file.startswith("/"):
        yield Problem(f"{_LDAP}.ca_file", "must be an absolute path in the pods, which have no file of this project")
    elif ldap.ca_file and target == "local" and not project.at(ldap.ca_file).is_file():
        yield Problem(f"{_LDAP}.ca_file", f"no such file: {project.shown(ldap.ca_file)}")


def ldap_finds_one_person(project: Project) -> Iterator[Problem]:
    """The names of entries are such, and the filter is one that finds the person who asks."""
    directory = project.spec.deploy.identity.directory
    if directory is None or directory.ldap is None:
        return
    ldap = directory.ldap
    if bool(ldap.bind_dn) != (ldap.bind_password is not None):
        one, other = ("bind_dn", "bind_password") if ldap.bind_dn else ("bind_password", "bind_dn")
        yield Problem(f"{_LDAP}.{one}", f"needs {other} beside it; without both, the directory is asked anonymously")
    for name, dn in (("users", ldap.users), ("groups", ldap.groups)):
        if not _DN.fullmatch(dn.replace("\\,", "")):
            yield Problem(f"{_LDAP}.{name}", "is no name of an entry, such as ou=people,dc=example,dc=org")
    wanted = ldap.user_filter
    if "{principal}" not in wanted:
        yield Problem(f"{_LDAP}.user_filter", "has no {principal}: it would find the same people for everybody")
    elif not (wanted.startswith("(") and wanted.endswith(")") and wanted.count("(") == wanted.count(")")):
        yield Problem(f"{_LDAP}.user_filter", "is no LDAP filter: its parentheses do not match")
    if "memberuid" in {name.lower() for name in ldap.members}:
        yield Problem(f"{_LDAP}.members", "memberUid holds no names of entries; take member or uniqueMember")


def scim_has_one_store(project: Project) -> Iterator[Problem]:
    """What a provider pushes is in one file, which one process writes."""
    directory, deploy = project.spec.deploy.identity.directory, project.spec.deploy
    if directory is None or directory.scim is None:
        return
    if deploy.target == "kubernetes":
        message = "has one file of one service, and each pod would know another half: use ldap on kubernetes"
        yield Problem(_SCIM, message, ("spec.deploy.target",))


def directory_groups_are_spelled(project: Project) -> Iterator[Problem]:
    """A group of a directory has one spelling, and a directory that it comes from."""
    identity, access = project.spec.deploy.identity, project.access.value
    directory = identity.directory
    for group in access.groups if access else ():
        if not is_of_directory(group):
            continue
        named, source = canonical_group(group), LDAP if canonical_group(group).startswith(LDAP) else SCIM
        if named != group:
            yield project.in_access(f"is spelled {named} when it comes: nobody would be in it", "groups", group)
        elif identity.jwks and (directory is None or getattr(directory, source[:-1]) is None):
            where = f"spec.deploy.identity.directory.{source[:-1]}"
            yield project.in_access(f"comes from no token, and {where} is not set: nobody is in it", "groups", group)


DIRECTORY_CHECKS: dict[Check, tuple[str, ...]] = {
    tokens_can_be_read: (_IDENTITY,),
    directory_is_one: (_IDENTITY,),
    ldap_is_reached_safely: (_IDENTITY, "spec.deploy.target"),
    ldap_finds_one_person: (_IDENTITY,),
    scim_has_one_store: (_IDENTITY, "spec.deploy.target"),
    directory_groups_are_spelled: (_IDENTITY, "spec.data.access"),
}
"""Each check with the parts of the spec that it reads."""

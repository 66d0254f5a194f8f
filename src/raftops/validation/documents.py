"""The document manifest as rows: what is there, whether it can be read, who may read it.

Every file that the globs take becomes a row, the unusable ones too. Does not follow links out of the folder.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from raftops.access import AccessPolicies, glob_pattern
from raftops.answer.inert import INVISIBLE
from raftops.data.listing import is_taken, list_documents
from raftops.data.records import Document
from raftops.errors import StepError
from raftops.files import sha256_file
from raftops.parsing.parse import media_type_of, parse_document
from raftops.progress import progress
from raftops.spec.model.knowledge import Data, Documents, Validate
from raftops.validation.findings import Noted, note_personal_data, personal_data_checks
from raftops.validation.language import foreign_language
from raftops.validation.rows import Check, Row
from raftops.validation.texts import TextsOnDisk

MIB = 1024 * 1024
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass
class DocumentRows:
    """The manifest before it is judged."""

    rows: list[Row] = field(default_factory=list)
    documents: dict[str, Document] = field(default_factory=dict)
    """By the place of their row; those whose every field is known."""
    noted: list[Noted] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    """(file, why) of those below the folder that no glob takes, and of hidden ones."""


def document_checks(config: Validate, access: AccessPolicies) -> list[Check]:
    """What every document must satisfy."""
    most = int(config.document_mib_max * MIB)
    return [
        Check("doc_id", "unique", "critical", "every document id stands once"),
        Check("doc_id", "regex", "critical", "a document id is a path below the folder", (r"^(?!/|\.\.?/).+$",)),
        Check("has_plain_name", "true", "critical", "a document's name is UTF-8 without what nobody sees"),
        Check("is_inside", "true", "critical", "no document is a link that leaves the folder"),
        Check("is_readable", "true", "critical", "every document can be opened and parsed"),
        Check("media_type", "not_null", "critical", "every document has a media type that can be parsed"),
        Check("media_type", "regex", "critical", "a media type is type/subtype", (r"^[a-z]+/[a-z0-9.+-]+$",)),
        Check("version", "regex", "critical", "a version is a SHA-256", (r"^[0-9a-f]{64}$",)),
        Check("version", "unique", "info", "no two documents are copies of each other"),
        Check("size", "between", "critical", f"a document has 1 byte to {config.document_mib_max:g} MiB", (1, most)),
        Check("chars", "between", "critical", "a document has text", (1, None)),
        Check("policy_id", "not_null", "critical", "every document has a policy"),
        Check("policy_id", "in_set", "critical", "every document's policy exists", sorted(access.policies)),
        Check("is_in_language", "true", "critical", f"documents are in the language {config.language}"),
        *personal_data_checks(config.personal_data),
    ]  # fmt: skip


def document_rows(config: Validate, data: Data, access: AccessPolicies, texts: TextsOnDisk) -> DocumentRows:
    """Look at every document once, in order of ids; parsed texts go to `texts`."""
    found = DocumentRows()
    listed = list_documents(data.documents, Path())
    ids = {doc_id for doc_id, _ in listed}
    inspector = _Inspector(config, data, access, texts, found)
    for number, (doc_id, path) in enumerate(listed, 1):
        found.rows.append(inspector.row(doc_id, path))
        progress("validate", number, len(listed), _shown(doc_id))
    for parent, folders, names in os.walk(data.documents.path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        links = [name for name in folders if Path(parent, name).is_symlink()]
        for path in (Path(parent, name) for name in [*links, *sorted(names)]):
            doc_id = path.relative_to(data.documents.path).as_posix()
            if not path.is_dir() and (path.name.startswith(".") or not is_taken(doc_id, data.documents)):
                found.left_out.append((_shown(doc_id), _why_left_out(path, doc_id, data.documents)))
            elif doc_id not in ids:
                # A link that is not followed gets a row, too: nobody should wonder where the document is.
                row = Row(_shown(str(path)), _shown(doc_id), {"doc_id": _shown(doc_id)})
                if path.is_dir():
                    row.fail("is_inside", "is a link to a folder; links to folders are not followed")
                else:
                    row.fail("is_inside", "is a link that leaves the documents folder, or leads nowhere")
                found.rows.append(row)
    return found


def _why_left_out(path: Path, doc_id: str, documents: Documents) -> str:
    """Why a file takes no part, in words for whoever wonders where it is."""
    if path.name.startswith("."):
        return "its name begins with a dot"
    excluded = next((glob for glob in documents.exclude if glob_pattern(glob).fullmatch(doc_id)), None)
    if excluded:
        return f"data.documents.exclude has {excluded}"
    unread = "" if media_type_of(path) else f", and files of type {_shown(path.suffix) or 'unknown'} cannot be parsed"
    return f"data.documents.include has no pattern for it{unread}"


def _shown(name: str) -> str:
    """A file name that can be printed: what is not UTF-8, and control characters, and what nobody sees, as escapes."""
    text = name.encode("utf-8", "backslashreplace").decode()
    escaped = _CONTROL.sub(lambda m: m[0].encode("unicode_escape").decode(), text)
    return INVISIBLE.sub(lambda m: m[0].encode("unicode_escape").decode(), escaped)


@dataclass(frozen=True)
class _Inspector:
    config: Validate
    data: Data
    access: AccessPolicies
    texts: TextsOnDisk
    found: DocumentRows

    def row(self, doc_id: str, path: Path) -> Row:
        """Everything there is to know about one file."""
        row = Row(_shown(f"{self.data.documents.path.rstrip('/')}/{doc_id}"), _shown(doc_id))
        row.columns |= {"doc_id": row.id, "has_plain_name": True, "is_inside": True, "is_readable": True}
        if row.id != doc_id:
            row.fail(
                "has_plain_name",
                "its name has control characters, marks that nobody sees (of direction, of no width), or is not UTF-8",
            )
        row.columns |= {"media_type": media_type_of(path), "policy_id": self.access.policy_of(doc_id)}
        if row.columns["media_type"] is None:
            row.explain("media_type", f"files of type {_shown(path.suffix) or 'unknown'} cannot be parsed")
        if row.columns["policy_id"] is None:
            row.explain("policy_id", "has no policy: nobody may read it")
        try:
            self._read(row, doc_id, path)
        except (OSError, StepError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error).removeprefix(f"{path}: ")
            row.fail("is_readable", f"cannot be read: {reason}")
        known: dict[str, Any] = {name: row.columns.get(name) for name in ("version", "media_type", "policy_id", "size")}
        if None not in known.values() and "has_plain_name" not in row.reasons:
            base = self.data.documents.uri
            uri = base + quote(doc_id) if base else doc_id
            self.found.documents[row.where] = Document(doc_id=doc_id, uri=uri, path=path.as_posix(), **known)
        return row

    def _read(self, row: Row, doc_id: str, path: Path) -> None:
        """Size, hash and text; the text of a file that is rejected anyway is not parsed."""
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            row.fail("is_readable", "is not a regular file")
            return
        row.columns |= {"size": status.st_size, "version": sha256_file(path)}
        if status.st_size == 0:
            row.explain("size", "is empty")
        elif status.st_size > self.config.document_mib_max * MIB:
            row.explain(
                "size", f"has {status.st_size / MIB:.1f} MiB; at most {self.config.document_mib_max:g} are allowed"
            )
        if row.columns["media_type"] is None or row.reasons.keys() & {"has_plain_name", "size"}:
            return
        text = parse_document(path, row.columns["media_type"]).text
        row.columns |= {"chars": len(text.strip()), "is_in_language": True}
        if not text.strip():
            row.explain("chars", "has no text")
        foreign = foreign_language(text, self.config.language)
        if foreign:
            row.fail("is_in_language", f"is in another language ({foreign}) than {self.config.language}")
        self.found.noted += note_personal_data(row, [("text", text)], self.config.personal_data)
        self.texts.put(doc_id, text)

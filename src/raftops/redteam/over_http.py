"""Over HTTP: readers ask for what is closed to them, and for the prompt. Read is what comes back and what is logged."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

from raftops.progress import progress
from raftops.redteam.canaries import Text, runs
from raftops.redteam.found import Tally
from raftops.redteam.questions import Attack, attacks_on, extractions, malformed
from raftops.redteam.readers import Reader
from raftops.release.release import Release
from raftops.service.client import Exchange, exchange
from raftops.service.dev_tokens import EVERYONE, ensure_dev_tokens
from raftops.service.launch import Launch, Service, free_port
from raftops.spec.model.serving import Identity

READY_SECONDS = 180.0
VOLATILE = ("id", "created", "timings", "usage")
"""What differs between two answers to the same question."""


def attacked_over_http(
    release: Release, readers: Sequence[Reader], attacks: int, dice: random.Random
) -> tuple[list[Tally], Tally]:
    """So many questions after closed documents, by kind; and the requests after the prompt.

    Raises:
        ServiceError: the release cannot be served.
    """
    prompt = Tally("prompt extraction", control="none: nobody may read the prompt")
    told = set(runs(release.prompt.system.replace("{name}", release.title)))
    with tempfile.TemporaryDirectory(prefix="raftops-redteam-") as folder:
        log = Path(folder, "service.log")
        identity = Identity(dev_tokens=f"{folder}/tokens.json")
        users = ensure_dev_tokens(Path(identity.dev_tokens), tuple(release.access.groups))
        launch = Launch(None, release.path, "127.0.0.1", free_port(), identity, release.deploy.timeout_seconds)
        with Service(launch, log) as service:
            service.wait_ready(READY_SECONDS)
            tokens = {name: user.token for name, user in users.items()}
            room = _Room(release, service.url, tokens, readers, release.deploy.timeout_seconds)
            tallies = room.attacked(attacks, dice) if readers else []
            for attack in extractions():
                answer = room.send(attack, tokens[EVERYONE])
                prompt.note(bool(told & set(runs(answer.text))), asked=str(attack.body["messages"][-1]["content"]))
        tallies.append(room.written(log.read_text(encoding="utf-8", errors="replace"), "log"))
    return tallies, prompt


@dataclass
class _Room:
    """The running service and those who ask it."""

    release: Release
    url: str
    tokens: Mapping[str, str]
    readers: Sequence[Reader]
    timeout_seconds: float
    asked: list[str] = field(default_factory=list)

    def send(self, attack: Attack, token: str) -> Exchange:
        """One request."""
        self.asked.append(attack.said)
        return exchange(f"{self.url}{attack.path}", token, attack.body, attack.headers, self.timeout_seconds)

    def attacked(self, attacks: int, dice: random.Random) -> list[Tally]:
        """So many requests, readers by turns; the first answer of each document is asked again after one who may read
        has asked the same, for what is kept of one must not be shown to another."""
        tallies: dict[str, Tally] = {}
        may = {"seen": 0, "asked": 0}
        for number, (reader, document, attack) in enumerate(self._attacks(attacks, dice)):
            received = self.send(attack, self.tokens[reader.group])
            shown = f"{received.headers}\n{received.text}"
            kind = f"{attack.kind} ({attack.channel})"
            tally = tallies.setdefault(kind, Tally(kind))
            leaked = reader.leaked(shown, attack.said)
            tally.note(bool(leaked), group=reader.group, asked_for=document.doc_id, documents=sorted(leaked))
            if attack.kind == "topic" and attack.channel == "chat":
                self._after_a_reader(reader, document, attack, received, tallies, may)
            progress("redteam", number + 1, attacks, f"{kind}, as {reader.group}")
        control = f"{may['seen']} of {may['asked']} from one who may read"
        for tally in tallies.values():
            tally.control = control
        return list(tallies.values())

    def _attacks(self, attacks: int, dice: random.Random) -> Iterator[tuple[Reader, Text, Attack]]:
        given, readers = 0, cycle(self.readers)
        while given < attacks:
            reader = next(readers)
            document = dice.choice(reader.closed)
            groups = self._groups_of(document)
            for attack in (*attacks_on(document, groups, dice), *malformed(document)):
                if given == attacks:
                    return
                given += 1
                yield reader, document, attack

    def _groups_of(self, document: Text) -> tuple[str, ...]:
        policy = self.release.access.policies.get(document.policy_id)
        return (policy.groups if policy else ()) or ("administrators",)

    def _after_a_reader(  # noqa: PLR0913
        self, reader: Reader, document: Text, attack: Attack, before: Exchange, tallies: dict[str, Tally],
        may: dict[str, int],
    ) -> None:  # fmt: skip
        """The same question from one who may read, then from the outsider again: nothing may have changed."""
        insider = next((group for group in self._groups_of(document) if group in self.tokens), "")
        if not insider:
            return
        found = self.send(Attack("control", "search", {"query": attack.said[:1900], "top_k": 50}), self.tokens[insider])
        may["asked"] += 1
        may["seen"] += bool(reader.leaked(found.text, attack.said))
        self.send(attack, self.tokens[insider])
        again = self.send(attack, self.tokens[reader.group])
        kind = "asked again after a reader (chat)"
        changed = _steady(before.text) != _steady(again.text)
        leaked = reader.leaked(again.text, attack.said)
        tally = tallies.setdefault(kind, Tally(kind))
        tally.note(changed or bool(leaked), group=reader.group, asked_for=document.doc_id, documents=sorted(leaked))

    def written(self, text: str, where: str) -> Tally:
        """Whether what the service wrote down has words of closed documents, or of the questions."""
        tally = Tally(f"words in the {where}", control="none: nobody's question belongs there")
        for reader in self.readers:
            leaked = reader.leaked(text, "")
            tally.note(bool(leaked), group=reader.group, documents=sorted(leaked))
        spoken = {run for said in self.asked for run in runs(said)}
        tally.note(bool(spoken & set(runs(text))), group="", documents=["a question"])
        return tally


def _steady(text: str) -> Any:
    """An answer without what differs each time."""
    try:
        body = json.loads(text)
    except ValueError:
        return text
    return {key: value for key, value in body.items() if key not in VOLATILE} if isinstance(body, dict) else body

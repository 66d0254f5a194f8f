"""A service over passages in memory and a generator of five lines; verifies tokens by a table."""

from __future__ import annotations

from contextlib import contextmanager

from raftops.access import AccessPolicies
from raftops.answer.answering import Answerer
from raftops.answer.asker import asker_of
from raftops.answer.router import Router
from raftops.data.records import Generation
from raftops.retrieval.memory import MemoryRetriever
from raftops.service.identity import Caller, Denied
from raftops.service.live import Live
from raftops.spec.model.learning import Prompt
from raftops.spec.model.serving import Identity
from raftops.spec.model.serving import Router as RouterSpec
from tests.retrieval.tiny import HashEmbedder

ACCESS = AccessPolicies.model_validate(
    {
        "groups": {"staff": "", "boss": ""},
        "policies": {"open": {"groups": ["staff", "boss"]}, "secret": {"groups": ["boss"]}},
        "documents": [],
    }
)


class Says:
    """A generator that always says the same."""

    def __init__(self, text, stopped=True):
        self.text, self.stopped, self.asked = text, stopped, []

    def generate(self, messages, max_new_tokens):
        self.asked.append((list(messages), max_new_tokens))
        text = self.text(messages) if callable(self.text) else self.text
        return Generation(text, 100, 7, self.stopped)


class Library(MemoryRetriever):
    """The in-memory retriever with the texts of its passages."""

    def __init__(self, passages):
        super().__init__(passages, HashEmbedder())
        self.texts = {(p.doc_id, p.version): p.text for p in passages}

    def tokens(self, text):
        return len(text.split())

    def document_text(self, doc_id, version):
        return self.texts.get((doc_id, version))


class Tokens:
    """A verifier: `a+b` is the token of somebody in the groups a and b, `a@Norway` of somebody who is in that country;
    `stranger` is nobody."""

    def caller(self, token):
        if token == "stranger" or token.startswith("denied:"):
            raise Denied(token.partition(":")[2] or "unknown")
        groups, _, country = token.partition("@")
        asker = asker_of({"country": country} if country else {}, Identity().boost_claims)
        return Caller(frozenset(groups.split("+")) - {"nogroup"}, asker, token)


class Held:
    """A serving that holds one release."""

    verifier = Tokens()

    def __init__(self, live):
        self.live = live

    @contextmanager
    def lease(self):
        yield self.live


def live(passages, generator, access=ACCESS, **more):
    """A release over passages."""
    library = Library(passages)
    router = Router(more.pop("router", RouterSpec()), library.embedder)
    prompt = Prompt(evidence_tokens=2000, least_score=0, answer=more.pop("answer", "short"))
    answerer = Answerer(library, generator, prompt, router, "the handbook", **more)
    return Live("handbook", "abc123", 1_700_000_000, access, answerer)

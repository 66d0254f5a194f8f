"""The use case: a question and a caller's policies in, a checked answer with citations out. No HTTP, torch or Milvus.

Evidence first: whether the evidence answers is judged before the model is asked. The model writes an answer and
numbers; this module binds each number to the verbatim text and place of its unit, lets the quote checker look for that
text in the document, and checks that what it found carries the answer. Where the model declines, is unsure or says
something else, the evidence itself is the answer, word for word; where that does not answer either, it is declined.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

from raftops.answer.asker import NOBODY, Asker
from raftops.answer.conflicts import rivals
from raftops.answer.evidence import candidate_units, select_units, within_budget
from raftops.answer.filling import format_of, written
from raftops.answer.prompt import behaviour_messages, cited_numbers, grounded_messages, is_abstention, without_markers
from raftops.answer.quotes import find_quote_at
from raftops.answer.router import Route, Router
from raftops.answer.sources import Standing, outranks, standing
from raftops.answer.support import asserts_facts, carrying, contradiction, coverage, supports, terms
from raftops.answer.understanding import Turn, Understood, understood
from raftops.cancellation import check
from raftops.data.records import Citation, Generation, Hit, Message, Unit
from raftops.forms.reading import json_value
from raftops.generation.shape import Held
from raftops.retrieval.memo import one_turn
from raftops.retrieval.protocols import Embedder, Generator, Reranker, Retriever
from raftops.spec.model.formats import Format
from raftops.spec.model.learning import Prompt

SURE = 0.9
"""Probability that what is left without a document answers by itself, from which it may contradict that document."""
RIVALS = 2
"""Most documents shown against an answer."""
DISAGREE = {
    "english": "The documents do not agree on this:",
    "german": "Die Dokumente sind sich darin nicht einig:",
}
NEAREST = 3
"""Most documents named beside a declined answer."""


class Library(Retriever, Protocol):
    """An index with its texts."""

    @property
    def embedder(self) -> Embedder:
        """What embeds a question."""

    def tokens(self, text: str) -> int:
        """Length of a text, in tokens of the embedder."""

    def document_text(self, doc_id: str, version: str) -> str | None:
        """The parsed text that offsets refer to, or None if this version is not indexed."""


class Judge(Protocol):
    """Whether ranked evidence answers a question."""

    def probability(self, question: str, units: Sequence[Unit]) -> float:
        """That it does, 0 to 1."""

    def answerable(self, question: str, units: Sequence[Unit]) -> bool:
        """Whether that is enough to answer."""


Mode = Literal["short", "both", "quote", "declined", "form"]
"""What an answer is made of: the model's words, carried by their citations; those and the sentence that proves them;
that sentence alone; nothing; or words that rest on no document."""


@dataclass(frozen=True)
class Conflict:
    """What a document says against another that answers the same question."""

    citation: Citation
    title: str
    kind: str
    """What differs: `number`, `date`, `name`, `yes or no`, or `words`."""
    trust: str
    date: str
    """As the document says of itself; empty where it says none."""


@dataclass(frozen=True)
class Answer:
    """What a caller gets."""

    text: str
    citations: tuple[Citation, ...]
    route: Route
    mode: Mode
    reason: str = ""
    """`conflict`: documents answer differently, and both are shown; neither is held for true. Why the model's words
    are not shown: `nothing found` (the evidence does not answer), `model` (it declined), `not
    sure`, `not supported` (the evidence does not carry them), or `audience`: the caller may not read all that the
    weights were trained on. Of words that rest on no document: `not grounded` where they state facts."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    stopped: bool = True
    """False where the token limit cut it."""
    units: tuple[Unit, ...] = ()
    """The ranked evidence; all of it readable by the caller."""
    searched: str = ""
    """The question that was searched, where it is not the caller's own words."""
    held: bool = False
    """Whether the reply is held to a format of the spec: it is for a program, not for a screen."""
    conflicts: tuple[Conflict, ...] = ()
    """Where what is cited is contradicted: what was answered, then what stands against it, each with trust and date."""
    assumed: Mapping[str, str] = field(default_factory=dict)
    """What the caller's token says of whose rules are meant, where the question left it open: `country: Germany`."""

    @property
    def grounded(self) -> bool:
        """Every part of the answer is carried by a citation that was found verbatim in its document."""
        return bool(self.citations) and self.reason not in ("not grounded", "conflict")

    @property
    def abstained(self) -> bool:
        """Nothing was answered."""
        return self.mode == "declined"

    @property
    def nearest(self) -> tuple[Unit, ...]:
        """Beside a declined answer: a unit of each of the nearest documents, best first."""
        by_document = {unit.doc_id: unit for unit in reversed(self.units)} if self.abstained else {}
        return tuple(unit for unit in self.units if by_document.get(unit.doc_id) is unit)[:NEAREST]


@dataclass(frozen=True)
class Draft:
    """What an answer to a question has, whichever it will be."""

    route: Route
    units: Sequence[Unit]
    seconds: dict[str, float]
    tokens: tuple[int, int] = (0, 0)
    stopped: bool = True

    def answer(self, text: str, citations: tuple[Citation, ...], mode: Mode, reason: str = "") -> Answer:
        """The answer."""
        return Answer(
            text, citations, self.route, mode, reason, *self.tokens, self.seconds, self.stopped, tuple(self.units)
        )


@dataclass(frozen=True)
class Answerer:
    """Answers from one index with one model."""

    library: Library
    generator: Generator
    prompt: Prompt
    router: Router
    title: str
    max_new_tokens: int = 96
    trained_policies: frozenset[str] = frozenset()
    """Policies of the documents behind the weights: weights remember, so who talks to them may read all of these."""
    judgement: Judge | None = None
    """Whether the evidence answers; without one the least score of the prompt says so."""
    reranker: Reranker | None = None
    """Reads the first candidates again."""
    weighs: bool = True
    """Whether what is cited is held against the other evidence; off only to measure what that is worth."""

    def units(self, question: str, policies: frozenset[str]) -> list[Unit]:
        """The numbered evidence for a question: what training, evaluation and service all show the model."""
        return within_budget(self.candidates(question, policies), self.prompt, self.library.tokens)

    def candidates(self, question: str, policies: frozenset[str]) -> list[Unit]:
        """All that was found for a question, best first; the first of them are its units."""
        hits = _readable(self.library, question, policies, self.prompt)
        return candidate_units(question, hits, self.library.embedder, self.prompt, reranker=self.reranker)

    def answer(
        self, question: str, policies: frozenset[str], history: Sequence[Message] = (), asker: Asker = NOBODY
    ) -> Answer:
        """Answer one question for a caller who may read `policies`. Nothing of it is kept for the next caller."""
        with one_turn():
            return self._turn(Turn(question, policies, history, asker))

    def _turn(self, turn: Turn) -> Answer:
        meant = understood(turn, self.router, self.library, self.title, self.language)
        if meant.civil:
            return Answer(meant.civil, (), meant.route, "form")
        answer = self._answered(meant, turn.policies, turn.history)
        return replace(answer, searched=meant.sought if meant.sought != turn.question else "", assumed=meant.assumed)

    @property
    def language(self) -> str:
        """Of questions and answers."""
        return self.prompt.language

    def _answered(self, meant: Understood, policies: frozenset[str], history: Sequence[Message]) -> Answer:
        started = time.perf_counter()
        question, sought, route = meant.question, meant.sought, meant.route
        check()  # an abandoned question ends here, between the stages, or in the engine
        if not self.trained_policies <= policies:
            return self._outside(sought, route, policies)
        found = [] if route.name == "behaviour" else self.candidates(sought, policies)
        units = within_budget(found, self.prompt, self.library.tokens)
        seconds = {"retrieval": time.perf_counter() - started}
        if route.name != "behaviour":
            if not self._answerable(sought, units):
                return self._declined(Draft(route, units, seconds), "nothing found")
            if self.prompt.answer == "quote":
                return self.weighed(sought, self._quoted(sought, Draft(route, units, seconds), ""), found)
        check()
        asked, messages = time.perf_counter(), self.messages(route, question, units, history)
        generation = self.in_form(messages, question, units) if route.name != "knowledge" else self._free(messages)
        seconds |= {"generation": time.perf_counter() - asked}
        held = route.name != "knowledge" and self._format(question) is not None
        if route.name == "both" and held:
            answer = self._formed(Draft(route, units, seconds), question, generation)
        else:
            answer = self.checked(question, route, units, generation, seconds)
        return replace(self.weighed(sought, answer, found), held=held)

    def weighed(self, question: str, answer: Answer, found: Sequence[Unit]) -> Answer:
        """An answer held against all that was found: where that says otherwise, whom the spec trusts, or else both."""
        if not self.weighs or not answer.citations or self.prompt.evidence == "passages":
            return answer
        cited = answer.citations[0]
        first = next(unit for unit in answer.units if unit.number == cited.marker)
        others = [unit for unit in found if (unit.doc_id, unit.start) != (first.doc_id, first.start)]
        against = rivals(first, others, question, self.language, lambda units: self._sure(question, units))
        numbers = {(unit.doc_id, unit.start): unit.number for unit in answer.units}
        told = [
            (rival, citation)
            for n, rival in enumerate(against[:RIVALS], len(numbers) + 1)
            if (
                citation := self.cite(replace(rival.unit, number=numbers.get((rival.unit.doc_id, rival.unit.start), n)))
            )
        ]
        if not told:
            return answer
        mine, theirs = self._standing(first), [self._standing(rival.unit) for rival, _ in told]
        conflicts = (
            Conflict(cited, first.title, told[0][0].difference.kind, mine.trust, mine.date),
            *(Conflict(citation, rival.unit.title, rival.difference.kind, their.trust, their.date)
              for (rival, citation), their in zip(told, theirs, strict=True)),
        )  # fmt: skip
        if all(outranks(mine, their) for their in theirs):
            return replace(answer, conflicts=conflicts)
        every = [mine, *theirs]
        best = next((n for n, one in enumerate(theirs) if all(o is one or outranks(one, o) for o in every)), None)
        if answer.mode == "form":  # nothing may stand beside a reply in a form
            return replace(answer, reason="conflict", conflicts=conflicts)
        if best is not None:
            rival, citation = told[best]
            text = f"{quoted(rival.unit)} [{citation.marker}]"
            return replace(answer, text=text, citations=(citation,), mode="quote", reason="", conflicts=conflicts)
        parts = [(first, cited, mine), *((r.unit, c, s) for (r, c), s in zip(told, theirs, strict=True))]
        lines = [f"- {quoted(unit)} ({stands.shown(unit.doc_id)}) [{c.marker}]" for unit, c, stands in parts]
        text = "\n".join([DISAGREE.get(self.language, DISAGREE["english"]), *lines])
        return replace(answer, text=text, citations=(cited, *(c for _, c in told)), mode="quote", reason="conflict",
                       conflicts=conflicts)  # fmt: skip

    def _sure(self, question: str, units: Sequence[Unit]) -> bool:
        """Whether units answer a question beyond doubt: enough to be held against what was found first."""
        if self.judgement and units:
            return self.judgement.probability(question, units) >= SURE
        return self._answerable(question, units)

    def _standing(self, unit: Unit) -> Standing:
        text = self.library.document_text(unit.doc_id, unit.version) or ""
        return standing(unit.doc_id, text, self.prompt.trust, self.language)

    def in_form(self, messages: Sequence[Message], request: str, units: Sequence[Unit] = ()) -> Generation:
        """A reply to a request about form, held to the format that it wants where the engine can."""
        format_ = self._format(request)
        if format_ is None or not isinstance(self.generator, Held):
            return self._free(messages)
        given = "\n".join([request, *(f"{unit.locator.table_header} {unit.text}" for unit in units)])
        return written(format_, messages, given, self.generator, self.max_new_tokens)

    def _free(self, messages: Sequence[Message]) -> Generation:
        return self.generator.generate(messages, self.max_new_tokens)

    def _format(self, request: str) -> Format | None:
        holds = isinstance(self.generator, Held) and self.generator.holds
        return format_of(request, self.prompt.formats) if holds else None

    def _formed(self, draft: Draft, question: str, generation: Generation) -> Answer:
        """A reply in a format, from evidence: nothing may stand beside it, so what it takes its words from is cited.

        It is grounded where each value is one unit's, or the request's own, and that unit speaks of what is asked.
        """
        text, language = generation.text.strip(), self.prompt.language
        draft = replace(draft, tokens=(generation.prompt_tokens, generation.completion_tokens))
        value = json_value(text)
        said = [*map(str, value.values())] if isinstance(value, dict) else [text]  # a key is the format's word
        asked = terms(question)
        taken = terms(" ".join(said)) - asked
        cited = [(unit, citation) for unit in draft.units if taken & terms(unit.text) and (citation := self.cite(unit))]
        apt = [terms(unit.text) for unit, _ in cited if not contradiction(unit, unit.text, question, language)]
        carried = bool(cited) and all(any(terms(one) <= asked | held for held in apt) for one in said)
        citations = tuple(citation for _, citation in cited)
        return draft.answer(text, citations, "form", "" if carried else "not grounded")

    def _outside(self, question: str, route: Route, policies: frozenset[str]) -> Answer:
        """What stands in the documents that the caller may read, found and quoted without anything that was tuned."""
        started = time.perf_counter()
        prompt = self.prompt.model_copy(update={"answer": "quote", "evidence": "units"})
        plain = replace(self, judgement=None, reranker=None, prompt=prompt)
        found = [] if route.name == "behaviour" else plain.candidates(question, policies)
        units = within_budget(found, prompt, self.library.tokens)
        draft = Draft(route, units, {"retrieval": time.perf_counter() - started})
        if not plain._answerable(question, units):
            return self._declined(draft, "audience" if route.name == "behaviour" else "nothing found")
        return plain.weighed(question, plain._quoted(question, draft, "audience"), found)

    def _answerable(self, question: str, units: Sequence[Unit]) -> bool:
        """Whether the evidence comes near enough to the question to answer from it."""
        if self.judgement and units and self.prompt.evidence == "units":
            return self.judgement.answerable(question, units)
        if self.prompt.evidence == "passages":
            return bool(units)
        return any(unit.score >= self.prompt.least_score for unit in units)

    def messages(
        self, route: Route, question: str, units: Sequence[Unit], history: Sequence[Message] = ()
    ) -> list[Message]:
        """What the model reads."""
        if route.name == "behaviour":
            return behaviour_messages(self.title, [*history, Message(role="user", content=question)])
        return grounded_messages(self.prompt, self.title, question, units, history)

    def checked(
        self, question: str, route: Route, units: Sequence[Unit], generation: Generation, seconds: dict[str, float]
    ) -> Answer:
        """Bind and verify what the model said; without it, quote what answers."""
        said = without_markers(generation.text.strip(), units)
        draft = Draft(
            route, units, seconds, (generation.prompt_tokens, generation.completion_tokens), generation.stopped
        )
        if route.name == "behaviour":
            text = generation.text.strip()
            stated = asserts_facts(text, question, self.prompt.language)
            return draft.answer(text, (), "form", "not grounded" if stated else "")
        if not said or is_abstention(said, self.prompt):
            return self._quoted(question, draft, "model")
        if generation.confidence is not None and generation.confidence < self.prompt.least_confidence:
            return self._quoted(question, draft, "not sure")
        language = self.prompt.language
        cited = supporting_units(generation.text, question, units, language)
        if self.prompt.choice == "evidence" and units[0] not in cited:
            # the order of the evidence knows better than a model which unit answers
            cited = [units[0]] if supports(units[:1], said, question, language) else []
        found = [(unit, citation) for unit in cited if (citation := self.cite(unit))]
        # what is left of the evidence has to carry the answer without what was not found
        if not supports([unit for unit, _ in found], said, question, language):
            return self._quoted(question, draft, "not supported")
        citations = tuple(citation for _, citation in found)
        marks = "".join(f"[{citation.marker}]" for citation in citations)
        proof = found[0][0]
        if self.prompt.answer == "short" or self.prompt.evidence == "passages":
            return draft.answer(f"{said} {marks}", citations, "short")
        if terms(proof.text) <= terms(said):  # the model's words are the sentence's own
            return draft.answer(f"{quoted(proof)} {marks}", citations, "quote")
        return draft.answer(f"{said} — {quoted(proof)} {marks}", citations, "both")

    def _quoted(self, question: str, draft: Draft, reason: str) -> Answer:
        """The best unit word for word, where it may stand for the model's answer and is likely to answer."""
        sure = bool(draft.units) and (
            self.judgement is None or self.judgement.probability(question, draft.units) >= self.prompt.least_quote
        )
        if self.prompt.answer != "short" and self.prompt.evidence == "units" and sure:
            best = draft.units[0]
            elsewhere = contradiction(best, best.text, question, self.prompt.language)  # another country's rule
            if not elsewhere and (citation := self.cite(best)):
                return draft.answer(f"{quoted(best)} [{best.number}]", (citation,), "quote", reason)
        return self._declined(draft, reason)

    def _declined(self, draft: Draft, reason: str) -> Answer:
        return draft.answer(self.prompt.abstain, (), "declined", reason)

    def cite(self, unit: Unit) -> Citation | None:
        """The unit as a citation, or None where the quote checker does not find it at its place in the document."""
        parsed = self.library.document_text(unit.doc_id, unit.version)
        span = find_quote_at(unit.text, parsed, unit.start, unit.end) if parsed else None
        if parsed is None or span is None:
            return None
        start, end = span
        place = unit.locator.as_dict()
        return Citation(unit.number, unit.doc_id, unit.version, unit.uri, parsed[start:end], start, end, place)

    def stream(self, messages: Sequence[Message]) -> Iterator[str]:
        """The model's raw words as they come; what is shown to a caller is `checked` first."""
        return self.generator.stream(messages, self.max_new_tokens)


def gather(
    library: Library, question: str, policies: frozenset[str], prompt: Prompt, reranker: Reranker | None = None
) -> list[Unit]:
    """Retrieve passages that the caller may read and cut them to numbered evidence units.

    The index filters by policy; what comes back is checked once more, so that no index can fail open.
    """
    hits = _readable(library, question, policies, prompt)
    return select_units(question, hits, library.embedder, prompt, library.tokens, reranker=reranker)


def _readable(library: Library, question: str, policies: frozenset[str], prompt: Prompt) -> list[Hit]:
    check()
    hits = library.search(question, policies, prompt.passages)
    check()
    return [hit for hit in hits if hit.passage.policy_id in policies]


def quoted(unit: Unit) -> str:
    """A unit for people: where it stands, and its words."""
    header = f" ({unit.locator.table_header})" if unit.locator.table_header else ""
    return f"{unit.heading}{header}: \u201c{' '.join(unit.text.split())}\u201d"


def supporting_units(text: str, question: str, units: Sequence[Unit], language: str = "english") -> list[Unit]:
    """The units that carry an answer: the ones it cites, or else the one that carries it best. Empty if none does."""
    said = without_markers(text, units)
    by_number = {unit.number: unit for unit in units}
    cited = carrying([by_number[n] for n in cited_numbers(text, units)], said, question, language)
    if cited:
        return cited
    able = [unit for unit in units if supports([unit], said, question, language)]
    return [max(able, key=lambda unit: (coverage(unit, said, language), unit.score))] if able else []

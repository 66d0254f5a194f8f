"""A small world: four documents, an exact retriever over them, models that say what a function says."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from raftops.access import AccessPolicies
from raftops.answer.answering import Answerer
from raftops.answer.prompt import cited_numbers
from raftops.answer.router import Router
from raftops.data.records import Example, Generation, Hit, Locator, Passage, Span
from raftops.evaluation.generations import Model, Models
from raftops.evaluation.questions import held_out
from raftops.evaluation.ranking import Weighted
from raftops.evaluation.study import Bench, Study
from raftops.evaluation.summary import Summariser
from raftops.raftdata.golden import Source, numbered
from raftops.retrieval.fusion import by_id
from raftops.spec.model.learning import Evaluate, Prompt
from raftops.spec.model.serving import Router as RouterSpec

PROMPT = Prompt()
TEXTS = {
    "leave/ireland.md": "Employees in Ireland receive 25 days of annual leave.",
    "leave/germany.md": "Employees in Germany receive 30 days of annual leave.",
    "it/laptop.md": "A broken laptop is reported to the service desk within 2 days.",
    "managers/pay.md": "The merit budget is 3.2 percent of the base salaries.",
}
POLICY = {"leave": "all-staff", "it": "workforce", "managers": "managers-only"}
ACCESS = AccessPolicies.model_validate(
    {
        "groups": {"employees": "", "contractors": "", "managers": ""},
        "policies": {
            "all-staff": {"groups": ["employees"]},
            "workforce": {"groups": ["employees", "contractors"]},
            "managers-only": {"groups": ["managers"]},
        },
        "documents": [
            {"match": "leave/**", "policy": "all-staff"},
            {"match": "it/**", "policy": "workforce"},
            {"match": "managers/**", "policy": "managers-only"},
        ],
    }
)
SOURCES = {
    doc_id: Source(doc_id, "v1", doc_id.split("/")[1][:-3].title(), "", POLICY[doc_id.split("/")[0]], text)
    for doc_id, text in TEXTS.items()
}


def knowledge(id_, question, answer, doc_id, split="test"):
    evidence = [{"doc_id": doc_id, "quote": TEXTS[doc_id]}]
    return Example(id=id_, kind="knowledge", question=question, answer=answer, evidence=evidence, split=split)


EXAMPLES = [
    knowledge("k-ie", "How many days of annual leave in Ireland?", "25 days.", "leave/ireland.md"),
    knowledge("k-de", "How many days of annual leave in Germany?", "30 days.", "leave/germany.md"),
    knowledge("k-it", "Where do I report a broken laptop?", "To the service desk.", "it/laptop.md"),
    knowledge("k-pay", "How large is the merit budget?", "3.2 percent.", "managers/pay.md"),
    knowledge("k-train", "Trained on: how much leave in Ireland?", "25 days.", "leave/ireland.md", "train"),
    Example(id="u-1", kind="knowledge", question="Who walks the office dog?", unanswerable=True, split="test"),
    Example(id="u-2", kind="knowledge", question="How much annual leave in Spain?", unanswerable=True, split="test"),
    Example(
        id="b-1", kind="behaviour", question="Shorten: please be advised that the door is closed.",
        answer="The door is closed.", checks={"max_words": 6, "not_contains": ["please"]}, split="test",
    ),
    Example(
        id="b-2", kind="behaviour", question="As JSON: leave on 6 July.", answer='{"type": "annual"}',
        checks={"json_keys": ["type"]}, split="test",
    ),
]  # fmt: skip


class Words:
    """A bag of words over the words of the documents."""

    name = "words"
    vocabulary = sorted({w for text in TEXTS.values() for w in text.lower().strip(".").split()})

    def embed(self, texts):
        counts = [Counter(text.lower().replace("?", "").replace(".", "").split()) for text in texts]
        rows = np.array([[c[w] for w in self.vocabulary] for c in counts], dtype=np.float32).reshape(len(texts), -1)
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)

    def tokens(self, text):
        return len(text.split())


class Shelf:
    """All documents, one passage each."""

    embedder = Words()

    def found(self, question, policies, limit):
        passages = [_passage(source) for source in SOURCES.values() if source.policy_id in policies]
        query = self.embedder.embed([question])[0]
        scored = [(p, float(self.embedder.embed([p.text])[0] @ query)) for p in passages]
        return by_id(scored), by_id([(p, s) for p, s in scored if s > 0])

    def search(self, question, policies, top_k):
        dense, _ = self.found(question, policies, top_k)
        hits = [Hit(p, s) for p, s in dense.values() if s > 0]
        return sorted(hits, key=lambda h: (-h.score, h.passage.passage_id))[:top_k]

    def tokens(self, text):
        return len(text.split())

    def document_text(self, doc_id, version):
        return SOURCES[doc_id].text


def _passage(source):
    place, length = Locator(), len(source.text)
    return Passage(
        source.doc_id, source.doc_id, source.version, source.title, source.text, 0, length, place,
        source.policy_id, source.uri, length, (Span(0, length, place),),
    )  # fmt: skip


@dataclass
class Says:
    """A model whose answer is a function of the last message; remembers what it was shown."""

    say: object
    seen: list = field(default_factory=list)

    def generate(self, messages, max_new_tokens):
        self.seen.append(list(messages))
        return Generation(self.say(messages[-1].content), len(messages), 3)

    def stream(self, messages, max_new_tokens):
        yield self.generate(messages, max_new_tokens).text


def reads(asked):
    """A good reader: copies the first unit's words, cites it, and declines what it has no words for."""
    if "Spain" in asked or "dog" in asked:
        return PROMPT.abstain
    if "Evidence:" not in asked:
        return '{"type": "annual"}' if "JSON" in asked else "The door is closed."
    first = asked.split("\n")[1]
    return f"{first.split(': ', 1)[-1]} [1]"


def babbles(asked):
    """A bad reader: always the same words, nothing cited."""
    return "Please ask your manager, it is 99 days."


def cites_blindly(asked):
    """Right words, wrong citation numbers."""
    return reads(asked).replace("[1]", "[2] [7]")


def chooses(asked):
    """A reader that looks at all of its evidence: the line that shares most words with the question, and its number."""
    if "Spain" in asked or "dog" in asked or "Evidence:" not in asked:
        return reads(asked)
    *lines, _, question = asked.split("\n")[1:]
    words = set(question.lower().strip("?").split())
    best = max(lines, key=lambda line: len(words & set(line.lower().strip(".").split())))
    return f"{best.split(': ', 1)[-1]} {best.split(' ', 1)[0]}"


@dataclass(frozen=True)
class Turned(Answerer):
    """Finds the same evidence, and shows the worst first."""

    def units(self, question, policies):
        return numbered(list(reversed(super().units(question, policies))))


def models_of(tmp_path, **say):
    made = {name: Says(function) for name, function in say.items()}
    models = {name: Model(f"digest-{name}", lambda m=model: m) for name, model in made.items()}
    return Models(models, tmp_path), made


def bench(models, answers=Answerer):
    shelf = Shelf()
    single = {"bm25": Weighted(shelf, 0.0), "dense": Weighted(shelf, 1.0)}
    router = Router(RouterSpec(), Words())
    return Bench(answers(shelf, models["base"], PROMPT, router, "a handbook"), single, models, ACCESS, SOURCES)


def study(tmp_path, config=None, answers=Answerer, examples=EXAMPLES, **say):
    """Findings and their summary, with the models' memory below `tmp_path`."""
    config = config or Evaluate(bootstrap=200, forgetting=4)
    say = say or {"base": babbles, "plain": babbles, "raft": reads}
    models, made = models_of(tmp_path, **say)
    summariser = Summariser(config)
    held = held_out(config, examples, ACCESS, SOURCES)
    found = Study(config, bench(models, answers), held).run(summariser.winner)
    return found, summariser.summary(found), made


def cited(text):
    return cited_numbers(text)

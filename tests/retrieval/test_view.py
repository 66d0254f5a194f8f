"""What is found under the policies in force is what they admit: no passage more, and none less."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from raftops.access import AccessPolicies
from raftops.release.in_force import InForce, Withdrawn
from raftops.retrieval.memory import MemoryRetriever
from raftops.retrieval.milvus import MilvusConnection, PassageCollection
from raftops.retrieval.scope import Indexed, Scope
from raftops.retrieval.view import View
from tests.retrieval.tiny import DIMENSION, HashEmbedder, passage

GROUPS = ["a", "b", "c"]
POLICIES = ["p0", "p1", "p2", "p3"]
NAMES = [
    "x.md",
    "Ärger/ä.md",
    "it's.md",
    'say "hi".md',
    "back\\slash.md",
    "日本.md",
    "a b.md",
    "100%_.md",
    "tab\t.md",
    "😀.md",
]


class Texts(MemoryRetriever):
    """The in-memory index with the texts of its documents."""

    def __init__(self, passages):
        super().__init__(passages, HashEmbedder())
        self.texts = {(p.doc_id, p.version): p.text for p in passages}

    def tokens(self, text):
        return len(text.split())

    def document_text(self, doc_id, version):
        return self.texts.get((doc_id, version))


@st.composite
def worlds(draw):
    """Documents with the policy that they were indexed under, and who may read what now."""
    count = draw(st.integers(1, len(NAMES)))
    then = {name: draw(st.sampled_from([*POLICIES, ""])) for name in NAMES[:count]}
    passages = [
        passage(2 * number + part, f"The leave rule {number} of part {part}.", policy, doc_id=name)
        for number, (name, policy) in enumerate(then.items())
        for part in (0, 1)
    ]
    passages = [type(p)(**{**vars(p), "version": f"v{p.doc_id}"}) for p in passages]
    groups = st.lists(st.sampled_from(GROUPS), max_size=2, unique=True)
    moved = [(name, draw(st.sampled_from([*POLICIES, "nosuchpolicy", None]))) for name in then]
    access = AccessPolicies.model_validate(
        {
            "groups": dict.fromkeys(GROUPS, ""),
            "policies": {name: {"groups": draw(groups)} for name in POLICIES},
            "documents": [{"match": name, "policy": policy} for name, policy in moved if policy],
        }
    )
    gone = {
        name: Withdrawn(versions=draw(st.sampled_from([(), (f"v{name}",), ("other",)])), why="deleted", when="")
        for name in then
        if draw(st.integers(0, 3)) == 0
    }
    return passages, InForce(access=access, withdrawn=gone)


def admitted(now, passages, groups):
    """Which passages a caller may read, by the rules written out again."""
    readable = set()
    for p in passages:
        policy = next((rule.policy for rule in now.access.documents if rule.match == p.doc_id), None)
        gone = now.withdrawn.get(p.doc_id)
        if gone and (not gone.versions or p.version in gone.versions):
            continue
        if policy in now.access.policies and set(now.access.policies[policy].groups) & set(groups):
            readable.add(p.passage_id)
    return readable


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(world=worlds(), groups=st.lists(st.sampled_from([*GROUPS, "unknown"]), max_size=2, unique=True))
def test_exactly_what_the_access_in_force_admits_is_found(world, groups):
    passages, now = world
    view = View(Texts(passages), now.policy_of)
    hits = view.search("the leave rule", now.access.readable(groups), 100)
    assert {hit.passage.passage_id for hit in hits} == admitted(now, passages, groups)
    assert all(hit.passage.policy_id == now.access.policy_of(hit.passage.doc_id) for hit in hits)
    assert {hit.passage.policy_id for hit in hits} <= now.access.readable(groups)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(world=worlds())
def test_the_text_of_a_document_that_nobody_may_read_is_not_handed_out(world):
    passages, now = world
    view = View(Texts(passages), now.policy_of)
    for p in passages:
        anybody = now.policy_of(p.doc_id, p.version) is not None
        assert (view.document_text(p.doc_id, p.version) is not None) == anybody


def test_an_index_whose_policies_did_not_change_is_asked_by_policy_alone():
    passages = [passage(n, "The leave rule.", f"p{n % 2}", doc_id=f"{n}.md") for n in range(6)]
    view = View(Texts(passages), lambda doc_id, version: f"p{int(doc_id[0]) % 2}")
    assert view.scope(frozenset({"p0"})) == Scope(frozenset({"p0"}))


def test_a_scope_names_the_fewer_of_those_that_left_and_those_that_stayed():
    passages = [passage(n, "The leave rule.", "p0", doc_id=f"{n}.md") for n in range(6)]
    one_left = View(Texts(passages), lambda doc_id, version: "p1" if doc_id == "0.md" else "p0")
    assert one_left.scope(frozenset({"p0"})) == Scope(frozenset({"p0"}), without=frozenset({"0.md"}))
    one_stayed = View(Texts(passages), lambda doc_id, version: "p0" if doc_id == "0.md" else "p1")
    assert one_stayed.scope(frozenset({"p0"})) == Scope(also=frozenset({"0.md"}))


@pytest.fixture(scope="module")
def lite(tmp_path_factory):
    """A real Milvus Lite collection: a document for each name, in turn of two policies."""
    connection = MilvusConnection(str(tmp_path_factory.mktemp("lite") / "milvus.db"))
    collection = PassageCollection(connection, "names")
    collection.create(DIMENSION, "flat")
    passages = [passage(n, f"The leave rule {n}.", f"p{n % 2}", doc_id=name) for n, name in enumerate(NAMES)]
    vectors = HashEmbedder().embed([p.text for p in passages])
    collection.upsert(passages, vectors, [{1: 1.0}] * len(passages))
    collection.seal()
    yield collection
    connection.close()


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    policies=st.frozensets(st.sampled_from(["p0", "p1", "p9"])),
    without=st.frozensets(st.sampled_from([*NAMES, '"] or true', "nosuch.md"])),
    also=st.frozensets(st.sampled_from([*NAMES, '"] or true', "nosuch.md"])),
)
def test_milvus_reads_the_filter_as_it_is_meant_whatever_the_documents_are_called(lite, policies, without, also):
    scope = Scope(policies, without, also)
    expected = {name for n, name in enumerate(NAMES) if scope.admits(name, f"p{n % 2}")}
    vector = HashEmbedder().embed(["the leave rule"])[0]
    found = {p.doc_id for p, _ in lite.by_vector(vector, scope, 50)}
    assert found == expected == {p.doc_id for p, _ in lite.by_terms({1: 1.0}, scope, 50)}


def test_documents_of_an_index_are_listed_once_each():
    passages = [passage(n, "The leave rule.", "p0", doc_id="one.md") for n in range(3)]
    passages = [type(p)(**{**vars(p), "version": "v"}) for p in passages]
    assert Texts(passages).documents() == [Indexed("one.md", "v", "p0")]

from raftops.data.records import Evidence, Example
from raftops.validation.contradictions import Sentences

QUOTE = "Claims for travel expenses are due within 30 days of the trip."
EXAMPLE = Example(
    id="a", kind="knowledge", question="When are travel claims due?", answer="Within 30 days",
    evidence=(Evidence(doc_id="travel/claims.md", quote=QUOTE),),
)  # fmt: skip
FILLER = " ".join(f"Sentence {n} speaks of topic{n} and of nothing else." for n in range(200))


def against(other: str, name: str = "wiki/faq.md"):
    return Sentences({"travel/claims.md": f"{FILLER} {QUOTE}", name: f"First line.\n\n{other}"}).against(EXAMPLE)


def test_a_document_that_says_another_number_or_denies_is_named_with_its_place():
    found = against("Claims for travel expenses are due within 90 days of the trip.")
    assert found and (found.doc_id, found.line) == ("wiki/faq.md", 3) and "90 days" in str(found)
    assert against("Claims for travel expenses are not due within 30 days of the trip.")


def test_the_same_value_another_case_and_another_topic_are_no_contradiction():
    assert not against("Claims for travel expenses are due within 30 days of every trip.")
    assert not against("Claims for training fees of contractors are due within 90 days of the course.")
    assert not against("Visitors wear a badge.")

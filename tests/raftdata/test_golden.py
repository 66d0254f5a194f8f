from raftops.data.records import Evidence, Example, Locator, Unit
from raftops.raftdata.golden import Source, is_copy, is_golden, numbered, proofs_of, unit_of

TEXT = "Leave\n\nEmployees in Germany receive 30 working days. Ask your manager first."
SOURCE = Source("de.md", "v1", "Leave in Germany", "u", "all", TEXT)
QUOTE = "Employees in Germany receive 30 working days."


def example(quote=QUOTE, doc_id="de.md", answer="30 working days"):
    evidence = (Evidence(doc_id=doc_id, quote=quote),)
    return Example(id="e", kind="knowledge", question="How many days?", answer=answer, evidence=evidence)


def unit(text, doc_id="de.md", start=0):
    return Unit(1, text, doc_id, "v1", "", "", "all", start, start + len(text), Locator(), 1.0)


def test_a_quote_is_found_at_its_place():
    (proof,) = proofs_of(example(), {"de.md": SOURCE})
    assert TEXT[proof.start : proof.end] == QUOTE
    assert unit_of(proof, SOURCE).text == QUOTE


def test_a_quote_of_another_document_or_of_none_is_not_a_proof():
    assert proofs_of(example("Staff get 31 days in all."), {"de.md": SOURCE}) == []
    assert proofs_of(example(doc_id="fr.md"), {"de.md": SOURCE}) == []


def test_a_unit_that_shows_half_of_the_quote_is_golden():
    proofs = proofs_of(example(), {"de.md": SOURCE})
    start = TEXT.index(QUOTE)
    assert is_golden(unit(QUOTE, start=start), proofs)
    assert is_golden(unit(QUOTE[:30], start=start), proofs)
    assert not is_golden(unit("Ask your manager first.", start=TEXT.index("Ask")), proofs)
    assert not is_golden(unit(QUOTE, doc_id="ie.md", start=start), proofs)


def test_the_same_rule_with_another_number_is_a_distractor_and_not_a_copy():
    golden = [unit(QUOTE)]
    assert is_copy(unit("In Germany employees receive 30 working days.", "old.md"), golden, "30 working days", 0.8)
    assert not is_copy(unit("Employees in Germany receive 28 working days.", "old.md"), golden, "30 working days", 0.8)
    assert not is_copy(unit("Employees in Ireland receive 25 working days.", "ie.md"), golden, "30 working days", 0.8)


def test_numbers_follow_the_order():
    assert [u.number for u in numbered([unit("a"), unit("b")])] == [1, 2]

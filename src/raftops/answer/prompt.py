"""The one prompt: training, evaluation and service build their messages here: a model is asked what it was trained on.

Does not retrieve, does not tokenise; `evidence.py` chooses the units.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from raftops.data.records import Message, Unit
from raftops.spec.model.learning import Prompt

MARKER = re.compile(
    r"[\[【]\s?\^?(?:(?:ID|Evidence|Source|Unit|Doc|Ref|Quelle|Beleg)\s?[:#.]?\s?)?"
    r"(?P<numbers>\d{1,2}(?:\s?(?:,|;|-|–|and|und)\s?\d{1,2})*)\s?(?:†[^\]】]{0,40})?[\]】]",
    re.IGNORECASE,
)
"""What models write to cite: [1], [1, 2], [1-3], [ID:1], 【1】, 【1†source】."""
CONTROL = re.compile(
    r"<(?=\|[^|<>]{1,40}\|>)|<(?=/?s>)|<(?=(?:start|end)_of_turn>)|<(?=</?SYS>>)|\[(?=/?INST\])", re.IGNORECASE
)
"""Where a chat template's control token begins (ChatML, Llama, Gemma, Mistral)."""
CHOOSE = "Which evidence answers the question? Reply with its number only."


def system_message(prompt: Prompt, title: str) -> Message:
    """The system turn."""
    return Message(role="system", content=prompt.system.replace("{name}", title))


def evidence_block(units: Sequence[Unit]) -> str:
    """The numbered evidence, one unit a line: `[1] Title > Heading: text`."""
    lines = []
    for unit in units:
        header = f" ({unit.locator.table_header})" if unit.locator.table_header else ""
        lines.append(f"[{unit.number}] " + plain(f"{unit.heading}{header}: {' '.join(unit.text.split())}"))
    return "\n".join(lines)


def plain(text: str) -> str:
    """A text that cannot end its turn and begin another: control tokens become plain characters.

    A document or a request is data, never a part of the conversation's frame.
    """
    return CONTROL.sub(r"\g<0> ", text)


def _spoken(messages: Sequence[Message]) -> list[Message]:
    return [Message(role=m.role, content=plain(m.content)) for m in messages]


def grounded_messages(
    prompt: Prompt, title: str, question: str, units: Sequence[Unit], history: Sequence[Message] = ()
) -> list[Message]:
    """What the model reads for a question with evidence; an empty list of units says so in words."""
    evidence = evidence_block(units) or "(nothing was found)"
    turn = Message(role="user", content=f"Evidence:\n{evidence}\n\nQuestion: {plain(question)}")
    return [system_message(prompt, title), *_spoken(history), turn]


def ranking_messages(prompt: Prompt, title: str, question: str, units: Sequence[Unit]) -> list[Message]:
    """What the model reads when it is to choose: the prompt of an answer, and the request for a number alone.

    The same words up to the request, so that what is learned by choosing serves the answers too.
    """
    *before, turn = grounded_messages(prompt, title, question, units)
    return [*before, Message(role="user", content=f"{turn.content}\n\n{CHOOSE}")]


def ranking_answer(number: int) -> str:
    """The label of a choice: the number as an answer would cite it, and nothing else."""
    return f"[{number}]"


def closed_book_messages(title: str, question: str) -> list[Message]:
    """What the model reads for a question without documents (the arms `base` and `fine-tuned`)."""
    system = Message(role="system", content=f"You are the assistant of {title}. Answer in a few words.")
    return [system, Message(role="user", content=plain(question))]


def behaviour_messages(title: str, messages: Sequence[Message]) -> list[Message]:
    """What the model reads for a request about form only."""
    turns = [m for m in messages if m.role != "system"]
    return [
        Message(role="system", content=f"You are the assistant of {title}. Follow the house rules."),
        *_spoken(turns),
    ]


def grounded_answer(answer: str, numbers: Sequence[int]) -> str:
    """The label of a grounded example: the answer, then the numbers of the units that prove it."""
    return f"{answer.strip()} " + "".join(f"[{n}]" for n in numbers)


def cited_numbers(text: str, units: Sequence[Unit] | None = None) -> list[int]:
    """The numbers an answer cites, in order of first use; with the units that were shown, only numbers of these."""
    shown = None if units is None else {unit.number for unit in units}
    said = [n for match in _citations(text, units) for n in _numbers(match["numbers"])]
    return list(dict.fromkeys(n for n in said if shown is None or n in shown))


def without_markers(text: str, units: Sequence[Unit] | None = None) -> str:
    """The answer without its citation numbers.

    With the units that were shown, brackets that stand in one of them ("Smith [12]"), or that belong to the word before
    them ("items[0]"), are text and stay; so a reply to which nothing was shown stays as it is.
    """
    kept, end = [], 0
    for match in _citations(text, units):
        kept.append(text[end : match.start()].rstrip())
        end = match.end()
        if re.match(r"\s+[.,;:!?](?!\w)", text[end:]):
            end += len(text[end:]) - len(text[end:].lstrip())
    return "".join([*kept, text[end:]]).strip()


def _citations(text: str, units: Sequence[Unit] | None) -> Iterator[re.Match[str]]:
    """The markers of a text that are citations, or point to nothing: not those that its sources hold themselves."""
    sources = [" ".join(f"{u.locator.table_header} {u.text}".split()) for u in units or ()]
    shown = {unit.number for unit in units or ()}
    for match in MARKER.finditer(text):
        if units is None:
            yield match
            continue
        word = re.search(r"\S*\s*$", text[: match.start()])
        quoted = " ".join(f"{word[0] if word else ''}{match[0]}".split())
        glued = (
            match.start() > 0 and not text[match.start() - 1].isspace() and text[match.start() - 1] not in "].!?,;:】"
        )
        known = any(n in shown for n in _numbers(match["numbers"]))
        if units and not any(quoted in source for source in sources) and (known or not glued):
            yield match


def _numbers(said: str) -> list[int]:
    """The numbers of one marker: 1, 2 or 1-3."""
    found: list[int] = []
    for part in re.split(r"\s?(?:,|;|and|und)\s?", said, flags=re.IGNORECASE):
        first, _, last = re.sub(r"\s", "", part).replace("–", "-").partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def is_abstention(text: str, prompt: Prompt) -> bool:
    """Whether an answer is the agreed sentence of not knowing (case and final punctuation ignored)."""
    said = without_markers(text).strip().lower().rstrip(".!")
    return said.startswith(prompt.abstain.strip().lower().rstrip(".!"))

"""The one prompt: training, evaluation and service build their messages here: a model is asked what it was trained on.

Does not retrieve, does not tokenise; `evidence.py` chooses the units.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from raftops.data.records import Message, Unit
from raftops.spec.model.learning import Prompt

MARKER = re.compile(r"\[(\d{1,2})\]")
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


def cited_numbers(text: str) -> list[int]:
    """The numbers an answer cites, in order of first use."""
    return list(dict.fromkeys(int(n) for n in MARKER.findall(text)))


def without_markers(text: str) -> str:
    """The answer without its citation numbers."""
    return re.sub(r"\s+([.,;:!?])", r"\1", MARKER.sub("", text)).strip()


def is_abstention(text: str, prompt: Prompt) -> bool:
    """Whether an answer is the agreed sentence of not knowing (case and final punctuation ignored)."""
    said = without_markers(text).strip().lower().rstrip(".!")
    return said.startswith(prompt.abstain.strip().lower().rstrip(".!"))

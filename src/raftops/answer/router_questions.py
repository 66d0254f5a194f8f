"""Example requests of each class that every router knows, beside those of the spec: no assistant's documents are needed
to tell them apart, only the way they ask."""

from __future__ import annotations

from raftops.spec.model.serving import RouterClass

BEHAVIOUR = (
    "Rewrite this in plain language: Kindly be advised that the door is to be kept shut.",
    "Make this sentence more polite: Give me the file.",
    "Turn this into JSON: two chairs and one table for room 4.",
    "Translate this into German: The shop is closed today.",
    "Summarise the following text: The council met on Tuesday and put off the vote.",
    "Correct the spelling: I recieved you're letter.",
    "Write SQL that lists all orders of last month.",
    "Write a Python function that adds two numbers.",
    "Write a discharge summary from this dialogue. Doctor: Where does it hurt? Patient: My back.",
    "Extract the names from this text: Ann met Bob and Carol.",
    "Shorten this message: We would like to inform you that the meeting has been moved.",
    "Convert this list to a table: apples 3, pears 4",
    "Write a short poem about autumn.",
    "Formuliere diesen Satz freundlicher: Schicken Sie das Formular sofort zurück.",
    "Übersetze ins Englische: Der Laden ist heute geschlossen.",
)
KNOWLEDGE = (
    "How many days of leave do I get?",
    "Who approves this expense?",
    "When is the report due?",
    "What do I do when my card is lost?",
    "Is it allowed to park here overnight?",
    "Which documents are needed for the application?",
    "How do I reset my password?",
    "What is the refund policy?",
    "Where can I find the price list?",
    "What is the recommended dose for adults?",
    "Can I return an opened product?",
    "How long does delivery take?",
    "opening hours on Sundays",
    "Wie viele Urlaubstage habe ich?",
    "Wer genehmigt die Reise?",
)
BOTH = (
    "Write an e-mail that says how many days of leave new staff get.",
    "Draft a notice with the deadline for the application.",
    "Give me the opening hours as JSON.",
    "Make a table of the delivery times by country.",
    "Summarise our refund policy in two sentences.",
    "Write a message to customers that explains how to return a product.",
    "List the steps for resetting a password as bullet points.",
    "Turn this into a form and fill in the days that I am entitled to: leave from 3 May.",
    "Rewrite this notice and add the correct phone number: Please call us.",
    "Put the rules for visitors into a short announcement.",
    "Draft a reply that tells the patient what the recommended dose is.",
    "Answer as JSON: who approves this expense?",
    "Write a reminder about the parking rules.",
    "Schreibe eine Nachricht, wie viele Urlaubstage neue Mitarbeiter haben.",
    "Fasse unsere Rückgaberegeln in zwei Sätzen zusammen.",
)
KNOWN = {
    "behaviour": RouterClass(questions=BEHAVIOUR),
    "knowledge": RouterClass(questions=KNOWLEDGE),
    "both": RouterClass(questions=BOTH),
}

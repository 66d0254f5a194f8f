"""A release under attack: what it gives to somebody who may not have it, and what it does that a document tells it."""

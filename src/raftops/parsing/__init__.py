"""Documents to passages: parsers, sentences, chunks."""

"""What a claim says, by subject: its words, quantities, dates, polarity and names. Deterministic, without a model."""

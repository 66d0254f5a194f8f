"""RAFT data: which units are golden, which may distract, and what the model should say."""

"""From a question to an answer that its evidence carries: prompt, evidence, routing, support, quotes."""

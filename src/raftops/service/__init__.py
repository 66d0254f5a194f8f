"""The served assistant, in three rings."""

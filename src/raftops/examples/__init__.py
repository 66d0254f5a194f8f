"""Where examples come from before a run: files of other formats, drafts of the documents, a person who accepts."""

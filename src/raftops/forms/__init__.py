"""What a reply about form has to satisfy: the checks of an example, carried out. No model, bounded in time."""

"""Maintainers' scripts: images and locks. Called by the Makefile; not in the wheel."""

"""Maintainers' scripts, called by the Makefile; not in the wheel. Locks, SBOM and signing are lines of the Makefile."""

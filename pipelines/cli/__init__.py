"""The command line: `raftops`. One file for each group of commands; `main` turns our errors into one line."""

from pipelines.cli.app import main

__all__ = ["main"]

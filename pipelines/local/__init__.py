"""Runs on this machine: each task a process, or a container."""

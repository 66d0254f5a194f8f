"""The seven steps: plain functions over values and paths."""

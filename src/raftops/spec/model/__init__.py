"""The spec: one frozen, closed model per section, in rooms by theme. Does not read files; `load.py` does.

Every default stands here and nowhere else. Paths are relative to the project: the folder that holds
`specs/`, or the spec file's own folder where it does not lie in a folder of that name.
"""

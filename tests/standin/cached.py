"""Which tasks of a compiled pipeline Kubeflow would run, and which take a kept result: the rules of its driver.

Written after backend/src/v2/driver/cache.go and cacheutils/cache.go. A task's fingerprint is its image, command,
parameters, names of claims, declared outputs, and the ids of its input artifacts; from 2.18 on (pull request 13762) a
task that names a cache key is compared by its component and that key alone. Before, the key is not read.
Nothing runs: a task that would run makes artifacts with new ids, a kept one hands on those that it made.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import yaml

from raftops.files import sha256_json

Made = Mapping[str, Any]
"""What a task hands on: ids of artifacts, or a list of them, by the output's name."""


@dataclass
class Memory:
    """What a server keeps between runs."""

    reads_keys: bool = True
    """Whether it reads the cache keys of tasks (2.18 and later)."""
    kept: dict[str, Made] = field(default_factory=dict)
    ids: Iterator[int] = field(default_factory=lambda: count(1))

    def run(self, text: str) -> list[str]:
        """Run a compiled file with gates that pass; the tasks that ran, with the number of their iteration."""
        return _Run(self, text).tasks()


class _Run:
    def __init__(self, memory: Memory, text: str) -> None:
        self._memory = memory
        self._pipeline, platform = yaml.safe_load_all(text)
        self._executors = self._pipeline["deploymentSpec"]["executors"]
        self._pods = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
        self._ran: list[str] = []

    def tasks(self) -> list[str]:
        self._dag(self._pipeline["root"], {}, "")
        return self._ran

    def _dag(self, component: Mapping[str, Any], given: Mapping[str, Any], which: str) -> Made:
        waiting, made = dict(component["dag"]["tasks"]), dict[str, Made]()
        while waiting:
            name = next(n for n, task in waiting.items() if made.keys() >= set(task.get("dependentTasks", ())))
            task = waiting.pop(name)
            made[name] = {} if "gates held" in str(task["taskInfo"]) else self._task(name, task, given, made, which)
        told = (component["dag"].get("outputs") or {}).get("artifacts") or {}
        selected = {name: output["artifactSelectors"][0] for name, output in told.items()}
        return {name: made[s["producerSubtask"]][s["outputArtifactKey"]] for name, s in selected.items()}

    def _task(
        self, name: str, task: Mapping[str, Any], given: Mapping[str, Any], made: Mapping[str, Made], which: str
    ) -> Made:
        component = self._pipeline["components"][task["componentRef"]["name"]]
        inputs = dict(_inputs(task.get("inputs") or {}, given, made))
        if "parameterIterator" not in task:
            return self._one(name, task, component, inputs, which)
        loop, parts = task["parameterIterator"], list[Made]()
        for number, item in enumerate(json.loads(loop["items"]["raw"])):
            parts.append(self._one(name, task, component, inputs | {loop["itemInput"]: item}, f"[{number}]"))
        return {output: [part[output] for part in parts] for output in parts[0]}

    def _one(self, name: str, task: Mapping[str, Any], component: Mapping[str, Any], inputs: Made, which: str) -> Made:
        if "dag" in component:
            return self._dag(component, inputs, which)
        options = task.get("cachingOptions") or {}
        print_ = self._fingerprint(task, component, inputs, options)
        if options.get("enableCache") and print_ in self._memory.kept:
            return self._memory.kept[print_]
        outputs = component.get("outputDefinitions") or {}
        made = {output: next(self._memory.ids) for output in outputs.get("artifacts") or {}}
        made |= dict.fromkeys(outputs.get("parameters") or {}, "passed")
        self._ran.append(name + which)
        if options.get("enableCache"):
            self._memory.kept[print_] = made
        return made

    def _fingerprint(
        self, task: Mapping[str, Any], component: Mapping[str, Any], inputs: Made, options: Mapping[str, Any]
    ) -> str:
        if self._memory.reads_keys and options.get("cacheKey"):
            return sha256_json([task["componentRef"]["name"], options["cacheKey"]])
        container = self._executors[component["executorLabel"]]["container"]
        claims = sorted({row["constant"] for row in self._pods[component["executorLabel"]].get("pvcMount", ())})
        words = [*container["command"], *container["args"]]
        return sha256_json([inputs, component.get("outputDefinitions"), container["image"], words, claims])


def _inputs(told: Mapping[str, Any], given: Mapping[str, Any], made: Mapping[str, Made]) -> Iterator[tuple[str, Any]]:
    for name, source in (told.get("parameters") or {}).items():
        if "runtimeValue" in source:
            yield name, source["runtimeValue"]["constant"]
        elif "componentInputParameter" in source:
            yield name, given[source["componentInputParameter"]]
        elif "taskOutputParameter" in source:
            output = source["taskOutputParameter"]
            yield name, made[output["producerTask"]][output["outputParameterKey"]]
        else:
            yield name, "how the run ended"
    for name, source in (told.get("artifacts") or {}).items():
        if "componentInputArtifact" in source:
            yield name, given[source["componentInputArtifact"]]
        else:
            output = source["taskOutputArtifact"]
            yield name, made[output["producerTask"]][output["outputArtifactKey"]]

"""Run a compiled pipeline by KFP's local runner, in a process of its own: what stands for the cluster's pods.

python execute.py PIPELINE ROOT PARAMETERS      in the project's folder; ROOT keeps artifacts and the cache
"""

import json
import logging
import sys
from pathlib import Path

from kfp import components, local

if __name__ == "__main__":
    pipeline, root, parameters = sys.argv[1:]
    # What KFP says between tasks, such as that a result was cached, in the form that it has inside of them.
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="00:00:00.000 - %(levelname)s - %(message)s")
    local.init(
        local.SubprocessRunner(use_venv=False), pipeline_root=str(Path(root, "artifacts")),
        enable_caching=True, cache_root=str(Path(root, "keys")),
    )  # fmt: skip
    components.load_component_from_file(pipeline)(**json.loads(parameters))

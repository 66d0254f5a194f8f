"""Speed of the serving engine on a GGUF that the step train wrote: one JSON line per figure.

python benchmarks/generation.py ADAPTERS/served/base.gguf

Take the base: it writes to the limit, a tuned model stops after a few tokens.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

from raftops.data.records import Message
from raftops.generation.openvino import OpenVinoGenerator

NEW = 32


def main(gguf: Path) -> None:
    """Load, prefill and decode, in wall and CPU seconds (the second hold on a busy machine too)."""
    generator = OpenVinoGenerator(gguf)
    _say("load_seconds", generator.load_seconds)
    prompts = [[Message(role="user", content=f"{n} " + "Leave is 23 days in Spain. " * 30)] for n in range(6)]
    generator.generate(prompts[0], 1)
    first = [_cost(generator, prompt, 1) for prompt in prompts[1:3]]
    whole = [_cost(generator, prompt, NEW) for prompt in prompts[3:]]
    tokens = len(generator.tokenizer.prompt_ids(prompts[1]))
    prefill, answer = min(first), min(whole)
    _say("prompt_tokens", tokens)
    _say("prefill_tokens_per_second", tokens / prefill[0])
    _say("prefill_tokens_per_cpu_second", tokens / prefill[1])
    _say("decode_tokens_per_second", (answer[2] - 1) / max(answer[0] - prefill[0], 1e-3))
    _say("decode_tokens_per_cpu_second", (answer[2] - 1) / max(answer[1] - prefill[1], 1e-3))
    _say("answer_seconds", answer[0])
    _say("answer_cpu_seconds", answer[1])
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    _say("peak_memory_mib", highest / (2**20 if sys.platform == "darwin" else 2**10))  # bytes there, KiB on Linux


def _cost(generator: OpenVinoGenerator, prompt: list[Message], new: int) -> tuple[float, float, int]:
    wall, busy = time.perf_counter(), time.process_time()
    written = generator.generate(prompt, new).completion_tokens
    return time.perf_counter() - wall, time.process_time() - busy, written


def _say(figure: str, value: float) -> None:
    print(json.dumps({"figure": f"generation.{figure}", "value": round(value, 3)}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

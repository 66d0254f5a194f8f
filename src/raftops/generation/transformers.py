"""Generation by transformers, with an adapter beside the base weights: for GPUs, and where OpenVINO cannot be used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import torch
from peft import PeftModel
from tokenizers.decoders import DecodeStream
from transformers import AutoModelForCausalLM, GgufConfig, StoppingCriteria, StoppingCriteriaList
from transformers.generation.streamers import BaseStreamer
from transformers.utils import logging

from raftops.cancellation import check, watch
from raftops.data.records import Generation, Message
from raftops.errors import ModelError
from raftops.generation.rounding import as_trained
from raftops.generation.stream import Emit, pieces
from raftops.generation.tokens import ChatTokenizer

logging.disable_progress_bar()


class TransformersGenerator:
    """A `Generator` over a base model, its tokenizer folder and, if any, an adapter."""

    def __init__(self, base: Path, tokenizer: Path, adapter: Path | None = None) -> None:
        """`base` is a Hugging Face folder or a GGUF file; `tokenizer` and `adapter` are folders below `adapters/`."""
        self.tokenizer = ChatTokenizer.of(tokenizer)
        model = load(base)
        self._model = PeftModel.from_pretrained(as_trained(model, adapter), adapter) if adapter else model
        self._model.eval()
        self._turn = Lock()

    def generate(self, messages: Sequence[Message], max_new_tokens: int) -> Generation:
        """Greedy decoding to the end of the turn or the limit; confidence is the geometric mean token probability."""
        prompt = self.tokenizer.prompt_ids(messages)
        with self._turn:
            check()
            stop = StoppingCriteriaList([_Watched(watch())])
            options = {"output_scores": True, "return_dict_in_generate": True, "stopping_criteria": stop}
            result = self._run(prompt, max_new_tokens, **options)
            check()
        tokens = result.sequences[0, len(prompt) :].tolist()
        return Generation(
            text=self.tokenizer.decode(tokens),
            prompt_tokens=len(prompt),
            completion_tokens=len(tokens),
            stopped=bool(tokens) and tokens[-1] in self.tokenizer.stop_ids,
            confidence=_confidence(tokens, result.scores),
        )

    def stream(self, messages: Sequence[Message], max_new_tokens: int) -> Iterator[str]:
        """The same text, piece by piece; closing the iterator stops the engine."""
        prompt = self.tokenizer.prompt_ids(messages)

        def produce(emit: Emit) -> None:
            with self._turn:
                listener = _Pieces(self.tokenizer, emit)
                stop = StoppingCriteriaList([listener])
                self._run(prompt, max_new_tokens, streamer=_Streamer(listener), stopping_criteria=stop)

        return pieces(produce)

    def count_tokens(self, text: str) -> int:
        """How many tokens a text has."""
        return self.tokenizer.count_tokens(text)

    @torch.inference_mode()
    def _run(self, prompt: list[int], max_new_tokens: int, **options: Any) -> Any:
        ids = torch.tensor([prompt], device=self._model.device)
        stops = sorted(self.tokenizer.stop_ids)
        return self._model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=max_new_tokens,
            eos_token_id=stops, pad_token_id=stops[0], **options,
        )  # fmt: skip


class _Watched(StoppingCriteria):
    """Looks after each token whether the reply is still wanted."""

    def __init__(self, cancelled: Callable[[], bool]) -> None:
        self._cancelled = cancelled

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        return torch.full((input_ids.shape[0],), self._cancelled(), device=input_ids.device, dtype=torch.bool)


class _Pieces(StoppingCriteria):
    """Token ids to whole characters; says stop when nobody listens."""

    def __init__(self, tokenizer: ChatTokenizer, emit: Emit) -> None:
        self._tokenizer = tokenizer
        self._emit = emit
        self._decoder = DecodeStream(skip_special_tokens=True)
        self._cancelled = False

    def put(self, ids: Sequence[int]) -> None:
        text = "".join(self._decoder.step(self._tokenizer.tokenizer, i) or "" for i in ids)
        self._cancelled = self._emit(text)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        return torch.full((input_ids.shape[0],), self._cancelled, device=input_ids.device, dtype=torch.bool)


class _Streamer(BaseStreamer):
    """Skips the prompt, which `generate` puts first."""

    def __init__(self, listener: _Pieces) -> None:
        self._listener = listener
        self._prompt_seen = False

    def put(self, value: torch.Tensor) -> None:
        if self._prompt_seen:
            self._listener.put(value.flatten().tolist())
        self._prompt_seen = True

    def end(self) -> None:
        """Nothing is held back."""


def load(base: Path) -> Any:
    """The base model: bf16 on a GPU, fp32 on a CPU; a GGUF file is dequantised."""
    cuda = torch.cuda.is_available()
    options: dict[str, Any] = {"dtype": torch.bfloat16 if cuda else torch.float32}
    folder = base
    if base.is_file():
        options |= {"gguf_file": base.name, "quantization_config": GgufConfig(dequantize=True)}
        folder = base.parent
    try:
        model = AutoModelForCausalLM.from_pretrained(folder, **options)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(f"{base}: transformers cannot load it ({reason})") from error
    return model.to("cuda") if cuda else model


def _confidence(tokens: list[int], scores: Sequence[torch.Tensor]) -> float | None:
    if not tokens:
        return None
    logs = [torch.log_softmax(s[0].float(), -1)[t] for t, s in zip(tokens, scores, strict=True)]
    return float(torch.stack(logs).mean().exp())

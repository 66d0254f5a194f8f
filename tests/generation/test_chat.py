from pathlib import Path

import pytest
from transformers import AutoTokenizer

from raftops.data.records import Message
from raftops.errors import ModelError
from raftops.generation.chat import ChatTemplate
from raftops.generation.tokens import ChatTokenizer

SYSTEM = Message(role="system", content="Answer from the evidence.")
USER = Message(role="user", content="Evidence:\n[1] Leave: 23 days <b>&\n\nQuestion: ¿cuántos días? 😀")
ASSISTANT = Message(role="assistant", content="23 days [1]")
LLAMA3 = (
    "{{- bos_token }}{%- set n = namespace(first=true) %}\n{%- for m in messages %}\n"
    "    {%- if m['role'] == 'nobody' %}{%- continue %}{%- endif %}\n"
    "    {{- '<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n' + m['content'] | trim + '<|eot_id|>' }}\n"
    "{%- endfor %}\n{%- if add_generation_prompt %}\n"
    "    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}\n{%- endif %}\n"
    "{%- if tools %}{{ tools | tojson }}{%- endif %}"
)


@pytest.mark.parametrize("turns", [[USER], [SYSTEM, USER], [SYSTEM, USER, ASSISTANT, USER]])
@pytest.mark.parametrize("template", ["own", LLAMA3])
def test_the_text_equals_that_of_transformers(tiny: Path, template: str, turns: list[Message]) -> None:
    reference = AutoTokenizer.from_pretrained(tiny)
    source = reference.chat_template if template == "own" else template
    text = reference.apply_chat_template(
        [m.model_dump() for m in turns], chat_template=source, tokenize=False, add_generation_prompt=True
    )
    assert ChatTemplate(source, reference.bos_token, reference.eos_token).render(turns) == text


def test_a_template_that_refuses_says_so() -> None:
    template = ChatTemplate("{{ raise_exception('roles must alternate') }}")
    with pytest.raises(ModelError, match="refuses these messages: roles must alternate"):
        template.render([USER])


def test_a_template_cannot_reach_python() -> None:
    with pytest.raises(ModelError, match="refuses these messages"):
        ChatTemplate("{{ ''.__class__.__mro__[1].__subclasses__() }}").render([USER])


def test_a_broken_template_is_named_as_such() -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        ChatTemplate("{% for %}").render([USER])


@pytest.mark.parametrize("source", ["tiny", "tiny_gguf"])
def test_folder_and_gguf_give_the_token_ids_of_transformers(
    source: str, tiny: Path, request: pytest.FixtureRequest
) -> None:
    tokenizer = ChatTokenizer.of(request.getfixturevalue(source))
    reference = AutoTokenizer.from_pretrained(tiny)
    ids = reference.apply_chat_template(
        [SYSTEM.model_dump(), USER.model_dump()], add_generation_prompt=True, return_dict=False
    )
    assert tokenizer.prompt_ids([SYSTEM, USER]) == ids
    assert tokenizer.stop_ids == {reference.eos_token_id}
    assert tokenizer.count_tokens(USER.content) == len(reference(USER.content)["input_ids"])
    assert tokenizer.decode(reference("23 days [1]<|im_end|>")["input_ids"]) == "23 days [1]"


def test_a_folder_without_a_chat_template_is_refused(tiny: Path, tmp_path: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((tiny / name).read_bytes())
    with pytest.raises(ModelError, match="has no chat template"):
        ChatTokenizer.of(tmp_path)


def test_a_file_that_is_not_gguf_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="x.gguf: not a GGUF file"):
        ChatTokenizer.of(tmp_path / "x.gguf")


def test_a_cut_gguf_is_named(tiny_gguf: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.gguf").write_bytes(tiny_gguf.read_bytes()[:2000])
    with pytest.raises(ModelError, match="cut.gguf: cannot be read as GGUF"):
        ChatTokenizer.of(tmp_path / "cut.gguf")

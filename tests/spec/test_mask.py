"""A secret that was written into a spec by mistake is never shown again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from raftops.spec.mask import is_secret_key, masked, masked_line
from tests.spec.wrong_specs import VALID

HUSH = "Sw0rdfish-41x"


@pytest.mark.parametrize(
    "text",
    [
        f"  platform: {{milvus: {{token: {HUSH}}}}}\n",
        f"  platform: {{milvus: {{token: [{HUSH}]}}}}\n",
        f"  platform:\n    milvus:\n      token: '{HUSH}'\n",
        f"  platform:\n    milvus:\n      token:\n        {HUSH}\n",
        f"  platform:\n    milvus:\n      token: >-\n        {HUSH}\n        {HUSH}\n",
        f"  platform:\n    milvus:\n      token:\n        - {HUSH}\n",
        f"  platform:\n    password: {HUSH}\n",
        f"  platform:\n    apiKey: {HUSH}\n",
        f"  platform:\n    db_password: !!str {HUSH}\n",
        f"  platform:\n    password: &p {HUSH}\n",
        f"  platform:\n    password: {HUSH}\n    password: {HUSH}\n",
        f"  platform:\n    password: '{HUSH}\n",
        f"  platform:\n    password: '{HUSH}\n      {HUSH}\n",
        f"  platform:\n    password: {HUSH}: x\n",
        f"  platform:\n    password:\n\t{HUSH}\n",
        f"  platform: {{password: {HUSH}, milvus: [\n",
        f"  platform: {{password: '{HUSH}', zzz: 1, yyy: 2}}\n",
        f"  platform: {{milvus: {{uri: 'htp://me:{HUSH}@host'}}}}\n",
        f"  platform:\n    resources: {{train: {{secrets: [{{secret: {HUSH}, key: k, env: E}}]}}}}\n",
        "  platform: {namespace: hf_Sw0rdfish41xSw0rdfish41x}\n",
    ],
)
def test_a_secret_is_not_echoed(text: str, refused: Callable[..., str]) -> None:
    report = refused(VALID + text)
    assert "Sw0rdfish" not in report, report


def test_a_secret_by_value_is_answered_with_how_to_name_one(refused: Callable[..., str]) -> None:
    report = refused(VALID + f"  platform: {{milvus: {{token: {HUSH}}}}}\n")
    assert "spec.platform.milvus.token: a secret is never written here; name it with secret, key and env" in report


@pytest.mark.parametrize(
    "key", ["token", "hf_token", "apiKey", "API_KEY", "db-password", "clientSecret", "accessToken"]
)
def test_a_key_that_ends_in_a_secrets_name_is_one(key: str) -> None:
    assert is_secret_key(key)


@pytest.mark.parametrize("key", ["max_new_tokens", "chunk_tokens", "dev_tokens", "secrets", "key", "tokenizer", 3])
def test_a_key_about_tokens_of_text_is_none(key: object) -> None:
    assert not is_secret_key(key)


def test_ordinary_lines_are_shown_as_they_are() -> None:
    lines = ["train:", "  sequence_tokens: 640  # password-free", "  init_from: data/starter"]
    assert [masked_line(lines, n) for n in (1, 2, 3)] == lines
    assert masked("hf://org/name@0123456789abcdef0123456789abcdef01234567").endswith("4567")

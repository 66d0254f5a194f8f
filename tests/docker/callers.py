"""Who asks a service in a container: a key of our own, its public half in a file, tokens that it signed."""

from __future__ import annotations

import json
import time
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from raftops.spec.model.serving import Identity

ISSUER, AUDIENCE = "https://issuer.example", "raftops"
KEY = ec.generate_private_key(ec.SECP256R1())


def who(jwks: str) -> Identity:
    """Whose tokens a service takes."""
    return Identity(jwks=jwks, issuer=ISSUER, audience=AUDIENCE)


def write_keys(folder: Path) -> None:
    """The public key, as `jwks.json`."""
    folder.mkdir(parents=True)
    key = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key())) | {"kid": "one", "use": "sig"}
    (folder / "jwks.json").write_text(json.dumps({"keys": [key]}), encoding="utf-8")


def token(*groups: str) -> str:
    """What a member of these groups shows, for an hour."""
    claims = {"iss": ISSUER, "aud": AUDIENCE, "exp": time.time() + 3600, "groups": groups, "sub": "someone"}
    return jwt.encode(claims, KEY, algorithm="ES256", headers={"kid": "one"})

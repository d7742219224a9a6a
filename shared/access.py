"""Who is asking: Ed25519 tokens, verified here, made elsewhere."""

from datetime import datetime
from pathlib import Path

import jwt
from pydantic import BaseModel, ConfigDict, ValidationError

from contracts.personal import is_identifier
from shared.reasons import wrong_fields

AUDIENCE = "zeren"
ALGORITHM = "EdDSA"


class InvalidTokenError(Exception):
    """The token is missing, forged, expired or not for us."""


class Identity(BaseModel):
    """Who asks, and how far his word reaches: a subtree, a line, roles."""

    model_config = ConfigDict(frozen=True)

    sub: str
    """An identifier, never a name: it stands in what is published because of a request."""
    unit: str
    """The root of the subtree: a unit's code."""
    roles: tuple[str, ...] = ()
    """operator: import, schedules, dead letters; filer: file for units; post:<code>: act for a post;
    inspector: decide on inspections of units below his own;
    duties:<kind>: bring duties of a kind, as their owner ``sub``."""

    def has(self, role: str) -> bool:
        """Tell whether the token bears a role."""
        return role in self.roles


class Verifier:
    """Verifies tokens with one public key."""

    def __init__(self, public_key: Path) -> None:
        """Read the key from its file."""
        self._key = public_key.read_text()

    def identify(self, token: str) -> Identity:
        """Return who a token says is asking.

        Raises:
            InvalidTokenError: the token does not verify or lacks a claim.
        """
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                options={"require": ["exp", "sub", "unit"]},
            )
            identity = Identity.model_validate(claims)
        except ValidationError as error:
            raise InvalidTokenError(", ".join(wrong_fields(error))) from error
        except jwt.InvalidTokenError as error:
            raise InvalidTokenError(str(error)) from error
        if not is_identifier(identity.sub):
            raise InvalidTokenError("sub: not an identifier")
        return identity


def sign(identity: Identity, private_key: str, *, expires_at: datetime) -> str:
    """Return a token for *identity*; for whoever holds the private key."""
    claims = {**identity.model_dump(), "aud": AUDIENCE, "exp": expires_at}
    return jwt.encode(claims, private_key, algorithm=ALGORITHM)

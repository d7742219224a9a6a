"""The Ed25519 key of an embedded run, and tokens signed with it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.access import Identity, sign


def make_keys(folder: Path) -> Path:
    """Make a key pair in *folder* unless there is one; return the file of the public key."""
    private, public = folder / "private.pem", folder / "public.pem"
    if not public.exists():
        folder.mkdir(parents=True, exist_ok=True)
        key = Ed25519PrivateKey.generate()
        private.touch(mode=0o600)
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        public.write_bytes(
            key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
    return public


def make_token(folder: Path, identity: Identity, *, valid: timedelta = timedelta(days=1)) -> str:
    """Return a token for *identity*, signed with the key in *folder*."""
    return sign(identity, (folder / "private.pem").read_text(), expires_at=datetime.now(UTC) + valid)

"""``make secrets``: passwords, the signing key, and the authority with the broker's certificates."""

import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from deploy.embedded.keys import make_keys
from deploy.stack.rights import KAFKA_USERS, MONGO_USERS
from shared.clock import real_now

FOLDER = Path(__file__).parents[1] / "secrets"
VALID = timedelta(days=3650)
HOSTS = ("kafka", "localhost")
PASSWORDS = (
    *(f"{user}_kafka_password" for user in KAFKA_USERS),
    *(f"{user}_mongo_password" for user in ("root", *MONGO_USERS)),
    "grafana_password",
)
WEBHOOK = "alert_webhook"
"""The address that Alertmanager calls: nobody but the operator knows it, and an empty file calls nobody."""


def make_secrets(folder: Path, now: datetime) -> list[str]:
    """Make what is not there yet and return its names; what is there stays, so that it may be your own.

    The folder is closed to others; its files are not, since the users inside the containers read them.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A file that is empty was being made when somebody was killed.
    before = {path.name for path in folder.iterdir() if path.stat().st_size or path.name == WEBHOOK}
    (folder / WEBHOOK).touch()
    make_keys(folder)
    for name in PASSWORDS:
        if name not in before:
            (folder / name).write_text(secrets.token_urlsafe(32))
    if "ca.pem" not in before:
        _make_certificates(folder, now)
    for path in folder.iterdir():
        path.chmod(0o600 if path.name in {"private.pem", "ca.key"} else 0o644)
    return sorted({path.name for path in folder.iterdir()} - before)


def _make_certificates(folder: Path, now: datetime) -> None:
    """Make an authority, and what it signs: the broker's certificate and the administrator's.

    The authority's own certificate comes last: once it is there, all is there.
    """
    authority = ec.generate_private_key(ec.SECP256R1())
    (folder / "ca.key").write_text(_private(authority))
    for name in ("kafka", "admin"):
        key = ec.generate_private_key(ec.SECP256R1())
        signed = _signed(name, key, "zeren", authority, now)
        (folder / f"{name}.pem").write_text(_private(key) + _public(signed))
    root = _signed("zeren", authority, "zeren", authority, now)
    (folder / "ca.pem").write_text(_public(root))


def _signed(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: str, by: ec.EllipticCurvePrivateKey, now: datetime
) -> x509.Certificate:
    builder = x509.CertificateBuilder(
        subject_name=_named(name),
        issuer_name=_named(issuer),
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - timedelta(hours=1),
        not_valid_after=now + VALID,
    )
    is_root = key is by
    builder = builder.add_extension(x509.BasicConstraints(ca=is_root, path_length=None), critical=True)
    builder = builder.add_extension(
        x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
    ).add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False)
    if not is_root:
        hosts = [x509.DNSName(host) for host in HOSTS] if name == "kafka" else [x509.DNSName(name)]
        builder = builder.add_extension(x509.SubjectAlternativeName(hosts), critical=False)
    return builder.sign(by, hashes.SHA256())


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _private(key: ec.EllipticCurvePrivateKey) -> str:
    how = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key.private_bytes(*how).decode()


def _public(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def main(*, folder: Annotated[Path, typer.Option(help="where they are kept / 存放目录")] = FOLDER) -> None:
    """生成尚缺的密钥和口令 / Make the secrets that are missing."""
    made = make_secrets(folder, real_now().astimezone(UTC))
    typer.echo(f"{len(made)} made in {folder} / 已在 {folder} 生成 {len(made)} 个")
    if not (folder / WEBHOOK).read_text().strip():
        typer.echo(f"alerts call nobody: write the address of a webhook into {folder / WEBHOOK}")
        typer.echo(f"告警不会通知任何人：请将 webhook 地址写入 {folder / WEBHOOK}")


if __name__ == "__main__":
    typer.run(main)

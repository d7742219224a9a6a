"""The secrets of the stack: made once, kept, and of use to TLS."""

import ssl
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from deploy.stack.secrets import PASSWORDS, VALID, WEBHOOK, main, make_secrets
from shared.clock import real_now

NOW = real_now()


def test_what_is_there_is_kept(tmp_path: Path) -> None:
    (tmp_path / "root_mongo_password").write_text("my own")
    made = make_secrets(tmp_path, NOW)
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    assert make_secrets(tmp_path, NOW + timedelta(days=1)) == []
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first
    assert "root_mongo_password" not in made
    assert first["root_mongo_password"] == b"my own"


@pytest.mark.parametrize(
    "killed_at", ["ca.key", "kafka.pem", "admin.pem", "ca.pem", PASSWORDS[0], PASSWORDS[-1]]
)
def test_what_was_being_made_at_a_kill_is_made_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_at: str
) -> None:
    write = Path.write_text

    def killed(path: Path, text: str) -> int:
        if path.name == killed_at:
            path.touch()
            raise KeyboardInterrupt
        return write(path, text)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", killed)
        with pytest.raises(KeyboardInterrupt):
            make_secrets(tmp_path, NOW)

    make_secrets(tmp_path, NOW)

    assert all(path.stat().st_size for path in tmp_path.iterdir() if path.name != WEBHOOK)
    assert {*PASSWORDS, "ca.pem", "kafka.pem", "admin.pem"} <= {path.name for path in tmp_path.iterdir()}


def test_every_password_is_another_and_long(tmp_path: Path) -> None:
    make_secrets(tmp_path, NOW)

    found = {(tmp_path / name).read_text() for name in PASSWORDS}
    assert len(found) == len(PASSWORDS)
    assert min(map(len, found)) >= 40


def test_others_on_the_machine_cannot_enter_the_folder(tmp_path: Path) -> None:
    make_secrets(tmp_path / "new", NOW)

    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    for name in ("private.pem", "ca.key"):
        assert (tmp_path / "new" / name).stat().st_mode & 0o777 == 0o600


def test_whoever_has_not_said_whom_alerts_call_is_told_so_in_both_languages(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(folder=tmp_path)
    told = capsys.readouterr().out
    assert (tmp_path / WEBHOOK).read_bytes() == b""
    assert "alerts call nobody" in told
    assert "告警不会通知任何人" in told

    (tmp_path / WEBHOOK).write_text("http://duty.example/alerts\n")
    main(folder=tmp_path)
    assert WEBHOOK not in capsys.readouterr().out
    assert (tmp_path / WEBHOOK).read_text() == "http://duty.example/alerts\n"


@pytest.mark.parametrize("name", ["kafka", "admin"])
def test_key_and_certificate_belong_together_and_to_our_authority(tmp_path: Path, name: str) -> None:
    make_secrets(tmp_path, NOW)
    context = ssl.create_default_context(cafile=tmp_path / "ca.pem")

    context.load_cert_chain(tmp_path / f"{name}.pem")

    authority = x509.load_pem_x509_certificate((tmp_path / "ca.pem").read_bytes())
    found = x509.load_pem_x509_certificate((tmp_path / f"{name}.pem").read_bytes())
    found.verify_directly_issued_by(authority)
    assert found.not_valid_after_utc == (NOW + VALID).replace(microsecond=0)
    # The broker's super users are named so: deploy/kafka/server.properties.
    assert found.subject.rfc4514_string() == f"CN={name}"

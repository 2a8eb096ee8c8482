"""What ``--check`` says of certificates."""

from __future__ import annotations

from pathlib import Path

from tests.certificates import chain_of, issue, key_of, put, write_certbots
from tracd_cluster.check import check_certificates
from tracd_cluster.settings.front import FrontSettings, TlsSettings
from tracd_cluster.settings.pool import PoolSettings
from tracd_cluster.settings.whole import Settings


def found(**tls: str) -> list[tuple[str, str]]:
    """Look at the certificates of these settings."""
    settings = Settings(front=FrontSettings(tls=TlsSettings(**tls)), pool=PoolSettings())  # type: ignore[arg-type]
    return list(check_certificates(settings))


def test_all_certificates_are_looked_at(tmp_path: Path) -> None:
    """Those that expire, those that have, those that do not fit; a good one is not worth a word."""
    for name, days in (("good", 90.0), ("soon", 5.5), ("late", -1.0), ("odd", 90.0)):
        write_certbots(tmp_path / name, issue(f"{name}.example.org", days=days, begun=100))
    put(tmp_path / "odd" / "privkey.pem", key_of(issue("good.example.org", begun=100)))
    lines = sorted(f"{kind}: {text}" for kind, text in found(folder=str(tmp_path)))
    assert 3 == len(lines)
    assert lines[0].endswith("soon/fullchain.pem for soon.example.org expires in 5 days")
    assert "odd/privkey.pem with the certificate" in lines[1]
    assert "late/fullchain.pem for late.example.org has expired on 20" in lines[2]
    assert lines[2].startswith("problem: ")


def test_one_that_keeps_it_from_starting(tmp_path: Path) -> None:
    """It is a problem as well; and no TLS has none."""
    path = put(tmp_path / "c.pem", chain_of(issue("a.example.org")))
    assert [("problem", f"cannot use the key {path}: there is no private key in PEM format in it")] == found(
        certificate=str(path)
    )
    assert [] == list(check_certificates(Settings(front=FrontSettings(), pool=PoolSettings())))


def test_the_demos_own_is_not_made_for_it(tmp_path: Path) -> None:
    """Looking changes nothing."""
    assert [] == found(demo=str(tmp_path / "demo"))
    assert [] == list(tmp_path.iterdir())

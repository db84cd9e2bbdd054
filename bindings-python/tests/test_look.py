from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import everpost
import pytest
from everpost import CertificateFile

if TYPE_CHECKING:
    from pathlib import Path

    from everpost.rehearsal import Rehearsal


def test_a_probe_reports_facts_and_a_verdict(server: Rehearsal) -> None:
    report = everpost.probe(f"smtps://localhost:{server.port}", trust=server.ca_file)
    assert report.status == "healthy"
    certificate = report.certificate
    assert certificate is not None
    assert certificate.leaf is not None
    assert "localhost" in certificate.leaf.dns_names
    assert certificate.leaf.spki_pin
    address = report.servers[0].addresses[0]
    assert address.tls is not None
    assert address.tls["protocol"].startswith("TLS")
    assert report.to_dict()["schema"] == "everpost.probe/1"
    assert "healthy" in repr(report)
    assert asyncio.run(everpost.aprobe(f"smtps://localhost:{server.port}")).status == "unhealthy"


def test_a_probe_says_what_is_wrong_and_never_raises_for_it(server: Rehearsal) -> None:
    server.expire()
    report = everpost.probe(f"smtps://localhost:{server.port}", trust=server.ca_pem.encode())
    assert report.status == "unhealthy"
    assert "expired" in [finding.id for finding in report.all_findings()]
    assert everpost.probe("smtps://localhost:1", deadline=5).status == "unhealthy"
    with pytest.raises(everpost.ConfigError):
        everpost.probe("what is this")
    with pytest.raises(TypeError, match="dain"):
        everpost.probe("localhost", dain=True)  # type: ignore[call-arg]


def test_a_diagnosis_climbs_to_the_step_that_fails(server: Rehearsal) -> None:
    good = everpost.diagnose(server.url, from_="a@example.org", to="b@example.com", size="1MB")
    assert good.holds
    assert good.failed_at is None
    assert [rung.outcome for rung in good.rungs if rung.step == "auth"] == ["held"]
    wrong = server.url.replace("canary-password", "canary-wrong")
    bad = asyncio.run(everpost.adiagnose(wrong, looks=False))
    assert not bad.holds
    assert bad.failed_at == "auth"
    assert bad.cause is not None
    assert bad.cause.id == "credentials-refused"
    assert bad.remedy
    assert bad.reply is not None
    assert bad.reply.code == 535
    assert "canary" not in bad.json
    with pytest.raises(everpost.ConfigError, match="sender"):
        everpost.diagnose(server.url, to=["b@example.com"])


def test_a_certificate_file_is_read_judged_and_converted(server: Rehearsal, tmp_path: Path) -> None:
    answer = server.request({"do": "client_certificate", "name": "client.example"})
    pem = answer["chain_pem"] + answer["key_pem"]
    file = CertificateFile.parse(pem.encode())
    assert (file.format, file.has_key, file.key_matches) == ("pem", True, True)
    pfx = tmp_path / "client.pfx"
    pfx.write_bytes(file.to_pfx("canary-pfx"))
    same = CertificateFile(pfx, "canary-pfx")
    assert same.format == "pfx"
    assert same.certificates[0] == file.leaf
    assert same.to_pem() == file.to_pem()
    assert "PRIVATE KEY" in same.to_pem(with_key=True)
    assert "PRIVATE" not in repr(same)
    with pytest.raises(everpost.ConfigError) as caught:
        CertificateFile(pfx, "canary-wrong")
    assert "canary" not in caught.value.report
    verdict = file.judge("client.example", trust=server.ca_pem.encode())
    assert verdict.host == "client.example"
    later = datetime.now(timezone.utc) + timedelta(days=3650)
    assert "expired" in [
        one.id for one in file.judge("client.example", at=later, trust=server.ca_file).findings
    ]
    chain_alone = CertificateFile.parse(answer["chain_pem"].encode())
    with pytest.raises(ValueError, match="no private key"):
        chain_alone.to_pem(with_key=True)


def test_a_client_certificate_is_shown(tmp_path: Path) -> None:
    from everpost.rehearsal import Rehearsal  # noqa: PLC0415

    message = "From: a@example.org\nTo: b@example.com\n\nHello\n"
    with Rehearsal(client_auth="required") as server:
        answer = server.request({"do": "client_certificate", "name": "client.example"})
        both = tmp_path / "client.pem"
        both.write_text(answer["chain_pem"] + answer["key_pem"])
        pair = (answer["chain_pem"].encode(), answer["key_pem"].encode())
        for identity in (both, pair):
            with everpost.Mailer(server.url, identity=identity) as mailer:
                mailer.send(message)
        with everpost.Mailer(server.url) as mailer, pytest.raises(everpost.Error):
            mailer.send(message)


def test_an_explanation_compares_with_the_file(server: Rehearsal, tmp_path: Path) -> None:
    from everpost.rehearsal import Rehearsal  # noqa: PLC0415

    with Rehearsal() as other, everpost.Mailer(server.url) as mailer:
        path = tmp_path / "other.pem"
        path.write_text(other.ca_pem)
        explanation = mailer.explain(CertificateFile(path))
        assert explanation.file is not None
        assert explanation.served is not None
        assert explanation.file.sha256 != explanation.served.sha256


def test_a_watch_tells_of_a_rotation(server: Rehearsal) -> None:
    target = f"smtps://localhost:{server.port}"
    names = []
    options = {"trust": server.ca_file, "interval": 0.1, "min_gap": 0.01}
    with everpost.watch([target], **options) as changes:  # type: ignore[arg-type]
        for change in changes:
            names.append(change.name)
            assert change.target == f"localhost:{server.port}"
            if change.name == "rotated":
                assert change.old != change.new
                break
            server.rotate()
        assert len(changes.state()["endpoints"]) == 1
        changes.close()
        assert change.name not in [one.name for one in changes]
    assert names == ["first_seen", "rotated"]

    async def main() -> str:
        async with everpost.awatch(target, **options) as changes:  # type: ignore[arg-type]
            async for change in changes:
                return change.name
        raise AssertionError

    assert asyncio.run(main()) == "first_seen"

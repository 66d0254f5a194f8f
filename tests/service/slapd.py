"""A real OpenLDAP server on loopback, as an ordinary user: from the system, or from `make slapd` (build/slapd)."""

from __future__ import annotations

import datetime
import os
import shutil
import signal
import socket
import subprocess
import time
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from raftops.service.launch import free_port

ROOT = Path(__file__).parents[2] / "build" / "slapd"
BASE = "dc=example,dc=org"
PASSWORD = "only-for-this-test"
PEOPLE, GROUPS = f"ou=people,{BASE}", f"ou=groups,{BASE}"


def unpacked() -> Path | None:
    """Where the server was unpacked; `/` where the system has it."""
    named = os.environ.get("RAFTOPS_TEST_SLAPD")
    places = [Path(named)] if named else [ROOT, Path("/")]
    return next((place for place in places if (place / "usr/sbin/slapd").exists()), None)


def person(uid, ou=PEOPLE, mail=""):
    return (
        f"dn: uid={uid},{ou}\nobjectClass: inetOrgPerson\nuid: {uid}\ncn: {uid}\nsn: {uid}\n"
        + (f"mail: {mail}\n" if mail else "")
        + "\n"
    )


def group(cn, *members, ou=GROUPS, kind="groupOfNames", attribute="member"):
    rows = "".join(f"{attribute}: {member}\n" for member in members)
    return f"dn: cn={cn},{ou}\nobjectClass: {kind}\ncn: {cn}\n{rows}\n"


def folder(name, ou=BASE):
    return f"dn: ou={name},{ou}\nobjectClass: organizationalUnit\nou: {name}\n\n"


class Slapd:
    """The server and its entries."""

    def __init__(self, place: Path, folder: Path, entries: str) -> None:
        self._place, self._folder = place, folder
        self.port, self.tls_port = free_port(), free_port()
        self.url, self.tls_url = f"ldap://127.0.0.1:{self.port}", f"ldaps://localhost:{self.tls_port}"
        self.log = folder / "slapd.log"
        self._child = None
        (folder / "db").mkdir()
        schema, modules = place / "etc/ldap/schema", place / "usr/lib/ldap"
        self.ca = certificates(folder)
        (folder / "slapd.conf").write_text(
            "".join(f"include {schema}/{name}.schema\n" for name in ("core", "cosine", "inetorgperson"))
            + f"modulepath {modules}\nmoduleload back_mdb\npidfile {folder}/pid\n"
            + f"TLSCertificateFile {folder}/server.pem\nTLSCertificateKeyFile {folder}/server.key\n"
            + f"TLSCACertificateFile {self.ca}\nTLSVerifyClient never\nsizelimit 10000\n"
            + f'database mdb\nmaxsize 67108864\nsuffix "{BASE}"\nrootdn "cn=admin,{BASE}"\nrootpw {PASSWORD}\n'
            + f"directory {folder}/db\nindex objectClass,member,uid eq\naccess to * by users read by anonymous auth\n"
        )
        (folder / "entries.ldif").write_text(
            f"dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: Example\n\n" + entries
        )
        self._run("-T", "add", "-f", str(folder / "slapd.conf"), "-l", str(folder / "entries.ldif"))

    def _command(self, *arguments):
        return [str(self._place / "usr/sbin/slapd"), *arguments]

    def _environment(self):
        libraries = sorted({str(path.parent) for path in self._place.glob("usr/lib/**/*.so.*")}) if self._away() else []
        return os.environ | {"LD_LIBRARY_PATH": ":".join(libraries)} if libraries else dict(os.environ)

    def _away(self):
        return self._place != Path("/")

    def _run(self, *arguments):
        done = subprocess.run(self._command(*arguments), env=self._environment(), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def start(self) -> Slapd:
        urls = f"{self.url} ldaps://127.0.0.1:{self.tls_port}"
        command = self._command("-f", str(self._folder / "slapd.conf"), "-h", urls, "-d", "256")
        with self.log.open("ab") as out:
            self._child = subprocess.Popen(command, env=self._environment(), stdout=out, stderr=out)
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            assert self._child.poll() is None, self.log.read_text()
            time.sleep(0.05)
        raise AssertionError("slapd does not listen")

    def stop(self) -> None:
        if self._child and self._child.poll() is None:
            self._child.send_signal(signal.SIGTERM)
            try:
                self._child.wait(10)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait(10)


def certificates(folder: Path) -> Path:
    """A server's certificate for localhost, and the authority that signed it."""
    now = datetime.datetime.now(datetime.UTC)

    def made(name, key, issuer, signer, *extensions):
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        builder = x509.CertificateBuilder(issuer or subject, subject, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(1)).not_valid_after(now + datetime.timedelta(7))
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(signer, hashes.SHA256())

    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    ca = made("test authority", ca_key, None, ca_key, (x509.BasicConstraints(True, 0), True), (usage, True))
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    server = made("localhost", key, ca.subject, ca_key, (x509.BasicConstraints(False, None), True), (names, False))
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(ca.public_bytes(pem))
    (folder / "server.pem").write_bytes(server.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.key").write_bytes(private)
    return folder / "ca.pem"


def slapd_or_skip(folder: Path, entries: str) -> Slapd:
    """The server with these entries; the test is skipped where there is none."""
    place = unpacked()
    if place is None:
        pytest.skip("no slapd here: make slapd (Debian, Ubuntu; needs no root), or set RAFTOPS_TEST_SLAPD")
    if shutil.which("ldd") is None:
        pytest.skip("slapd of Debian needs its C library")
    return Slapd(place, folder, entries).start()

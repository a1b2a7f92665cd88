"""TLS and the headers that go with it: nothing old, nothing in plain text, the right names, the same on every answer."""

import re
import shutil
import socket
import ssl
import subprocess
import time

import pytest

from conftest import House, wait_until
from probes import read_answer, receive, refusal_of, request_bytes, tls_socket

COMMON_HEADERS = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}


@pytest.fixture(scope="module")
def http2(houses):
    made = houses(roles=("integration",), options=("--http2", "--host", "clinic.example", "--host", "192.0.2.44"))
    yield made
    made.kill()


def handshake(house, *options):
    """What openssl says of a handshake: whether it was done, and its whole output."""
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{house.port}", "-servername", "localhost", "-CAfile",
         str(house.authority), *options],
        input="", capture_output=True, text=True, timeout=30)
    text = done.stdout + done.stderr
    cipher = re.search(r"Cipher is (\S+)", text)
    return cipher is not None and cipher.group(1) != "(NONE)", text


# MARK: Versions and ciphers


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_old_versions_are_refused_by_the_server(house, version):
    done, text = handshake(house, version, "-cipher", "ALL:@SECLEVEL=0")
    assert not done
    assert re.search(r"alert protocol version|alert handshake failure|alert number (70|40)", text), text[-600:]


@pytest.mark.parametrize("version, name", [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")])
def test_new_versions_are_accepted(house, version, name):
    done, text = handshake(house, version)
    assert done and name in text and "Verify return code: 0 (ok)" in text


WEAK = ["ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA", "ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES256-SHA384",
        "AES128-SHA", "AES256-SHA", "AES128-GCM-SHA256", "AES256-GCM-SHA384", "ECDHE-RSA-AES128-SHA", "AECDH-AES128-SHA",
        "ECDHE-ECDSA-NULL-SHA", "NULL-SHA256", "ADH-AES128-GCM-SHA256", "PSK-AES128-GCM-SHA256"]
STRONG = ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"]


def known_cipher(name):
    return subprocess.run(
        ["openssl", "ciphers", f"{name}:@SECLEVEL=0"], capture_output=True, timeout=30).returncode == 0


@pytest.mark.parametrize("cipher", WEAK)
def test_weak_ciphers_are_refused(house, cipher):
    if not known_cipher(cipher):
        pytest.skip("this openssl cannot offer it")
    done, text = handshake(house, "-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0")
    assert not done, text[-600:]


@pytest.mark.parametrize("cipher", STRONG)
def test_strong_ciphers_are_accepted(house, cipher):
    done, text = handshake(house, "-tls1_2", "-cipher", cipher)
    assert done and cipher in text


def test_renegotiation_and_compression_are_off(house):
    _, text = handshake(house, "-tls1_2")
    assert "Compression: NONE" in text


# MARK: Plain text


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"POST /fhir/Patient HTTP/1.0\r\n\r\n",
                                  b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\n" * 600, bytes(range(256))])
def test_plain_text_gets_no_http_answer(house, sent):
    with socket.create_connection(("127.0.0.1", house.port), timeout=20) as connection:
        connection.sendall(sent)
        received = b""
        while part := receive(connection):
            received += part
    assert b"HTTP" not in received and b"<" not in received
    assert len(received) < 64


def test_after_plain_text_the_next_client_is_served(house):
    with socket.create_connection(("127.0.0.1", house.port), timeout=20) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert house.stranger().get("metadata").status_code == 200


# MARK: Names


def names_of(house):
    with tls_socket(house) as connection:
        return {value for _, value in connection.getpeercert()["subjectAltName"]}


def test_the_certificate_is_for_the_local_names(house):
    assert {"localhost", "127.0.0.1", socket.gethostname()} <= names_of(house)


def test_the_certificate_is_for_given_names(http2):
    assert {"localhost", "clinic.example", "192.0.2.44"} <= names_of(http2)
    for name in ("localhost", "127.0.0.1", "clinic.example", "192.0.2.44"):
        tls_socket(http2, name=name).close()


def test_the_first_given_name_is_the_server_s_own(http2):
    own = f"https://clinic.example:{http2.port}"
    stranger = http2.stranger()
    for place in ("smart-configuration", "openid-configuration"):
        found = stranger.session.get(f"{http2.origin}/.well-known/{place}", timeout=10).json()
        assert found["issuer"] == own
        assert all(value.startswith(own + "/") for name, value in found.items() if name.endswith(("_endpoint", "_uri")))
    assert stranger.get("metadata").json()["implementation"]["url"] == f"{own}/fhir"
    done = http2.ward("user", "add", "anna", "--name", "Anna", "--role", "clinician")
    assert done.stdout.startswith(own + "/enrol/")


def test_a_server_without_a_given_name_is_localhost(house):
    found = house.stranger().session.get(f"{house.origin}/.well-known/smart-configuration", timeout=10).json()
    assert found["issuer"] == house.origin


def test_a_link_made_while_no_server_runs_leads_to_where_it_was(houses):
    made = houses(start=False, roles=())
    assert made.ward("user", "add", "anna", "--name", "Anna").stdout.startswith("https://localhost:8443/enrol/")
    made.start("--host", "Clinic.Example", "--host", "192.0.2.44")
    port = made.port
    made.stop()
    done = made.ward("user", "link", "anna")
    assert done.stdout.startswith(f"https://clinic.example:{port}/enrol/"), done.stderr


@pytest.mark.parametrize("host", ["https://clinic.example", "clinic.example:8443", "a b", "", "clinic/x", "x@y", "x" * 254])
def test_what_is_no_name_is_refused(house, host):
    done = house.ward("serve", "--listen", "127.0.0.1:1", "--host", host)
    assert done.returncode == 1 and "--host" in done.stderr


@pytest.mark.parametrize("name", ["clinic.example", "evil.example", "192.0.2.44"])
def test_the_certificate_is_for_no_other_name(house, name):
    with pytest.raises(ssl.SSLCertVerificationError):
        tls_socket(house, name=name)


def test_the_certificate_is_trusted_by_nobody_without_the_authority(house):
    context = ssl.create_default_context()
    with socket.create_connection(("127.0.0.1", house.port), timeout=20) as plain:
        with pytest.raises(ssl.SSLCertVerificationError):
            context.wrap_socket(plain, server_hostname="localhost")


def test_the_authority_is_told_apart_from_other_houses(house, http2):
    context = ssl.create_default_context(cafile=str(http2.authority))
    with socket.create_connection(("127.0.0.1", house.port), timeout=20) as plain:
        with pytest.raises(ssl.SSLCertVerificationError):
            context.wrap_socket(plain, server_hostname="localhost")


def test_the_authority_stays_when_names_are_added(houses):
    made = houses(roles=())
    before = made.authority.read_text()
    made.restart("--host", "new.example")
    assert made.authority.read_text() == before
    assert {"new.example", "localhost"} <= names_of(made)
    made.kill()


def test_no_private_key_lies_in_the_data_folder(house):
    for path in house.data.rglob("*"):
        if path.is_file():
            assert b"PRIVATE KEY" not in path.read_bytes(), path.name


def test_the_authority_cannot_be_extended_and_lives_as_long_as_it_says(house):
    text = subprocess.run(
        ["openssl", "x509", "-in", str(house.authority), "-noout", "-text"], capture_output=True, text=True).stdout
    assert "CA:TRUE, pathlen:0" in text and "Certificate Sign" in text
    server = subprocess.run(
        ["openssl", "x509", "-noout", "-text"], input=ssl.get_server_certificate(("127.0.0.1", house.port)),
        capture_output=True, text=True).stdout
    assert "CA:FALSE" in server and "TLS Web Server Authentication" in server


# MARK: Own certificates


class OwnCertificate(House):
    """A house whose certificate comes from files; trusted is what the tests trust."""

    _uses_local_authority = False
    trusted = None

    @property
    def _verification(self):
        return str(self.trusted)

    @property
    def authority(self):
        return self.trusted


def self_signed(folder, name, kind=("rsa:2048",)):
    key, certificate = folder / f"{name}.key", folder / f"{name}.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", *kind, "-nodes", "-keyout", str(key), "-out", str(certificate), "-days",
         "2", "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        check=True, capture_output=True, timeout=60)
    key.chmod(0o600)
    return key, certificate


@pytest.fixture
def own(ward, binary, tmp_path):
    made = OwnCertificate(ward, binary, tmp_path / "house")
    made.folder.mkdir()
    made.init()
    yield made
    made.kill()


def common_name(house):
    with tls_socket(house) as connection:
        subject = connection.getpeercert()["subject"]
    return dict(pair[0] for pair in subject)["commonName"]


def test_an_own_certificate_is_served(own, tmp_path):
    key, certificate = self_signed(tmp_path, "first")
    own.trusted = certificate
    own.start("--tls-certificate", certificate, "--tls-key", key)
    assert common_name(own) == "first"


@pytest.mark.parametrize("cipher", ["AES128-GCM-SHA256", "AES256-SHA", "ECDHE-RSA-AES256-SHA", "ECDHE-RSA-AES128-SHA256",
                                    "DHE-RSA-AES128-GCM-SHA256"])
def test_weak_ciphers_are_refused_with_an_rsa_certificate_too(own, tmp_path, cipher):
    key, certificate = self_signed(tmp_path, "first")
    own.trusted = certificate
    own.start("--tls-certificate", certificate, "--tls-key", key)
    assert handshake(own, "-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256")[0], "the control"
    assert not handshake(own, "-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0")[0]


@pytest.mark.slow
def test_a_replaced_certificate_is_served_without_a_restart(own, tmp_path):
    key, certificate = self_signed(tmp_path, "live")
    own.trusted = tmp_path / "both.pem"
    other_key, other_certificate = self_signed(tmp_path, "second")
    own.trusted.write_text(certificate.read_text() + other_certificate.read_text())
    own.start("--tls-certificate", certificate, "--tls-key", key)
    assert common_name(own) == "live"
    process = own.process.pid
    # Key and certificate do not match for a moment, as with any tool that replaces one after the other.
    shutil.copy(other_key, key)
    time.sleep(1)
    assert common_name(own) == "live"
    shutil.copy(other_certificate, certificate)
    wait_until(lambda: common_name(own) == "second", timeout=60, interval=0.5, what="the new certificate")
    assert own.process.pid == process
    certificate.write_text("nonsense")
    time.sleep(35)
    assert common_name(own) == "second", "a broken file leaves the last good one in service"


def test_half_an_own_certificate_is_refused(own, tmp_path):
    key, certificate = self_signed(tmp_path, "first")
    assert "go together" in refusal_of(own, "--tls-certificate", certificate)
    assert "go together" in refusal_of(own, "--tls-key", key)


def test_a_key_of_another_certificate_is_refused(own, tmp_path):
    _, certificate = self_signed(tmp_path, "first")
    key, _ = self_signed(tmp_path, "second")
    refusal_of(own, "--tls-certificate", certificate, "--tls-key", key)


@pytest.mark.parametrize("content", ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_file_that_is_no_certificate_is_refused(own, tmp_path, content):
    key, certificate = self_signed(tmp_path, "first")
    certificate.write_text(content)
    refusal_of(own, "--tls-certificate", certificate, "--tls-key", key)


def test_a_missing_certificate_is_refused(own, tmp_path):
    refusal_of(own, "--tls-certificate", tmp_path / "none.pem", "--tls-key", tmp_path / "none.key")


# MARK: Headers


def every_kind_of_answer(fhir, house):
    """Answers of every kind this server gives to well-formed requests."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    made = fhir.post("Patient", {"resourceType": "Patient"})
    place = f"Patient/{made.json()['id']}"
    stranger = house.stranger()
    return {
        "created": made,
        "read": fhir.get(place),
        "search": fhir.get("Patient"),
        "search by post": fhir.post("Patient/_search", "name=a", headers=form),
        "history": fhir.get(f"{place}/_history"),
        "not found": fhir.get("Patient/none"),
        "no content": fhir.delete(place),
        "gone": fhir.get(place),
        "bad body": fhir.post("Patient", "{"),
        "bad parameter": fhir.get("Patient?nonsense=1"),
        "bad query": fhir.get("Patient?name=%zz"),
        "bad precondition": fhir.put("Patient/x", {"resourceType": "Patient", "id": "x"}, headers={"If-Match": 'W/"9"'}),
        "wrong media type": fhir.post("Patient", "<Patient/>", headers={"Content-Type": "application/fhir+xml"}),
        "not acceptable": fhir.get("Patient", headers={"Accept": "application/fhir+xml"}),
        "unknown type": fhir.get("Nonsense"),
        "not implemented": fhir.get("Patient/$everything"),
        "wrong method": fhir.request("PATCH", "Patient/x/_history"),
        "unauthorized": stranger.get("Patient"),
        "wrong token": house.stranger("nonsense").get("Patient"),
        "capabilities": stranger.get("metadata"),
        "landing page": stranger.get(f"{house.origin}/"),
        "style": stranger.get(f"{house.origin}/style.css"),
        "health": stranger.get(f"{house.origin}/health"),
        "sign-in": stranger.get(f"{house.origin}/.well-known/smart-configuration"),
        "failed sign-in": stranger.post(f"{house.origin}/oauth/token", "grant_type=x", headers=form),
        "nothing there": stranger.get(f"{house.origin}/nonsense"),
    }


def test_the_protective_headers_stand_on_every_answer(house, integration):
    answers = every_kind_of_answer(integration, house)
    statuses = {answer.status_code for answer in answers.values()}
    assert {200, 201, 204, 400, 401, 404, 406, 410, 412, 415, 501} <= statuses, statuses
    for name, answer in answers.items():
        for header, value in COMMON_HEADERS.items():
            assert answer.headers.get(header) == value, f"{header} on the answer: {name}"
        policy = answer.headers.get("content-security-policy", "")
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy, name
        assert answer.headers.get("x-request-id"), name
        assert "strict-transport-security" not in answer.headers, f"HSTS on localhost: {name}"
        assert "server" not in answer.headers, name
        assert "set-cookie" not in answer.headers and "access-control-allow-origin" not in answer.headers, name


def test_a_request_that_is_no_http_gets_a_bare_refusal(house):
    for sent in (b"NONSENSE\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\n: x\r\n\r\n"):
        with tls_socket(house) as connection:
            connection.sendall(sent)
            answer = read_answer(connection)
            assert answer is None or (answer.status == 400 and answer.body == b""), sent


def hsts(house, host):
    with tls_socket(house) as connection:
        connection.sendall(request_bytes("GET", "/health", host=host, headers=("Connection: close",)))
        return read_answer(connection).headers.get("strict-transport-security")


@pytest.mark.parametrize("host", ["clinic.example", "clinic.example:8443", "localhost.example", "localhostess", "127.0.0.1"])
def test_other_names_get_hsts(house, host):
    assert "max-age=" in (hsts(house, host) or ""), host


@pytest.mark.parametrize("host", ["localhost", "localhost:8443", "LOCALHOST"])
def test_localhost_gets_no_hsts(house, host):
    assert hsts(house, host) is None


# MARK: HTTP/2


def test_http2_is_not_offered_unless_asked_for(house):
    with tls_socket(house, protocols=["h2", "http/1.1"]) as connection:
        assert connection.selected_alpn_protocol() in (None, "http/1.1")


def curl(house, token, path, *options):
    done = subprocess.run(
        ["curl", "-sS", "-i", "--http2", "--cacert", str(house.authority), "-H", f"Authorization: Bearer {token}",
         *options, f"{house.origin}{path}"],
        capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    head, _, body = done.stdout.replace("\r\n", "\n").partition("\n\n")
    lines = head.split("\n")
    return lines[0], dict(line.lower().split(": ", 1) for line in lines[1:]), body


def test_http2_is_served_with_the_setting(http2):
    if "HTTP2" not in subprocess.run(["curl", "--version"], capture_output=True, text=True).stdout:
        pytest.skip("this curl has no HTTP/2")
    token = http2.token("integration")
    status, headers, body = curl(
        http2, token, "/fhir/Patient", "-H", "Content-Type: application/fhir+json", "-d",
        '{"resourceType":"Patient","name":[{"family":"Okafor"}]}')
    assert status.startswith("HTTP/2 201"), status
    assert "ward-audit-receipt" in headers and "Okafor" in body
    for path, expected in (("/fhir/Patient/none", 404), ("/fhir/Nonsense", 404), ("/fhir/Patient?nonsense=1", 400)):
        status, headers, _ = curl(http2, token, path)
        assert status.startswith(f"HTTP/2 {expected}"), status
        for header, value in COMMON_HEADERS.items():
            assert headers.get(header) == value, f"{header} on {path}"
        assert "strict-transport-security" not in headers


def test_http1_is_served_beside_http2(http2):
    with tls_socket(http2, protocols=["http/1.1"]) as connection:
        assert connection.selected_alpn_protocol() == "http/1.1"
        connection.sendall(request_bytes("GET", "/health", headers=("Connection: close",)))
        assert read_answer(connection).status == 200

"""What stands on the other side of the doors: an authority with certificates, a mail server, a packet capture."""

import contextlib
import datetime
import ipaddress
import shutil
import os
import socket
import ssl
import subprocess
import threading
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from conftest import wait_until

HOST = "sink.example.com"


class Authority:
    """A certificate authority of the test's own."""

    def __init__(self, folder, name="Test Authority"):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.datetime.now(datetime.timezone.utc)
        self.certificate = (
            x509.CertificateBuilder().subject_name(self.name).issuer_name(self.name)
            .public_key(self.key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=900))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self.key, hashes.SHA256()))
        self.pem = folder / "authority.pem"
        self.pem.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, label="sink", host=HOST, first=-1, last=800):
        """A certificate and key for a host, in PEM files; days from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.now(datetime.timezone.utc)
        certificate = (
            x509.CertificateBuilder().subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, label)]))
            .issuer_name(self.name).public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=first)).not_valid_after(now + datetime.timedelta(days=last))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
            .sign(self.key, hashes.SHA256()))
        chain, secret = self.folder / f"{label}.pem", self.folder / f"{label}.key"
        chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        secret.write_bytes(key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        return chain, secret

    def context(self, *arguments, **more):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.issue(*arguments, **more))
        return context


class Sink:
    """Takes connections on loopback and does with each what `talk` says; notes when they came and ended."""

    def __init__(self, talk, context=None):
        self.talk, self.context = talk, context
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.accepted, self.received, self.ended = 0, b"", []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                raw, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._serve, args=(raw,), daemon=True).start()

    def _serve(self, raw):
        with raw:
            raw.settimeout(60)
            try:
                connection = self.context.wrap_socket(raw, server_side=True) if self.context else raw
                self.talk(self, connection)
                # Until the other side goes.
                while True:
                    part = connection.recv(65536)
                    if not part:
                        break
                    self.received += part
            except OSError:
                pass
        self.ended.append(time.monotonic())

    def close(self):
        self.listener.close()


@contextlib.contextmanager
def sink(talk=lambda *_: None, context=None):
    made = Sink(talk, context)
    try:
        yield made
    finally:
        made.close()


@contextlib.contextmanager
def capture(port, path):
    """Records loopback packets of a port; gives a function that counts the SYNs so far."""
    tool = shutil.which("tcpdump") if os.geteuid() == 0 else None
    if tool is None:
        pytest.skip("needs root and tcpdump, to record the loopback network")
    recorder = subprocess.Popen(
        [tool, "-i", "lo", "-U", "--immediate-mode", "-s", "96", "-Z", "root", "-w", str(path), "tcp", "port", str(port)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: path.exists() and path.stat().st_size >= 24, timeout=15, what="the packet capture")

        def syns():
            time.sleep(0.5)
            done = subprocess.run(
                [tool, "-r", str(path), "-n", "tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn"], capture_output=True,
                text=True)
            return len(done.stdout.splitlines())

        yield syns
    finally:
        recorder.terminate()
        recorder.wait(20)

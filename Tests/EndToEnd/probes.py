"""What the tests of safety share: raw connections, a look into the database file, copies of stores."""

import contextlib
import hashlib
import pathlib
import shutil
import socket
import sqlite3
import ssl

from conftest import House


# MARK: Raw connections


def tls_socket(house, *, name="localhost", source=None, timeout=30, protocols=None):
    """A TLS connection to the server, for requests that no library would send."""
    context = ssl.create_default_context(cafile=str(house.authority))
    if protocols:
        context.set_alpn_protocols(protocols)
    plain = socket.create_connection(
        ("127.0.0.1", house.port), timeout=timeout, source_address=(source, 0) if source else None)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return context.wrap_socket(plain, server_hostname=name)


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body


def read_answer(connection):
    """One HTTP/1.1 answer; None if the server closed before one began."""
    received = b""
    while b"\r\n\r\n" not in received:
        part = receive(connection)
        if not part:
            return None
        received += part
    head, body = received.split(b"\r\n\r\n", 1)
    lines = head.decode("latin-1").split("\r\n")
    headers = {}
    for line in lines[1:]:
        key, value = line.split(":", 1)
        headers[key.strip().lower()] = value.strip()
    length = int(headers.get("content-length", "0"))
    while len(body) < length:
        part = receive(connection)
        if not part:
            break
        body += part
    return Answer(int(lines[0].split(" ")[1]), headers, body[:length])


def receive(connection):
    """Bytes, or nothing once the server has closed in whatever way; silence is a timeout and raises."""
    try:
        return connection.recv(65_536)
    except (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
        return b""


def is_closed_within(connection, seconds):
    """Whether the server closes the connection in time; what it still sends is read."""
    connection.settimeout(seconds)
    try:
        while receive(connection):
            pass
        return True
    except TimeoutError:
        return False


def request_bytes(method, path, token=None, body=None, headers=(), host="localhost"):
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}"]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    if body is not None:
        lines += ["Content-Type: application/fhir+json", f"Content-Length: {len(body)}"]
    lines += headers
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")


# MARK: Stores


def copy_of(house, folder):
    """A copy of a stopped store with its keys, as another store to work on."""
    assert house.process is None, "a store is copied when nobody has it open"
    folder = pathlib.Path(folder)
    shutil.copytree(house.folder, folder, dirs_exist_ok=True)
    return House(house.ward_program, house.binary, folder)


@contextlib.contextmanager
def database(house):
    """The store's file, as an intruder with the disk would open it; changes are kept."""
    connection = sqlite3.connect(house.data / "ward.db", isolation_level=None)
    try:
        connection.execute("PRAGMA secure_delete = OFF")
        yield connection
    finally:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()


def leaf_hash(leaf):
    """RFC 6962 §2.1."""
    return hashlib.sha256(b"\x00" + leaf).hexdigest()


def refusal_of(house, *options, command=("serve",), timeout=60):
    """What the program says when it refuses to serve a store; fails if it serves."""
    done = house.ward(*command, "--listen", f"127.0.0.1:{free_port_number()}", *options, timeout=timeout)
    assert done.returncode not in (0, None), "it served"
    assert done.stderr.strip(), "it refused without a word"
    return done.stderr


def free_port_number():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def flip(blob, place=None):
    """The same bytes with one bit turned."""
    changed = bytearray(blob)
    changed[len(changed) // 2 if place is None else place] ^= 1
    return bytes(changed)

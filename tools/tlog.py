"""The formats of a transparency log, as far as checking one needs them: nothing but Python's standard library.

RFC 6962 trees, RFC 8032 signatures; C2SP signed-note, tlog-checkpoint, tlog-cosignature, paths of tlog-tiles.
"""

import base64
import binascii
import hashlib

WIDTH = 256


class Unreadable(Exception):
    """It could not be looked at."""


class Fault(Exception):
    """Something is not what was written."""


# MARK: Ed25519 (RFC 8032 section 5.1), verification only, slow and small

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)


def recovered(data):
    """The point that 32 bytes stand for, in extended coordinates; None if they stand for none."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


def added(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiplied(scalar, point):
    total = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            total = added(total, point)
        point, scalar = added(point, point), scalar >> 1
    return total


BASE = recovered((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def ed25519_valid(key, signature, message):
    if len(key) != 32 or len(signature) != 64:
        return False
    point, s = recovered(key), int.from_bytes(signature[32:], "little")
    if point is None or s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    minus = (P - point[0], point[1], 1, (P - point[3]) % P)
    x, y, z, _ = added(multiplied(s, BASE), multiplied(k, minus))
    inverse = pow(z, P - 2, P)
    x, y = x * inverse % P, y * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little") == signature[:32]


# MARK: Notes


def unbase64(text):
    """The bytes of canonical base64; None for anything else."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if base64.b64encode(data).decode() == text else None


class Key:
    """A verifier's key: name+hash+base64(type, key)."""

    def __init__(self, text, kind):
        parts = text.split("+", 2)
        raw = unbase64(parts[2]) if len(parts) == 3 else None
        if not raw or len(raw) != 33 or raw[0] != kind:
            raise Unreadable(f"this is not the key of a {'log' if kind == 1 else 'witness'}")
        self.name, self.kind, self.raw = parts[0], kind, raw[1:]
        self.id = hashlib.sha256(self.name.encode() + b"\n" + raw).digest()[:4]
        if not self.name or any(c.isspace() for c in self.name) or self.id.hex() != parts[1]:
            raise Unreadable("a key does not agree with itself")

    def signed(self, text, signatures):
        """None without a signature of this key, else its time (0 for a log); raises if one is not valid."""
        found = None
        for name, identity, signature in signatures:
            if (name, identity) != (self.name, self.id):
                continue
            time, message = 0, text.encode()
            if self.kind == 4:
                time, signature = int.from_bytes(signature[:8], "big"), signature[8:]
                message = f"cosignature/v1\ntime {time}\n".encode() + message
            if not ed25519_valid(self.raw, signature, message):
                raise Fault("a signature is not valid")
            found = max(found or 0, time)
        return found


def note(data):
    """Text and signatures of a signed note."""
    try:
        content = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Fault("a checkpoint is not a signed note")
    if any(c < " " and c != "\n" for c in content) or not content.endswith("\n") or "\n\n" not in content:
        raise Fault("a checkpoint is not a signed note")
    at = content.rindex("\n\n") + 1
    signatures = []
    for line in content[at + 1:-1].split("\n"):
        words = line.split(" ")
        raw = unbase64(words[2]) if len(words) == 3 and words[0] == "\u2014" and words[1] else None
        if raw is None or len(raw) <= 4:
            raise Fault("a checkpoint is not a signed note")
        signatures.append((words[1], raw[:4], raw[4:]))
    return content[:at], signatures


def decimal(text):
    if not text.isascii() or not text.isdigit() or str(int(text)) != text or int(text) >= 2**63:
        raise Fault("a number is not plain decimal")
    return int(text)


class Checkpoint:
    """A signed size and root; raises unless the log's key signed it."""

    def __init__(self, data, key, witnesses=()):
        text, signatures = note(data)
        lines = text.split("\n")
        if len(lines) < 4 or not all(lines[:-1]):
            raise Fault("a checkpoint is not one")
        self.origin, self.size, self.root = lines[0], decimal(lines[1]), unbase64(lines[2])
        if self.root is None or len(self.root) != 32:
            raise Fault("a checkpoint is not one")
        if self.origin != key.name:
            raise Fault("a checkpoint is of another log")
        if key.signed(text, signatures) is None:
            raise Fault("a checkpoint is not signed by the log's key")
        times = [(witness.name, witness.signed(text, signatures)) for witness in witnesses]
        self.cosigned = [(name, time) for name, time in times if time is not None]


# MARK: Tree (RFC 6962 section 2.1)


def leaf_hash(data):
    return hashlib.sha256(b"\0" + data).digest()


def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def folded(hashes):
    """The root over some hashes; an odd one at the end of a row moves up as it is."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    row = list(hashes)
    while len(row) > 1:
        pairs = [node(row[i], row[i + 1]) for i in range(0, len(row) - 1, 2)]
        row = pairs + (row[-1:] if len(row) % 2 else [])
    return row[0]


class Tree:
    """Grows by leaf hashes; hands each tile that fills to `full`."""

    def __init__(self, full):
        self.size, self.rows, self.full = 0, [[]], full
        self.counts = [0]

    def add(self, value):
        self.size += 1
        level = 0
        while True:
            if level == len(self.rows):
                self.rows.append([])
                self.counts.append(0)
            row = self.rows[level]
            row.append(value)
            if len(row) < WIDTH:
                return
            self.full(level, self.counts[level], b"".join(row))
            self.counts[level] += 1
            value, self.rows[level], level = folded(row), [], level + 1

    def root(self):
        """The rows are subtrees of falling size from the last to the first: each stands left of those below it."""
        total = None
        for row in self.rows:
            # A row of perfect subtrees of one size, then what is right of them.
            parts = list(row)
            while parts:
                count = 1 << (len(parts) & -len(parts)).bit_length() - 1
                part = folded(parts[-count:])
                total = part if total is None else node(part, total)
                del parts[-count:]
        return hashlib.sha256(b"").digest() if total is None else total


# MARK: Places


def tile_path(level, number, width=WIDTH):
    digits = str(number)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[i:i + 3] for i in range(0, len(digits), 3)]
    return "/".join([str(level), *("x" + group for group in groups[:-1]), groups[-1]]) + (
        "" if width == WIDTH else f".p/{width}")


def parts(data, prefix):
    """Length-prefixed parts; None if they do not fill the data."""
    found, at = [], 0
    while at < len(data):
        end = at + prefix + int.from_bytes(data[at:at + prefix], "big")
        if end > len(data) or at + prefix > len(data):
            return None
        found.append(data[at + prefix:end])
        at = end
    return found

#!/usr/bin/env python3
"""Checks Ward's audit log without Ward and without keys: Python's standard library, and code of its own.

    verify_log.py PLACE --key VKEY [--checkpoint FILE] [--witness VKEY ... --quorum N] [--json]
    verify_log.py --proof FILE --key VKEY [--receipt INDEX:HASH] [--witness VKEY ...]

PLACE is a mirror (ward audit mirror), a store's folder, or its ward.db, at rest or in use. The tree is derived from the
entries alone and held against every stored tile, the signed checkpoint, cosigned checkpoints, an earlier checkpoint
that was kept elsewhere, and the hashes of the sealed events where they are there.

Exit status: 0 whole, 2 something is not what was written, 1 it could not be looked at.
Formats: RFC 6962, RFC 8032; C2SP signed-note, tlog-checkpoint, tlog-cosignature, tlog-tiles, tlog-proof.
"""

import argparse
import base64
import binascii
import hashlib
import json
import pathlib
import sqlite3
import sys

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


class Mirror:
    """A folder in the layout of tlog-tiles."""

    def __init__(self, folder):
        self.folder = folder
        self.notes = [path.read_bytes() for path in [folder / "checkpoint.witnessed"] if path.exists()]
        self.has_payloads = (folder / "payload").is_dir()

    def checkpoint(self):
        return (self.folder / "checkpoint").read_bytes()

    def read(self, path):
        try:
            return (self.folder / path).read_bytes()
        except FileNotFoundError:
            return None

    def leaves(self, size):
        for first in range(0, size, WIDTH):
            width = min(size - first, WIDTH)
            bundle = self.read("tile/" + tile_path("entries", first // WIDTH, width))
            entries = None if bundle is None else parts(bundle, 2)
            if entries is None or len(entries) != width:
                raise Fault(f"the entries from {first} on are missing or no bundle")
            payloads = [None] * width
            if self.has_payloads:
                sealed = self.read("payload/" + tile_path("entries", first // WIDTH, width)[8:])
                payloads = None if sealed is None else parts(sealed, 4)
                if payloads is None or len(payloads) != width:
                    raise Fault(f"the payloads from {first} on are missing or no bundle")
            for offset, (entry, payload) in enumerate(zip(entries, payloads)):
                yield first + offset, entry, payload

    def tile(self, level, number, width=WIDTH):
        return self.read("tile/" + tile_path(level, number, width))

    partial_tiles = True

    def extra_tiles(self, counts):
        return []


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


class Store:
    """The tables of a store, in one read transaction."""

    has_payloads = True
    partial_tiles = False

    def __init__(self, path):
        try:
            self.rows = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
            self.rows.execute("BEGIN")
            kept = self.value("cosigned")
        except sqlite3.Error as error:
            raise Unreadable(f"{path.name} cannot be read ({type(error).__name__})")
        self.notes = [] if kept is None else parts(kept, 4) or []

    def value(self, key):
        row = self.rows.execute("SELECT value FROM metadata WHERE key = ?", (key,)).fetchone()
        return row and row[0]

    def checkpoint(self):
        data = self.value("checkpoint")
        if data is None:
            raise Fault("there is no checkpoint")
        return data

    def leaves(self, size):
        for number, leaf, payload in self.rows.execute("SELECT number, leaf, payload FROM leaf ORDER BY number"):
            yield number, leaf, payload

    def tile(self, level, number, width=WIDTH):
        row = self.rows.execute("SELECT hashes FROM tile WHERE level = ? AND number = ?", (level, number)).fetchone()
        return row and row[0]

    def extra_tiles(self, counts):
        return [
            (level, number) for level, number in self.rows.execute("SELECT level, number FROM tile")
            if level >= len(counts) or number >= counts[level] or number < 0 or level < 0]


def place(path):
    path = pathlib.Path(path)
    if path.is_file():
        return Store(path)
    if (path / "ward.db").is_file():
        return Store(path / "ward.db")
    if path.is_dir() and (path / "tile").is_dir():
        return Mirror(path)
    raise Unreadable("there is neither a mirror nor a store")


# MARK: Verification


def verified(source, key, witnesses, quorum, earlier, allow_pruned):
    """Everything that can be known of the log; its faults are in the order in which they were found."""
    report = {"whole": False, "events": 0, "root": None, "pruned": 0, "faults": [], "witnesses": 0, "witnessedSize": None}
    faults = report["faults"]

    def fault(text):
        # Thousands of the same kind say no more than the first.
        if len(faults) < 100:
            faults.append(text)

    try:
        goal = Checkpoint(source.checkpoint(), key, witnesses)
    except (Fault, OSError) as error:
        fault(str(error) if isinstance(error, Fault) else "there is no checkpoint")
        return report
    wanted = {}
    best = goal if goal.cosigned else None
    for data in source.notes:
        try:
            cosigned = Checkpoint(data, key, witnesses)
        except Fault as error:
            fault(str(error))
            continue
        wanted.setdefault(cosigned.size, []).append((cosigned.root, "the log is not a continuation of a cosigned checkpoint"))
        if len(cosigned.cosigned) >= max(quorum, 1) and (best is None or best.size < cosigned.size):
            best = cosigned
    if earlier is not None:
        wanted.setdefault(earlier.size, []).append((earlier.root, "the log is not a continuation of the given checkpoint"))
    for size in wanted:
        if size > goal.size:
            fault("the log is shorter than a checkpoint that it signed before")

    def full(level, number, hashes):
        if source.tile(level, number) != hashes:
            fault(f"tree tile {level}/{number} is not what was written")

    tree = Tree(full)

    def compare():
        for root, text in wanted.get(tree.size, ()):
            if tree.root() != root:
                fault(text)

    compare()
    try:
        for number, leaf, payload in source.leaves(goal.size):
            if number != tree.size:
                fault(f"event {tree.size} is missing or out of order")
                break
            if number >= goal.size:
                fault("there are events beyond the checkpoint")
                break
            if len(leaf) != 65 or leaf[0] != 1:
                fault(f"event {number} is not what was written")
            elif payload is not None:
                if not payload:
                    report["pruned"] += 1
                    if not allow_pruned:
                        fault(f"the sealed event {number} is gone")
                elif hashlib.sha256(payload).digest() != leaf[33:]:
                    fault(f"event {number} is not what was written")
            tree.add(leaf_hash(leaf))
            if tree.size in wanted:
                compare()
    except Fault as error:
        fault(str(error))
    except sqlite3.Error as error:
        raise Unreadable(f"the store cannot be read ({type(error).__name__})")
    if tree.size < goal.size:
        fault(f"event {tree.size} is missing or out of order")
    elif tree.root() != goal.root:
        fault("the events do not add up to the log's root")
    if source.partial_tiles:
        for level, row in enumerate(tree.rows):
            if row and source.tile(level, tree.counts[level], len(row)) != b"".join(row):
                fault(f"tree tile {level}/{tree.counts[level]} is not what was written")
    for level, number in source.extra_tiles(tree.counts):
        fault(f"tree tile {level}/{number} is one too many")
    if witnesses and (best is None or len(best.cosigned) < quorum):
        fault("no checkpoint has the cosignatures that are asked for")
    report.update(events=tree.size, root=tree.root().hex(), whole=not faults)
    if best is not None:
        report.update(witnesses=len(best.cosigned), witnessedSize=best.size)
    return report


def proven(data, key, witnesses, quorum, receipt):
    """Checks a tlog-proof; raises a fault that says what is wrong."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Fault("this is no proof")
    head, separator, checkpoint = text.partition("\n\n")
    lines = head.split("\n")
    if not separator or lines.pop(0) != "c2sp.org/tlog-proof@v1" or not lines:
        raise Fault("this is no proof")
    leaf = None
    if lines[0].startswith("extra "):
        extra = unbase64(lines.pop(0)[6:])
        if extra is None:
            raise Fault("the extra line is not base64")
        leaf = leaf_hash(extra)
    if not lines or not lines[0].startswith("index "):
        raise Fault("there is no index")
    index = decimal(lines.pop(0)[6:])
    path = [unbase64(line) for line in lines]
    if len(path) > 63 or any(each is None or len(each) != 32 for each in path):
        raise Fault("the lines of the proof are not hashes")
    stated = Checkpoint(checkpoint.encode(), key, witnesses)
    if len(stated.cosigned) < quorum:
        raise Fault("the checkpoint has not the cosignatures that are asked for")
    if receipt is not None:
        number, _, digest = receipt.partition(":")
        if not number.isdigit() or len(digest) != 64:
            raise Unreadable("this is no receipt")
        if int(number) != index:
            raise Fault("the proof is of another event than the receipt")
        try:
            claimed = bytes.fromhex(digest)
        except ValueError:
            raise Unreadable("this is no receipt")
        if leaf not in (None, claimed):
            raise Fault("the proof is of another event than the receipt")
        leaf = claimed
    if leaf is None or index >= stated.size:
        raise Fault("the proof is of no event of this log")
    # From the leaf up, as the shape of the tree says: its own code path, not RFC 9162's loop.
    at, last, value, rest = index, stated.size - 1, leaf, list(path)
    while last:
        if at % 2:
            if not rest:
                raise Fault("the proof is too short")
            value = node(rest.pop(0), value)
        elif at < last:
            if not rest:
                raise Fault("the proof is too short")
            value = node(value, rest.pop(0))
        at, last = at // 2, last // 2
    if rest or value != stated.root:
        raise Fault("the proof does not lead to the checkpoint's root")
    return {"whole": True, "index": index, "events": stated.size, "witnesses": len(stated.cosigned), "faults": []}


def main():
    parser = argparse.ArgumentParser(
        description="Checks a Ward audit log, or a proof from it, without Ward and without keys.",
        epilog="exit status: 0 whole, 2 not what was written, 1 could not be looked at")
    parser.add_argument("place", nargs="?", help="a mirror, a store's folder, or its ward.db")
    parser.add_argument("--proof", help="check a proof (ward audit prove) instead")
    parser.add_argument("--receipt", help="with --proof: the Ward-Audit-Receipt header that it is for")
    parser.add_argument("--key", required=True, help="the log's key, as ward audit status prints it")
    parser.add_argument("--checkpoint", help="a checkpoint kept elsewhere; the log must have only grown since")
    parser.add_argument("--witness", action="append", default=[], help="key of a witness; may stand several times")
    parser.add_argument("--quorum", type=int, help="how many of them must have cosigned; all if left out")
    parser.add_argument("--allow-pruned", action="store_true", help="sealed events may be gone; entries may not")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    given = parser.parse_args()
    try:
        key = Key(given.key, 1)
        witnesses = [Key(text, 4) for text in given.witness]
        quorum = len(witnesses) if given.quorum is None else given.quorum
        if bool(given.proof) == bool(given.place) or quorum > len(witnesses):
            raise Unreadable("give one place or one proof, and no quorum beyond the witnesses")
        if given.proof:
            try:
                report = proven(pathlib.Path(given.proof).read_bytes(), key, witnesses, quorum, given.receipt)
            except Fault as error:
                report = {"whole": False, "faults": [str(error)]}
        else:
            earlier = None
            if given.checkpoint:
                try:
                    earlier = Checkpoint(pathlib.Path(given.checkpoint).read_bytes(), key)
                except Fault:
                    raise Unreadable("the checkpoint file is not one that this log has signed")
            report = verified(place(given.place), key, witnesses, quorum, earlier, given.allow_pruned)
    except Unreadable as error:
        print(f"verify_log: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"verify_log: {error.filename} cannot be read", file=sys.stderr)
        return 1
    if given.json:
        print(json.dumps(report))
    else:
        for text in report["faults"]:
            print(f"FAULT  {text}")
        if report["whole"] and given.proof:
            print(f"event {report['index']} is in the log, under its checkpoint of {report['events']} events")
        elif report["whole"]:
            print(f"{report['events']} events verified: nothing edited, missing, reordered or added out of turn")
            if not given.checkpoint and not report["witnesses"]:
                print("compared with no checkpoint from elsewhere: a log rolled back as a whole would not show")
        if report["whole"]:
            print(f"{report['witnesses']} witnesses vouch for it" if report["witnesses"] else "unwitnessed")
    return 0 if report["whole"] else 2


if __name__ == "__main__":
    sys.exit(main())

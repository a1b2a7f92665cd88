#!/usr/bin/env python3
"""Checks a discovery export of Ward's audit log without any key of the store. Only the standard library.

    verify_discovery.py FILE [--key VKEY]

Each event in the file must be what a leaf of the log commits to, and each leaf must be in the tree whose root the
checkpoint names; the checkpoint must be signed by the log. --key is the verifier's key of the log (as signed notes write
it), from a source other than the file; without it the file is only held against the key that it brings along.

Exits with 0 if everything holds, with 1 if anything does not.
"""

import argparse
import base64
import hashlib
import json
import sys

# MARK: Ed25519 (RFC 8032 section 5.1.7)

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)


def recover(y, sign):
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    return P - x if x & 1 != sign else x


def point(data):
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    x = recover(y, sign)
    return None if x is None else (x, y, 1, x * y % P)


def add(one, two):
    a = (one[1] - one[0]) * (two[1] - two[0]) % P
    b = (one[1] + one[0]) * (two[1] + two[0]) % P
    c, d = 2 * one[3] * two[3] * D % P, 2 * one[2] * two[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(number, base):
    result = (0, 1, 1, 0)
    while number:
        if number & 1:
            result = add(result, base)
        base, number = add(base, base), number >> 1
    return result


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE_X = recover(BASE_Y, 0)
BASE = (BASE_X, BASE_Y, 1, BASE_X * BASE_Y % P)


def is_signed(key, message, signature):
    public, nonce = point(key), point(signature[:32]) if len(signature) == 64 else None
    number = int.from_bytes(signature[32:], "little")
    if public is None or nonce is None or number >= L:
        return False
    challenge = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    left, right = times(number, BASE), add(nonce, times(challenge, public))
    return (left[0] * right[2] - right[0] * left[2]) % P == 0 and (left[1] * right[2] - right[1] * left[2]) % P == 0


# MARK: Checkpoint (C2SP signed-note, tlog-checkpoint)


class Refused(Exception):
    pass


def need(condition, words):
    if not condition:
        raise Refused(words)


def decoded(text, words):
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, TypeError):
        raise Refused(words) from None


def parse_key(text):
    """Name, key hash and public key."""
    name, _, rest = text.partition("+")
    digits, _, key = rest.partition("+")
    data = decoded(key, "the key is malformed")
    need(len(data) == 33 and data[0] == 1, "the key is not of Ed25519")
    digest = hashlib.sha256(name.encode() + b"\n" + data).digest()[:4]
    need(digits == digest.hex(), "the key's own hash does not fit")
    return name, digest, data[1:]


def checkpoint(note, key):
    """Size and root of a signed checkpoint."""
    name, digest, public = key
    body, separator, signatures = note.partition("\n\n")
    need(separator and signatures.endswith("\n"), "the checkpoint is malformed")
    body += "\n"
    lines = body.split("\n")
    need(len(lines) >= 4 and lines[0] == name, "the checkpoint is of another log")
    need(lines[1].isascii() and lines[1].isdigit(), "the checkpoint is malformed")
    root = decoded(lines[2], "the checkpoint is malformed")
    need(len(root) == 32, "the checkpoint is malformed")
    prefix = f"\u2014 {name} "
    for line in signatures.splitlines():
        if line.startswith(prefix):
            data = decoded(line[len(prefix):], "the signature is malformed")
            if data[:4] == digest and is_signed(public, body.encode(), data[4:]):
                return int(lines[1]), root
    raise Refused("the checkpoint is not signed by the log")


# MARK: Tree (RFC 6962 section 2.1.1, RFC 9162 section 2.1.3.2)


def node(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(leaf, index, size, path):
    need(0 <= index < size, "the event's number is outside of the log")
    first, last, digest = index, size - 1, hashlib.sha256(b"\x00" + leaf).digest()
    for sibling in path:
        need(last != 0, "the proof is too long")
        if first & 1 or first == last:
            digest = node(sibling, digest)
            while first & 1 == 0 and first:
                first, last = first >> 1, last >> 1
        else:
            digest = node(digest, sibling)
        first, last = first >> 1, last >> 1
    need(last == 0, "the proof is too short")
    return digest


def check_event(line, size, root):
    """Gives the index of an event that holds."""
    leaf, salt = decoded(line["leaf"], "the leaf is malformed"), decoded(line["salt"], "the salt is malformed")
    need(len(leaf) == 65 and leaf[0] == 1 and len(salt) == 16, "the leaf is malformed")
    event = line["event"].encode()
    need(hashlib.sha256(b"ward/event/1" + salt + event).digest() == leaf[1:33], "the event is not what was logged")
    path = [decoded(each, "the proof is malformed") for each in line["path"]]
    need(all(len(each) == 32 for each in path), "the proof is malformed")
    need(type(line["index"]) is int, "the event's number is malformed")
    need(root_of(leaf, line["index"], size, path) == root, "the event is not in the log at this place")
    json.loads(line["event"])
    return line["index"]


def verify(text, trusted=None):
    """Gives the number of events that were checked, size of the log and whether the key came from elsewhere."""
    lines = [line for line in text.split("\n") if line]
    try:
        need(lines, "the file is empty")
        header = json.loads(lines[0])
        need(header["format"] == "ward-discovery/1", "the format is unknown")
        key = parse_key(trusted or header["key"])
        size, root = checkpoint(header["checkpoint"], key)
        need(header["events"] == len(lines) - 1, "events are missing from the file, or were added")
        last = -1
        for number, line in enumerate(lines[1:], start=2):
            try:
                index = check_event(json.loads(line), size, root)
                need(index > last, "events stand twice or out of order")
            except Refused as refused:
                raise Refused(f"line {number}: {refused}") from None
            last = index
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Refused(f"the file is malformed ({type(error).__name__})") from None
    return len(lines) - 1, size


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("file")
    parser.add_argument("--key", help="the log's verifier key, from elsewhere")
    options = parser.parse_args()
    try:
        with open(options.file, encoding="utf-8", newline="") as file:
            count, size = verify(file.read(), options.key)
    except (OSError, UnicodeDecodeError, Refused) as problem:
        print(f"REFUSED  {problem}")
        return 1
    print(f"{count} events are in the log of {size} events as its checkpoint says, unchanged")
    if not options.key:
        print("the key came with the file: compare it with one from elsewhere, or give it with --key")
    return 0


if __name__ == "__main__":
    sys.exit(main())

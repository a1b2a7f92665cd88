#!/usr/bin/env python3
"""Checks a discovery export of Ward's audit log without any key of the store. Only the standard library and tlog.py
beside it.

    verify_discovery.py FILE [--key VKEY]

Each event in the file must be what a leaf of the log commits to, and each leaf must be in the tree whose root the
checkpoint names; the checkpoint must be signed by the log. --key is the verifier's key of the log (as signed notes write
it), from a source other than the file; without it the file is only held against the key that it brings along.

Exits with 0 if everything holds, with 1 if anything does not.
"""

import argparse
import hashlib
import json
import pathlib
import sys

# A verifier may be run apart from its environment (python3 -I), which leaves its own folder out.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from tlog import Checkpoint, Fault, Key, Unreadable, leaf_hash, node, unbase64


class Refused(Exception):
    pass


def need(condition, words):
    if not condition:
        raise Refused(words)


def decoded(text, words):
    data = unbase64(text)
    need(data is not None, words)
    return data


# MARK: Tree (RFC 9162 section 2.1.3.2)


def root_of(leaf, index, size, path):
    need(0 <= index < size, "the event's number is outside of the log")
    first, last, digest = index, size - 1, leaf_hash(leaf)
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
        checkpoint = Checkpoint(header["checkpoint"].encode(), Key(trusted or header["key"], 1))
        size, root = checkpoint.size, checkpoint.root
        need(header["events"] == len(lines) - 1, "events are missing from the file, or were added")
        last = -1
        for number, line in enumerate(lines[1:], start=2):
            try:
                index = check_event(json.loads(line), size, root)
                need(index > last, "events stand twice or out of order")
            except Refused as refused:
                raise Refused(f"line {number}: {refused}") from None
            last = index
    except (Fault, Unreadable) as refused:
        raise Refused(str(refused)) from None
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

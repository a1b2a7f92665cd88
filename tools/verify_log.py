#!/usr/bin/env python3
"""Checks Ward's audit log without Ward and without keys: Python's standard library, and code of its own (with tlog.py beside it).

    verify_log.py PLACE --key VKEY [--checkpoint FILE] [--witness VKEY ... --quorum N] [--json]
    verify_log.py --proof FILE --key VKEY [--receipt INDEX:HASH] [--witness VKEY ...]

PLACE is a mirror (ward audit mirror), a store's folder, or its ward.db, at rest or in use. The tree is derived from the
entries alone and held against every stored tile, the signed checkpoint, cosigned checkpoints, an earlier checkpoint
that was kept elsewhere, and the hashes of the sealed events where they are there.

Exit status: 0 whole, 2 something is not what was written, 1 it could not be looked at.
Formats: RFC 6962, RFC 8032; C2SP signed-note, tlog-checkpoint, tlog-cosignature, tlog-tiles, tlog-proof.
"""

import argparse
import hashlib
import json
import pathlib
import sqlite3
import sys

from tlog import WIDTH, Checkpoint, Fault, Key, Tree, Unreadable, decimal, leaf_hash, node, parts, tile_path, unbase64


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
    best = goal if len(goal.cosigned) >= max(quorum, 1) else None
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

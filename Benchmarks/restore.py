"""Destroys a clinic and restores it from its backup, with nothing but the program and the printed kit, and takes the time.

    python3 Benchmarks/restore.py --ward .build/release/ward [--patients 16000] [--folder DIR]

Each patient has 59 Observations. Prints CPU and clock of each step, what the backup costs a server that is written to, and
whether what was restored is row for row what was destroyed.
"""

import argparse
import json
import pathlib
import re
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time

OBSERVATIONS = 59
TABLES = ("version", "head", "past", "card", "patient_key", "leaf", "audit_segment", "entry")


def cpu():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Ward:
    def __init__(self, program, folder):
        self.program, self.folder = str(program), folder

    def run(self, *arguments, data="data"):
        began, before = time.monotonic(), cpu()
        done = subprocess.run(
            [self.program, *map(str, arguments), "--data", str(self.folder / data)], cwd=self.folder,
            capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"ward {' '.join(map(str, arguments[:2]))} exited with {done.returncode}: {done.stderr[-500:]}")
        return done.stdout, time.monotonic() - began, cpu() - before


def resources(first, last):
    """Lines of NDJSON for some patients: each a Patient and its Observations."""
    for number in range(first, last):
        yield {"resourceType": "Patient", "id": f"p{number}", "gender": "female", "birthDate": "1970-01-01",
               "name": [{"family": f"Family{number % 4001}", "given": [f"Given{number % 977}"]}]}
        for place in range(OBSERVATIONS):
            yield {
                "resourceType": "Observation", "id": f"o{number}-{place}", "status": "final",
                "code": {"coding": [{"system": "http://loinc.org", "code": f"{8000 + place}-1"}]},
                "subject": {"reference": f"Patient/p{number}"},
                "effectiveDateTime": f"20{10 + place % 16}-0{1 + place % 9}-1{number % 10}",
                "valueQuantity": {"value": number % 300, "unit": "mg/dL", "system": "http://unitsofmeasure.org",
                                  "code": "mg/dL"}}


def write(path, first, last):
    with open(path, "w", encoding="utf-8") as file:
        for each in resources(first, last):
            file.write(json.dumps(each) + "\n")


def rows(database):
    """A hash of every row that a restore brings back."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        found = {}
        for table in TABLES:
            total = count = 0
            for row in connection.execute(f"SELECT * FROM {table}"):
                # A sum, so that the order of rows does not matter.
                total = (total + hash(row)) & (1 << 64) - 1
                count += 1
            found[table] = (count, total)
        return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ward", type=pathlib.Path, required=True, help="the program, a release build")
    parser.add_argument("--patients", type=int, default=16_000)
    parser.add_argument("--folder", type=pathlib.Path, help="on the disk that is measured; a temporary one by default")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(dir=options.folder))
    try:
        results = measure(Ward(options.ward.resolve(), folder), folder, options.patients)
    finally:
        shutil.rmtree(folder)
    if options.json:
        print(json.dumps(results))
    else:
        for name, value in results.items():
            print(f"{name:<34}{value}")
    sys.exit(0 if results["equal"] else 1)


def measure(ward, folder, patients):
    count = patients * (OBSERVATIONS + 1)
    results = {"resources": count}

    def note(name, measured, divided=count):
        _, clock, used = measured
        results[name] = f"{clock:.1f} s, {used:.1f} s CPU, {divided / used:,.0f} resources a core-second"

    ward.run("init")
    ward.run("client", "add", "loader", "--role", "integration", "--purpose", "TREAT")
    ward.run("client", "add", "officer", "--role", "administrator")
    lines = folder / "all.ndjson"
    write(lines, 0, patients)
    note("import", ward.run("import", lines, "--client", "loader"))
    lines.unlink()
    printed, _, _ = ward.run("backup", "kit")
    kit = folder / "kit"
    kit.touch(0o600)
    kit.write_text(re.search(r"((?:^ +[1-6]  [0-9A-Z ]+\n){6})", printed, re.M).group(1))
    # With the opening of the store, which every command without a server pays for.
    note("full backup", ward.run("backup", "now", "--backup", folder / "backup"))
    checkpoint = folder / "checkpoint"
    checkpoint.write_text(ward.run("audit", "checkpoint")[0])
    ward.run("backup", "now", "--backup", folder / "backup")
    before = rows(folder / "data/ward.db")
    shutil.rmtree(folder / "data")
    (folder / "data.key").unlink()
    measured = ward.run(
        "backup", "restore", "--backup", folder / "backup", "--kit-file", kit, "--checkpoint", checkpoint, data="new")
    note("restore, whole command", measured)
    rate = re.search(r"^rate +(.*)$", measured[0], re.M)
    results["restore, rows and tree alone"] = rate.group(1) if rate else "not printed"
    after = rows(folder / "new/ward.db")
    # Opening it has added events and their entries; nothing of before may be missing or different.
    same = [table for table in TABLES if table not in ("leaf", "audit_segment", "entry")]
    results["equal"] = all(before[table] == after[table] for table in same) and after["leaf"][0] >= before["leaf"][0]
    results["log goes on from the checkpoint"] = "has only grown since" in measured[0]
    results["ward verify after it"] = ward.run("verify", "--client", "officer", data="new")[0].strip().splitlines()[-1]
    return results


if __name__ == "__main__":
    main()

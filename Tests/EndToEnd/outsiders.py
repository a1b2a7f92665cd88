"""What the tests of the log's outsiders share: a store with a history, and the verifiers that strangers run."""

import base64
import concurrent.futures
import hashlib
import json
import shutil
import subprocess
import sys

import requests

from conftest import ROOT
from probes import copy_of

sys.path.insert(0, str(ROOT / "tools"))
import tlog  # noqa: E402

WHOLE, UNSOUND, UNREADABLE = 0, 2, 1


def run_verifier(*arguments):
    """Exit status and report of the independent verifier, run as a stranger would."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "verify_log.py"), "--json", *map(str, arguments)], capture_output=True,
        text=True, timeout=120)
    report = json.loads(done.stdout) if done.stdout.strip() else {"whole": None, "faults": []}
    return done.returncode, report, done.stderr


def status(house):
    done = house.ward("audit", "status", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def checkpoint(house):
    done = house.ward("audit", "checkpoint")
    assert done.returncode == 0, done.stderr
    return done.stdout


class Scene:
    pass


def make_scene(houses, tmp_path_factory):
    """A store with more than one full tile, as it was early and late, and what was kept of it elsewhere."""
    made = Scene()
    house = houses(roles=("administrator", "clinician", "integration"))
    patient = {"resourceType": "Patient", "id": "anna", "name": [{"family": "Prokopenko"}]}
    assert house.client("integration").put("Patient/anna", patient).status_code == 201
    fhir = house.client("integration")
    made.receipts = []
    for _ in range(20):
        made.receipts.append(fhir.get("Patient/anna").headers["Ward-Audit-Receipt"])
    made.key = status(house)["key"]
    made.early_checkpoint = checkpoint(house)
    house.stop()
    made.early = copy_of(house, tmp_path_factory.mktemp("early"))
    house.start()
    fhir = house.client("integration")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        made.receipts += [
            answer.headers["Ward-Audit-Receipt"] for answer in pool.map(lambda _: fhir.get("Patient/anna"), range(300))]
    made.checkpoint = checkpoint(house)
    house.stop()
    made.house = house
    folder = tmp_path_factory.mktemp("kept")
    made.kept = folder / "late.checkpoint"
    made.kept.write_text(made.checkpoint)
    made.kept_early = folder / "early.checkpoint"
    made.kept_early.write_text(made.early_checkpoint)
    return made


def look(house, count=1):
    fhir = house.client("integration")
    return [fhir.get("Patient/anna").headers["Ward-Audit-Receipt"] for _ in range(count)]


def roll_back_the_directory(house, scene):
    shutil.rmtree(house.data)
    shutil.copytree(scene.early.data, house.data)


def vkey(name, kind, raw):
    identity = hashlib.sha256(name.encode() + bytes([10, kind]) + raw).hexdigest()[:8]
    return f"{name}+{identity}+{base64.b64encode(bytes([kind]) + raw).decode()}"


def fetch(house, path, method="GET", **more):
    return requests.request(method, f"{house.origin}{path}", verify=str(house.authority), timeout=30, **more)


def mirror(ward, folder, house, key):
    return ward("audit", "mirror", folder, "--from", f"{house.origin}/log", "--key", key, "--ca", house.authority)

"""A full or read-only disk: nothing is answered that is not in the log, and nothing is lost that was answered."""

import concurrent.futures
import json
import os
import subprocess

import pytest

from conftest import FHIR, ROLES, House, wait_until
from probes import refusal_of

SIZE = 32 << 20


def mount(*arguments):
    return subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True, timeout=30)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own with little room."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a small file system")
    place = tmp_path / "disk"
    place.mkdir()
    done = mount("-t", "tmpfs", "-o", f"size={SIZE},mode=0755", "tmpfs", place)
    if done.returncode != 0:
        pytest.skip(f"cannot mount a small file system here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], capture_output=True, timeout=30)


@pytest.fixture
def cramped(ward, binary, small_disk):
    """A store on the small file system; what is written beside it goes there too, but little."""
    made = House(ward, binary, small_disk / "house")
    made.folder.mkdir()
    made.init()
    for role in ROLES:
        made.add_client(role, role)
    yield made
    made.kill()


def fill(place):
    """Takes all the room that is left; gives the file to remove."""
    filler = place / "filler"
    with open(filler, "ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                pass
    return filler


def receipt(answer):
    return answer.headers["Ward-Audit-Receipt"]


def test_on_a_full_disk_everything_about_records_is_503_and_later_it_goes_on(cramped, small_disk):
    cramped.start()
    fhir = cramped.client("integration")
    tokens = {name: cramped.token(name) for name in ROLES}
    kept = fhir.create({"resourceType": "Patient", "name": [{"family": "Achterberg"}]})["id"]
    answered = {}
    filler = fill(small_disk)

    def attempt(number):
        if number % 3:
            return number, fhir.get(f"Patient/{kept}")
        resource = {"resourceType": "Patient", "id": f"n{number}"}
        return number, fhir.put(f"Patient/n{number}", resource)

    # What room the store already has may be used up first; every answer until then must stand in the log.
    refused = None
    for number in range(20_000):
        number, answer = attempt(number)
        if answer.status_code == 503:
            refused = answer
            break
        assert answer.status_code in (200, 201), answer.text
        answered[number] = receipt(answer)
    assert refused is not None, "the disk never filled"
    assert refused.json()["resourceType"] == "OperationOutcome"
    assert "Achterberg" not in refused.text and "Ward-Audit-Receipt" not in refused.headers

    # Now nobody gets anything of a record, by any way.
    others = {role: FHIR(cramped.origin, cramped.authority, token) for role, token in tokens.items()}
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": "GET", "url": f"Patient/{kept}"}}]}
    for role in ("integration", "front-desk"):
        client = others[role]
        for answer in (
            client.get(f"Patient/{kept}"), client.get(f"Patient/{kept}/_history"), client.get("Patient"),
            client.get(f"Patient/{kept}/_history/1"), client.get("Patient/none"), client.get("Patient?_count=0"),
            client.put(f"Patient/{kept}", {"resourceType": "Patient", "id": kept}),
            client.post("Patient", {"resourceType": "Patient"}),
            client.get("Patient?name=achterberg"),
        ):
            assert answer.status_code == 503, f"{role}: {answer.request.method} {answer.request.url} {answer.status_code}"
            assert "Achterberg" not in answer.text
        batch = client.post("", bundle)
        assert batch.status_code in (200, 503) and "Achterberg" not in batch.text
        if batch.status_code == 200:
            assert batch.json()["entry"][0]["response"]["status"].startswith("503")
    assert others["administrator"].get(f"Patient/{kept}").status_code == 503, "a denial must be logged as well"
    assert cramped.ward("client", "token", "integration").returncode != 0
    assert cramped.ward("client", "add", "late", "--role", "integration").returncode != 0
    assert cramped.process.poll() is None
    assert cramped.stranger().get("metadata").status_code == 200, "what needs no record is served"

    # With room again it goes on by itself.
    filler.unlink()
    wait_until(lambda: fhir.get(f"Patient/{kept}").status_code == 200, timeout=20, what="the first answer")
    for number in answered:
        if number % 3 == 0:
            assert fhir.get(f"Patient/n{number}").status_code == 200
    events = {event["index"]: event for event in cramped.events(limit=100_000)}
    for value in answered.values():
        assert int(value.split(":")[0]) in events
    assert cramped.ward("audit", "verify").returncode == 0
    assert cramped.ward("verify", "--client", "administrator").returncode == 0
    assert cramped.stop() == 0
    cramped.start()
    assert cramped.client("integration").get(f"Patient/{kept}").json()["name"][0]["family"] == "Achterberg"


def test_a_log_that_could_not_be_written_is_told_at_once_and_is_an_alert_when_it_can_be(
        cramped, small_disk, tmp_path):
    # The operational log goes to another disk, as it does under a supervisor.
    cramped.error_file = tmp_path / "server.err"
    cramped.start()
    fhir = cramped.client("integration")
    assert not cramped.events("--kind", "log-interrupted")
    told = lambda words: [line for line in cramped.log_lines() if words in line["message"]]  # noqa: E731
    assert not told("cannot be written")
    filler = fill(small_disk)
    for number in range(20_000):
        if fhir.put(f"Patient/n{number}", {"resourceType": "Patient", "id": f"n{number}"}).status_code == 503:
            break
    lines = wait_until(lambda: told("cannot be written"), timeout=2, what="the line, at once")
    assert len(lines) == 1 and lines[0]["level"] == "error" and lines[0]["code"] == "full"
    for _ in range(20):
        assert fhir.get("Patient/n0").status_code == 503
    assert len(told("cannot be written")) == 1 and not told("is written again")
    filler.unlink()
    event = wait_until(lambda: cramped.events("--kind", "log-interrupted"), timeout=10, what="the event")[0]
    assert event["outcome"] == "failed" and event["decision"].startswith("full; "), event

    def alerts():
        done = cramped.ward("alerts", "list", "--json")
        return [alert for alert in map(json.loads, done.stdout.splitlines()) if alert["rule"] == "log-trouble"]

    found = wait_until(alerts, timeout=10, what="the alert")
    assert len(found) == 1 and found[0]["events"] == [event["index"]] and "who" not in found[0], found
    assert len(cramped.events("--kind", "log-interrupted")) == 1, "once for each stretch"
    assert len(told("is written again")) == 1


def test_a_transaction_that_does_not_fit_leaves_nothing_behind(cramped, small_disk):
    cramped.start()
    fhir = cramped.client("integration")
    filler = fill(small_disk)
    with open(filler, "rb+") as file:
        # Room for a part of the transaction.
        file.truncate(os.path.getsize(filler) - (1 << 20))
    entries = [
        {"request": {"method": "PUT", "url": f"Binary/b{number}"},
         "resource": {"resourceType": "Binary", "id": f"b{number}", "contentType": "text/plain", "data": "QUJD" * 50_000}}
        for number in range(40)]
    answer = fhir.transaction(entries)
    assert answer.status_code == 503, answer.text[:300]
    filler.unlink()
    wait_until(lambda: fhir.get("Binary/b0").status_code != 503, timeout=20, what="the store to write again")
    for number in range(40):
        assert fhir.get(f"Binary/b{number}").status_code == 404
    assert fhir.search("Binary?_total=accurate&_count=0")["total"] == 0
    assert cramped.ward("verify", "--client", "administrator").returncode == 0


def test_a_kill_on_a_full_disk_loses_nothing(cramped, small_disk):
    cramped.start()
    fhir = cramped.client("integration")
    filler = fill(small_disk)
    answered = []

    def write(number):
        answer = fhir.put(f"Patient/k{number}", {"resourceType": "Patient", "id": f"k{number}"})
        if answer.status_code == 201:
            answered.append(f"k{number}")
        return answer.status_code

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for start in range(0, 20_000, 100):
            if 503 in pool.map(write, range(start, start + 100)):
                break
    cramped.kill()
    filler.unlink()
    cramped.start()
    fhir = cramped.client("integration")
    for record in answered:
        assert fhir.get(f"Patient/{record}").status_code == 200
    assert cramped.ward("verify", "--client", "administrator").returncode == 0


def test_a_start_on_a_full_disk_is_refused_in_words(cramped, small_disk):
    filler = fill(small_disk)
    words = refusal_of(cramped)
    assert any(word in words.lower() for word in ("full", "written", "space")), words
    filler.unlink()
    cramped.start()


def test_a_read_only_folder_is_refused_in_words_and_nothing_is_served(cramped, small_disk, tmp_path):
    view = tmp_path / "view"
    view.mkdir()
    assert mount("--bind", small_disk, view).returncode == 0
    try:
        done = mount("-o", "remount,ro,bind", view)
        if done.returncode != 0:
            pytest.skip("cannot make a read-only mount here")
        copy = House(cramped.ward_program, cramped.binary, view / "house")
        words = refusal_of(copy)
        assert words.strip() and "Fatal" not in words
    finally:
        subprocess.run(["umount", "-l", str(view)], capture_output=True, timeout=30)


def test_a_disk_that_becomes_read_only_under_the_server_is_503(cramped, small_disk):
    cramped.start()
    fhir = cramped.client("integration")
    made = fhir.create({"resourceType": "Patient"})["id"]
    done = mount("-o", "remount,ro", small_disk)
    if done.returncode != 0:
        pytest.skip("this kernel refuses to make a file system in use read-only")
    assert fhir.get(f"Patient/{made}").status_code == 503
    mount("-o", "remount,rw", small_disk)
    wait_until(lambda: fhir.get(f"Patient/{made}").status_code == 200, timeout=20, what="the first answer")


def test_init_on_a_full_disk_leaves_no_key_without_a_store(ward, binary, small_disk, tmp_path):
    fill(small_disk)
    made = House(ward, binary, tmp_path / "outside")
    made.folder.mkdir()
    made.data = small_disk / "data"
    done = made.ward_program("init", "--data", made.data, "--key-file", made.folder / "data.key", cwd=made.folder)
    assert done.returncode != 0 and done.stderr.strip()
    assert not (made.folder / "data.key").exists()

"""T-AUDIT-N: as many events as requests, each with the right fields, though the process is killed at any moment.

Clients keep a ledger of what they asked and what they were answered; after each kill the log is reconciled with it:
every answered request stands in the log exactly once, with who, when, what in which version, from where, why, how it
ended and by which rule; and there is no event that nobody asked for.
"""

import collections
import datetime
import json
import random
import threading
import time

import pytest
import requests

from conftest import matches, receipt
from test_people import Browser, chromium, enrol, link_for  # noqa: F401 (fixture)

ROUNDS = 3
ROUNDS_SLOW = 40
WHY = {"integration": "TREAT", "clinician": "TREAT", "front-desk": "TREAT", "administrator": "HSYSADMIN"}


def patient(identity, name):
    return {"resourceType": "Patient", "id": identity, "name": [{"family": name}]}


def version(resource):
    return f"{resource['resourceType']}/{resource['id']}/_history/{resource['meta']['versionId']}"


class Asked:
    """One request: what its events must say."""

    def __init__(self, role, started):
        self.role = role
        self.started = started
        self.ended = None
        self.number = None
        self.receipt = None
        # (kind, outcome, records or None for any, patients or None for any)
        self.expected = []


class Asker(threading.Thread):
    """Asks for all kinds of things as several clients until the server is gone."""

    def __init__(self, name, clients, seed):
        super().__init__(daemon=True)
        self.prefix = name
        self.clients = clients
        self.random = random.Random(seed)
        self.own = {}
        self.asked = []
        self.problems = []
        self.written = 0

    def run(self):
        steps = [self.write, self.write, self.read, self.read, self.search, self.missing, self.denied, self.denied_search,
                 self.malformed, self.unknown, self.conflict, self.delete, self.history, self.old, self.transaction,
                 self.batch]
        while True:
            try:
                self.random.choice(steps)()
            except (requests.RequestException, OSError):
                return
            except Exception as problem:  # noqa: BLE001
                self.problems.append(repr(problem))
                return

    def ask(self, role, method, path, expected, body=None, status=None, **more):
        """`expected` gives what the events must say, from the answer."""
        asked = Asked(role, time.time())
        self.asked.append(asked)
        answer = self.clients[role].request(method, path, body, timeout=20, **more)
        asked.ended = time.time()
        asked.number = answer.headers["X-Request-Id"]
        asked.receipt = receipt(answer)
        assert answer.status_code in status, f"{method} {path}: {answer.status_code} {answer.text[:200]}"
        asked.expected = expected(answer)
        return answer

    def any_own(self):
        if not self.own:
            self.write()
        return self.random.choice(sorted(self.own))

    def write(self):
        identity = f"{self.prefix}-{self.random.randrange(6)}"

        def expected(answer):
            made = answer.json()
            self.own[identity] = made["meta"]["versionId"]
            # A record that was deleted is made again.
            return [({"update", "create"}, "success", [version(made)], [identity])]

        self.ask("integration", "PUT", f"Patient/{identity}", expected, patient(identity, self.prefix), (200, 201))
        self.written += 1

    def read(self):
        identity = self.any_own()
        self.ask("integration", "GET", f"Patient/{identity}",
                 lambda answer: [("read", "success", [version(answer.json())], [identity])], status=(200,))

    def old(self):
        identity = self.any_own()
        self.ask("integration", "GET", f"Patient/{identity}/_history/1",
                 lambda answer: [("vread", "success", [f"Patient/{identity}/_history/1"], [identity])], status=(200,))

    def history(self):
        identity = self.any_own()

        def expected(answer):
            made = [int(entry["response"]["etag"].split('"')[1]) for entry in answer.json()["entry"]]
            return [("history-instance", "success", [f"Patient/{identity}/_history/{number}" for number in made],
                     [identity])]

        self.ask("integration", "GET", f"Patient/{identity}/_history", expected, status=(200,))

    def search(self):
        def expected(answer):
            found = [entry["resource"] for entry in matches(answer.json())]
            return [("search", "success", [version(each) for each in found], sorted(each["id"] for each in found))]

        self.ask("integration", "GET", f"Patient?family={self.prefix}&_count=4", expected, status=(200,))

    def missing(self):
        self.ask("integration", "GET", "Patient/nobody",
                 lambda answer: [("read", "failed", ["Patient/nobody/_history/0"], ["nobody"])], status=(404,))

    def denied(self):
        identity = self.any_own()
        self.ask("administrator", "GET", f"Patient/{identity}",
                 lambda answer: [("read", "denied", [f"Patient/{identity}/_history/0"], [identity])], status=(403,))

    def denied_search(self):
        self.ask("front-desk", "GET", "Observation", lambda answer: [("search", "denied", [], [])], status=(403,))

    def malformed(self):
        self.ask("integration", "PUT", f"Patient/{self.prefix}-9", lambda answer: [("request-refused", "failed", [], [])],
                 "{", (400,))

    def unknown(self):
        self.ask("integration", "GET", "Nothing/1", lambda answer: [("request-refused", "failed", [], [])], status=(404,))

    def conflict(self):
        identity = self.any_own()
        self.ask("integration", "PUT", f"Patient/{identity}",
                 lambda answer: [("update", "failed", None, [identity])], patient(identity, "x"), (412,),
                 headers={"If-Match": 'W/"999999"'})

    def delete(self):
        identity = self.any_own()
        if len(self.own) < 3:
            return
        del self.own[identity]
        self.ask("integration", "DELETE", f"Patient/{identity}",
                 lambda answer: [("delete", "success", [f"Patient/{identity}/_history/{tag(answer)}"], [identity])],
                 status=(204,))

    def transaction(self):
        def expected(answer):
            made = [entry["response"]["location"].split("/fhir/")[1] for entry in answer.json()["entry"]]
            return [("transaction", "success", made, sorted(each.split("/")[1] for each in made))]

        entries = [{"request": {"method": "POST", "url": "Patient"},
                    "resource": {"resourceType": "Patient", "name": [{"family": "many"}]}} for _ in range(3)]
        self.ask("integration", "POST", "", expected, {"resourceType": "Bundle", "type": "transaction", "entry": entries},
                 (200,))

    def batch(self):
        identity = self.any_own()

        def expected(answer):
            first = answer.json()["entry"][0]["resource"]
            return [("read", "success", [version(first)], [identity]),
                    ("read", "failed", ["Patient/nobody/_history/0"], ["nobody"])]

        entries = [{"request": {"method": "GET", "url": f"Patient/{each}"}} for each in (identity, "nobody")]
        self.ask("integration", "POST", "", expected, {"resourceType": "Bundle", "type": "batch", "entry": entries}, (200,))


def tag(answer):
    return answer.headers["ETag"].split('"')[1]


def seconds(event):
    return datetime.datetime.fromisoformat(event["time"]).timestamp()


def fits(event, expected):
    kind, outcome, records, patients = expected
    return (event["kind"] in (kind if isinstance(kind, set) else {kind}) and event["outcome"] == outcome
            and (records is None or sorted(event["records"]) == sorted(records))
            and (patients is None or sorted(event["patients"]) == sorted(patients)))


def reconcile(events, askers):
    """Holds the log against the ledgers; gives the number of requests that were answered."""
    by_request = collections.defaultdict(list)
    for event in events:
        if event["request"]:
            by_request[event["request"]].append(event)
    answered, open_ones = 0, []
    for asker in askers:
        assert asker.problems == [], asker.problems
        for asked in asker.asked:
            if asked.number is None:
                open_ones.append(asked)
                continue
            answered += 1
            found = by_request.pop(asked.number, [])
            assert len(found) == len(asked.expected), (asked.number, asked.expected, found)
            rest = list(found)
            for expected in asked.expected:
                fitting = next((event for event in rest if fits(event, expected)), None)
                assert fitting is not None, (asked.number, expected, rest)
                rest.remove(fitting)
            for event in found:
                assert event["who"] == f"client/{asked.role}" and event["role"] == asked.role, event
                assert event["why"] == WHY[asked.role] and event["from"] == "127.0.0.1", event
                assert asked.started - 0.01 <= seconds(event) <= asked.ended + 0.01, (event, asked.started, asked.ended)
                assert event["decision"] and event["count"] == 1, event
                if event["outcome"] == "denied":
                    assert event["decision"] == "type-not-granted"
            assert asked.receipt[0] in {event["index"] for event in found}
    # What is left was asked and never answered: the last request of each who asked.
    assert len(open_ones) <= len(askers)
    assert len(by_request) <= len(open_ones), by_request
    for left in by_request.values():
        event = left[0]
        assert any(f"client/{asked.role}" == event["who"] and asked.started - 0.01 <= seconds(event)
                   for asked in open_ones), event
    return answered


def complete(houses, rounds, seed):
    house = houses()
    chance = random.Random(seed)
    ledgers, total = [], 0
    for number in range(rounds):
        clients = {role: house.client(role) for role in WHY}
        askers = [Asker(f"n{number}a{each}", clients, f"{seed} {number} {each}") for each in range(4)]
        for asker in askers:
            asker.start()
        time.sleep(chance.uniform(0.5, 2.0))
        house.kill()
        for asker in askers:
            asker.join(30)
            assert not asker.is_alive()
        house.start()
        ledgers += askers
        # All rounds each time: an older event must not change or go either.
        total = reconcile(house.events(limit=10_000_000), ledgers)
    assert total > 10 * rounds
    assert house.ward("verify", "--client", "administrator", timeout=600).returncode == 0
    return house


def test_every_answer_is_in_the_log_once_and_nothing_else_is(houses):
    house = complete(houses, ROUNDS, 4)
    # An export: what is in the files is what is in the log.
    before = house.events(limit=1)[0]["index"]
    done = house.ward("export", "--client", "integration", "--out", house.folder / "out")
    assert done.returncode == 0, done.stderr
    files = [json.loads(line) for file in (house.folder / "out").glob("*.ndjson") for line in open(file)]
    events = [event for event in house.events("--kind", "export", limit=100_000) if event["index"] > before]
    told = [record for event in events for record in event["records"]]
    assert files and sorted(told) == sorted(version(each) for each in files)
    # Strangers are counted, whatever they try.
    stranger = house.stranger("no-token", address="127.0.0.77")
    tried = [stranger.get("Patient/x").status_code for _ in range(7)]
    assert set(tried) <= {401, 429}
    house.stop()
    house.start()
    counted = sum(event["count"] for event in house.events("--kind", "sign-in-failed") if event["from"] == "127.0.0.77")
    assert counted == tried.count(401)
    house.kill()


@pytest.mark.slow
def test_many_kills_leave_the_log_complete(houses):
    complete(houses, ROUNDS_SLOW, 5).kill()


def test_each_sign_in_on_the_pages_is_in_the_log_once(houses, chromium):  # noqa: F811
    house = houses()
    browser = Browser(chromium, house.origin)
    started = time.time()
    enrol(browser, link_for(house, "anna", "clinician"))
    for _ in range(3):
        browser.open("/app")
        browser.press("Sign out")
        browser.page.wait_for_url("**/sign-in*")
        browser.open("/sign-in")
        browser.press("Sign in with a passkey")
        browser.page.wait_for_url("**/app")
    browser.context.close()
    ended = time.time()
    house.kill()
    house.start()
    # Whoever enrols is signed in by it.
    for kind, count in (("signed-in", 4), ("session-ended", 3), ("enrolment-issued", 1), ("enrolment-used", 1)):
        events = house.events("--kind", kind)
        assert len(events) == count, (kind, events)
        if kind in ("signed-in", "session-ended"):
            assert len({event["request"] for event in events}) == len(events)
            assert all(event["who"].startswith("person/") and event["from"] in ("127.0.0.1", "::1") and event["session"]
                       and event["outcome"] == "success" and started - 0.01 <= seconds(event) <= ended + 0.01
                       for event in events), events
    house.kill()

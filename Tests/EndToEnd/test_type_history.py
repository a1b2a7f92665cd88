"""History of a type and of the store: newest first, in pages that repeat and skip nothing, each version decided on."""

import json
import time
import uuid

import pytest

from conftest import expressions, link, outcome, receipt


def unique(prefix="h"):
    return f"{prefix}-{uuid.uuid4()}"


def put(client, resource):
    answer = client.put(f"{resource['resourceType']}/{resource['id']}", resource)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def versions(bundle):
    return [(each["fullUrl"].split("/fhir/")[1], each["response"]["etag"], each["request"]["method"])
            for each in bundle.get("entry", [])]


def walk(client, path):
    found, bundle = [], client.search(path)
    while True:
        assert bundle["type"] == "history" and "total" not in bundle
        found += versions(bundle)
        following = link(bundle, "next")
        if following is None:
            return found
        bundle = client.search(following)


@pytest.fixture(scope="module")
def story(integration):
    """A basic with two versions and a deletion, one with one version, and a patient; and when the middle was."""
    first, second, person = unique(), unique(), unique()
    basic = {"resourceType": "Basic", "code": {"text": "SECRET"}}
    put(integration, {**basic, "id": first})
    put(integration, {"resourceType": "Patient", "id": person, "maritalStatus": {"text": "SECRET"}})
    put(integration, {**basic, "id": second})
    time.sleep(0.05)
    middle = put(integration, {**basic, "id": first, "code": {"text": "changed"}})["meta"]["lastUpdated"]
    time.sleep(0.05)
    integration.delete(f"Basic/{first}")
    return {"first": first, "second": second, "person": person, "middle": middle}


def told(story):
    first, second = f"Basic/{story['first']}", f"Basic/{story['second']}"
    return [(first, 'W/"3"', "DELETE"), (first, 'W/"2"', "PUT"), (second, 'W/"1"', "PUT"), (first, 'W/"1"', "PUT")]


@pytest.mark.parametrize("count", [1, 2, 3, 1000])
def test_the_history_of_a_type_in_pages(integration, story, count):
    assert walk(integration, f"Basic/_history?_count={count}") == told(story)


def test_the_history_of_the_store_has_all_types(integration, story):
    found = walk(integration, "_history?_count=3")
    assert [each for each in found if each[0].startswith("Basic/")] == told(story)
    assert (f"Patient/{story['person']}", 'W/"1"', "PUT") in found
    assert len(set(found)) == len(found)


def test_a_version_is_as_it_was_and_every_one_is_in_the_log(house, integration, story):
    answer = integration.get("Basic/_history")
    entries = answer.json()["entry"]
    assert "resource" not in entries[0]
    assert [each["resource"]["code"]["text"] for each in entries[1:]] == ["changed", "SECRET", "SECRET"]
    assert entries[1]["resource"] == integration.get(f"Basic/{story['first']}/_history/2").json()
    index, _ = receipt(answer)
    event = json.dumps(next(each for each in house.events() if each["index"] == index))
    assert story["first"] in event and story["second"] in event


def test_since_and_at(integration, story):
    assert walk(integration, f"Basic/_history?_since={story['middle']}") == told(story)[:2]
    assert walk(integration, "Basic/_history?_since=2100") == []
    at = walk(integration, f"Basic/_history?_at={story['middle']}")
    # The one that became current then, and the other, which still was; what it took the place of may share the millisecond.
    assert told(story)[1] in at and told(story)[2] in at and told(story)[0] not in at
    assert walk(integration, "Basic/_history?_at=1999") == []
    assert set(walk(integration, "Basic/_history?_at=2100")) == {told(story)[0], told(story)[2]}


def test_what_is_written_meanwhile_does_not_move_the_pages(integration, story):
    bundle = integration.search("_history?_count=2")
    before = versions(bundle)
    put(integration, {"resourceType": "Flag", "id": unique(), "status": "active", "code": {"text": "x"},
                      "subject": {"display": "x"}})
    following = versions(integration.search(link(bundle, "next")))
    assert not set(before) & set(following) and not any(each[0].startswith("Flag/") for each in following)


def test_a_link_is_worth_nothing_to_others_nor_elsewhere(integration, clinician, story):
    following = link(integration.search("Basic/_history?_count=1"), "next")
    page = following.split("_page=")[1]
    assert clinician.get(following).status_code == 410
    assert integration.get(f"_history?_page={page}").status_code == 410
    assert integration.get(f"Patient/_history?_page={page}").status_code == 410
    assert integration.get(f"Basic?_page={page}").status_code == 410
    assert integration.get(f"Basic/_history?_page={page[:-2]}AA").status_code == 410
    assert integration.get(f"Basic/_history?_page={page}&_count=1").status_code == 400


@pytest.mark.parametrize("query,expression", [
    ("_count=0", "_count"), ("_count=1001", "_count"), ("_since=x", "_since"), ("_at=yesterday", "_at"),
    ("nonsense=1", "nonsense"), ("_count=1&_count=2", "_count"), ("_summary=count", "_summary"),
])
@pytest.mark.parametrize("path", ["Basic/_history", "_history"])
def test_a_question_that_means_nothing_is_refused_by_name(integration, path, query, expression):
    answer = integration.get(f"{path}?{query}")
    assert answer.status_code == 400
    assert expressions(answer) == [expression]


def test_nobody_sees_versions_that_they_could_not_read(integration, front_desk, administrator, story):
    assert front_desk.get("Basic/_history").status_code == 403
    answers = front_desk.get("_history?_count=1000")
    assert answers.status_code == 200
    assert "SECRET" not in answers.text and "Basic/" not in answers.text
    for each in answers.json().get("entry", []):
        name, version = each["fullUrl"].split("/fhir/")[1], each["response"]["etag"][3:-1]
        own = front_desk.get(f"{name}/_history/{version}")
        assert own.status_code == (200 if "resource" in each else 410)
    assert administrator.get("_history").status_code == 403
    assert administrator.get("Basic/_history").status_code == 403
    receipt(administrator.get("_history"))


def test_what_is_hidden_today_is_hidden_in_its_earlier_versions(house, integration, clinician):
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "PSY"}
    name = unique("labelled")
    flag = {"resourceType": "Flag", "id": name, "status": "active", "code": {"text": "x"}, "subject": {"display": "x"}}
    put(integration, flag)
    integration.put(f"Flag/{name}", {**flag, "meta": {"security": [label]}})
    for client in (integration, clinician):
        hidden = client.get(f"Flag/{name}").status_code == 404
        assert (name in client.get("_history?_count=1000").text) is not hidden
        assert (name in client.get("Flag/_history?_count=1000").text) is not hidden


def test_other_methods_are_refused(integration):
    for path in ("_history", "Basic/_history"):
        assert integration.post(path).status_code == 405
        assert integration.request("HEAD", path).status_code == 200
    outcome(integration.get("Nonsense/_history"))

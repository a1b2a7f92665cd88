"""Object storage and webhooks, against moto's S3 with its check of signatures, and a sink."""

import hashlib
import hmac
import json
import os
import subprocess
import sys
import time

import boto3
import pytest
import requests

from conftest import free_port, wait_until
from sinks import Authority, sink
from test_egress import Doors

ALLOW = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


class Storage:
    """moto_server over TLS; signatures are checked from the fifth call on."""

    def __init__(self, folder):
        self.authority = Authority(folder / "authority")
        chain, secret = self.authority.issue("s3", host="localhost")
        self.port = free_port()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port), "-c", str(chain), "-k",
             str(secret)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": "4"})
        wait_until(self._answers, timeout=60, interval=0.2, what="moto")
        more = {"endpoint_url": f"https://localhost:{self.port}", "region_name": "us-east-1",
                "verify": str(self.authority.pem), "aws_access_key_id": "x", "aws_secret_access_key": "y"}
        iam, s3 = boto3.client("iam", **more), boto3.client("s3", **more)
        iam.create_user(UserName="ward")
        key = iam.create_access_key(UserName="ward")["AccessKey"]
        iam.put_user_policy(UserName="ward", PolicyName="all", PolicyDocument=json.dumps(ALLOW))
        s3.create_bucket(Bucket="clinic", ObjectLockEnabledForBucket=True)
        self.file = folder / "key"
        self.file.touch(0o600)
        self.file.write_text(f"{key['AccessKeyId']}\n{key['SecretAccessKey']}\n")

    def client(self, service):
        """A client of a service, with the key in the file."""
        key, secret = self.file.read_text().split()
        return boto3.client(
            service, endpoint_url=f"https://localhost:{self.port}", region_name="us-east-1", verify=str(self.authority.pem),
            aws_access_key_id=key, aws_secret_access_key=secret)

    def stop(self):
        self.process.terminate()
        self.process.wait(20)

    def _answers(self):
        try:
            requests.get(f"https://localhost:{self.port}/moto-api/", verify=str(self.authority.pem), timeout=2)
            return True
        except requests.RequestException:
            return False


@pytest.fixture(scope="module")
def storage(tmp_path_factory):
    made = Storage(tmp_path_factory.mktemp("s3"))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def doors(houses, storage):
    doors = Doors(houses(roles=("administrator",)), storage.authority, None)
    vendor = doors.vendor("storage")
    doors.sign(vendor, service=["s3"], region=["us-east-1"])
    doors.name = doors.destination(
        storage.port, vendor=vendor, service="s3", kind="storage", host="localhost", region="us-east-1")
    return doors


def test_objects_are_put_looked_at_got_listed_and_deleted(doors, storage):
    done = doors.try_it(doors.name, "--bucket", "clinic", "--credentials", storage.file)
    assert done.returncode == 0, done.stderr
    # moto ends a connection after each answer; each is an event when it opens and when it has ended.
    told = [event["kind"] for event in doors.house.events() if doors.name in event["decision"]]
    assert told.count("egress-opened") == told.count("egress-closed") >= 1 and "egress-refused" not in told


def test_a_wrong_key_and_a_missing_bucket_are_failures(doors, storage, tmp_path):
    wrong = tmp_path / "wrong"
    wrong.touch(0o600)
    wrong.write_text(storage.file.read_text()[:-4] + "xyz\n")
    done = doors.try_it(doors.name, "--bucket", "clinic", "--credentials", wrong)
    assert done.returncode == 1 and "answered 403" in done.stderr, done.stderr
    done = doors.try_it(doors.name, "--bucket", "nowhere", "--credentials", storage.file)
    assert done.returncode == 1 and "answered 404" in done.stderr, done.stderr
    wrong.chmod(0o644)
    done = doors.try_it(doors.name, "--bucket", "clinic", "--credentials", wrong)
    assert done.returncode == 1 and "open to others" in done.stderr, done.stderr


def hook(sink, connection):
    received = b""
    while b"\r\n\r\n" not in received or not received.endswith(b"}"):
        part = connection.recv(65536)
        if not part:
            return
        received += part
    sink.received += received
    connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")


def test_a_webhook_is_signed_and_says_nothing(houses, tmp_path):
    doors = Doors(houses(roles=("administrator",)), Authority(tmp_path / "authority"), None)
    vendor = doors.vendor("software")
    doors.sign(vendor, service=["hook"])
    with sink(hook, doors.authority.context()) as there:
        name = doors.destination(there.port, "--path", "/in", vendor=vendor, service="hook", kind="webhook")
        secret = bytes.fromhex(doors.output.split("shown once: ")[1].split()[0])
        assert doors.try_it(name).returncode == 0
        head, _, body = there.received.partition(b"\r\n\r\n")
        assert head.startswith(b"POST /in HTTP/1.1\r\n") and body == b'{"changed":true}'
        field = next(line for line in head.decode().split("\r\n") if line.startswith("ward-signature: "))
        seconds, signature = field.removeprefix("ward-signature: t=").split(",v1=")
        assert abs(int(seconds) - time.time()) < 60
        assert signature == hmac.new(secret, f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()

import json
from collections import Counter

import pytest

from stonelog.api.ingest import Rejected
from stonelog.api.ingest.cloudtrail import CloudTrail

RECORD = {
    "eventTime": "2026-11-23T12:00:00Z",
    "eventSource": "ec2.amazonaws.com",
    "eventName": "RunInstances",
    "sourceIPAddress": "192.0.2.1",
    "userAgent": "cli",
    "requestID": "r-1",
    "userIdentity": {"type": "IAMUser", "principalId": "AIDA1", "userName": "ada"},
}


def event(**changes):
    record = {key: value for key, value in {**RECORD, **changes}.items() if value is not ...}
    (made,) = CloudTrail().events(json.dumps(record).encode())
    return made


def test_a_record_becomes_an_event():
    """Who called what from where, and the rest by AWS's names."""
    made = event(responseElements=None, readOnly=False)
    assert (made["category"], made["action"], made["message"]) == (
        "api",
        "run_instances",
        "RunInstances on ec2.amazonaws.com",
    )
    assert (made["username"], made["user_id"], made["ip_address"]) == ("ada", "AIDA1", "192.0.2.1")
    assert (made["user_agent"], made["request_id"], made["outcome"], made["level"]) == ("cli", "r-1", "success", "info")
    assert made["metadata"]["readOnly"] is False
    assert "responseElements" not in made["metadata"]


@pytest.mark.parametrize(
    ("source", "name", "category", "action"),
    [
        ("signin", "ConsoleLogin", "authentication", "login"),
        ("sts", "AssumeRoleWithSAML", "authentication", "assume_role_with_saml"),
        ("sts", "GetCallerIdentity", "api", "get_caller_identity"),
        ("iam", "CreateUser", "user_management", "create_user"),
        ("iam", "AttachRolePolicy", "authorization", "attach_role_policy"),
        ("s3", "GetBucketPolicy", "data_management", "get_bucket_policy"),
        ("cloudtrail", "StopLogging", "configuration", "stop_logging"),
        ("rds", "DescribeDBInstances", "data_management", "describe_db_instances"),
        ("lambda", "GetFunction20150331v2", "api", "get_function20150331v2"),
        ("x", "2Odd-Name", "api", "api_call"),
        ("x", "N" * 500, "api", "n" * 64),
    ],
)
def test_category_and_action_follow_from_source_and_name(source, name, category, action):
    """The service gives the category, the name of the call in snake case the action."""
    made = event(eventSource=f"{source}.amazonaws.com", eventName=name)
    assert (made["category"], made["action"]) == (category, action)


def test_a_failed_call_and_a_failed_login_are_failures():
    """errorCode, or ConsoleLogin: Failure, make the outcome."""
    made = event(errorCode="AccessDenied", errorMessage="no")
    assert (made["outcome"], made["level"], made["error_type"], made["error_message"]) == (
        "failure", "warning", "AccessDenied", "no",
    )  # fmt: skip
    made = event(
        eventSource="signin.amazonaws.com", eventName="ConsoleLogin", responseElements={"ConsoleLogin": "Failure"}
    )
    assert (made["action"], made["outcome"]) == ("login_failed", "failure")


@pytest.mark.parametrize(
    ("identity", "username", "user_id"),
    [
        ({"principalId": "AROA:i", "sessionContext": {"sessionIssuer": {"userName": "role"}}}, "role", "AROA:i"),
        ({"type": "Root", "principalId": "123"}, "123", "123"),
        ({"type": "AWSService", "invokedBy": "x.amazonaws.com"}, "AWSService", None),
        ({"type": "AssumedRole", "principalId": "A", "sessionContext": {"sessionIssuer": {}}}, "A", "A"),
        (None, None, None),
        ("odd", None, None),
    ],
)  # fmt: skip
def test_the_caller_is_the_nearest_name(identity, username, user_id):
    """The user's name, else the role's, else the principal, else the kind of identity."""
    made = event(userIdentity=identity)
    assert (made.get("username"), made.get("user_id")) == (username, user_id)


def test_a_source_that_is_no_address_is_kept():
    """`AWS Internal` and service names stand in metadata.source_ip."""
    made = event(sourceIPAddress="AWS Internal")
    assert made["ip_address"] is None
    assert made["metadata"]["source_ip"] == "AWS Internal"


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"eventName": ...}, "eventName"), ({"eventSource": 3}, "eventSource"), ({"eventTime": "now"}, "eventTime")],
)
def test_what_is_no_record_is_rejected_by_name(changes, field):
    """A record without its name, source or time is refused."""
    with pytest.raises(Rejected, match=f"^{field}: "):
        event(**changes)


def test_the_logstash_envelope_has_its_time_in_at_timestamp():
    """@timestamp stands in where there is no eventTime."""
    assert event(**{"eventTime": ..., "@timestamp": "2020-09-14T00:44:23.000Z"})["time"].year == 2020


def test_files_as_cloudtrail_delivers_them(intake):
    """{"Records": [...]} on one line or over many is read record by record; a bad record is rejected alone."""
    records = {"Records": [RECORD, {**RECORD, "eventName": None}, {**RECORD, "eventName": "StopInstances"}]}
    for source in (json.dumps(records), json.dumps(records, indent=2), json.dumps(records["Records"], indent=2)):
        result = intake(source.encode(), format="cloudtrail")
        assert (result.read, result.appended, result.rejected) == (3, 2, 1)
        ((line, _, reason),) = intake.rejects(result)
        assert line == 1
        assert reason.startswith("record 2: eventName: ")
        assert json.loads(intake.rejected_bytes(result))["eventSource"] == "ec2.amazonaws.com"


def nest(depth):
    return {"d": nest(depth - 1)} if depth else {}


def test_over_deep_and_over_long_parts_go_in_as_text(intake):
    """What is nested too deep is JSON text; what makes the line too long is its beginning, with a mark."""
    record = {**RECORD, "requestParameters": nest(40), "responseElements": {"list": ["é\x7f" * 100] * 1_000}}
    result = intake(json.dumps(record).encode(), format="cloudtrail")
    assert (result.appended, result.rejected) == (1, 0)
    metadata = intake.events()[0]["metadata"]
    assert metadata["responseElements"].startswith('{"list":["é')
    assert metadata["responseElements"].endswith("characters)")
    below = metadata["requestParameters"]
    for _ in range(14):
        below = below["d"]
    assert below["d"] == json.dumps(nest(25), separators=(",", ":"))


@pytest.mark.parametrize(("name", "count"), [("ec2_proxy_s3", 103), ("stratus_even", 1_233)])
def test_every_real_record_goes_in(intake, shared, name, count):
    """None of the samples' records is rejected, and their error codes are all there."""
    result = intake(shared(f"cloudtrail/{name}.jsonl.gz"), format="cloudtrail")
    assert (result.read, result.appended, result.rejected) == (count, count, 0)
    if name == "stratus_even":
        events = intake.events()
        assert Counter(event["action"] for event in events).most_common(1) == [("decrypt", 72)]
        assert Counter(event["error_type"] for event in events if "error_type" in event).most_common(3) == [
            ("ThrottlingException", 28), ("Client.UnauthorizedOperation", 20), ("AccessDenied", 10),
        ]  # fmt: skip

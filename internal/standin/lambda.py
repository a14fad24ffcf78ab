"""Drives the embedded Lambda with boto3: see run.sh. Arguments: endpoint, zip of an agent."""

import base64
import json
import os
import sys
import time

import boto3
import botocore
from botocore.config import Config
from botocore.exceptions import ClientError

endpoint, code = sys.argv[1], open(sys.argv[2], "rb").read()
print("== boto3", boto3.__version__, "botocore", botocore.__version__)


def client(service):
    return boto3.client(service, endpoint_url=endpoint, region_name="us-east-1", config=Config(retries={"total_max_attempts": 1}))


fn, iam, sts, logs = (client(s) for s in ("lambda", "iam", "sts", "logs"))


def refused(code, call, **args):
    try:
        call(**args)
    except ClientError as e:
        said = e.response["Error"]["Code"]
        assert said == code, f"{said}, want {code}"
        return e.response
    raise AssertionError(f"{call} {args} was done, want {code}")


assert sts.get_caller_identity()["Account"] == "000000000000"
trust = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]})
role = iam.create_role(RoleName="py", AssumeRolePolicyDocument=trust, Tags=[{"Key": "a", "Value": "b"}])["Role"]
assert role["AssumeRolePolicyDocument"]["Statement"], role
policy = json.dumps({"Version": "2012-10-17", "Statement": []})
iam.put_role_policy(RoleName="py", PolicyName="p", PolicyDocument=policy)
assert iam.get_role_policy(RoleName="py", PolicyName="p")["PolicyDocument"]["Version"] == "2012-10-17"
refused("EntityAlreadyExists", iam.create_role, RoleName="py", AssumeRolePolicyDocument=trust)
refused("NoSuchEntity", iam.get_role, RoleName="none")
refused("MalformedPolicyDocument", iam.put_role_policy, RoleName="py", PolicyName="p", PolicyDocument="no")
iam.create_user(UserName="py")
iam.put_user_policy(UserName="py", PolicyName="p", PolicyDocument=policy)
assert iam.list_user_policies(UserName="py")["PolicyNames"] == ["p"]

layer = fn.publish_layer_version(LayerName="py", Content={"ZipFile": code}, CompatibleRuntimes=["provided.al2023"])["LayerVersionArn"]
assert fn.get_layer_version_by_arn(Arn=layer)["Version"] == 1
assert fn.list_layers()["Layers"][0]["LayerName"] == "py"
refused("ResourceNotFoundException", fn.get_layer_version_by_arn, Arn=layer[:-1] + "9")
args = dict(FunctionName="py", Role=role["Arn"], Runtime="provided.al2023", Handler="bootstrap", Code={"ZipFile": code}, MemorySize=512, Timeout=30)
refused("InvalidParameterValueException", fn.create_function, **args, Layers=[layer[:-1] + "9"])
refused("InvalidParameterValueException", fn.create_function, **{**args, "Runtime": "python3.12"})
arn = fn.create_function(**args, Layers=[layer], Tags={"t": "1"}, Environment={"Variables": {"A_B": "1"}})["FunctionArn"]
fn.get_waiter("function_active_v2").wait(FunctionName="py", WaiterConfig={"Delay": 1})
refused("ResourceConflictException", fn.create_function, **args)
assert fn.get_function(FunctionName="py")["Tags"] == {"t": "1"}
fn.update_function_configuration(FunctionName="py", Timeout=31)
refused("ValidationException", fn.update_function_configuration, FunctionName="py", Timeout=901)
version = fn.publish_version(FunctionName="py")["Version"]
fn.create_alias(FunctionName="py", Name="live", FunctionVersion=version)
assert fn.list_aliases(FunctionName="py")["Aliases"][0]["FunctionVersion"] == version
assert [v["Version"] for v in fn.list_versions_by_function(FunctionName="py")["Versions"]] == ["$LATEST", "1"]
fn.put_function_concurrency(FunctionName="py", ReservedConcurrentExecutions=5)
assert fn.get_account_settings()["AccountLimit"]["ConcurrentExecutions"] == 1000
fn.put_function_event_invoke_config(FunctionName="py", MaximumRetryAttempts=1)
fn.add_permission(FunctionName="py", StatementId="s", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com")
assert "s3.amazonaws.com" in fn.get_policy(FunctionName="py")["Policy"]
refused("ResourceConflictException", fn.add_permission, FunctionName="py", StatementId="s", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com")
fn.tag_resource(Resource=arn, Tags={"u": "2"})
assert fn.list_tags(Resource=arn)["Tags"] == {"t": "1", "u": "2"}

# An agent says of a foreign payload that it is none of its own, in a reply of its own form.
out = fn.invoke(FunctionName="py", Qualifier="live", Payload=b'"x"', LogType="Tail")
assert out["StatusCode"] == 200 and out["ExecutedVersion"] == "1" and b"REPORT RequestId" in base64.b64decode(out["LogResult"]), out
assert fn.invoke(FunctionName="py", InvocationType="DryRun")["StatusCode"] == 204
assert fn.invoke(FunctionName="py", InvocationType="Event", Payload=b"{}")["StatusCode"] == 202
refused("InvalidRequestContentException", fn.invoke, FunctionName="py", Payload=b"no JSON")
refused("ResourceNotFoundException", fn.invoke, FunctionName="none")
stream = list(fn.invoke_with_response_stream(FunctionName="py", Payload=b'"x"')["EventStream"])
assert "PayloadChunk" in stream[0] and "InvokeComplete" in stream[-1], stream
said = refused("UnknownOperationException", fn.list_event_source_mappings)
assert said["ResponseMetadata"]["HTTPStatusCode"] == 501 and "ListEventSourceMappings" in said["Error"]["Message"], said

group = "/aws/lambda/py"
logs.put_retention_policy(logGroupName=group, retentionInDays=7)
assert logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"][0]["retentionInDays"] == 7
name = logs.describe_log_streams(logGroupName=group)["logStreams"][0]["logStreamName"]
last = logs.get_log_events(logGroupName=group, logStreamName=name, limit=1)
before = logs.get_log_events(logGroupName=group, logStreamName=name, limit=1, nextToken=last["nextBackwardToken"])
assert before["events"] and before["events"] != last["events"]
first = logs.get_log_events(logGroupName=group, logStreamName=name, limit=1, startFromHead=True)
assert first["events"] != last["events"]
assert logs.filter_log_events(logGroupName=group, filterPattern="REPORT")["events"]
refused("ResourceNotFoundException", logs.filter_log_events, logGroupName=group, logStreamNames=["none"])

refused("NotImplemented", client("dynamodb").list_tables)
refused("NotImplemented", client("sqs").list_queues)

fn.remove_permission(FunctionName="py", StatementId="s")
fn.delete_function(FunctionName="py")
fn.delete_layer_version(LayerName="py", VersionNumber=1)
logs.delete_log_group(logGroupName=group)
iam.delete_user_policy(UserName="py", PolicyName="p")
iam.delete_user(UserName="py")
iam.delete_role_policy(RoleName="py", PolicyName="p")
iam.delete_role(RoleName="py")

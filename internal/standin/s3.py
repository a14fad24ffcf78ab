"""Drives the bucket of `lambdapool local` with boto3: see s3.sh."""

import io
import os
import sys
import urllib.error
import urllib.request

import boto3
import botocore
from botocore.config import Config
from botocore.exceptions import ClientError

endpoint, bucket = sys.argv[1], sys.argv[2]
print("== boto3", boto3.__version__, "botocore", botocore.__version__)
s3 = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", config=Config(signature_version="s3v4"))
s3.create_bucket(Bucket=bucket)


def refused(code, call, **args):
    try:
        call(**args)
    except ClientError as e:
        said = e.response["Error"]["Code"]
        assert said == code, f"{said}, want {code}"
        return
    raise AssertionError(f"{call} {args} was done, want {code}")


large = os.urandom(20_000_000)
s3.upload_fileobj(io.BytesIO(large), bucket, "large", ExtraArgs={"Metadata": {"some-key": "v"}})
back = io.BytesIO()
s3.download_fileobj(bucket, "large", back)
assert back.getvalue() == large
head = s3.head_object(Bucket=bucket, Key="large")
assert head["Metadata"] == {"some-key": "v"}, head["Metadata"]
part = s3.get_object(Bucket=bucket, Key="large", Range="bytes=5-9")
assert part["Body"].read() == large[5:10] and "ChecksumCRC32" not in part and "ChecksumCRC64NVME" not in part
s3.copy({"Bucket": bucket, "Key": "large"}, bucket, "copy")
assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == large

s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="a=b&c=d")
assert len(s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"]) == 2
s3.put_object_acl(Bucket=bucket, Key="k", ACL="private")
acl = s3.get_object_acl(Bucket=bucket, Key="k")
s3.put_object_acl(Bucket=bucket, Key="k", AccessControlPolicy={"Owner": acl["Owner"], "Grants": acl["Grants"]})
refused("NotImplemented", s3.put_object_acl, Bucket=bucket, Key="k", ACL="public-read")
refused("NotImplemented", s3.put_bucket_versioning, Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
refused("NotImplemented", s3.get_bucket_policy, Bucket=bucket)
refused("NotImplemented", s3.put_object, Bucket=bucket, Key="k", Body=b"y", StorageClass="GLACIER")
refused("NoSuchLifecycleConfiguration", s3.get_bucket_lifecycle_configuration, Bucket=bucket)
assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
refused("BadDigest", s3.put_object, Bucket=bucket, Key="k", Body=b"y", ContentMD5="1B2M2Y8AsgTpgAmY7PhCfg==")
refused("304", s3.get_object, Bucket=bucket, Key="k", IfNoneMatch=s3.head_object(Bucket=bucket, Key="k")["ETag"])
refused("PreconditionFailed", s3.get_object, Bucket=bucket, Key="k", IfMatch='"0"')
refused("NoSuchKey", s3.get_object, Bucket=bucket, Key="none")
refused("BucketNotEmpty", s3.delete_bucket, Bucket=bucket)
if "IfNoneMatch" in s3.meta.service_model.operation_model("PutObject").input_shape.members:
    refused("PreconditionFailed", s3.put_object, Bucket=bucket, Key="k", Body=b"y", IfNoneMatch="*")
    for name in "CRC32", "SHA1", "SHA256", "CRC64NVME", "CRC32C":
        wrong = {"CRC32": "AAAAAA==", "CRC32C": "AAAAAA==", "CRC64NVME": "AAAAAAAAAAA=", "SHA1": "A" * 27 + "=", "SHA256": "A" * 43 + "="}[name]
        refused("BadDigest", s3.put_object, Bucket=bucket, Key="k", Body=b"y", **{"Checksum" + name: wrong})
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    etag = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"z")["ETag"]
    assert s3.list_parts(Bucket=bucket, Key="k", UploadId=upload)["Parts"][0]["Size"] == 1
    refused(
        "PreconditionFailed", s3.complete_multipart_upload, Bucket=bucket, Key="k", UploadId=upload, IfNoneMatch="*",
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]},
    )
    assert len(s3.list_multipart_uploads(Bucket=bucket)["Uploads"]) == 1
    s3.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=upload)
assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"

for method, data in ("put_object", b"linked"), ("get_object", None):
    link = s3.generate_presigned_url(method, Params={"Bucket": bucket, "Key": "linked"}, ExpiresIn=60)
    request = urllib.request.Request(link, data=data, method="PUT" if data else "GET")
    with urllib.request.urlopen(request) as answer:
        assert data or answer.read() == b"linked"


def post(form, extra, file, name="n.txt"):
    boundary = "b0undary"
    body = b""
    for field, value in {**form["fields"], **extra}.items():
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'.encode()
    body += f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
    body += file + f"\r\n--{boundary}--\r\n".encode()
    request = urllib.request.Request(form["url"], data=body, headers={"Content-Type": f"multipart/form-data; boundary={boundary}"})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as e:
        return e.code, e.read()


form = s3.generate_presigned_post(bucket, "posted/${filename}", Conditions=[["content-length-range", 1, 10], {"success_action_status": "201"}], Fields={"success_action_status": "201"})
status, said = post(form, {}, b"file")
assert status == 201 and b"<Key>posted/n.txt</Key>" in said, (status, said)
assert s3.get_object(Bucket=bucket, Key="posted/n.txt")["Body"].read() == b"file"
status, said = post(form, {}, b"much too large")
assert status == 400 and b"EntityTooLarge" in said, (status, said)
status, said = post(form, {"key ": "x"}, b"file")
assert status in (400, 403), (status, said)

for i in range(5):
    s3.put_object(Bucket=bucket, Key=f"list/{i}/x", Body=b"")
seen = [p["Prefix"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="list/", Delimiter="/", PaginationConfig={"PageSize": 2}) for p in page["CommonPrefixes"]]
assert seen == [f"list/{i}/" for i in range(5)], seen
seen = [o["Key"] for page in s3.get_paginator("list_objects").paginate(Bucket=bucket, Prefix="list/", PaginationConfig={"PageSize": 2}) for o in page["Contents"]]
assert seen == [f"list/{i}/x" for i in range(5)], seen
resource = boto3.resource("s3", endpoint_url=endpoint, region_name="us-east-1").Bucket(bucket)
resource.objects.all().delete()
s3.delete_bucket(Bucket=bucket)

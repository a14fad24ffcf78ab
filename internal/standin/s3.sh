#!/usr/bin/env bash
# Drives the bucket of `lambdapool local` with AWS's command line, boto3 and the JavaScript SDK,
# as far as they are installed:
#
#   lambdapool local -- internal/standin/s3.sh
#
# It says what it tried, and fails at the first thing that is not as S3 does it. NODE_PATH, or
# a folder node_modules above the working directory, has @aws-sdk/client-s3, lib-storage,
# s3-request-presigner and s3-presigned-post.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
endpoint=${AWS_ENDPOINT_URL_S3:?run it under: lambdapool local --}
bucket=standin-$$
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export AWS_EC2_METADATA_DISABLED=true AWS_PAGER='' AWS_CONFIG_FILE=$tmp/config AWS_SHARED_CREDENTIALS_FILE=/dev/null
# The first version of the command line signs links as S3 no longer takes them, unless it is told.
printf '[default]\ns3 =\n  signature_version = s3v4\n' >"$tmp/config"

fail() {
  echo "s3: $*" >&2
  exit 1
}

with_aws() {
  local aws=${AWS:-aws} code
  echo "== $("$aws" --version 2>&1)"
  s3() { "$aws" s3 --endpoint-url "$endpoint" "$@"; }
  api() { "$aws" s3api --endpoint-url "$endpoint" "$@"; }
  # refused CODE COMMAND…: it fails, and says that code
  refused() {
    local want=$1 said
    shift
    if said=$("$@" 2>&1); then fail "$*: was done, want $want"; fi
    [[ $said == *"$want"* ]] || fail "$*: $said, want $want"
  }
  # says PATTERN COMMAND…: its output, whole, has that
  says() {
    local want=$1
    shift
    "$@" >"$tmp/said"
    grep -q -- "$want" "$tmp/said" || fail "$*: $(cat "$tmp/said"), want $want"
  }
  same() { cmp "$1" "$2" || fail "$1 and $2 differ"; }

  s3 mb "s3://$bucket" >"$tmp/said"
  head -c 20000000 /dev/urandom >"$tmp/large"
  echo small >"$tmp/small"
  s3 cp --no-progress "$tmp/large" "s3://$bucket/a/large"
  s3 cp --no-progress "s3://$bucket/a/large" "$tmp/back"
  same "$tmp/large" "$tmp/back"
  s3 cp --no-progress "$tmp/small" "s3://$bucket/a/small" --metadata '{"Some-Key":"v"}' --content-type text/x-y
  s3 cp --no-progress "s3://$bucket/a/large" "s3://$bucket/b/copy"
  s3 mv --no-progress "s3://$bucket/b/copy" "s3://$bucket/b/moved"
  s3 cp --no-progress "s3://$bucket/b/moved" - >"$tmp/back"
  same "$tmp/large" "$tmp/back"
  mkdir -p "$tmp/tree/x y"
  for i in 1 2 3; do echo "$i" >"$tmp/tree/x y/ü$i"; done
  s3 sync --no-progress "$tmp/tree" "s3://$bucket/tree"
  s3 sync --no-progress "s3://$bucket/tree" "$tmp/tree2"
  diff -r "$tmp/tree" "$tmp/tree2"
  [[ $(s3 sync "$tmp/tree" "s3://$bucket/tree") == '' ]] || fail "a second sync copies again"
  s3 ls "s3://$bucket/" --recursive | wc -l
  curl -sf "$(s3 presign "s3://$bucket/a/small")" | cmp - "$tmp/small" || fail presign

  api put-object-tagging --bucket "$bucket" --key a/small --tagging 'TagSet=[{Key=k,Value=v w}]'
  says 'v w' api get-object-tagging --bucket "$bucket" --key a/small
  api put-object-acl --bucket "$bucket" --key a/small --acl private
  refused NotImplemented api put-object-acl --bucket "$bucket" --key a/small --acl public-read
  refused NotImplemented api put-object-retention --bucket "$bucket" --key a/small --retention Mode=GOVERNANCE,RetainUntilDate=2100-01-01
  refused NotImplemented api delete-bucket-policy --bucket "$bucket"
  refused NotImplemented api put-bucket-policy --bucket none --policy '{}'
  refused NotImplemented api get-object-attributes --bucket "$bucket" --key a/small --object-attributes ETag
  api delete-object-tagging --bucket "$bucket" --key a/small
  s3 cp --no-progress "s3://$bucket/a/small" - | cmp - "$tmp/small" || fail "a sub-resource was taken for the object"
  says '"some-key": "v"' api head-object --bucket "$bucket" --key a/small
  refused 404 api head-bucket --bucket none

  if command -v lambdapool >/dev/null; then
    lambdapool policy lifecycle >"$tmp/rule.json"
    api put-bucket-lifecycle-configuration --bucket "$bucket" --lifecycle-configuration "file://$tmp/rule.json"
    says lambdapool-runs api get-bucket-lifecycle-configuration --bucket "$bucket"
  fi
  api get-bucket-location --bucket "$bucket" >"$tmp/said"
  refused BadDigest api put-object --bucket "$bucket" --key wrong --body "$tmp/small" --content-md5 1B2M2Y8AsgTpgAmY7PhCfg==
  refused 404 api head-object --bucket "$bucket" --key wrong
  api put-object help >"$tmp/said" 2>/dev/null || true
  if grep -q if-none-match "$tmp/said"; then
    refused PreconditionFailed api put-object --bucket "$bucket" --key a/small --body "$tmp/large" --if-none-match '*'
    refused BadDigest api put-object --bucket "$bucket" --key wrong --body "$tmp/small" --checksum-crc32 AAAAAA==
  fi
  s3 rm --quiet "s3://$bucket" --recursive
  s3 rb "s3://$bucket" >"$tmp/said"
}

done=0 missing=()
for aws in ${AWS:-aws}; do
  if command -v "$aws" >/dev/null; then
    AWS=$aws with_aws
    done=$((done + 1))
  else
    missing+=("$aws (apt-get install awscli)")
  fi
done
python=${PYTHON:-python3}
if "$python" -c 'import boto3' 2>/dev/null; then
  "$python" "$here/s3.py" "$endpoint" "$bucket"
  done=$((done + 1))
else
  missing+=("boto3 (apt-get install python3-boto3)")
fi
sdk=(@aws-sdk/client-s3 @aws-sdk/lib-storage @aws-sdk/s3-request-presigner @aws-sdk/s3-presigned-post)
if command -v node >/dev/null && node -e 'process.argv.slice(1).forEach((name) => require(name))' "${sdk[@]}" 2>/dev/null; then
  node "$here/s3.cjs" "$endpoint" "$bucket"
  done=$((done + 1))
else
  missing+=("@aws-sdk/client-s3 (npm install ${sdk[*]}, and NODE_PATH)")
fi
for what in "${missing[@]}"; do
  echo "s3: NOT RUN: $what"
done
[ "$done" -gt 0 ] || fail "none of AWS's clients is installed"
echo "s3: $done clients agree"

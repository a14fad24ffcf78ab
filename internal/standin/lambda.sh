#!/usr/bin/env bash
# Drives the embedded Lambda with AWS's command line: see run.sh. Arguments: endpoint, zip of an agent.
set -euo pipefail
endpoint=$1 code=$2
export AWS_PAGER=''
aws=${AWS:-aws}
echo "== $("$aws" --version 2>&1)"
call() { "$aws" --endpoint-url "$endpoint" --output text "$@"; }
# refused CODE COMMAND…: it fails, and says that code
refused() {
  local want=$1 said
  shift
  if said=$(call "$@" 2>&1); then
    echo "$*: was done, want $want" >&2
    exit 1
  fi
  [[ $said == *"($want)"* ]] || { echo "$*: $said, want $want" >&2; exit 1; }
}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

call sts get-caller-identity >/dev/null
call lambda create-function --function-name cli --role "$STANDIN_ROLE" --runtime provided.al2023 --handler bootstrap \
  --zip-file "fileb://$code" --memory-size 512 --timeout 30 >/dev/null
call lambda wait function-active --function-name cli
refused ResourceConflictException lambda create-function --function-name cli --role "$STANDIN_ROLE" --runtime provided.al2023 \
  --handler bootstrap --zip-file "fileb://$code"
printf '"x"' >"$tmp/payload"
call lambda invoke --function-name cli --payload "fileb://$tmp/payload" "$tmp/out" >/dev/null
[[ -s $tmp/out ]]
call lambda invoke --function-name cli --invocation-type Event --payload "fileb://$tmp/payload" "$tmp/event" | grep 202 >/dev/null
call lambda update-function-configuration --function-name cli --description d >/dev/null
call lambda wait function-updated --function-name cli
[[ $(call lambda get-function-configuration --function-name cli --query Description) == d ]]
call lambda list-functions --query 'Functions[].FunctionName' | grep cli >/dev/null
refused ResourceNotFoundException lambda get-policy --function-name cli
refused UnknownOperationException lambda list-function-url-configs --function-name cli
refused ValidationException lambda update-function-configuration --function-name cli --memory-size 99999
call logs filter-log-events --log-group-name /aws/lambda/cli --filter-pattern REPORT --query 'events[0].message' | grep REPORT >/dev/null
refused ResourceNotFoundException logs filter-log-events --log-group-name /aws/lambda/cli --log-stream-names none
call lambda delete-function --function-name cli
refused ResourceNotFoundException lambda get-function --function-name cli

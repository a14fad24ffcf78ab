#!/usr/bin/env bash
# Drives `lambdapool local` with the clients of AWS that are installed, and holds their requests
# and its replies to AWS's own model of the APIs, which botocore ships. It ends with 77 when
# there is none of them:
#
#   apt-get install awscli python3-boto3
#   npm install --prefix DIR @aws-sdk/client-lambda   # and NODE_PATH=DIR/node_modules
#
# AWS, PYTHON and NODE_PATH say which are used. Nobody's own configuration of AWS is.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}

if [[ ${1:-} != inside ]]; then
  tmp=$(mktemp -d)
  trap 'rm -rf "$tmp"' EXIT
  cd "$here/../.."
  go build -o "$tmp/lambdapool" ./cmd/lambdapool
  CGO_ENABLED=0 go build -o "$tmp/bootstrap" ./examples/algorithms
  export STANDIN_TMP=$tmp PATH=$tmp:$PATH
  export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_EC2_METADATA_DISABLED=true
  "$tmp/lambdapool" local --quiet -- "$0" inside
  exit
fi

say() { echo "standin: $*"; }
done=0 missing=()
zip=$STANDIN_TMP/agent.zip
# The zip is made by the command itself, so that this needs no zip.
(cd "$here/../.." && lambdapool create standin ./examples/algorithms --no-smoke --quiet >/dev/null)
STANDIN_ROLE=$(lambdapool show standin --json | sed -nE 's/.*"role": *"([^"]+)".*/\1/p' | head -n 1)
export STANDIN_ROLE
"${GO:-go}" run "$here/zip.go" "$STANDIN_TMP/bootstrap" "$zip"

model=()
if "$python" -c 'import botocore' 2>/dev/null; then
  model=("$python" "$here/model.py" "$AWS_ENDPOINT_URL" --)
  "$python" -c 'import boto3' 2>/dev/null || missing+=("boto3 (apt-get install python3-boto3)")
else
  missing+=("boto3 and botocore (apt-get install python3-boto3): nothing is held to the model")
fi
# driven CLIENT…: with the model between, if there is one
driven() {
  if [[ ${#model[@]} -gt 0 ]]; then
    "${model[@]}" sh -c 'client=$1 file=$2; shift 2; exec "$client" "$file" "$AWS_ENDPOINT_URL" "$@"' driven "$@"
  else
    local client=$1 file=$2
    shift 2
    "$client" "$file" "$AWS_ENDPOINT_URL" "$@"
  fi
  done=$((done + 1))
}

if command -v "${AWS:-aws}" >/dev/null; then
  driven bash "$here/lambda.sh" "$zip"
else
  missing+=("aws (apt-get install awscli)")
fi
if "$python" -c 'import boto3' 2>/dev/null; then
  driven "$python" "$here/lambda.py" "$zip"
fi
if command -v node >/dev/null && node -e 'require("@aws-sdk/client-lambda")' 2>/dev/null; then
  driven node "$here/lambda.cjs" "$zip"
else
  missing+=("@aws-sdk/client-lambda (npm install, and NODE_PATH)")
fi
# This project's own client is held to the model, too.
if [[ ${#model[@]} -gt 0 ]]; then
  echo "== lambdapool"
  "${model[@]}" sh -c 'lambdapool create own ./examples/algorithms --quiet && lambdapool invoke own fibonacci 30 && lambdapool list &&
    lambdapool doctor own; lambdapool logs own >/dev/null; lambdapool delete own --logs --yes --quiet' || exit 1
fi
if [[ -x $here/s3.sh && $done -gt 0 ]]; then
  "$here/s3.sh"
fi
for what in "${missing[@]}"; do
  say "NOT RUN: $what"
done
if [[ $done == 0 ]]; then
  say "none of AWS's clients is installed"
  exit 77
fi
say "$done clients agree"

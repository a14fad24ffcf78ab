#!/usr/bin/env bash
# make aws-smoke: see docs/aws-smoke.md. `run.sh local` does it whole against `lambdapool local`,
# and then once more, interrupted, and looks whether anything was left.
set -euo pipefail
cd "$(dirname "$0")/../.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
go build -o "$tmp/smoke" ./internal/smoke

case ${1:-} in
local)
  go build -o "$tmp/lambdapool" ./cmd/lambdapool
  export PATH=$tmp:$PATH AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_EC2_METADATA_DISABLED=true
  workers=${WORKERS:-8}
  lambdapool local --quiet --concurrency "$workers" -- "$0" inside "$tmp" "$workers"
  ;;
inside)
  tmp=$2 workers=$3
  "$tmp/smoke" -workers "$workers" -out "$tmp/report"
  cat "$tmp/report.md"
  # Interrupted when it has begun to check, it removes what it made.
  "$tmp/smoke" -workers "$workers" -out "$tmp/interrupted" 2>"$tmp/said" &
  pid=$!
  until grep -q holds "$tmp/said" || ! kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
  kill -INT "$pid"
  ! wait "$pid" || { echo "smoke: an interrupted run claims to have succeeded" >&2; exit 1; }
  cat "$tmp/said" >&2
  [[ -s $tmp/interrupted.md ]] || { echo "smoke: an interrupted run leaves no report" >&2; exit 1; }
  left=$(lambdapool list)
  [[ $left == "no functions in"* ]] || { echo "smoke: left: $left" >&2; exit 1; }
  echo "smoke: nothing is left of either run"
  trap - EXIT # the caller removes it
  ;;
*) "$tmp/smoke" "$@" ;;
esac

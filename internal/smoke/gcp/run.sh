#!/usr/bin/env bash
# make gcp-smoke: see docs/gcp-smoke.md. `run.sh local` does it whole against `lambdapool local --cloud google`, and then
# once more, interrupted, and looks whether anything was left.
set -euo pipefail
cd "$(dirname "$0")/../../.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
go build -o "$tmp/smoke" ./internal/smoke/gcp

case ${1:-} in
local)
  go build -o "$tmp/lambdapool" ./cmd/lambdapool
  export PATH=$tmp:$PATH
  workers=${WORKERS:-4}
  lambdapool local --cloud google --quiet --concurrency "$workers" -- "$0" inside "$tmp" "$workers"
  ;;
inside)
  tmp=$2 workers=$3
  "$tmp/smoke" -workers "$workers" -out "$tmp/report"
  cat "$tmp/report.md"
  # Interrupted when it has begun to check, it removes what it made.
  "$tmp/smoke" -workers "$workers" -out "$tmp/interrupted" 2>"$tmp/said" &
  pid=$!
  until grep -q 'holds.*first call' "$tmp/said" || ! kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
  kill -INT "$pid"
  ! wait "$pid" || { echo "smoke: an interrupted run claims to have succeeded" >&2; exit 1; }
  cat "$tmp/said" >&2
  [[ -s $tmp/interrupted.md ]] || { echo "smoke: an interrupted run leaves no report" >&2; exit 1; }
  left=$(lambdapool list --on cloudrun)
  [[ $left == "no services in"* ]] || { echo "smoke: left: $left" >&2; exit 1; }
  echo "smoke: nothing is left of either run"
  trap - EXIT # the caller removes it
  ;;
*) "$tmp/smoke" "$@" ;;
esac

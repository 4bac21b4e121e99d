#!/usr/bin/env bash
# Submits a journey to a Ray cluster and ends with the exit code of the run. Both CI examples in this folder call it.
#
#   run-journey.sh RUN_ID JOURNEY [OPTION of `reqflo-ray submit`]…
#
# It writes junit.xml, report.html, summary.md and result.json, even if the run could not be finished.
#
# Only "could not be finished" (exit code 3) is tried again, at most twice: with the same run ID the run is resumed, and
# a complete run is not repeated. Failed rows (1) and refused definitions (2) are final.
set -uo pipefail

if [ "$#" -lt 2 ]; then
  echo "usage: run-journey.sh RUN_ID JOURNEY [OPTION]..." >&2
  exit 2
fi
run_id=$1
shift

submit= stopping=
# CI sends a signal to a step that it cancels. `submit` then stops the job, and requests in flight can complete.
trap 'stopping=yes; [ -z "$submit" ] || kill -TERM "$submit" 2>/dev/null' INT TERM

for attempt in 1 2 3; do
  reqflo-ray submit "$@" --run-id "$run_id" --output result.json --report junit=junit.xml \
    --report html=report.html --report markdown=summary.md &
  submit=$!
  [ -z "$stopping" ] || kill -TERM "$submit" 2>/dev/null   # the signal came before submit started
  wait "$submit"
  code=$?
  if [ -n "$stopping" ] && [ "$code" -gt 128 ]; then
    wait "$submit" # the signal may have ended the first wait, but not submit
    again=$?
    [ "$again" -eq 127 ] || code=$again # 127: the first wait already returned its exit code
  fi
  [ "$code" -eq 3 ] && [ -z "$stopping" ] || break
  echo "attempt $attempt could not finish run $run_id" >&2
done
exit "$code"

#!/usr/bin/env bash
# Submits a journey to a Ray cluster and ends with the run's own exit code. Both CI examples beside it call this.
#
#   run-journey.sh RUN_ID JOURNEY [OPTION of `reqflo-ray submit`]…
#
# It leaves junit.xml, report.html, summary.md and result.json, of a run that could not be finished too.
#
# Only "could not be finished" (3) is tried again, twice: the same run id goes on where the run stopped, and a run that
# is complete is not repeated. Failed rows (1) and refused definitions (2) are results.
set -uo pipefail

if [ "$#" -lt 2 ]; then
  echo "usage: run-journey.sh RUN_ID JOURNEY [OPTION]..." >&2
  exit 2
fi
run_id=$1
shift

submit= stopping=
# CI asks a step that it cancels to end. Passed on, it stops the job on the cluster and lets requests in flight end.
trap 'stopping=yes; [ -z "$submit" ] || kill -TERM "$submit" 2>/dev/null' INT TERM

for attempt in 1 2 3; do
  reqflo-ray submit "$@" --run-id "$run_id" --output result.json --report junit=junit.xml \
    --report html=report.html --report markdown=summary.md &
  submit=$!
  [ -z "$stopping" ] || kill -TERM "$submit" 2>/dev/null   # asked before there was anybody to tell
  wait "$submit"
  code=$?
  if [ -n "$stopping" ] && [ "$code" -gt 128 ]; then
    wait "$submit" # a signal may have ended the first wait, not submit
    again=$?
    [ "$again" -eq 127 ] || code=$again # 127: it had ended, and was known
  fi
  [ "$code" -eq 3 ] && [ -z "$stopping" ] || break
  echo "attempt $attempt at run $run_id could not finish it" >&2
done
exit "$code"

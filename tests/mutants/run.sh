#!/usr/bin/env bash
# Applies one deliberate bug at a time to a copy of the tree, and runs the test that must catch it. The tree itself, and the
# product, know nothing of these bugs.
#
#   ORDERGATE_MUTANTS=1 tests/mutants/run.sh             all of them
#   ORDERGATE_MUTANTS=1 tests/mutants/run.sh 05 08       those whose names begin so
#   ORDERGATE_MUTANTS=1 tests/mutants/run.sh --sound     the same tests on the sound tree: each must pass
#
# ORDERGATE_MUTANTS_TARGET: a target directory to build in; it saves the dependencies (none: one of its own).
# Exit code: 0 all caught, 1 one survived, 2 not asked for, or a patch or a build that fails.
set -euo pipefail
if [[ "${ORDERGATE_MUTANTS:-}" != 1 ]]; then
    echo "this builds the engine with bugs in it, many times; set ORDERGATE_MUTANTS=1 to do so" >&2
    exit 2
fi
root=$(cd "$(dirname "$0")/../.." && pwd)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
(cd "$root" && git ls-files -z | tar --null --files-from=- -cf -) | tar -xf - -C "$copy"
export CARGO_TARGET_DIR="${ORDERGATE_MUTANTS_TARGET:-$copy/target}"
is_sound=no
if [[ "${1:-}" == --sound ]]; then
    is_sound=yes
    shift
fi

said() { sed -n "s/^# $1: //p" "$2"; }
is_wanted() {
    local name=$1
    shift
    (($# == 0)) && return 0
    local wish
    for wish in "$@"; do [[ "$name" == "$wish"* ]] && return 0; done
    return 1
}

code=0
seen=0
printf '%-30s %-10s %s\n' mutant result 'caught by'
for patch in "$root"/tests/mutants/*.patch; do
    name=$(basename "$patch" .patch)
    is_wanted "$name" "$@" || continue
    seen=$((seen + 1))
    read -ra test <<<"$(said test "$patch")"
    if [[ $is_sound == no ]]; then
        patch -d "$copy" -p1 -s <"$patch" || { echo "$name does not apply" >&2; exit 2; }
    fi
    log="$copy/$name.log"
    if (cd "$copy" && "${CARGO:-cargo}" test "${test[@]}") >"$log" 2>&1; then
        result=passed
        # A filter that fits no test passes too.
        grep -q '^test result: ok. 1 passed' "$log" || result='no test'
    elif grep -q '^test result: FAILED' "$log"; then
        result=failed
    else
        tail -30 "$log" >&2
        echo "$name: neither built nor failed" >&2
        exit 2
    fi
    case "$is_sound,$result" in
        no,failed) word=caught ;;
        yes,passed) word=sound ;;
        *) word=$([[ $is_sound == yes ]] && echo UNSOUND || echo SURVIVED) && code=1 ;;
    esac
    printf '%-30s %-10s %s\n' "$name" "$word" "${test[*]}"
    if [[ $is_sound == no ]]; then
        patch -d "$copy" -p1 -s -R <"$patch"
    fi
done
((seen > 0)) || { echo 'no mutant of that name' >&2; exit 2; }
exit $code

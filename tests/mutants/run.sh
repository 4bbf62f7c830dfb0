#!/usr/bin/env bash
# Applies one deliberate bug at a time to a copy of the tree, and runs the test that must catch it, and the seed of the
# simulation that must catch it. The tree itself, and the product, know nothing of these bugs.
#
#   ORDERGATE_MUTANTS=1 tests/mutants/run.sh             all of them
#   ORDERGATE_MUTANTS=1 tests/mutants/run.sh 05 08       those whose names begin so
#   ORDERGATE_MUTANTS=1 tests/mutants/run.sh --sound     the same tests and seeds on the sound tree: each must pass
#   ORDERGATE_MUTANTS=1 tests/mutants/run.sh --find      the first run of the fixed set of seeds that catches each
#
# ORDERGATE_MUTANTS_TARGET: a target directory to build in; it saves the dependencies (none: one of its own).
# Exit code: 0 all caught, by the seed too where there is one, 1 one survived, 2 not asked for, or a patch or a build that fails.
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
unset ORDERGATE_SEED ORDERGATE_CRASH ORDERGATE_WORLD
mode=caught
case "${1:-}" in
    --sound) mode=sound && shift ;;
    --find) mode=find && shift ;;
esac

said() { sed -n "s/^# $1: //p" "$2"; }
is_wanted() {
    local name=$1
    shift
    (($# == 0)) && return 0
    local wish
    for wish in "$@"; do [[ "$name" == "$wish"* ]] && return 0; done
    return 1
}

# Runs one test in the copy: `run LOG NAME=VALUE... -- ARGUMENTS`. Sets `result`.
run() {
    local log=$1
    shift
    local settings=()
    while [[ "$1" != -- ]]; do settings+=("$1") && shift; done
    shift
    if (cd "$copy" && env "${settings[@]}" "${CARGO:-cargo}" test "$@") >"$log" 2>&1; then
        # A filter that fits no test passes too.
        grep -q '^test result: ok. 1 passed' "$log" && result=passed || result='no test'
    elif grep -q '^test result: FAILED' "$log"; then
        result=failed
    else
        tail -30 "$log" >&2
        echo "$name: neither built nor failed" >&2
        exit 2
    fi
}

code=0
# Says what became of it: `tell RESULT WHAT`.
tell() {
    local word
    case "$mode,$1" in
        caught,failed) word=caught ;;
        sound,passed) word=sound ;;
        sound,*) word=UNSOUND && code=1 ;;
        *) word=SURVIVED && code=1 ;;
    esac
    printf '%-30s %-10s %s\n' "$name" "$word" "$2"
}

seen=0
printf '%-30s %-10s %s\n' mutant result by
for patch in "$root"/tests/mutants/*.patch; do
    name=$(basename "$patch" .patch)
    is_wanted "$name" "$@" || continue
    seen=$((seen + 1))
    log="$copy/$name.log"
    if [[ $mode != sound ]]; then
        patch -d "$copy" -p1 -s <"$patch" || { echo "$name does not apply" >&2; exit 2; }
    fi
    if [[ $mode == find ]]; then
        run "$log" -- --test simulation -- many::first_that_fails --exact --ignored
        printf '%-30s %s\n' "$name" "$(sed -n 's/^caught by //p' "$log" | head -1)"
    else
        read -ra test <<<"$(said test "$patch")"
        run "$log" -- "${test[@]}"
        tell "$result" "${test[*]}"
        read -ra seed <<<"$(said seed "$patch")"
        if ((${#seed[@]} > 0)); then
            run "$log" "${seed[@]}" -- --test simulation -- one_seed --exact
            # What it failed by: a seed that fails for another reason than the bug catches nothing.
            tell "$result" "${seed[*]}$(sed -n 's/^seed [0-9]*: /: /p' "$log" | head -1)"
        else
            printf '%-30s %-10s %s\n' "$name" - 'no seed of the fixed set'
        fi
    fi
    if [[ $mode != sound ]]; then
        patch -d "$copy" -p1 -s -R <"$patch"
    fi
done
((seen > 0)) || { echo 'no mutant of that name' >&2; exit 2; }
exit $code

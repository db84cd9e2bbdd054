#!/usr/bin/env bash
# Builds the package and its tests with what setup.sh put together, and runs them
# on CoreCLR (the sources of net8.0) and on Mono (those of netstandard2.0).
#
#   test.sh TOOLS LIBRARY [FILTER…]      FILTER: a part of a test's name
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
tools=$(cd "${1:?usage: test.sh TOOLS LIBRARY [FILTER…]}" && pwd)
library=$(realpath "${2:?usage: test.sh TOOLS LIBRARY [FILTER…]}")
shift 2

failed=0
for runtime in coreclr mono; do
    out=$tools/out/$runtime
    rm -rf "$out" && mkdir -p "$out"
    symbols=NETSTANDARD2_0
    if [ $runtime = coreclr ]; then symbols=NETCOREAPP3_0_OR_GREATER; fi
    common=(@"$tools/$runtime.rsp" -langversion:10 -nullable:enable -warnaserror+ -unsafe -define:$symbols)
    mapfile -t sources < <(find "$here/src/Everpost" -name '*.cs' -not -path '*/obj/*' | sort)
    mapfile -t tests < <(find "$here/tests/Everpost.Tests" "$here/tests/Offline" -name '*.cs' -not -path '*/obj/*' | sort)
    "$tools/csc.sh" "${common[@]}" -target:library -doc:"$out/Everpost.xml" -out:"$out/Everpost.dll" "${sources[@]}"
    program=$out/Everpost.Tests.exe
    "$tools/csc.sh" "${common[@]}" -target:exe -r:"$out/Everpost.dll" -out:"$program" "${tests[@]}"
    if [ $runtime = coreclr ]; then
        mv "$program" "$out/Everpost.Tests.dll"
        program=$out/Everpost.Tests.dll
    fi
    # Where a program finds it: beside the package, as in a deployed application.
    native=$out/runtimes/linux-x64/native
    mkdir -p "$native" && cp "$library" "$native/libeverpost.so"
    "$tools/$runtime.sh" "$program" "$@" || failed=1
    # And where it must not be found.
    if [ $# -eq 0 ] && ! EVERPOST_LIBRARY=/nowhere/libeverpost.so "$tools/$runtime.sh" "$program" --without-library; then failed=1; fi
done
exit $failed

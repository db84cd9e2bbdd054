#!/usr/bin/env bash
# Compiles the package, and programs that use it, with what setup.sh put together:
# for CoreCLR from the sources of net8.0, for Mono from those of netstandard2.0.
# What has not changed is not compiled again.
#
#   build.sh TOOLS LIBRARY PROGRAM…
#
# A program is a folder of sources, or several with colons in between; the first
# one has its name. It comes out as TOOLS/out/coreclr/NAME.dll and as
# TOOLS/out/mono/NAME.exe, beside the package with its native library.
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
usage="usage: build.sh TOOLS LIBRARY PROGRAM…"
tools=$(cd "${1:?$usage}" && pwd)
library=$(realpath "${2:?$usage}")
shift 2

# compile OUTPUT OPTION…, of the sources that were found
compile() {
    local output=$1 wanted
    shift
    wanted=$(cat "$0" "$tools/ready" "${sources[@]}" <(printf '%s\n' "$@" "${sources[@]}") "${used[@]}" | sha256sum)
    if [ -f "$output" ] && [ "$(cat "$output.stamp" 2>/dev/null)" = "$wanted" ]; then return; fi
    rm -f "$output.stamp"
    "$tools/csc.sh" "${common[@]}" "$@" "${sources[@]}"
    echo "$wanted" > "$output.stamp"
}

find_sources() { mapfile -t sources < <(find "$@" -name '*.cs' -not -path '*/obj/*' -not -path '*/bin/*' | sort); }

for runtime in coreclr mono; do
    out=$tools/out/$runtime
    mkdir -p "$out/runtimes/linux-x64/native"
    symbols=NETSTANDARD2_0
    if [ $runtime = coreclr ]; then symbols=NETCOREAPP3_0_OR_GREATER; fi
    common=(@"$tools/$runtime.rsp" -langversion:10 -nullable:enable -warnaserror+ -unsafe -deterministic+ -define:$symbols)

    find_sources "$here/src/Everpost"
    used=()
    compile "$out/Everpost.dll" -target:library -doc:"$out/Everpost.xml" -out:"$out/Everpost.dll"
    # Where a program finds it: beside the package, as in a deployed application.
    # A new file each time, for a program that runs may have the old one open.
    cp --remove-destination "$library" "$out/runtimes/linux-x64/native/libeverpost.so"

    for program in "$@"; do
        IFS=: read -r -a folders <<< "$program"
        name=$(basename "${folders[0]}")
        find_sources "${folders[@]}"
        # Tests are written for xunit, which is not here.
        if grep -q '^using Xunit;' "${sources[@]}"; then find_sources "${folders[@]}" "$here/tests/Offline"; fi
        used=("$out/Everpost.dll")
        compile "$out/$name.exe" -target:exe -r:"$out/Everpost.dll" -out:"$out/$name.exe"
        if [ $runtime = coreclr ]; then cp "$out/$name.exe" "$out/$name.dll"; fi
    done
done

#!/usr/bin/env bash
# Builds the package and a program that uses it, optimised, with what setup.sh
# put together.
#
#   program.sh TOOLS RUNTIME OUT LIBRARY SOURCE…
#
# RUNTIME is coreclr (the package's sources of net8.0) or mono (those of
# netstandard2.0). The program is OUT/Program.dll or OUT/Program.exe, and the
# library stands beside it as in a deployed application.
set -euo pipefail

usage="usage: program.sh TOOLS RUNTIME OUT LIBRARY SOURCE…"
here=$(cd "$(dirname "$0")/.." && pwd)
tools=$(cd "${1:?$usage}" && pwd)
runtime=${2:?$usage}
out=${3:?$usage}
library=$(realpath "${4:?$usage}")
shift 4

rm -rf "$out" && mkdir -p "$out"
symbols=NETSTANDARD2_0
if [ "$runtime" = coreclr ]; then symbols=NETCOREAPP3_0_OR_GREATER; fi
common=(@"$tools/$runtime.rsp" -langversion:10 -nullable:enable -warnaserror+ -unsafe -optimize+ -define:$symbols)
mapfile -t sources < <(find "$here/src/Everpost" -name '*.cs' -not -path '*/obj/*' | sort)
"$tools/csc.sh" "${common[@]}" -target:library -out:"$out/Everpost.dll" "${sources[@]}"
"$tools/csc.sh" "${common[@]}" -target:exe -r:"$out/Everpost.dll" -out:"$out/Program.exe" "$@"
if [ "$runtime" = coreclr ]; then mv "$out/Program.exe" "$out/Program.dll"; fi
native=$out/runtimes/linux-x64/native
mkdir -p "$native" && cp "$library" "$native/libeverpost.so"

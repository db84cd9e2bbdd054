#!/usr/bin/env bash
# Puts a C# 10 compiler, CoreCLR 3.1 and Mono into a folder, for machines without
# a .NET SDK (Linux on x86-64, Debian's packages). Nothing outside DEST changes,
# and no rights are needed: it all comes from what pip, npm and apt fetch.
#
#   setup.sh DEST      DEST/csc.sh compiles; DEST/coreclr.sh and DEST/mono.sh run
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "${1:?usage: setup.sh DEST}"
dest=$(cd "$1" && pwd)
stamp=$dest/ready
wanted=$(cat "$0" "$here"/compiler/* | sha256sum)
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then exit 0; fi
for tool in pip npm apt-get dpkg-deb unzip; do
    command -v "$tool" >/dev/null || { echo "setup.sh needs $tool" >&2; exit 1; }
done
rm -f "$stamp"
mkdir -p "$dest/dl" && cd "$dest/dl"

# The runtime; and, only for the OpenSSL 1.1 that this runtime hashes with, a
# package that carries one.
cat > wheels.txt <<'WHEELS'
dotnetcore2==3.1.23 --hash=sha256:5f076ddc39da0c685e7de20ecb91ee81185928918ec86fbeb3bffc55dd867ab5
psycopg2-binary==2.9.3 --hash=sha256:887dd9aac71765ac0d0bac1d0d4b4f2c99d5f5c1382d8b770404f0f3d0ce8a39
WHEELS
pip download --quiet --no-deps --require-hashes --only-binary=:all: --python-version 39 \
    --platform manylinux1_x86_64 --platform manylinux2014_x86_64 --platform manylinux_2_17_x86_64 \
    --dest . --requirement wheels.txt
# Only for the compiler that is inside.
archive=autorest-csharp-3.0.0-beta.20221229.1.tgz
[ -f $archive ] || npm pack --silent @autorest/csharp@3.0.0-beta.20221229.1 >/dev/null
echo "c490f16c882186ac6c900c3e636f91456b444bd04945a89d45be7c4e6e451311  $archive" | sha256sum --check --quiet
# Mono, checked by apt's signatures. Its own compiler is too old for our sources
# and serves only to build the driver of the other one.
mono="mono-mcs mono-runtime-common mono-runtime-sgen
    libmono-corlib4.5-dll libmono-corlib4.5-cil libmono-system4.0-cil libmono-system-core4.0-cil
    libmono-system-configuration4.0-cil libmono-system-xml4.0-cil libmono-system-security4.0-cil
    libmono-system-numerics4.0-cil libmono-security4.0-cil libmono-microsoft-csharp4.0-cil
    libmono-system-runtime-serialization4.0-cil libmono-system-servicemodel-internals0.0-cil"
missing=
for package in $mono; do compgen -G "${package}_*.deb" >/dev/null || missing="$missing $package"; done
fetch() { apt-get download -qq $missing; }
# A machine may have no lists of packages yet, or old ones.
[ -z "$missing" ] || fetch || { [ "$(id -u)" = 0 ] && apt-get update -qq && fetch; }

cd "$dest"
rm -rf coreclr ssl compiler mono
unzip -qo dl/dotnetcore2-*.whl 'dotnetcore2/bin/*'
mv dotnetcore2/bin coreclr && rmdir dotnetcore2 && chmod +x coreclr/dotnet
unzip -qoj dl/psycopg2_binary-*.whl '*/libssl-*' '*/libcrypto-*' -d ssl
mv ssl/libssl-* ssl/libssl.so.1.1
mkdir compiler mono
tar xzf dl/$archive -C compiler --strip-components=1 \
    package/{Microsoft.CodeAnalysis,Microsoft.CodeAnalysis.CSharp,System.Collections.Immutable,System.Reflection.Metadata,System.Runtime.CompilerServices.Unsafe}.dll
for package in dl/*.deb; do dpkg-deb --extract "$package" mono; done

framework=$(echo "$dest"/coreclr/shared/Microsoft.NETCore.App/*)
cat > mono.sh <<RUN
#!/bin/sh
export MONO_CFG_DIR=$dest/mono/etc MONO_GAC_PREFIX=$dest/mono/usr
export LD_LIBRARY_PATH=$dest/mono/usr/lib\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}
exec $dest/mono/usr/bin/mono-sgen --debug "\$@"
RUN
cat > coreclr.sh <<RUN
#!/bin/sh
export DOTNET_CLI_TELEMETRY_OPTOUT=1 LD_LIBRARY_PATH=$dest/ssl\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}
exec $dest/coreclr/dotnet "\$@"
RUN
cat > csc.sh <<RUN
#!/bin/sh
exec $dest/coreclr.sh $dest/compiler/driver.dll -nologo "\$@"
RUN
chmod +x mono.sh coreclr.sh csc.sh

# The driver: its sources and settings stand beside this script.
cp "$here"/compiler/driver.{deps,runtimeconfig}.json compiler/
./mono.sh mono/usr/lib/mono/4.5/mcs.exe -nostdlib -noconfig -langversion:7.2 -nowarn:1702 -out:compiler/driver.exe \
    -r:"$framework"/{System.Private.CoreLib,System.Runtime,netstandard,System.Collections,System.Console,System.Runtime.Extensions,System.IO.FileSystem}.dll \
    -r:compiler/{Microsoft.CodeAnalysis,Microsoft.CodeAnalysis.CSharp,System.Collections.Immutable}.dll \
    "$here/compiler/Driver.cs"
mv compiler/driver.exe compiler/driver.dll

# What programs of each runtime refer to.
for file in "$framework"/*.dll; do
    case ${file##*/} in mscorlib.dll | netstandard.dll | System*.dll | Microsoft.*.dll) echo "-r:$file" ;; esac
done > coreclr.rsp
{
    echo -nostdlib+
    for name in mscorlib System System.Core System.Xml System.Runtime.Serialization; do echo "-r:$dest/mono/usr/lib/mono/4.5/$name.dll"; done
} > mono.rsp
echo "$wanted" > "$stamp"

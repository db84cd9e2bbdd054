#!/bin/sh
# Made once with OpenSSL 3, for what the tests' own authority does not sign:
# each is a root and a leaf for mail.example.org, in DER.
set -eu
cd "$(dirname "$0")"
make() { # name, digest, options for the root's key
    name=$1 digest=$2
    shift 2
    openssl genpkey "$@" -out root.key
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out leaf.key
    openssl req -x509 -new -key root.key -sha256 -days 36500 -subj "/CN=$name root" \
        -addext basicConstraints=critical,CA:TRUE -outform DER -out "$name-root.der"
    printf '%s\n' 'subjectAltName=DNS:mail.example.org' 'basicConstraints=CA:FALSE' \
        'keyUsage=digitalSignature' 'extendedKeyUsage=serverAuth' >leaf.ext
    openssl req -new -key leaf.key -subj '/CN=mail.example.org' |
        openssl x509 -req -CA "$name-root.der" -CAkey root.key -"$digest" -days 36500 \
            -extfile leaf.ext -outform DER -out "$name-leaf.der"
    rm -f root.key leaf.key leaf.ext "$name-root.srl"
}
make rsa1024 sha256 -algorithm RSA -pkeyopt rsa_keygen_bits:1024
make sha1 sha1 -algorithm RSA -pkeyopt rsa_keygen_bits:2048
make secp256k1 sha256 -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1

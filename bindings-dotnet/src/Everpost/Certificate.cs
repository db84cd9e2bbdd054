using System;
using System.Collections.Generic;
using Everpost.Interop;

namespace Everpost;

/// <summary>What a certificate says. Immutable; nothing of it is trusted.</summary>
public sealed class Certificate
{
    private readonly byte[] der;

    private Certificate(byte[] der) => this.der = der;

    /// <summary>Whom it names.</summary>
    public string Subject { get; private set; } = string.Empty;

    /// <summary>Who issued it.</summary>
    public string Issuer { get; private set; } = string.Empty;

    /// <summary>The serial number, in hexadecimal.</summary>
    public string Serial { get; private set; } = string.Empty;

    /// <summary>From when it is valid.</summary>
    public DateTimeOffset NotBefore { get; private set; }

    /// <summary>Until when it is valid.</summary>
    public DateTimeOffset NotAfter { get; private set; }

    /// <summary>The kind of its key.</summary>
    public string KeyAlgorithm { get; private set; } = string.Empty;

    /// <summary>The size of its key in bits; 0 where the kind says it all.</summary>
    public int KeyBits { get; private set; }

    /// <summary>How it is signed.</summary>
    public string SignatureAlgorithm { get; private set; } = string.Empty;

    /// <summary>The SHA-256 of the certificate, in hexadecimal.</summary>
    public string Fingerprint { get; private set; } = string.Empty;

    /// <summary>The SHA-256 of its public key, as <see cref="MailerOptions.Pins"/> takes it.</summary>
    public string Pin { get; private set; } = string.Empty;

    /// <summary>The host names that it is for.</summary>
    public IReadOnlyList<string> DnsNames { get; private set; } = Array.Empty<string>();

    /// <summary>Whether it may issue others.</summary>
    public bool IsAuthority { get; private set; }

    /// <summary>All of this as JSON.</summary>
    public string Json { get; private set; } = "{}";

    /// <summary>The certificate itself, DER: <c>new X509Certificate2(certificate.ToDer())</c>.</summary>
    public byte[] ToDer() => (byte[])der.Clone();

    /// <summary>Whom it names.</summary>
    public override string ToString() => Subject;

    internal static Certificate Read(IntPtr pointer) => new(NativeMethods.everpost_certificate_der(pointer).Bytes)
    {
        Subject = NativeMethods.everpost_certificate_subject(pointer).Text,
        Issuer = NativeMethods.everpost_certificate_issuer(pointer).Text,
        Serial = NativeMethods.everpost_certificate_serial(pointer).Text,
        NotBefore = Time(NativeMethods.everpost_certificate_not_before(pointer)),
        NotAfter = Time(NativeMethods.everpost_certificate_not_after(pointer)),
        KeyAlgorithm = NativeMethods.everpost_certificate_key_algorithm(pointer).Text,
        KeyBits = checked((int)NativeMethods.everpost_certificate_key_bits(pointer)),
        SignatureAlgorithm = NativeMethods.everpost_certificate_signature_algorithm(pointer).Text,
        Fingerprint = NativeMethods.everpost_certificate_fingerprint(pointer).Text,
        Pin = NativeMethods.everpost_certificate_spki_pin(pointer).Text,
        DnsNames = NativeList.Read(
            NativeMethods.everpost_certificate_dns_name_count(pointer),
            pointer,
            static (pointer, index) => NativeMethods.everpost_certificate_dns_name(pointer, index).Text),
        IsAuthority = NativeMethods.everpost_certificate_is_ca(pointer) != 0,
        Json = NativeMethods.everpost_certificate_json(pointer).Text,
    };

    /// <summary>A time, or the nearest that .NET has: certificates reach beyond its years.</summary>
    private static DateTimeOffset Time(long seconds)
    {
        long first = DateTimeOffset.MinValue.ToUnixTimeSeconds(), last = DateTimeOffset.MaxValue.ToUnixTimeSeconds();
        return DateTimeOffset.FromUnixTimeSeconds(Math.Max(first, Math.Min(seconds, last)));
    }
}

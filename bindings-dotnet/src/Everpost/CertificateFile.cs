using System;
using System.Collections.Generic;
using Everpost.Interop;

namespace Everpost;

/// <summary>
/// Certificates and perhaps a key, from a PEM, DER or PFX file. Safe to use from
/// several threads; dispose it, for the key is in memory until then.
/// </summary>
public sealed class CertificateFile : IDisposable
{
    private CertificateFile(CertificateFileHandle handle)
    {
        Handle = handle;
        Certificates = NativeList.Read(
            NativeMethods.everpost_certificate_file_count(handle),
            handle,
            static (handle, index) => Certificate.Read(NativeMethods.everpost_certificate_file_certificate(handle, index)));
        Format = NativeMethods.everpost_certificate_file_format(handle).Text;
        HasKey = NativeMethods.everpost_certificate_file_has_key(handle) != 0;
        KeyMatches = NativeMethods.everpost_certificate_file_key_matches(handle) switch { 1 => true, 0 => false, _ => null };
    }

    /// <summary>The certificates, in the order of the file.</summary>
    public IReadOnlyList<Certificate> Certificates { get; }

    /// <summary>What kind of file it is.</summary>
    public string Format { get; }

    /// <summary>Whether a private key is in it.</summary>
    public bool HasKey { get; }

    /// <summary>Whether the key is that of the first certificate; null where there is no key or it cannot be told.</summary>
    public bool? KeyMatches { get; }

    internal CertificateFileHandle Handle { get; }

    /// <summary>Reads a file.</summary>
    /// <param name="path">Its path.</param>
    /// <param name="password">The password of a PFX file or an encrypted key.</param>
    /// <exception cref="ArgumentNullException">There is no path.</exception>
    /// <exception cref="EverpostConfigException">The file cannot be read or is of no known kind, or the password is wrong.</exception>
    /// <exception cref="EverpostLibraryException">The native library cannot be used.</exception>
    public static CertificateFile Load(string path, string? password = null)
    {
        var text = new Utf8(path ?? throw new ArgumentNullException(nameof(path)));
        return Open(text.Bytes, text.Length, password, NativeMethods.everpost_certificate_file_load);
    }

    /// <summary>Reads the content of a file.</summary>
    /// <param name="content">The bytes.</param>
    /// <param name="password">The password of a PFX file or an encrypted key.</param>
    /// <exception cref="ArgumentException">There is no content.</exception>
    /// <exception cref="EverpostConfigException">The content is of no known kind, or the password is wrong.</exception>
    /// <exception cref="EverpostLibraryException">The native library cannot be used.</exception>
    public static CertificateFile Parse(byte[] content, string? password = null)
    {
        if (content is null || content.Length == 0) throw new ArgumentException("there is no content", nameof(content));
        return Open(content, (UIntPtr)(uint)content.Length, password, NativeMethods.everpost_certificate_file_parse);
    }

    /// <summary>Judges the certificates as a client would that connects to a host which shows them.</summary>
    /// <param name="host">The host.</param>
    /// <param name="at">The time of the visit; null for now.</param>
    /// <param name="trust"><c>system</c>, <c>mozilla</c> or the path of a PEM file; null for <c>system</c>.</param>
    /// <exception cref="ArgumentNullException">There is no host.</exception>
    /// <exception cref="EverpostConfigException">The host or the trust cannot be used.</exception>
    /// <exception cref="ObjectDisposedException">The file is disposed.</exception>
    public Report Judge(string host, DateTimeOffset? at = null, string? trust = null)
    {
        var name = new Utf8(host ?? throw new ArgumentNullException(nameof(host)));
        Utf8? roots = trust is null ? null : new Utf8(trust);
        int status = NativeMethods.everpost_certificate_file_judge(
            Handle, name.Bytes, name.Length, at?.ToUnixTimeSeconds() ?? 0,
            roots?.Bytes, roots?.Length ?? UIntPtr.Zero, out ReportHandle report, out ErrorHandle error);
        using (report)
        {
            Errors.Check(status, error);
            return Report.Read(report);
        }
    }

    /// <summary>The certificates as PEM.</summary>
    /// <param name="withKey">Whether the key comes with them.</param>
    /// <exception cref="EverpostConfigException">The key was asked for, and there is none.</exception>
    /// <exception cref="ObjectDisposedException">The file is disposed.</exception>
    public string ToPem(bool withKey = false)
    {
        int status = NativeMethods.everpost_certificate_file_to_pem(Handle, withKey ? (byte)1 : (byte)0, out TextHandle text, out ErrorHandle error);
        using (text)
        {
            Errors.Check(status, error);
            return NativeMethods.everpost_text_view(text).Text;
        }
    }

    /// <summary>The certificates and the key as a PFX file.</summary>
    /// <param name="password">The password to protect it with.</param>
    /// <param name="legacy">Whether old Windows and Java must be able to read it, which weakens the protection.</param>
    /// <exception cref="ArgumentNullException">There is no password.</exception>
    /// <exception cref="EverpostConfigException">There is no key.</exception>
    /// <exception cref="ObjectDisposedException">The file is disposed.</exception>
    public byte[] ToPfx(string password, bool legacy = false)
    {
        var secret = new Utf8(password ?? throw new ArgumentNullException(nameof(password)));
        int status = NativeMethods.everpost_certificate_file_to_pfx(
            Handle, secret.Bytes, secret.Length, legacy ? (byte)1 : (byte)0, out TextHandle text, out ErrorHandle error);
        secret.Wipe();
        using (text)
        {
            Errors.Check(status, error);
            return NativeMethods.everpost_text_view(text).Bytes;
        }
    }

    /// <summary>Wipes the key from memory.</summary>
    public void Dispose() => Handle.Dispose();

    private delegate int Opener(
        byte[] data, UIntPtr length, byte[]? password, UIntPtr passwordLength, out CertificateFileHandle file, out ErrorHandle error);

    private static CertificateFile Open(byte[] data, UIntPtr length, string? password, Opener open)
    {
        Library.Require();
        Utf8? secret = password is null ? null : new Utf8(password);
        CertificateFileHandle file;
        ErrorHandle error;
        int status;
        try
        {
            status = open(data, length, secret?.Bytes, secret?.Length ?? UIntPtr.Zero, out file, out error);
        }
        finally
        {
            secret?.Wipe();
        }
        Errors.Check(status, error);
        return new CertificateFile(file);
    }
}

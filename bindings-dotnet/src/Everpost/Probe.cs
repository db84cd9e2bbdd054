using System;
using System.Collections.Generic;
using System.Globalization;
using System.Threading;
using System.Threading.Tasks;
using Everpost.Interop;

namespace Everpost;

/// <summary>How long before its end a certificate is near it: a time, a share of its lifetime, or the shorter of the two.</summary>
public readonly struct Threshold
{
    /// <summary>Creates a threshold.</summary>
    /// <param name="time">So long before the end, in whole hours, rounded up; null for no time.</param>
    /// <param name="percent">When so much of the lifetime is left, from 0 to 100; null for no share.</param>
    public Threshold(TimeSpan? time, int? percent = null)
    {
        Time = time;
        Percent = percent;
    }

    /// <summary>So long before the end.</summary>
    public TimeSpan? Time { get; }

    /// <summary>When so much of the lifetime is left.</summary>
    public int? Percent { get; }

    /// <summary>The threshold as options have it, such as <c>720h,25%</c>; the same in every culture.</summary>
    public override string ToString()
    {
        var parts = new List<string>();
        if (Time is { } time) parts.Add(Math.Ceiling(time.TotalHours).ToString("F0", CultureInfo.InvariantCulture) + "h");
        if (Percent is { } percent) parts.Add(percent.ToString(CultureInfo.InvariantCulture) + "%");
        return string.Join(",", parts);
    }
}

/// <summary>How to look at a server. What is null is as it is by default. Not thread-safe.</summary>
public sealed class ProbeOptions
{
    /// <summary>What to trust: <c>system</c>, <c>mozilla</c> or the path of a PEM file. Empty: <c>system</c>.</summary>
    public IList<string> Trust { get; } = new List<string>();

    /// <summary>Roots to trust besides, as PEM.</summary>
    public IList<byte[]> TrustedPem { get; } = new List<byte[]>();

    /// <summary>Keys, one of which must be in the chain. Empty: none.</summary>
    public IList<string> Pins { get; } = new List<string>();

    /// <summary>SHA-256 of certificates, one of which the server must show. Empty: any.</summary>
    public IList<string> Fingerprints { get; } = new List<string>();

    /// <summary>When a certificate near its end is a warning. Default: by its lifetime.</summary>
    public Threshold? Warning { get; set; }

    /// <summary>When a certificate near its end is critical. Default: by its lifetime.</summary>
    public Threshold? Critical { get; set; }

    /// <summary>What the server should show, such as the file that was renewed on disk.</summary>
    public CertificateFile? Compare { get; set; }

    /// <summary>Judge as of so much later.</summary>
    public TimeSpan? JudgeAfter { get; set; }

    /// <summary>Ask for this host name.</summary>
    public string? ServerNameIndication { get; set; }

    /// <summary>Expect this host name in the certificate.</summary>
    public string? VerifyName { get; set; }

    /// <summary>The name given with EHLO.</summary>
    public string? EhloName { get; set; }

    /// <summary>Connect to this address instead of resolving the name.</summary>
    public string? ConnectTo { get; set; }

    /// <summary>Whether to look at every address of the name.</summary>
    public bool? AllAddresses { get; set; }

    /// <summary>The time for the whole look.</summary>
    public TimeSpan? Deadline { get; set; }

    /// <summary>Whether to hold the certificate against the domain's DANE records.</summary>
    public bool? Dane { get; set; }

    /// <summary>Whether to hold the server against the domain's MTA-STS policy.</summary>
    public bool? MtaSts { get; set; }

    internal IEnumerable<KeyValuePair<string, string>> Settings()
    {
        foreach (string value in Trust) yield return new("trust", value);
        foreach (string value in Pins) yield return new("pin", value);
        foreach (string value in Fingerprints) yield return new("fingerprint", value);
        if (Warning is { } warning) yield return new("warn", warning.ToString());
        if (Critical is { } critical) yield return new("crit", critical.ToString());
        if (JudgeAfter is { } after) yield return new("judge_after", MailerOptions.Milliseconds(after));
        if (ServerNameIndication is not null) yield return new("sni", ServerNameIndication);
        if (VerifyName is not null) yield return new("verify_name", VerifyName);
        if (EhloName is not null) yield return new("ehlo", EhloName);
        if (ConnectTo is not null) yield return new("connect_to", ConnectTo);
        if (AllAddresses is { } all) yield return new("all_addresses", all ? "true" : "false");
        if (Deadline is { } deadline) yield return new("deadline", MailerOptions.Milliseconds(deadline));
        if (Dane is { } dane) yield return new("dane", dane ? "true" : "false");
        if (MtaSts is { } sts) yield return new("mta_sts", sts ? "true" : "false");
    }
}

/// <summary>Looks at a server, trusting nothing, and judges its certificate. Thread-safe.</summary>
public static class Probe
{
    /// <summary>Looks at a server.</summary>
    /// <param name="target"><c>host</c>, <c>host:465</c>, <c>smtp://host</c> or <c>smtps://host</c>.</param>
    /// <param name="options">How to look; null for the usual.</param>
    /// <param name="cancellationToken">Cancels the look.</param>
    /// <returns>What was found; a server that cannot be reached is a report too.</returns>
    /// <exception cref="ArgumentNullException">There is no target.</exception>
    /// <exception cref="EverpostConfigException">The target or an option cannot work.</exception>
    /// <exception cref="EverpostCanceledException">It was cancelled.</exception>
    /// <exception cref="EverpostLibraryException">The native library cannot be used.</exception>
    public static async Task<Report> RunAsync(string target, ProbeOptions? options = null, CancellationToken cancellationToken = default)
    {
        var text = new Utf8(target ?? throw new ArgumentNullException(nameof(target)));
        using ProbeHandle probe = ToNative(options ?? new ProbeOptions());
        return await new Operation<Report>().RunAsync(
            (IntPtr userData, out IntPtr error) =>
                NativeMethods.everpost_probe_run_start(probe, text.Bytes, text.Length, Callbacks.Report, userData, out error),
            cancellationToken).ConfigureAwait(false);
    }

    private static ProbeHandle ToNative(ProbeOptions options)
    {
        Library.Require();
        Errors.Check(NativeMethods.everpost_probe_new(out ProbeHandle probe, out ErrorHandle error), error);
        try
        {
            foreach (KeyValuePair<string, string> setting in options.Settings())
            {
                Utf8 key = new(setting.Key), value = new(setting.Value);
                Errors.Check(NativeMethods.everpost_probe_set(probe, key.Bytes, key.Length, value.Bytes, value.Length, out error), error);
            }
            foreach (byte[] pem in options.TrustedPem)
                Errors.Check(NativeMethods.everpost_probe_trust_pem(probe, pem, (UIntPtr)(uint)pem.Length, out error), error);
            if (options.Compare is { } compare)
                Errors.Check(NativeMethods.everpost_probe_compare(probe, compare.Handle, out error), error);
            return probe;
        }
        catch
        {
            probe.Dispose();
            throw;
        }
    }
}

/// <summary>What to try besides logging in. Not thread-safe.</summary>
public sealed class DiagnoseOptions
{
    /// <summary>A sender to ask about.</summary>
    public string? From { get; set; }

    /// <summary>Recipients to ask about; they need a sender. Empty: none.</summary>
    public IList<string> To { get; } = new List<string>();

    /// <summary>A size of message to ask about, in bytes.</summary>
    public long? Size { get; set; }

    /// <summary>Whether a failure may be followed by short looks at other ports and TLS modes. Default: yes.</summary>
    public bool? Looks { get; set; }

    internal IEnumerable<KeyValuePair<string, string>> Settings()
    {
        if (From is not null) yield return new("from", From);
        foreach (string value in To) yield return new("to", value);
        if (Size is { } size) yield return new("size", size.ToString(CultureInfo.InvariantCulture));
        if (Looks is { } looks) yield return new("looks", looks ? "true" : "false");
    }
}

/// <summary>Climbs from DNS to the login and beyond, and says at the first step that does not hold why. Thread-safe.</summary>
public static class Diagnose
{
    /// <summary>Diagnoses. No message is sent.</summary>
    /// <param name="mailer">The settings of the mailer that does not connect.</param>
    /// <param name="options">What to try besides; null for nothing.</param>
    /// <param name="cancellationToken">Cancels the diagnosis.</param>
    /// <exception cref="ArgumentNullException">There are no settings.</exception>
    /// <exception cref="EverpostConfigException">An option cannot work.</exception>
    /// <exception cref="EverpostCanceledException">It was cancelled.</exception>
    /// <exception cref="EverpostLibraryException">The native library cannot be used.</exception>
    public static async Task<Report> RunAsync(MailerOptions mailer, DiagnoseOptions? options = null, CancellationToken cancellationToken = default)
    {
        if (mailer is null) throw new ArgumentNullException(nameof(mailer));
        using ConfigHandle config = mailer.ToNative();
        Errors.Check(NativeMethods.everpost_diagnosis_new(config, out DiagnosisHandle diagnosis, out ErrorHandle failure), failure);
        using (diagnosis)
        {
            options ??= new DiagnoseOptions();
            foreach (KeyValuePair<string, string> setting in options.Settings()) Set(diagnosis, setting.Key, setting.Value);
            return await new Operation<Report>().RunAsync(
                (IntPtr userData, out IntPtr error) =>
                    NativeMethods.everpost_diagnosis_run_start(diagnosis, Callbacks.Report, userData, out error),
                cancellationToken).ConfigureAwait(false);
        }
    }

    private static void Set(DiagnosisHandle diagnosis, string key, string value)
    {
        Utf8 name = new(key), text = new(value);
        Errors.Check(
            NativeMethods.everpost_diagnosis_set(diagnosis, name.Bytes, name.Length, text.Bytes, text.Length, out ErrorHandle error),
            error);
    }
}

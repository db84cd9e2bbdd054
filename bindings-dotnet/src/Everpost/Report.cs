using System;
using System.Collections.Generic;
using Everpost.Interop;

namespace Everpost;

/// <summary>Something that was found, good or bad. The identifiers are stable; docs/findings.md explains each.</summary>
public sealed class Finding
{
    internal Finding(string id, string axis, string severity, string message, string? remedy)
    {
        Id = id;
        Axis = axis;
        Severity = severity;
        Message = message;
        Remedy = remedy;
    }

    /// <summary>The stable name, such as <c>expired</c>.</summary>
    public string Id { get; }

    /// <summary>What it is about, such as <c>validity</c> or <c>trust</c>.</summary>
    public string Axis { get; }

    /// <summary>How bad it is, by the name that the JSON has.</summary>
    public string Severity { get; }

    /// <summary>What was found, in a sentence.</summary>
    public string Message { get; }

    /// <summary>What to do about it; null where nothing is to be done.</summary>
    public string? Remedy { get; }

    /// <summary>The finding as a line.</summary>
    public override string ToString() => $"{Id}: {Message}";
}

/// <summary>How a rung of a diagnosis ended.</summary>
public enum RungOutcome
{
    /// <summary>It holds.</summary>
    Held,

    /// <summary>It does not; at most one does not.</summary>
    Failed,

    /// <summary>It was not tried; the detail says why.</summary>
    Skipped,
}

/// <summary>A rung of a diagnosis: what was tried, and how it went. Immutable.</summary>
public sealed class Rung
{
    internal Rung(string step, RungOutcome outcome, string detail, TimeSpan elapsed)
    {
        Step = step;
        Outcome = outcome;
        Detail = detail;
        Elapsed = elapsed;
    }

    /// <summary>What was tried, by its stable name: <c>dns</c>, <c>tcp</c>, <c>handshake</c>, <c>auth</c> and so on.</summary>
    public string Step { get; }

    /// <summary>How it ended.</summary>
    public RungOutcome Outcome { get; }

    /// <summary>What was seen, or why it was skipped, on one line.</summary>
    public string Detail { get; }

    /// <summary>How long it took, in whole milliseconds, rounded up.</summary>
    public TimeSpan Elapsed { get; }

    /// <summary>The rung as a line.</summary>
    public override string ToString() => $"{Step}: {Outcome}: {Detail}";

    internal static RungOutcome ParseOutcome(string name) => name switch
    {
        "held" => RungOutcome.Held,
        "failed" => RungOutcome.Failed,
        _ => RungOutcome.Skipped,
    };
}

/// <summary>What a look at a server or a certificate found. Immutable.</summary>
public sealed class Report
{
    private Report(HealthStatus status, string summary)
    {
        Status = status;
        Summary = summary;
    }

    /// <summary>The verdict on the whole.</summary>
    public HealthStatus Status { get; }

    /// <summary>The verdict on one line.</summary>
    public string Summary { get; }

    /// <summary>Why: the message of the step that did not hold, or the explanation; null where nothing is wrong.</summary>
    public string? Cause { get; private set; }

    /// <summary>What to do about the cause; null where nothing is to be done.</summary>
    public string? Remedy { get; private set; }

    /// <summary>
    /// Of an explanation, who is at fault, such as <c>server</c> or <c>pool</c>; of a diagnosis, the step that
    /// did not hold; otherwise null.
    /// </summary>
    public string? Fault { get; private set; }

    /// <summary>What was found, the worst first.</summary>
    public IReadOnlyList<Finding> Findings { get; private set; } = Array.Empty<Finding>();

    /// <summary>
    /// Of a diagnosis every rung in order; of the one that failed <see cref="Cause"/> and the first of
    /// <see cref="Findings"/> speak. Of other reports empty.
    /// </summary>
    public IReadOnlyList<Rung> Rungs { get; private set; } = Array.Empty<Rung>();

    /// <summary>The chain that the server's first address showed, the leaf first; empty where none was seen.</summary>
    public IReadOnlyList<Certificate> Certificates { get; private set; } = Array.Empty<Certificate>();

    /// <summary>The whole report as JSON, by its published schema.</summary>
    public string Json { get; private set; } = "{}";

    /// <summary>The verdict as a line.</summary>
    public override string ToString() => $"{Status}: {Summary}";

    /// <summary>Makes one of the library's, which is freed.</summary>
    internal static Report Take(IntPtr report)
    {
        using ReportHandle handle = new();
        handle.Adopt(report);
        return Read(handle);
    }

    internal static Report Read(ReportHandle handle) =>
        new((HealthStatus)NativeMethods.everpost_report_status(handle), NativeMethods.everpost_report_summary(handle).Text)
        {
            Cause = NativeMethods.everpost_report_cause(handle).OrNull,
            Remedy = NativeMethods.everpost_report_remedy(handle).OrNull,
            Fault = NativeMethods.everpost_report_fault(handle).OrNull,
            Findings = NativeList.Read(
                NativeMethods.everpost_report_finding_count(handle),
                handle,
                static (handle, index) => new Finding(
                    NativeMethods.everpost_report_finding_id(handle, index).Text,
                    NativeMethods.everpost_report_finding_axis(handle, index).Text,
                    NativeMethods.everpost_report_finding_severity(handle, index).Text,
                    NativeMethods.everpost_report_finding_message(handle, index).Text,
                    NativeMethods.everpost_report_finding_remedy(handle, index).OrNull)),
            Rungs = NativeList.Read(
                NativeMethods.everpost_report_rung_count(handle),
                handle,
                static (handle, index) => new Rung(
                    NativeMethods.everpost_report_rung_step(handle, index).Text,
                    Rung.ParseOutcome(NativeMethods.everpost_report_rung_outcome(handle, index).Text),
                    NativeMethods.everpost_report_rung_detail(handle, index).Text,
                    TimeSpan.FromMilliseconds(NativeMethods.everpost_report_rung_elapsed_ms(handle, index)))),
            Certificates = NativeList.Read(
                NativeMethods.everpost_report_certificate_count(handle),
                handle,
                static (handle, index) => Certificate.Read(NativeMethods.everpost_report_certificate(handle, index))),
            Json = NativeMethods.everpost_report_json(handle).Text,
        };
}

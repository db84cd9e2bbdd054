using System;
using System.Collections.Generic;
using System.Linq;
using System.Text.RegularExpressions;

namespace Everpost.Scenarios;

/// <summary>What a send came to, in the words of every language.</summary>
internal static class Outcome
{
    internal static Fields Of(Receipt receipt) => new()
    {
        ["delivery"] = "accepted",
        ["message_id"] = receipt.MessageId,
        ["reply"] = receipt.Reply.Code,
        ["attempts"] = receipt.Attempts,
        ["accepted"] = receipt.Accepted,
        ["rejected"] = Rejected(receipt.Rejected),
        ["leaf"] = receipt.CertificateFingerprint,
    };

    internal static Fields Of(Exception failure)
    {
        // Before anything began, .NET itself says that it was cancelled.
        if (failure is not IEverpostException { Error: { } error }) return new Fields { ["kind"] = "cancelled" };
        return new Fields
        {
            ["kind"] = Name(error.Kind),
            ["stage"] = error.Stage,
            ["delivery"] = Name(error.Delivery),
            ["retryable"] = error.IsRetryable,
            ["attempts"] = error.Attempts,
            ["message"] = error.Message,
            ["hint"] = error.Hint,
            ["message_id"] = error.MessageId,
            ["reply"] = error.Reply?.Code,
            ["enhanced"] = error.Reply?.EnhancedCode,
            ["rejected"] = Rejected(error.Rejected),
            ["findings"] = error.CertificateJson is { } json ? Findings((Fields)Json.Read(json)!) : null,
            ["late_verdict"] = failure is EverpostDeliveryUnknownException { HasLateVerdict: true },
        };
    }

    /// <summary>A name of .NET as every language has it: <c>NotSent</c> is <c>not_sent</c>.</summary>
    internal static string Name(Enum value) => Regex.Replace(value.ToString(), "(?<=.)(?=[A-Z])", "_").ToLowerInvariant();

    private static List<object?> Findings(Fields report) =>
        report.List("findings").Select(finding => (object?)((Fields)finding!).Text("id")).ToList();

    private static List<object?> Rejected(IReadOnlyList<RejectedRecipient> recipients) =>
        recipients.Select(one => (object?)new Fields { ["address"] = one.Address, ["reply"] = one.Code }).ToList();
}

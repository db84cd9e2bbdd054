using System;
using Everpost.Interop;

namespace Everpost;

/// <summary>What a mailer noticed.</summary>
public enum MailerEventKind
{
    /// <summary>Something that this version of the assembly has no name for; see <see cref="MailerEventArgs.Name"/>.</summary>
    Other = 0,

    /// <summary>The server shows a newer certificate.</summary>
    Rotated,

    /// <summary>The server shows an older certificate again.</summary>
    RolledBack,

    /// <summary>Connections of the time before were closed.</summary>
    Retired,

    /// <summary>A message was tried again on another connection.</summary>
    Retried,

    /// <summary>The server's certificate is near its end.</summary>
    Expiring,

    /// <summary>No connection can be made at present.</summary>
    Unhealthy,

    /// <summary>Connections can be made again.</summary>
    Recovered,

    /// <summary>A message was handed over, and no verdict came.</summary>
    DeliveryUnknown,

    /// <summary>The verdict on such a message came after all.</summary>
    LateVerdict,
}

/// <summary>One event of a mailer. Immutable.</summary>
public sealed class MailerEventArgs : EventArgs
{
    private MailerEventArgs(string name) => Name = name;

    /// <summary>What happened.</summary>
    public MailerEventKind Kind => Name switch
    {
        "rotated" => MailerEventKind.Rotated,
        "rolled_back" => MailerEventKind.RolledBack,
        "retired" => MailerEventKind.Retired,
        "retried" => MailerEventKind.Retried,
        "expiring" => MailerEventKind.Expiring,
        "unhealthy" => MailerEventKind.Unhealthy,
        "recovered" => MailerEventKind.Recovered,
        "delivery_unknown" => MailerEventKind.DeliveryUnknown,
        "late_verdict" => MailerEventKind.LateVerdict,
        _ => MailerEventKind.Other,
    };

    /// <summary>What happened, by its name in every language, such as <c>rotated</c>.</summary>
    public string Name { get; }

    /// <summary>What happened, on one line.</summary>
    public string Message { get; private set; } = string.Empty;

    /// <summary>The Message-ID of the message concerned; null where there is none.</summary>
    public string? MessageId { get; private set; }

    /// <summary>How many events were lost before this one because they came faster than they were taken.</summary>
    public long Missed { get; private set; }

    /// <summary>The whole event as JSON.</summary>
    public string Json { get; private set; } = "{}";

    /// <summary>The event as a line for a log.</summary>
    public override string ToString() => $"{Name}: {Message}";

    internal static MailerEventArgs Read(IntPtr happened) => new(NativeMethods.everpost_event_name(happened).Text)
    {
        Message = NativeMethods.everpost_event_message(happened).Text,
        MessageId = NativeMethods.everpost_event_message_id(happened).OrNull,
        Missed = (long)NativeMethods.everpost_event_missed(happened),
        Json = NativeMethods.everpost_event_json(happened).Text,
    };
}

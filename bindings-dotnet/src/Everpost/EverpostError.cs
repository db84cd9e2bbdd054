using System;
using System.Collections.Generic;
using Everpost.Interop;

namespace Everpost;

/// <summary>What went wrong, in kind.</summary>
public enum EverpostErrorKind
{
    /// <summary>A caught fault of the library itself.</summary>
    Internal = 0,

    /// <summary>The options or arguments cannot work.</summary>
    InvalidConfig,

    /// <summary>The message or its envelope cannot be sent by anybody.</summary>
    InvalidMessage,

    /// <summary>The server's name did not resolve.</summary>
    Dns,

    /// <summary>No connection came about, or it broke before the message was handed over.</summary>
    Connect,

    /// <summary>A deadline passed.</summary>
    Timeout,

    /// <summary>TLS failed, other than by the certificate.</summary>
    Tls,

    /// <summary>The server's certificate is not acceptable.</summary>
    Certificate,

    /// <summary>The login failed.</summary>
    Auth,

    /// <summary>The server refused with a 4yz or 5yz reply.</summary>
    Rejected,

    /// <summary>The server lacks an extension that the message or the options need.</summary>
    Unsupported,

    /// <summary>The server does not speak as SMTP has it.</summary>
    Protocol,

    /// <summary>The message was handed over, and the server's verdict never came.</summary>
    DeliveryUnknown,

    /// <summary>The call was cancelled.</summary>
    Cancelled,

    /// <summary>The mailer is closed.</summary>
    Closed,
}

/// <summary>What is known of the delivery of a message.</summary>
public enum Delivery
{
    /// <summary>The server cannot have the message.</summary>
    NotSent = 0,

    /// <summary>The server has taken responsibility for it.</summary>
    Accepted,

    /// <summary>The server answered that it will not deliver.</summary>
    Refused,

    /// <summary>The server may or may not have it. Sending again may duplicate.</summary>
    Unknown,
}

/// <summary>A reply of the server.</summary>
public sealed class Reply
{
    internal Reply(int code, string? enhancedCode, string text)
    {
        Code = code;
        EnhancedCode = enhancedCode;
        Text = text;
    }

    /// <summary>The three-digit code.</summary>
    public int Code { get; }

    /// <summary>The enhanced status code (RFC 3463), such as <c>5.7.8</c>; null where there was none.</summary>
    public string? EnhancedCode { get; }

    /// <summary>The text, lines joined by <c>\n</c>.</summary>
    public string Text { get; }

    /// <summary>The reply as a line for a log.</summary>
    public override string ToString() =>
        FormattableString.Invariant($"{Code} {(EnhancedCode is null ? "" : EnhancedCode + " ")}{Text}").Replace("\n", " / ");
}

/// <summary>A recipient that the server refused, while it may have taken others.</summary>
public sealed class RejectedRecipient
{
    internal RejectedRecipient(string address, int code, string reply)
    {
        Address = address;
        Code = code;
        Reply = reply;
    }

    /// <summary>The address, as it was given.</summary>
    public string Address { get; }

    /// <summary>The code of the server's reply.</summary>
    public int Code { get; }

    /// <summary>The server's reply.</summary>
    public string Reply { get; }
}

/// <summary>All that is known of a failure; the same in every exception. Immutable, and free of secrets.</summary>
public sealed class EverpostError
{
    private EverpostError(EverpostErrorKind kind, string message)
    {
        Kind = kind;
        Message = message;
    }

    /// <summary>What went wrong.</summary>
    public EverpostErrorKind Kind { get; }

    /// <summary>The number of the C interface, such as 201 for a certificate.</summary>
    public int Status { get; private set; }

    /// <summary>Where in the conversation: <c>dns</c>, <c>connect</c>, <c>handshake</c>, <c>auth</c>, <c>rcpt</c>, <c>end_of_data</c> and so on.</summary>
    public string Stage { get; private set; } = "prepare";

    /// <summary>What is known of the message. This decides what to do, not the kind.</summary>
    public Delivery Delivery { get; private set; }

    /// <summary>Whether the same call may succeed later without a change.</summary>
    public bool IsRetryable { get; private set; }

    /// <summary>The failure on one line.</summary>
    public string Message { get; }

    /// <summary>The failure on many lines, with the certificate and the reply, for a log or a ticket.</summary>
    public string Report { get; private set; } = string.Empty;

    /// <summary>What to do about it, in a sentence; null where nothing can be said.</summary>
    public string? Hint { get; private set; }

    /// <summary>The Message-ID, in angle brackets; null where no message was concerned.</summary>
    public string? MessageId { get; private set; }

    /// <summary>How many connections were tried.</summary>
    public int Attempts { get; private set; }

    /// <summary>The server's reply; null where there was none.</summary>
    public Reply? Reply { get; private set; }

    /// <summary>What the server showed and why it is not accepted, as JSON; null where no certificate was at fault.</summary>
    public string? CertificateJson { get; private set; }

    /// <summary>The sender of the envelope; null where there is none.</summary>
    public string? Sender { get; private set; }

    /// <summary>The recipients of the envelope.</summary>
    public IReadOnlyList<string> Recipients { get; private set; } = Array.Empty<string>();

    /// <summary>The recipients that the server refused one by one.</summary>
    public IReadOnlyList<RejectedRecipient> Rejected { get; private set; } = Array.Empty<RejectedRecipient>();

    /// <summary>The causes beneath, joined by colons; null where there are none.</summary>
    public string? Cause { get; private set; }

    /// <summary>All of this as JSON.</summary>
    public string Json { get; private set; } = "{}";

    internal static EverpostError OfOurs(EverpostErrorKind kind, string message) => new(kind, message) { Report = message };

    internal static EverpostError Read(ErrorHandle handle)
    {
        ushort code = NativeMethods.everpost_error_reply_code(handle);
        return new EverpostError(ParseKind(NativeMethods.everpost_error_kind(handle).Text), NativeMethods.everpost_error_message(handle).Text)
        {
            Status = NativeMethods.everpost_error_status(handle),
            Stage = NativeMethods.everpost_error_stage(handle).Text,
            Delivery = ParseDelivery(NativeMethods.everpost_error_delivery(handle).Text),
            IsRetryable = NativeMethods.everpost_error_retryable(handle) != 0,
            Report = NativeMethods.everpost_error_report(handle).Text,
            Hint = NativeMethods.everpost_error_hint(handle).OrNull,
            MessageId = NativeMethods.everpost_error_message_id(handle).OrNull,
            Attempts = checked((int)NativeMethods.everpost_error_attempts(handle)),
            Reply = code == 0 ? null : new Reply(
                code,
                NativeMethods.everpost_error_reply_enhanced(handle).OrNull,
                NativeMethods.everpost_error_reply_text(handle).Text),
            CertificateJson = NativeMethods.everpost_error_certificate_json(handle).OrNull,
            Sender = NativeMethods.everpost_error_sender(handle).OrNull,
            Recipients = NativeList.Read(
                NativeMethods.everpost_error_recipient_count(handle),
                handle,
                static (handle, index) => NativeMethods.everpost_error_recipient(handle, index).Text),
            Rejected = NativeList.Read(
                NativeMethods.everpost_error_rejected_count(handle),
                handle,
                static (handle, index) => new RejectedRecipient(
                    NativeMethods.everpost_error_rejected_address(handle, index).Text,
                    NativeMethods.everpost_error_rejected_code(handle, index),
                    NativeMethods.everpost_error_rejected_reply(handle, index).Text)),
            Cause = NativeMethods.everpost_error_source(handle).OrNull,
            Json = NativeMethods.everpost_error_json(handle).Text,
        };
    }

    internal static Delivery ParseDelivery(string name) => name switch
    {
        "not_sent" => Delivery.NotSent,
        "accepted" => Delivery.Accepted,
        "refused" => Delivery.Refused,
        _ => Delivery.Unknown, // Whatever it is, it is no promise.
    };

    internal static EverpostErrorKind ParseKind(string name) => name switch
    {
        "invalid_config" => EverpostErrorKind.InvalidConfig,
        "invalid_message" => EverpostErrorKind.InvalidMessage,
        "dns" => EverpostErrorKind.Dns,
        "connect" => EverpostErrorKind.Connect,
        "timeout" => EverpostErrorKind.Timeout,
        "tls" => EverpostErrorKind.Tls,
        "certificate" => EverpostErrorKind.Certificate,
        "auth" => EverpostErrorKind.Auth,
        "rejected" => EverpostErrorKind.Rejected,
        "unsupported" => EverpostErrorKind.Unsupported,
        "protocol" => EverpostErrorKind.Protocol,
        "delivery_unknown" => EverpostErrorKind.DeliveryUnknown,
        "cancelled" => EverpostErrorKind.Cancelled,
        "closed" => EverpostErrorKind.Closed,
        _ => EverpostErrorKind.Internal,
    };
}

using System;
using System.Collections.Generic;
using Everpost.Interop;

namespace Everpost;

/// <summary>The server has taken responsibility for a message. Immutable.</summary>
public sealed class Receipt
{
    private string? json;

    private Receipt(string messageId, Reply reply)
    {
        MessageId = messageId;
        Reply = reply;
    }

    /// <summary>The Message-ID, in angle brackets.</summary>
    public string MessageId { get; }

    /// <summary>The server's reply to the message.</summary>
    public Reply Reply { get; }

    /// <summary>The recipients that the server took.</summary>
    public IReadOnlyList<string> Accepted { get; private set; } = Array.Empty<string>();

    /// <summary>The recipients that the server refused one by one. They get nothing.</summary>
    public IReadOnlyList<RejectedRecipient> Rejected { get; private set; } = Array.Empty<RejectedRecipient>();

    /// <summary>How many connections it took.</summary>
    public int Attempts { get; private set; }

    /// <summary>The address and port of the server.</summary>
    public string Server { get; private set; } = string.Empty;

    /// <summary>The SHA-256 of the certificate that the server showed, in hexadecimal; null without TLS.</summary>
    public string? CertificateFingerprint { get; private set; }

    /// <summary>All of this as JSON.</summary>
    public string Json => json ??= Write();

    /// <summary>The receipt as a line for a log.</summary>
    public override string ToString() => $"{MessageId} was accepted by {Server}: {Reply}";

    /// <summary>Makes one of the library's, which is freed.</summary>
    internal static Receipt Take(IntPtr receipt)
    {
        try
        {
            return Read(receipt);
        }
        finally
        {
            NativeMethods.everpost_receipt_free(receipt);
        }
    }

    private static Receipt Read(IntPtr receipt)
    {
        UIntPtr rejected = NativeMethods.everpost_receipt_rejected_count(receipt);
        var reply = new Reply(
            NativeMethods.everpost_receipt_reply_code(receipt),
            NativeMethods.everpost_receipt_reply_enhanced(receipt).OrNull,
            NativeMethods.everpost_receipt_reply_text(receipt).Text);
        return new Receipt(NativeMethods.everpost_receipt_message_id(receipt).Text, reply)
        {
            Accepted = NativeList.Read(
                NativeMethods.everpost_receipt_accepted_count(receipt),
                receipt,
                static (receipt, index) => NativeMethods.everpost_receipt_accepted(receipt, index).Text),
            Rejected = NativeList.Read(
                rejected,
                receipt,
                static (receipt, index) => new RejectedRecipient(
                    NativeMethods.everpost_receipt_rejected_address(receipt, index).Text,
                    NativeMethods.everpost_receipt_rejected_code(receipt, index),
                    NativeMethods.everpost_receipt_rejected_reply(receipt, index).Text)),
            Attempts = checked((int)NativeMethods.everpost_receipt_attempts(receipt)),
            Server = NativeMethods.everpost_receipt_server(receipt).Text,
            CertificateFingerprint = NativeMethods.everpost_receipt_leaf(receipt).OrNull,
            // Here more is told of each recipient than there is a property for.
            json = rejected == UIntPtr.Zero ? null : NativeMethods.everpost_receipt_json(receipt).Text,
        };
    }

    /// <summary>
    /// What the library would write, if it were asked with every message: few ever look at it, and it is as large
    /// as all the rest.
    /// </summary>
    private string Write()
    {
        var text = new JsonText();
        text.Raw("{\"accepted\":").List(Accepted);
        text.Raw(",\"attempts\":").Number(Attempts);
        text.Raw(",\"leaf\":").String(CertificateFingerprint);
        text.Raw(",\"message_id\":").String(MessageId);
        text.Raw(",\"rejected\":[],\"reply\":{\"code\":").Number(Reply.Code);
        text.Raw(",\"enhanced\":").String(Reply.EnhancedCode);
        text.Raw(",\"lines\":").List(Reply.Text.Split('\n'));
        text.Raw("},\"schema\":\"everpost.receipt/1\",\"server\":").String(Server);
        return text.Raw("}").ToString();
    }
}

/// <summary>What became of one message of many: a receipt or an error.</summary>
public sealed class SendResult
{
    internal SendResult(int index, Receipt? receipt, Exception? error)
    {
        Index = index;
        Receipt = receipt;
        Error = error;
    }

    /// <summary>The place of the message among those that were given, from zero.</summary>
    public int Index { get; }

    /// <summary>The receipt; null if sending failed.</summary>
    public Receipt? Receipt { get; }

    /// <summary>Why sending failed, as <see cref="Mailer.SendAsync(byte[], Envelope?, System.Threading.CancellationToken)"/> would throw it; null if it did not.</summary>
    public Exception? Error { get; }
}

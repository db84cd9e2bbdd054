using System;
using System.Collections.Generic;
using Everpost.Interop;

namespace Everpost;

/// <summary>When the sender asks to be told of a message's fate (RFC 3461). <see cref="Never"/> stands alone.</summary>
[Flags]
public enum DeliveryNotifications
{
    /// <summary>Nothing is asked, and the server does as it usually does.</summary>
    Unspecified = 0,

    /// <summary>When it was delivered.</summary>
    Success = 1,

    /// <summary>When it could not be delivered.</summary>
    Failure = 2,

    /// <summary>When it is late.</summary>
    Delay = 4,

    /// <summary>In no case.</summary>
    Never = 8,
}

/// <summary>How much of a message comes back with a notification (RFC 3461).</summary>
public enum NotificationContent
{
    /// <summary>As the server usually does.</summary>
    Unspecified = 0,

    /// <summary>The whole message.</summary>
    Full,

    /// <summary>Its header.</summary>
    Headers,
}

/// <summary>A message as it is, with who it is from and to.</summary>
public sealed class RawMessage
{
    /// <summary>Creates a message.</summary>
    /// <param name="content">The message, RFC 5322; its lines may end in any way. It is read when it is sent.</param>
    /// <param name="envelope">Who it is from and to; null for what its header says, without <c>Bcc</c> then.</param>
    public RawMessage(ReadOnlyMemory<byte> content, Envelope? envelope = null)
    {
        Content = content;
        Envelope = envelope;
    }

    /// <summary>The message.</summary>
    public ReadOnlyMemory<byte> Content { get; }

    /// <summary>Who it is from and to; null for what its header says.</summary>
    public Envelope? Envelope { get; }
}

/// <summary>
/// Who a message is from and to, as the server is told. Where none is given, it is
/// read from the message's header. Not thread-safe.
/// </summary>
public sealed class Envelope
{
    /// <summary>Creates an envelope.</summary>
    /// <param name="from">The sender, to whom failures are reported; null for nobody, the null reverse-path.</param>
    /// <param name="recipients">The recipients; more can be added.</param>
    public Envelope(string? from, params string[] recipients)
    {
        From = from;
        Recipients = new List<string>(recipients ?? throw new ArgumentNullException(nameof(recipients)));
    }

    /// <summary>The sender; null is the null reverse-path.</summary>
    public string? From { get; set; }

    /// <summary>The recipients; at least one.</summary>
    public IList<string> Recipients { get; }

    /// <summary>An identifier that notifications carry (ENVID); null for none.</summary>
    public string? Id { get; set; }

    /// <summary>How much of the message comes back with a notification.</summary>
    public NotificationContent Return { get; set; }

    /// <summary>When to notify.</summary>
    public DeliveryNotifications Notify { get; set; }

    /// <summary>Whether every server on the way must use verified TLS (RFC 8689).</summary>
    public bool RequireTls { get; set; }

    internal EnvelopeHandle ToNative()
    {
        Library.Require();
        Utf8? from = From is null ? null : new Utf8(From);
        int status = NativeMethods.everpost_envelope_new(
            from?.Bytes, from?.Length ?? UIntPtr.Zero, out EnvelopeHandle handle, out ErrorHandle error);
        Errors.Check(status, error);
        try
        {
            foreach (string recipient in Recipients)
            {
                var text = new Utf8(recipient);
                Errors.Check(NativeMethods.everpost_envelope_add(handle, text.Bytes, text.Length, out error), error);
            }
            if (Id is not null) Set(handle, "envid", Id);
            if (Return != NotificationContent.Unspecified) Set(handle, "return", Return == NotificationContent.Full ? "full" : "hdrs");
            if (RequireTls) Set(handle, "require_tls", "true");
            if (Notify != DeliveryNotifications.Unspecified) Set(handle, "notify", Names(Notify));
            return handle;
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    private static string Names(DeliveryNotifications notify)
    {
        var names = new List<string>();
        if (notify.HasFlag(DeliveryNotifications.Never)) names.Add("never");
        if (notify.HasFlag(DeliveryNotifications.Success)) names.Add("success");
        if (notify.HasFlag(DeliveryNotifications.Failure)) names.Add("failure");
        if (notify.HasFlag(DeliveryNotifications.Delay)) names.Add("delay");
        return string.Join(",", names);
    }

    private static void Set(EnvelopeHandle handle, string key, string value)
    {
        Utf8 name = new(key), text = new(value);
        Errors.Check(NativeMethods.everpost_envelope_set(handle, name.Bytes, name.Length, text.Bytes, text.Length, out ErrorHandle error), error);
    }
}

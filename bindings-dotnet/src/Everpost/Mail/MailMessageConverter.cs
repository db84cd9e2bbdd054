using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Net.Mail;
using System.Net.Mime;
using System.Text;
using Everpost.Interop;

namespace Everpost.Mail;

/// <summary>
/// Turns a <see cref="MailMessage"/> into RFC 5322 bytes, by its public members
/// alone: mixed around alternative around related, each only where it is needed.
/// </summary>
internal static class MailMessageConverter
{
    /// <summary>Fields that the properties of a message, and not its headers, decide.</summary>
    private static readonly HashSet<string> OurFields = new(StringComparer.OrdinalIgnoreCase)
    {
        "From", "Sender", "To", "Cc", "Bcc", "Reply-To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type",
        "Content-Transfer-Encoding", "Content-Disposition", "Content-ID", "Content-Description", "Content-Location",
    };

    private static readonly HashSet<string> PriorityFields =
        new(StringComparer.OrdinalIgnoreCase) { "X-Priority", "Priority", "Importance" };

    /// <summary>The message as bytes. Streams of attachments are read, and stand again where they stood.</summary>
    internal static byte[] Convert(MailMessage message)
    {
        if (message.From is null) throw Invalid("the message has no From");
        using var output = new MemoryStream();
        var header = new HeaderWriter(output);
        Encoding? encoding = message.HeadersEncoding;
        header.Addresses("From", new[] { message.From }, encoding);
        if (message.Sender is not null) header.Addresses("Sender", new[] { message.Sender }, encoding);
        header.Addresses("Reply-To", message.ReplyToList, encoding);
        header.Addresses("To", message.To, encoding);
        header.Addresses("Cc", message.CC, encoding);
        header.Text("Subject", message.Subject ?? string.Empty, message.SubjectEncoding ?? encoding);
        header.Field("Date", message.Headers["Date"] ?? Date(DateTimeOffset.Now));
        header.Field("Message-ID", message.Headers["Message-ID"] ?? $"<{Guid.NewGuid():N}@{HeaderWriter.Spec(message.From).Split('@').Last()}>");
        Priority(header, message.Priority);
        foreach (string? name in message.Headers.AllKeys)
        {
            bool taken = name is null || OurFields.Contains(name)
                || (message.Priority != MailPriority.Normal && PriorityFields.Contains(name));
            if (taken) continue;
            foreach (string value in message.Headers.GetValues(name) ?? Array.Empty<string>()) header.Text(name!, value, encoding);
        }
        header.Field("MIME-Version", "1.0");
        Whole(message).Write(output);
        return output.ToArray();
    }

    /// <summary>The envelope of the message: all its recipients, the hidden ones too.</summary>
    internal static Envelope EnvelopeOf(MailMessage message)
    {
        MailAddress sender = message.Sender ?? message.From ?? throw Invalid("the message has no From");
        IEnumerable<MailAddress> recipients = message.To.Concat(message.CC).Concat(message.Bcc);
        var envelope = new Envelope(
            HeaderWriter.Spec(sender), recipients.Select(HeaderWriter.Spec).Distinct(StringComparer.Ordinal).ToArray());
        DeliveryNotificationOptions notify = message.DeliveryNotificationOptions;
        if (notify == DeliveryNotificationOptions.Never) envelope.Notify = DeliveryNotifications.Never;
        else
        {
            if (notify.HasFlag(DeliveryNotificationOptions.OnSuccess)) envelope.Notify |= DeliveryNotifications.Success;
            if (notify.HasFlag(DeliveryNotificationOptions.OnFailure)) envelope.Notify |= DeliveryNotifications.Failure;
            if (notify.HasFlag(DeliveryNotificationOptions.Delay)) envelope.Notify |= DeliveryNotifications.Delay;
        }
        return envelope;
    }

    internal static EverpostMessageException Invalid(string why) =>
        new(EverpostError.OfOurs(EverpostErrorKind.InvalidMessage, why));

    /// <summary>A time as RFC 5322 has it, in every culture.</summary>
    internal static string Date(DateTimeOffset time) =>
        time.ToString("ddd, dd MMM yyyy HH:mm:ss ", CultureInfo.InvariantCulture)
        + time.ToString("zzz", CultureInfo.InvariantCulture).Replace(":", "");

    private static void Priority(HeaderWriter header, MailPriority priority)
    {
        if (priority == MailPriority.Normal) return;
        bool high = priority == MailPriority.High;
        header.Field("X-Priority", high ? "1" : "5");
        header.Field("Priority", high ? "urgent" : "non-urgent");
        header.Field("Importance", high ? "high" : "low");
    }

    private static Part Whole(MailMessage message)
    {
        var views = new List<Part>();
        if (message.AlternateViews.Count == 0 || !string.IsNullOrEmpty(message.Body)) views.Add(Body(message));
        views.AddRange(message.AlternateViews.Select(View));
        Part content = views.Count == 1 ? views[0] : Part.Multipart("alternative", views);
        if (message.Attachments.Count == 0) return content;
        return Part.Multipart("mixed", new[] { content }.Concat(message.Attachments.Select(Attached)));
    }

    private static Part Body(MailMessage message)
    {
        // Lines of text end in pairs before they are encoded (RFC 2045 §6.8).
        string text = (message.Body ?? string.Empty).Replace("\r\n", "\n").Replace('\r', '\n').Replace("\n", "\r\n");
        Encoding encoding = message.BodyEncoding ?? (HeaderWriter.IsAscii(text) ? Encoding.ASCII : Encoding.UTF8);
        var type = new ContentType(message.IsBodyHtml ? "text/html" : "text/plain") { CharSet = encoding.WebName };
        // Mono fails to tell the transfer encoding where there is no other; .NET has both or none.
        TransferEncoding asked = message.BodyEncoding is null ? TransferEncoding.Unknown : message.BodyTransferEncoding;
        return Part.Leaf(type, asked, encoding.GetBytes(text));
    }

    private static Part View(AlternateView view)
    {
        Part root = Part.Leaf(view.ContentType, view.TransferEncoding, Read(view.ContentStream));
        if (view.BaseUri is { } address) root.Add("Content-Base", address.OriginalString);
        if (view.LinkedResources.Count == 0) return root;
        Part related = Part.Multipart("related", new[] { root }.Concat(view.LinkedResources.Select(Linked)));
        related.Parameter("type", view.ContentType.MediaType);
        return related;
    }

    private static Part Linked(LinkedResource resource)
    {
        Part part = Part.Leaf(resource.ContentType, resource.TransferEncoding, Read(resource.ContentStream));
        part.Add("Content-ID", $"<{resource.ContentId}>");
        if (resource.ContentLink is { } link) part.Add("Content-Location", link.OriginalString);
        string disposition = "inline";
        if (!string.IsNullOrEmpty(resource.ContentType.Name))
            disposition += "; " + HeaderWriter.Parameter("filename", resource.ContentType.Name, null);
        part.Add("Content-Disposition", disposition);
        return part;
    }

    private static Part Attached(Attachment attachment)
    {
        Part part = Part.Leaf(attachment.ContentType, attachment.TransferEncoding, Read(attachment.ContentStream), attachment.NameEncoding);
        if (!string.IsNullOrEmpty(attachment.ContentId)) part.Add("Content-ID", $"<{attachment.ContentId}>");
        ContentDisposition disposition = attachment.ContentDisposition;
        var value = new StringBuilder(disposition.DispositionType);
        string? file = string.IsNullOrEmpty(disposition.FileName) ? attachment.Name : disposition.FileName;
        if (!string.IsNullOrEmpty(file)) value.Append("; ").Append(HeaderWriter.Parameter("filename", file!, attachment.NameEncoding));
        foreach (string name in disposition.Parameters.Keys.Cast<string>())
        {
            if (string.Equals(name, "filename", StringComparison.OrdinalIgnoreCase)) continue;
            if (disposition.Parameters[name] is { } given) value.Append("; ").Append(HeaderWriter.Parameter(name, given, null));
        }
        part.Add("Content-Disposition", value.ToString());
        return part;
    }

    private static byte[] Read(Stream stream)
    {
        using var copy = new MemoryStream();
        long start = stream.CanSeek ? stream.Position : 0;
        stream.CopyTo(copy);
        if (stream.CanSeek) stream.Position = start;
        return copy.ToArray();
    }
}

using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net.Mime;
using System.Text;

namespace Everpost.Mail;

/// <summary>A part of a MIME message: content, or parts between boundaries.</summary>
internal sealed class Part
{
    private readonly List<KeyValuePair<string, string>> fields = new();
    private readonly IReadOnlyList<Part> parts;
    private readonly byte[] content;
    private readonly TransferEncoding encoding;
    private readonly string? boundary;
    private readonly bool text;
    private string contentType;

    private Part(string contentType, IReadOnlyList<Part> parts, byte[] content, TransferEncoding encoding, string? boundary, bool text)
    {
        this.contentType = contentType;
        this.parts = parts;
        this.content = content;
        this.encoding = encoding;
        this.boundary = boundary;
        this.text = text;
    }

    internal static Part Leaf(ContentType type, TransferEncoding asked, byte[] content, Encoding? names = null)
    {
        var value = new StringBuilder(type.MediaType);
        foreach (string name in type.Parameters.Keys.Cast<string>())
            if (type.Parameters[name] is { } given) value.Append("; ").Append(HeaderWriter.Parameter(name, given, names));
        bool text = IsText(type);
        return new Part(value.ToString(), Array.Empty<Part>(), content, ContentEncoder.Choose(asked, content, text), null, text);
    }

    internal static Part Multipart(string subtype, IEnumerable<Part> parts)
    {
        // "=_" cannot be in quoted-printable, nor a GUID by chance in anything else.
        string boundary = $"=_{Guid.NewGuid():N}";
        return new Part($"multipart/{subtype}; boundary=\"{boundary}\"", parts.ToArray(), Array.Empty<byte>(), default, boundary, false);
    }

    internal void Add(string name, string value) => fields.Add(new(name, value));

    internal void Parameter(string name, string value) => contentType += $"; {HeaderWriter.Parameter(name, value, null)}";

    internal void Write(Stream output)
    {
        var header = new HeaderWriter(output);
        header.Field("Content-Type", contentType);
        if (boundary is null) header.Field("Content-Transfer-Encoding", ContentEncoder.NameOf(encoding));
        else if (IsEightBit) header.Field("Content-Transfer-Encoding", "8bit");
        foreach (KeyValuePair<string, string> field in fields) header.Field(field.Key, field.Value);
        header.End();
        if (boundary is null)
        {
            ContentEncoder.Write(output, encoding, content, text);
            return;
        }
        string before = "";
        foreach (Part part in parts)
        {
            Line(output, $"{before}--{boundary}");
            part.Write(output);
            // This line end is the boundary's (RFC 2046 §5.1.1): content keeps its own.
            before = "\r\n";
        }
        Line(output, $"{before}--{boundary}--");
    }

    private bool IsEightBit => boundary is null ? encoding == TransferEncoding.EightBit : parts.Any(part => part.IsEightBit);

    /// <summary>Whether line ends of the content mean lines. In UTF-16 they are bytes like others.</summary>
    private static bool IsText(ContentType type) =>
        type.MediaType.StartsWith("text/", StringComparison.OrdinalIgnoreCase)
        && !(type.CharSet ?? string.Empty).StartsWith("utf-16", StringComparison.OrdinalIgnoreCase)
        && !(type.CharSet ?? string.Empty).StartsWith("utf-32", StringComparison.OrdinalIgnoreCase);

    private static void Line(Stream output, string line)
    {
        byte[] bytes = Encoding.ASCII.GetBytes(line + "\r\n");
        output.Write(bytes, 0, bytes.Length);
    }
}

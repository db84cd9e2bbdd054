using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text;
using System.Text.RegularExpressions;
using Xunit;

namespace Everpost.Tests;

/// <summary>A reader of messages that shares nothing with the writer under test.</summary>
internal sealed class Mime
{
    private readonly List<KeyValuePair<string, string>> fields = new();
    private readonly string content;

    internal Mime(string text)
    {
        Assert.False(Regex.IsMatch(text, "[^\r]\n|\r[^\n]"), "a bare line end");
        int end = text.IndexOf("\r\n\r\n", StringComparison.Ordinal);
        Assert.True(end > 0, "no end of the header");
        foreach (string line in Regex.Split(text.Substring(0, end), "\r\n(?![ \t])"))
        {
            foreach (string piece in line.Split(new[] { "\r\n" }, StringSplitOptions.None)) Assert.True(piece.Length <= 998, piece);
            int colon = line.IndexOf(':');
            fields.Add(new(line.Substring(0, colon), Regex.Replace(line.Substring(colon + 1), "\r\n(?=[ \t])", "").Trim()));
        }
        content = text.Substring(end + 4);
    }

    internal string Type => Raw("Content-Type")!.Split(';')[0];

    internal IReadOnlyList<Mime> Parts
    {
        get
        {
            string boundary = Parameter("Content-Type", "boundary")!;
            string[] pieces = ("\r\n" + content).Split(new[] { "\r\n--" + boundary }, StringSplitOptions.None);
            Assert.StartsWith("--", pieces[pieces.Length - 1]);
            return pieces.Skip(1).Take(pieces.Length - 2).Select(piece => new Mime(piece.Substring(2))).ToList();
        }
    }

    internal byte[] Bytes
    {
        get
        {
            string body = content;
            switch (Raw("Content-Transfer-Encoding"))
            {
                case "base64":
                    return Convert.FromBase64String(body.Replace("\r\n", ""));
                case "quoted-printable":
                    foreach (string line in body.Split(new[] { "\r\n" }, StringSplitOptions.None)) Assert.True(line.Length <= 76, line);
                    return Percent(body.Replace("=\r\n", ""), '=');
                default:
                    return Encoding.UTF8.GetBytes(body);
            }
        }
    }

    internal string Text => Encoding.GetEncoding(Parameter("Content-Type", "charset") ?? "us-ascii").GetString(Bytes);

    internal string? Raw(string name) =>
        fields.Where(field => string.Equals(field.Key, name, StringComparison.OrdinalIgnoreCase)).Select(field => field.Value).FirstOrDefault();

    internal IEnumerable<string> All(string name) =>
        fields.Where(field => string.Equals(field.Key, name, StringComparison.OrdinalIgnoreCase)).Select(field => field.Value);

    /// <summary>The field with its encoded words read (RFC 2047).</summary>
    internal string? Field(string name)
    {
        string? raw = Raw(name);
        if (raw is null) return null;
        foreach (Match word in Regex.Matches(raw, @"=\?\S+").Cast<Match>()) Assert.True(word.Length <= 76, word.Value);
        raw = Regex.Replace(raw, @"(=\?[^?]+\?B\?[^?]*\?=)\s+(?==\?)", "$1");
        return Regex.Replace(raw, @"=\?([^?]+)\?B\?([^?]*)\?=", match =>
            Encoding.GetEncoding(match.Groups[1].Value).GetString(Convert.FromBase64String(match.Groups[2].Value)));
    }

    /// <summary>A parameter, with RFC 2231 read.</summary>
    internal string? Parameter(string field, string name)
    {
        string raw = Raw(field) ?? "";
        Match plain = Regex.Match(raw, $"; *{name}=(?:\"((?:[^\"\\\\]|\\\\.)*)\"|([^;]*))", RegexOptions.IgnoreCase);
        if (plain.Success) return Regex.Replace(plain.Groups[1].Value, @"\\(.)", "$1") + plain.Groups[2].Value.Trim();
        string pieces = string.Concat(Regex.Matches(raw, $@"; *{name}\*(?:[0-9]+\*)?=([^; ]*)").Cast<Match>().Select(match => match.Groups[1].Value));
        if (pieces.Length == 0) return null;
        string[] parts = pieces.Split(new[] { '\'' }, 3);
        return Encoding.GetEncoding(parts[0]).GetString(Percent(parts[2], '%'));
    }

    private static byte[] Percent(string text, char mark)
    {
        var bytes = new MemoryStream();
        for (int index = 0; index < text.Length; index++)
        {
            if (text[index] != mark)
            {
                Assert.True(text[index] < 0x80, "not ASCII");
                bytes.WriteByte((byte)text[index]);
                continue;
            }
            bytes.WriteByte(byte.Parse(text.Substring(index + 1, 2), NumberStyles.HexNumber, CultureInfo.InvariantCulture));
            index += 2;
        }
        return bytes.ToArray();
    }
}

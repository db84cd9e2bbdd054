using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Net.Mail;
using System.Text;

namespace Everpost.Mail;

/// <summary>
/// Writes header fields: folded at 76 columns where there is a blank to fold at,
/// and ASCII throughout, by RFC 2047 and RFC 2231, but for addresses that are not.
/// </summary>
internal sealed class HeaderWriter
{
    private const int LineLength = 76;

    /// <summary>RFC 2047 §2: no encoded word is longer.</summary>
    private const int WordLength = 75;

    private readonly Stream output;

    internal HeaderWriter(Stream output) => this.output = output;

    /// <summary>A field of free text.</summary>
    internal void Text(string name, string value, Encoding? encoding)
    {
        string text = Unfold(name, value);
        Field(name, IsPlain(text) ? text : string.Join(" ", Words(text, encoding, name.Length + 2)));
    }

    /// <summary>A field whose value is written by its own rules already; blanks are where it may fold.</summary>
    internal void Field(string name, string value)
    {
        var line = new StringBuilder(name).Append(':');
        int column = line.Length;
        foreach (string part in Unfold(name, value).Split(' '))
        {
            bool fold = column + 1 + part.Length > LineLength && column > name.Length + 1 && part.Length > 0;
            line.Append(fold ? "\r\n " : " ").Append(part);
            column = (fold ? 0 : column) + 1 + part.Length;
        }
        Write(line.Append("\r\n").ToString());
    }

    /// <summary>A field of addresses; none where there are none.</summary>
    internal void Addresses(string name, IEnumerable<MailAddress> addresses, Encoding? encoding)
    {
        var texts = new List<string>();
        foreach (MailAddress address in addresses) texts.Add(Address(address, encoding, name.Length + 2));
        if (texts.Count > 0) Field(name, string.Join(", ", texts));
    }

    /// <summary>The empty line that ends a header.</summary>
    internal void End() => Write("\r\n");

    /// <summary>A parameter as it follows a semicolon.</summary>
    internal static string Parameter(string name, string value, Encoding? encoding)
    {
        value = Unfold(name, value);
        if (IsToken(value)) return $"{name}={value}";
        if (IsPlain(value, words: false) && value.Length < LineLength) return $"{name}={Quoted(value)}";
        return Extended(name, value, encoding ?? Encoding.UTF8);
    }

    /// <summary>The address alone, its domain as DNS has it, so that it needs no SMTPUTF8 for the domain's sake.</summary>
    internal static string Spec(MailAddress address)
    {
        string host = address.Host;
        if (!IsAscii(host) && !host.StartsWith("[", StringComparison.Ordinal)) host = new IdnMapping().GetAscii(host);
        return $"{address.User}@{host}";
    }

    internal static bool IsAscii(string text)
    {
        foreach (char character in text) if (character > 0x7E) return false;
        return true;
    }

    private static string Address(MailAddress address, Encoding? encoding, int column)
    {
        string spec = Spec(address), display = Unfold("an address", address.DisplayName);
        if (display.Length == 0) return spec;
        if (!IsPlain(display)) return $"{string.Join(" ", Words(display, encoding, column))} <{spec}>";
        return $"{(IsPhrase(display) ? display : Quoted(display))} <{spec}>";
    }

    /// <summary>
    /// RFC 2047 words, as many as it takes; no character is cut in two. The first fits on the line from this
    /// column on, for the line that a field begins with cannot be folded before it.
    /// </summary>
    private static IEnumerable<string> Words(string text, Encoding? encoding, int column)
    {
        encoding ??= Encoding.UTF8;
        if (encoding is ASCIIEncoding || !Represents(encoding, text)) encoding = Encoding.UTF8;
        string prefix = $"=?{encoding.WebName}?B?";
        int length = Math.Max(Math.Min(WordLength, LineLength - column), prefix.Length + 10);
        int start = 0, end = 0;
        while (start < text.Length)
        {
            while (end < text.Length)
            {
                int next = end + (char.IsHighSurrogate(text[end]) && end + 1 < text.Length ? 2 : 1);
                int room = (length - prefix.Length - 2) / 4 * 3;
                if (end > start && encoding.GetByteCount(text.Substring(start, next - start)) > room) break;
                end = next;
            }
            yield return prefix + Convert.ToBase64String(encoding.GetBytes(text.Substring(start, end - start))) + "?=";
            start = end;
            length = WordLength;
        }
    }

    /// <summary>RFC 2231: in a character set, in percents, and in pieces where it is long.</summary>
    private static string Extended(string name, string value, Encoding encoding)
    {
        if (encoding is ASCIIEncoding || !Represents(encoding, value)) encoding = Encoding.UTF8;
        var pieces = new List<string>();
        var piece = new StringBuilder($"{encoding.WebName}''");
        foreach (byte octet in encoding.GetBytes(value))
        {
            string one = IsAttribute(octet) ? ((char)octet).ToString() : "%" + octet.ToString("X2", CultureInfo.InvariantCulture);
            if (piece.Length + one.Length > 60)
            {
                pieces.Add(piece.ToString());
                piece.Clear();
            }
            piece.Append(one);
        }
        pieces.Add(piece.ToString());
        if (pieces.Count == 1) return $"{name}*={pieces[0]}";
        for (int index = 0; index < pieces.Count; index++)
            pieces[index] = FormattableString.Invariant($"{name}*{index}*={pieces[index]}");
        return string.Join("; ", pieces);
    }

    private static string Unfold(string name, string value)
    {
        string text = value.Replace("\r\n ", " ").Replace("\r\n\t", "\t");
        foreach (char character in text)
        {
            if (character is '\r' or '\n' or '\0')
                throw MailMessageConverter.Invalid($"{name} has a line break or a NUL in it");
        }
        return text;
    }

    /// <summary>Whether the text can stand in a header as it is, and does not look like an encoded word.</summary>
    private static bool IsPlain(string text, bool words = true)
    {
        foreach (char character in text)
            if (character is > (char)0x7E or (< ' ' and not '\t')) return false;
        if (words && text.Contains("=?")) return false;
        // A word that no line can hold is better encoded, which can be cut.
        foreach (string word in text.Split(' ')) if (word.Length > 900) return false;
        return true;
    }

    private static bool IsToken(string text)
    {
        if (text.Length is 0 or > 60) return false;
        foreach (char character in text)
            if (character <= ' ' || character > 0x7E || "()<>@,;:\\\"/[]?=".IndexOf(character) >= 0) return false;
        return true;
    }

    /// <summary>Whether the display name needs no quotes: atoms and single blanks.</summary>
    private static bool IsPhrase(string text)
    {
        foreach (string word in text.Split(' '))
        {
            if (word.Length == 0) return false;
            foreach (char character in word)
                if (!(char.IsLetterOrDigit(character) || "!#$%&'*+-/=?^_`{|}~".IndexOf(character) >= 0)) return false;
        }
        return true;
    }

    private static bool IsAttribute(byte octet) =>
        octet > ' ' && octet < 0x7F && "*'%()<>@,;:\\\"/[]?=".IndexOf((char)octet) < 0;

    private static bool Represents(Encoding encoding, string text) => encoding.GetString(encoding.GetBytes(text)) == text;

    private static string Quoted(string text) => "\"" + text.Replace("\\", "\\\\").Replace("\"", "\\\"") + "\"";

    private void Write(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        output.Write(bytes, 0, bytes.Length);
    }
}

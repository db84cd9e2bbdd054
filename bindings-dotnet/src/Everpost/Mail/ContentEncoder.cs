using System;
using System.IO;
using System.Net.Mime;
using System.Text;

namespace Everpost.Mail;

/// <summary>Writes the content of a part in the transfer encoding that was asked for, or in the next that can carry it.</summary>
internal static class ContentEncoder
{
    private const int LineLength = 76;

    /// <summary>RFC 5322 §2.1.1.</summary>
    private const int LongestLine = 998;

    /// <summary>The encoding to use for content for which this one was asked.</summary>
    internal static TransferEncoding Choose(TransferEncoding asked, byte[] content, bool text)
    {
        switch (asked)
        {
            case TransferEncoding.QuotedPrintable:
            case TransferEncoding.Base64:
                return asked;
            case TransferEncoding.SevenBit:
            case TransferEncoding.EightBit:
                if (CanStand(content, text, asked == TransferEncoding.EightBit)) return asked;
                return text ? TransferEncoding.QuotedPrintable : TransferEncoding.Base64;
            default:
                if (!text) return TransferEncoding.Base64;
                if (CanStand(content, text, eightBit: false)) return TransferEncoding.SevenBit;
                return MostlyAscii(content) ? TransferEncoding.QuotedPrintable : TransferEncoding.Base64;
        }
    }

    internal static string NameOf(TransferEncoding encoding) => encoding switch
    {
        TransferEncoding.QuotedPrintable => "quoted-printable",
        TransferEncoding.SevenBit => "7bit",
        TransferEncoding.EightBit => "8bit",
        _ => "base64",
    };

    /// <summary>Writes the content, and nothing after it.</summary>
    internal static void Write(Stream output, TransferEncoding encoding, byte[] content, bool text)
    {
        byte[] encoded = encoding switch
        {
            TransferEncoding.QuotedPrintable => QuotedPrintable(content, text),
            TransferEncoding.Base64 => Base64(content),
            _ => CanonicalLines(content),
        };
        output.Write(encoded, 0, encoded.Length);
    }

    /// <summary>Whether the content survives as lines without an encoding.</summary>
    private static bool CanStand(byte[] content, bool text, bool eightBit)
    {
        int line = 0;
        for (int index = 0; index < content.Length; index++)
        {
            byte octet = content[index];
            if (octet == 0 || (octet > 0x7F && !eightBit)) return false;
            bool pair = octet == '\r' && index + 1 < content.Length && content[index + 1] == '\n';
            // Bare line ends become pairs on the way: text bears that, other content does not.
            if (octet is (byte)'\r' or (byte)'\n' && !pair && !text) return false;
            if (pair) index++;
            line = octet is (byte)'\r' or (byte)'\n' ? 0 : line + 1;
            if (line > LongestLine) return false;
        }
        return true;
    }

    private static bool MostlyAscii(byte[] content)
    {
        int others = 0;
        foreach (byte octet in content) if (octet > 0x7E) others++;
        return others * 6 < content.Length;
    }

    private static byte[] Base64(byte[] content)
    {
        string text = Convert.ToBase64String(content, Base64FormattingOptions.InsertLineBreaks);
        return Encoding.ASCII.GetBytes(text);
    }

    private static byte[] CanonicalLines(byte[] content)
    {
        var lines = new MemoryStream(content.Length + 16);
        for (int index = 0; index < content.Length; index++)
        {
            byte octet = content[index];
            if (octet is not ((byte)'\r' or (byte)'\n'))
            {
                lines.WriteByte(octet);
                continue;
            }
            if (octet == '\r' && index + 1 < content.Length && content[index + 1] == '\n') index++;
            lines.WriteByte((byte)'\r');
            lines.WriteByte((byte)'\n');
        }
        return lines.ToArray();
    }

    /// <summary>RFC 2045 §6.7. Line ends of text stay line ends; those of other content are encoded like any byte.</summary>
    private static byte[] QuotedPrintable(byte[] content, bool text)
    {
        if (text) content = CanonicalLines(content);
        var lines = new StringBuilder(content.Length * 2);
        int column = 0;
        for (int index = 0; index < content.Length; index++)
        {
            byte octet = content[index];
            if (text && octet == '\r')
            {
                lines.Append("\r\n");
                column = 0;
                index++; // The LF, which canonical lines have.
                continue;
            }
            bool lineEnds = index + 1 == content.Length || (text && content[index + 1] == '\r');
            bool blank = octet is (byte)' ' or (byte)'\t';
            bool plain = (octet is > 0x20 and < 0x7F && octet != '=') || (blank && !lineEnds);
            int width = plain ? 1 : 3;
            // The last column is for the mark of a soft break.
            if (column + width > LineLength - (lineEnds ? 0 : 1))
            {
                lines.Append("=\r\n");
                column = 0;
            }
            if (plain) lines.Append((char)octet);
            else lines.Append('=').Append(octet.ToString("X2", System.Globalization.CultureInfo.InvariantCulture));
            column += width;
        }
        return Encoding.ASCII.GetBytes(lines.ToString());
    }
}

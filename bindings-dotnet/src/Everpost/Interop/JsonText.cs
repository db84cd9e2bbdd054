using System.Collections.Generic;
using System.Globalization;
using System.Text;

namespace Everpost.Interop;

/// <summary>JSON that is written as the library writes it: without spaces, escaped only where it must be.</summary>
internal sealed class JsonText
{
    private readonly StringBuilder text = new();

    public override string ToString() => text.ToString();

    internal JsonText Raw(string part)
    {
        text.Append(part);
        return this;
    }

    internal JsonText Number(int number) => Raw(number.ToString(CultureInfo.InvariantCulture));

    internal JsonText List(IEnumerable<string> items)
    {
        string before = "[";
        foreach (string item in items)
        {
            Raw(before).String(item);
            before = ",";
        }
        return Raw(before == "[" ? "[]" : "]");
    }

    internal JsonText String(string? value)
    {
        if (value is null) return Raw("null");
        text.Append('"');
        foreach (char one in value)
        {
            switch (one)
            {
                case '"' or '\\': text.Append('\\').Append(one); break;
                case '\b': text.Append("\\b"); break;
                case '\f': text.Append("\\f"); break;
                case '\n': text.Append("\\n"); break;
                case '\r': text.Append("\\r"); break;
                case '\t': text.Append("\\t"); break;
                case < ' ': text.Append("\\u").Append(((int)one).ToString("x4", CultureInfo.InvariantCulture)); break;
                default: text.Append(one); break;
            }
        }
        text.Append('"');
        return this;
    }
}

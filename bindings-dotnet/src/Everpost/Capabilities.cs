using System;
using System.Collections.Generic;
using System.Runtime.Serialization.Json;
using System.Text;
using System.Xml;
using Everpost.Interop;

namespace Everpost;

/// <summary>What a server offers after the login (RFC 5321, section 4.1.1.1). Immutable.</summary>
public sealed class Capabilities
{
    internal Capabilities(string json)
    {
        Json = json;
        // .NET and .NET Framework have one reader in common, which shows JSON as XML.
        using XmlDictionaryReader reader = JsonReaderWriterFactory.CreateJsonReader(Encoding.UTF8.GetBytes(json), XmlDictionaryReaderQuotas.Max);
        var document = new XmlDocument();
        document.Load(reader);
        XmlElement all = document.DocumentElement!;
        var extensions = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        for (XmlNode? one = all["extensions"]!.FirstChild; one is not null; one = one.NextSibling)
        {
            // Some servers name AUTH twice, for old clients: the first counts.
            string keyword = one["keyword"]!.InnerText;
            if (!extensions.ContainsKey(keyword)) extensions.Add(keyword, one["parameters"]!.InnerText);
        }
        Domain = all["domain"]!.InnerText;
        Extensions = extensions;
    }

    /// <summary>The name by which the server introduces itself.</summary>
    public string Domain { get; }

    /// <summary>Each extension by its keyword, in any case, with its parameters; those are empty where it has none.</summary>
    public IReadOnlyDictionary<string, string> Extensions { get; }

    /// <summary>All of it as JSON, as reports of probes have it.</summary>
    public string Json { get; }

    /// <summary>The name and the keywords on one line.</summary>
    public override string ToString() => $"{Domain}: {string.Join(", ", Extensions.Keys)}";

    internal static Capabilities Take(IntPtr text)
    {
        using TextHandle handle = new();
        handle.Adopt(text);
        return new(NativeMethods.everpost_text_view(handle).Text);
    }
}

using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Runtime.Serialization.Json;
using System.Text;
using System.Xml;

namespace Everpost.Scenarios;

/// <summary>
/// JSON as objects: <see cref="Fields"/>, lists of objects, texts, numbers, booleans and null. .NET and .NET
/// Framework have one reader and writer in common, which shows JSON as XML.
/// </summary>
internal static class Json
{
    internal static object? Read(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        using XmlDictionaryReader reader = JsonReaderWriterFactory.CreateJsonReader(bytes, XmlDictionaryReaderQuotas.Max);
        reader.MoveToContent();
        return Read(reader);
    }

    internal static string Write(object? value)
    {
        using var stream = new MemoryStream();
        using (XmlDictionaryWriter writer = JsonReaderWriterFactory.CreateJsonWriter(stream, new UTF8Encoding(false), ownsStream: false))
        {
            writer.WriteStartElement("root");
            Write(writer, value);
            writer.WriteEndElement();
        }
        return Encoding.UTF8.GetString(stream.ToArray());
    }

    /// <summary>The value of the element where the reader stands, which it leaves behind.</summary>
    private static object? Read(XmlReader reader)
    {
        string type = reader.GetAttribute("type") ?? "string";
        if (type is not ("object" or "array"))
        {
            string text = reader.ReadElementContentAsString();
            return type switch
            {
                "null" => null,
                "boolean" => text == "true",
                "number" when long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long whole) => whole,
                "number" => double.Parse(text, CultureInfo.InvariantCulture),
                _ => text,
            };
        }
        var fields = new Fields();
        var items = new List<object?>();
        bool empty = reader.IsEmptyElement;
        reader.ReadStartElement();
        while (!empty && reader.MoveToContent() == XmlNodeType.Element)
        {
            // A name that XML cannot have stands in an attribute.
            string name = reader.GetAttribute("item") ?? reader.LocalName;
            object? value = Read(reader);
            if (type == "object") fields[name] = value;
            else items.Add(value);
        }
        if (!empty) reader.ReadEndElement();
        return type == "object" ? fields : items;
    }

    private static void Write(XmlWriter writer, object? value)
    {
        switch (value)
        {
            case null:
                writer.WriteAttributeString("type", "null");
                break;
            case string text:
                writer.WriteAttributeString("type", "string");
                writer.WriteString(text);
                break;
            case bool flag:
                writer.WriteAttributeString("type", "boolean");
                writer.WriteString(flag ? "true" : "false");
                break;
            case Fields fields:
                writer.WriteAttributeString("type", "object");
                foreach (KeyValuePair<string, object?> field in fields)
                {
                    writer.WriteStartElement("a", "item", "item");
                    writer.WriteAttributeString("item", field.Key);
                    Write(writer, field.Value);
                    writer.WriteEndElement();
                }
                break;
            case IEnumerable<object?> items:
                writer.WriteAttributeString("type", "array");
                foreach (object? item in items)
                {
                    writer.WriteStartElement("item");
                    Write(writer, item);
                    writer.WriteEndElement();
                }
                break;
            default:
                writer.WriteAttributeString("type", "number");
                writer.WriteString(Convert.ToString(value, CultureInfo.InvariantCulture));
                break;
        }
    }
}

/// <summary>An object of JSON. What is asked of it must be there.</summary>
internal sealed class Fields : Dictionary<string, object?>
{
    internal Fields() : base(StringComparer.Ordinal) { }

    internal string Text(string name) => (string)this[name]!;

    internal string? TextOrNull(string name) => (string?)this[name];

    internal bool Flag(string name) => (bool)this[name]!;

    internal Fields Object(string name) => (Fields)this[name]!;

    internal Fields? ObjectOrNull(string name) => (Fields?)this[name];

    internal List<object?> List(string name) => (List<object?>)this[name]!;
}
